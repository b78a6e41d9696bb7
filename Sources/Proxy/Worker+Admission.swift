import Glibc
import HTTP
import Reactor
import Store

/// From a parsed head to a request that may be sent on: audit room, identity, cross-origin, key, permission, rate.
extension Worker {
    /// Opens the exchange for the request whose head was just parsed.
    @inline(__always)
    mutating func beginExchange(_ index: UInt32) {
        let c = clients.pointer(index)
        guard hasRoomForAudit(headBytes: Int(head.headLength)) else { return waitForAudit(index) }
        let presented = presentedKey(UnsafePointer(c.pointee.inbound.readPointer))
        let hash = KeyHash(of: presented?.key ?? .empty)
        // With many keys each line of the table is a miss; they come while the exchange is written.
        if presented != nil { current.pointee.keys.fetch(hash) }
        if current.pointee.table.index.needsPathOnly { beginSearch(c) }
        c.pointee.state = .exchanging
        c.pointee.headHasBegun = false
        c.pointee.deadline = noDeadline
        c.pointee.exchange = Exchange()
        // There are as many as clients, and a client has one exchange.
        c.pointee.exchange.request = requests.pointer(requests.allocate().unsafelyUnwrapped)
        c.pointee.exchange.request.unsafelyUnwrapped.initialize(to: RequestState())
        c.pointee.exchange.snapshot = current
        c.pointee.exchange.snapshotHolder = currentHolder
        holders.pointer(currentHolder).pointee.openCount += 1
        c.pointee.exchange.method = head.method
        c.pointee.exchange.clientMinorVersion = head.versionMinor
        c.pointee.exchange.keepsAlive = head.keepAlive && !isDraining
        c.pointee.exchange.expectsContinue = head.expectsContinue
        if head.known.contains(.accept) { noteAccept(c) }
        c.pointee.exchange.hasOrigin = head.known.contains(.origin)
        c.pointee.exchange.headLength = head.headLength
        c.pointee.exchange.requestTime = realtime
        c.pointee.exchange.startedAt = nowNanoseconds
        sequence &+= 1
        c.pointee.exchange.auditID = AuditID(
            unixMilliseconds: realtime / 1_000_000, worker: UInt16(truncatingIfNeeded: self.index),
            bootNonce: bootNonce,
            sequence: sequence)
        openExchanges += 1
        c.pointee.exchange.isTimed = sequence & Self.timedMask == 1
        setRequestID(c)
        switch head.framing {
        case .contentLength(let n): c.pointee.exchange.requestLength = n
        case .chunked: c.pointee.exchange.requestIsChunked = true
        default: break
        }
        admit(index, presented, hash)
    }

    /// A client that accepts a stream's media type asks for a stream.
    @inline(__always)
    private func noteAccept(_ c: UnsafeMutablePointer<ClientConnection>) {
        guard let field = firstField(.accept), field.valueLength >= 17 else { return }
        let value = bytes(field, UnsafePointer(c.pointee.inbound.readPointer))
        var tokens = FieldListTokens(value.pointer.unsafelyUnwrapped, value.count)
        while let token = tokens.next() {
            let type = Bytes(value.pointer.unsafelyUnwrapped + token.offset, token.count)
            if MediaType.isEventStream(type) || MediaType.isNDJSON(type) { c.pointee.exchange.isStream = true }
        }
    }

    /// A client's own id is kept if it is short and plain; else the exchange gets one of ours.
    @inline(__always)
    private mutating func setRequestID(_ c: UnsafeMutablePointer<ClientConnection>) {
        if head.known.contains(.xRequestID), let field = firstField(.xRequestID) {
            let count = Int(field.valueLength)
            let p = UnsafePointer(c.pointee.inbound.readPointer) + Int(field.valueOffset)
            if RequestID.isValid(p, count) {
                withUnsafeMutableBytes(of: &c.pointee.exchange.requestID) {
                    $0.baseAddress!.copyMemory(from: p, byteCount: count)
                }
                c.pointee.exchange.requestIDLength = UInt8(count)
                return
            }
        }
        let number = RequestNumber.make(unixSeconds: realtime / 1_000_000_000, worker: self.index, sequence: sequence)
        withUnsafeMutableBytes(of: &c.pointee.exchange.requestID) {
            RequestID.write(number, into: $0.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
        c.pointee.exchange.requestIDLength = UInt8(RequestID.ownLength)
    }

    /// The first field with this id; the caller has seen it in `head.known`.
    @inline(__always)
    func firstField(_ id: HeaderID) -> Field? {
        var i = 0
        while i < Int(head.fieldCount) {
            if fields[i].id == id { return fields[i] }
            i &+= 1
        }
        return nil
    }

    @inline(__always)
    func bytes(_ field: Field, _ base: UnsafePointer<UInt8>) -> Bytes {
        Bytes(base + Int(field.valueOffset), Int(field.valueLength))
    }

    @inline(__always)
    private mutating func admit(_ index: UInt32, _ presented: PresentedKey?, _ hash: KeyHash) {
        let c = clients.pointer(index)
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        let path = Bytes(base + Int(head.pathOffset), Int(head.pathLength))
        if path.count == 7 && isHealthPath(path) { return answerHealth(index) }
        // In this order, for each step needs lines that the one before has asked for, and time to pass until they are here:
        // the key's, those of the routes' index and of what the key has left, the route's.
        let recorded = current.pointee.policy.audits ? recordHead(c) : RecordedHead()
        var refusal = authenticate(c, path, presented, hash)
        let isSearched = refusal == .none && current.pointee.table.index.needsPathOnly
        if isSearched { current.pointee.table.finish(&search.pointee) }
        if current.pointee.policy.audits { audit(accepted: index, recorded) }
        if refusal == .none { refusal = takeShare(c, path) }
        if isSearched { current.pointee.table.fetchPrefixes(search.pointee) }
        if refusal != .none { return refuse(index, refusal) }
        if head.method == .options && head.known.contains(.accessControlRequestMethod) && head.known.contains(.origin) {
            return answerPreflight(index)
        }
        guard c.pointee.exchange.requestLength <= current.pointee.policy.maxBodyBytes else {
            return refuse(index, .bodyTooLarge)
        }
        beginBody(index)
    }

    /// With many routes their index is a miss as well, and what it leads to. The route is chosen later, once all is known
    /// that can speak against the request.
    @inline(__always)
    private mutating func beginSearch(_ c: UnsafeMutablePointer<ClientConnection>) {
        let path = UnsafePointer(c.pointee.inbound.readPointer) + Int(head.pathOffset)
        current.pointee.table.index.begin(&search.pointee, Bytes(path, Int(head.pathLength)))
    }

    /// Who asks, and whether it may.
    @inline(__always)
    private mutating func authenticate(
        _ c: UnsafeMutablePointer<ClientConnection>, _ path: Bytes, _ presented: PresentedKey?, _ hash: KeyHash
    ) -> ExchangeError {
        if head.method == .connect || head.method == .trace { return .notImplemented }
        if !TargetPolicy.isPlain(path.pointer!, path.count) {
            let error = judgeOddPath(c, path)
            if error != .none { return error }
        }
        let isPreflight =
            head.method == .options && head.known.contains(.accessControlRequestMethod) && head.known.contains(.origin)
        if isPreflight { return .none }
        let policy = UnsafePointer(current).pointee.policy
        guard let presented else { return policy.requiresKey ? .missingKey : .none }
        if presented.isFromQuery || policy.requiresKey { c.pointee.exchange.hidesQueryKey = head.queryLength > 0 }
        let found = current.pointee.keys.find(hash)
        guard found >= 0 else { return policy.requiresKey ? .invalidKey : .none }
        let key = current.pointee.keys.pointer(found)
        c.pointee.exchange.keyIndex = found
        if !key.pointee.isActive { return .inactiveKey }
        if key.pointee.expiresAtMilliseconds <= Int64(realtime / 1_000_000) { return .expiredKey }
        if !key.pointee.allows(path: path, scratch: patternScratch) { return .notPermitted }
        if c.pointee.exchange.pathIsAmbiguous && !allowsOtherReading(key, path) { return .notPermitted }
        return .none
    }

    /// Takes the request out of what its key may do, as far as that is known before the body.
    @inline(__always)
    private mutating func takeShare(_ c: UnsafeMutablePointer<ClientConnection>, _ path: Bytes) -> ExchangeError {
        let index = c.pointee.exchange.keyIndex
        if index < 0 { return .none }
        let key = current.pointee.keys.pointer(index)
        if current.pointee.policy.limitsRates && key.pointee.requestsPerMinute > 0 {
            let refusal = takeRate(c, key)
            if refusal != .none { return refusal }
        }
        return key.pointee.hasLimits ? enterLimits(c, key, path) : .none
    }

    private mutating func takeRate(
        _ c: UnsafeMutablePointer<ClientConnection>, _ key: UnsafePointer<CompiledKey>
    ) -> ExchangeError {
        let verdict = key.pointee.rateCell.take(limit: key.pointee.requestsPerMinute, nowNanoseconds: nowNanoseconds)
        c.pointee.exchange.rateLimit = Int32(clamping: key.pointee.requestsPerMinute)
        c.pointee.exchange.rateRemaining = Int32(clamping: verdict.remaining)
        c.pointee.exchange.rateResetMilliseconds = UInt32(clamping: verdict.resetMilliseconds)
        if verdict.isAllowed { return .none }
        c.pointee.exchange.retryAfterMilliseconds = UInt32(clamping: verdict.retryAfterMilliseconds)
        metrics.rateLimited()
        return .rateLimited
    }

    // MARK: Keys

    struct PresentedKey: BitwiseCopyable {
        var key: Bytes
        var isFromQuery: Bool
    }

    private static var keyFields: HeaderMask {
        HeaderMask().inserting(.authorization).inserting(.xAPIKey).inserting(.apiKey).inserting(.xGoogAPIKey)
    }

    /// The key that the request carries: `Authorization: Bearer`, then the other headers, then `?key=`.
    @inline(__always)
    func presentedKey(_ base: UnsafePointer<UInt8>) -> PresentedKey? {
        if head.known.intersects(Self.keyFields) {
            if head.known.contains(.authorization), let field = firstField(.authorization) {
                let value = bytes(field, base)
                if let token = BearerToken.read(value) { return PresentedKey(key: token, isFromQuery: false) }
            }
            var i = 0
            while i < Int(head.fieldCount) {
                let id = fields[i].id
                if id == .xAPIKey || id == .apiKey || id == .xGoogAPIKey {
                    return PresentedKey(key: bytes(fields[i], base), isFromQuery: false)
                }
                i &+= 1
            }
        }
        if head.queryLength > 0 {
            let query = Bytes(base + Int(head.queryOffset), Int(head.queryLength))
            if let key = QueryKey.value(in: query) { return PresentedKey(key: key, isFromQuery: true) }
        }
        return nil
    }
}
