import Glibc

/// What a part of a number is about that is told in parts: Gemini's modalities and tools, Bedrock's times in the cache.
enum PartKind: UInt8, BitwiseCopyable, Sendable {
    case other, audio, image
    /// Written to a cache for an hour.
    case hour
    /// Searched for with Google, in the web or on its maps: of models that are paid for by the search both cost the same.
    case search

    static func named(_ p: UnsafePointer<UInt8>, _ n: Int) -> PartKind {
        switch n {
        case 2: return isName("1h", p, n) ? .hour : .other
        case 5:
            if isName("AUDIO", p, n) || isName("audio", p, n) { return .audio }
            return isName("IMAGE", p, n) || isName("image", p, n) ? .image : .other
        case 11: return isName("google_maps", p, n) ? .search : .other
        case 13: return isName("google_search", p, n) ? .search : .other
        default: return .other
        }
    }

    static func isName(_ name: StaticString, _ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        n == name.utf8CodeUnitCount && memcmp(p, name.utf8Start, n) == 0
    }
}
