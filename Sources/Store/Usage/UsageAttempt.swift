import Reactor

/// One failed attempt of an exchange: another followed it, or the exchange failed.
public struct UsageAttempt: Sendable, Equatable {
    public var provider: String
    public var providerKeyID: String
    /// A short word: `rate_limited`, `connect`, `timeout` …
    public var reason: String
    /// Of the provider's answer; nil: there was none.
    public var statusCode: Int?
    public var durationMilliseconds: Int

    public init(
        provider: String, providerKeyID: String, reason: String, statusCode: Int? = nil,
        durationMilliseconds: Int = 0
    ) {
        self.provider = provider
        self.providerKeyID = providerKeyID
        self.reason = reason
        self.statusCode = statusCode
        self.durationMilliseconds = durationMilliseconds
    }

    /// Attempts of one exchange that are kept.
    static let limit = 64

    /// Bytes that `write` needs at most, beside its texts.
    public static let fixedSize = 3 * 2 + 2 + 4

    /// Appends one attempt for `UsageFields.attempts` at `p`; does not allocate.
    ///
    ///     u16 status, u32 milliseconds, u16-counted provider, providerKeyID, reason
    ///
    /// - Returns: bytes written; 0 if `room` is too small, then nothing was.
    @inlinable
    public static func write(
        provider: Bytes, providerKeyID: Bytes, reason: Bytes, status: UInt16, milliseconds: UInt32,
        into p: UnsafeMutableRawPointer, room: Int
    ) -> Int {
        let limit = AuditEncoder.shortFieldLimit
        let size =
            fixedSize + min(provider.count, limit) + min(providerKeyID.count, limit) + min(reason.count, limit)
        guard size <= room else { return 0 }
        var at = p
        AuditEncoder.store(status, &at)
        AuditEncoder.store(milliseconds, &at)
        AuditEncoder.short(provider, &at)
        AuditEncoder.short(providerKeyID, &at)
        AuditEncoder.short(reason, &at)
        return size
    }

    /// Reads what `write` wrote; what comes after something else is left out.
    static func read(_ bytes: Bytes) -> [UsageAttempt] {
        guard bytes.count > 0, let base = bytes.pointer else { return [] }
        var reader = FieldReader(base: UnsafeRawPointer(base), position: 0, end: bytes.count)
        var attempts: [UsageAttempt] = []
        while reader.position < bytes.count, attempts.count < limit {
            let status: UInt16 = reader.integer()
            let milliseconds: UInt32 = reader.integer()
            let provider = reader.short()
            let key = reader.short()
            let reason = reader.short()
            guard !reader.failed else { break }
            attempts.append(
                UsageAttempt(
                    provider: provider.storedText(UsageLimit.nameBytes),
                    providerKeyID: key.storedText(UsageLimit.nameBytes),
                    reason: reason.storedText(UsageLimit.reasonBytes), statusCode: status == 0 ? nil : Int(status),
                    durationMilliseconds: Int(milliseconds)))
        }
        return attempts
    }
}

/// What of a record's texts and numbers is stored.
enum UsageLimit {
    static let nameBytes = 256
    static let reasonBytes = 512
    /// What no answer uses; beyond it a sum of many could overflow.
    static let tokens: Int64 = 1 << 40
    static let micros: Int64 = 1 << 48
}

extension Bytes {
    /// Text as a column holds it: cut, repaired where it is not UTF-8, without NUL.
    func storedText(_ limit: Int) -> String {
        guard count > 0, let pointer else { return "" }
        let text = String(decoding: UnsafeRawBufferPointer(start: pointer, count: min(count, limit)), as: UTF8.self)
        guard text.utf8.contains(0) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 }))
    }
}
