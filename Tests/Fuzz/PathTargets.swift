import Reactor

@testable import HTTP
@testable import Proxy

/// The plainest matcher there is: which ends of the path each part of the pattern can reach.
private func matches(_ parts: ArraySlice<PathPatternSource.Part>, _ path: [UInt8]) -> Bool {
    var reached: Set<Int> = [0]
    for part in parts {
        var next: Set<Int> = []
        for i in reached {
            switch part {
            case .literal(let bytes): if path[i...].starts(with: bytes) { next.insert(i + bytes.count) }
            case .any: next.formUnion(i...path.count)
            case .segment:
                var end = i
                while end < path.count, path[end] != UInt8(ascii: "/") {
                    end += 1
                    next.insert(end)
                }
            }
        }
        reached = next
    }
    return reached.contains(path.count)
}

private let scratch = UncheckedScratch()

private struct UncheckedScratch: @unchecked Sendable {
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: PathPattern.scratchBytes)
    let captures = UnsafeMutablePointer<Bytes>.allocate(capacity: PathPattern.maxParts)
}

/// A pattern matches what it says, and its captures put together with its literals are the path.
/// The input is pattern, path and target path, with zero bytes between them.
func fuzzPathPattern(_ input: Input) {
    let texts = input.parts(3)
    guard texts.count >= 2, let text = String(validating: texts[0], as: UTF8.self),
        let source = try? PathPatternSource(text), texts[1].count <= 2048
    else { return }
    let arena = Arena()
    let pattern = source.compile(in: arena)
    let place = GuardedMemory.shared.place(texts[1])
    let path = Bytes(place, texts[1].count)
    let found = pattern.matches(path, scratch: scratch.bytes)
    // A path is never empty, or stands for "/".
    guard !path.isEmpty else { return }
    check(found == matches(source.parts[...], texts[1]), "\(text) and \(path.string): \(found)")
    guard found else { return }
    let count = pattern.captures(path, scratch: scratch.bytes, into: scratch.captures)
    var rebuilt: [UInt8] = []
    var next = 0
    for part in source.parts {
        switch part {
        case .literal(let bytes): rebuilt += bytes
        case .any, .segment:
            check(next < count, "a wildcard without a capture")
            let capture = scratch.captures[next]
            if case .segment = part {
                check(!capture.isEmpty && !capture.buffer.contains(UInt8(ascii: "/")), "a segment that is none")
            }
            rebuilt += capture.buffer
            next += 1
        }
    }
    check(next == count && rebuilt == texts[1], "\(text): \(rebuilt) of \(texts[1])")

    guard texts.count == 3, let target = String(validating: texts[2], as: UTF8.self) else { return }
    for strips in [false, true] {
        guard let compiled = try? TargetPath.compile(target, stripPrefix: strips, pattern: source, in: arena)
        else { continue }
        var written: [UInt8] = []
        compiled.write(path: path, pattern: pattern, scratch: scratch.bytes, captures: scratch.captures) {
            written += $0.buffer
        }
        check(!written.isEmpty, "no target path: \(text), \(target)")
    }
}

/// A path that may be routed hides nothing: its normal form is within its length, the normal form's normal form is the
/// same, and neither holds a dot segment.
func fuzzTargetPath(_ input: Input) {
    let path = input.body
    let p = GuardedMemory.shared.place(path)
    guard TargetPolicy.check(p, path.count) == nil else { return }
    let out = GuardedMemory.other.room(path.count)
    guard let count = TargetPolicy.normalForm(p, path.count, into: out) else {
        check(!TargetPolicy.isPlain(p, path.count), "a plain path that is refused")
        return
    }
    let normal = Array(UnsafeBufferPointer(start: out, count: count))
    if TargetPolicy.isPlain(p, path.count) { check(normal == path, "a plain path with another reading") }
    for segment in normal.split(separator: UInt8(ascii: "/")) {
        check(segment != [0x2E] && segment != [0x2E, 0x2E], "a dot segment in \(normal)")
    }
}
