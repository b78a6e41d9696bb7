import Glibc
import JSON
import Testing

@testable import Store

/// Merges streams that real providers have sent, see `../shared/exchanges`.
struct StreamMergeCorpusTests {
    private static let corpus: String = {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/\(root)/../shared/exchanges/corpus-dev.jsonl.xz"
    }()

    @Test func recordedStreamsMergeToWhatTheySaid() throws {
        guard access(Self.corpus, R_OK) == 0 else {
            print("skipped: \(Self.corpus) is not there")
            return
        }
        let select = "grep '\"is_stream\": true' | grep -E '\"endpoint\": \"(chat.completions|completions)\"'"
        guard let lines = shell("xz -dc '\(Self.corpus)' | \(select)"), !lines.isEmpty else {
            print("skipped: the corpus could not be unpacked (xz)")
            return
        }
        var count = 0
        for line in lines.split(separator: 0x0A) {
            let record = try JSONValue(parsing: Array(line))
            guard let expected = record["expect"], expected.objectValue != nil,
                record["response_body_encoding"] == "utf8", let body = record["response_body"]?.stringValue,
                record["status"] == 200
            else { continue }
            count += 1
            try check(Array(body.utf8), expected, record["usage"], record["id"]?.stringValue ?? "")
        }
        #expect(count > 100)
    }

    private func check(_ body: [UInt8], _ expected: JSONValue, _ usage: JSONValue?, _ id: String) throws {
        guard let text = body.withUnsafeBytes({ StreamMerge.merged($0) }) else {
            Issue.record("\(id): was not merged")
            return
        }
        let merged = try JSONValue(parsing: text)
        let choices = merged["choices"]?.arrayValue ?? []
        let choice = choices.first
        let message = choice?["message"]
        let texts = choices.map { $0["message"]?["content"]?.stringValue ?? $0["text"]?.stringValue ?? "" }
        // Requests for several choices expect a list.
        let wantedTexts =
            expected["text"]?.arrayValue?.map { $0.stringValue ?? "" } ?? [expected["text"]?.stringValue ?? ""]
        #expect(texts.joined() == wantedTexts.joined(), "\(id)")
        if let reasoning = expected["reasoning"]?.stringValue {
            let found = message?["reasoning_content"]?.stringValue ?? message?["reasoning"]?.stringValue ?? ""
            #expect(found == reasoning, "\(id)")
        }
        if let finish = expected["finish"], finish.stringValue != nil {
            #expect(choice?["finish_reason"] == finish, "\(id)")
        }
        let calls = choices.flatMap { $0["message"]?["tool_calls"]?.arrayValue ?? [] }
        let wanted = expected["tool_calls"]?.arrayValue ?? []
        #expect(calls.count == wanted.count, "\(id)")
        for (call, want) in zip(calls, wanted) {
            #expect(call["function"]?["name"] == want[0], "\(id)")
            let arguments = call["function"]?["arguments"]?.stringValue ?? ""
            let parsed = try? JSONValue(parsing: arguments.isEmpty ? "{}" : arguments)
            #expect(parsed == want[1] || .string(arguments) == want[1], "\(id): \(arguments)")
        }
        if let raw = usage?["raw"], raw.objectValue != nil { #expect(merged["usage"] == raw, "\(id)") }
    }
}
