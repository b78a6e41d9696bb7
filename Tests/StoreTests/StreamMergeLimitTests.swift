import JSON
import Reactor
import Testing

@testable import Store

/// A body of a few kilobytes can hold, compressed, a stream of megabytes: merging it must not take the writer's time.
struct StreamMergeLimitTests {
    private func merged(_ event: String) throws -> JSONValue {
        let text = try #require(Array("data: \(event)\n\n".utf8).withUnsafeBytes { StreamMerge.merged($0) })
        return try JSONValue(parsing: text)
    }

    @Test func choicesBeyondTheLimitAreLeftOut() throws {
        let pieces = (0..<5000).map { #"{"index":\#($0),"delta":{"content":"a"}}"# }.joined(separator: ",")
        let answer = try merged(#"{"id":"x","choices":[\#(pieces)]}"#)
        let choices = try #require(answer["choices"]?.arrayValue)
        #expect(choices.count == StreamMerge.maximumParts)
        #expect(choices.last?["index"]?.intValue == StreamMerge.maximumParts - 1)
    }

    @Test func choicesWithoutIndexAreCountedToo() throws {
        let pieces = Array(repeating: "{}", count: 100_000).joined(separator: ",")
        let answer = try merged(#"{"id":"x","choices":[\#(pieces)]}"#)
        #expect(answer["choices"]?.arrayValue?.count == StreamMerge.maximumParts)
    }

    @Test func toolCallsBeyondTheLimitAreLeftOut() throws {
        let calls = (0..<5000).map { #"{"index":\#($0),"id":"c\#($0)","function":{"name":"f","arguments":"1"}}"# }
        let answer = try merged(
            #"{"id":"x","choices":[{"index":0,"delta":{"tool_calls":[\#(calls.joined(separator: ","))]}}]}"#)
        let kept = try #require(answer["choices"]?.arrayValue?.first?["message"]?["tool_calls"]?.arrayValue)
        #expect(kept.count == StreamMerge.maximumParts)
        #expect(kept.last?["id"]?.stringValue == "c\(StreamMerge.maximumParts - 1)")
    }

    // MARK: What is stored

    private func text(_ events: [String], isCut: Bool = false, limit: Int = .max) throws -> String {
        let body = events.map { "data: \($0)\n\n" }.joined()
        return try #require(Array(body.utf8).withUnsafeBytes { StreamMerge.merged($0, isCut: isCut, limit: limit) })
    }

    private let usage = #"{"id":"x","choices":[],"usage":{"total_tokens":9}}"#

    @Test func aStreamThatWasCutSaysSo() throws {
        #expect(
            try text([usage], isCut: true) == #"{"truncated":true,"id":"x","choices":[],"usage":{"total_tokens":9}}"#)
        let response = #"{"type":"response.created","response":{"id":"r","truncated":1}}"#
        #expect(try text([response], isCut: true) == #"{"truncated":true,"id":"r"}"#)
        #expect(try text([response]) == #"{"id":"r","truncated":1}"#)
    }

    @Test func textsAreShortenedUntilTheAnswerFits() throws {
        let pieces = [
            #"{"id":"x","choices":[{"index":0,"delta":{"content":"short","reasoning_content":"\#(String(repeating: "é", count: 900))"}}]}"#,
            #"{"id":"x","choices":[{"index":1,"delta":{"content":"\#(String(repeating: "b\\n", count: 500))"},"finish_reason":"length"}]}"#,
            #"{"id":"x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"\#(String(repeating: "c", count: 700))"}}]}}]}"#,
            usage,
        ]
        let whole = try text(pieces)
        #expect(try text(pieces, limit: whole.utf8.count) == whole)
        for limit in stride(from: 420, to: whole.utf8.count, by: 97) {
            let stored = try text(pieces, limit: limit)
            #expect(stored.utf8.count <= limit, "limit \(limit)")
            let answer = try JSONValue(parsing: stored)
            #expect(answer["truncated"] == true && answer["usage"]?["total_tokens"] == 9)
            let message = answer["choices"]?.arrayValue?.first?["message"]
            #expect(message?["content"] == "short" || limit < 500)
            let thought = try #require(message?["reasoning_content"]?.stringValue)
            #expect(thought.allSatisfy { $0 == "é" })
            #expect(answer["choices"]?.arrayValue?.last?["finish_reason"] == "length")
            #expect(stored.utf8.count > limit - 12, "\(stored.utf8.count) of \(limit)")
        }
    }

    /// What cannot be shortened is cut as any other text, and says before that it is.
    @Test func anAnswerThatDoesNotFitAtAllIsCut() throws {
        let stored = try text(
            [#"{"id":"\#(String(repeating: "x", count: 500))","choices":[{"index":0,"delta":{"content":"abc"}}]}"#],
            limit: 100)
        #expect(stored.hasPrefix(#"{"truncated":true,"id":"xxx"#))
        #expect(stored.contains(#""content":"""#))
    }
}
