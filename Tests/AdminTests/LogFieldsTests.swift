import JSON
import Store
import Testing

@testable import Admin

@Suite struct LogFieldsTests {
    private let row = AuditRow(
        id: "0af", requestID: "=cmd|'calc'", keyID: nil, sourcePath: "a,b", method: "GET", path: "/x?q=\"1\"\n2",
        statusCode: nil, requestTimeMilliseconds: 1_780_716_415_123, durationMilliseconds: 12.3456, isStream: true,
        requestHeaders: #"{"accept":"*/*"}"#, responseHeaders: "no json")

    private func text(_ write: (inout [UInt8]) -> Void) -> String {
        var out: [UInt8] = []
        write(&out)
        return String(decoding: out, as: UTF8.self)
    }

    @Test func jsonHasAllFieldsInOrderAndHeadersAsObjects() throws {
        let writer = LogRowWriter(fields: LogField.allCases, offsetMinutes: 480)
        let value = try JSONValue(parsing: text { writer.appendJSON(row, to: &$0) })
        #expect(value.objectValue?.names == LogField.allCases.map(\.rawValue))
        #expect(value["request_time"]?.stringValue == "2026-06-06T11:26:55.123+08:00")
        #expect(value["response_time_ms"]?.doubleValue == 12.346)
        #expect(value["request_headers"]?["accept"]?.stringValue == "*/*")
        #expect(value["response_headers"]?.stringValue == "no json")
        #expect(value["status_code"] == .null)
        #expect(value["path"]?.stringValue == "/x?q=\"1\"\n2")
        #expect(value["is_stream"]?.boolValue == true)
    }

    @Test func csvQuotesAndDisarmsFormulas() {
        let fields: [LogField] = [.id, .requestID, .apiKey, .sourcePath, .path, .statusCode, .isStream, .requestTime]
        let writer = LogRowWriter(fields: fields, offsetMinutes: 0)
        #expect(
            text { writer.appendCSVHeader(to: &$0) }
                == "id,request_id,api_key,source_path,path,status_code,is_stream,request_time\r\n")
        #expect(
            text { writer.appendCSV(row, to: &$0) }
                == "0af,'=cmd|'calc',,\"a,b\",\"/x?q=\"\"1\"\"\n2\",,true,2026-06-06T03:26:55.123+00:00\r\n")
    }
}
