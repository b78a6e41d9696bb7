import JSON
import Reactor
import Testing

@testable import LLM

struct RequestTests {
    static func edited(_ text: String, model: String? = nil, includeUsage: Bool = false) -> String {
        let request = requestReading(text)
        let capacity = RequestEdit.capacity(bodyCount: text.utf8.count, modelCount: model?.utf8.count ?? 0)
        let bytes = withBytes(text) { body in
            withBytes(model ?? "") { name in
                [UInt8](unsafeUninitializedCapacity: capacity) { out, count in
                    count = RequestEdit.apply(
                        body, request, model: model == nil ? nil : name, includeUsage: includeUsage,
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
