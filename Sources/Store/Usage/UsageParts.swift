import Reactor

/// At which service tier a provider says that it has served an exchange.
@frozen public enum ServiceLevel: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case standard, flex, priority, batch, balanced, ultrafast, other, decisions

    /// As in the database and the API.
    public var name: String { bytes.string }

    var bytes: Bytes {
        switch self {
        case .standard: Bytes("standard")
        case .flex: Bytes("flex")
        case .priority: Bytes("priority")
        case .batch: Bytes("batch")
        case .balanced: Bytes("balanced")
        case .ultrafast: Bytes("ultrafast")
        case .other: Bytes("other")
        case .decisions: Bytes("decisions")
        }
    }
}

/// What of an exchange's usage may have had a price of its own, so that its cost can be reckoned again from its record; but for
/// the size of searches, and which of them were in files.
@frozen public struct UsageParts: Sendable, Equatable, BitwiseCopyable {
    /// Of what was written to a cache: for an hour.
    public var cacheWriteLong: Int64 = 0
    /// Of the prompt: sound and pictures.
    public var inputAudio: Int64 = 0
    public var inputImage: Int64 = 0
    /// Of what was read from a cache: sound.
    public var cachedAudio: Int64 = 0
    /// Of the completion: sound and pictures.
    public var outputAudio: Int64 = 0
    public var outputImage: Int64 = 0
    /// Beside the prompt: what tools put in.
    public var toolPrompt: Int64 = 0
    /// In the web, in files and of rankings.
    public var searches: Int64 = 0
    /// Pictures that were made.
    public var images: Int64 = 0
    /// Of sound that was listened to.
    public var milliseconds: Int64 = 0
    /// Of a text that was spoken.
    public var characters: Int64 = 0
    /// Of documents that were read, and of these with annotations.
    public var pages: Int64 = 0
    public var annotatedPages: Int64 = 0
    public var tier = ServiceLevel.standard

    @inlinable public init() {}

    /// Nothing of it is there: the columns' defaults.
    @inline(__always)
    var isPlain: Bool {
        cacheWriteLong | inputAudio | inputImage | cachedAudio | outputAudio | outputImage | toolPrompt | searches
            | images | milliseconds == 0 && tier == .standard && !hasPieces
    }

    /// What few exchanges have: it takes room in their records alone.
    @inlinable
    @inline(__always)
    var hasPieces: Bool { characters | pages | annotatedPages != 0 }

    /// The columns of `usage_records` that hold the counts.
    static let columns: [(name: String, count: WritableKeyPath<UsageParts, Int64> & Sendable)] = [
        ("cache_write_1h_tokens", \.cacheWriteLong), ("input_audio_tokens", \.inputAudio),
        ("input_image_tokens", \.inputImage), ("cached_audio_tokens", \.cachedAudio),
        ("output_audio_tokens", \.outputAudio), ("output_image_tokens", \.outputImage),
        ("tool_tokens", \.toolPrompt), ("searches", \.searches), ("images", \.images),
        ("duration_ms", \.milliseconds), ("characters", \.characters), ("pages", \.pages),
        ("annotated_pages", \.annotatedPages),
    ]
    /// Of these, what version 3 of the schema had.
    static let firstColumns = 10

    /// The same with their names, for a report.
    public var counts: [(name: String, count: Int64)] { Self.columns.map { ($0.name, self[keyPath: $0.count]) } }
}
