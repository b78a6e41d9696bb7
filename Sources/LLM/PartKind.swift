import Glibc

/// What a part of a number is about that is told in parts: Gemini's modalities, Bedrock's times in the cache.
enum PartKind: UInt8, BitwiseCopyable, Sendable {
    case other, audio, image
    /// Written to a cache for an hour.
    case hour

    static func named(_ p: UnsafePointer<UInt8>, _ n: Int) -> PartKind {
        if isName("AUDIO", p, n) { return .audio }
        if isName("IMAGE", p, n) { return .image }
        return isName("1h", p, n) ? .hour : .other
    }

    static func isName(_ name: StaticString, _ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        n == name.utf8CodeUnitCount && memcmp(p, name.utf8Start, n) == 0
    }
}
