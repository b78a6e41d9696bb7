@testable import Proxy

/// Tests have attempts as values.
extension ProviderTable {
    func next(_ set: CandidateSet, after attempts: ProviderAttempts, now: UInt64, random: UInt64) -> ProviderNext {
        withUnsafePointer(to: attempts) { next(set, after: $0, now: now, random: random) }
    }

    func hasOther(
        _ set: CandidateSet, than candidate: Int, key: Int, after attempts: ProviderAttempts, now: UInt64
    ) -> Bool {
        withUnsafePointer(to: attempts) { hasOther(set, than: candidate, key: key, after: $0, now: now) }
    }

    func verdict(_ set: CandidateSet, _ index: Int, _ attempts: ProviderAttempts, now: UInt64) -> CandidateVerdict {
        withUnsafePointer(to: attempts) { verdict(set, index, $0, now: now) }
    }

    func isOutOfAttempts(_ set: CandidateSet, after attempts: ProviderAttempts, now: UInt64) -> Bool {
        withUnsafePointer(to: attempts) { isOutOfAttempts(set, after: $0, now: now) }
    }
}
