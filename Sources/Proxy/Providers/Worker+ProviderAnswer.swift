import Glibc
import HTTP
import Inflate
import LLM
import Reactor

/// A provider's answer: its beginning is held back until it is known to be one, for only so long can another
/// provider take over; from then on it is relayed like any other and read after it went out.
///
/// What is held stays where it was received, in the upstream's inbound buffer, and is presented again with more behind it.
extension Worker {
    /// No more than this is held back.
    static let maxHeldBytes = 128 * 1024

    enum Look: BitwiseCopyable {
        /// More is needed to decide.
        case hold
        /// The answer goes to the client.
        case pass
        /// The exchange goes on elsewhere, or is over.
        case over
    }

    /// An attempt begins: nothing of an answer is here.
    func resetAnswer(_ side: UnsafeMutablePointer<ProviderExchange>) {
        side.pointee.isHolding = false
        side.pointee.deadlineAfterHold = 0
        side.pointee.isReading = false
        side.pointee.isFiltering = false
        side.pointee.isCompressed = false
        side.pointee.readAhead = 0
        side.pointee.isSettled = false
        side.pointee.run = OpeningRun()
        side.pointee.hasStarted = false
        side.pointee.roles = 0
    }

    /// Looks at an answer whose head stands at `p` and whose body so far follows it, `n` bytes in all.
    ///
    /// - Parameter isEnded: nothing more will come, as the connection's end ends the body.
    mutating func lookAtAnswer(
        _ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ response: ResponseHead, isEnded: Bool = false
    ) -> Look {
        let index = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(index)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        if !side.pointee.isHolding { beginLook(c, side, p, response) }
        let body = p + Int(response.headLength)
        let count = n - Int(response.headLength)
        if response.status >= 400 {
            return lookAtError(index, side, p, body, count, response, isEnded: isEnded)
        }
        if response.status >= 200 && response.status < 300, hasOpening(side) {
            if isEnded { side.pointee.lookIsComplete = true }
            return lookAtOpening(index, side, body, count, response)
        }
        if side.pointee.headIsOut {
            // Nothing that a stream could go on with.
            attemptFailed(index, .malformedResponse, .malformedResponse)
            return .over
        }
        if response.status / 100 == 3 { return redirected(index, side) }
        if response.status < 200 || response.status >= 300 { return pass(c, side) }
        if !side.pointee.isReading {
            // A page: of whoever stands before the provider, or of an address that is not its API's.
            if MediaType.isHTML(responseValue(.contentType, p, response)) { return noAnswer(index, side) }
            return pass(c, side)
        }
        let wasSound = readAhead(side, body, count, response)
        if !wasSound && !side.pointee.reader.contentSeen {
            attemptFailed(index, .malformedResponse, .malformedResponse)
            return .over
        }
        if isEnded { side.pointee.lookIsComplete = true }
        let fault = side.pointee.reader.fault
        if wasSound && fault != .none && !side.pointee.reader.contentSeen {
            let outcome = AttemptOutcome(fault, inAnswer: true)
            let wait = retryWait(p, response)
            if fault.mayBeRetried, failOver(index, side, outcome, wait) { return .over }
            return c.pointee.exchange.provider < 0 ? .over : pass(c, side)
        }
        let endpoint = side.pointee.endpoint.endpoint
        if wasSound && side.pointee.lookIsComplete && side.pointee.reader.documents == 0
            && !side.pointee.reader.contentSeen && (endpoint.generates || endpoint.embeds)
        {
            return noAnswer(index, side)
        }
        if wasSound && !side.pointee.lookIsComplete && count < Self.maxHeldBytes && now < side.pointee.holdUntil
            && isUndecided(upstream, side, count)
        {
            return .hold
        }
        return pass(c, side)
    }

    /// Whether what is here of an answer may yet turn out to be an error. Of JSON, also whether more of it is here already:
    /// then its head can tell what it costs.
    private func isUndecided(
        _ upstream: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>, _ count: Int
    ) -> Bool {
        if side.pointee.framing == .json && upstreams.pointer(upstream).pointee.isReadable { return true }
        if side.pointee.reader.contentSeen { return false }
        return side.pointee.framing != .json || side.pointee.reader.errorHasBegun || count < Self.maxUntoldBytes
    }

    /// JSON of which this much is here without a word of an error is an answer.
    private static let maxUntoldBytes = 4096

    /// What came under a good status answers nothing: it is empty, a page, or no JSON. Another key or provider may answer;
    /// where there is none, the client gets what there is.
    private mutating func noAnswer(_ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>) -> Look {
        let c = clients.pointer(index)
        if hasOther(c, side), failOver(index, side, .malformed, nil) { return .over }
        endAttempt(c, side, .malformed, retryAfter: nil)
        side.pointee.isHolding = false
        side.pointee.isReading = false
        return .pass
    }

    /// The way to somewhere else is no answer. SDKs go it of themselves, with the prompt and some with their key: it is for
    /// an operator to say where a provider is.
    @inline(never)
    private mutating func redirected(_ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>) -> Look {
        if !failOver(index, side, .malformed, nil) { refuse(index, .providerFailed) }
        return .over
    }

    private mutating func beginLook(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ p: UnsafePointer<UInt8>, _ response: ResponseHead
    ) {
        side.pointee.isHolding = true
        side.pointee.status = response.status
        side.pointee.firstByteNanoseconds = nowNanoseconds &- side.pointee.attemptStartedAt
        side.pointee.holdUntil = now + current.pointee.providers.settings.holdMilliseconds
        side.pointee.lookedRaw = 0
        side.pointee.lookDecoder = ChunkedDecoder()
        side.pointee.lookIsComplete = false
        side.pointee.readAhead = 0
        side.pointee.events = StreamOpening()
        side.pointee.holdsEvent = false
        side.pointee.isChunked = response.framing == .chunked
        side.pointee.bodyLeft = .max
        if case .contentLength(let length) = response.framing { side.pointee.bodyLeft = length }
        let type = responseValue(.contentType, p, response)
        side.pointee.framing = Framing.of(contentType: type)
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let key = providers.keys.pointer(Int(side.pointee.key))
        let apiType = providers.providers.pointer(Int(key.pointee.provider)).pointee.apiType
        if side.pointee.hasRead { side.reader.renew(as: freshProviderExchange.reader) }
        side.pointee.hasRead = true
        side.pointee.reader.begin(
            endpoint: side.pointee.endpoint.endpoint, apiType: apiType, framing: side.pointee.framing)
        side.pointee.isReading = MediaType.isReadable(type)
        if side.pointee.endpoint.endpoint == .modelInvoke { noteHeadUsage(side, p, response) }
        setCoding(side, responseValue(.contentEncoding, p, response))
        side.pointee.isFiltering =
            side.pointee.framing == .sse && !side.pointee.isCompressed && side.pointee.isReading
            && response.status == 200
            // A body with a length becomes shorter: in chunks only.
            && (c.pointee.exchange.clientMinorVersion > 0 || side.pointee.bodyLeft == .max)
            // Without a chunk to take out, only so that another provider's stream can be added to it.
            && (side.pointee.asksForUsage || side.pointee.bodyLeft != .max)
        if side.pointee.isFiltering {
            side.pointee.filter = freshProviderExchange.pointee.filter
            if side.pointee.hold.isAllocated { pool.give(&side.pointee.hold) }
        }
    }

    private mutating func setCoding(_ side: UnsafeMutablePointer<ProviderExchange>, _ value: Bytes) {
        side.pointee.isCompressed = false
        if value.isEmpty || MediaType.isIdentity(value) { return }
        side.pointee.isCompressed = true
        guard let coding = Inflater.Coding(contentEncoding: value) else {
            // Nobody asked for that; it goes through, and its size is all that is known of it.
            side.pointee.reader.cannotRead()
            return
        }
        if !side.pointee.workspace.isAllocated {
            side.pointee.workspace = pool.take(atLeast: StreamInflater.workspaceSize)
        }
        side.pointee.inflater = StreamInflater(
            coding, workspace: UnsafeMutableRawPointer(side.pointee.workspace.base.unsafelyUnwrapped))
    }

    /// Bedrock says in the head what an answer used whose body does not.
    private func noteHeadUsage(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ p: UnsafePointer<UInt8>, _ response: ResponseHead
    ) {
        let input = responseCount("x-amzn-bedrock-input-token-count", p, response)
        guard input >= 0 else { return }
        let output = responseCount("x-amzn-bedrock-output-token-count", p, response)
        side.pointee.reader.noteHead(prompt: input, completion: max(output, 0))
    }

    /// A whole number in a field that no table knows; -1 if it is not there.
    func responseCount(_ name: StaticString, _ p: UnsafePointer<UInt8>, _ response: ResponseHead) -> Int64 {
        for i in 0..<Int(response.fieldCount)
        where Int(responseFields[i].nameLength) == name.utf8CodeUnitCount
            && equalsIgnoringCase(p + Int(responseFields[i].nameOffset), name.utf8CodeUnitCount, name)
        {
            let length = Int(responseFields[i].valueLength)
            guard length > 0, length <= 12 else { return -1 }
            var value: Int64 = 0
            for k in 0..<length {
                let digit = p[Int(responseFields[i].valueOffset) + k] &- UInt8(ascii: "0")
                guard digit < 10 else { return -1 }
                value = value * 10 + Int64(digit)
            }
            return value
        }
        return -1
    }

    /// The first value of a response's field; empty if it has none.
    func responseValue(_ id: HeaderID, _ p: UnsafePointer<UInt8>, _ response: ResponseHead) -> Bytes {
        guard response.known.contains(id) else { return .empty }
        for i in 0..<Int(response.fieldCount) where responseFields[i].id == id {
            return Bytes(p + Int(responseFields[i].valueOffset), Int(responseFields[i].valueLength))
        }
        return .empty
    }

    mutating func pass(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> Look {
        side.pointee.isHolding = false
        if side.pointee.status < 200 || side.pointee.status >= 300 {
            side.pointee.isReading = false
        } else if side.pointee.reader.fault == .none || side.pointee.reader.contentSeen {
            answerBegan(c, side)
        }
        return .pass
    }

    // MARK: Looking ahead

    /// Feeds the reader what is here of the body and was not fed yet. False if the framing is broken.
    private mutating func readAhead(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ body: UnsafePointer<UInt8>, _ count: Int,
        _ response: ResponseHead
    ) -> Bool {
        switch response.framing {
        case .contentLength(let length):
            let here = Int(min(UInt64(count), length))
            feed(side, body + side.pointee.lookedRaw, here - side.pointee.lookedRaw)
            side.pointee.readAhead += here - side.pointee.lookedRaw
            side.pointee.lookedRaw = here
            side.pointee.lookIsComplete = UInt64(here) == length
        case .untilClose:
            feed(side, body + side.pointee.lookedRaw, count - side.pointee.lookedRaw)
            side.pointee.readAhead = count
            side.pointee.lookedRaw = count
        case .chunked: return readAheadChunks(side, body, count)
        default: side.pointee.lookIsComplete = true
        }
        return true
    }

    private mutating func readAheadChunks(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ body: UnsafePointer<UInt8>, _ count: Int
    ) -> Bool {
        let limits = UnsafePointer(current).pointee.policy.messageLimits
        let start = body + side.pointee.lookedRaw
        var used = 0
        while !side.pointee.lookIsComplete {
            switch side.pointee.lookDecoder.next(
                start, count - side.pointee.lookedRaw, consumed: &used, limits: limits)
            {
            case .data(let offset, let length):
                feed(side, start + offset, length)
                side.pointee.readAhead += length
            case .needMore:
                side.pointee.lookedRaw += used
                return true
            case .trailers, .end: side.pointee.lookIsComplete = true
            case .failed: return false
            }
        }
        side.pointee.lookedRaw += used
        return true
    }

    /// Body bytes without their framing, to the reader.
    mutating func feed(_ side: UnsafeMutablePointer<ProviderExchange>, _ p: UnsafePointer<UInt8>, _ n: Int) {
        if n <= 0 { return }
        guard side.pointee.isCompressed else {
            if side.pointee.framing == .sse, let shape = side.pointee.shape {
                return side.pointee.reader.feed(p, n, shape)
            }
            return side.pointee.reader.feed(p, n)
        }
        if side.pointee.reader.framing == .unreadable { return side.pointee.reader.feed(p, n) }
        side.pointee.reader.feed(
            p, n, through: &side.pointee.inflater, scratch: patternScratch, room: PathPattern.scratchBytes)
    }

    /// Body bytes that went to the client, or would have but for the filter.
    @inline(never)
    mutating func observeProvider(
        _ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ n: Int
    ) {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        let known = min(n, side.pointee.readAhead)
        side.pointee.readAhead -= known
        if side.pointee.isReading { feed(side, p + known, n - known) }
        answerGoesOn(c, side)
    }

    // MARK: Errors

    /// An answer with an error status: whose fault it is decides what becomes of it.
    private mutating func lookAtError(
        _ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>, _ p: UnsafePointer<UInt8>,
        _ body: UnsafePointer<UInt8>, _ count: Int, _ response: ResponseHead, isEnded: Bool
    ) -> Look {
        let c = clients.pointer(index)
        let (text, isWhole) = errorText(side, body, count, response)
        if !isWhole && !isEnded && count < Self.maxHeldBytes && now < side.pointee.holdUntil { return .hold }
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let key = providers.keys.pointer(Int(side.pointee.key))
        let apiType = providers.providers.pointer(Int(key.pointee.provider)).pointee.apiType
        if side.pointee.asksForUsage, c.pointee.exchange.canReplay,
            FaultClassifier.refusesUsageOption(status: Int(response.status), body: text)
        {
            askWithoutUsage(index, side)
            return .over
        }
        let fault = FaultClassifier.classify(apiType, status: Int(response.status), body: text)
        let wait = retryWait(p, response, text)
        if fault.mayBeRetried, failOver(index, side, AttemptOutcome(fault, inAnswer: false), wait) { return .over }
        if c.pointee.exchange.provider < 0 || endsInStream(index, .providerFailed) { return .over }
        return pass(c, side)
    }

    /// The body of an error, without framing and coding, as far as it is here; and whether that is all of it. Stands in
    /// `out`, which nothing else needs before a response begins.
    private mutating func errorText(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ body: UnsafePointer<UInt8>, _ count: Int,
        _ response: ResponseHead
    ) -> (Bytes, Bool) {
        var plain = Bytes(body, count)
        var isWhole = false
        switch response.framing {
        case .contentLength(let length):
            plain = Bytes(body, Int(min(UInt64(count), length)))
            isWhole = UInt64(plain.count) == length
        case .chunked:
            let limits = UnsafePointer(current).pointee.policy.messageLimits
            var decoder = ChunkedDecoder()
            var used = 0
            var written = 0
            decoding: while true {
                switch decoder.next(body, count, consumed: &used, limits: limits) {
                case .data(let offset, let length):
                    (out + written).update(from: body + offset, count: length)
                    written += length
                case .needMore: break decoding
                case .trailers, .end, .failed:
                    isWhole = true
                    break decoding
                }
            }
            plain = Bytes(UnsafePointer(out), written)
        case .untilClose: break
        default: isWhole = true
        }
        guard side.pointee.isCompressed, side.pointee.reader.framing != .unreadable, let p = plain.pointer else {
            return (plain, isWhole)
        }
        let start = out + Self.maxHeldBytes * 2
        // A copy that begins anew each time: an error is short, and read as a whole.
        var inflater = side.pointee.inflater
        var consumed = 0
        var written = 0
        while written < Self.maxErrorBytes {
            let made = inflater.next(
                p, plain.count, consumed: &consumed, into: start + written, room: Self.maxErrorBytes - written)
            if made == 0 { break }
            written += made
        }
        return (Bytes(UnsafePointer(start), written), isWhole)
    }

    private static let maxErrorBytes = 64 * 1024

    /// The answer is a fault of provider or key: true if another attempt is made or the client has its answer, false if
    /// the provider's own is to be passed on.
    mutating func failOver(
        _ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>, _ outcome: AttemptOutcome,
        _ retryAfter: UInt64?
    ) -> Bool {
        let c = clients.pointer(index)
        if outcome.isProviderFault { metrics.upstreamError(route(c).pointee.metricID, .status) }
        endAttempt(c, side, outcome, retryAfter: retryAfter)
        if tryNextProvider(index) { return true }
        // What a provider says about our own key is not the client's to see: nor would it mean to it what it says.
        if outcome.keyReason != nil {
            refuse(index, isOutOfAttempts(c, side) ? .outOfAttempts : .noHealthyKey)
        } else if outcome == .modelNotFound && (side.pointee.status == 401 || side.pointee.status == 403) {
            refuse(index, .modelNotFound)
        } else {
            return false
        }
        return true
    }

    // MARK: Ends

    /// The upstream closed while its answer was held back. True if the answer has gone on, or another attempt is made.
    mutating func closedWhileHolding(_ upstream: UInt32, wasClean: Bool) -> Bool {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        guard side.pointee.isHolding, wasClean, !u.pointee.inbound.isEmpty else { return false }
        var response = ResponseHead()
        var scan = HeadScan()
        let p = UnsafePointer(u.pointee.inbound.readPointer)
        let n = u.pointee.inbound.count
        guard
            case .complete = ResponseParser.parse(
                p, n, scan: &scan, limits: current.pointee.policy.messageLimits, fields: responseFields,
                requestMethod: c.pointee.exchange.method, head: &response),
            response.framing == .untilClose
        else { return false }
        u.pointee.staysOpen = false
        switch lookAtAnswer(upstream, p, n, response, isEnded: true) {
        case .hold, .over: return true
        case .pass: break
        }
        let rest = side.pointee.headIsOut ? goOn(upstream, p, n, response) : passOn(upstream, p, n, response)
        if rest >= 0 { endUntilClose(upstream) }
        return true
    }
}

extension MediaType {
    /// JSON or a stream of it: what usage can be read from.
    static func isReadable(_ value: Bytes) -> Bool {
        let usual: StaticString = "application/json"
        if value.count >= 16, bytesEqual(value.pointer, usual.utf8Start, 16) { return true }
        if value.isEmpty || isEventStream(value) { return true }
        guard let p = value.pointer else { return false }
        var n = 0
        while n < value.count && p[n] != UInt8(ascii: ";") && p[n] != 0x20 { n += 1 }
        let frames: StaticString = "application/vnd.amazon.eventstream"
        if n == frames.utf8CodeUnitCount, equalsIgnoringCase(p, n, frames) { return true }
        let json: StaticString = "json"
        var i = 0
        while i + json.utf8CodeUnitCount <= n {
            if equalsIgnoringCase(p + i, json.utf8CodeUnitCount, json) { return true }
            i += 1
        }
        return false
    }

    static func isIdentity(_ value: Bytes) -> Bool {
        guard let p = value.pointer, value.count == 8 else { return false }
        return equalsIgnoringCase(p, 8, "identity")
    }
}

extension AttemptOutcome {
    /// - Parameter inAnswer: the fault was told in an answer with a good status.
    init(_ fault: Fault, inAnswer: Bool) {
        switch fault {
        case .none, .callerError, .contextTooLong: self = .answered
        case .modelNotFound: self = .modelNotFound
        case .keyInvalid: self = .keyInvalid
        case .keyQuota: self = .quotaExhausted
        case .keyForbidden: self = .keyForbidden
        case .rateLimited: self = .rateLimited
        case .overloaded: self = .overloaded
        case .serverError: self = inAnswer ? .errorInAnswer : .serverError
        case .timeout: self = .timedOut
        }
    }
}
