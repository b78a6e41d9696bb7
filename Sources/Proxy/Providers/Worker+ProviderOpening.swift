import Glibc
import HTTP
import LLM
import Reactor

/// What a stream's beginning is to its client, once the head is out.
enum OpeningState: UInt8, BitwiseCopyable {
    /// No head has gone out for it.
    case none
    /// The head has, and whole events at the most that say nothing yet: another provider can still take over.
    case open
    /// Content has, or something that belongs to it.
    case over
}

/// What may become of the next bytes of a stream that has not begun in earnest.
struct OpeningRun: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        /// Nothing more may go on for now.
        case hold
        /// So many raw bytes go on by themselves.
        case pass
        /// So many raw bytes say what another provider has said already.
        case drop
        /// Everything goes on from here.
        case commit
        /// The provider reports an error.
        case fault
        /// The framing is broken.
        case broken
        /// The stream has ended, and nothing was said: neither content nor why it ends.
        case ended
    }

    var kind = Kind.hold
    var count = 0
}

/// A stream's beginning: sent on event by event as it comes, and yet not the provider's alone before it has said something.
/// If it fails until then, the next attempt goes on with the same stream; what both open with is told once.
extension Worker {
    /// Streams that were asked for, can be looked at event by event, and be added to.
    func hasOpening(_ side: UnsafeMutablePointer<ProviderExchange>) -> Bool {
        side.pointee.asksForStream && side.pointee.isReading && side.pointee.framing == .sse
            && !side.pointee.isCompressed
            && (side.pointee.isFiltering || side.pointee.bodyLeft == .max)
    }

    /// Whether a failure now would lead to another candidate or key, other than to the same once more.
    func hasOther(_ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>) -> Bool {
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        return providers.hasOther(
            candidates(c, side), than: Int(side.pointee.candidate), key: Int(side.pointee.key),
            after: side.attempts, now: now)
    }

    /// Looks at a stream whose head has just come. See `lookAtAnswer`.
    mutating func lookAtOpening(
        _ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>, _ body: UnsafePointer<UInt8>, _ count: Int,
        _ response: ResponseHead
    ) -> Look {
        let c = clients.pointer(index)
        let run = nextRun(c, side, body, count)
        switch run.kind {
        case .hold:
            // A head alone, or with what cannot go alone, names a provider: that may still change.
            if side.pointee.opening == .open || (now < side.pointee.holdUntil && hasOther(c, side)) { return .hold }
        case .fault:
            let wait = retryWait(body - Int(response.headLength), response)
            if openingFailed(index, side, retryAfter: wait) { return .over }
            side.pointee.opening = .over
            return pass(c, side)
        case .broken:
            attemptFailed(index, .malformedResponse, .malformedResponse)
            return .over
        case .ended where hasOther(c, side) || hasLastEvent(side):
            attemptFailed(index, .closed(wasReused: false), .cutShort)
            return .over
        case .commit, .ended:
            commitOpening(c, side, run)
            return .pass
        case .pass, .drop: break
        }
        side.pointee.run = run
        side.pointee.opening = .open
        side.pointee.isHolding = false
        return .pass
    }

    /// Relays what may go on of a stream's beginning. Returns as `relay` does.
    mutating func relayOpening(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ headBytes: Int) -> Int {
        let index = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(index)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        var run = side.pointee.run
        side.pointee.run = OpeningRun()
        if run.kind == .hold, headBytes == 0 { run = nextRun(c, side, p, n) }
        var headBytes = headBytes
        var at = 0
        while true {
            switch run.kind {
            case .hold:
                if side.pointee.holdsEvent { limitHold(upstream, side) }
                if headBytes > 0, relayBody(upstream, p + at, 0, headBytes) < 0 { return -1 }
                return at
            case .pass:
                if side.pointee.bodyLeft != .max { side.pointee.bodyLeft -= UInt64(run.count) }
                guard relayBody(upstream, p + at, run.count, headBytes) >= 0 else { return -1 }
            case .drop: skip(c, side, p + at, run.count)
            case .ended where hasOther(c, side) || hasLastEvent(side):
                cutShort(index, .cutShort)
                return -1
            case .commit, .ended:
                commitOpening(c, side, run)
                blankRoles(side, p + at, n - at)
                let rest = relayBody(upstream, p + at, n - at, headBytes)
                return rest < 0 ? rest : at + rest
            case .fault:
                if openingFailed(index, side, retryAfter: nil) { return -1 }
                // The provider's own words are all that is left to tell.
                side.pointee.opening = .over
                let rest = relayBody(upstream, p + at, n - at, headBytes)
                return rest < 0 ? rest : at + rest
            case .broken:
                targetCutShort(upstreams.pointer(upstream), .protocol)
                cutShort(index, .malformedResponse)
                return -1
            }
            headBytes = 0
            at += run.count
            run = nextRun(c, side, p + at, n - at)
        }
    }

    /// A stream that ends with its connection has ended: what is still held of its beginning goes on. False if the
    /// exchange is over.
    mutating func flushOpening(_ upstream: UInt32) -> Bool {
        let u = upstreams.pointer(upstream)
        let c = clients.pointer(u.pointee.client)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        guard side.pointee.opening == .open else { return true }
        let run = bodyEnded(side)
        if run.kind == .ended, hasOther(c, side) || hasLastEvent(side) {
            cutShort(u.pointee.client, .cutShort)
            return false
        }
        commitOpening(c, side, run)
        guard !u.pointee.inbound.isEmpty else { return true }
        return relayBody(upstream, u.pointee.inbound.readPointer, u.pointee.inbound.count, 0) >= 0
    }

    /// From here on the stream is this provider's.
    private mutating func commitOpening(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>, _ run: OpeningRun
    ) {
        if run.kind == .ended {
            endAttempt(c, side, .cutOff, retryAfter: nil)
            side.pointee.isReading = false
        }
        let hadHead = side.pointee.opening == .open && c.pointee.exchange.responseStarted
        side.pointee.opening = side.pointee.headIsOut ? .over : .none
        if run.kind == .ended { side.pointee.isHolding = false } else { _ = pass(c, side) }
        if hadHead {
            c.pointee.exchange.canReplay = false
            dropRequest(c)
        }
    }

    // MARK: Looking

    /// What the next bytes are; `p` is the first that has not gone on.
    private mutating func nextRun(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ p: UnsafePointer<UInt8>, _ n: Int
    ) -> OpeningRun {
        let limits = UnsafePointer(current).pointee.policy.messageLimits
        let here = Int(min(UInt64(n), side.pointee.bodyLeft))
        while side.pointee.lookedRaw < here {
            let start = p + side.pointee.lookedRaw
            let left = here - side.pointee.lookedRaw
            var ahead = side.pointee.lookDecoder
            var (offset, length, used) = (0, left, left)
            if side.pointee.isChunked {
                used = 0
                switch ahead.next(start, left, consumed: &used, limits: limits) {
                case .data(let at, let count): (offset, length) = (at, count)
                case .needMore:
                    side.pointee.lookDecoder = ahead
                    side.pointee.lookedRaw += used
                    return held(side, n)
                case .trailers, .end: return bodyEnded(side)
                case .failed: return OpeningRun(kind: .broken)
                }
            }
            let step = side.pointee.events.next(start + offset, length, &side.pointee.reader)
            var taken = length
            if case .event(_, let count) = step { taken = count }
            side.pointee.readAhead += taken
            if taken == length {
                side.pointee.lookDecoder = ahead
                side.pointee.lookedRaw += used
            } else {
                // Within a chunk: the decoder stands where the event ends.
                var end = 0
                if side.pointee.isChunked {
                    _ = side.pointee.lookDecoder.next(start, offset + taken, consumed: &end, limits: limits)
                }
                side.pointee.lookedRaw += offset + taken
            }
            if side.pointee.reader.contentSeen { return OpeningRun(kind: .commit) }
            if side.pointee.reader.sawEnd { return lastEventCame(c, side) }
            if side.pointee.reader.fault != .none { return OpeningRun(kind: .fault) }
            guard case .event(let event, _) = step, !side.pointee.holdsEvent else { continue }
            if event == .bound {
                if !hasOther(c, side) { return OpeningRun(kind: .commit) }
                side.pointee.holdsEvent = true
                continue
            }
            let count = side.pointee.lookedRaw
            // The last of a body with a length: once it has gone on, the exchange is over.
            if UInt64(count) == side.pointee.bodyLeft { return bodyEnded(side) }
            side.pointee.lookedRaw = 0
            return OpeningRun(kind: isTold(side, event) ? .drop : .pass, count: count)
        }
        if UInt64(here) == side.pointee.bodyLeft || side.pointee.lookIsComplete { return bodyEnded(side) }
        return held(side, n)
    }

    /// The body has ended before any content.
    private func bodyEnded(_ side: UnsafeMutablePointer<ProviderExchange>) -> OpeningRun {
        // Usage that is told at the start is no end.
        let endpoint = side.pointee.endpoint.endpoint
        let saysNothing =
            !side.pointee.reader.sawEnd && (endpoint.hasLastEvent || side.pointee.reader.reported == nil)
        return OpeningRun(kind: saysNothing && endpoint.generates ? .ended : .commit)
    }

    /// An event says that the stream has ended, before any content: with an error, after nothing at all, or well.
    private func lastEventCame(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> OpeningRun {
        let isEmpty = side.pointee.reader.documents == 0 && side.pointee.endpoint.endpoint.generates
        if isEmpty { return OpeningRun(kind: .ended) }
        // A single provider that has failed of its own accord is taken at its word.
        let isFault = side.pointee.reader.fault != .none && hasOther(c, side)
        return OpeningRun(kind: isFault ? .fault : .commit)
    }

    /// Bytes are held while they are few, and not for long.
    private func held(_ side: UnsafeMutablePointer<ProviderExchange>, _ n: Int) -> OpeningRun {
        let isLate = side.pointee.holdsEvent && now >= side.pointee.holdUntil
        return OpeningRun(kind: n >= Self.maxHeldBytes || isLate || side.pointee.lookIsComplete ? .commit : .hold)
    }

    /// True if the client has this from an earlier attempt.
    private func isTold(_ side: UnsafeMutablePointer<ProviderExchange>, _ event: OpeningEvent) -> Bool {
        switch event {
        case .bound, .neutral: return false
        case .role:
            if side.pointee.roles < .max { side.pointee.roles += 1 }
            return side.pointee.roles <= side.pointee.toldRoles
        case .messageStart:
            side.pointee.hasStarted = true
            return side.pointee.toldStart
        }
    }

    /// The first event with content says again who speaks.
    private func blankRoles(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ p: UnsafePointer<UInt8>, _ n: Int
    ) {
        guard side.pointee.toldRoles > side.pointee.roles else { return }
        RepeatedRole.blank(UnsafeMutablePointer(mutating: p), n)
    }

    /// Passes over raw bytes that the client does not get.
    private mutating func skip(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ p: UnsafePointer<UInt8>, _ n: Int
    ) {
        side.pointee.readAhead = 0
        if side.pointee.bodyLeft != .max {
            side.pointee.bodyLeft -= UInt64(n)
            c.pointee.exchange.responseRemaining -= UInt64(n)
        }
        guard side.pointee.isChunked else { return }
        let limits = UnsafePointer(current).pointee.policy.messageLimits
        var used = 0
        while case .data = c.pointee.exchange.responseDecoder.next(p, n, consumed: &used, limits: limits) {}
    }

    // MARK: Failing

    /// The provider reports an error before any content. True if another attempt is made, or the client knows.
    private mutating func openingFailed(
        _ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>, retryAfter: UInt64?
    ) -> Bool {
        let fault = side.pointee.reader.fault
        guard fault.mayBeRetried else { return false }
        let c = clients.pointer(index)
        let hadStarted = c.pointee.exchange.responseStarted
        noteOpening(side)
        c.pointee.exchange.responseStarted = false
        if failOver(index, side, AttemptOutcome(fault, inAnswer: true), retryAfter) { return true }
        c.pointee.exchange.responseStarted = hadStarted
        c.pointee.exchange.canReplay = false
        return false
    }

    /// The response that broke off has said nothing yet: true if the exchange goes on elsewhere, or is over.
    mutating func handsOver(_ index: UInt32, _ error: ExchangeError) -> Bool {
        let c = clients.pointer(index)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        guard side.pointee.opening == .open, c.pointee.exchange.responseStarted, c.pointee.exchange.canReplay else {
            return false
        }
        switch error {
        case .cutShort, .malformedResponse, .readTimeout: break
        default: return false
        }
        noteOpening(side)
        c.pointee.exchange.responseStarted = false
        c.pointee.exchange.error = error
        releaseAttempt(c)
        endAttempt(c, side, outcome(error), retryAfter: nil)
        continueWithProviders(index)
        return true
    }

    /// What the client has been told is not told again.
    private func noteOpening(_ side: UnsafeMutablePointer<ProviderExchange>) {
        side.pointee.toldStart = side.pointee.toldStart || side.pointee.hasStarted
        side.pointee.toldRoles = max(side.pointee.toldRoles, side.pointee.roles)
    }

    /// An answer of ours to a client that has a stream's head: the stream ends with an error event. True if that was it.
    mutating func endsInStream(_ index: UInt32, _ error: ExchangeError) -> Bool {
        let c = clients.pointer(index)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        guard side.pointee.headIsOut else { return false }
        c.pointee.exchange.responseStarted = true
        c.pointee.exchange.canReplay = false
        cutShort(index, error)
        return true
    }

    // MARK: Going on

    /// The next provider's answer to a client that has a head already. Returns as `passOn` does.
    mutating func goOn(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ response: ResponseHead) -> Int {
        let u = upstreams.pointer(upstream)
        let index = u.pointee.client
        let c = clients.pointer(index)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        targetStates[Int(u.pointee.stableTarget)].health.answered()
        c.pointee.exchange.error = .none
        c.pointee.exchange.phase = .relaying
        c.pointee.exchange.responseStarted = true
        c.pointee.exchange.responseFraming = response.framing
        c.pointee.exchange.responseDecoder = ChunkedDecoder()
        if case .contentLength(let length) = response.framing { c.pointee.exchange.responseRemaining = length }
        u.pointee.staysOpen = response.keepAlive
        keepDescription(index, p, response)
        guard tellOfHandOver(index, side) else { return -1 }
        let used = Int(response.headLength)
        if side.pointee.opening != .open {
            c.pointee.exchange.canReplay = false
            dropRequest(c)
            blankRoles(side, p + used, n - used)
        }
        let rest = relay(upstream, p + used, n - used, headBytes: 0)
        return rest < 0 ? rest : used + rest
    }

    /// The head's fields name another provider: a comment, which no client reads as an event, names this one.
    private mutating func tellOfHandOver(_ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>) -> Bool {
        // Google's own client takes a comment for an event, and fails to read it.
        if side.pointee.endpoint.endpoint == .geminiStream { return true }
        let c = clients.pointer(index)
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let candidate = candidates(c, side).candidates[Int(side.pointee.candidate)]
        var writer = HeadWriter(out + Self.chunkLineRoom, capacity: 4096)
        writer.append(": fastgate: goes on with ")
        writer.append(providers.providers.pointer(Int(candidate.provider)).pointee.name)
        if Self.isPlain(candidate.model) {
            writer.append(byte: UInt8(ascii: "/"))
            writer.append(candidate.model)
        }
        writer.append("\n\n")
        c.pointee.exchange.responseBytes &+= UInt64(writer.count)
        if c.pointee.exchange.sendsChunked {
            return sendChunk(index, 0, writer.count, last: false, trailers: .empty)
        }
        return sendToClient(index, out + Self.chunkLineRoom, writer.count)
    }
}

extension ProviderTable {
    /// Whether another candidate, or another key of this one, could take over from the attempt under way.
    func hasOther(
        _ set: CandidateSet, than candidate: Int, key: Int, after attempts: AttemptsPointer, now: UInt64
    ) -> Bool {
        guard attempts.pointee.count + 1 < min(settings.maxAttempts, ProviderAttempts.capacity) else { return false }
        var tried = attempts.pointee
        tried.append(ProviderAttempt(candidate: Int32(truncatingIfNeeded: candidate), key: Int32(key)))
        var i = 0
        while i < set.count {
            if verdict(set, i, &tried, now: now) == .usable { return true }
            i &+= 1
        }
        return false
    }
}
