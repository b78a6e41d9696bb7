import Glibc

/// Where commands write; tests catch it.
protocol Console: AnyObject {
    /// To standard output, as it is. False when nobody reads any more or the disk is full.
    func write(_ bytes: [UInt8]) -> Bool
    /// Why something could not be written to standard output, as an error number; 0 if all could, or nobody reads any more.
    var outputError: Int32 { get }
    /// A line to standard error.
    func complain(_ line: String)
    /// Columns of the terminal that standard output is; nil if it is none.
    var columns: Int? { get }
    /// To standard error, as it is, if that is a terminal; for what is soon overwritten.
    func showProgress(_ text: String)
    /// Whether somebody would see progress.
    var seesProgress: Bool { get }
}

extension Console {
    var outputError: Int32 { 0 }
    var columns: Int? { nil }
    var seesProgress: Bool { false }
    func showProgress(_ text: String) {}

    /// A line to standard output.
    func print(_ line: String) { _ = write(Array((line + "\n").utf8)) }
}

/// Standard output and standard error.
final class StandardConsole: Console {
    private(set) var outputError: Int32 = 0

    func write(_ bytes: [UInt8]) -> Bool {
        let error = writeAll(STDOUT_FILENO, bytes)
        if outputError == 0, error != EPIPE { outputError = error }
        return error == 0
    }

    func complain(_ line: String) { _ = writeAll(STDERR_FILENO, Array((line + "\n").utf8)) }

    var columns: Int? { Terminal.size(STDOUT_FILENO)?.columns }

    var seesProgress: Bool { isatty(STDERR_FILENO) == 1 }

    func showProgress(_ text: String) {
        if seesProgress { _ = writeAll(STDERR_FILENO, Array(text.utf8)) }
    }
}

/// Text from elsewhere, fit for a terminal: control characters, which could drive it, are shown as their escapes.
func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var shown = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        if isControl(scalar) {
            shown.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
        } else {
            shown.append(scalar)
        }
    }
    return String(shown)
}

/// C0, DEL, C1, and the characters that turn the direction of text around.
private func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
}
