import Inflate
import Reactor

/// What a recorded response body is, as far as it decides how the body is stored.
struct BodyContent {
    var coding: Inflater.Coding?
    var isEventStream = false
    /// It is only the start of the whole.
    var isCut = false

    /// As the worker has seen it; in records of earlier versions as the recorded headers have it.
    init(of fields: borrowing CompletedFields) {
        let flags = fields.flags
        guard flags & AuditEvent.Flags.bodyIsDescribed != 0 else {
            self = BodyContent(headers: fields.responseHeaders)
            isCut = flags & AuditEvent.Flags.bodyTruncated != 0
            return
        }
        self = BodyContent(headers: .empty)
        if flags & AuditEvent.Flags.gzip != 0 {
            coding = .gzip
        } else if flags & AuditEvent.Flags.deflate != 0 {
            coding = .deflate
        }
        isEventStream = flags & AuditEvent.Flags.eventStream != 0
        isCut = flags & AuditEvent.Flags.responseTruncated != 0
    }

    /// - Parameter headers: raw `Name: value\r\n` lines.
    init(headers: Bytes) {
        if let value = HeaderText.value(of: "content-encoding", in: headers) {
            coding = Inflater.Coding(contentEncoding: value)
        }
        isEventStream = HeaderText.value(of: "content-type", in: headers).map(Self.isEventStream) ?? false
    }

    private static func isEventStream(_ contentType: Bytes) -> Bool {
        let name = Bytes("text/event-stream")
        guard let p = contentType.pointer, contentType.count >= name.count,
            ByteScan.equalsIgnoringCase(Bytes(p, name.count), name)
        else { return false }
        return contentType.count == name.count || p[name.count] == UInt8(ascii: ";") || p[name.count] == 0x20
    }
}

extension AuditEvent.Flags {
    /// The bit of a Content-Encoding that the writer can undo; 0: none, or another.
    public static func coding(_ contentEncoding: Bytes) -> UInt16 {
        switch Inflater.Coding(contentEncoding: contentEncoding) {
        case .gzip: gzip
        case .deflate: deflate
        case nil: 0
        }
    }
}
