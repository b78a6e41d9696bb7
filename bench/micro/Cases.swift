import Glibc
import HTTP
import JSON
import LLM
import Proxy
import Reactor
import Store

/// One thing to measure.
struct Case {
    let name: String
    let what: String
    /// Everything that is not to be counted; what it returns runs so many operations and gives back something that
    /// depends on all of them.
    let prepare: @Sendable () -> (_ iterations: Int) -> UInt64
}

let cases: [Case] = [
    Case(
        name: "request-head", what: "parse a request's head of \(Samples.requestHead.utf8.count) bytes",
        prepare: requestHead),
    Case(
        name: "response-head", what: "parse a response's head of \(Samples.responseHead.utf8.count) bytes",
        prepare: responseHead),
    Case(
        name: "chunk-decode", what: "decode one chunk of \(Samples.event.utf8.count) bytes",
        prepare: chunkDecode),
    Case(
        name: "sse-count", what: "count the events in \(Samples.events.utf8.count) bytes of a stream",
        prepare: sseCount),
    Case(
        name: "usage-chunk", what: "read usage and content of a chunk of \(Samples.longEvent.utf8.count) bytes",
        prepare: usageChunk),
    Case(
        name: "usage-known", what: "compare a chunk of \(Samples.longEvent.utf8.count) bytes with the one before",
        prepare: usageKnown),
    Case(
        name: "usage-answer", what: "read usage out of an answer of \(Samples.answer.utf8.count) bytes",
        prepare: usageAnswer),
    Case(
        name: "usage-request", what: "read what a request of \(Samples.chat.utf8.count) bytes asks for",
        prepare: usageRequest),
    Case(
        name: "usage-filter", what: "let a chunk of \(Samples.longEvent.utf8.count) bytes pass the usage filter",
        prepare: usageFilter),
    Case(
        name: "member-scan", what: "find model and stream in a body of \(Samples.chat.utf8.count) bytes",
        prepare: memberScan),
    Case(
        name: "route-1", what: "choose among 1 route, by path and model",
        prepare: { route(Samples.routes(1)) }),
    Case(
        name: "route-1000-model", what: "choose among 1,000 routes, by model",
        prepare: { route(Samples.routes(1000)) }),
    Case(
        name: "route-1000-path", what: "choose among 1,000 routes, by path",
        prepare: { route(Samples.pathRoutes(1000)) }),
    Case(
        name: "key-10000", what: "hash a key and find it among 10,000",
        prepare: keyLookUp),
    Case(
        name: "ring", what: "put a record of 512 bytes into a ring and take it out",
        prepare: ring),
    Case(
        name: "audit-encode", what: "encode an exchange's accepted and completed records",
        prepare: auditEncode),
    Case(
        name: "usage-open", what: "keep and clear the usage of an exchange under way",
        prepare: openUsage),
    Case(
        name: "timer", what: "schedule and cancel a timer among 10,000",
        prepare: timer),
]

/// Bytes that stay for good.
func stored(_ text: String) -> UnsafeMutablePointer<UInt8> {
    let p = UnsafeMutablePointer<UInt8>.allocate(capacity: text.utf8.count + 64)
    p.initialize(repeating: 0, count: text.utf8.count + 64)
    for (i, byte) in text.utf8.enumerated() { p[i] = byte }
    return p
}

func bytes(_ text: String) -> Bytes { Bytes(UnsafePointer(stored(text)), text.utf8.count) }

private func fieldSpace() -> UnsafeMutablePointer<Field> {
    let p = UnsafeMutablePointer<Field>.allocate(capacity: 128)
    p.initialize(repeating: Field(), count: 128)
    return p
}

// MARK: Messages

func requestHead() -> (Int) -> UInt64 {
    let (p, n, fields) = (stored(Samples.requestHead), Samples.requestHead.utf8.count, fieldSpace())
    return { iterations in
        var sum: UInt64 = 0
        var head = RequestHead()
        for _ in 0..<iterations {
            var scan = HeadScan()
            _ = RequestParser.parse(p, n, scan: &scan, limits: MessageLimits(), fields: fields, head: &head)
            sum &+= UInt64(head.headLength) &+ UInt64(head.fieldCount)
        }
        return sum
    }
}

func responseHead() -> (Int) -> UInt64 {
    let (p, n, fields) = (stored(Samples.responseHead), Samples.responseHead.utf8.count, fieldSpace())
    return { iterations in
        var sum: UInt64 = 0
        var head = ResponseHead()
        for _ in 0..<iterations {
            var scan = HeadScan()
            _ = ResponseParser.parse(
                p, n, scan: &scan, limits: MessageLimits(), fields: fields, requestMethod: .post, head: &head)
            sum &+= UInt64(head.headLength) &+ UInt64(head.status)
        }
        return sum
    }
}

func chunkDecode() -> (Int) -> UInt64 {
    let text = String(Samples.event.utf8.count, radix: 16) + "\r\n" + Samples.event + "\r\n"
    let (p, n) = (stored(text), text.utf8.count)
    return { iterations in
        var sum: UInt64 = 0
        var decoder = ChunkedDecoder()
        for _ in 0..<iterations {
            var used = 0
            decoding: while true {
                switch decoder.next(p, n, consumed: &used, limits: MessageLimits()) {
                case .data(_, let count): sum &+= UInt64(count)
                case .needMore: break decoding
                default: fail("micro: the chunk is malformed")
                }
            }
        }
        return sum
    }
}

func sseCount() -> (Int) -> UInt64 {
    let (p, n) = (stored(Samples.events), Samples.events.utf8.count)
    return { iterations in
        var counter = SSECounter()
        for _ in 0..<iterations { counter.feed(p, n) }
        return UInt64(counter.events)
    }
}

// MARK: What an LLM answers

func usageChunk() -> (Int) -> UInt64 {
    let (p, n) = (stored(Samples.longEvent), Samples.longEvent.utf8.count)
    return { iterations in
        var reader = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .sse)
        for _ in 0..<iterations { reader.feed(p, n) }
        if reader.documents != UInt32(truncatingIfNeeded: iterations) { fail("micro: not every chunk was read") }
        return reader.contentBytes
    }
}

func usageKnown() -> (Int) -> UInt64 {
    let (p, n) = (stored(Samples.longEvent), Samples.longEvent.utf8.count)
    let shape = EventShapes()[0]
    var reader = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .sse)
    for _ in 0..<2 { reader.feed(p, n, shape) }
    let learned = reader
    return { iterations in
        var reader = learned
        for _ in 0..<iterations where reader.takeKnown(p, n, shape) != n { fail("micro: the chunk is not known") }
        return reader.contentBytes
    }
}

func usageAnswer() -> (Int) -> UInt64 {
    let (p, n) = (stored(Samples.answer), Samples.answer.utf8.count)
    return { iterations in
        var sum: UInt64 = 0
        for _ in 0..<iterations {
            var reader = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .json)
            reader.feed(p, n)
            var usage = TokenUsage()
            guard reader.settle(promptEstimate: 0, into: &usage) else { fail("micro: no usage was found") }
            sum &+= UInt64(usage.total)
        }
        return sum
    }
}

func usageRequest() -> (Int) -> UInt64 {
    let (p, n) = (stored(Samples.chat), Samples.chat.utf8.count)
    return { iterations in
        var sum: UInt64 = 0
        for _ in 0..<iterations {
            var reader = RequestReader()
            reader.feed(p, n)
            if !reader.isWhole || reader.modelCount != 1 { fail("micro: no model was found") }
            sum &+= UInt64(reader.promptEstimate)
        }
        return sum
    }
}

func usageFilter() -> (Int) -> UInt64 {
    let (p, n) = (stored(Samples.longEvent), Samples.longEvent.utf8.count)
    let hold = UnsafeMutablePointer<UInt8>.allocate(capacity: UsageChunkFilter.holdCapacity)
    return { iterations in
        var sum: UInt64 = 0
        var filter = UsageChunkFilter()
        for _ in 0..<iterations {
            guard case .pass(_, let count) = filter.next(p, n, hold: hold), filter.next(p, n, hold: hold) == .end
            else { fail("micro: the chunk did not pass") }
            sum &+= UInt64(count)
        }
        return sum
    }
}

// MARK: Look-ups

private func makeProbe(keys: [KeyRecord] = [], routes: [RouteRecord] = []) -> LookUpProbe {
    guard let probe = LookUpProbe(keys: keys, routes: routes, request: Array(Samples.request.utf8)) else {
        fail("micro: the request is malformed")
    }
    return probe
}

func memberScan() -> (Int) -> UInt64 {
    let probe = makeProbe()
    return { probe.scanBody($0) }
}

func route(_ routes: [RouteRecord]) -> (Int) -> UInt64 {
    let probe = makeProbe(routes: routes)
    let last = routes.count - 1
    if probe.chooseRoute(1) != last { fail("micro: route \(probe.chooseRoute(1)) instead of \(last)") }
    return { UInt64(bitPattern: Int64(probe.chooseRoute($0))) }
}

func keyLookUp() -> (Int) -> UInt64 {
    let probe = makeProbe(keys: Samples.keys(10_000))
    let key = bytes(Samples.key(7777))
    if probe.findKey(key, 1) != 7777 { fail("micro: the key is not found") }
    return { UInt64(bitPattern: Int64(probe.findKey(key, $0))) }
}

// MARK: What lasts beyond the exchange

func ring() -> (Int) -> UInt64 {
    let path = "/tmp/micro-\(getpid()).ring"
    guard let ring = try? MappedRing.open(path: path, capacity: 1 << 20) else { fail("micro: no ring at \(path)") }
    unlink(path)
    let record = stored(String(repeating: "r", count: 512))
    return { iterations in
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        var sum: UInt64 = 0
        for _ in 0..<iterations {
            guard let room = producer.reserve(512) else { fail("micro: the ring is full") }
            room.copyMemory(from: record, byteCount: 512)
            producer.commit()
            guard let taken = consumer.next() else { fail("micro: the record is gone") }
            sum &+= UInt64(taken.count)
            consumer.release()
        }
        return sum
    }
}

func auditEncode() -> (Int) -> UInt64 {
    let accepted = AcceptedFields(
        requestTimeNanoseconds: 1_780_000_000_000_000_000, requestID: bytes("req_0123456789ab"),
        keyID: bytes("key_0123456789abcdef"), sourcePath: bytes("/team/app"), method: bytes("POST"),
        userAgent: bytes("OpenAI/Python 1.99.1"), ip: bytes("127.0.0.1"), path: bytes("/v1/chat/completions"),
        requestHeaders: bytes(Samples.requestHead))
    let completed = CompletedFields(
        firstResponseTimeNanoseconds: 1_780_000_000_000_100_000, responseTimeNanoseconds: 1_780_000_000_000_200_000,
        requestSize: 1000, responseSize: 600, streamChunks: 0, status: 200, isStream: false,
        targetURL: bytes("http://127.0.0.1:9000/v1/chat/completions"), errorMessage: .empty,
        responseHeaders: bytes(Samples.responseHead), requestBody: .empty, responseBody: .empty)
    let space = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 16)
    return { iterations in
        var sum: UInt64 = 0
        for i in 0..<iterations {
            let id = AuditID(
                unixMilliseconds: 1_780_000_000_000, worker: 1, bootNonce: 7, sequence: UInt32(truncatingIfNeeded: i))
            sum &+= UInt64(AuditEncoder.acceptedSize(accepted))
            AuditEncoder.encodeAccepted(id, accepted, into: space)
            sum &+= UInt64(space.load(fromByteOffset: 16, as: UInt64.self) & 1)
            sum &+= UInt64(AuditEncoder.completedSize(completed))
            AuditEncoder.encodeCompleted(id, completed, into: space)
            sum &+= UInt64(space.load(fromByteOffset: 16, as: UInt64.self) & 1)
        }
        return sum
    }
}

/// What keeps the usage of an exchange while it is under way.
func openUsage() -> (Int) -> UInt64 {
    let path = "/tmp/micro-\(getpid()).open"
    guard let slots = try? MappedSlots.open(path: path) else { fail("micro: no slots at \(path)") }
    unlink(path)
    var fields = UsageFields(
        requestID: bytes("req_0123456789ab"), keyID: bytes("key_0123456789abcdef"), sourcePath: bytes("/team/app"),
        provider: bytes("openai"), providerKeyID: bytes("pkey_0123456789abcdef"), modelRequested: bytes("gpt-4o"),
        modelServed: .empty, currency: bytes("USD"), promptTokens: 250, totalTokens: 250, isEstimated: true,
        outcome: .interrupted)
    return { iterations in
        var producer = SlotProducer(slots)
        var sum: UInt64 = 0
        for i in 0..<iterations {
            let id = AuditID(
                unixMilliseconds: 1_780_000_000_000, worker: 1, bootNonce: 7, sequence: UInt32(truncatingIfNeeded: i))
            fields.costMicros = Int64(i)
            guard let slot = producer.reserve() else { fail("micro: there is no slot") }
            let size = withUnsafePointer(to: &fields) {
                AuditEncoder.encodeUsage(id, $0, into: producer.payload(slot))
                return AuditEncoder.usageSize($0)
            }
            producer.commit(slot, length: size)
            sum &+= UInt64(producer.payload(slot).load(fromByteOffset: 16, as: UInt64.self) & 1)
            producer.clear(slot)
        }
        return sum
    }
}

func timer() -> (Int) -> UInt64 {
    let others = 10_000
    return { iterations in
        var wheel = TimerWheel(capacity: others + 2, nowMilliseconds: 1000)
        for i in 0..<others {
            _ = wheel.schedule(
                Token(kind: 1, generation: 0, index: UInt32(i)), atMilliseconds: 2000 + UInt64(i) * 29 % 300_000)
        }
        var sum: UInt64 = 0
        for i in 0..<iterations {
            let id = wheel.schedule(
                Token(kind: 1, generation: 1, index: 1), atMilliseconds: 76_000 + UInt64(truncatingIfNeeded: i) & 1023)
            sum &+= UInt64(id)
            wheel.cancel(id)
        }
        return sum
    }
}
