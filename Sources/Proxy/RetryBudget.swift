/// Retries of one target as a share of its requests, so that retrying cannot double the load of a target that fails: each
/// request pays a part of a retry in, each retry takes a whole one out. Beside that a target may have a few a second, or
/// one with little traffic would never be retried. Pure: the caller brings the time.
struct RetryBudget: BitwiseCopyable, Equatable {
    /// What may be saved up, in retries: a long calm pays for no storm.
    static let mostSaved: Int32 = 100
    private static let unit: Int32 = 100

    /// In hundredths of a retry.
    private(set) var savings: Int32 = 0
    private var second: UInt64 = 0
    private var takenThisSecond: Int32 = 0

    /// A request that is no retry was sent to the target.
    @inline(__always)
    mutating func deposit(percent: Int32) {
        savings = min(savings &+ percent, Self.mostSaved * Self.unit)
    }

    /// Whether there is a retry left.
    func allows(floor: Int32, nowMilliseconds now: UInt64) -> Bool {
        savings >= Self.unit || now / 1000 != second && floor > 0 || takenThisSecond < floor
    }

    /// A retry was made, which `allows` allowed.
    mutating func take(floor: Int32, nowMilliseconds now: UInt64) {
        if now / 1000 != second { (second, takenThisSecond) = (now / 1000, 0) }
        if takenThisSecond < floor {
            takenThisSecond += 1
        } else {
            savings = max(savings - Self.unit, 0)
        }
    }
}
