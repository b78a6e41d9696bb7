import Inflate
import Reactor

/// Recorded bodies on their way into the database.
enum BodyText {
    /// What a column gets.
    enum Stored {
        case none
        case text(Bytes)
        /// Not UTF-8: kept as it is.
        case blob(Bytes)
    }

    /// A stream may be decoded to more than is stored of it, since merging makes it small.
    static let streamDecodeLimit = 4 << 20

    /// A body as it was sent.
    static func request(_ body: Bytes, limit: Int) -> Stored { stored(body, limit: limit) }

    /// A response's body: decoded if it is gzip or deflate, merged if it is an OpenAI-style event stream, and of that
    /// `limit` bytes. What is made anew is kept in `arena`.
    static func response(_ body: Bytes, _ content: BodyContent, limit: Int, arena: inout Arena) -> Stored {
        guard body.count > 0, limit > 0 else { return .none }
        var decoded: [UInt8]?
        let most = content.isEventStream ? max(limit, streamDecodeLimit) : limit
        if let coding = content.coding { decoded = Inflater.decode(body, coding, limit: most) }
        if content.isEventStream {
            let isCut = content.isCut || decoded.map { $0.count >= most } ?? false
            let merged =
                decoded.map { bytes in bytes.withUnsafeBytes { StreamMerge.merged($0, isCut: isCut, limit: limit) } }
                ?? StreamMerge.merged(body.buffer, isCut: isCut, limit: limit)
            if let merged { decoded = Array(merged.utf8) }
        }
        guard let decoded else { return stored(body, limit: limit) }
        let copy = arena.copy(decoded.prefix(limit + 4))
        return stored(Bytes(copy.pointer, copy.count), limit: limit)
    }

    /// The events, or the lines, of a compressed stream that was recorded whole; nil if they cannot be counted.
    static func streamChunks(_ body: Bytes, _ content: BodyContent) -> Int? {
        guard let coding = content.coding, let decoded = Inflater.decode(body, coding, limit: streamDecodeLimit),
            decoded.count < streamDecodeLimit
        else { return nil }
        guard content.isEventStream else {
            return decoded.split(separator: 0x0A).count { line in line.contains { $0 > 0x20 } }
        }
        var count = 0
        decoded.withUnsafeBytes { bytes in ServerSentEvents.forEach(in: bytes) { _ in count += 1 } }
        return count
    }

    private static func stored(_ body: Bytes, limit: Int) -> Stored {
        guard let p = body.pointer, body.count > 0, limit > 0 else { return .none }
        let cut = min(body.count, limit)
        // Both the worker's and our own cut may have gone through a character.
        let whole = ByteScan.withoutCutSequence(p, cut)
        return ByteScan.isText(p, whole) ? .text(Bytes(p, whole)) : .blob(Bytes(p, cut))
    }
}
