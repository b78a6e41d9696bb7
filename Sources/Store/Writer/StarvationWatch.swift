/// Tells when the writer does not come to its work: events wait, and none was written for well longer than the interval
/// at which they should be. Pure: the caller brings the time and what it sees.
struct StarvationWatch {
    static let patienceMilliseconds: UInt64 = 1000

    private var flushes = -1
    private var since: UInt64 = 0

    /// True if the writer is to be raised; again only after as long.
    mutating func look(
        nowMilliseconds now: UInt64, flushes: Int, pendingBytes: Int, flushIntervalMilliseconds interval: Int
    ) -> Bool {
        guard flushes == self.flushes, pendingBytes > 0 else {
            (self.flushes, since) = (flushes, now)
            return false
        }
        guard now - since >= UInt64(max(0, interval)) + Self.patienceMilliseconds else { return false }
        since = now
        return true
    }
}
