import HTTP

/// An HTTP answer that comes in pieces, each of which is looked at once.
struct ModelListAnswer {
    private let limits = MessageLimits()
    private var fields: [Field]
    private var scan = HeadScan()
    private var head: ResponseHead?
    private var decoder = ChunkedDecoder()
    /// The head as far as it is here, then what the decoder wants to see again.
    private var pending: [UInt8] = []
    private var body: [UInt8] = []

    init() { fields = [Field](repeating: Field(), count: Int(limits.maxFields)) }

    enum Progress: Equatable {
        case more
        case whole(ModelListClient.Answer)
        case broken(String)
    }

    mutating func take(_ piece: ArraySlice<UInt8>) -> Progress {
        pending += piece
        while head == nil {
            switch readHead() {
            case .more: return .more
            case .broken(let text): return .broken(text)
            case .whole: break
            }
        }
        return readBody()
    }

    /// The connection has ended.
    mutating func end() -> Progress {
        guard let head, case .untilClose = head.framing else { return .broken("the answer was cut short") }
        return .whole(.init(status: Int(head.status), body: body))
    }

    /// `.whole`: go on, with or without a head.
    private mutating func readHead() -> Progress {
        var found = ResponseHead()
        let bytes = pending
        let outcome = bytes.withUnsafeBufferPointer { buffer in
            guard let p = buffer.baseAddress else { return ParseOutcome.incomplete }
            return ResponseParser.parse(
                p, buffer.count, scan: &scan, limits: limits, fields: &fields, requestMethod: .get, head: &found)
        }
        switch outcome {
        case .incomplete: return .more
        case .failed: return .broken("the answer is not HTTP")
        case .complete: break
        }
        pending.removeFirst(Int(found.headLength))
        scan = HeadScan()
        // Interim answers (RFC 9110 §15.2) go before the one that counts.
        if found.status >= 200 || found.status == 101 { head = found }
        return .whole(.init(status: 0, body: []))
    }

    private mutating func readBody() -> Progress {
        guard let head else { return .more }
        let status = Int(head.status)
        switch head.framing {
        case .none: return .whole(.init(status: status, body: []))
        case .contentLength(let length):
            body += pending
            pending.removeAll(keepingCapacity: true)
            if UInt64(body.count) < length { return .more }
            return .whole(.init(status: status, body: Array(body.prefix(Int(length)))))
        case .chunked: return readChunks(status)
        default:
            body += pending
            pending.removeAll(keepingCapacity: true)
            return .more
        }
    }

    private mutating func readChunks(_ status: Int) -> Progress {
        let bytes = pending
        var used = 0
        while true {
            let event = bytes.withUnsafeBufferPointer { buffer in
                buffer.baseAddress.map { decoder.next($0, buffer.count, consumed: &used, limits: limits) } ?? .needMore
            }
            switch event {
            case .data(let offset, let count): body += bytes[offset..<offset + count]
            case .needMore:
                pending = Array(bytes[used...])
                return .more
            case .trailers: break
            case .end: return .whole(.init(status: status, body: body))
            case .failed: return .broken("the answer's framing is broken")
            }
        }
    }
}
