/// What names were last found to be, for as long as it holds. Pure; the caller brings the time.
struct ResolverCache {
    enum Answer: Equatable {
        case found([SocketAddress])
        case failed(String, isTemporary: Bool)
    }

    private struct Entry {
        let answer: Answer
        let expiryMilliseconds: UInt64
    }

    /// Answers that say 0 would mean a query for every connection.
    static let shortestSeconds = 1
    /// Answers that say a day would hide a move of the upstream for that long.
    static let longestSeconds = 300
    static let errorSeconds = 1
    static let capacity = 4096

    private var entries: [String: Entry] = [:]

    var count: Int { entries.count }

    func find(_ name: String, _ nowMilliseconds: UInt64) -> Answer? {
        guard let entry = entries[name], nowMilliseconds < entry.expiryMilliseconds else { return nil }
        return entry.answer
    }

    mutating func insert(_ name: String, _ answer: Answer, seconds: Int, _ nowMilliseconds: UInt64) {
        if entries.count >= ResolverCache.capacity, entries[name] == nil {
            entries = entries.filter { $0.value.expiryMilliseconds > nowMilliseconds }
            // All still good: whose turn it is to be asked again does not matter much.
            if entries.count >= ResolverCache.capacity { entries.removeValue(forKey: entries.first!.key) }
        }
        entries[name] = Entry(answer: answer, expiryMilliseconds: nowMilliseconds + UInt64(seconds) * 1000)
    }
}
