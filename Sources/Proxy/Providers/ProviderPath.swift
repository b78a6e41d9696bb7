import Reactor

/// Joins a provider's base URL and a client's path so that the version segment stands there once.
struct ProviderPath: BitwiseCopyable, @unchecked Sendable {
    /// The base URL's path without a slash at its end: "", "/v1", "/api/v1", "/v1beta/openai".
    let base: Bytes
    /// The base's query, which every request carries (Azure's api-version); empty = none.
    let query: Bytes
    /// The base names its version: the client's own is taken off.
    let hasVersion: Bool
    /// What stands before a path without a version, if the base has none either: "/v1", "/v1beta", "/openai/v1".
    let defaultVersion: Bytes
    /// What stands before a path that has a version, if the base has none: Azure's "/openai".
    let versionPrefix: Bytes

    /// - Parameter isNative: the path is of the provider's own kind (Gemini's `models/…`), else of OpenAI's or Anthropic's.
    @inline(__always)
    func write(_ path: Bytes, emit: (Bytes) -> Void) {
        emit(base)
        let version = Self.leadingVersion(path)
        if hasVersion { return emit(Self.dropping(path, version)) }
        if version > 0 {
            emit(versionPrefix)
        } else {
            emit(defaultVersion)
        }
        if path.count > 0 && path.pointer.unsafelyUnwrapped[0] != UInt8(ascii: "/") { emit(Bytes("/")) }
        emit(path)
    }

    private static func dropping(_ path: Bytes, _ n: Int) -> Bytes {
        Bytes(path.pointer.map { $0 + n }, path.count - n)
    }

    /// Length of the version that `path` begins with, its slash included ("/v1", "/v1beta"); 0 if there is none.
    static func leadingVersion(_ path: Bytes) -> Int {
        guard let p = path.pointer, path.count >= 3, p[0] == UInt8(ascii: "/") else { return 0 }
        var end = 1
        while end < path.count && p[end] != UInt8(ascii: "/") { end += 1 }
        return VersionSegment.matches(Bytes(p + 1, end - 1)) ? end : 0
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
