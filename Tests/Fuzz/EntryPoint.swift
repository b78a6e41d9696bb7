import Glibc

/// What is fuzzed, by the name that `scripts/fuzz` is given. A target is a function of the input; it ends the process if
/// what it tests says something that cannot be.
private let targets: [String: @Sendable (Input) -> Void] = [
    "request-head": fuzzRequestHead,
    "response-head": fuzzResponseHead,
    "chunked": fuzzChunked,
    "answer": fuzzAnswer,
    "closing-event": fuzzClosingEvent,
    "fault": fuzzFault,
    "inflate": fuzzInflate,
    "opening": fuzzOpening,
    "role": fuzzRole,
    "form": fuzzForm,
    "model-list": fuzzModelList,
    "usage-filter": fuzzUsageFilter,
    "llm-request": fuzzLLMRequest,
    "prices": fuzzPrices,
    "json": fuzzJSON,
    "members": fuzzMembers,
    "json-edit": fuzzJSONEdit,
    "schema": fuzzSchema,
    "config": fuzzConfig,
    "ring": fuzzRing,
    "slots": fuzzSlots,
    "audit": fuzzAudit,
    "recovery": fuzzRecovery,
    "recorded": fuzzRecorded,
    "logs": fuzzLogs,
    "timestamp": fuzzTimestamp,
    "admin-request": fuzzAdminRequest,
    "admin": fuzzAdmin,
    "path-pattern": fuzzPathPattern,
    "target-path": fuzzTargetPath,
    "model-path": fuzzModelPath,
    "query-key": fuzzQueryKey,
]

private let chosen: @Sendable (Input) -> Void = {
    guard let name = getenv("FASTGATE_FUZZ_TARGET").map({ String(cString: $0) }), let target = targets[name] else {
        print("FASTGATE_FUZZ_TARGET must be one of:", targets.keys.sorted().joined(separator: " "))
        exit(2)
    }
    return target
}()

/// libFuzzer's entry: once for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ p: UnsafePointer<UInt8>?, _ n: Int) -> CInt {
    // What is bounded by bytes in the product is bounded here as well: longer inputs only make it slower.
    guard n <= 1 << 16 else { return 0 }
    chosen(Input(bytes: Array(UnsafeBufferPointer(start: p, count: n))))
    return 0
}

/// One input, and what it says about how it is to be used: its first byte chooses, its second one cuts.
struct Input {
    let bytes: [UInt8]

    /// The first byte, 0 if there is none.
    var choice: Int { Int(bytes.first ?? 0) }

    /// All behind the first two bytes.
    var body: [UInt8] { Array(bytes.dropFirst(2)) }

    /// Where the body is cut in two.
    var cut: Int { bytes.count < 3 ? 0 : Int(bytes[1]) * (bytes.count - 2) / 255 }

    /// The body's parts between zero bytes, at most `n`: the last one keeps its own.
    func parts(_ n: Int) -> [[UInt8]] {
        bytes.split(separator: 0, maxSplits: n - 1, omittingEmptySubsequences: false).map { Array($0) }
    }
}

/// Ends the process if it does not hold; libFuzzer keeps the input.
func check(_ holds: Bool, _ what: @autoclosure () -> String) {
    if !holds { fatalError(what()) }
}

/// Memory between two pages that cannot be touched. The sanitizer does not see what C's inline functions read; this does.
struct GuardedMemory {
    private static let page = 4096
    private static let usable = (1 << 16) + 4096
    private let base: UnsafeMutableRawPointer

    nonisolated(unsafe) static let shared = GuardedMemory()
    nonisolated(unsafe) static let other = GuardedMemory()

    private init() {
        let mapping = mmap(
            nil, Self.usable + 2 * Self.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapping, mapping != MAP_FAILED,
            mprotect(mapping + Self.page, Self.usable, PROT_READ | PROT_WRITE) == 0
        else { fatalError("no memory") }
        base = mapping + Self.page
    }

    /// Copies bytes so that the first one behind them is out of bounds.
    func place(_ bytes: some Collection<UInt8>) -> UnsafeMutablePointer<UInt8> {
        let target = (base + Self.usable - bytes.count).assumingMemoryBound(to: UInt8.self)
        _ = UnsafeMutableBufferPointer(start: target, count: bytes.count).update(from: bytes)
        return target
    }

    /// Room of `count` bytes that ends where memory ends.
    func room(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        (base + Self.usable - count).assumingMemoryBound(to: UInt8.self)
    }
}
