import LLM
import Synchronization

/// One worker's counters of tokens and money: like `WorkerMetrics`, plain memory that this worker alone writes.
struct ProviderMetrics: BitwiseCopyable, @unchecked Sendable {
    typealias Counter = Atomic<UInt64>

    /// What the tokens of an exchange are told apart by.
    enum TokenType: Int, CaseIterable {
        case prompt, completion, cached, cacheWrite, reasoning

        var name: String {
            switch self {
            case .prompt: "prompt"
            case .completion: "completion"
            case .cached: "cached"
            case .cacheWrite: "cache_write"
            case .reasoning: "reasoning"
            }
        }
    }

    /// Operations as OpenTelemetry's semantic conventions for generative AI name them.
    enum Operation: Int, CaseIterable {
        case chat, textCompletion, embeddings, generateContent, other

        init(_ endpoint: Endpoint) {
            switch endpoint {
            case .chatCompletions, .responses, .messages, .nativeChat, .modelInvoke, .interactions: self = .chat
            case .completions: self = .textCompletion
            case .embeddings, .geminiEmbed, .nativeEmbed: self = .embeddings
            case .geminiGenerate, .geminiStream: self = .generateContent
            default: self = .other
            }
        }

        var name: String {
            switch self {
            case .chat: "chat"
            case .textCompletion: "text_completion"
            case .embeddings: "embeddings"
            case .generateContent: "generate_content"
            case .other: "other"
            }
        }
    }

    /// Bounds of the conventions' histograms: tokens, and milliseconds to the first byte.
    static let tokenBounds: [UInt64] = [
        1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
    ]
    static let millisecondBounds: [UInt64] = [
        1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000,
    ]

    /// A block's layout: tokens by type, cost, exchanges without a price; then three histograms, each with its sum.
    private static let costWord = TokenType.allCases.count
    private static let unpricedWord = costWord + 1
    private static let inputWord = unpricedWord + 1
    private static let outputWord = inputWord + tokenBounds.count + 2
    private static let firstByteWord = outputWord + tokenBounds.count + 2
    private static let words = firstByteWord + millisecondBounds.count + 2

    /// By place of the model and operation; made on first use.
    private let blocks: UnsafeMutablePointer<Atomic<UInt>>
    private let tokenLimits: UnsafePointer<UInt64>
    private let millisecondLimits: UnsafePointer<UInt64>
    private static let blockCount = (ProviderRegistry.maxModels + 1) * Operation.allCases.count

    /// Memory until ``deallocate()``.
    init() {
        blocks = .allocate(capacity: Self.blockCount)
        for i in 0..<Self.blockCount { (blocks + i).initialize(to: Atomic(0)) }
        tokenLimits = Self.stored(Self.tokenBounds)
        millisecondLimits = Self.stored(Self.millisecondBounds)
    }

    /// Once nobody counts or reads any more.
    func deallocate() {
        for i in 0..<Self.blockCount {
            UnsafeMutablePointer<Counter>(bitPattern: blocks[i].load(ordering: .relaxed))?.deallocate()
        }
        blocks.deallocate()
        tokenLimits.deallocate()
        millisecondLimits.deallocate()
    }

    private static func stored(_ bounds: [UInt64]) -> UnsafePointer<UInt64> {
        let p = UnsafeMutablePointer<UInt64>.allocate(capacity: bounds.count)
        p.initialize(from: bounds, count: bounds.count)
        return UnsafePointer(p)
    }

    /// An exchange was served.
    ///
    /// - Parameter cost: micro-units; nil: the model has no price.
    func used(
        _ model: Int32, _ usage: UnsafePointer<TokenUsage>, cost: Int64?, operation: Endpoint,
        firstByteNanoseconds: UInt64
    ) {
        let block = block(Int(model) * Operation.allCases.count + Operation(operation).rawValue)
        Self.add(block + TokenType.prompt.rawValue, usage.pointee.prompt)
        Self.add(block + TokenType.completion.rawValue, usage.pointee.completion)
        Self.add(block + TokenType.cached.rawValue, usage.pointee.cached)
        Self.add(block + TokenType.cacheWrite.rawValue, usage.pointee.cacheWrite)
        Self.add(block + TokenType.reasoning.rawValue, usage.pointee.reasoning)
        if let cost { Self.add(block + Self.costWord, cost) } else { Self.add(block + Self.unpricedWord, 1) }
        observe(block + Self.inputWord, UInt64(max(usage.pointee.prompt, 0)), tokenLimits, Self.tokenCount)
        observe(block + Self.outputWord, UInt64(max(usage.pointee.completion, 0)), tokenLimits, Self.tokenCount)
        // Not of those whose client left before there was one.
        if firstByteNanoseconds == 0 { return }
        observe(
            block + Self.firstByteWord, firstByteNanoseconds / 1_000_000, millisecondLimits, Self.millisecondCount)
    }

    private static let tokenCount = 14
    private static let millisecondCount = 16

    private static func add(_ counter: UnsafeMutablePointer<Counter>, _ n: Int64) {
        if n <= 0 { return }
        counter.pointee.store(counter.pointee.load(ordering: .relaxed) &+ UInt64(n), ordering: .relaxed)
    }

    /// Buckets, one for what lies above every bound, then the sum.
    private func observe(
        _ histogram: UnsafeMutablePointer<Counter>, _ value: UInt64, _ limits: UnsafePointer<UInt64>, _ count: Int
    ) {
        var bucket = 0
        while bucket < count && limits[bucket] < value { bucket &+= 1 }
        Self.add(histogram + bucket, 1)
        Self.add(histogram + count + 1, Int64(clamping: value))
    }

    private func block(_ index: Int) -> UnsafeMutablePointer<Counter> {
        let address = blocks[index].load(ordering: .relaxed)
        if let p = UnsafeMutablePointer<Counter>(bitPattern: address) { return p }
        return makeBlock(index)
    }

    @inline(never)
    private func makeBlock(_ index: Int) -> UnsafeMutablePointer<Counter> {
        let p = UnsafeMutablePointer<Counter>.allocate(capacity: Self.words)
        for i in 0..<Self.words { (p + i).initialize(to: Atomic(0)) }
        blocks[index].store(UInt(bitPattern: p), ordering: .releasing)
        return p
    }

    // MARK: What others read

    /// Sums over all workers.
    static func collect(_ workers: [ProviderMetrics], labels: [ModelLabel: Int32]) -> [ModelMetrics] {
        var result: [ModelMetrics] = []
        for (label, number) in labels.sorted(by: { ($0.key.provider, $0.key.model) < ($1.key.provider, $1.key.model) })
        {
            for operation in Operation.allCases {
                let index = Int(number) * Operation.allCases.count + operation.rawValue
                let found = workers.compactMap {
                    UnsafeMutablePointer<Counter>(bitPattern: $0.blocks[index].load(ordering: .acquiring))
                }
                if found.isEmpty { continue }
                func sum(_ word: Int) -> UInt64 {
                    found.reduce(0) { $0 &+ ($1 + word).pointee.load(ordering: .relaxed) }
                }
                func histogram(_ word: Int, _ bounds: [UInt64], _ unit: Double) -> Histogram {
                    let counts = (0...bounds.count).map { sum(word + $0) }
                    return Histogram(
                        bucketsSeconds: bounds.map { Double($0) / unit }, counts: counts,
                        sum: Double(sum(word + bounds.count + 1)) / unit, count: counts.reduce(0, &+))
                }
                result.append(
                    ModelMetrics(
                        provider: label.provider, model: label.model, currency: label.currency,
                        operation: operation.name,
                        tokens: TokenType.allCases.map {
                            ModelMetrics.TokenCount(type: $0.name, count: sum($0.rawValue))
                        },
                        costMicros: sum(costWord), unpriced: sum(unpricedWord),
                        inputTokens: histogram(inputWord, tokenBounds, 1),
                        outputTokens: histogram(outputWord, tokenBounds, 1),
                        timeToFirstToken: histogram(firstByteWord, millisecondBounds, 1000)))
            }
        }
        return result
    }
}

/// What one model at one provider was used for since the start, for one kind of operation.
public struct ModelMetrics: Sendable, Equatable {
    public struct TokenCount: Sendable, Equatable {
        /// `prompt`, `completion`, `cached`, `cache_write` or `reasoning`.
        public var type: String
        public var count: UInt64
    }

    /// "other" stands for what no provider lists.
    public var provider: String
    public var model: String
    public var currency: String
    /// `gen_ai.operation.name`.
    public var operation: String
    public var tokens: [TokenCount]
    public var costMicros: UInt64
    /// Exchanges whose cost is not known, as the model has no price.
    public var unpriced: UInt64
    /// Buckets in tokens.
    public var inputTokens: Histogram
    public var outputTokens: Histogram
    public var timeToFirstToken: Histogram
}

/// How a provider is at the moment.
public struct ProviderStatus: Sendable, Equatable {
    public struct Key: Sendable, Equatable {
        public var keyID: String
        /// `ok`, `cooling` or `disabled`.
        public var state: String
        /// Why it is disabled; empty if it is not.
        public var reason: String
        /// Until it may be used again; 0 if it is not cooling.
        public var coolingMilliseconds: UInt64
        public var openExchanges: UInt64
    }

    public var name: String
    public var isEnabled: Bool
    /// `closed`, `open` or `half_open`.
    public var breaker: String
    /// It would take a request now.
    public var isUp: Bool
    public var openExchanges: UInt64
    /// Moving average; 0: not measured.
    public var firstByteMicroseconds: UInt64
    /// Moving average, 0…1.
    public var successShare: Double
    public var keys: [Key]
}

extension ProviderTable {
    /// How all providers are.
    func status(now: UInt64) -> [ProviderStatus] {
        (0..<providers.count).map { index in
            let provider = providers[index]
            let range = Int(provider.firstKey)..<Int(provider.firstKey) + Int(provider.keyCount)
            let breaker = provider.load.breaker
            let own = range.map { keys[$0] }
            let isUp =
                provider.isEnabled && breaker.state(nowMilliseconds: now) != .open
                && own.contains { $0.isEnabled && $0.load.health.isUsable(nowMilliseconds: now) }
            return ProviderStatus(
                name: provider.name.string, isEnabled: provider.isEnabled,
                breaker: breaker.state(nowMilliseconds: now).rawValue, isUp: isUp,
                openExchanges: provider.load.openExchanges,
                firstByteMicroseconds: provider.load.firstByteMicroseconds,
                successShare: Double(provider.load.successShare) / 65536,
                keys: own.filter { !$0.keyID.isEmpty }.map { key in
                    let health = key.load.health
                    let isUsable = health.isUsable(nowMilliseconds: now)
                    return ProviderStatus.Key(
                        keyID: key.keyID.string,
                        state: health.isDisabled ? "disabled" : isUsable ? "ok" : "cooling",
                        reason: "\(health.reason.name)",
                        coolingMilliseconds: isUsable || health.isDisabled ? 0 : health.coolingUntilMilliseconds - now,
                        openExchanges: key.load.openExchanges)
                })
        }
    }
}
