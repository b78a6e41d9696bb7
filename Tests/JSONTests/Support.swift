import Glibc

@testable import JSON

/// A small generator with a fixed seed, so that a failure comes back.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    mutating func below(_ n: Int) -> Int { Int.random(in: 0..<n, using: &self) }
    mutating func oneIn(_ n: Int) -> Bool { below(n) == 0 }
    mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
}

/// Bytes that end right before a page that may not be touched.
final class GuardedBytes {
    private let mapping: UnsafeMutableRawPointer
    private let size: Int
    private let area: Int

    init(capacity: Int) {
        area = (capacity + 4095) & ~4095
        size = area + 4096
        mapping = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        mprotect(mapping + area, 4096, PROT_NONE)
    }

    deinit { munmap(mapping, size) }

    /// Copies `bytes` to the very end of the area.
    func put(_ bytes: some Collection<UInt8>) -> UnsafePointer<UInt8> {
        let start = (mapping + area - bytes.count).assumingMemoryBound(to: UInt8.self)
        for (k, byte) in bytes.enumerated() { start[k] = byte }
        return UnsafePointer(start)
    }
}

/// What a scan found, in a form that can be compared.
struct ScanResult: Equatable {
    struct Capture: Equatable {
        var kind: MemberKind
        var start: UInt64
        var end: UInt64
        var seenCount: UInt16
        var disagrees: Bool
        var isComplete: Bool
        var inline: [UInt8]
    }

    var state: MemberScanState
    var captures: [Capture]
    var memberCount: UInt32
    var closingBraceOffset: UInt64
    var insertionOffset: UInt64

    /// Feeds `body` in pieces that end at `cuts` (ascending) and at its end.
    static func scanning(_ body: [UInt8], _ table: MemberNameTable, cuts: [Int] = []) -> ScanResult {
        var scanner = MemberScanner()
        var captures = [MemberCapture](repeating: MemberCapture(), count: max(1, table.names.count))
        var state = MemberScanState.needMore
        body.withUnsafeBufferPointer { bytes in
            captures.withUnsafeMutableBufferPointer { captures in
                guard let captures = captures.baseAddress, let base = bytes.baseAddress else { return }
                var from = 0
                for cut in cuts + [body.count] {
                    state = scanner.feed(base + from, cut - from, table: table.pointer, captures: captures)
                    from = cut
                }
            }
        }
        precondition(state == scanner.state)
        let isUsable = state != .malformed && state != .notAnObject
        return ScanResult(
            state: state,
            captures: !isUsable
                ? []
                : captures.prefix(table.names.count).map { capture in
                    let inline = withUnsafePointer(to: capture) { pointer in
                        Array(
                            UnsafeBufferPointer(start: MemberCapture.inlineBytes(pointer), count: capture.inlineCount))
                    }
                    return Capture(
                        kind: capture.kind, start: capture.seenCount > 0 ? capture.start : 0,
                        end: capture.isComplete ? capture.end : 0, seenCount: capture.seenCount,
                        disagrees: capture.disagrees, isComplete: capture.isComplete, inline: inline)
                },
            memberCount: isUsable ? scanner.memberCount : 0,
            closingBraceOffset: isUsable ? scanner.closingBraceOffset : 0,
            insertionOffset: isUsable ? scanner.insertionOffset : 0)
    }
}

extension JSONValue {
    var memberKind: MemberKind {
        switch self {
        case .null: .null
        case .bool(let value): value ? .true : .false
        case .number: .number
        case .string: .string
        case .array: .array
        case .object: .object
        }
    }
}
