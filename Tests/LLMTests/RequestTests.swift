import JSON
import Reactor
import Testing

@testable import LLM

struct RequestTests {
    static func edited(_ text: String, model: String? = nil, includeUsage: Bool = false) -> String {
        var request = requestReading(text)
        let capacity = RequestEdit.capacity(bodyCount: text.utf8.count, modelCount: model?.utf8.count ?? 0)
        let bytes = withBytes(text) { body in
            withBytes(model ?? "") { name in
                [UInt8](unsafeUninitializedCapacity: capacity) { out, count in
                    count = RequestEdit.apply(
                        body, &request, model: model == nil ? nil : name, includeUsage: includeUsage,
                        into: out.baseAddress!)
                }
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func whatARequestAsksFor() {
        let text = """
            {"messages":[{"role":"user","content":"Hi {\\"model\\":\\"x\\"}"}],"model":"openai/gpt-4o","stream":true,
             "stream_options":{"x":1,"include_usage":true},"max_tokens":100,"max_completion_tokens":200,"n":3}
            """
        for piece in [1, 2, 5, 1000] {
            let request = requestReading(text, piece: piece)
            #expect(request.withModel { $0.string } == "openai/gpt-4o")
            #expect(request.streams && request.includeUsage == true && request.isWhole && !request.isMalformed)
            #expect(request.maxTokens == 200 && request.choices == 3)
            #expect(request.promptEstimate == (Int64(text.utf8.count) + 3) / 4)
        }
    }

    @Test(arguments: [
        (#"{"model":"a","model":"a"}"#, false), (#"{"model":"a","model":"b"}"#, true),
        (#"{"model":"a","mod\u0065l":"b"}"#, true), (#"{"model":"a","model":null}"#, true),
        (#"{"model":null,"model":"a"}"#, true), (#"{"x":{"model":"b"},"model":"a"}"#, false),
    ])
    func modelsThatDisagreeAreSeen(text: String, disagree: Bool) {
        for piece in [1, 1000] { #expect(requestReading(text, piece: piece).modelsDisagree == disagree) }
    }

    @Test func theLastOfDuplicatesCounts() {
        let request = requestReading(
            #"{"stream":true,"stream":false,"max_tokens":1,"max_tokens":"x","n":2,"n":5,"stream_options":{"include_usage":true},"stream_options":null}"#
        )
        #expect(!request.streams && request.maxTokens == nil && request.choices == 5 && request.includeUsage == nil)
    }

    @Test func otherFormatsLimits() {
        #expect(requestReading(#"{"max_output_tokens":7}"#).maxTokens == 7)
        let gemini = requestReading(#"{"contents":[],"generationConfig":{"maxOutputTokens":9,"candidateCount":2}}"#)
        #expect(gemini.maxTokens == 9 && gemini.choices == 2)
        #expect(requestReading(#"{"max_tokens":-5,"n":-2,"best_of":4}"#).maxTokens == nil)
        #expect(requestReading(#"{"max_tokens":-5,"n":-2,"best_of":4}"#).choices == 4)
    }

    @Test func mediaDoNotCountByTheirSize() {
        let picture = String(repeating: "A", count: 400_000)
        let openai =
            #"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,\#(picture)"}}]}]}"#
        let anthropic =
            #"{"messages":[{"content":[{"type":"image","source":{"type":"base64","data":"\#(picture)"}}]}]}"#
        let gemini = #"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"\#(picture)"}}]}]}"#
        for text in [openai, anthropic, gemini] {
            for piece in [1000, .max] {
                let estimate = requestReading(text, piece: piece).promptEstimate
                #expect(estimate > 1400 && estimate < 1500, "\(estimate)")
            }
        }
    }

    @Test(arguments: [
        "", "[]", "[{\"model\":\"a\"}]", "{\"model\":\"a\"", "nonsense", "{\"model\":\"a\"}{}", "{\"model\":\"a\"} x",
        "\"model\"",
    ])
    func whatIsNotOneObjectIsSeen(text: String) {
        let request = requestReading(text)
        #expect(!request.isWhole || request.isMalformed)
    }

    @Test func aNameThatIsTooLong() {
        let name = String(repeating: "n", count: 129)
        for piece in [10, 1000] {
            #expect(requestReading("{\"model\":\"\(name)\"}", piece: piece).modelIsTooLong)
            #expect(!requestReading("{\"model\":\"\(name.dropLast())\"}", piece: piece).modelIsTooLong)
        }
    }

    @Test(arguments: [
        (
            #"{"model":"a","stream":true}"#,
            #"{"stream_options":{"include_usage":true},"model":"b/c:free","stream":true}"#
        ),
        (#"{"stream_options":{},"model":"a"}"#, #"{"stream_options":{"include_usage":true},"model":"b/c:free"}"#),
        (
            #"{"model":"a","stream_options":{ "x":1}}"#,
            #"{"model":"b/c:free","stream_options":{"include_usage":true, "x":1}}"#
        ),
        (#"{"model":"a","stream_options":null}"#, #"{"model":"b/c:free","stream_options":{"include_usage":true}}"#),
        (
            #"{"model":"a","stream_options":{"include_usage":false}}"#,
            #"{"model":"b/c:free","stream_options":{"include_usage":true}}"#
        ),
        (#"{"stream_options":"x","model":"a"}"#, #"{"stream_options":"x","model":"b/c:free"}"#),
        (
            #"{"stream_options":{"a":1,"include_usage": null ,"b":2},"model":"a"}"#,
            #"{"stream_options":{"a":1,"include_usage": true ,"b":2},"model":"b/c:free"}"#
        ),
        (
            #"{"model":"a","stream_options":{"include_usage":"y\"es"}}"#,
            #"{"model":"b/c:free","stream_options":{"include_usage":true}}"#
        ),
        (
            #"{"model":"a","stream_options":{"include_usage":{"a":["}"]},"c":1}}"#,
            #"{"model":"b/c:free","stream_options":{"include_usage":true,"c":1}}"#
        ),
        (
            #"{"model":"a","stream_options":{"include_usage":1.5e3}}"#,
            #"{"model":"b/c:free","stream_options":{"include_usage":true}}"#
        ),
        (
            #"{"model":"a","stream_options":{"include_usage":true,"include_usage":[]}}"#,
            #"{"model":"b/c:free","stream_options":{"include_usage":true,"include_usage":true}}"#
        ),
    ])
    func editsTouchNothingElse(text: String, wanted: String) {
        #expect(Self.edited(text, model: "b/c:free", includeUsage: true) == wanted)
        #expect(Self.edited(text) == text)
    }

    @Test func aModelIsEscaped() throws {
        let name = "a\"b\\c\u{1}\u{1f}é"
        let text = try JSONValue(parsing: Self.edited(#"{ "model" : "a" }"#, model: name))
        #expect(text["model"]?.stringValue == name)
    }

    /// Real requests stay what they are, but for what is set.
    @Test func recordedRequests() throws {
        for exchange in Corpus.exchanges where exchange.request.first == UInt8(ascii: "{") {
            let text = String(decoding: exchange.request, as: UTF8.self)
            guard var wanted = try? JSONValue(parsing: text), wanted["model"]?.stringValue != nil else { continue }
            let changed = Self.edited(text, model: "x/y", includeUsage: true)
            guard case .object(var object) = wanted else { continue }
            object["model"] = "x/y"
            if object["stream_options"]?.objectValue == nil || object["stream_options"]?["include_usage"] == nil {
                var options = object["stream_options"]?.objectValue ?? JSONObject()
                options["include_usage"] = true
                object["stream_options"] = .object(options)
            }
            wanted = .object(object)
            let found = try JSONValue(parsing: changed)
            #expect(found == wanted, "\(exchange.id)")
        }
    }
}

/// What is reserved for a prompt before anybody has counted its tokens.
struct PromptBoundTests {
    private func bound(_ text: String, context: Int64 = 0, piece: Int = .max) -> Int64 {
        requestReading(text, piece: piece).promptBound(pictureTokens: 6000, context: context)
    }

    @Test(arguments: [1, 7, Int.max])
    func textIsATokenAByte(piece: Int) {
        for content in ["1234567890", "汉字漢字", "\\u6c49", "aaaa"] {
            let text = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\(content)\"}]}"
            #expect(bound(text, piece: piece) == Int64(text.utf8.count))
        }
        #expect(bound(#"{"prompt":"x"}"#, context: 9, piece: piece) == 9)
    }

    @Test(arguments: [5, Int.max])
    func mediaAreNotCountedByTheirSize(piece: Int) {
        let base64 = String(repeating: "A", count: 160_000)
        func bound(_ part: String) -> Int64 {
            let text = "{\"messages\":[{\"content\":[\(part)]}]}"
            return self.bound(text, piece: piece)
        }
        let slack: ClosedRange<Int64> = 0...400
        for picture in [
            "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,\(base64)\"}}",
            "{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,\(base64)\"}",
            "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"\(base64)\"}}",
            "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://example.com/a.png\"}}",
            "{\"inlineData\":{\"data\":\"\(base64)\",\"mimeType\":\"image/jpeg\"}}",
        ] {
            #expect(slack.contains(bound(picture) - 6000), "\(picture.prefix(60))")
            #expect(slack.contains(bound(picture + "," + picture) - 12_000), "\(picture.prefix(60))")
        }
        let sound = "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"\(base64)\",\"format\":\"mp3\"}}"
        #expect(slack.contains(bound(sound) - 10_100))
        let file = "{\"type\":\"file\",\"file\":{\"file_data\":\"data:application/pdf;base64,\(base64)\"}}"
        #expect(slack.contains(bound(file) - 160_000))
        let document =
            "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"\(base64)\"}}"
        #expect(slack.contains(bound(document) - 160_000))
    }

    @Test(arguments: [
        #"{"previous_response_id":"resp_1","input":"x"}"#, #"{"conversation":{"id":"c"}}"#, #"{"conversation":"c"}"#,
        #"{"prompt":{"id":"pmpt_1"}}"#, #"{"cachedContent":"c"}"#,
        #"{"input":[{"content":[{"type":"input_file","file_id":"f"}]}]}"#,
        #"{"messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]}"#,
        #"{"contents":[{"parts":[{"fileData":{"fileUri":"u"}}]}]}"#,
        #"{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]}"#,
        #"{"previous_interaction_id":"v1_x","input":"x"}"#,
        #"{"input":[{"type":"video","uri":"https://x.test/a.mp4"}]}"#,
    ])
    func whatIsOnlyNamedCanFillTheContext(text: String) {
        #expect(bound(text) >= 100_000)
        #expect(bound(text, context: 8192) == 8192)
        #expect(bound(text, context: 1_000_000) == 1_000_000)
    }

    @Test func whatIsNotThereIsNotCounted() {
        #expect(bound(#"{"previous_response_id":null,"input":"x"}"#) < 100)
        #expect(bound(#"{"tools":[{"name":"t"}]}"#) == 1024)
    }

    @Test func limitsAreThoseOfTheEndpoint() {
        let text = #"{"max_tokens":10,"max_output_tokens":20,"generationConfig":{"maxOutputTokens":30},"options":{}}"#
        let request = requestReading(text)
        #expect(request.maxTokens(at: .chatCompletions) == 10 && request.maxTokens(at: .messages) == 10)
        #expect(request.maxTokens(at: .responses) == 20 && request.maxTokens(at: .geminiStream) == 30)
        #expect(request.maxTokens(at: .modelInvoke) == 30)
        #expect(requestReading(#"{"max_output_tokens":1}"#).maxTokens(at: .chatCompletions) == nil)
        #expect(requestReading(#"{"inferenceConfig":{"maxTokens":5}}"#).maxTokens(at: .modelInvoke) == 5)
        #expect(requestReading(#"{"options":{"num_predict":7}}"#).maxTokens(at: .nativeChat) == 7)
        #expect(requestReading(#"{"options":{"num_predict":-1}}"#).maxTokens(at: .nativeChat) == nil)
    }

    @Test(arguments: [
        (#"{"prompt":["a","b","c"],"n":2}"#, Int64(6)), (#"{"prompt":"a","n":2}"#, 2), (#"{"prompt":[1,2,3]}"#, 1),
        (#"{"prompt":[[1,2],[3]],"best_of":3}"#, 6), (#"{"prompt":[]}"#, 1), (#"{"messages":[],"n":4}"#, 4),
    ])
    func everyPromptIsAnswered(text: String, choices: Int64) {
        #expect(requestReading(text).choices == choices)
    }

    @Test func searchesThatAreAskedFor() {
        func asked(_ text: String) -> SearchSize? {
            let reader = requestReading(text)
            return reader.asksForSearch ? reader.searchSize : nil
        }
        #expect(asked(#"{"web_search_options":{}}"#) == .unsaid)
        #expect(
            asked(#"{"web_search_options":{"user_location":{"type":"approximate"},"search_context_size":"low"}}"#)
                == .low)
        #expect(asked(#"{"web_search_options":{"search_context_size":"medium"}}"#) == .medium)
        #expect(asked(#"{"web_search_options":{"search_conte\u0078t_size":"high"}}"#) == .high)
        #expect(asked(#"{"web_search_options":{"search_context_size":"high","search_context_size":null}}"#) == .unsaid)
        #expect(asked(#"{"web_search_options":{"search_context_size":"high"},"web_search_options":{}}"#) == .unsaid)
        #expect(asked(#"{"web_search_options":{"search_context_size":"high"},"web_search_options":null}"#) == nil)
        #expect(asked(#"{"web_search_options":null}"#) == nil)
        #expect(asked(#"{"messages":[{"content":"web_search_options"}],"search_context_size":"low"}"#) == nil)
    }

    @Test(arguments: [
        ("gpt-4o-search-preview", true), ("gpt-4o-mini-search-preview-2025-03-11", true), ("gpt-5-search-api", true),
        ("openai/gpt-6-search", true), ("sonar", true), ("sonar-pro", true), ("sonar-deep-research", true),
        ("o3-deep-research", false), ("gpt-4o", false), ("research-1", false), ("gpt-searching", false),
        ("llama-searches", false), ("sonars", false), ("", false),
    ])
    func modelsThatAlwaysSearch(_ name: String, _ searches: Bool) {
        let copy = Array(name.utf8)
        copy.withUnsafeBufferPointer { name in
            let model = Bytes(name.baseAddress, name.count)
            #expect(SearchModel.searches(model) == searches)
            var usage = TokenUsage(prompt: 1)
            usage.noteSearch(model: model, size: .high)
            #expect(usage.searches == (searches ? 1 : 0) && usage.searchSize == (searches ? .high : .unsaid))
        }
    }

    @Test func whatIsToldOfASearchGoesBeforeWhatWasAsked() {
        func noted(_ model: StaticString, _ asked: SearchSize, _ change: (inout TokenUsage) -> Void) -> TokenUsage {
            var usage = TokenUsage(prompt: 1)
            change(&usage)
            usage.noteSearch(model: Bytes(model.utf8Start, model.utf8CodeUnitCount), size: asked)
            return usage
        }
        let told = noted("sonar", .low) { ($0.searches, $0.searchSize) = (4, .high) }
        #expect(told.searches == 4 && told.searchSize == .high)
        #expect(noted("sonar-pro", .unsaid) { _ in }.searchSize == .low)
        #expect(noted("gpt-5-search-api", .unsaid) { _ in }.searchSize == .medium)
        #expect(noted("gpt-5", .high) { $0.searches = 1 }.searchSize == .high)
    }

    @Test func tiers() {
        #expect(requestReading(#"{"service_tier":"priority"}"#).tier == .priority)
        #expect(requestReading(#"{"service_tier":"auto"}"#).tier == .standard)
        #expect(requestReading(#"{"service_tier":"flex","service_tier":null}"#).tier == .standard)
        #expect(requestReading(#"{"speed":"fast"}"#).isFast)
        #expect(PictureTokens.most(model: Bytes("gpt-4o-mini-2024-07-18")) == 50_000)
        #expect(PictureTokens.most(model: Bytes("gpt-4o")) == 6000)
    }
}

struct FormReaderTests {
    private func form(_ parts: [(String, String)], boundary: String = "b0", end: String = "--\r\n") -> String {
        parts.map { "--\(boundary)\r\nContent-Disposition: form-data; \($0.0)\r\n\r\n\($0.1)\r\n" }.joined()
            + "--\(boundary)\(end)"
    }

    private func read(_ body: String, _ type: String = "multipart/form-data; boundary=b0") -> (FormReader, String?) {
        var reader = FormReader()
        let bytes = Array(body.utf8)
        bytes.withUnsafeBytes { body in withBytes(type) { reader.read(Bytes(body), contentType: $0) } }
        let model = reader.model.map { String(decoding: bytes[Int($0.start)..<Int($0.end)], as: UTF8.self) }
        return (reader, model)
    }

    @Test func theModelOfATranscription() {
        let file = (#"name="file"; filename="a.mp3""#, "\u{0}--b\r\n--b1\r\n")
        for parts in [
            [(#"name="model""#, "whisper-1"), file],
            [file, (#"name="model""#, "whisper-1"), (#"name="stream""#, "true")],
        ] {
            let (reader, model) = read(form(parts))
            #expect(model == "whisper-1" && reader.isWhole && reader.files == 1 && !reader.modelsDisagree)
            #expect(reader.streams == (parts.count == 3))
        }
    }

    @Test(arguments: [
        "multipart/form-data; boundary=b0", "Multipart/Form-Data; charset=utf-8; boundary=\"b0\"",
        "multipart/form-data;boundary=b0; x=y",
    ])
    func boundariesAreFound(type: String) {
        #expect(withBytes(type) { FormReader.isForm(contentType: $0) })
        #expect(read(form([(#"name="model""#, "m")]), type).1 == "m")
    }

    @Test func hostileForms() {
        #expect(read(form([(#"name="model""#, "a"), (#"name="model""#, "b")])).0.modelsDisagree)
        #expect(!read(form([(#"name="model""#, "a"), (#"name="model""#, "a")])).0.modelsDisagree)
        #expect(read(form([(#"name="other; name=model""#, "a")])).1 == nil)
        #expect(read(form([("name=model", "a")])).1 == "a")
        #expect(!read(form([(#"name="model""#, "a")], end: "")).0.isWhole)
        #expect(!read(form([(#"name="model""#, "a")], boundary: "b1")).0.isWhole)
        #expect(read(form([(#"name="model""#, "")])).1 == "")
        for type in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=b0"] {
            #expect(
                !withBytes(type) { FormReader.isForm(contentType: $0) }
                    || !read(form([("name=model", "a")]), type).0.isWhole)
        }
        let body = form([(#"name="file"; filename="x""#, "x"), (#"name="model""#, "m")])
        for cut in 0..<body.utf8.count { _ = read(String(decoding: Array(body.utf8)[..<cut], as: UTF8.self)) }
        #expect(!read(form(Array(repeating: ("name=a", "b"), count: 300))).0.isWhole)
    }

    @Test func pictures() {
        let (reader, _) = read(form([(#"name="n""#, "3"), (#"name="image[]"; filename="a""#, "x")]))
        #expect(reader.count == 3 && reader.files == 1)
    }
}
