/// Comma-separated values as RFC 4180 has them.
enum CSV {
    /// Appends one line.
    static func append(_ cells: [String], to out: inout [UInt8]) {
        for (index, cell) in cells.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            appendText(cell, to: &out)
        }
        out += [13, 10]
    }

    /// Quoted where it must be. Text that a spreadsheet would take for a formula gets an apostrophe in front: these
    /// values were sent by strangers, and the file is opened by an administrator.
    static func appendText(_ text: String, to out: inout [UInt8]) {
        let utf8 = text.utf8
        let isFormula = utf8.first.map { "=+-@\t\r".utf8.contains($0) } ?? false
        let needsQuotes = utf8.contains { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: ",") || $0 == 13 || $0 == 10 }
        if needsQuotes { out.append(UInt8(ascii: "\"")) }
        if isFormula { out.append(UInt8(ascii: "'")) }
        for byte in utf8 {
            if byte == UInt8(ascii: "\"") { out.append(byte) }
            out.append(byte)
        }
        if needsQuotes { out.append(UInt8(ascii: "\"")) }
    }
}
