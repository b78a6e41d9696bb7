@testable import Inflate
@testable import LLM
@testable import Reactor

nonisolated(unsafe) private let workspace = UnsafeMutableRawPointer.allocate(
    byteCount: StreamInflater.workspaceSize, alignment: 16)
/// More than any input of the usual length comes to before the ratio counts.
private let mostOutput = 16 << 20

private struct Inflated: Equatable {
    var bytes: [UInt8] = []
    var state = StreamInflater.State.open
}

private func inflate(_ body: [UInt8], _ coding: Inflater.Coding, room: Int, ends: [Int]) -> Inflated {
    var inflater = StreamInflater(coding, workspace: workspace)
    let out = GuardedMemory.other.room(room)
    var result = Inflated()
    var from = 0
    for end in ends where end > from {
        let p = GuardedMemory.shared.place(body[from..<end])
        var consumed = 0
        while true {
            let made = inflater.next(p, end - from, consumed: &consumed, into: out, room: room)
            check(made >= 0 && made <= room && consumed <= end - from, "\(made) made, \(consumed) taken")
            if made == 0 { break }
            result.bytes += UnsafeBufferPointer(start: out, count: made)
            check(result.bytes.count <= mostOutput, "a bomb")
        }
        check(inflater.state != .open || consumed == end - from, "bytes are left, and it is not at its end")
        from = end
    }
    result.state = inflater.state
    return result
}

/// A compressed body comes to the same however it is cut, and to what the other decoder makes of it. The choice: 1, gzip;
/// 2, the input is compressed first and has to come back; the rest is the room there is for what comes out.
func fuzzInflate(_ input: Input) {
    let coding: Inflater.Coding = input.choice & 1 == 1 ? .gzip : .deflate
    let room = [1, 7, 512, 4096][input.choice >> 2 & 3]
    guard input.choice & 2 == 0 else { return checkRoundTrip(input, room) }
    let body = input.body
    let whole = inflate(body, coding, room: room, ends: [body.count])
    let halves = inflate(body, coding, room: room, ends: [input.cut, body.count])
    check(halves == whole, "cut at \(input.cut): \(halves.bytes.count) \(halves.state), not \(whole.bytes.count)")
    if body.count < 200 {
        let bytewise = inflate(body, coding, room: room, ends: Array(0...body.count))
        check(bytewise == whole, "byte by byte: \(bytewise.bytes.count) \(bytewise.state), whole: \(whole.bytes.count)")
    }
    let limit = 1 << 16
    let p = GuardedMemory.shared.place(body)
    let other = Inflater.decode(Bytes(p, body.count), coding, limit: limit) ?? []
    check(other.count <= limit, "more than was asked for")
    let common = min(other.count, whole.bytes.count)
    check(other[..<common] == whole.bytes[..<common], "two decoders, two texts")
}

private func checkRoundTrip(_ input: Input, _ room: Int) {
    let body = input.body
    guard let packed = Gzip.compress(body) else { fatalError("cannot be compressed") }
    let whole = inflate(packed, .gzip, room: room, ends: [packed.count * input.cut / max(1, body.count), packed.count])
    check(whole.bytes == body && whole.state != .failed, "\(whole.bytes.count) of \(body.count) bytes, \(whole.state)")
    let p = GuardedMemory.shared.place(packed)
    check((Inflater.decode(Bytes(p, packed.count), .gzip, limit: body.count + 1) ?? []) == body, "another text")

    // What is read of an answer is the same, compressed or not.
    var plain = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .sse)
    plain.feed(GuardedMemory.shared.place(body), body.count)
    var through = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .sse)
    var inflater = StreamInflater(.gzip, workspace: workspace)
    through.feed(
        GuardedMemory.shared.place(packed), packed.count, through: &inflater, scratch: GuardedMemory.other.room(room),
        room: room)
    check(
        plain.reported == through.reported && plain.documents == through.documents && plain.fault == through.fault
            && plain.isFinished == through.isFinished, "compressed, it is read as another answer")
}
