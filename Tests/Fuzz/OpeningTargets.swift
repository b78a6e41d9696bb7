@testable import JSON
@testable import LLM
@testable import Reactor

private struct Opening: Equatable {
    var events: [OpeningEvent] = []
    /// Behind which byte each ends.
    var ends: [Int] = []
    var contentBytes: UInt64 = 0
    var documents: UInt32 = 0
}

/// The beginning of a stream is cut into the same events however it comes, and what they say is read as ever.
func fuzzOpening(_ input: Input) {
    let endpoints: [Endpoint] = [.chatCompletions, .messages, .geminiStream, .responses]
    let endpoint = endpoints[input.choice % endpoints.count]
    let body = input.body
    func read(_ ends: [Int]) -> Opening {
        var reader = AnswerReader(endpoint: endpoint, apiType: .openai, framing: .sse)
        var opening = StreamOpening()
        var found = Opening()
        var from = 0
        for end in ends where end > from {
            let p = GuardedMemory.shared.place(body[from..<end])
            var at = 0
            cutting: while at < end - from {
                switch opening.next(p + at, end - from - at, &reader) {
                case .needMore: break cutting
                case .event(let event, let count):
                    check(count > 0 && at + count <= end - from, "an event of \(count) bytes")
                    at += count
                    found.events.append(event)
                    found.ends.append(from + at)
                }
            }
            from = end
        }
        found.contentBytes = reader.contentBytes
        found.documents = reader.documents
        return found
    }
    let whole = read([body.count])
    // A line feed may come behind the carriage return that ended an event: it belongs to that event or to the next.
    var halves = read([input.cut, body.count])
    for (i, end) in halves.ends.enumerated() where i < whole.ends.count && end == input.cut && whole.ends[i] == end + 1
    {
        halves.ends[i] += 1
    }
    check(halves == whole, "cut at \(input.cut): \(halves), whole: \(whole)")

    var plain = AnswerReader(endpoint: endpoint, apiType: .openai, framing: .sse)
    plain.feed(GuardedMemory.shared.place(body), body.count)
    check(plain.documents == whole.documents && plain.contentBytes == whole.contentBytes, "read as another stream")
}

/// What is blanked is the role and nothing else: a chunk stays JSON, and all its other members stay.
func fuzzRole(_ input: Input) {
    let body = input.body
    let p = GuardedMemory.shared.place(body)
    RepeatedRole.blank(p, body.count)
    let after = Array(UnsafeBufferPointer(start: p, count: body.count))
    for (old, new) in zip(body, after) { check(new == old || new == 0x20, "another byte") }
    // Names that hold a quote are nobody's.
    guard !body.contains(UInt8(ascii: "\\")), let before = try? JSONValue(parsing: body) else { return }
    guard let value = try? JSONValue(parsing: after) else {
        fatalError("spoilt: \(String(decoding: after, as: UTF8.self))")
    }
    check(Plain.without(before) == Plain.without(value), "\(before) became \(value)")
}

private enum Plain {
    /// Members called `role` that are strings taken out, at any depth.
    static func without(_ value: JSONValue) -> JSONValue {
        if let object = value.objectValue {
            return .object(
                JSONObject(
                    object.members.filter { !($0.name == "role" && $0.value.stringValue != nil) }
                        .map { ($0.name, without($0.value)) }))
        }
        if let array = value.arrayValue { return .array(array.map(without)) }
        return value
    }
}

/// A form says nothing about what lies outside it. The input is a Content-Type and a body.
func fuzzForm(_ input: Input) {
    let parts = input.parts(2)
    guard parts.count == 2 else { return }
    let type = GuardedMemory.other.place(parts[0])
    let p = GuardedMemory.shared.place(parts[1])
    let contentType = Bytes(type, parts[0].count)
    guard FormReader.isForm(contentType: contentType) else { return }
    var reader = FormReader()
    reader.read(Bytes(p, parts[1].count), contentType: contentType)
    if let model = reader.model {
        check(model.start <= model.end && model.end <= UInt64(parts[1].count), "a model outside the body: \(model)")
    }
    check(reader.files >= 0 && reader.files <= 256 && reader.count >= 1 && reader.count <= 9999, "\(reader)")
    check(!reader.modelsDisagree || reader.model != nil, "two models, and none")
    // Read again with something behind it, a whole form says the same.
    guard reader.isWhole else { return }
    var again = FormReader()
    let longer = parts[1] + Array("epilogue".utf8)
    again.read(Bytes(GuardedMemory.shared.place(longer), longer.count), contentType: contentType)
    check(
        again.isWhole && again.files == reader.files && again.streams == reader.streams, "with more behind it another")
}
