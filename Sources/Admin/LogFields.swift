import JSON
import Store

/// The columns of the audit as answers name them, in the order of the database.
enum LogField: String, CaseIterable, Sendable {
    case id
    case requestID = "request_id"
    case apiKey = "api_key"
    case sourcePath = "source_path"
    case method, path
    case targetURL = "target_url"
    case statusCode = "status_code"
    case requestTime = "request_time"
    case firstResponseTime = "first_response_time"
    case responseTime = "response_time"
    case responseTimeMilliseconds = "response_time_ms"
    case requestSize = "request_size"
    case responseSize = "response_size"
    case userAgent = "user_agent"
    case ipAddress = "ip_address"
    case isStream = "is_stream"
    case streamChunks = "stream_chunks"
    case errorMessage = "error_message"
    case requestHeaders = "request_headers"
    case requestBody = "request_body"
    case responseHeaders = "response_headers"
    case responseBody = "response_body"
    case createdAt = "created_at"

    static let withoutBodies = allCases.filter { !$0.isBody }

    var isBody: Bool { self == .requestBody || self == .responseBody }

    /// A value before it is written as JSON or CSV.
    enum Cell {
        case null
        case text(String)
        case integer(Int)
        case decimal(Double)
        case bool(Bool)
        case time(Int64)
        /// Text that is JSON itself; written as such into JSON.
        case json(String)

        static func text(_ value: String?) -> Cell { value.map { .text($0) } ?? .null }
        static func integer(_ value: Int?) -> Cell { value.map { .integer($0) } ?? .null }
        static func time(_ value: Int64?) -> Cell { value.map { .time($0) } ?? .null }
        static func json(_ value: String?) -> Cell { value.map { .json($0) } ?? .null }
    }

    func cell(_ row: AuditRow) -> Cell {
        switch self {
        case .id: .text(row.id)
        case .requestID: .text(row.requestID)
        case .apiKey: .text(row.keyID)
        case .sourcePath: .text(row.sourcePath)
        case .method: .text(row.method)
        case .path: .text(row.path)
        case .targetURL: .text(row.targetURL)
        case .statusCode: .integer(row.statusCode)
        case .requestTime: .time(row.requestTimeMilliseconds)
        case .firstResponseTime: .time(row.firstResponseTimeMilliseconds)
        case .responseTime: .time(row.responseTimeMilliseconds)
        case .responseTimeMilliseconds: row.durationMilliseconds.map { .decimal($0) } ?? .null
        case .requestSize: .integer(row.requestSize)
        case .responseSize: .integer(row.responseSize)
        case .userAgent: .text(row.userAgent)
        case .ipAddress: .text(row.ipAddress)
        case .isStream: .bool(row.isStream)
        case .streamChunks: row.streamChunks.map { .integer($0) } ?? .null
        case .errorMessage: .text(row.errorMessage)
        case .requestHeaders: .json(row.requestHeaders)
        case .requestBody: .text(row.requestBody)
        case .responseHeaders: .json(row.responseHeaders)
        case .responseBody: .text(row.responseBody)
        case .createdAt: .time(row.createdAtMilliseconds)
        }
    }

    /// JSON Schema of the value, as JSON text.
    var schema: String {
        switch self {
        case .id, .requestID, .method, .path: #"{"type":"string"}"#
        case .apiKey, .sourcePath, .targetURL, .userAgent, .ipAddress, .errorMessage, .requestBody, .responseBody:
            #"{"type":["string","null"]}"#
        case .statusCode: #"{"type":["integer","null"],"description":"null: in flight, or ended without a status."}"#
        case .requestTime, .createdAt: #"{"type":"string","format":"date-time"}"#
        case .firstResponseTime, .responseTime: #"{"type":["string","null"],"format":"date-time"}"#
        case .responseTimeMilliseconds: #"{"type":["number","null"]}"#
        case .requestSize, .responseSize: #"{"type":"integer"}"#
        case .streamChunks:
            #"{"type":["integer","null"],"description":"null: compressed, and not recorded whole."}"#
        case .isStream: #"{"type":"boolean"}"#
        case .requestHeaders, .responseHeaders: #"{"type":["object","string","null"]}"#
        }
    }
}

/// Writes audit rows as JSON objects and CSV lines, straight into bytes: exports have millions of them.
struct LogRowWriter {
    let fields: [LogField]
    let offsetMinutes: Int

    func appendJSON(_ row: AuditRow, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "{"))
        for (index, field) in fields.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            out.append(UInt8(ascii: "\""))
            out += field.rawValue.utf8
            out.append(UInt8(ascii: "\""))
            out.append(UInt8(ascii: ":"))
            switch field.cell(row) {
            case .null: out += "null".utf8
            case .text(let text): JSONText.escape(text, into: &out)
            case .integer(let number): out += String(number).utf8
            case .decimal(let number): out += decimal(number).utf8
            case .bool(let bool): out += (bool ? "true" : "false").utf8
            case .time(let time): JSONText.escape(timeText(time), into: &out)
            case .json(let text):
                // Rows that came from elsewhere may hold what is no JSON: that stays a string.
                if let value = try? JSONValue(parsing: text) {
                    value.write(into: &out)
                } else {
                    JSONText.escape(text, into: &out)
                }
            }
        }
        out.append(UInt8(ascii: "}"))
    }

    func appendCSVHeader(to out: inout [UInt8]) {
        out += fields.map(\.rawValue).joined(separator: ",").utf8
        out += [13, 10]
    }

    /// One line as RFC 4180 has it.
    func appendCSV(_ row: AuditRow, to out: inout [UInt8]) {
        for (index, field) in fields.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            switch field.cell(row) {
            case .null: break
            case .text(let text), .json(let text): CSV.appendText(text, to: &out)
            case .integer(let number): out += String(number).utf8
            case .decimal(let number): out += decimal(number).utf8
            case .bool(let bool): out += (bool ? "true" : "false").utf8
            case .time(let time): out += timeText(time).utf8
            }
        }
        out += [13, 10]
    }

    private func timeText(_ time: Int64) -> String {
        Timestamp.text(milliseconds: time, offsetMinutes: offsetMinutes)
    }

    private func decimal(_ value: Double) -> String { JSONValue.decimal(value).serialized() }
}
