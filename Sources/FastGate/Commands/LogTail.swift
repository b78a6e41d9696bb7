import JSON
import Store

/// What `tail --follow` remembers: the audit's rows appear when a request is accepted and are completed later, and
/// those of several workers come a little out of order.
struct LogTail {
    /// Exchanges in flight that are asked for again; beyond it they are shown as they are.
    static let maxWaiting = 200
    /// How far back each look begins, to catch rows that were written late.
    static let overlapMilliseconds: Int64 = 5000

    /// Exchanges in flight, oldest first.
    private(set) var waiting: [String] = []
    /// Rows of the overlap that were seen, with the time they began, in unix milliseconds.
    private var seen: [String: Int64] = [:]
    private var newest: Int64?
    /// Ids are ordered by time: what lies before the first row that was shown is not news.
    private var firstID: String?

    /// The first rows, oldest first: those to show.
    mutating func begin(_ rows: [JSONValue], follows: Bool) -> [JSONValue] {
        firstID = rows.first?["id"]?.stringValue
        return follows ? take(rows) : rows
    }

    /// Rows that were listed, oldest first: those that have ended and were not shown before.
    mutating func take(_ rows: [JSONValue]) -> [JSONValue] {
        var ended: [JSONValue] = []
        for row in rows {
            guard let id = row["id"]?.stringValue, id >= firstID ?? "",
                let time = row["request_time"]?.stringValue.flatMap({ Timestamp.parse($0) }),
                seen.updateValue(time, forKey: id) == nil
            else { continue }
            newest = max(newest ?? time, time)
            if Self.isOver(row) || waiting.count >= Self.maxWaiting {
                forget(id)
                ended.append(row)
            } else if !waiting.contains(id) {
                waiting.append(id)
            }
        }
        if let start = overlapStartMilliseconds { seen = seen.filter { $0.value >= start } }
        return ended
    }

    /// Rows in flight that the filter cannot judge yet.
    mutating func wait(for rows: [JSONValue]) {
        for row in rows where waiting.count < Self.maxWaiting {
            guard let id = row["id"]?.stringValue, id >= firstID ?? "", !Self.isOver(row), seen[id] == nil,
                !waiting.contains(id)
            else { continue }
            waiting.append(id)
        }
    }

    /// Whether an exchange that was waited for is over; then it is waited for no more.
    mutating func hasEnded(_ row: JSONValue) -> Bool {
        guard Self.isOver(row), let id = row["id"]?.stringValue else { return false }
        forget(id)
        // Not to be shown again when it is listed.
        if let time = row["request_time"]?.stringValue.flatMap({ Timestamp.parse($0) }) { seen[id] = time }
        return true
    }

    mutating func forget(_ id: String) { waiting.removeAll { $0 == id } }

    /// Where the next look begins: some seconds before the newest row.
    var overlapStart: String? { overlapStartMilliseconds.map { Timestamp.text(milliseconds: $0) } }

    private var overlapStartMilliseconds: Int64? { newest.map { $0 - Self.overlapMilliseconds } }

    private static func isOver(_ row: JSONValue) -> Bool {
        row["status_code"]?.intValue != nil || row["error_message"]?.stringValue != nil
            || row["response_time"]?.stringValue != nil
    }
}
