import Testing

@testable import LLM

struct FaultTests {
    private func classify(_ status: Int, _ body: String, _ type: APIType = .openai) -> Fault {
        withBytes(body) { FaultClassifier.classify(type, status: status, body: $0) }
    }

    @Test(arguments: [
        (401, Fault.keyInvalid), (402, .keyQuota), (403, .keyForbidden), (404, .modelNotFound), (408, .timeout),
        (409, .callerError), (413, .contextTooLong), (422, .callerError), (429, .rateLimited), (400, .callerError),
        (500, .serverError), (502, .serverError), (503, .overloaded), (504, .timeout), (529, .overloaded), (200, .none),
        (302, .none), (418, .callerError), (424, .serverError), (599, .serverError),
    ])
    func aStatusAlone(status: Int, fault: Fault) {
        #expect(classify(status, "") == fault)
        #expect(classify(status, "<html>Error</html>") == fault)
    }

    @Test(
        arguments: [
            (
                429,
                #"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                .openai, .keyQuota
            ),
            (
                429,
                #"{"error":{"message":"Rate limit reached for x on requests per min","type":"requests","code":"rate_limit_exceeded"}}"#,
                .openai, .rateLimited
            ),
            (
                429,
                #"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"33s"}]}}"#,
                .gemini, .rateLimited
            ),
            (
                400,
                #"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
                .gemini, .keyInvalid
            ),
            (
                400, #"{"code":"invalid-argument","error":"Incorrect API key provided. You can obtain one from x"}"#,
                .openai, .keyInvalid
            ),
            (
                400,
                #"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
                .anthropic, .keyQuota
            ),
            (
                400,
                #"{"error":{"message":"This model's maximum context length is 128000 tokens.","code":"context_length_exceeded","type":"invalid_request_error"}}"#,
                .openai, .contextTooLong
            ),
            (
                400,
                #"{"error":{"code":400,"message":"The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
                .gemini, .contextTooLong
            ),
            (
                400,
                #"{"error":{"message":"The requested model 'x' does not exist.","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#,
                .openai, .modelNotFound
            ),
            (400, #"{"error":{"message":"filtered","code":"content_filter","status":400}}"#, .azure, .callerError),
            (200, #"{"error":{"message":"filtered","code":"content_filter","status":400}}"#, .azure, .callerError),
            (200, #"{"error":{"message":"Too many","code":"429"}}"#, .azure, .rateLimited),
            (200, #"{"choices":[],"error":null}"#, .openai, .none),
            (
                401, #"{"error":{"code":"401","message":"Access denied due to invalid subscription key"}}"#, .azure,
                .keyInvalid
            ),
            (
                403,
                #"{"error":{"message":"Country, region, or territory not supported","code":"unsupported_country_region_territory"}}"#,
                .openai, .keyForbidden
            ),
            (
                403, #"{"error":{"message":"Input was flagged","code":403,"metadata":{"reasons":["x"]}}}"#, .openai,
                .callerError
            ),
            (
                529, #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, .anthropic,
                .overloaded
            ),
            (500, #"{"error":{"code":503,"status":"UNAVAILABLE"}}"#, .gemini, .overloaded),
            (
                404,
                #"{"error":{"code":"model_not_found","message":"The model `x` does not exist","type":"invalid_request_error"}}"#,
                .openai, .modelNotFound
            ),
            (
                400, #"{"error":{"code":"tool_use_failed","type":"invalid_request_error","message":"x"}}"#, .openai,
                .callerError
            ),
        ] as [(Int, String, APIType, Fault)])
    func whatProvidersSay(status: Int, body: String, type: APIType, fault: Fault) {
        #expect(classify(status, body, type) == fault)
    }

    @Test func everyFaultHasOneConsequence() {
        for fault in Fault.allCases {
            #expect([fault.disablesKey, fault.coolsKey, fault.blamesProvider].filter { $0 }.count <= 1)
        }
        #expect(!Fault.callerError.mayBeRetried && !Fault.none.mayBeRetried && Fault.rateLimited.mayBeRetried)
    }

    @Test func closingEventsAreErrorsToTheReader() {
        for endpoint in [Endpoint.chatCompletions, .completions, .responses, .messages, .geminiStream] {
            for reason in [ClosingEvent.Reason.interrupted, .timedOut] {
                let event = ClosingEvent.bytes(endpoint: endpoint, framing: .sse, reason: reason).string
                #expect(event.hasSuffix("\n\n"))
                let reader = reading(event, endpoint: endpoint)
                #expect(reader.fault.blamesProvider && reader.documents == 1)
            }
        }
        #expect(ClosingEvent.bytes(endpoint: .chatCompletions, framing: .json, reason: .timedOut).isEmpty)
    }

    /// Recorded errors: the caller's are the caller's, and nobody's is nobody's.
    @Test func recordedErrors() {
        for exchange in Corpus.exchanges {
            let fault = exchange.body.withUnsafeBytes {
                FaultClassifier.classify(exchange.apiType, status: exchange.status, body: .init($0))
            }
            if exchange.status >= 400 {
                #expect(fault != .none, "\(exchange.id)")
            } else if exchange.usage != nil, !exchange.isStream {
                #expect(fault == .none, "\(exchange.id)")
            }
        }
    }
}
