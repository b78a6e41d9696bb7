import Glibc
import HTTP
import Reactor
import Store

/// What the audit keeps of bodies, if it keeps them.
extension Worker {
    /// A compressed body is at most this much longer than what it is decoded to: gzip's own head, and a file's name.
    private static let codingBytes = 1024

    /// How much of an event stream is recorded, so that `proxy.audit_body_max_size` bytes of the merged answer can be made of
    /// it: each token of an OpenAI-style stream comes in an event of some 300 bytes. No more than leaves room in the ring.
    ///
    /// - Parameters:
    ///   - limit: bytes that are stored of each body.
    ///   - headBytes: of a message's head at most.
    static func streamCaptureBytes(limit: Int, headBytes: Int, ringCapacity: Int) -> Int {
        let wanted = min(limit * 32, limit + (512 << 10))
        // A record is half a ring at most; the target's URL, the answer's head and the request's body are in it, too.
        let left = ringCapacity / 2 - 2 * headBytes - limit - 4096
        return max(limit, min(wanted, ringCapacity / 8, left))
    }

    /// An answer begins whose body may be recorded: what it is decides how much of it, and how it is stored.
    @inline(never)
    mutating func noteBody(
        _ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ response: ResponseHead
    ) {
        guard let request = c.pointee.exchange.request else { return }
        let before = request.pointee.answerFlags
        // Where the setting came in the middle of an answer, nothing is kept of it: it would not be the beginning.
        guard c.pointee.exchange.responseBytes == 0 || before & AuditEvent.Flags.bodyIsDescribed != 0 else { return }
        var flags = AuditEvent.Flags.bodyIsDescribed | before & AuditEvent.Flags.responseTruncated
        var coding: UInt16 = 0
        var codings = 0
        var i = 0
        while i < Int(response.fieldCount) {
            let field = responseFields[i]
            i &+= 1
            let value = Bytes(p + Int(field.valueOffset), Int(field.valueLength))
            if field.id == .contentType {
                if MediaType.isEventStream(value) { flags |= AuditEvent.Flags.eventStream }
            } else if field.id == .contentEncoding {
                coding = AuditEvent.Flags.coding(value)
                codings &+= 1
            }
        }
        // One after the other they are two codings.
        if codings == 1 { flags |= coding }
        request.pointee.answerFlags = flags
    }

    /// The completed record's flags about bodies.
    @inline(__always)
    func bodyFlags(_ c: UnsafeMutablePointer<ClientConnection>) -> UInt16 {
        guard let request = c.pointee.exchange.request else { return 0 }
        let flags = request.pointee.answerFlags
        let isRequestCut =
            request.pointee.requestCapture.isAllocated
            && c.pointee.exchange.requestReceived > UInt64(request.pointee.requestCapture.count)
        // The setting has gone in the middle of the answer.
        if request.pointee.responseCapture.isAllocated, !current.pointee.policy.auditsBody {
            return flags | AuditEvent.Flags.responseTruncated | AuditEvent.Flags.bodyTruncated
        }
        let isCut = isRequestCut || flags & AuditEvent.Flags.responseTruncated != 0
        return isCut ? flags | AuditEvent.Flags.bodyTruncated : flags
    }

    /// Keeps of a held body what is here of it and not yet kept: what is kept is always its beginning.
    mutating func captureRequestBody(_ c: UnsafeMutablePointer<ClientConnection>) {
        guard current.pointee.policy.auditsBody else { return }
        let body = body(c)
        let kept = c.pointee.exchange.requestCapture.count
        guard body.count > kept else { return }
        captureRequest(c, body.pointer.unsafelyUnwrapped + kept, body.count - kept)
    }

    mutating func captureRequest(_ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ n: Int) {
        guard current.pointee.policy.auditsBody else { return }
        let room = current.pointee.policy.auditBodyMaxBytes - c.pointee.exchange.requestCapture.count
        if room > 0 { pool.append(&c.pointee.exchange.requestCapture, p, min(n, room)) }
    }

    mutating func captureResponse(_ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ n: Int) {
        // Of a stream that was open when the setting came nothing is kept: it would not be the beginning.
        guard let request = c.pointee.exchange.request else { return }
        let flags = request.pointee.answerFlags
        guard flags & AuditEvent.Flags.bodyIsDescribed != 0, flags & AuditEvent.Flags.responseTruncated == 0 else {
            return
        }
        let kept = request.pointee.responseCapture.count
        var most = current.pointee.policy.auditBodyMaxBytes
        if kept &+ n > most { most = captureLimit(flags, request.pointee.responseCapture) }
        let room = most &- kept
        if n > room { request.pointee.answerFlags = flags | AuditEvent.Flags.responseTruncated }
        if room > 0 { pool.append(&request.pointee.responseCapture, p, min(n, room)) }
    }

    /// How much is recorded of a body that is longer than what is stored of it. What is merged or decoded afterwards may be
    /// more, but never at the cost of requests: only while buffers are less than half of what they may be.
    private func captureLimit(_ flags: UInt16, _ kept: Buffer) -> Int {
        let stored = current.pointee.policy.auditBodyMaxBytes
        if stored == 0 || pool.bytesInUse > bufferLimit / 2 { return stored }
        let isCompressed = flags & (AuditEvent.Flags.gzip | AuditEvent.Flags.deflate) != 0
        if flags & AuditEvent.Flags.eventStream != 0 {
            return isCompressed || Self.mayBeMerged(kept, stored) ? streamCaptureBytes : stored
        }
        return isCompressed ? min(stored + Self.codingBytes, streamCaptureBytes) : stored
    }

    /// Whether the beginning of an event stream looks like one that is merged; of others nothing more is stored, whatever
    /// follows. Looked at once, where the limit is passed.
    private static func mayBeMerged(_ kept: Buffer, _ limit: Int) -> Bool {
        if kept.count > limit || kept.count < tellingBytes { return true }
        return holds(kept.readPointer, "\"choices\"") || holds(kept.readPointer, "response.")
    }

    /// Whether a word is among the first `tellingBytes`.
    private static func holds(_ p: UnsafePointer<UInt8>, _ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        var i = 0
        while i &+ count <= tellingBytes {
            if p[i] == word.utf8Start[0], memcmp(p + i, word.utf8Start, count) == 0 { return true }
            i &+= 1
        }
        return false
    }

    /// By then a first event, behind some comments, has shown what it is.
    private static var tellingBytes: Int { 4096 }

    /// The ring has no room for an exchange's end: it waits in memory, less what was recorded beyond what is stored.
    @inline(never)
    mutating func spill(completed fields: CompletedFields, _ id: AuditID) {
        var record = fields
        let limit = current.pointee.policy.auditBodyMaxBytes
        if record.responseBody.count > limit {
            record.responseBody = Bytes(record.responseBody.pointer, limit)
            record.flags |= AuditEvent.Flags.responseTruncated | AuditEvent.Flags.bodyTruncated
        }
        spill(AuditEncoder.completedSize(record)) { AuditEncoder.encodeCompleted(id, record, into: $0) }
    }
}
