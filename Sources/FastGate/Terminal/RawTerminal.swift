import Glibc

/// The terminal as a screen of its own: no echo, keys at once, the cursor hidden. It is given back as it was when the
/// object goes, however that comes about.
final class RawTerminal {
    private static let enter = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[2J"
    private static let leave = "\u{1B}[?25h\u{1B}[?1049l"

    private let input: Int32
    private let output: Int32
    private var saved = termios()
    private var isEntered = false

    /// Nil if the two are no terminal.
    init?(input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO) {
        self.input = input
        self.output = output
        guard isatty(input) == 1, isatty(output) == 1, tcgetattr(input, &saved) == 0 else { return nil }
        enter()
    }

    deinit { leave() }

    /// Takes the terminal (again).
    func enter() {
        guard !isEntered else { return }
        var raw = saved
        // Signals stay: Ctrl-C and Ctrl-Z mean what they always mean.
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        tcsetattr(input, TCSADRAIN, &raw)
        isEntered = true
        _ = writeAll(output, Array(Self.enter.utf8))
    }

    /// Gives it back.
    func leave() {
        guard isEntered else { return }
        isEntered = false
        _ = writeAll(output, Array(Self.leave.utf8))
        tcsetattr(input, TCSADRAIN, &saved)
    }

    /// Draws the lines from the top; what was there before goes. False when the terminal is gone.
    func draw(_ lines: [String]) -> Bool {
        var text = "\u{1B}[H"
        for (index, line) in lines.enumerated() {
            if index > 0 { text += "\r\n" }
            text += line + "\u{1B}[K"
        }
        return writeAll(output, Array((text + "\u{1B}[J").utf8)) == 0
    }
}
