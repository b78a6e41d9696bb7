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
}
