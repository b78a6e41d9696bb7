import Glibc

/// Reads the scalar notations of the configuration; nil = not of that notation.
enum ScalarParsing {
    /// Decimal digits with an optional minus sign; no other base, no separators.
    static func integer(_ text: String) -> Int? {
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        guard isDigits(digits) else { return nil }
        return Int(text)
    }

    /// `true`, `yes`, `on`, `false`, `no`, `off`, in any case.
    static func bool(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "on": true
        case "false", "no", "off": false
        default: nil
        }
    }

    /// Bytes: digits with an optional unit. Units are powers of 1024 however they are written: `64MB` = `64MiB` =
    /// `64M` = 67108864, because rings and pages come in such sizes.
    static func size(_ text: String) -> Int? {
        guard let (digits, unit) = split(text), isDigits(digits.utf8[...]), let count = Int(digits) else { return nil }
        let shift: Int
        switch unit {
        case "", "b": shift = 0
        case "k", "kb", "kib": shift = 10
        case "m", "mb", "mib": shift = 20
        case "g", "gb", "gib": shift = 30
        default: return nil
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : bytes
    }

    /// Seconds: a decimal number with an optional unit `ms`, `s`, `m`, `h` or `d`; without one, seconds.
    static func seconds(_ text: String) -> Double? {
        guard let (digits, unit) = split(text) else { return nil }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        // No exponents, no "inf", no "nan", which Double would take.
        guard parts.count <= 2, parts.allSatisfy({ isDigits($0.utf8[...]) }), let number = Double(digits) else {
            return nil
        }
        switch unit {
        case "ms": return number / 1000
        case "", "s": return number
        case "m": return number * 60
        case "h": return number * 3600
        case "d": return number * 86400
        default: return nil
        }
    }

    /// The IP literal that `host` is or stands for: brackets go, `localhost` becomes 127.0.0.1.
    static func address(_ host: String) -> String? {
        if host.lowercased() == "localhost" { return "127.0.0.1" }
        var literal = host
        if literal.hasPrefix("["), literal.hasSuffix("]") { literal = String(literal.dropFirst().dropLast()) }
        var v4 = in_addr()
        var v6 = in6_addr()
        // A NUL would end the C string early and hide what follows it.
        guard !literal.utf8.contains(0) else { return nil }
        return inet_pton(AF_INET, literal, &v4) == 1 || inet_pton(AF_INET6, literal, &v6) == 1 ? literal : nil
    }

    /// Digits (and dots) up to the first letter, and the lower-cased rest without blanks between.
    private static func split(_ text: String) -> (digits: String, unit: String)? {
        let end = text.firstIndex { !$0.isASCII || !($0.isNumber || $0 == ".") } ?? text.endIndex
        guard end > text.startIndex else { return nil }
        let unit = text[end...].drop { $0 == " " }.lowercased()
        return (String(text[..<end]), unit)
    }

    private static func isDigits(_ bytes: String.UTF8View.SubSequence) -> Bool {
        !bytes.isEmpty && bytes.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
