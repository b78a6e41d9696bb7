import Glibc
import JSON

/// `fastgate logs tail`
struct LogTailer {
    let access: any AdminAccess
    let console: any Console
    let asJSON: Bool
    var style = Style.plain
    /// Between two looks of `tail --follow`; returns false to stop. Tests have their own.
    var pause: () -> Bool = {
        usleep(500_000)
        return true
    }

    /// - Parameters:
    ///   - count: how many rows to begin with.
    ///   - follows: whether to go on showing exchanges as they end.
    func tail(_ filter: LogFilter, count: Int, follows: Bool) throws(CommandFailure) {
        var tail = LogTail()
        if count > 0 || follows {
            let rows = try LogPages.first(max(1, count), filter.parameters, access).items
            let shown = tail.begin(rows.reversed(), follows: follows)
            if count > 0, !show(shown) { return }
        }
        while follows, pause() {
            if !show(try next(&tail, filter)) { return }
        }
    }

    /// The exchanges that have ended since.
    private func next(_ tail: inout LogTail, _ filter: LogFilter) throws(CommandFailure) -> [JSONValue] {
        var ended: [JSONValue] = []
        for id in tail.waiting {
            guard let row = try access.jsonIfThere(APIRequest("GET", "/admin/logs/\(APIRequest.encoded(id))")) else {
                tail.forget(id)
                continue
            }
            if tail.hasEnded(row), try matches(row, filter) { ended.append(row) }
        }
        if filter.concernsTheEnd {
            let inFlight = filter.beforeTheEnd + [QueryParameter("status_code", "none")]
            tail.wait(for: try rows(inFlight, since: tail.overlapStart))
        }
        return ended + tail.take(try rows(filter.parameters, since: tail.overlapStart))
    }

    /// All rows of a query, oldest first.
    private func rows(_ filter: [QueryParameter], since start: String?) throws(CommandFailure) -> [JSONValue] {
        var parameters = filter.filter { $0.name != "start_time" || start == nil }
        if let start { parameters.append(QueryParameter("start_time", start)) }
        parameters += [QueryParameter("order", "asc"), QueryParameter("limit", "1000")]
        var rows: [JSONValue] = []
        var cursor: String?
        repeat {
            let page = try list(parameters + (cursor.map { [QueryParameter("cursor", $0)] } ?? []))
            rows += page.items
            cursor = page.nextCursor
        } while cursor != nil
        return rows
    }

    /// Whether a row that was waited for is one that the filter lets through, now that it is complete.
    private func matches(_ row: JSONValue, _ filter: LogFilter) throws(CommandFailure) -> Bool {
        guard filter.concernsTheEnd, let time = row["request_time"]?.stringValue else { return true }
        let moment = [QueryParameter("start_time", time), QueryParameter("end_time", time)]
        let others = filter.parameters.filter { $0.name != "start_time" && $0.name != "end_time" }
        return try list(others + moment + [QueryParameter("limit", "1000")]).items.contains { $0["id"] == row["id"] }
    }

    private func list(_ query: [QueryParameter]) throws(CommandFailure) -> (items: [JSONValue], nextCursor: String?) {
        let answer = try access.json(APIRequest("GET", "/admin/logs", query: query))
        guard let items = answer["items"]?.arrayValue else {
            throw CommandFailure(message: "the admin API's answer is not a list")
        }
        return (items, answer["next_cursor"]?.stringValue)
    }

    /// False when nobody reads any more.
    private func show(_ rows: [JSONValue]) -> Bool {
        for row in rows {
            let line = asJSON ? row.serialized() : Self.line(row, style)
            if !console.write(Array((line + "\n").utf8)) { return false }
        }
        return true
    }

    /// `2026-06-06 11:26:55.123  200  POST /v1/chat/completions  1234.5 ms  5678 B  team-a  stream`.
    static func line(_ row: JSONValue, _ style: Style = .plain) -> String {
        let time = (row["request_time"]?.stringValue ?? "-").prefix(23).split(separator: "T").joined(separator: " ")
        let duration = row["response_time_ms"]?.doubleValue.map { "\(($0 * 10).rounded() / 10) ms" } ?? "-"
        let status = row["status_code"]?.intValue
        var parts = [
            style(printable(time), .dim), style(status.map { "\($0)" } ?? "---", Style.look(status: status)),
            "\(style(printable(row.cell("method")), .bold)) \(printable(row.cell("path")))", duration,
            "\(row["response_size"]?.intValue ?? 0) B", style(printable(row.cell("source_path")), .cyan),
        ]
        if row["is_stream"]?.boolValue == true { parts.append(style("stream", .blue)) }
        if let error = row["error_message"]?.stringValue { parts.append(style("! " + printable(error), .red)) }
        return parts.joined(separator: "  ")
    }
}
