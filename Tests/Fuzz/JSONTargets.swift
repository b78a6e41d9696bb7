@testable import JSON

private let names = ["model", "user", "a", "\u{e9}\u{1f600}"]
private let table: MemberNameTable = {
    guard let table = MemberNameTable(names) else { fatalError("the names make no table") }
    return table
}()

/// What is parsed is written so that it parses to the same.
func fuzzJSON(_ input: Input) {
    guard let value = try? JSONValue(parsing: input.bytes) else { return }
    for pretty in [false, true] {
        let text = value.serializedBytes(pretty: pretty)
        guard let again = try? JSONValue(parsing: text) else {
            fatalError("is not read again: \(String(decoding: text, as: UTF8.self))")
        }
        check(again == value, "is read again as another: \(again), was \(value)")
        check(again.hashValue == value.hashValue, "equal values, other hashes")
    }
}

private struct Scan: Equatable {
    struct Member: Equatable {
        var kind: MemberKind
        var start: UInt64
        var end: UInt64
        var seen: UInt16
        var disagrees: Bool
        var inline: [UInt8]
    }
    var state: MemberScanState
    var members: [Member] = []
    var memberCount: UInt32 = 0
    var closingBraceOffset: UInt64 = 0
    var insertionOffset: UInt64 = 0
}

private func scan(_ body: [UInt8], ends: [Int]) -> Scan {
    var scanner = MemberScanner()
    var captures = [MemberCapture](repeating: MemberCapture(), count: names.count)
    return captures.withUnsafeMutableBufferPointer { buffer in
        guard let captures = buffer.baseAddress else { fatalError("no captures") }
        var from = 0
        var state = MemberScanState.needMore
        for end in ends {
            let p = GuardedMemory.shared.place(body[from..<end])
            state = scanner.feed(p, end - from, table: table.pointer, captures: captures)
            from = end
        }
        check(state == scanner.state, "two states: \(state), \(scanner.state)")
        guard state != .malformed, state != .notAnObject else { return Scan(state: state) }
        let members = (0..<names.count).map { k in
            let capture = captures[k]
            return Scan.Member(
                kind: capture.kind, start: capture.seenCount > 0 ? capture.start : 0,
                end: capture.isComplete ? capture.end : 0, seen: capture.seenCount, disagrees: capture.disagrees,
                inline: Array(
                    UnsafeBufferPointer(
                        start: MemberCapture.inlineBytes(UnsafePointer(captures + k)), count: capture.inlineCount)))
        }
        return Scan(
            state: state, members: members, memberCount: scanner.memberCount,
            closingBraceOffset: scanner.closingBraceOffset, insertionOffset: scanner.insertionOffset)
    }
}

/// The scanner says the same however a body is cut, and of what the parser takes it says what the parser says.
func fuzzMembers(_ input: Input) {
    let body = input.body
    let whole = scan(body, ends: [body.count])
    let halves = scan(body, ends: [input.cut, body.count])
    check(halves == whole, "cut at \(input.cut): \(halves), whole: \(whole)")
    if body.count < 400 {
        let bytewise = scan(body, ends: Array(0...body.count))
        check(bytewise == whole, "byte by byte: \(bytewise), whole: \(whole)")
    }
    guard let value = try? JSONValue(parsing: body) else { return }
    guard let object = value.objectValue else {
        check(whole.state == .notAnObject, "\(whole.state) of what is no object")
        return
    }
    check(whole.state == .finished, "\(whole.state) of an object")
    for (name, member) in zip(names, whole.members) {
        check((object[name] == nil) == (member.kind == .absent), "\(name) is \(member.kind)")
        guard let expected = object[name] else { continue }
        let found = try? JSONValue(parsing: Array(body[Int(member.start)..<Int(member.end)]))
        check(found == expected, "\(name) is \(String(describing: found)), not \(expected)")
    }
}

/// Members that are set are set, and nothing else changes.
func fuzzJSONEdit(_ input: Input) {
    let body = input.body
    let members = [("model", "\"m\""), ("a", "[1,{}]"), ("x\"", "null"), ("user", "-1.5e3")]
        .enumerated().filter { input.choice >> $0.offset & 1 == 1 }.map { ($0.element.0, Array($0.element.1.utf8)) }
    var out: [UInt8] = [0x20]
    let isObject = GuardedMemory.shared.place(body).withMemoryRebound(to: UInt8.self, capacity: body.count) {
        JSONEdit.setTopLevelMembers(UnsafeRawBufferPointer(start: $0, count: body.count), members, into: &out)
    }
    guard isObject else {
        check(out == [0x20], "something was written for what is no object")
        check((try? JSONValue(parsing: body))?.objectValue == nil, "an object is not edited")
        return
    }
    guard var object = (try? JSONValue(parsing: body))?.objectValue else { return }
    guard let edited = (try? JSONValue(parsing: out))?.objectValue else {
        fatalError("spoilt: \(String(decoding: out, as: UTF8.self))")
    }
    for (name, value) in members { object[name] = try? JSONValue(parsing: value) }
    check(edited == object, "edited: \(JSONValue.object(edited)), wanted: \(JSONValue.object(object))")
}

/// No schema and no value makes compiling or validating run on or end the process; a value is judged alike with and
/// without an explanation.
func fuzzSchema(_ input: Input) {
    let parts = input.parts(2)
    guard parts.count == 2, let schema = try? JSONValue(parsing: parts[0], maxDepth: 64) else { return }
    _ = isJSONSchema(schema)
    guard let compiled = try? JSONSchema.compile(schema), let value = try? JSONValue(parsing: parts[1]) else { return }
    let failure = compiled.firstFailure(value)
    check(compiled.validate(value) == (failure == nil), "valid or not: \(failure ?? "valid")")
}
