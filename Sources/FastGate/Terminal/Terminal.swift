import Glibc

/// What is known of a terminal.
enum Terminal {
    /// Columns and rows; nil if the descriptor is no terminal.
    static func size(_ fd: Int32) -> (columns: Int, rows: Int)? {
        guard isatty(fd) == 1 else { return nil }
        var size = winsize()
        guard ioctl(fd, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// A line of standard input. On a terminal it is asked for, and not shown while it is typed; Ctrl-C there, like the
    /// end of the input, is nil.
    static func readSecret(_ prompt: String) -> String? {
        var saved = termios()
        guard isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &saved) == 0 else {
            return readLine(strippingNewline: true)
        }
        // Ctrl-C ends the waiting, so that the terminal gets its echo back first. It is let through there alone: it would
        // be lost if it came just before.
        var interruption = sigaction()
        var former = sigaction()
        interruption.__sigaction_handler.sa_handler = { _ in }
        var interrupts = sigset_t()
        var formerMask = sigset_t()
        sigemptyset(&interrupts)
        sigaddset(&interrupts, SIGINT)
        pthread_sigmask(SIG_BLOCK, &interrupts, &formerMask)
        sigaction(SIGINT, &interruption, &former)
        var silent = saved
        silent.c_lflag &= ~tcflag_t(ECHO)
        // Nothing else may leave the terminal like that.
        silent.c_cc.10 = 0  // VSUSP
        silent.c_cc.1 = 0  // VQUIT
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        _ = writeAll(STDERR_FILENO, Array(prompt.utf8))
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved)
            sigaction(SIGINT, &former, nil)
            pthread_sigmask(SIG_SETMASK, &formerMask, nil)
            _ = writeAll(STDERR_FILENO, [UInt8(ascii: "\n")])
        }
        var input = fd_set()
        input.__fds_bits.0 = 1 << STDIN_FILENO
        guard pselect(STDIN_FILENO + 1, &input, nil, nil, nil, &formerMask) == 1 else { return nil }
        // A terminal gives a line at a time.
        var line = [UInt8](repeating: 0, count: 4096)
        let count = read(STDIN_FILENO, &line, line.count)
        guard count > 0 else { return nil }
        return String(decoding: line[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
