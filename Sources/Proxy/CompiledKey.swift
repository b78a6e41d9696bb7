import Reactor

/// One caller's key as a worker sees it, in two cache lines: with many keys each line is a miss. The first has what every
/// request asks of it, the second what the audit asks, most of the time with the texts themselves.
struct CompiledKey: BitwiseCopyable, @unchecked Sendable {
    /// SHA-256 of the key's value.
    var hash: KeyHash
    var rateCell: RateCell
    /// Unix milliseconds; `Int64.max` = never.
    var expiresAtMilliseconds: Int64
    /// Requests per minute; 0 = unlimited.
    var requestsPerMinute: Int
    var families: EndpointFamilies
    /// False where the table has no key: all else is zero there and means nothing.
    var isTaken = true
    var isActive: Bool
    /// True for `[]` and `["*"]`.
    var allowsAll: Bool
    /// It has limits that are kept beside the key (`CallerPolicy`): `maxConcurrent` or `restrictsModels`.
    var hasLimits: Bool
    /// There are models that it may not use.
    var restrictsModels: Bool

    /// The key's id with its source's path behind it: `shortText`, if it fits.
    var text: UnsafePointer<UInt8>
    /// What few keys have.
    var rest: UnsafePointer<Rest>
    /// The key's number among the snapshot's keys, by which `CallerPolicy` is found.
    var ordinal: Int32
    var keyIDCount: UInt32
    var sourcePathCount: UInt32
    var shortText: ShortText = (0, 0, 0, 0, 0, 0, 0, 0, 0)

    typealias ShortText = (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32)

    struct Rest: BitwiseCopyable, Sendable {
        /// Permissions that begin with "/".
        var pathPatterns: List<PathPattern>
        /// Requests that may be open at a time; 0 = unlimited.
        var maxConcurrent: Int64
    }

    var keyID: Bytes { Bytes(text, Int(keyIDCount)) }
    var sourcePath: Bytes { Bytes(text + Int(keyIDCount), Int(sourcePathCount)) }

    /// True if this key may ask for `path`.
    func allows(path: Bytes, scratch: UnsafeMutablePointer<UInt8>) -> Bool {
        if allowsAll { return true }
        if !families.isEmpty && !families.isDisjoint(with: EndpointFamilies.of(path: path)) { return true }
        let patterns = rest.pointee.pathPatterns
        for i in 0..<patterns.count where patterns[i].matches(path, scratch: scratch) { return true }
        return false
    }
}
