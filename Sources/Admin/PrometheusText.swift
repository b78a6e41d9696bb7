/// Writes the Prometheus text exposition format, version 0.0.4.
struct PrometheusText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    enum Kind: String {
        case counter, gauge, histogram, summary
    }

    private(set) var text = ""

    /// Begins a family; its samples follow.
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, labels: [(String, String)] = [], _ value: some BinaryInteger) {
        line(name, labels, String(value))
    }

    mutating func sample(_ name: String, labels: [(String, String)] = [], _ value: Double) {
        line(name, labels, Self.number(value))
    }

    /// The samples of one histogram. The format wants cumulative counts; ours are per bucket.
    mutating func histogram(
        _ name: String, _ labels: [(String, String)] = [], boundsSeconds: [Double], counts: [UInt64], sum: Double,
        count: UInt64
    ) {
        var cumulative: UInt64 = 0
        for (index, bound) in boundsSeconds.enumerated() {
            if index < counts.count { cumulative &+= counts[index] }
            line(name + "_bucket", labels + [("le", Self.number(bound))], String(cumulative))
        }
        line(name + "_bucket", labels + [("le", "+Inf")], String(count))
        line(name + "_sum", labels, Self.number(sum))
        line(name + "_count", labels, String(count))
    }

    private mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
        text += name
        if !labels.isEmpty {
            text += "{"
            for (index, label) in labels.enumerated() {
                if index > 0 { text += "," }
                text += label.0 + "=\"" + Self.escaped(label.1) + "\""
            }
            text += "}"
        }
        text += " " + value + "\n"
    }

    /// A label value with backslash, quote and line feed escaped, as the format asks.
    static func escaped(_ value: String) -> String {
        var escaped = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }
}
