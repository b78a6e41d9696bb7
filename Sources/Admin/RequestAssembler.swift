import HTTP

/// Puts requests together from the bytes of one connection: the head, then the body as its framing says.
/// Touches no socket and no clock.
struct RequestAssembler {
    /// What the server needs of a head.
    struct Head {
        var method: String
        var path: String
        /// Without the question mark; nil if there is none.
        var query: String?
        var headers = RequestHeaders()
        var hasBody: Bool
        /// The length a Content-Length announces.
        var announcedLength: UInt64?
        var keepAlive: Bool
        var expectsContinue: Bool
        var versionMinor: UInt8
    }

    /// Why a request cannot be put together. The connection closes after the answer.
    struct Refusal: Error, Equatable {
        var status: UInt16
        var message: String

        init(_ status: UInt16, _ message: String) {
            self.status = status
            self.message = message
        }

        init(_ failure: HTTPFailure) {
            status = failure.status
            message = failure.code.message.description
        }
    }

    /// The longest body taken, decoded; may be set once the head is known.
    var maxBodyBytes = RequestAssembler.usualBodyBytes
    static let usualBodyBytes = 1 << 20

    private let limits: MessageLimits
    private var input: [UInt8] = []
    private var scan = HeadScan()
    private var framing = BodyFraming.none
    private var decoder = ChunkedDecoder()
    private(set) var body: [UInt8] = []

    init(limits: MessageLimits) {
        self.limits = limits
    }

    /// Whether any byte of the next request is there.
    var hasStarted: Bool { !input.isEmpty }

    /// Whether the next request is a HEAD request, also one whose head is refused.
    var beginsHEAD: Bool {
        input.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { RequestParser.beginsHEAD($0, buffer.count) } ?? false
        }
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        input.append(contentsOf: bytes)
    }

    /// Looks for a complete head at the front of the input and takes it off.
    /// - Returns: Nil if more bytes are needed.
    mutating func takeHead() throws(Refusal) -> Head? {
        guard !input.isEmpty else { return nil }
        let maxFields = Int(limits.maxFields)
        var head = RequestHead()
        var parsed: Head?
        var outcome = ParseOutcome.incomplete
        let limits = limits
        var scan = scan
        input.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            withUnsafeTemporaryAllocation(of: Field.self, capacity: maxFields) { fields in
                guard let fieldBase = fields.baseAddress else { return }
                outcome = RequestParser.parse(
                    base, buffer.count, scan: &scan, limits: limits, fields: fieldBase, head: &head)
                if case .complete = outcome {
                    parsed = Self.read(
                        head, fields: UnsafeBufferPointer(rebasing: fields[..<Int(head.fieldCount)]), base)
                }
            }
        }
        self.scan = scan
        switch outcome {
        case .incomplete: return nil
        case .failed(let failure): throw Refusal(failure)
        case .complete: break
        }
        input.removeFirst(Int(head.headLength))
        self.scan = HeadScan()
        framing = head.framing
        decoder = ChunkedDecoder()
        body = []
        maxBodyBytes = Self.usualBodyBytes
        return parsed
    }

    /// Takes what has come of the body.
    /// - Returns: True once the body is complete.
    mutating func takeBody() throws(Refusal) -> Bool {
        switch framing {
        case .contentLength(let length):
            guard length <= UInt64(maxBodyBytes) else { throw tooLarge }
            let missing = Int(length) - body.count
            let count = min(missing, input.count)
            body.append(contentsOf: input[..<count])
            input.removeFirst(count)
            return body.count == Int(length)
        case .chunked:
            return try takeChunks()
        case .none, .untilClose, .tunnel:
            return true
        }
    }

    private mutating func takeChunks() throws(Refusal) -> Bool {
        var position = 0
        var decoder = decoder
        var body = body
        self.body = []
        var failure: Refusal?
        var isComplete = false
        input.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            while true {
                var consumed = 0
                let event = decoder.next(
                    base + position, buffer.count - position, consumed: &consumed, limits: limits)
                switch event {
                case .data(let offset, let count):
                    guard body.count + count <= maxBodyBytes else {
                        failure = tooLarge
                        return
                    }
                    body.append(contentsOf: UnsafeBufferPointer(start: base + position + offset, count: count))
                case .trailers: break
                case .needMore:
                    position += consumed
                    return
                case .end:
                    position += consumed
                    isComplete = true
                    return
                case .failed(let problem):
                    failure = Refusal(problem)
                    return
                }
                position += consumed
            }
        }
        self.decoder = decoder
        self.body = body
        if let failure { throw failure }
        input.removeFirst(position)
        return isComplete
    }

    private var tooLarge: Refusal { Refusal(413, "the body is larger than \(maxBodyBytes) bytes") }

    private static func read(_ head: RequestHead, fields: UnsafeBufferPointer<Field>, _ base: UnsafePointer<UInt8>)
        -> Head
    {
        func text(_ offset: some BinaryInteger, _ length: some BinaryInteger) -> String {
            String(decoding: UnsafeBufferPointer(start: base + Int(offset), count: Int(length)), as: UTF8.self)
        }
        var result = Head(
            method: "", path: text(head.pathOffset, head.pathLength), hasBody: head.framing != .none,
            keepAlive: head.keepAlive, expectsContinue: head.expectsContinue, versionMinor: head.versionMinor)
        result.method = text(head.methodOffset, head.methodLength)
        if head.queryLength > 0 { result.query = text(head.queryOffset, head.queryLength) }
        if case .contentLength(let length) = head.framing { result.announcedLength = length }
        result.headers = RequestHeaders(
            fields.map { field in
                HeaderLine(
                    text(field.nameOffset, field.nameLength).lowercased(), text(field.valueOffset, field.valueLength))
            })
        return result
    }
}
