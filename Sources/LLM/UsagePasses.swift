import CScan

/// Anthropic's `iterations`: what each pass of a model had to do with an answer.
///
/// The report's own figures are the sum of the entries of type `message`. Those of a compaction are billed, too, and in none
/// of them: what it takes to know them is kept here. An advisor, or a model that stood in for another, has prices of
/// its own.
struct UsagePasses: BitwiseCopyable, Sendable {
    private enum Kind: UInt8, BitwiseCopyable, Sendable {
        case message, compaction, other
        /// The report that it stands in is passed over.
        case skipped
    }

    /// Input, output, read from a cache, written to one, and of this what stays for an hour.
    private typealias Counts = InlineArray<5, UInt32>

    /// Of all compactions of the last list.
    private var sums: Counts = .init(repeating: 0)
    /// Of the entry that is being read.
    private var counts: Counts = .init(repeating: 0)
    private var kind = Kind.message
    /// An entry is being read: what comes is not the report's own.
    private(set) var isOpen = false
    private var hasCompactions = false
    /// There were passes whose price is not this model's.
    private(set) var hasOthers = false

    /// A list begins: it replaces the one before.
    mutating func beginList() { (sums, hasCompactions) = (.init(repeating: 0), false) }

    /// - Parameter asideOfSkipped: the report that it stands in is passed over.
    mutating func begin(asideOfSkipped wasSkipping: Bool) {
        (counts, kind, isOpen) = (.init(repeating: 0), wasSkipping ? .skipped : .message, true)
    }

    mutating func setKind(_ p: UnsafePointer<UInt8>, _ n: Int) {
        if kind == .skipped { return }
        kind = PartKind.isName("message", p, n) ? .message : PartKind.isName("compaction", p, n) ? .compaction : .other
    }

    /// - Parameter value: negative: it was no count of tokens.
    mutating func set(_ field: Int, _ value: Int64) {
        let position =
            switch field {
            case FG_USAGE_INPUT: 0
            case FG_USAGE_OUTPUT: 1
            case FG_USAGE_CACHE_READ: 2
            case FG_USAGE_CACHE_WRITE: 3
            case FG_USAGE_CACHE_WRITE_LONG: 4
            default: -1
            }
        if position >= 0 { counts[position] = UInt32(clamping: value) }
    }

    /// Returns whether the report is passed over.
    mutating func end() -> Bool {
        isOpen = false
        if kind == .skipped { return true }
        if kind == .other { hasOthers = true }
        if kind == .compaction {
            hasCompactions = true
            for i in counts.indices { sums[i] = UInt32(clamping: UInt64(sums[i]) &+ UInt64(counts[i])) }
        }
        return false
    }

    /// Adds what the report leaves out; false if that cannot be told.
    /// - Parameter isOwn: the report has Anthropic's figures, not what a gateway has made of them.
    @inline(__always)
    func complete(_ usage: inout TokenUsage, isOwn: @autoclosure () -> Bool) -> Bool {
        hasCompactions ? isOwn() && add(to: &usage) : !hasOthers
    }

    private func add(to usage: inout TokenUsage) -> Bool {
        let (input, output, read, write) = (Int64(sums[0]), Int64(sums[1]), Int64(sums[2]), Int64(sums[3]))
        usage.compacted = input &+ read &+ write
        usage.prompt &+= usage.compacted
        usage.completion &+= output
        usage.total &+= usage.compacted &+ output
        usage.cached &+= read
        usage.cacheWrite &+= write
        usage.cacheWriteLong &+= Int64(sums[4])
        return !hasOthers
    }
}
