@testable import HTTP

private let limits = MessageLimits(maxHeadBytes: 4096, maxFields: 32, maxTargetBytes: 1024)
nonisolated(unsafe) private let fields = UnsafeMutablePointer<Field>.allocate(capacity: 32)

/// What a parser said of a head.
private struct Parsed<Head: Equatable>: Equatable {
    var outcome = ParseOutcome.incomplete
    var head: Head?
    var fields: [Field] = []
}

/// A look at each of the prefixes, until one is decided; memory moves in between.
private func look<Head: Equatable>(
    _ bytes: [UInt8], ends: [Int], _ empty: Head, count: (Head) -> UInt16,
    _ parse: (UnsafePointer<UInt8>, Int, inout HeadScan, inout Head) -> ParseOutcome
) -> Parsed<Head> {
    var scan = HeadScan()
    var head = empty
    for end in ends {
        let outcome = parse(GuardedMemory.shared.place(bytes[..<end]), end, &scan, &head)
        switch outcome {
        case .incomplete: continue
        case .failed: return Parsed(outcome: outcome)
        case .complete:
            return Parsed(
                outcome: outcome, head: head,
                fields: Array(UnsafeBufferPointer(start: fields, count: Int(count(head)))))
        }
    }
    return Parsed()
}

private func checkOffsets(_ fields: [Field], within end: UInt32) {
    for field in fields {
        check(
            Int(field.nameOffset) + Int(field.nameLength) < Int(field.valueOffset) + 1
                && Int(field.valueOffset) + Int(field.valueLength) <= Int(end),
            "a field beyond the head: \(field)")
    }
}

/// A head is read alike whether it comes at once, in two pieces or byte by byte; what it points to is within it.
func fuzzRequestHead(_ input: Input) {
    func parse(_ ends: [Int]) -> Parsed<RequestHead> {
        look(input.body, ends: ends, RequestHead(), count: \.fieldCount) { p, n, scan, head in
            RequestParser.parse(p, n, scan: &scan, limits: limits, fields: fields, head: &head)
        }
    }
    let n = input.body.count
    let whole = parse([n])
    check(parse([input.cut, n]) == whole, "cut at \(input.cut): \(parse([input.cut, n])), whole: \(whole)")
    if n < 600 { check(parse(Array(0...n)) == whole, "byte by byte: \(parse(Array(0...n))), whole: \(whole)") }
    guard let head = whole.head else { return }
    check(Int(head.headLength) <= n, "the head ends behind the input")
    checkOffsets(whole.fields, within: head.headLength)
    for (offset, length) in [
        (head.methodOffset, head.methodLength), (head.targetOffset, head.targetLength),
        (head.pathOffset, head.pathLength), (head.queryOffset, head.queryLength),
        (head.authorityOffset, head.authorityLength),
    ] { check(Int(offset) + Int(length) <= Int(head.headLength), "a part beyond the head: \(head)") }
    // What was taken is taken again from the head alone, and says the same.
    let again = parse([Int(head.headLength)])
    check(again == whole, "without what follows: \(again), with it: \(whole)")
}

/// The same for answers, to each method that matters.
func fuzzResponseHead(_ input: Input) {
    let method = [Method.get, .head, .connect, .post][input.choice % 4]
    func parse(_ ends: [Int]) -> Parsed<ResponseHead> {
        look(input.body, ends: ends, ResponseHead(), count: \.fieldCount) { p, n, scan, head in
            ResponseParser.parse(
                p, n, scan: &scan, limits: limits, fields: fields, requestMethod: method, head: &head)
        }
    }
    let n = input.body.count
    let whole = parse([n])
    check(parse([input.cut, n]) == whole, "cut at \(input.cut): \(parse([input.cut, n])), whole: \(whole)")
    if n < 600 { check(parse(Array(0...n)) == whole, "byte by byte: \(parse(Array(0...n))), whole: \(whole)") }
    guard let head = whole.head else { return }
    check(Int(head.headLength) <= n && head.status >= 100 && head.status <= 999, "\(head)")
    checkOffsets(whole.fields, within: head.headLength)
    check(Int(head.reasonOffset) + Int(head.reasonLength) <= Int(head.headLength), "a reason beyond the head")
    if method == .head { check(head.framing == .none || head.status < 200, "a body to HEAD: \(head)") }
}

/// What a chunked body came to.
private struct Decoded: Equatable {
    var data: [UInt8] = []
    var trailers: [UInt8] = []
    var failure: HTTPFailureCode?
    var isFinished = false
    var used = 0
}

private func decode(_ bytes: [UInt8], ends: [Int]) -> Decoded {
    var decoder = ChunkedDecoder()
    var result = Decoded()
    var start = 0
    for end in ends where end >= start {
        let p = GuardedMemory.shared.place(bytes[start..<end])
        var consumed = 0
        events: while true {
            let before = consumed
            switch decoder.next(p, end - start, consumed: &consumed, limits: limits) {
            case .data(let offset, let count):
                check(count > 0 && offset >= before && offset + count <= consumed, "data outside what was used")
                result.data += Array(UnsafeBufferPointer(start: p + offset, count: count))
            case .trailers(let offset, let count):
                check(count > 0 && offset >= 0 && offset + count <= consumed, "trailers outside what was used")
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

/// Chunks decode alike however they come. What they decode to, framed anew, decodes to the same.
func fuzzChunked(_ input: Input) {
    let body = input.body
    let whole = decode(body, ends: [body.count])
    let halves = decode(body, ends: [input.cut, body.count])
    check(halves == whole, "cut at \(input.cut): \(halves), whole: \(whole)")
    if body.count < 600 {
        let bytewise = decode(body, ends: Array(0...body.count))
        check(bytewise == whole, "byte by byte: \(bytewise), whole: \(whole)")
    }
    guard whole.failure == nil else { return }

    var framed: [UInt8] = []
    for piece in [whole.data.prefix(input.choice), whole.data.dropFirst(input.choice)] where !piece.isEmpty {
        var size = [UInt8](repeating: 0, count: 16)
        size.withUnsafeMutableBufferPointer { room in
            guard let base = room.baseAddress else { return }
            var writer = HeadWriter(base, capacity: room.count)
            writer.append(hex: UInt64(piece.count))
            check(!writer.overflowed, "a chunk size takes more than 16 digits")
            framed += room[..<writer.count]
        }
        framed += Array("\r\n".utf8) + piece + Array("\r\n".utf8)
    }
    framed += Array("0\r\n".utf8) + whole.trailers + Array("\r\n".utf8)
    let again = decode(framed, ends: [framed.count])
    check(
        again.isFinished && again.data == whole.data && again.trailers == whole.trailers
            && again.used == framed.count, "framed anew: \(again), before: \(whole)")
}
