import Synchronization

/// One key's request budget, shared by all workers: a single atomic word, no lock.
///
/// The generic cell rate algorithm: the word is the theoretical arrival time of the next conforming request, in
/// nanoseconds of the monotonic clock. A full minute's worth may come at once; after that requests are
/// let through evenly as the minute goes by. Over time that is the limit; the minute that begins with a full budget
/// can see up to twice as many.
struct RateCell: BitwiseCopyable, @unchecked Sendable {
    fileprivate let theoreticalArrival: UnsafeMutablePointer<Atomic<UInt64>>

    var address: UnsafeRawPointer { UnsafeRawPointer(theoreticalArrival) }

    /// What one request is told.
    struct Verdict: BitwiseCopyable {
        var isAllowed: Bool
        var remaining: Int
        /// Until the whole budget is there again.
        var resetMilliseconds: UInt64
        /// Until one more request is let through; 0 if allowed.
        var retryAfterMilliseconds: UInt64
    }

    /// Takes one request from a budget of `limit` requests a minute.
    func take(limit: Int, nowNanoseconds now: UInt64) -> Verdict {
        let minute: UInt64 = 60_000_000_000
        let interval = max(minute / UInt64(limit), 1)
        while true {
            let stored = theoreticalArrival.pointee.load(ordering: .relaxed)
            let arrival = max(stored, now)
            let ahead = arrival - now
            let next = arrival + interval
            if next - now > interval * UInt64(limit) {
                return Verdict(
                    isAllowed: false, remaining: 0, resetMilliseconds: ahead / 1_000_000,
                    retryAfterMilliseconds: (next - now - interval * UInt64(limit)) / 1_000_000 + 1)
            }
            let (exchanged, _) = theoreticalArrival.pointee.weakCompareExchange(
                expected: stored, desired: next, ordering: .relaxed)
            if exchanged {
                let used = (next - now + interval - 1) / interval
                return Verdict(
                    isAllowed: true, remaining: limit - Int(used), resetMilliseconds: (next - now) / 1_000_000,
                    retryAfterMilliseconds: 0)
            }
        }
    }
}

/// Owns the cells. A cell outlives its key's snapshots, so that publishing a change does not refill anybody's budget.
final class RateLimiter: Sendable {
    private struct Entry {
        var cell: RateCell
        var limit: Int
    }

    private struct State {
        var entries: [String: Entry] = [:]
        // A line for each: workers that serve different keys do not take it from each other.
        var cells = SharedCells()
    }

    private let state = Mutex(State())

    deinit { state.withLock { $0.cells.deallocate() } }

    /// The cell of a key; made on first use and kept. Another limit begins with a full budget.
    func cell(for keyID: String, limit: Int) -> RateCell {
        state.withLock { state in
            if let entry = state.entries[keyID] {
                if entry.limit != limit {
                    entry.cell.theoreticalArrival.pointee.store(0, ordering: .relaxed)
                    state.entries[keyID]?.limit = limit
                }
                return entry.cell
            }
            let cell = RateCell(theoreticalArrival: state.cells.make())
            state.entries[keyID] = Entry(cell: cell, limit: limit)
            return cell
        }
    }
}
