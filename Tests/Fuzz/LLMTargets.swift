@testable import JSON
@testable import LLM
@testable import Reactor

private struct Reading: Equatable {
    var reported: TokenUsage?
    var settled: TokenUsage?
    var fault: Fault
    var documents: UInt32
    var contentBytes: UInt64
    var isFinished: Bool
    var model: String
}

/// An answer is read alike however it is cut, and what it is accounted at is never below nothing.
func fuzzAnswer(_ input: Input) {
    let endpoints = Endpoint.allCases
    let endpoint = endpoints[input.choice % endpoints.count]
    let apiType = APIType.allCases[input.choice / endpoints.count % APIType.allCases.count]
    let framing = [Framing.sse, .json, .ndjson, .eventStream][input.choice / 60 % 4]
    let body = input.body
    func read(_ ends: [Int]) -> Reading {
        var reader = AnswerReader(endpoint: endpoint, apiType: apiType, framing: framing)
        var from = 0
        for end in ends {
            reader.feed(GuardedMemory.shared.place(body[from..<end]), end - from)
            from = end
        }
        return Reading(
            reported: reader.reported, settled: reader.settled(promptEstimate: 7, isWhole: input.cut % 2 == 0),
            fault: reader.fault, documents: reader.documents, contentBytes: reader.contentBytes,
            isFinished: reader.isFinished, model: reader.withServedModel { $0.string })
    }
    let whole = read([body.count])
    let halves = read([input.cut, body.count])
    check(halves == whole, "cut at \(input.cut): \(halves), whole: \(whole)")
    if body.count < 600 {
        let bytewise = read(Array(0...body.count))
        check(bytewise == whole, "byte by byte: \(bytewise), whole: \(whole)")
    }
    if let usage = whole.settled {
        let price = ModelPrice(input: .max, output: 3, cachedInput: nil, cacheWrite: 0, reasoning: .max)
        check(price.cost(of: usage) >= 0 && usage.prompt >= 0 && usage.completion >= 0, "below nothing: \(usage)")
    }
}

/// The filter passes the same however a stream is cut; what it does not take out it does not change.
func fuzzUsageFilter(_ input: Input) {
    let body = input.body
    func filtered(_ ends: [Int]) -> (text: [UInt8], removed: UInt32) {
        var filter = UsageChunkFilter()
        let hold = GuardedMemory.other.room(UsageChunkFilter.holdCapacity)
        var out: [UInt8] = []
        var from = 0
        for end in ends {
            let p = GuardedMemory.shared.place(body[from..<end])
            pieces: while true {
                switch filter.next(p, end - from, hold: hold) {
                case .end: break pieces
                case .pass(let start, let count):
                    check(count > 0 && start >= 0 && start + count <= end - from, "a piece outside the piece")
                    out += UnsafeBufferPointer(start: p + start, count: count)
                case .passHeld(let count):
                    check(count > 0 && count <= UsageChunkFilter.holdCapacity, "more than can be held")
                    out += UnsafeBufferPointer(start: hold, count: count)
                }
            }
            check(filter.held <= UsageChunkFilter.holdCapacity, "more held than there is room")
            from = end
        }
        if case .passHeld(let count) = filter.finish() { out += UnsafeBufferPointer(start: hold, count: count) }
        return (out, filter.removed)
    }
    let whole = filtered([body.count])
    let halves = filtered([input.cut, body.count])
    check(halves == whole, "cut at \(input.cut), \(halves.removed) of \(whole.removed) taken out")
    if body.count < 600 {
        let bytewise = filtered(Array(0...body.count))
        check(bytewise == whole, "byte by byte \(bytewise.removed) of \(whole.removed) taken out")
    }
    if whole.removed == 0 { check(whole.text == body, "changed, though nothing was taken out") }
    check(whole.text.count <= body.count, "more came out than went in")
}

private struct RequestReading: Equatable {
    var streams = false
    var includeUsage: Bool?
    var model = ""
    var disagrees = false
    var isTooLong = false
    var start: UInt64?
    var end: UInt64?
    var isWhole = false
    var isMalformed = false
    var choices: Int64 = 0
    var maxTokens: Int64?
    var estimate: Int64 = 0

    init(_ reader: RequestReader) {
        isMalformed = reader.isMalformed
        // Of a malformed one nothing else is used.
        if isMalformed { return }
        (streams, includeUsage, isWhole) = (reader.streams, reader.includeUsage, reader.isWhole)
        (model, disagrees) = (reader.withModel { $0.string }, reader.modelsDisagree)
        (isTooLong, start, end) = (reader.modelIsTooLong, reader.modelSpan?.start, reader.modelSpan?.end)
        (choices, maxTokens, estimate) = (reader.choices, reader.maxTokens, reader.promptEstimate)
    }
}

/// A request is read alike however it is cut; with model and usage option set it is still one, and says so.
func fuzzLLMRequest(_ input: Input) {
    let body = input.body
    func read(_ ends: [Int]) -> RequestReader {
        var reader = RequestReader()
        var from = 0
        for end in ends {
            reader.feed(GuardedMemory.shared.place(body[from..<end]), end - from)
            from = end
        }
        return reader
    }
    var reader = read([body.count])
    let whole = RequestReading(reader)
    let halves = RequestReading(read([input.cut, body.count]))
    check(halves == whole, "cut at \(input.cut): \(halves), whole: \(whole)")
    guard reader.isWhole, !reader.isMalformed else {
        check((try? JSONValue(parsing: body))?.objectValue == nil, "an object is refused")
        return
    }
    let spoken = withUnsafeMutablePointer(to: &reader) {
        $0.spokenCharacters(in: Bytes(GuardedMemory.shared.place(body), body.count))
    }
    let model = Array("n\"\\\u{1}é".utf8)
    let asksForUsage = reader.needsUsageOption(endpoint: .chatCompletions)
    let capacity = RequestEdit.capacity(bodyCount: body.count, modelCount: model.count)
    let out = GuardedMemory.other.room(capacity)
    let p = GuardedMemory.shared.place(body)
    let count = model.withUnsafeBufferPointer {
        RequestEdit.apply(
            Bytes(p, body.count), &reader, model: Bytes($0.baseAddress, $0.count), includeUsage: asksForUsage, into: out
        )
    }
    check(count <= capacity, "more was written than there was room for")
    guard let object = (try? JSONValue(parsing: body))?.objectValue else { return }
    let text = object["input"]?.stringValue ?? ""
    check(spoken == Int64(text.unicodeScalars.count), "\(spoken) characters of \(text.debugDescription)")
    let edited = (try? JSONValue(parsing: Array(UnsafeBufferPointer(start: out, count: count))))?.objectValue
    guard let edited else {
        fatalError("spoilt: \(String(decoding: UnsafeBufferPointer(start: out, count: count), as: UTF8.self))")
    }
    if reader.modelSpan != nil { check(edited["model"]?.stringValue == "n\"\\\u{1}é", "the model was not set") }
    if asksForUsage {
        switch object["stream_options"] {
        case nil, .null, .object:
            check(edited["stream_options"]?["include_usage"]?.boolValue == true, "usage was not asked for")
        default: check(edited["stream_options"] == object["stream_options"], "stream_options was touched")
        }
    }
    for name in object.names where name != "model" && name != "stream_options" {
        check(edited[name] == object[name], "\(name) was changed")
    }
}

/// No price file ends the process, and no price is below nothing.
func fuzzPrices(_ input: Input) {
    let contents = input.bytes.withUnsafeBytes { try? PriceFile.read($0) }
    for entry in contents?.entries ?? [] {
        check(entry.rates.base.input >= 0 && entry.rates.base.output >= 0, "below nothing: \(entry)")
        for part in [entry.rates.base.cachedInput, entry.rates.base.cacheWrite, entry.rates.base.reasoning] {
            check((part ?? 0) >= 0, "below nothing: \(entry)")
        }
        let usage = TokenUsage(prompt: TokenUsage.limit, completion: TokenUsage.limit)
        check(entry.rates.base.cost(of: usage) >= 0, "a cost below nothing: \(entry)")
    }
}
