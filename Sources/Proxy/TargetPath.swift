import Reactor

/// How a route makes the upstream's path from the client's: kept, replaced, filled from the match, or with the
/// pattern's literal prefix taken off.
struct TargetPath: BitwiseCopyable, Sendable {
    struct Part: BitwiseCopyable, Sendable {
        var literal: Bytes
        /// Index of the capture that stands here; -1 for a literal.
        var capture: Int32
    }

    let parts: List<Part>
    let keepsPath: Bool
    let stripsPrefix: Bool
    let usesCaptures: Bool

    /// Writes the upstream's path for `path`, which `pattern` matches. `emit` is called with each run of bytes.
    @inline(__always)
    func write(
        path: Bytes, pattern: PathPattern, scratch: UnsafeMutablePointer<UInt8>,
        captures: UnsafeMutablePointer<Bytes>, emit: (Bytes) -> Void
    ) {
        if stripsPrefix {
            return writeStripped(path: path, pattern: pattern, emit: emit)
        }
        if keepsPath { return emit(path) }
        if usesCaptures { _ = pattern.captures(path, scratch: scratch, into: captures) }
        for i in 0..<parts.count {
            let part = parts[i]
            emit(part.capture < 0 ? part.literal : captures[Int(part.capture)])
        }
    }

    /// target_path and what is left of the path, joined by exactly one slash.
    @inline(__always)
    private func writeStripped(path: Bytes, pattern: PathPattern, emit: (Bytes) -> Void) {
        var rest = Bytes(path.pointer.map { $0 + pattern.prefix.count }, path.count - pattern.prefix.count)
        let head = parts.isEmpty ? Bytes.empty : parts[0].literal
        let headEndsInSlash = head.count > 0 && head.pointer![head.count - 1] == UInt8(ascii: "/")
        let restBeginsWithSlash = rest.count > 0 && rest.pointer![0] == UInt8(ascii: "/")
        if headEndsInSlash && restBeginsWithSlash { rest = Bytes(rest.pointer! + 1, rest.count - 1) }
        emit(head)
        if !headEndsInSlash && !restBeginsWithSlash && (rest.count > 0 || head.count == 0) { emit(Bytes("/")) }
        if rest.count > 0 { emit(rest) }
    }

    /// The path as it is.
    static func same(in arena: Arena) -> TargetPath {
        TargetPath(parts: arena.store([Part]()), keepsPath: true, stripsPrefix: false, usesCaptures: false)
    }

    /// Compiles `target_path`; throws a message that names what does not fit the pattern.
    static func compile(
        _ text: String, stripPrefix: Bool, pattern: PathPatternSource, in arena: Arena
    ) throws(PatternError) -> TargetPath {
        if text.isEmpty {
            return TargetPath(
                parts: arena.store([Part]()), keepsPath: true, stripsPrefix: stripPrefix, usesCaptures: false)
        }
        guard text.utf8.first == UInt8(ascii: "/") else { throw PatternError("must begin with \"/\"") }
        let source = try PathPatternSource(text)
        if stripPrefix {
            guard source.parts.count == 1, case .literal(let bytes) = source.parts[0] else {
                throw PatternError("must be a literal path while strip_path_prefix is true")
            }
            return TargetPath(
                parts: arena.store([Part(literal: arena.store(bytes), capture: -1)]), keepsPath: false,
                stripsPrefix: true, usesCaptures: false)
        }
        var wildcards: [PathPatternSource.Part] = []
        for part in pattern.parts {
            if case .literal = part { continue }
            wildcards.append(part)
        }
        var parts: [Part] = []
        var starsUsed = 0
        for part in source.parts {
            switch part {
            case .literal(let bytes): parts.append(Part(literal: arena.store(bytes), capture: -1))
            case .any:
                let stars = wildcards.indices.filter { wildcards[$0] == .any }
                guard starsUsed < stars.count else {
                    throw PatternError("has more \"*\" than match_path")
                }
                parts.append(Part(literal: .empty, capture: Int32(stars[starsUsed])))
                starsUsed += 1
            case .segment(let name):
                guard let index = wildcards.firstIndex(of: .segment(name)) else {
                    throw PatternError("names {\(name)}, which match_path has not")
                }
                parts.append(Part(literal: .empty, capture: Int32(index)))
            }
        }
        return TargetPath(
            parts: arena.store(parts), keepsPath: false, stripsPrefix: false,
            usesCaptures: parts.contains { $0.capture >= 0 })
    }
}
