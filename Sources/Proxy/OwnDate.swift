import HTTP

/// The `Date` field of answers that the gateway gives itself (RFC 9110 §6.6.1), written anew when the second has changed.
struct OwnDate: BitwiseCopyable {
    static let lineLength = 6 + HTTPDate.length + 2

    /// The whole line, with its CRLF.
    private let line: UnsafeMutablePointer<UInt8>
    /// That of the line; no time is this late.
    private var unixSeconds = UInt64.max

    /// Memory until ``deallocate()``.
    init() {
        line = .allocate(capacity: Self.lineLength)
        line.initialize(repeating: 0, count: Self.lineLength)
        var writer = HeadWriter(line, capacity: Self.lineLength)
        writer.append("date: ")
        line[Self.lineLength - 2] = 0x0D
        line[Self.lineLength - 1] = 0x0A
    }

    func deallocate() { line.deallocate() }

    /// - Parameter now: Unix nanoseconds.
    mutating func append(to writer: inout HeadWriter, unixNanoseconds now: UInt64) {
        let seconds = now / 1_000_000_000
        if seconds != unixSeconds {
            unixSeconds = seconds
            HTTPDate.write(unixSeconds: seconds, into: line + 6)
        }
        writer.append(line, Self.lineLength)
    }
}
