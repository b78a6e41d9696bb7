import Testing

@testable import LLM

/// Answers of many providers, whole, in pieces and cut off: accounted to the token, or said to be estimated.
struct ProviderShapesTests {
    private func read(_ shape: ProviderShape, _ bytes: [UInt8], _ next: (Int) -> Int) -> AnswerReader {
        var reader = AnswerReader(endpoint: shape.endpoint, apiType: .openai, framing: shape.framing)
        feed(&reader, bytes, next)
        return reader
    }

    @Test(arguments: ProviderShape.all)
    func toTheToken(shape: ProviderShape) {
        let bytes = Array(shape.text.utf8)
        let whole = read(shape, bytes) { $0 }
        #expect(whole.settled(promptEstimate: 77) == shape.usage)
        #expect(whole.isFinished)
        #expect(read(shape, bytes) { _ in 1 }.settled(promptEstimate: 77) == shape.usage, "byte by byte")
        for split in 1..<bytes.count {
            var isFirst = true
            let reader = read(shape, bytes) { rest in
                defer { isFirst = false }
                return isFirst ? split : rest
            }
            #expect(reader.settled(promptEstimate: 77) == shape.usage, "split at \(split)")
        }
    }

    /// Broken off anywhere: what is not marked as estimated is right, and nothing is accounted at more than is known.
    @Test(arguments: ProviderShape.all)
    func brokenOff(shape: ProviderShape) {
        let bytes = Array(shape.text.utf8)
        var hadContent = false
        for length in 0..<bytes.count {
            let reader = read(shape, Array(bytes[..<length])) { $0 }
            let found = reader.settled(promptEstimate: 77, isWhole: false)
            guard found == nil || found?.estimated == true || found == shape.usage, !hadContent || reader.contentSeen,
                found != nil || !reader.contentSeen || shape.usage == nil
            else {
                Issue.record("\(shape.name) cut at \(length): \(String(describing: found))")
                return
            }
            hadContent = reader.contentSeen
        }
    }

    @Test func eventsThatSayNothingAreNotPaidFor() {
        let role = #"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"# + "\n\n"
        #expect(reading(role).settled(promptEstimate: 50) == nil)
        #expect(reading(role + "data: [DONE]\n\n").settled(promptEstimate: 50)?.prompt == 50)
    }
}

/// What comes of reports that leave parts out of their sums.
struct BesideTheSumsTests {
    private let price = {
        var price = ModelPrice(input: 1_000_000, output: 10_000_000, reasoning: 3_000_000)
        price.inputAudio = 5_000_000
        return price
    }()

    private func cost(_ report: String) -> Int64? {
        reading("{\"usage\":\(report)}", framing: .json).reported.map { price.cost(of: $0) }
    }

    @Test func thoughtsThatOnlyTheTotalHasArePaidFor() {
        #expect(cost(#"{"prompt_tokens":66,"completion_tokens":6,"total_tokens":100}"#) == Int64(66 + 60 + 28 * 3))
    }

    @Test func soundThatOnlyTheTotalHasIsPaidForOnce() {
        let report =
            #"{"prompt_tokens":9,"completion_tokens":1,"total_tokens":385,"prompt_tokens_details":{"audio_tokens":375}}"#
        #expect(cost(report) == Int64(9 + 10 + 375 * 5))
    }

    @Test func researchIsPaidForInItsParts() {
        let report =
            #"{"prompt_tokens":33,"completion_tokens":100,"total_tokens":133,"citation_tokens":200,"reasoning_tokens":1000}"#
        #expect(cost(report) == Int64(33 + 200 + 1000 + 3000))
    }

    /// A total below its parts, or far above any, changes no part.
    @Test(arguments: [(Int64(3), Int64(15)), (15, 15), (1_000_000_000_000, 15)])
    func totals(total: Int64, sum: Int64) {
        let usage = reading(
            "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":10,\"total_tokens\":\(total)}}", framing: .json
        ).reported
        #expect(usage?.total == total && usage.map { $0.prompt + $0.completion } == sum)
    }
}
