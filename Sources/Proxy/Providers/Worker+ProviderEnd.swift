import LLM
import Reactor

/// Streams that end too soon: whatever HTTP says, what their API ends with has not come.
extension Worker {
    /// The stream ends with these `n` bytes of its body: true if it breaks off, for its API has a last event that has not
    /// come. They are read here, and not again once they are out.
    @inline(never)
    mutating func breaksOff(
        _ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ n: Int
    ) -> Bool {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        guard hasLastEvent(side), !isFiltered(c) else { return false }
        observeProvider(c, p, n)
        side.pointee.readAhead += n
        return isUnfinished(side)
    }

    /// The stream has ended as HTTP says, and everything of it was read: true if it has broken off all the same.
    func brokeOff(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        return hasLastEvent(side) && isUnfinished(side)
    }

    /// Ends an exchange whose stream broke off.
    mutating func cutOff(_ upstream: UInt32) {
        let client = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(client)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        // It began to answer, and has said nothing: that is no answer, and costs nothing.
        if !side.pointee.reader.contentSeen { side.pointee.isAnswered = false }
        metrics.upstreamError(route(c).pointee.metricID, .reset)
        cutShort(client, .cutShort)
    }

    func hasLastEvent(_ side: UnsafeMutablePointer<ProviderExchange>) -> Bool {
        side.pointee.endpoint.endpoint.hasLastEvent && side.pointee.asksForStream && side.pointee.isReading
            && !side.pointee.isCompressed
    }

    func isUnfinished(_ side: UnsafeMutablePointer<ProviderExchange>) -> Bool {
        side.pointee.reader.framing == .sse && !side.pointee.reader.isFinished && side.pointee.reader.fault == .none
    }

    /// The provider broke off in the middle of a stream: the client is told, in the stream's own language, before the
    /// connection's end tells it again. Never does such a stream end as if it were whole. An event that lacks only its end
    /// is given that; in the middle of its text there is no place for another: then the connection's end has to do.
    ///
    /// - Returns: false if the client is gone.
    mutating func tellOfBreak(_ client: UInt32, _ error: ExchangeError) -> Bool {
        let c = clients.pointer(client)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        let isOpen = side.pointee.opening == .open
        let isRead = side.pointee.isReading && !side.pointee.isCompressed && !side.pointee.reader.sawLastEvent
        // What is held has not gone out.
        let holds = isOpen || (side.pointee.isFiltering && side.pointee.filter.held > 0)
        guard isOpen || isRead, c.pointee.exchange.sendsChunked,
            let missing = holds ? 0 : side.pointee.reader.lineFeedsToBoundary
        else { return true }
        let event = ClosingEvent.bytes(
            endpoint: side.pointee.endpoint.endpoint,
            framing: side.pointee.opening == .open ? .sse : side.pointee.framing,
            reason: error == .readTimeout ? .timedOut : .interrupted)
        guard let p = event.pointer else { return true }
        (out + Self.chunkLineRoom).update(repeating: UInt8(ascii: "\n"), count: missing)
        (out + Self.chunkLineRoom + missing).update(from: p, count: event.count)
        return sendChunk(client, 0, missing + event.count, last: false, trailers: .empty)
    }
}
