import HTTP
import LLM
import Reactor

/// The head that a client gets of a provider's answer, and a stream out of which a chunk is taken that it did not ask for.
extension Worker {
    func isFiltered(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        providerExchanges.pointer(UInt32(c.pointee.exchange.provider)).pointee.isFiltering
    }

    /// A body that will be shorter than its length said goes out in chunks.
    ///
    /// - Returns: whether the stream may still go on with another provider's.
    func prepareProviderRelay(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        if side.pointee.isFiltering, case .contentLength = c.pointee.exchange.responseFraming {
            c.pointee.exchange.sendsChunked = true
        }
        side.pointee.headIsOut = true
        return side.pointee.opening == .open
    }

    /// The bytes of the answer are looked at, or changed.
    func readsAnswer(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        return side.pointee.isReading || side.pointee.isFiltering
    }

    /// The client has the head of an earlier attempt's stream.
    func hasHead(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        providerExchanges.pointer(UInt32(c.pointee.exchange.provider)).pointee.headIsOut
    }

    /// The head that was written cannot be sent.
    func headIsNotOut(_ c: UnsafeMutablePointer<ClientConnection>) {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        side.pointee.headIsOut = false
        side.pointee.opening = .none
    }

    /// `relay` for what a provider answers.
    @inline(never)
    mutating func relayProvided(
        _ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ headBytes: Int
    ) -> Int {
        let c = clients.pointer(upstreams.pointer(upstream).pointee.client)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        if side.pointee.opening == .open { return relayOpening(upstream, p, n, headBytes) }
        return relayBody(upstream, p, n, headBytes)
    }

    /// Relays bytes of a body that has begun in earnest, or of a part of which is known that it may go on.
    mutating func relayBody(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ headBytes: Int) -> Int {
        let c = clients.pointer(upstreams.pointer(upstream).pointee.client)
        if isFiltered(c) { return relayFiltered(upstream, p, n, headBytes) }
        return relayPlain(upstream, p, n, headBytes: headBytes)
    }

    // MARK: Head

    /// Who answered, with which model, what it cost where that is known before the head goes out, and how long it took.
    func writeProviderFields(_ c: UnsafeMutablePointer<ClientConnection>, _ writer: inout HeadWriter) {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        guard side.pointee.key >= 0 else { return }
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let candidate = candidate(c, side)
        writer.append(candidate.pointee.answerFields)
        if candidate.pointee.answerFields.isEmpty {
            writer.append("x-fastgate-provider: ")
            writer.append(providers.providers.pointer(Int(candidate.pointee.provider)).pointee.name)
            if Self.isPlain(candidate.pointee.model) {
                writer.append("\r\nx-fastgate-model: ")
                writer.append(candidate.pointee.model)
            }
            writer.append("\r\n")
        }
        // Of a stream it is not known yet, though now and then all of a short one is here.
        let isKnown = side.pointee.isReading && side.pointee.lookIsComplete && side.pointee.framing == .json
        if isKnown { writeCost(c, side, &writer) }
        writer.append("server-timing: provider;dur=")
        Self.append(milliseconds: side.pointee.firstByteNanoseconds, &writer)
        writer.append(", total;dur=")
        Self.append(milliseconds: nowNanoseconds &- c.pointee.exchange.startedAt, &writer)
        writer.append("\r\n")
    }

    private func writeCost(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ writer: inout HeadWriter
    ) {
        settle(c, side, isWhole: true)
        side.pointee.isSettled = true
        guard let cost = side.pointee.cost else { return }
        writer.append("x-fastgate-cost: ")
        Money.append(micros: cost.micros, &writer)
        writer.append("\r\n")
    }

    /// Visible ASCII: what a field's value may hold without a second thought.
    static func isPlain(_ text: Bytes) -> Bool {
        for i in 0..<text.count {
            let c = text.pointer.unsafelyUnwrapped[i]
            if c <= 0x20 || c >= 0x7F { return false }
        }
        return text.count > 0
    }

    /// One decimal, as the Server-Timing specification's examples have it.
    private static func append(milliseconds nanoseconds: UInt64, _ writer: inout HeadWriter) {
        let tenths = nanoseconds / 100_000
        writer.append(decimal: tenths / 10)
        writer.append(byte: UInt8(ascii: "."))
        writer.append(byte: UInt8(ascii: "0") + UInt8(tenths % 10))
    }

    // MARK: Body

    /// Relays part of a stream without the chunk that only we asked for. Returns as `relay` does.
    @inline(never)
    mutating func relayFiltered(
        _ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ headBytes: Int
    ) -> Int {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        let dataAt = headBytes + Self.chunkLineRoom
        // Twice over the same bytes: first what the client gets, then, once that is out, what the reader reads.
        var ahead = c.pointee.exchange.responseDecoder
        let first = takeFiltered(c, side, p, n, decoder: &ahead, at: dataAt)
        if first.isRead { c.pointee.exchange.responseDecoder = ahead }
        if first.isLast && first.used < n { u.pointee.staysOpen = false }
        // Whether it is the end is to be known before it is told.
        let isRead = first.isLast && hasLastEvent(side)
        if isRead { readFiltered(c, side, p, n) }
        let isCut = isRead && isUnfinished(side)
        if first.count > 0 || first.isLast || headBytes > 0 {
            let sent =
                c.pointee.exchange.sendsChunked
                ? sendChunk(client, headBytes, first.count, last: first.isLast && !isCut, trailers: first.trailers)
                : sendBare(client, headBytes, first.count)
            guard sent else { return -1 }
        }
        if first.isRead {
            side.pointee.readAhead = 0
            if case .contentLength = c.pointee.exchange.responseFraming {
                c.pointee.exchange.responseRemaining -= UInt64(first.used)
            }
        } else if !isRead {
            readFiltered(c, side, p, n)
        }
        if first.count > 0 { observe(c, out + dataAt, first.count) }
        if first.hasFailed {
            u.pointee.staysOpen = false
            targetCutShort(u, .protocol)
            cutShort(client, .malformedResponse)
            return -1
        }
        if isCut { cutOff(upstream) } else if first.isLast { responseIsComplete(upstream) }
        if first.isLast { return -1 }
        answerGoesOn(c, side)
        keepAuditDescription(client)
        return first.used
    }

    private struct Filtered {
        var count = 0
        var used = 0
        var isLast = false
        var hasFailed = false
        /// The reader has all of it: it was no more than content, in events of a known shape.
        var isRead = false
        var trailers = Bytes.empty
    }

    /// Puts what the client gets at `dataAt` in `out`.
    private mutating func takeFiltered(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ p: UnsafePointer<UInt8>, _ n: Int, decoder: inout ChunkedDecoder, at dataAt: Int
    ) -> Filtered {
        var result = Filtered()
        result.isRead = side.pointee.readAhead == 0 && side.pointee.asksForUsage
        switch c.pointee.exchange.responseFraming {
        case .contentLength:
            let taken = Int(min(UInt64(n), c.pointee.exchange.responseRemaining))
            result.used = n
            result.count = filter(side, p, taken, at: dataAt, &result.isRead)
            result.isLast = UInt64(taken) == c.pointee.exchange.responseRemaining
        case .untilClose:
            result.used = n
            result.count = filter(side, p, n, at: dataAt, &result.isRead)
        default:
            let limits = UnsafePointer(current).pointee.policy.messageLimits
            decoding: while true {
                switch decoder.next(p, n, consumed: &result.used, limits: limits) {
                case .data(let offset, let length):
                    result.count += filter(
                        side, p + offset, length, at: dataAt + result.count, &result.isRead)
                case .needMore: break decoding
                case .trailers(let offset, let length):
                    if !OwnField.isAmong(p + offset, length) { result.trailers = Bytes(p + offset, length) }
                    result.isLast = true
                    break decoding
                case .end:
                    result.isLast = true
                    break decoding
                case .failed:
                    result.hasFailed = true
                    break decoding
                }
            }
        }
        if result.isLast || result.hasFailed { result.isRead = false }
        if result.isLast { result.count += flushFilter(side, at: dataAt + result.count) }
        return result
    }

    /// Copies what the filter lets through of `p` to `at` in `out`.
    private mutating func filter(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ p: UnsafePointer<UInt8>, _ n: Int, at start: Int,
        _ isRead: inout Bool
    ) -> Int {
        var (p, n, at) = (p, n, start)
        if isRead, side.pointee.filter.isBetweenEvents, let shape = side.pointee.shape {
            let known = side.pointee.reader.takeKnown(p, n, shape)
            (out + at).update(from: p, count: known)
            side.pointee.readAhead += known
            (p, n, at) = (p + known, n - known, at + known)
            if n == 0 { return known }
        }
        isRead = false
        return at - start + filterUnknown(side, p, n, at: at)
    }

    /// The filter's buffer is there while something is held, which few events take: most streams that wait have none.
    private mutating func filterUnknown(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ p: UnsafePointer<UInt8>, _ n: Int, at: Int
    ) -> Int {
        guard side.pointee.asksForUsage else {
            (out + at).update(from: p, count: n)
            return n
        }
        if !side.pointee.hold.isAllocated { side.pointee.hold = pool.take(atLeast: UsageChunkFilter.holdCapacity) }
        let hold = side.pointee.hold.base.unsafelyUnwrapped
        var count = 0
        while true {
            switch side.pointee.filter.next(p, n, hold: hold) {
            case .end:
                if side.pointee.filter.held == 0 { pool.give(&side.pointee.hold) }
                return count
            case .pass(let start, let length):
                (out + at + count).update(from: p + start, count: length)
                count += length
            case .passHeld(let length):
                (out + at + count).update(from: hold, count: length)
                count += length
            }
        }
    }

    /// The end of the connection ends the stream: puts what is still held where a chunk's data stands.
    func heldByFilter(_ c: UnsafeMutablePointer<ClientConnection>) -> Int {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        return side.pointee.isFiltering ? flushFilter(side, at: Self.chunkLineRoom) : 0
    }

    /// The stream has ended: what the filter still holds.
    private func flushFilter(_ side: UnsafeMutablePointer<ProviderExchange>, at: Int) -> Int {
        guard case .passHeld(let length) = side.pointee.filter.finish() else { return 0 }
        (out + at).update(from: side.pointee.hold.base.unsafelyUnwrapped, count: length)
        return length
    }

    /// The same bytes again, for the reader: all of them.
    private mutating func readFiltered(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ p: UnsafePointer<UInt8>, _ n: Int
    ) {
        switch c.pointee.exchange.responseFraming {
        case .contentLength:
            let taken = Int(min(UInt64(n), c.pointee.exchange.responseRemaining))
            c.pointee.exchange.responseRemaining -= UInt64(taken)
            observeProvider(c, p, taken)
        case .untilClose: observeProvider(c, p, n)
        default:
            let limits = UnsafePointer(current).pointee.policy.messageLimits
            var used = 0
            while case .data(let offset, let length) = c.pointee.exchange.responseDecoder.next(
                p, n, consumed: &used, limits: limits)
            {
                observeProvider(c, p + offset, length)
            }
        }
    }
}

/// Amounts of money as text.
enum Money {
    /// Units with six decimals: `0.000150`.
    static func append(micros: Int64, _ writer: inout HeadWriter) {
        if micros < 0 { writer.append("-") }
        let magnitude = micros.magnitude
        writer.append(decimal: magnitude / 1_000_000)
        writer.append(".")
        var place: UInt64 = 100_000
        while place > 0 {
            writer.append(byte: UInt8(ascii: "0") + UInt8(magnitude / place % 10))
            place /= 10
        }
    }
}
