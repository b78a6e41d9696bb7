import Testing

@testable import LLM

struct ModelPriceTests {
    /// 2.50 in, 10 out, 1.25 cached, per million.
    let price = ModelPrice(input: 2_500_000, output: 10_000_000, cachedInput: 1_250_000)

    @Test func aMillionTokensCostThePrice() {
        #expect(price.cost(of: TokenUsage(prompt: 1_000_000)) == 2_500_000)
        #expect(price.cost(of: TokenUsage(completion: 1_000_000)) == 10_000_000)
    }

    @Test func cachedTokensHaveOnePriceOnly() {
        #expect(price.cost(of: TokenUsage(prompt: 1_000_000, cached: 400_000)) == 1_500_000 + 500_000)
        let written = ModelPrice(input: 3_000_000, output: 15_000_000, cachedInput: 300_000, cacheWrite: 3_750_000)
        #expect(
            written.cost(of: TokenUsage(prompt: 1_000_000, cached: 500_000, cacheWrite: 200_000))
                == 300_000 * 3 + 150_000 + 750_000)
    }

    @Test func withoutAPriceOfTheirOwnPartsCostAsTheWhole() {
        let plain = ModelPrice(input: 1_000_000, output: 2_000_000)
        #expect(plain.cost(of: TokenUsage(prompt: 1000, completion: 1000, cached: 900, reasoning: 900)) == 3000)
    }

    @Test func reasoningCanHaveItsOwnPrice() {
        let price = ModelPrice(input: 0, output: 1_000_000, reasoning: 3_000_000)
        #expect(price.cost(of: TokenUsage(completion: 1000, reasoning: 400)) == 600 + 1200)
    }

    @Test(arguments: [
        (Int64(1), Int64(499_999), Int64(0)), (1, 500_000, 1), (3, 500_000, 2), (3, 150_000, 0), (10, 150_000, 2),
    ])
    func theSumIsRoundedOnceHalfUp(tokens: Int64, price: Int64, micros: Int64) {
        #expect(ModelPrice(input: price, output: 0).cost(of: TokenUsage(prompt: tokens)) == micros)
    }

    @Test func partsBeyondTheWholeAreCut() {
        let price = ModelPrice(input: 10_000_000, output: 10_000_000, cachedInput: 1_000_000, cacheWrite: 20_000_000)
        #expect(price.cost(of: TokenUsage(prompt: 100, cached: 1000)) == 100)
        #expect(price.cost(of: TokenUsage(prompt: 100, cached: 60, cacheWrite: 60)) == 60 + 800)
        #expect(price.cost(of: TokenUsage(prompt: -5, completion: -5, cached: -1)) == 0)
    }

    @Test func whatIsTooMuchStaysAtTheGreatest() {
        let price = ModelPrice(input: .max, output: .max)
        #expect(price.cost(of: TokenUsage(prompt: .max, completion: .max)) == .max)
    }
}

/// What is right at the edges of numbers.
struct ModelPriceEdgeTests {
    @Test(arguments: [
        // 2³¹ tokens for 0.001 micro-units each, 10⁻⁹ dollars.
        (Int64(2_147_483_648), Int64(1000), Int64(2_147_484)), (2_147_483_648, 1, 2147), (2_147_483_648, 0, 0),
        (4_294_967_297, 75_000_000, 322_122_547_275), (1_000_000_000_000, 1_000_000_000_000, 1_000_000_000_000_000_000),
        (1_000_000_000_000, .max, .max),
    ])
    func manyTokens(tokens: Int64, price: Int64, micros: Int64) {
        #expect(ModelPrice(input: price, output: 0).cost(of: TokenUsage(prompt: tokens)) == micros)
        #expect(ModelPrice(input: 0, output: price).cost(of: TokenUsage(completion: tokens)) == micros)
    }

    /// Whatever parts a report has, no token is paid for twice: at one price for all of them the cost is that of the sums.
    @Test func everyTokenHasOnePrice() {
        var price = ModelPrice(input: 7_000_000, output: 7_000_000, cachedInput: 7_000_000, cacheWrite: 7_000_000)
        price.reasoning = 7_000_000
        for rate in PriceRates.extras.prefix(6) { price[keyPath: rate.rate] = 7_000_000 }
        var random = SplitMix(seed: 5)
        for _ in 0..<2000 {
            func next() -> Int64 { Int64(random.next() % 120) }
            var usage = TokenUsage(
                prompt: next(), completion: next(), cached: next(), cacheWrite: next(), reasoning: next())
            (usage.cacheWriteLong, usage.inputAudio, usage.inputImage) = (next(), next(), next())
            (usage.outputAudio, usage.outputImage, usage.cachedAudio) = (next(), next(), next() - 1)
            #expect(price.cost(of: usage) == 7 * (usage.prompt + usage.completion), "\(usage)")
        }
    }
}
