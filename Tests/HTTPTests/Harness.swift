import Glibc

@testable import HTTP

/// Everything a parse said, to be compared and looked at.
struct Parsed<Head: Equatable>: Equatable {
    var outcome: ParseOutcome
    /// nil unless complete.
    var head: Head?
    var fields: [Field] = []
    /// How many bytes had been presented when the outcome was there.
    var decidedAt = 0

    var failure: HTTPFailureCode? {
        if case .failed(let failure) = outcome { return failure.code }
        return nil
    }
    var status: UInt16? {
        if case .failed(let failure) = outcome { return failure.status }
        return nil
    }
}

/// Parses heads that end where memory ends.
final class Harness {
    let memory: GuardedMemory
    private let fields: UnsafeMutablePointer<Field>
    private let fieldCapacity: Int
    var limits: MessageLimits

    init(limits: MessageLimits = MessageLimits(), capacity: Int = 1 << 17) {
        self.limits = limits
        memory = GuardedMemory(capacity: capacity)
        fieldCapacity = Int(limits.maxFields)
        fields = .allocate(capacity: fieldCapacity)
        fields.initialize(repeating: Field(), count: fieldCapacity)
    }

    deinit { fields.deallocate() }

    /// One look at all of the bytes.
    func request(_ bytes: [UInt8]) -> Parsed<RequestHead> { request(bytes, cuts: []) }
    func response(_ bytes: [UInt8], to method: HTTP.Method = .get) -> Parsed<ResponseHead> {
        response(bytes, cuts: [], to: method)
    }

    /// A look after each cut (ascending), then one at all of the bytes; the buffer moves in between.
    func request(_ bytes: [UInt8], cuts: [Int]) -> Parsed<RequestHead> {
        look(bytes, cuts) { p, n, scan, head in
            RequestParser.parse(p, n, scan: &scan, limits: self.limits, fields: self.fields, head: &head)
        } empty: {
            RequestHead()
        } count: {
            Int($0.fieldCount)
        }
    }

    func response(_ bytes: [UInt8], cuts: [Int], to method: HTTP.Method = .get) -> Parsed<ResponseHead> {
        look(bytes, cuts) { p, n, scan, head in
            ResponseParser.parse(
                p, n, scan: &scan, limits: self.limits, fields: self.fields, requestMethod: method, head: &head)
        } empty: {
            ResponseHead()
        } count: {
            Int($0.fieldCount)
        }
    }

    private func look<Head: Equatable>(
        _ bytes: [UInt8], _ cuts: [Int],
        _ parse: (UnsafePointer<UInt8>, Int, inout HeadScan, inout Head) -> ParseOutcome,
        empty: () -> Head, count: (Head) -> Int
    ) -> Parsed<Head> {
        var scan = HeadScan()
        var head = empty()
        for end in cuts + [bytes.count] {
            let atStart = end % 2 == 1
            let p = atStart ? memory.placeAtStart(bytes[..<end]) : memory.placeAtEnd(bytes[..<end])
            // What the last look left behind must not matter.
            for index in 0..<fieldCapacity { fields[index] = Field() }
            let outcome = parse(p, end, &scan, &head)
            switch outcome {
            case .incomplete: continue
            case .failed: return Parsed(outcome: outcome, head: nil, decidedAt: end)
            case .complete:
                let copies = Array(UnsafeBufferPointer(start: fields, count: count(head)))
                return Parsed(outcome: outcome, head: head, fields: copies, decidedAt: end)
            }
        }
        return Parsed(outcome: .incomplete, head: nil, decidedAt: bytes.count)
    }
}

func text(_ bytes: [UInt8], _ offset: UInt32, _ length: UInt32) -> String {
    String(decoding: bytes[Int(offset)..<Int(offset + length)], as: UTF8.self)
}

/// What a chunked body decoded to.
struct Decoded: Equatable {
    var data: [UInt8] = []
    var trailers: [UInt8] = []
    var failure: HTTPFailureCode?
    var isFinished = false
    /// Bytes of the input that belong to the body.
    var used = 0
}

extension Harness {
    /// Decodes a chunked body that arrives in pieces ending at the cuts, each piece ending where memory ends.
    func decode(_ bytes: [UInt8], cuts: [Int] = []) -> Decoded {
        var decoder = ChunkedDecoder()
        var result = Decoded()
        var start = 0
        for end in cuts + [bytes.count] {
            let piece = bytes[start..<end]
            let p = end % 2 == 1 ? memory.placeAtStart(piece) : memory.placeAtEnd(piece)
            var consumed = 0
            events: while true {
                switch decoder.next(p, piece.count, consumed: &consumed, limits: limits) {
                case .data(let offset, let count):
                    result.data += Array(UnsafeBufferPointer(start: p + offset, count: count))
                case .trailers(let offset, let count):
                    result.trailers += Array(UnsafeBufferPointer(start: p + offset, count: count))
                case .needMore: break events
                case .end:
                    result.isFinished = decoder.isFinished
                    result.used = start + consumed
                    return result
                case .failed(let failure):
                    result.failure = failure.code
                    return result
                }
            }
            start += consumed
        }
        result.used = start
        return result
    }
}
