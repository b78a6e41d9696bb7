@testable import JSON
@testable import LLM
@testable import Proxy
@testable import Reactor

/// A stream that breaks off anywhere is ended so that its reader sees an error, and what stood before it is still read.
func fuzzClosingEvent(_ input: Input) {
    let endpoints = Endpoint.allCases
    let endpoint = endpoints[input.choice % endpoints.count]
    let apiType = APIType.allCases[input.choice / endpoints.count % APIType.allCases.count]
    let reason: ClosingEvent.Reason = input.choice & 1 == 0 ? .interrupted : .timedOut
    let body = input.body
    let p = GuardedMemory.shared.place(body)
    var reader = AnswerReader(endpoint: endpoint, apiType: apiType, framing: .sse)
    reader.feed(p, body.count)
    let closing = ClosingEvent.bytes(endpoint: endpoint, framing: reader.framing, reason: reason)
    guard reader.isAtEventBoundary, reader.framing == .sse, let end = closing.pointer, closing.count > 0 else { return }
    let (documents, usage) = (reader.documents, reader.reported)
    reader.feed(end, closing.count)
    check(reader.fault != .none, "nobody sees that it broke off")
    check(reader.documents == documents + 1 || documents == .max, "the event is not one of its own")
    check(reader.isAtEventBoundary, "the event does not end")
    check(reader.reported == usage, "the event changes what was used")
}

/// Whose fault an answer is, is told of any bytes; a success without an error is nobody's.
func fuzzFault(_ input: Input) {
    let apiType = APIType.allCases[input.choice % APIType.allCases.count]
    let statuses = [200, 400, 401, 402, 403, 404, 408, 410, 413, 422, 429, 500, 502, 503, 504, 529]
    let status = statuses[input.choice / APIType.allCases.count % statuses.count]
    let body = input.body
    let p = GuardedMemory.shared.place(body)
    let fault = FaultClassifier.classify(apiType, status: status, body: Bytes(p, body.count))
    check(status == 200 || fault != .none, "an answer \(status) that is nobody's fault")
    if status == 200, let value = try? JSONValue(parsing: body), value.objectValue != nil, value["error"] == nil,
        value["type"] == nil, value["response"] == nil
    {
        check(fault == .none, "an answer without an error is a fault: \(fault)")
    }
    // Of what is longer nothing more is looked at.
    let blanks = [UInt8](repeating: 0x20, count: max(0, FaultClassifier.bodyLimit - body.count))
    let longer = body + blanks + body
    guard longer.count <= 1 << 16 else { return }
    let same = FaultClassifier.classify(
        apiType, status: status, body: Bytes(GuardedMemory.shared.place(longer), longer.count))
    check(same == fault || body.count > FaultClassifier.bodyLimit, "\(same) of what is longer, not \(fault)")
}

/// What a path asks for lies within it; a provider's path is made of the base and the client's own.
func fuzzModelPath(_ input: Input) {
    let path = input.body
    let p = GuardedMemory.shared.place(path)
    let bytes = Bytes(p, path.count)
    let match = Endpoint.of(path: bytes)
    check(match.modelStart >= 0 && match.modelStart <= match.modelEnd && match.modelEnd <= path.count, "\(match)")
    check(!match.hasModelInPath || match.endpoint.namesModel, "\(match)")
    let name = Bytes(p + match.modelStart, match.modelEnd - match.modelStart)
    let out = GuardedMemory.other.room(name.count)
    let decoded = ModelName.decode(name, into: out)
    check(decoded <= name.count, "more than there was")
    if decoded > 0 {
        let model = ModelName.withoutCollection(Bytes(out, decoded))
        check(model.count > 0, "a name that is only a collection's")
        if let parts = ModelName.split(model) {
            check(parts.provider.count + parts.model.count + 1 == model.count, "a part is missing")
        }
    }
    let provider = ProviderPath(
        base: Bytes("/base"), hasVersion: input.choice & 1 == 1, defaultVersion: Bytes("/v1"),
        versionPrefix: Bytes("/openai"), keepsOpenAIPaths: input.choice & 2 == 2)
    let split = provider.split(bytes)
    check(split.start >= 0 && split.start <= path.count, "a path that begins behind its end")
    var written: [UInt8] = []
    provider.write(bytes) { written += $0.buffer }
    check(written == Array("/base".utf8) + Array(split.lead.buffer) + path[split.start...], "\(written)")
}

/// A query without its `key` parameters holds none, and all else as it was.
func fuzzQueryKey(_ input: Input) {
    let query = input.body
    let p = GuardedMemory.shared.place(query)
    let bytes = Bytes(p, query.count)
    var rest: [UInt8] = []
    QueryKey.without(bytes) { rest += $0.buffer }
    let parts = query.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false)
    let wanted = parts.filter { !$0.starts(with: Array("key=".utf8)) }
    // A separator at the very end has nothing behind it.
    let plain = Array(wanted.joined(separator: [UInt8(ascii: "&")]))
    check(rest == plain || rest + [UInt8(ascii: "&")] == plain, "\(rest), not \(plain)")
    let value = QueryKey.value(in: bytes).map { Array($0.buffer) }
    let first = parts.first { $0.starts(with: Array("key=".utf8)) }.map { Array($0.dropFirst(4)) }
    check(value == first, "\(String(describing: value)), not \(String(describing: first))")
    let again = GuardedMemory.other.place(rest)
    check(QueryKey.value(in: Bytes(again, rest.count)) == nil, "a key is left")

    _ = RetryAfter.milliseconds(bytes, since: bytes, now: 0)
    _ = (ErrorBody.Style(path: bytes), ErrorBody.Style(malformed: bytes))
    _ = (MediaType.isEventStream(bytes), MediaType.isNDJSON(bytes), Framing.of(contentType: bytes))
    if let token = BearerToken.read(bytes) {
        check(token.count < query.count && query.suffix(token.count).elementsEqual(token.buffer), "another token")
    }
}
