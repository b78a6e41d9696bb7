import HTTP
import JSON
import Testing

@testable import Proxy

@Suite struct ErrorBodyTests {
    private func body(
        _ style: ErrorBody.Style, status: UInt16, code: StaticString, message: StaticString
    ) throws -> JSONValue {
        var memory = [UInt8](repeating: 0, count: 4096)
        let count = memory.withUnsafeMutableBufferPointer { buffer in
            var writer = HeadWriter(buffer.baseAddress!, capacity: buffer.count)
            ErrorBody.write(
                status: status, code: code, message: message, style: style, requestID: kept("req_1"), &writer)
            #expect(!writer.overflowed)
            return writer.count
        }
        return try JSONValue(parsing: Array(memory[..<count]))
    }

    @Test(arguments: ExchangeError.allCases) func openAI(_ error: ExchangeError) throws {
        let value = try body(.openAI, status: error.status, code: error.code, message: error.message)
        #expect(value.objectValue?.names == ["error", "request_id"])
        #expect(value["error"]?.objectValue?.names == ["message", "type", "code", "param"])
        #expect(value["error"]?["message"]?.stringValue == "\(error.message)")
        #expect(value["error"]?["code"]?.stringValue == "\(error.code)")
        #expect(value["error"]?["type"]?.stringValue?.isEmpty == false)
        #expect(value["error"]?["param"]?.isNull == true)
        #expect(value["request_id"] == "req_1")
    }

    @Test(arguments: ExchangeError.allCases) func anthropic(_ error: ExchangeError) throws {
        let value = try body(.anthropic, status: error.status, code: error.code, message: error.message)
        #expect(value.objectValue?.names == ["type", "error", "request_id"])
        #expect(value["type"] == "error")
        #expect(value["error"]?.objectValue?.names == ["type", "message"])
        #expect(value["error"]?["message"]?.stringValue == "\(error.message)")
        #expect(value["request_id"] == "req_1")
    }

    /// What a malformed request is told is a text of the parser's.
    @Test(arguments: HTTPFailureCode.allCases) func malformedRequests(_ code: HTTPFailureCode) throws {
        let value = try body(.openAI, status: 400, code: "malformed_request", message: code.message)
        #expect(value["error"]?["message"]?.stringValue == "\(code.message)")
    }

    @Test(
        arguments: [
            (400, "invalid_request_error", "invalid_request_error"),
            (401, "authentication_error", "authentication_error"),
            (403, "permission_error", "permission_error"),
            (404, "not_found_error", "not_found_error"),
            (408, "timeout_error", "timeout_error"),
            (413, "invalid_request_error", "request_too_large"),
            (429, "rate_limit_error", "rate_limit_error"),
            (500, "api_error", "api_error"),
            (501, "api_error", "api_error"),
            (502, "api_error", "api_error"),
            (503, "api_error", "api_error"),
            (504, "timeout_error", "timeout_error"),
        ] as [(UInt16, String, String)]) func types(_ status: UInt16, _ openAI: String, _ anthropic: String) throws
    {
        let bodies = try [ErrorBody.Style.openAI, .anthropic].map {
            try body($0, status: status, code: "code", message: "message")
        }
        #expect(bodies.map { $0["error"]?["type"]?.stringValue } == [openAI, anthropic])
    }

    /// As OpenAI says it; Anthropic's have no code, and a type of their own for all 429.
    @Test func aBudgetThatIsUsedUp() throws {
        for error in [ExchangeError.outOfTokens, .outOfMoney] {
            let types = try [ErrorBody.Style.openAI, .anthropic].map {
                try body($0, status: error.status, code: error.code, message: error.message)["error"]?["type"]?
                    .stringValue
            }
            #expect(types == ["insufficient_quota", "rate_limit_error"])
        }
    }

    /// Every error has a status that the gateway may answer with, a code of its own kind, and a text but for none.
    @Test func everyErrorIsWhole() {
        let statuses: Set<UInt16> = [400, 401, 403, 404, 408, 413, 417, 429, 431, 499, 500, 501, 502, 503, 504]
        for error in ExchangeError.allCases {
            #expect(statuses.contains(error.status))
            #expect("\(error.code)".utf8.allSatisfy { $0 == 0x5F || (0x61...0x7A).contains($0) })
            #expect("\(error.message)".isEmpty == (error == .none))
            // Only what an upstream did is counted as an upstream's error.
            if error.upstreamReason != nil { #expect(error.status == 502 || error.status == 504) }
        }
    }

    @Test func whatCannotBeTrustedToBeFramedEndsTheConnection() {
        #expect(
            ExchangeError.allCases.filter(\.endsConnection) == [
                .malformedBody, .conflictingMembers, .malformedRequest, .notImplemented,
                .trailersTooLarge,
            ])
    }
}
