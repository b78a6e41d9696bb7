import Reactor

/// Joins a provider's base URL and a client's path so that the version segment stands there once.
struct ProviderPath: BitwiseCopyable, @unchecked Sendable {
    /// The base URL's path without a slash at its end: "", "/v1", "/api/v1", "/v1beta/openai".
    var base: Bytes
    /// The base names its version: the client's own is taken off.
    var hasVersion: Bool
    /// Stands before a path without a version, if the base has none either: "/v1", "/v1beta", "/openai/v1".
    var defaultVersion: Bytes
    /// Stands before a path with a version, if the base has none: Azure's "/openai".
    var versionPrefix: Bytes
    /// Azure's own paths (`/openai/deployments/…`) have their version in the query.
    var keepsOpenAIPaths: Bool

    /// Where the path that the provider gets begins within `path`, and what stands before it.
    func split(_ path: Bytes) -> (lead: Bytes, start: Int) {
        let version = Self.version(in: path)
        if hasVersion { return (.empty, version.upperBound) }
        if !version.isEmpty { return (versionPrefix, version.lowerBound) }
        if keepsOpenAIPaths && Self.begins(path, "/openai/") { return (.empty, 0) }
        if Self.isOwn(path) { return (.empty, 0) }
        return (defaultVersion, 0)
    }

    /// The provider's path. `emit` is called with each run of bytes.
    @inline(__always)
    func write(_ path: Bytes, emit: (Bytes) -> Void) {
        let (lead, start) = split(path)
        emit(base)
        emit(lead)
        if start < path.count { emit(Bytes(path.pointer.unsafelyUnwrapped + start, path.count - start)) }
    }

    /// Paths that never have a version: Ollama's, Bedrock's, Azure AI's.
    private static func isOwn(_ path: Bytes) -> Bool {
        begins(path, "/api/") || begins(path, "/model/") || begins(path, "/models/chat/")
            || begins(path, "/models/embeddings")
    }

    /// The first version segment of a path, with the slash before it; empty if there is none.
    static func version(in path: Bytes) -> Range<Int> {
        guard let p = path.pointer else { return 0..<0 }
        var start = 0
        while start < path.count {
            var end = start + 1
            while end < path.count && p[end] != UInt8(ascii: "/") { end += 1 }
            if p[start] == UInt8(ascii: "/"), VersionSegment.matches(Bytes(p + start + 1, end - start - 1)) {
                return start..<end
            }
            start = end
        }
        return 0..<0
    }

    private static func begins(_ path: Bytes, _ prefix: StaticString) -> Bool {
        path.count >= prefix.utf8CodeUnitCount
            && bytesEqual(path.pointer, prefix.utf8Start, prefix.utf8CodeUnitCount)
    }
}

/// `v1`, `v4`, `v1beta`, `v1alpha2`: the segment of a path that names an API's version.
enum VersionSegment {
    static func matches(_ s: Bytes) -> Bool {
        guard s.count >= 2, let p = s.pointer, p[0] == UInt8(ascii: "v"), isDigit(p[1]) else { return false }
        // A model's name that begins like one goes on with other characters.
        var i = 2
        while i < s.count && isDigit(p[i]) { i += 1 }
        if s.count - i >= 4 && bytesEqual(p + i, ("beta" as StaticString).utf8Start, 4) {
            i += 4
        } else if s.count - i >= 5 && bytesEqual(p + i, ("alpha" as StaticString).utf8Start, 5) {
            i += 5
        }
        while i < s.count && isDigit(p[i]) { i += 1 }
        return i == s.count
    }

    private static func isDigit(_ c: UInt8) -> Bool { c >= UInt8(ascii: "0") && c <= UInt8(ascii: "9") }
}
