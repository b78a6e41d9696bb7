/// Which rows of the audit a list or an export shows. What is nil or empty does not filter.
public struct LogQuery: Sendable, Equatable {
    /// Inclusive.
    public var startTimeMilliseconds: Int64?
    /// Inclusive; see `Timestamp.parseUpperBound`.
    public var endTimeMilliseconds: Int64?
    public var status: StatusFilter?
    public var isStream: Bool?
    /// A key's id.
    public var apiKey: String?
    public var sourcePath: String?
    /// Upper and lower case alike.
    public var method: String?
    /// A path's start, or a pattern for the whole path if it holds a `*`.
    public var path: String?
    /// Only exchanges that took at least so long.
    public var minMilliseconds: Double?
    public var error: ErrorFilter?
    public var order: Order = .descending
    /// 1 to `maximumLimit`.
    public var limit = 100
    public var offset = 0
    /// `LogPage.nextCursor` of the page before.
    public var cursor: String?

    public static let maximumLimit = 1000
    /// A cursor costs the same on every page, an offset does not.
    public static let maximumOffset = 10_000
    /// Rows that one page's search looks at, at most. What it found until then is the page; its cursor goes on from there.
    public static let searchedRows = 10_000
    private static let maximumPatternBytes = 2048

    /// Why no path can be searched for with this; nil if one can.
    public static func problem(path: String) -> String? {
        if path.utf8.count > maximumPatternBytes { return "must not be longer than \(maximumPatternBytes) bytes" }
        // SQLite's GLOB reads a pattern to its first NUL only.
        return path.utf8.contains(0) ? "must not hold a NUL" : nil
    }

    /// By time.
    public enum Order: String, Sendable {
        case ascending = "asc"
        case descending = "desc"
    }

    public enum ErrorFilter: Sendable, Equatable {
        /// A status of 400 and up, or an error message.
        case any
        case none
        /// In the error message, upper and lower case alike.
        case contains(String)

        /// `yes`/`true`/`1`, `no`/`false`/`0`, or a part of the message.
        public init(parsing text: String) {
            switch text.lowercasedASCII {
            case "yes", "true", "1": self = .any
            case "no", "false", "0": self = .none
            default: self = .contains(text)
            }
        }
    }

    public init() {}
}

/// Status codes: some of `200`, `4xx`, `400-499` and `none` (no status: in flight), separated by commas. Only statuses that
/// there are, 100 to 599 (RFC 9110 §15); what an upstream made up beyond them `LogQuery.error` finds.
public struct StatusFilter: Sendable, Equatable {
    public var ranges: [ClosedRange<Int>]
    /// Rows without a status too.
    public var includesNone: Bool

    public init(ranges: [ClosedRange<Int>], includesNone: Bool = false) {
        self.ranges = ranges
        self.includesNone = includesNone
    }

    public init?(parsing text: String) {
        ranges = []
        includesNone = false
        for part in text.split(separator: ",", maxSplits: 32, omittingEmptySubsequences: false) {
            let name = part.filter { $0 != " " }.lowercasedASCII
            let bounds = name.split(separator: "-", omittingEmptySubsequences: false)
            if name == "none" || name == "null" {
                includesNone = true
            } else if name.count == 3, name.hasSuffix("xx"), let first = Self.code(name.prefix(1) + "00") {
                ranges.append(first...first + 99)
            } else if let code = Self.code(name) {
                ranges.append(code...code)
            } else if bounds.count == 2, let first = Self.code(bounds[0]), let last = Self.code(bounds[1]) {
                ranges.append(min(first, last)...max(first, last))
            } else {
                return nil
            }
        }
    }

    private static func code(_ text: some StringProtocol) -> Int? {
        guard text.utf8.count == 3, text.utf8.allSatisfy({ $0 &- 48 < 10 }), let code = Int(text) else { return nil }
        return (100...599).contains(code) ? code : nil
    }
}

/// One page of the audit.
public struct LogPage: Sendable {
    /// Without bodies. A search stops after `LogQuery.searchedRows` rows, so that a page may hold fewer than asked for,
    /// or none, and yet not be the last.
    public let items: [AuditRow]
    /// Rows that match, on all pages.
    public let total: Int
    /// False if that would have been too much to count; `total` is then what is known to be there.
    public let totalIsExact: Bool
    /// Where the next page starts; nil on the last.
    public let nextCursor: String?
    /// Unix milliseconds of the row at which the search stopped before the page was full; nil if it did not have to.
    public let searchedUpToMilliseconds: Int64?
}

/// A query's conditions beside its range of ids, as SQL with numbered parameters and what to bind to them.
struct LogConditions {
    /// `?1` and `?2` are the range.
    private static let firstParameter = 3

    private(set) var conditions: [String] = []
    private(set) var values: [SQLValue] = []

    init(_ query: LogQuery) throws(StoreError) {
        if let status = query.status { addStatus(status) }
        if let isStream = query.isStream { add("is_stream =", .integer(isStream ? 1 : 0)) }
        if let key = query.apiKey { add("api_key =", .text(key)) }
        if let source = query.sourcePath { add("source_path =", .text(source)) }
        if let method = query.method { add("method = upper(", .text(method), ")") }
        if let path = query.path {
            if let problem = LogQuery.problem(path: path) { throw .invalid(field: "path", message: problem) }
            add("path GLOB", .text(Self.glob(path)))
        }
        if let minimum = query.minMilliseconds { add("response_time_ms >=", .real(minimum)) }
        switch query.error {
        case .any: conditions.append("(status_code >= 400 OR error_message IS NOT NULL)")
        case .some(.none): conditions.append("(error_message IS NULL AND ifnull(status_code, 0) < 400)")
        case .contains(let part): add("instr(lower(error_message), lower(", .text(part), ")) > 0")
        case nil: break
        }
    }

    var isEmpty: Bool { conditions.isEmpty }

    /// To follow the range.
    var sql: String { conditions.map { " AND " + $0 }.joined() }

    func bind(to statement: Statement) {
        for (position, value) in values.enumerated() {
            statement.bind(Int32(position + Self.firstParameter), value)
        }
    }

    private mutating func add(_ before: String, _ value: SQLValue, _ after: String = "") {
        values.append(value)
        conditions.append("\(before) ?\(values.count - 1 + Self.firstParameter)\(after)")
    }

    private mutating func addStatus(_ filter: StatusFilter) {
        // Numbers of our own making: nothing here needs binding.
        var parts = filter.ranges.map { "status_code BETWEEN \($0.lowerBound) AND \($0.upperBound)" }
        if filter.includesNone { parts.append("status_code IS NULL") }
        conditions.append(parts.isEmpty ? "0" : "(\(parts.joined(separator: " OR ")))")
    }

    /// SQLite's GLOB knows `?` and `[` too; here they are themselves.
    static func glob(_ path: String) -> String {
        var pattern = ""
        for character in path.unicodeScalars {
            switch character {
            case "?", "[": pattern += "[\(character)]"
            default: pattern.unicodeScalars.append(character)
            }
        }
        return path.unicodeScalars.contains("*") ? pattern : pattern + "*"
    }
}
