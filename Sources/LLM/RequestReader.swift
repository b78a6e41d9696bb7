import CScan
import Reactor

/// Reads what a request asks for while its body arrives, in pieces of any size: the model, whether it streams, how much it
/// may generate, how much it gives the model to read. Of members that are there twice the last counts. Allocates nothing.
public struct RequestReader: BitwiseCopyable, Sendable {
    /// A part of the body, by offsets.
    @frozen public struct Span: BitwiseCopyable, Equatable, Sendable {
        public var start: UInt64
        public var end: UInt64

        public init(start: UInt64, end: UInt64) {
            self.start = start
            self.end = end
        }
    }

    /// The longest name of a model, in bytes.
    public static let modelCapacity = 128

    /// `"stream": true`.
    public private(set) var streams = false
    /// `stream_options.include_usage`, if it is given as true or false.
    public private(set) var includeUsage: Bool?
    /// How often `model` is there.
    public private(set) var modelCount: UInt32 = 0
    /// It is there more than once with different values. To be refused: whoever reads on may take another one.
    public private(set) var modelsDisagree = false
    /// There are models to be asked if the named one fails (OpenRouter's `models`, LiteLLM's and Anthropic's `fallbacks`), or
    /// a tool that asks one (Anthropic's advisor, OpenAI's pictures).
    public private(set) var namesOtherModels = false
    /// The name is longer than `modelCapacity`, so no model's.
    public private(set) var modelIsTooLong = false
    /// Where the last model's name stands, quotes included; nil if `model` is missing or no string.
    public private(set) var modelSpan: Span?
    /// The body is one whole JSON object.
    public private(set) var isWhole = false
    public private(set) var isMalformed = false
    public private(set) var bytesSeen: UInt64 = 0

    // For RequestEdit: behind the brace that opens the body, the same of `stream_options`, what it is if it is no object,
    // and `include_usage`'s value, whose end is 0 if it is neither true nor false.
    private(set) var opening: UInt64?
    private(set) var optionsOpening: UInt64?
    private(set) var optionsValue: UInt64?
    private(set) var includeUsageSpan: Span?

    /// Where `input` begins that is a text, at its quote; 0 if it is none.
    fileprivate var inputStart: UInt64 = 0

    private var documents = DocumentPages()

    /// What it asks to be served as; `.standard` unless it asks for another.
    public private(set) var tier = ServiceTier.standard
    /// Anthropic's fast mode is asked for.
    public private(set) var isFast = false
    /// A chat completion is to search the web (`web_search_options`), and how much of what it finds the model is to read.
    public private(set) var asksForSearch = false
    public private(set) var searchSize = SearchSize.unsaid

    @usableFromInline var maxPlain: Int64?
    @usableFromInline var maxCompletion: Int64?
    @usableFromInline var maxOutput: Int64?
    @usableFromInline var maxNested: Int64?
    @usableFromInline var count: Int64 = 1
    @usableFromInline var bestOf: Int64 = 1
    @usableFromInline var mediaCount: Int64 = 0
    fileprivate var media = PromptMedia()
    @usableFromInline var textCount: Int64 = 0
    @usableFromInline var textLists: Int64 = 0
    fileprivate var hasTools = false
    @usableFromInline var modelLength: UInt8 = 0

    // From the walk's text on nothing is made anew: see ReaderPointers.
    @usableFromInline var walk = JSONWalk(root: FG_LLM_REQUEST)
    @usableFromInline var model: InlineArray<128, UInt8> = .init(repeating: 0)

    public init() {}

    // What is asked of every request is inlined: a call would get a copy of the reader's 700 bytes.

    /// The most tokens to generate for one choice, if limited: the greater of `max_tokens` (`max_output_tokens`,
    /// `generationConfig.maxOutputTokens`) and `max_completion_tokens`.
    @inlinable @inline(__always) public var maxTokens: Int64? {
        Self.greater(Self.greater(maxPlain, maxCompletion), Self.greater(maxOutput, maxNested))
    }

    /// The same, of those members only that the endpoint's API has: another one would be overlooked there.
    @inlinable
    @inline(__always)
    public func maxTokens(at endpoint: Endpoint) -> Int64? {
        switch endpoint {
        case .chatCompletions, .completions: Self.greater(maxPlain, maxCompletion)
        case .responses: maxOutput
        case .messages: maxPlain
        case .geminiGenerate, .geminiStream, .interactions: maxNested
        default: maxTokens
        }
    }

    @usableFromInline
    static func greater(_ a: Int64?, _ b: Int64?) -> Int64? {
        guard let a, let b else { return a ?? b }
        return max(a, b)
    }

    /// How many choices are generated: the greater of `n` (`candidateCount`) and `best_of`, at least 1, of each text that
    /// `prompt` holds.
    @inlinable @inline(__always) public var choices: Int64 {
        max(1, count, bestOf) &* max(1, textCount &+ max(0, textLists &- 1))
    }

    /// The most tokens that the model can have to read: one for every byte of text, which no tokenizer goes beyond; for
    /// pictures, sound and files see `PromptMedia`; no more than its context holds.
    /// - Parameters:
    ///   - pictureTokens: of one picture at most, see `PromptMedia.pictureTokens`.
    ///   - context: tokens that the model takes in; 0: not known.
    public func promptBound(pictureTokens: Int64, context: Int64) -> Int64 {
        var copy = self
        return withUnsafeMutablePointer(to: &copy) { $0.promptBound(pictureTokens: pictureTokens, context: context) }
    }

    /// Tokens the model will read, guessed from the body's size: four bytes each; a picture, sound or file counts 1,000 and
    /// one for every 1,000 bytes of it.
    @inlinable @inline(__always) public var promptEstimate: Int64 {
        let media = walk.countedBytes
        let text = bytesSeen &- min(media, bytesSeen)
        return Int64(min((text &+ 3) / 4, UInt64(TokenUsage.limit))) &+ mediaCount &* 1000 &+ Int64(media / 1000)
    }

    /// The most pages of a document that are to be read, and whether they are to be annotated.
    @inline(__always) public var pages: (count: Int64, areAnnotated: Bool) { (documents.most, documents.areAnnotated) }

    /// The model's name, unescaped; empty if there is none.
    @inlinable
    public func withModel<Result>(_ body: (Bytes) -> Result) -> Result {
        let (copy, count) = (model, Int(modelLength))
        return copy.span.withUnsafeBufferPointer { body(Bytes($0.baseAddress, count)) }
    }

    /// Whether a stream's usage has to be asked for, because the client did not.
    @inlinable
    @inline(__always)
    public func needsUsageOption(endpoint: Endpoint) -> Bool {
        streams && includeUsage != true && endpoint.takesStreamOptions
    }

    /// Takes the next `n` bytes of the body.
    public mutating func feed(_ p: UnsafePointer<UInt8>, _ n: Int) {
        let base = bytesSeen
        bytesSeen &+= UInt64(truncatingIfNeeded: n)
        var i = 0
        while true {
            let found = walk.next(p, n, &i, base: base)
            let end = base &+ UInt64(truncatingIfNeeded: i)
            switch found.kind {
            case .needMore: return
            case .malformed:
                isMalformed = true
                return
            case .document:
                // One object and nothing more.
                if isWhole { isMalformed = true }
                isWhole = true
            case .begin: begin(found.place, end)
            case .number: takeNumber(found)
            case .literal:
                if found.place == UInt8(FG_LLM_REQUEST_STREAM) { streams = found.value == 1 }
                if found.place == UInt8(FG_LLM_INCLUDE_USAGE) {
                    includeUsage = found.value == 1
                    includeUsageSpan = Span(start: walk.valueStart, end: end)
                }
            case .string:
                guard found.place == UInt8(FG_LLM_REQUEST_MODEL) else {
                    if found.start >= 0 {
                        takeString(found.place, p + found.start, found.count)
                    } else {
                        let copy = walk.token
                        copy.span.withUnsafeBufferPointer { takeString(found.place, $0.baseAddress!, found.count) }
                    }
                    continue
                }
                let span = Span(start: walk.valueStart, end: end)
                if found.start >= 0 {
                    setModel(p + found.start, found.count, span)
                } else {
                    let copy = walk.token
                    let length = walk.tokenIsCut ? Self.modelCapacity &+ 1 : found.count
                    copy.span.withUnsafeBufferPointer { setModel($0.baseAddress!, length, span) }
                }
            case .cleared: clear(found.place)
            case .array:
                if found.place == UInt8(FG_LLM_TEXTS) { textLists &+= 1 }
                if found.place == UInt8(FG_LLM_REQUEST_INPUT) { inputStart = 0 }
                if found.place == UInt8(FG_LLM_PAGES) { documents.beginList(isNested: walk.depth > 2) }
                if found.place == UInt8(FG_LLM_TOOLS) { hasTools = true }
                if found.place == UInt8(FG_LLM_OTHER_MODELS) { namesOtherModels = true }
            case .end: break
            }
        }
    }

    private mutating func begin(_ place: UInt8, _ end: UInt64) {
        switch Int(place) {
        case FG_LLM_REQUEST:
            // Objects in an array are no request.
            if walk.depth == 1 { opening = opening ?? end } else { isMalformed = true }
        case FG_LLM_STREAM_OPTIONS:
            optionsOpening = end
            (optionsValue, includeUsage, includeUsageSpan) = (nil, nil, nil)
        case FG_LLM_REQUEST_INPUT: inputStart = 0
        case FG_LLM_DOCUMENT: documents.isPicture = false
        case FG_LLM_ANNOTATION: documents.areAnnotated = true
        case FG_LLM_PAGES: documents.listed = -1
        case FG_LLM_SEARCH: (asksForSearch, searchSize) = (true, .unsaid)
        case FG_LLM_MEDIA: beginMedia(.file)
        case FG_LLM_IMAGE: beginMedia(.picture)
        case FG_LLM_SOUND: beginMedia(.sound)
        case FG_LLM_SOURCE: beginMedia(media.nextIsPicture ? .picture : .file)
        case FG_LLM_ELSEWHERE, FG_LLM_TEXTS: media.isElsewhere = true
        default: break
        }
    }

    private mutating func beginMedia(_ kind: PromptMedia.Kind) {
        mediaCount = min(mediaCount &+ 1, 1_000_000)
        media.begin(kind, walk.countedBytes)
    }

    private mutating func takeString(_ place: UInt8, _ p: UnsafePointer<UInt8>, _ n: Int) {
        switch Int(place) {
        case FG_LLM_TEXTS: textCount = min(textCount &+ 1, 1_000_000)
        case FG_LLM_ELSEWHERE: if n > 0 { media.isElsewhere = true }
        case FG_LLM_OTHER_MODELS: namesOtherModels = true
        case FG_LLM_PROMPT_TYPE: media.nextIsPicture = PartKind.isName("image", p, n)
        case FG_LLM_SOURCE_TYPE: media.setType(p, n)
        case FG_LLM_DOCUMENT_TYPE: documents.isPicture = PartKind.isName("image_url", p, n)
        case FG_LLM_TIER: tier = ServiceTier.named(p, n)
        case FG_LLM_SPEED: isFast = PartKind.isName("fast", p, n)
        case FG_LLM_SEARCH: searchSize = SearchSize.named(p, n)
        default: break
        }
    }

    private mutating func takeNumber(_ found: WalkEvent) {
        let value = found.value < 0 ? nil : found.value
        switch Int(found.place) {
        case FG_LLM_MAX_TOKENS: maxPlain = value
        case FG_LLM_MAX_COMPLETION_TOKENS: maxCompletion = value
        case FG_LLM_MAX_OUTPUT_TOKENS: maxOutput = value
        case FG_LLM_MAX_NESTED_TOKENS: maxNested = value
        case FG_LLM_COUNT: count = value ?? 1
        case FG_LLM_BEST_OF: bestOf = value ?? 1
        case FG_LLM_PAGES: documents.add()
        default: break
        }
    }

    /// What is there is not what belongs there.
    private mutating func clear(_ place: UInt8) {
        switch Int(place) {
        case FG_LLM_REQUEST_MODEL:
            modelsDisagree = modelsDisagree || modelCount > 0
            modelCount &+= 1
            (modelSpan, modelLength) = (nil, 0)
        case FG_LLM_REQUEST_INPUT: inputStart = walk.depth == 1 ? walk.valueStart : 0
        case FG_LLM_REQUEST_STREAM: streams = false
        case FG_LLM_STREAM_OPTIONS:
            (optionsOpening, includeUsage, includeUsageSpan) = (nil, nil, nil)
            optionsValue = walk.valueStart
        case FG_LLM_INCLUDE_USAGE:
            // Where it ends may not be here yet.
            (includeUsage, includeUsageSpan) = (nil, Span(start: walk.valueStart, end: 0))
        case FG_LLM_MAX_TOKENS: maxPlain = nil
        case FG_LLM_MAX_COMPLETION_TOKENS: maxCompletion = nil
        case FG_LLM_MAX_OUTPUT_TOKENS: maxOutput = nil
        case FG_LLM_MAX_NESTED_TOKENS: maxNested = nil
        case FG_LLM_TIER: tier = .standard
        case FG_LLM_SPEED: isFast = false
        // Its size, or all of it.
        case FG_LLM_SEARCH: (asksForSearch, searchSize) = (asksForSearch && walk.depth > 1, .unsaid)
        case FG_LLM_COUNT: count = 1
        case FG_LLM_BEST_OF: bestOf = 1
        case FG_LLM_PAGES: documents.listed = -1
        default: break
        }
    }

    private mutating func setModel(_ p: UnsafePointer<UInt8>, _ n: Int, _ span: Span) {
        var same = modelSpan != nil && n == Int(modelLength)
        modelIsTooLong = n > Self.modelCapacity
        let kept = min(n, Self.modelCapacity)
        var k = 0
        while k < kept {
            if model[k] != p[k] {
                same = false
                model[k] = p[k]
            }
            k &+= 1
        }
        if modelCount > 0, !same || modelIsTooLong { modelsDisagree = true }
        modelCount &+= 1
        modelLength = UInt8(truncatingIfNeeded: kept)
        modelSpan = span
    }
}

extension UnsafeMutablePointer<RequestReader> {
    /// The characters (Unicode code points) of a text that is to be spoken: `input`.
    /// - Parameter body: all that was fed.
    /// - Returns: 0 if there is no text, or the body is not one JSON object.
    public func spokenCharacters(in body: Bytes) -> Int64 {
        let start = pointee.inputStart
        guard pointee.isWhole, !pointee.isMalformed, start > 0, start < UInt64(body.count), let p = body.pointer else {
            return 0
        }
        return SpokenText.characters(p, body.count, from: Int(start))
    }

    /// `RequestReader.promptBound` of a reader where it stands: a call on the value would get a copy of it.
    public func promptBound(pictureTokens: Int64, context: Int64) -> Int64 {
        let counted = pointee.walk.countedBytes
        var bound = Int64(clamping: pointee.bytesSeen &- min(counted, pointee.bytesSeen))
        var media = pointee.media
        media.close(counted)
        bound &+= media.tokens(pictureTokens: pictureTokens)
        // Anthropic's own instructions for tools are below this.
        if pointee.hasTools { bound &+= 1000 }
        if media.isElsewhere { bound &+= max(context, PromptMedia.unknownTokens) }
        return min(bound, context > 0 ? context : TokenUsage.limit)
    }
}
