/// Figures for people.
enum Quantity {
    /// `1,234,567`.
    static func count(_ value: Int) -> String {
        let digits = Array(String(value.magnitude))
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// `512 B`, `1.5 KB`: units are powers of 1024.
    static func bytes(_ value: Int) -> String {
        guard value >= 1024 else { return "\(value) B" }
        var scaled = Double(value) / 1024
        for unit in ["KB", "MB", "GB"] {
            if scaled < 1000 { return "\(decimal(scaled)) \(unit)" }
            scaled /= 1024
        }
        return "\(decimal(scaled)) TB"
    }

    /// `850 µs`, `12.3 ms`, `4.5 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
    static func duration(milliseconds: Double) -> String {
        switch milliseconds {
        case ..<1: return "\(Int((milliseconds * 1000).rounded())) µs"
        case ..<1000: return "\(decimal(milliseconds)) ms"
        case ..<60_000: return "\(decimal(milliseconds / 1000)) s"
        default: break
        }
        let seconds = Int(clamping: Int64(min(milliseconds / 1000, 1e15)))
        for (size, unit, smallerSize, smaller) in [
            (86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"),
        ]
        where seconds >= size {
            return "\(seconds / size) \(unit) \(seconds % size / smallerSize) \(smaller)"
        }
        return "\(seconds) s"
    }

    /// Three digits that count: `0.52`, `5.2`, `52`.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let scale: Double = value.magnitude < 1 ? 100 : value.magnitude < 100 ? 10 : 1
        let rounded = (value * scale).rounded() / scale
        guard rounded.magnitude < 1e15 else { return "\(rounded)" }
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }

    /// A share of 1 as per cent: `99.97 %`.
    static func percent(_ share: Double) -> String {
        let value = (share * 10_000).rounded() / 100
        return (value == value.rounded() ? "\(Int(value))" : "\(value)") + " %"
    }
}
