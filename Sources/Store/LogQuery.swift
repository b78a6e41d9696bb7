/// Which rows of the audit a list or an export shows. What is nil or empty does not filter.
public struct LogQuery: Sendable, Equatable {
    /// Inclusive.
    public var startTimeMilliseconds: Int64?
    /// Inclusive; see `Timestamp.parseUpperBound`.
    public var endTimeMilliseconds: Int64?
    public var status: StatusFilter?
    public var isStream: Bool?
    public var requestID: String?
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
    static let maximumPatternBytes = 2048

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

/// Status codes: some of `200`, `4xx`, `400-499` and `none` (no status: in flight), separated by commas.
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
            } else if name.count == 3, name.hasSuffix("xx"), let hundreds = Self.number(name.prefix(1)), hundreds > 0 {
                ranges.append(hundreds * 100...hundreds * 100 + 99)
            } else if let code = Self.number(name) {
                ranges.append(code...code)
            } else if bounds.count == 2, let first = Self.number(bounds[0]), let last = Self.number(bounds[1]),
                first <= last
            {
                ranges.append(first...last)
            } else {
                return nil
            }
        }
    }

    private static func number(_ text: some StringProtocol) -> Int? {
        guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy({ $0 &- 48 < 10 }) else { return nil }
        return Int(text)
    }
}

/// One page of the audit.
public struct LogPage: Sendable {
    /// Without bodies.
    public let items: [AuditRow]
    /// Rows that match, on all pages.
    public let total: Int
    /// False if counting them all took too long; `total` is then what is known to be there.
    public let totalIsExact: Bool
    /// Where the next page starts; nil on the last.
    public let nextCursor: String?
}

/// A query as SQL: conditions with numbered parameters and what to bind to them.
struct LogConditions {
    private(set) var conditions: [String] = []
    private(set) var values: [SQLValue] = []

    /// - Parameter includesCursor: false for counting: a cursor narrows the page, not the result.
    init(_ query: LogQuery, includesCursor: Bool) throws(StoreError) {
        if let start = query.startTimeMilliseconds {
            add("id >=", .text(AuditID(high: UInt64(Self.clamp(start)) << 16, low: 0).text))
        }
        if let end = query.endTimeMilliseconds {
            add("id <", .text(AuditID(high: UInt64(Self.clamp(end) + 1) << 16, low: 0).text))
        }
        if let status = query.status { addStatus(status) }
        if let isStream = query.isStream { add("is_stream =", .integer(isStream ? 1 : 0)) }
        if let requestID = query.requestID { add("request_id =", .text(requestID)) }
        if let key = query.apiKey { add("api_key =", .text(key)) }
        if let source = query.sourcePath { add("source_path =", .text(source)) }
        if let method = query.method { add("method = upper(", .text(method), ")") }
        if let path = query.path {
            guard path.utf8.count <= LogQuery.maximumPatternBytes else {
                throw .invalid(
                    field: "path", message: "must not be longer than \(LogQuery.maximumPatternBytes) bytes")
            }
            add("path GLOB", .text(Self.glob(path)))
        }
        if let minimum = query.minMilliseconds { add("response_time_ms >=", .real(minimum)) }
        switch query.error {
        case .any: conditions.append("(status_code >= 400 OR error_message IS NOT NULL)")
        case .some(.none): conditions.append("(error_message IS NULL AND ifnull(status_code, 0) < 400)")
        case .contains(let part): add("instr(lower(error_message), lower(", .text(part), ")) > 0")
        case nil: break
        }
        if includesCursor, let cursor = query.cursor {
            guard let id = AuditID(cursor) else {
                throw .invalid(field: "cursor", message: "must be the next_cursor of a page before")
            }
            add(query.order == .ascending ? "id >" : "id <", .text(id.text))
        }
    }

    var isEmpty: Bool { conditions.isEmpty }

    /// With its WHERE, or nothing.
    var sql: String { isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ") }

    func bind(to statement: Statement) {
        for (position, value) in values.enumerated() { statement.bind(Int32(position + 1), value) }
    }

    private mutating func add(_ before: String, _ value: SQLValue, _ after: String = "") {
        values.append(value)
        conditions.append("\(before) ?\(values.count)\(after)")
    }

    private mutating func addStatus(_ filter: StatusFilter) {
        // Numbers of our own making: nothing here needs binding.
        var parts = filter.ranges.map { "status_code BETWEEN \($0.lowerBound) AND \($0.upperBound)" }
        if filter.includesNone { parts.append("status_code IS NULL") }
        conditions.append(parts.isEmpty ? "0" : "(\(parts.joined(separator: " OR ")))")
    }

    /// Milliseconds as far as ids go.
    private static func clamp(_ milliseconds: Int64) -> Int64 { min(max(milliseconds, 0), 1 << 47) }

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
