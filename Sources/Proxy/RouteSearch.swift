import Reactor

/// A request's path on its way through the `RouteIndex`, in steps with other work between them: with many routes each step
/// is a miss, which the processor can await meanwhile. A worker has one, for the request whose head it has parsed last.
struct RouteSearch: BitwiseCopyable {
    /// What the index is asked for.
    let keys: UnsafeMutablePointer<UInt64>
    var keyCount = 0
    /// The answers, as `RouteIndex.lookUp` gives them; -1: not asked yet.
    let lists: UnsafeMutablePointer<RouteIndex.Cursor>
    var listCount = -1
    private var path = Bytes.empty

    init() {
        keys = .allocate(capacity: RouteIndex.maxLengths + 1)
        lists = .allocate(capacity: RouteIndex.maxLengths + 1)
    }

    func deallocate() {
        keys.deallocate()
        lists.deallocate()
    }

    /// Forgets what was looked for: another head is parsed.
    @inline(__always)
    mutating func clear() { listCount = -1 }

    @inline(__always)
    mutating func begin(_ path: Bytes) {
        self.path = path
        keyCount = 0
        listCount = -1
    }

    /// The answers are there, and for this path, not for another reading of it.
    @inline(__always)
    func isDone(for path: Bytes) -> Bool {
        listCount >= 0 && path.pointer == self.path.pointer && path.count == self.path.count
    }
}
