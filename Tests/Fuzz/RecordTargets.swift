@testable import JSON
@testable import Reactor
@testable import Store

nonisolated(unsafe) private var writer = HeaderWriter()

/// Recorded headers and bodies of any kind become texts of bounded size; headers become JSON, a stream that is merged too.
func fuzzRecorded(_ input: Input) {
    let parts = Input(bytes: input.body).parts(2)
    let headers = parts[0]
    let body = parts.count > 1 ? parts[1] : []
    let limit = 64 << (input.choice & 7)
    var arena = Store.Arena()
    let raw = Bytes(GuardedMemory.shared.place(headers), headers.count)
    if let json = writer.json(raw, &arena) {
        let value = try? JSONValue(parsing: Array(json.buffer))
        check(value?.objectValue != nil, "no object: \(String(decoding: json.buffer, as: UTF8.self))")
    }
    let bytes = Bytes(GuardedMemory.other.place(body), body.count)
    var content = BodyContent(headers: raw)
    content.isCut = input.choice & 8 != 0
    switch BodyText.response(bytes, content, limit: limit, arena: &arena) {
    case .none: break
    case .text(let text):
        check(text.count <= limit + 4, "\(text.count) bytes where \(limit) may be stored")
        check(String(validating: text.buffer, as: UTF8.self) != nil, "text that is none")
    case .blob(let blob): check(blob.count <= limit + 4, "\(blob.count) bytes where \(limit) may be stored")
    }
    _ = BodyText.streamChunks(bytes, content)
    if let merged = StreamMerge.merged(bytes.buffer) {
        check((try? JSONValue(parsing: Array(merged.utf8)))?.objectValue != nil, "no object: \(merged)")
    }
}

/// A time that is read is written so that it is read as the same.
func fuzzTimestamp(_ input: Input) {
    let text = String(decoding: input.body, as: UTF8.self)
    let offset = (input.choice - 128) * 7
    guard let time = Timestamp.parse(text, defaultOffsetMinutes: offset) else {
        check(Timestamp.parseUpperBound(text, defaultOffsetMinutes: offset) == nil, "a bound of what is no time")
        return
    }
    guard let bound = Timestamp.parseUpperBound(text, defaultOffsetMinutes: offset) else { fatalError("no bound") }
    check(bound >= time && bound - time < 86_400_000, "from \(time) to \(bound)")
    let written = Timestamp.text(milliseconds: time, offsetMinutes: offset)
    // Beyond the year 9999, and before the first, an offset may carry a time out of what four digits hold.
    if time > -62_135_500_000_000, time < 253_402_200_000_000 {
        check(Timestamp.parse(written) == time, "\(text) is \(time), written as \(written)")
    }
}
