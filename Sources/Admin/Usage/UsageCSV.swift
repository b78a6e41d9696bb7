import Store

/// A report of usage as a file for spreadsheets.
enum UsageCSV {
    static func response(_ report: UsageReport, _ grouping: UsageGrouping, labels: [String: String]) -> AdminResponse {
        let currencies = report.totals.costs.map(\.currency)
        var out: [UInt8] = []
        var header = [grouping.rawValue]
        if grouping == .key { header.append("source_path") }
        header += UsageJSON.counts.map(\.name)
        header += currencies.map { "cost_\($0)" }
        CSV.append(header, to: &out)
        for group in report.groups {
            var line = [group.name]
            if grouping == .key { line.append(labels[group.name] ?? "") }
            line += UsageJSON.counts.map { String($0.value(group.totals)) }
            line += currencies.map { currency in
                group.totals.costs.first { $0.currency == currency }.map { Money.text($0.micros) } ?? ""
            }
            CSV.append(line, to: &out)
        }
        return AdminResponse(
            headers: [
                HeaderLine("content-type", "text/csv; charset=utf-8"),
                HeaderLine(
                    "content-disposition", "attachment; filename=\"fastgate-usage-by-\(grouping.rawValue).csv\""),
            ], body: .bytes(out))
    }
}
