import Reactor

/// The writing side of the database inside one transaction. It is handed to closures by `StoreWriter.perform` and
/// `Database.write`; what it does becomes visible when the closure returns, and is undone if it throws.
public struct WriteConnection: ~Copyable {
    let connection: Connection
    /// Of written times.
    public let timeZoneOffsetMinutes: Int

    /// Unix milliseconds, now.
    func now() -> Int64 { Int64(Clock.realtimeNanoseconds() / 1_000_000) }

    func text(_ milliseconds: Int64) -> String {
        Timestamp.text(milliseconds: milliseconds, offsetMinutes: timeZoneOffsetMinutes)
    }

    func text(_ milliseconds: Int64?) -> String? { milliseconds.map { text($0) } }
}

/// Limits on what rows may hold; the API says so before the database grows.
enum RowLimit {
    static let nameBytes = 256
    static let textBytes = 4096
    static let jsonBytes = 262_144
    static let listItems = 256
}

/// `field` named, unless `text` has between `minimum` and `maximum` bytes and no control characters.
func checkText(_ field: String, _ text: String, minimum: Int = 0, maximum: Int) throws(StoreError) {
    let count = text.utf8.count
    if count < minimum { throw .invalid(field: field, message: "must not be empty") }
    if count > maximum { throw .invalid(field: field, message: "must not be longer than \(maximum) bytes") }
    if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
        throw .invalid(field: field, message: "must not hold control characters")
    }
}
