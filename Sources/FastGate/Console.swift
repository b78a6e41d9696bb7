import Glibc

/// Where commands write; tests catch it.
protocol Console: AnyObject {
    /// To standard output, as it is. False when nobody reads any more or the disk is full.
    func write(_ bytes: [UInt8]) -> Bool
    /// A line to standard error.
    func complain(_ line: String)
}

extension Console {
    /// A line to standard output.
    func print(_ line: String) { _ = write(Array((line + "\n").utf8)) }
}

/// Standard output and standard error.
final class StandardConsole: Console {
    func write(_ bytes: [UInt8]) -> Bool { writeAll(STDOUT_FILENO, bytes) == 0 }

    func complain(_ line: String) { _ = writeAll(STDERR_FILENO, Array((line + "\n").utf8)) }
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
