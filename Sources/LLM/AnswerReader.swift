import CScan
import JSON
import Reactor

/// Reads an answer while it passes: what it used, which model served it, whether content has come, whether it failed,
/// whether it is whole. It keeps a few hundred bytes, whatever comes, and allocates nothing.
///
/// Feed it the body's bytes after transfer and content coding are taken off, in pieces of any size.
public struct AnswerReader: BitwiseCopyable, Sendable {
    public private(set) var endpoint: Endpoint
    public private(set) var apiType: APIType
    /// As told, until the first byte tells better.
    public internal(set) var framing: Framing
    /// A last event was seen: nothing may follow it.
    public internal(set) var sawLastEvent = false
    /// Whole JSON objects seen: events of a stream, or the one answer.
    public internal(set) var documents: UInt32 = 0
    /// An error came, in a stream or instead of an answer. What kind; `.none` while there is none.
    public internal(set) var fault: Fault = .none
    /// A last event, a reason to finish or the end of the JSON text was seen.
    public internal(set) var sawEnd = false

    /// What the error calls itself; `.none` if that says nothing.
    private(set) var namedFault = Fault.none

    // Server-sent events: see AnswerReader+Lines. Here and below small fields fill what alignment leaves.
    var isSniffed = false
    var markBytes: UInt8 = 0
    @usableFromInline var column: UInt8 = 0
    var afterCarriageReturn = false
    @usableFromInline var hasData = false

    @usableFromInline var event = EventType.other
    var eventFault = Fault.none
    /// `eventFault`, if there is one, is a status in the body: a name goes before it.
    private var faultIsStatus = false
    @usableFromInline var eventHasError = false
    var eventFinishes = false
    var eventHasRole = false
    // Of the event that ended last: see StreamOpening and EventShape.
    private(set) var lastEvent = EventType.other
    private(set) var lastHasRole = false
    private(set) var lastIsReport = false
    private(set) var lastHasFields = false
    private(set) var lastNamesModel = false
    private var eventNamesModel = false
    /// The event's fields come from a place that counts only if the proper one says nothing.
    var fieldsAreAside = false
    var fieldsComplete = false
    var skipsFields = false
    /// Of `[DONE]`, bytes seen.
    var doneMatched: UInt8 = 0
    private(set) var images: UInt32 = 0
    /// Searches that the answer shows.
    var searches: UInt32 = 0
    /// Searches that it tells the number of (OpenAI's `tool_usage`); 0: it does not.
    var toldSearches: UInt32 = 0
    /// How often it spoke of any.
    private(set) var searchMentions: UInt32 = 0
    /// A chat completion cites what it found in the web, or says how much it was: Perplexity's.
    var hasSearched = false
    var searchSize = SearchSize.unsaid
    /// Of `queries`.
    private var queryCount: UInt8 = 0
    /// Of the item of an output that is being read.
    private var item = OutputItem()
    /// Of a list that tells a number in parts: the part that is being read.
    private var partCount: Int32 = -1
    private var partKind = PartKind.other
    /// Searches in files that the answer shows.
    var fileSearches: UInt16 = 0
    var passes = UsagePasses()
    var tier = ServiceTier.standard
    var isFast = false
    var isRegional = false
    /// What had been counted when the event's type was read, modulo 2³².
    private var countedBefore: UInt32 = 0
    // Of a body that is a row of frames: see AnswerReader+Frames.
    var frame = EventFrame()
    /// What the answer's head says.
    var headUsage: (prompt: UInt32, completion: UInt32)?
    var reportIsAside = false
    /// The report is Anthropic's first, with what went in.
    var reportIsBeginning = false
    /// The report is Anthropic's last.
    var reportIsDelta = false
    var hasOwnKey = false
    @usableFromInline var modelLength: UInt8 = 0

    // From the walk's text on nothing is made anew: see ReaderPointers.
    @usableFromInline var walk = JSONWalk(root: FG_LLM_ROOT)
    /// Of the object that is being read.
    var fields = UsageFields()
    /// Of all so far.
    var report = UsageFields()
    @usableFromInline var model: InlineArray<64, UInt8> = .init(repeating: 0)
    /// Of Gemini's searches, so that one that is told twice counts once.
    private var queries: InlineArray<8, UInt32> = .init(repeating: 0)

    /// - Parameter framing: by the Content-Type; see `Framing.of`.
    public init(endpoint: Endpoint, apiType: APIType, framing: Framing) {
        self.endpoint = endpoint
        self.apiType = apiType
        self.framing = framing
        if endpoint.answersAtRoot { walk.root = FG_LLM_NATIVE_ROOT }
    }

    /// Says what a reader that has read nothing is to read: `init` without another kilobyte to fill.
    public mutating func begin(endpoint: Endpoint, apiType: APIType, framing: Framing) {
        self.endpoint = endpoint
        self.apiType = apiType
        self.framing = framing
        walk.root = endpoint.answersAtRoot ? FG_LLM_NATIVE_ROOT : FG_LLM_ROOT
    }

    // What is asked often is inlined: a call would get a copy of the reader's kilobyte.

    /// Something generated has begun: text, reasoning, a tool call, a picture, sound, or what nobody here knows. An event
    /// says nothing only as far as it consists of empty values and of members that are known to say nothing
    /// (`fg_llm_says_nothing`).
    @inlinable @inline(__always) public var contentSeen: Bool { walk.countedBytes | walk.otherBytes > 0 }

    /// The object that is being read has a member that tells of an error.
    @inlinable @inline(__always) public var errorHasBegun: Bool { eventHasError || event == .error }

    /// Size of the text, reasoning and tool calls so far, in bytes of their JSON text.
    @inlinable @inline(__always) public var contentBytes: UInt64 { walk.countedBytes }

    /// The answer has ended as its format says, not only stopped.
    @inlinable @inline(__always)
    public var isFinished: Bool {
        sawEnd || (framing == .json && documents > 0 && walk.isBetweenTexts)
    }

    /// What was fed so far ends where an event ends, so that another may follow.
    @inlinable @inline(__always)
    public var isAtEventBoundary: Bool { column == 0 && !hasData && walk.isBetweenTexts }

    /// How many line feeds have to follow what was fed so far of a stream before another event may: none between events,
    /// up to two where no more is missing than an event's empty line, or the rest of a comment; nil within an event's text,
    /// which nobody but the provider can end.
    public var lineFeedsToBoundary: Int? {
        guard framing == .sse, column != Self.columnBeforeColon else { return nil }
        if hasData {
            guard doneMatched == Self.doneIsOver, walk.isBetweenTexts else { return nil }
        } else if column == 0, !afterCarriageReturn {
            return walk.isBetweenTexts ? 0 : nil
        }
        return column == 0 && !afterCarriageReturn ? 1 : hasData || column > 0 ? 2 : 0
    }

    /// The model that the answer names, or the start of a name longer than 64 bytes; empty if it names none.
    @inlinable
    public func withServedModel<Result>(_ body: (Bytes) -> Result) -> Result {
        let (copy, count) = (model, Int(modelLength))
        return copy.span.withUnsafeBufferPointer { body(Bytes($0.baseAddress, count)) }
    }

    /// The head of the answer tells what it used (Bedrock's `x-amzn-bedrock-…-token-count`): counts where the body does not.
    public mutating func noteHead(prompt: Int64, completion: Int64) {
        guard let prompt = UInt32(exactly: prompt), let completion = UInt32(exactly: completion) else { return }
        headUsage = (prompt, completion)
    }

    /// What holds from the event on that says it, in one number.
    var standing: UInt8 {
        tier.rawValue << 4 | (isFast ? 1 : 0) | (isRegional ? 2 : 0) | (passes.hasOthers ? 4 : 0) | (hasOwnKey ? 8 : 0)
    }

    // MARK: What the walk comes upon

    /// Takes bytes of JSON.
    mutating func read(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var i = 0
        while true {
            let found = walk.next(p, n, &i)
            switch found.kind {
            case .needMore, .malformed: return
            case .number: takeNumber(found)
            case .string:
                if found.start >= 0 {
                    takeString(found.place, p + found.start, found.count)
                } else {
                    let copy = walk.token
                    copy.span.withUnsafeBufferPointer { takeString(found.place, $0.baseAddress!, found.count) }
                }
            case .literal:
                if found.place == UInt8(FG_LLM_DONE), found.value == 1 { eventFinishes = true }
                if found.place == UInt8(FG_LLM_OWN_KEY) { hasOwnKey = found.value == 1 }
            case .begin: begin(found.place)
            case .end: end(found.place)
            case .array: beginArray(found.place)
            case .cleared: clear(found.place)
            case .document:
                commit()
                beginDocument()
            }
        }
    }

    @inline(__always)
    mutating func beginDocument() {
        fields.removeAll()
        event = .other
        eventFault = .none
        eventHasError = false
        eventFinishes = false
        eventHasRole = false
        eventNamesModel = false
        fieldsAreAside = false
        fieldsComplete = false
        skipsFields = false
    }

    private mutating func takeNumber(_ found: WalkEvent) {
        let field = Int(found.place) &- FG_LLM_FIELD
        if field >= 0 {
            setField(field, found.value)
        } else if found.place == UInt8(FG_LLM_PART_COUNT) {
            partCount = Int32(clamping: found.value)
        } else if found.place == UInt8(FG_LLM_COST) {
            fields.set(FG_USAGE_COST, found.value)
        } else if found.place == UInt8(FG_LLM_COST_TICKS) {
            // xAI's: 10¹⁰ of them are a dollar.
            fields.set(FG_USAGE_COST, found.value < 0 ? -1 : (found.value &+ 5000) / 10_000)
        } else if found.place == UInt8(FG_LLM_TOOL_SEARCHES) {
            toldSearches = UInt32(clamping: min(found.value, 1_000_000))
        } else if found.place == UInt8(FG_LLM_BASE_CODE) {
            let failed = FaultNames.fault(baseCode: found.value)
            if failed != .none {
                eventHasError = true
                takeName(failed, isTelling: true)
            }
        } else if found.value >= 400, found.value < 600 {
            // A status. Other numbers are a provider's own, and say nothing of whose fault it is.
            takeStatus(Int(found.value))
            // Some tell of an error by nothing else.
            eventHasError = true
        }
    }

    /// A frame's head says that it tells of an error, and what that is called.
    mutating func takeException(_ p: UnsafePointer<UInt8>, _ n: Int) {
        eventHasError = true
        takeName(FaultNames.fault(p, n), isTelling: true)
    }

    @inline(__always)
    private mutating func setField(_ field: Int, _ value: Int64) {
        if skipsFields { setAside(field, value) } else { fields.set(field, value) }
    }

    @inline(never)
    private mutating func setAside(_ field: Int, _ value: Int64) {
        if passes.isOpen { passes.set(field, value) }
    }

    /// A status in an error's body: counts where no name says more.
    private mutating func takeStatus(_ status: Int) {
        guard eventFault == .none else { return }
        eventFault = FaultNames.fault(status: status)
        faultIsStatus = true
    }

    /// The name of an error.
    /// - Parameter isTelling: it is a code or reason; those go before types.
    private mutating func takeName(_ named: Fault, isTelling: Bool) {
        guard named != .none else { return }
        if eventFault == .none || (faultIsStatus && named != .callerError)
            || (!faultIsStatus && (eventFault == .callerError || (isTelling && named != .callerError)))
        {
            eventFault = named
            faultIsStatus = false
        }
    }

    private mutating func begin(_ place: UInt8) {
        switch Int(place) {
        case FG_LLM_USAGE, FG_LLM_GEMINI_USAGE:
            fields.removeAll()
            fieldsAreAside = false
        case FG_LLM_SIDE_USAGE:
            if fields.isEmpty { fieldsAreAside = true } else { skipsFields = !fieldsAreAside }
        case FG_LLM_METRICS: fieldsComplete = true
        case FG_LLM_ERROR: eventHasError = true
        case FG_LLM_PROMPT_PARTS, FG_LLM_CACHED_PARTS, FG_LLM_ANSWER_PARTS, FG_LLM_OTHER_PARTS:
            (partKind, partCount) = (.other, -1)
        case FG_LLM_ITERATION:
            passes.begin(asideOfSkipped: skipsFields)
            skipsFields = true
        case FG_LLM_PICTURE: images = min(images &+ 1, 1_000_000)
        case FG_LLM_OUTPUT, FG_LLM_ITEMS: item = OutputItem()
        case FG_LLM_CITATION: hasSearched = true
        default: break
        }
    }

    private mutating func beginArray(_ place: UInt8) {
        // Of what is there twice the last counts.
        if place == UInt8(FG_LLM_ITERATION), !skipsFields { passes.beginList() }
        if place == UInt8(FG_LLM_ITEMS) || place == UInt8(FG_LLM_OUTPUT) { (searches, fileSearches) = (0, 0) }
    }

    /// Gemini bills each search once, and none that is empty.
    private mutating func takeQuery(_ p: UnsafePointer<UInt8>, _ n: Int) {
        guard n > 0 else { return }
        searchMentions &+= 1
        // FNV-1a; of what is cut between two pieces no more is known.
        var hash: UInt32 = 0x811C_9DC5
        for i in 0..<min(n, JSONWalk.tokenCapacity) { hash = (hash ^ UInt32(p[i])) &* 0x0100_0193 }
        for i in 0..<Int(queryCount) where queries[i] == hash { return }
        if Int(queryCount) < queries.count {
            queries[Int(queryCount)] = hash
            queryCount &+= 1
        }
        searches = min(searches &+ 1, 1_000_000)
    }

    private mutating func end(_ place: UInt8) {
        switch Int(place) {
        case FG_LLM_SIDE_USAGE: skipsFields = false
        case FG_LLM_ITERATION: skipsFields = passes.end()
        case FG_LLM_PROMPT_PARTS:
            if partKind == .audio { fields.add(FG_USAGE_INPUT_AUDIO, Int64(partCount)) }
            if partKind == .image { fields.add(FG_USAGE_INPUT_IMAGE, Int64(partCount)) }
        case FG_LLM_CACHED_PARTS: fields.add(FG_USAGE_CACHED_AUDIO, partKind == .audio ? Int64(partCount) : 0)
        case FG_LLM_ANSWER_PARTS:
            if partKind == .audio { fields.add(FG_USAGE_OUTPUT_AUDIO, Int64(partCount)) }
            if partKind == .image { fields.add(FG_USAGE_OUTPUT_IMAGE, Int64(partCount)) }
        case FG_LLM_OTHER_PARTS:
            if partKind == .hour { fields.add(FG_USAGE_CACHE_WRITE_LONG, Int64(partCount)) }
            if partKind == .search { fields.add(FG_USAGE_SEARCHES, Int64(partCount)) }
        case FG_LLM_OUTPUT, FG_LLM_ITEMS:
            if item.isFileSearch, fileSearches < .max { fileSearches &+= 1 }
            guard item.isSearch else { return }
            searches = min(searches &+ 1, 1_000_000)
            searchMentions &+= 1
        default: break
        }
    }

    /// Of members that are there twice the last counts, also if it is null.
    private mutating func clear(_ place: UInt8) {
        switch Int(place) {
        case FG_LLM_FIELD...: setField(Int(place) &- FG_LLM_FIELD, -1)
        case FG_LLM_USAGE, FG_LLM_GEMINI_USAGE: if !fieldsAreAside { fields.removeAll() }
        case FG_LLM_ERROR: eventHasError = false
        case FG_LLM_TYPE: event = .other
        case FG_LLM_ITEMS: (searches, fileSearches) = (0, 0)
        default: break
        }
    }

    private mutating func takeString(_ place: UInt8, _ p: UnsafePointer<UInt8>, _ n: Int) {
        switch Int(place) {
        case FG_LLM_MODEL:
            eventNamesModel = true
            if n > 0 { setModel(p, n) }
        case FG_LLM_TYPE:
            event = EventType.named(p, n)
            if event == .sound { countedBefore = UInt32(truncatingIfNeeded: walk.countedBytes) }
        case FG_LLM_FINISH:
            eventFinishes = n > 0
            let failed = FaultNames.fault(finish: p, n)
            if failed != .none {
                eventHasError = true
                takeName(failed, isTelling: false)
            }
        case FG_LLM_PART_KIND: partKind = PartKind.named(p, n)
        case FG_LLM_TIER: tier = ServiceTier.named(p, n)
        case FG_LLM_SPEED: isFast = PartKind.isName("fast", p, n)
        case FG_LLM_GEO: isRegional = PartKind.isName("us", p, n)
        case FG_LLM_ITERATION_TYPE: passes.setKind(p, n)
        case FG_LLM_ROLE: eventHasRole = true
        case FG_LLM_ITEM_TYPE: item.setType(p, n)
        case FG_LLM_ITEM_STATUS: item.setStatus(p, n)
        case FG_LLM_ACTION_TYPE: item.setAction(p, n)
        case FG_LLM_QUERIES: takeQuery(p, n)
        case FG_LLM_SEARCH:
            searchSize = SearchSize.named(p, n)
            if searchSize != .unsaid { hasSearched = true }
        case FG_LLM_ERROR: if n > 0 { eventHasError = true }
        case FG_LLM_ERROR_CODE, FG_LLM_ERROR_REASON:
            if let status = Self.status(p, n) {
                if errorHasBegun { takeStatus(status) }
            } else {
                takeName(FaultNames.fault(p, n), isTelling: true)
            }
        case FG_LLM_ERROR_TYPE, FG_LLM_ERROR_STATUS: takeName(FaultNames.fault(p, n), isTelling: false)
        default: break
        }
    }

    /// Azure's and LiteLLM's codes are a status as text.
    private static func status(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int? {
        guard n == 3, p[0] &- UInt8(ascii: "4") < 2, p[1] &- UInt8(ascii: "0") < 10, p[2] &- UInt8(ascii: "0") < 10
        else { return nil }
        return Int(p[0] &- 48) &* 100 &+ Int(p[1] &- 48) &* 10 &+ Int(p[2] &- 48)
    }

    private mutating func setModel(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var count = min(n, 64)
        // Not through a character.
        if count < n { while count > 0, p[count] & 0xC0 == 0x80 { count &-= 1 } }
        var k = 0
        while k < count {
            model[k] = p[k]
            k &+= 1
        }
        modelLength = UInt8(truncatingIfNeeded: count)
    }

    /// The object that was read is whole: what it says holds.
    mutating func commit() {
        if documents < .max { documents &+= 1 }
        lastEvent = event
        lastHasRole = eventHasRole
        lastIsReport = fields.isReport
        lastHasFields = !fields.isEmpty
        lastNamesModel = eventNamesModel
        if eventHasError || event == .error || event == .failed {
            if fault == .none {
                namedFault = eventFault
                fault = eventFault == .none ? .serverError : eventFault
            }
            if event == .failed { sawEnd = true }
        }
        if event == .last || event == .failed { sawLastEvent = true }
        if eventFinishes || event == .last { sawEnd = true }
        if event == .sound {
            let sound = UInt64(UInt32(truncatingIfNeeded: walk.countedBytes) &- countedBefore)
            walk.otherBytes &+= sound
            walk.countedBytes &-= sound
        }
        guard fields.isReport || ((fields.hasUnits || fields.hasCost) && report.isEmpty) else { return }
        if fieldsAreAside {
            if report.isEmpty || reportIsAside {
                report = fields
                reportIsAside = true
            }
        } else if fieldsComplete, reportIsDelta {
            // Bedrock's own count beside the model's, which it is below where tools were called.
        } else if event == .messageStart || event == .messageDelta || fieldsComplete {
            // Cumulative: what the later one says replaces what the earlier said, the rest stays.
            report.merge(fields)
            reportIsBeginning = event == .messageStart
            reportIsDelta = event == .messageDelta
        } else {
            report = fields
            (reportIsAside, reportIsBeginning) = (false, false)
        }
        // Bedrock's last event.
        if framing == .eventStream, fieldsComplete || fields.hasTotal { sawEnd = true }
    }
}
