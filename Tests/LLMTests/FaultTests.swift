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

    @Test(
        arguments: [
            // A model that the key's project does not have says nothing of the key.
            (
                403,
                #"{"error":{"message":"Project `p` does not have access to model `gpt-4o`","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
                Fault.modelNotFound
            ),
            (403, #"{"message":"You don't have access to the model with the specified model ID."}"#, .modelNotFound),
            (
                403, #"{"error":{"message":"x","type":"permissions_error","code":"model_permission_blocked_org"}}"#,
                .modelNotFound
            ),
            (
                401,
                #"{"error":{"message":"key not allowed to access model","type":"key_model_access_denied","param":"model","code":"401"}}"#,
                .modelNotFound
            ),
            (
                401,
                #"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: api.model.images.request.","type":"invalid_request_error"}}"#,
                .modelNotFound
            ),
            // Nor do words that a moderation does not want.
            (403, #"{"code":"permission-denied","error":"Content violates usage guidelines. "}"#, .callerError),
            (
                403,
                #"{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}"#,
                .callerError
            ),
            (403, #"{"code":"permission-denied","error":"Access to the chat endpoint is denied."}"#, .keyForbidden),
            // Numbers that are no status.
            (
                400, #"{"code":20015,"message":"The parameter is invalid. Please check again.","data":null}"#,
                .callerError
            ),
            (400, #"{"code":20012,"message":"Model does not exist. Please check it carefully."}"#, .modelNotFound),
            (400, #"{"object":"error","message":"bad","type":"BadRequestError","code":40303}"#, .callerError),
            (
                400, #"{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}"#,
                .modelNotFound
            ),
            (400, #"{"message":"The provided model identifier is invalid."}"#, .modelNotFound),
            (
                400,
                #"{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
                .modelNotFound
            ),
            // Names, however they are written.
            (400, #"{"error":{"code":"Arrearage","type":"Arrearage","message":"Access denied"}}"#, .keyQuota),
            (
                400, #"{"error":{"message":"Budget has been exceeded!","type":"budget_exceeded","code":"400"}}"#,
                .keyQuota
            ),
            (429, #"{"error":{"code":"ServerOverloaded","message":"x","type":"TooManyRequests"}}"#, .overloaded),
            (429, #"{"error":{"code":"1302","message":"High concurrency usage"}}"#, .rateLimited),
            (429, #"{"error":{"code":"1113","message":"Insufficient balance or no resource package."}}"#, .keyQuota),
            (
                429,
                #"{"error":{"http_code":"429","message":"insufficient balance (1008)","type":"insufficient_balance_error"}}"#,
                .keyQuota
            ),
            (500, #"{"type":"error","error":{"type":"api_error","message":"insufficient balance (1008)"}}"#, .keyQuota),
            (
                400,
                #"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2027-01-01."}}"#,
                .keyQuota
            ),
            (
                400,
                #"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
                .modelNotFound
            ),
            // A limit of somebody behind the provider, told as its own words, is no lasting one of the key.
            (
                429,
                #"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\"error\":{\"message\":\"You exceeded your current quota\"}}"}}}"#,
                .rateLimited
            ),
        ] as [(Int, String, Fault)])
    func moreOfWhatProvidersSay(status: Int, body: String, fault: Fault) {
        #expect(classify(status, body) == fault)
    }

    @Test(
        arguments: [
            (400, #"{"error":{"message":"Unrecognized request argument supplied: stream_options"}}"#, true),
            (422, #"{"detail":[{"loc":["body","Stream_Options","include_usage"]}]}"#, true),
            (500, #"{"error":{"message":"stream_options"}}"#, false), (400, #"{"error":{"message":"x"}}"#, false),
            (400, "", false),
        ]) func refusalsOfTheUsageOption(status: Int, body: String, isOne: Bool)
    {
        #expect(withBytes(body) { FaultClassifier.refusesUsageOption(status: status, body: $0) } == isOne)
    }

    /// Of whose account a request is to be the fields beside the key tell: keys of another are good ones.
    @Test(
        arguments: [
            (
                401,
                #"{"error":{"message":"OpenAI-Organization header should match organization for API key","type":"invalid_request_error","param":null,"code":"mismatched_organization"}}"#,
                APIType.openai, Fault.modelNotFound
            ),
            (
                401,
                #"{"error":{"message":"No such organization: org-x.","type":"invalid_request_error","code" : "invalid_organization"}}"#,
                .openai, .modelNotFound
            ),
            (
                401,
                #"{"error":{"message":"OpenAI-Project header should match project for API key","type":"invalid_request_error","code":"mismatched_project"}}"#,
                .openai, .modelNotFound
            ),
            (
                403,
                #"{"error":{"code":403,"message":"Caller does not have required permission to use project foo.","status":"PERMISSION_DENIED","details":[{"reason":"USER_PROJECT_DENIED"}]}}"#,
                .gemini, .modelNotFound
            ),
            (
                401,
                #"{"error":{"message":"Incorrect API key \"code\":\"mismatched_project\"","type":"invalid_request_error","code":"invalid_api_key"}}"#,
                .openai, .keyInvalid
            ),
            (401, #"{"error":{"message":"mismatched_project","type":"invalid_request_error"}}"#, .openai, .keyInvalid),
            // Google's words are a key's end from Google only, or where more than words says so.
            (
                400,
                #"{"error":{"message":"API key not valid. Please pass a valid API key. is not one of [a,b]","type":"invalid_request_error","param":"x","code":null}}"#,
                .openai, .callerError
            ),
            (
                400,
                #"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#,
                .openai, .keyInvalid
            ),
            (
                400,
                #"{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT"}}"#,
                .gemini, .keyInvalid
            ),
        ] as [(Int, String, APIType, Fault)])
    func whatSpeaksAgainstNoKey(status: Int, body: String, type: APIType, fault: Fault) {
        #expect(classify(status, body, type) == fault)
    }

    /// What a caller has written and an error repeats speaks against nobody's key.
    @Test(arguments: [
        "invalid api key", "Incorrect API key provided", "Insufficient Balance", "Your credit balance is too low to",
        "API key not valid", #"\"message\":\"Invalid API key\""#, "this organization has been disabled",
    ])
    func callersCannotDisableKeys(words: String) {
        for body in [
            #"{"error":{"message":"Invalid value: 'W'. Supported values are: 'a'.","type":"invalid_request_error","param":"tool_choice","code":"invalid_value"}}"#,
            #"{"error":{"message":"Unknown parameter: 'W'.","type":"invalid_request_error","param":"W","code":"unknown_parameter"}}"#,
            #"{"error":{"code":"tool_use_failed","failed_generation":"W","message":"Tool call validation failed"}}"#,
            #"{"error":{"message":"W is not a valid model ID","code":400}}"#,
            #"{"detail":[{"loc":["body","x"],"msg":"field required","input":"W"}]}"#,
        ] {
            for status in [400, 422] {
                let fault = classify(status, body.replacing("W", with: words))
                #expect(!fault.disablesKey && !fault.blamesProvider, "\(fault): \(body)")
            }
        }
    }

    /// Errors under a good status, of whatever shape.
    @Test(
        arguments: [
            (
                #"{"id":"1","choices":null,"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#,
                Fault.keyInvalid
            ),
            (#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#, .keyQuota),
            (
                #"{"base_resp":{"status_code":1002,"status_msg":"rate limit"},"choices":null,"usage":{"total_tokens":0}}"#,
                .rateLimited
            ),
            (#"{"base_resp":{"status_code":2013,"status_msg":"invalid params"}}"#, .callerError),
            (#"{"base_resp":{"status_code":1000,"status_msg":"unknown error"}}"#, .serverError),
            (#"{"base_resp":{"status_code":0,"status_msg":""},"choices":[]}"#, .none),
            (#"{"code":500,"msg":"404 NOT_FOUND","success":false}"#, .serverError),
            (#"{"code":401,"msg":"token expired","success":false}"#, .keyInvalid),
            (#"{"code":200,"msg":"ok"}"#, .none), (#"{"code":"200"}"#, .none),
            (
                #"{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}"#,
                .callerError
            ),
            (
                #"{"choices":[{"finish_reason":"error","error":{"code":502,"message":"x"},"message":{"content":""}}]}"#,
                .serverError
            ),
            (#"{"choices":[{"finish_reason":"error","message":{"content":""}}]}"#, .serverError),
            (#"{"choices":[{"finish_reason":"insufficient_system_resource"}]}"#, .overloaded),
            (#"{"choices":[{"finish_reason":"network_error"}]}"#, .serverError),
            (#"{"type":"message-end","delta":{"finish_reason":"ERROR"}}"#, .serverError),
            (#"{"type":"message-end","delta":{"finish_reason":"TIMEOUT"}}"#, .timeout),
            (#"{"choices":[{"finish_reason":"content_filter"}],"error":null}"#, .none),
            (#"{"error":{"code":429,"type":"insufficient_quota"}}"#, .keyQuota),
            (#"{"error":{"code":429},"error":null}"#, .none),
        ] as [(String, Fault)])
    func errorsUnderAGoodStatus(body: String, fault: Fault) {
        #expect(classify(200, body) == fault)
        for piece in [1, 7, 1000] {
            let reader = reading("data: \(body)\n\n", piece: piece)
            #expect(reader.fault == fault)
            if fault != .none { #expect(reader.settled(promptEstimate: 50)?.total ?? 0 == 0) }
        }
    }

    @Test(
        arguments: [
            (
                #"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"33s"}]}}"#,
                33_000
            ),
            (#"{"retryDelay" : "33.5074s"}"#, 33_507), (#"{"retryDelay":"0.5s"}"#, 500), (#"{"retryDelay":"s"}"#, nil),
            (#"{"retryDelay":"-3s"}"#, nil),
            (#"{"retryDelay":"33"}"#, nil), (#"{"retryDelay":33}"#, nil), (#"{"retryDelay":"33s"#, nil),
            (#"{"retryDelay":"#, nil), (#"{"message":"\"retryDelay\":\"9s\""}"#, nil), ("", nil),
        ] as [(String, UInt64?)]) func googlesRetryInfo(_ body: String, _ expected: UInt64?)
    {
        #expect(withBytes(body) { RetryDelay.milliseconds(in: $0) } == expected)
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
