import Glibc
import HTTP
import JSON
import Reactor

/// Receiving a request's body as far as it is needed: whole if it is short enough to be sent again or if the route
/// depends on it, else only until the route is decided.
extension Worker {
    static let maxUndecodedBytes = 64 * 1024
    /// With a usual head it fits a buffer of 64 KiB.
    static let firstBodyBytes: UInt64 = 60 * 1024

    /// The head is accepted: goes on with the body, or at once if all of it is here.
    @inline(__always)
    mutating func beginBody(_ index: UInt32) {
        let c = clients.pointer(index)
        let here = c.pointee.inbound.count - Int(c.pointee.exchange.headLength)
        if !c.pointee.exchange.requestIsChunked {
            let length = c.pointee.exchange.requestLength
            if UInt64(here) >= length {
                c.pointee.exchange.requestReceived = length
                c.pointee.exchange.requestIsComplete = true
                return dispatch(index)
            }
        }
        beginPartialBody(index)
    }

    private mutating func beginPartialBody(_ index: UInt32) {
        let c = clients.pointer(index)
        c.pointee.exchange.phase = .readingBody
        if c.pointee.acksLater { acknowledgeAtOnce(c) }
        if c.pointee.exchange.requestIsChunked {
            c.pointee.exchange.usesDecodedBody = true
            guard decodeBufferedChunks(index) else { return }
            if c.pointee.exchange.requestIsComplete { return dispatch(index) }
        } else {
            let here = UInt64(c.pointee.inbound.count) - UInt64(c.pointee.exchange.headLength)
            c.pointee.exchange.requestReceived = here
        }
        c.pointee.paceDeadline = noDeadline
        bodyCameIn(index)
        if c.pointee.exchange.expectsContinue && c.pointee.exchange.requestReceived == 0 {
            guard askForBody(index) else { return }
        }
        if c.pointee.isReadable { readBody(index) } else { dispatchEarly(index) }
    }

    /// The client waits to be told to send its body (RFC 9110 §10.1.1). False if there is no use in it.
    private mutating func askForBody(_ index: UInt32) -> Bool {
        let c = clients.pointer(index)
        let request = view(c)
        if chooseRoute(index, request) == -1 && !mayGoToProvider(c) {
            take(index, -1, request)
            return false
        }
        let line: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"
        return sendToClient(index, line.utf8Start, line.utf8CodeUnitCount)
    }

    /// Reads more of a body before the request goes on. What is there is read first; once the client makes us wait,
    /// the request goes on with what there is, if the route is decided.
    mutating func readBody(_ index: UInt32) {
        readUntilDecided(index)
        settlePeeked()
    }

    private mutating func readUntilDecided(_ index: UInt32) {
        let c = clients.pointer(index)
        var reads = 0
        while c.pointee.isReadable {
            if reads == Self.readsPerTurn { return enqueueClient(index) }
            reads += 1
            let got = receiveBody(index)
            if got == 0 { break }
            guard got > 0 else { return }
            if c.pointee.exchange.requestIsComplete {
                bodyCameIn(index)
                return dispatch(index)
            }
            if c.pointee.exchange.requestReceived > Self.replayBytes {
                dispatchEarly(index)
                if !clients.isLive(index) || c.pointee.exchange.phase != .readingBody { return }
            }
        }
        dispatchEarly(index)
    }

    /// Reads on while the request is under way already; it stays in the buffer, so that it can be sent again.
    mutating func readHeldBody(_ index: UInt32) {
        let c = clients.pointer(index)
        var reads = 0
        while c.pointee.isReadable && !c.pointee.exchange.requestIsComplete {
            if reads == Self.readsPerTurn { return enqueueClient(index) }
            reads += 1
            let before = c.pointee.exchange.requestReceived
            let got = receiveBody(index)
            if got == 0 { break }
            guard got > 0 else { return }
            if c.pointee.exchange.requestIsComplete { bodyCameIn(index) }
            let new = Int(c.pointee.exchange.requestReceived - before)
            let start = c.pointee.inbound.readPointer + Int(c.pointee.exchange.headLength) + Int(before)
            guard keepsAgreeing(index, start, new) else { return settlePeeked() }
            captureRequestBody(c)
            // What is still in the socket goes on before more is looked at.
            if peeked.count > 0 {
                if c.pointee.isReadable && !c.pointee.exchange.requestIsComplete { enqueueClient(index) }
                break
            }
        }
        pumpRequest(index)
        settlePeeked()
    }

    /// More of the body is here, or all of it: moves the client's deadline, unless that is the end of a pause before
    /// another attempt, or of waiting for the client to read. `count` 0: time begins anew, nobody was waited for.
    @inline(__always)
    mutating func bodyCameIn(_ index: UInt32, _ count: Int = 0) {
        let c = clients.pointer(index)
        if c.pointee.exchange.phase == .backingOff || !c.pointee.outbound.isEmpty { return }
        if c.pointee.exchange.requestIsComplete {
            c.pointee.deadline = noDeadline
        } else {
            let policy = UnsafePointer(current)
            let timeout = policy.pointee.policy.bodyTimeoutMilliseconds
            keepPace(c, count, policy.pointee.policy.minBodyRate, timeout)
            setDeadline(client: index, lookDeadline(c, min(now + timeout, c.pointee.paceDeadline)))
        }
    }

    /// `count` bytes went by: at `rate` bytes a second they are good for so much more time, up to the grace.
    @inline(__always)
    func keepPace(
        _ c: UnsafeMutablePointer<ClientConnection>, _ count: Int, _ rate: UInt64, _ timeout: UInt64
    ) {
        guard rate > 0 else {
            c.pointee.paceDeadline = noDeadline
            return
        }
        let latest = now + max(current.pointee.policy.rateGraceMilliseconds, timeout)
        let earned = count == 0 || c.pointee.paceDeadline == noDeadline ? latest : c.pointee.paceDeadline
        c.pointee.paceDeadline = min(latest, earned &+ UInt64(count) &* 1000 / rate)
    }

    /// One read of body bytes into the inbound buffer. 0: nothing there now; -1: the exchange is over.
    private mutating func receiveBody(_ index: UInt32) -> Int {
        let c = clients.pointer(index)
        if isOutOfMemory {
            notice(.memory)
            metrics.shed()
            refuse(index, .noMemory)
            return -1
        }
        settlePeeked()
        let arrived = arrivedOfLongBody(index)
        if arrived < 0 { return 0 }
        reserveForBody(c, arrived)
        let got =
            arrived >= Self.splicedBodyBytes
            ? peek(index) : receive(client: c, c.pointee.inbound.writePointer, c.pointee.inbound.writableCount)
        if got == -EAGAIN { return 0 }
        guard got > 0 else {
            clientIsGone(index)
            return -1
        }
        c.pointee.inbound.end &+= UInt32(truncatingIfNeeded: got)
        bodyCameIn(index, got)
        if c.pointee.exchange.requestIsChunked { return decodeBufferedChunks(index) ? got : -1 }
        let here = UInt64(c.pointee.inbound.count) - UInt64(c.pointee.exchange.headLength)
        c.pointee.exchange.requestReceived = min(here, c.pointee.exchange.requestLength)
        if here >= c.pointee.exchange.requestLength { c.pointee.exchange.requestIsComplete = true }
        lowerWater(c, c.pointee.exchange.requestLength - c.pointee.exchange.requestReceived)
        return got
    }

    /// Makes room for more of a body, of which `arrived` bytes are known to be there.
    private mutating func reserveForBody(_ c: UnsafeMutablePointer<ClientConnection>, _ arrived: Int) {
        let exchange = UnsafePointer(c).pointee.exchange
        if exchange.requestIsChunked {
            return pool.reserve(&c.pointee.inbound, writable: 16 * 1024)
        }
        let missing = exchange.requestLength - exchange.requestReceived
        // Room comes as the body does, doubled each time: a claim in a header is not worth megabytes. What has arrived is.
        let grown = min(max(exchange.requestReceived, Self.firstBodyBytes), 256 * 1024)
        let step = min(missing, max(grown, UInt64(arrived)))
        if c.pointee.inbound.writableCount < 4096
            || UInt64(c.pointee.inbound.writableCount) < min(step, max(Self.firstBodyBytes, UInt64(arrived)))
        {
            pool.reserve(&c.pointee.inbound, writable: Int(max(step, 1)))
        }
    }

    /// Takes the chunked framing off what is in the inbound buffer behind the head. False if the request was refused.
    private mutating func decodeBufferedChunks(_ index: UInt32) -> Bool {
        let c = clients.pointer(index)
        let headLength = Int(c.pointee.exchange.headLength)
        let policy = UnsafePointer(current).pointee.policy
        let p = UnsafePointer(c.pointee.inbound.readPointer) + headLength
        let n = c.pointee.inbound.count - headLength
        var consumed = 0
        decoding: while true {
            switch c.pointee.exchange.requestDecoder.next(p, n, consumed: &consumed, limits: policy.messageLimits) {
            case .data(let offset, let count):
                pool.append(&c.pointee.exchange.decodedBody, p + offset, count)
                c.pointee.exchange.requestReceived += UInt64(count)
                if c.pointee.exchange.requestReceived > policy.maxBodyBytes {
                    refuse(index, .bodyTooLarge)
                    return false
                }
            case .needMore: break decoding
            case .trailers(let offset, let count): keepTrailers(c, p + offset, count)
            case .end:
                c.pointee.exchange.requestIsComplete = true
                c.pointee.exchange.requestLength = c.pointee.exchange.requestReceived
                break decoding
            case .failed(let failure):
                refuse(index, ExchangeError(body: failure))
                return false
            }
        }
        dropBehindHead(c, consumed)
        if n - consumed > Self.maxUndecodedBytes && !c.pointee.exchange.requestIsComplete {
            refuse(index, .malformedBody)
            return false
        }
        return true
    }

    /// Takes `count` bytes out of the inbound buffer right behind the head.
    func dropBehindHead(_ c: UnsafeMutablePointer<ClientConnection>, _ count: Int) {
        if count == 0 { return }
        let headLength = Int(c.pointee.exchange.headLength)
        let p = c.pointee.inbound.readPointer + headLength
        let left = c.pointee.inbound.count - headLength - count
        if left > 0 { memmove(p, p + count, left) }
        c.pointee.inbound.end -= UInt32(count)
    }

    /// Sends the request on before all of its body is here, if that is right: the route is decided by what there is, and
    /// does not change the body. A short body stays in the buffer as it comes; a long one, or one of unknown length,
    /// passes through, and from its first byte that did on it cannot be sent again.
    private mutating func dispatchEarly(_ index: UInt32) {
        refreshHead(index)
        let c = clients.pointer(index)
        let request = view(c)
        let chosen = chooseRoute(index, request)
        guard chosen != -2, !(chosen == -1 && mayGoToProvider(c)) else { return }
        if chosen >= 0 && restrictsModels(c) && awaitsModel(c, request) { return }
        let exchange = UnsafePointer(c).pointee.exchange
        if chosen >= 0
            && exchange.snapshot.unsafelyUnwrapped.pointee.table.routes.pointer(chosen).pointee.bodyFields != nil
        {
            return
        }
        if exchange.requestIsChunked || exchange.requestLength > Self.replayBytes {
            c.pointee.exchange.streamsRequest = true
            c.pointee.exchange.heldBody = exchange.requestReceived
        }
        setLowWater(c, 0)
        take(index, chosen, request)
    }

    /// The received body, as far as it is here and without its framing.
    @inline(__always)
    func body(_ c: UnsafeMutablePointer<ClientConnection>) -> Bytes {
        if c.pointee.exchange.usesDecodedBody {
            let decoded = c.pointee.exchange.decodedBody
            let count = decoded.count - Int(c.pointee.exchange.trailersLength)
            return count == 0 ? .empty : Bytes(decoded.readPointer, count)
        }
        let count =
            c.pointee.exchange.streamsRequest ? c.pointee.exchange.heldBody : c.pointee.exchange.requestReceived
        if count == 0 { return .empty }
        return Bytes(c.pointee.inbound.readPointer + Int(c.pointee.exchange.headLength), Int(count))
    }

    /// What the router looks at.
    @inline(__always)
    mutating func view(_ c: UnsafeMutablePointer<ClientConnection>) -> RequestView {
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        let body = body(c)
        var request = RequestView(
            base: base, fields: fields, fieldCount: Int(head.fieldCount), method: head.method,
            methodName: Bytes(base + Int(head.methodOffset), Int(head.methodLength)),
            path: Bytes(base + Int(head.pathOffset), Int(head.pathLength)),
            query: Bytes(base + Int(head.queryOffset), Int(head.queryLength)), body: body,
            bodyIsComplete: c.pointee.exchange.requestIsComplete, captures: nil,
            bodyIsNoObject: c.pointee.exchange.bodyIsNoObject, search: UnsafePointer(search))
        if body.count == 0 || request.bodyIsNoObject { return request }
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        // No route asks about the body: what a provider has to know of it is read there.
        request.isUnread =
            snapshot.pointee.table.bodyRouteCount == 0 && !snapshot.pointee.providers.isEmpty
            && c.pointee.exchange.requestIsComplete && !c.pointee.exchange.scanState.isAllocated
        if !request.isUnread { readMembers(c, &request) }
        return request
    }

    /// Scans the body for the members that routes ask about, and for `stream`.
    @inline(__always)
    mutating func readMembers(_ c: UnsafeMutablePointer<ClientConnection>, _ request: inout RequestView) {
        let body = request.body
        request.isUnread = false
        if c.pointee.exchange.requestIsComplete && !c.pointee.exchange.scanState.isAllocated {
            var scanner = MemberScanner()
            let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
            MemberCapture.reset(captures, snapshot.pointee.memberNameCount)
            let state = scanner.feed(
                body.pointer.unsafelyUnwrapped, body.count, table: snapshot.pointee.memberNames, captures: captures)
            if state == .finished { request.captures = captures } else { request.bodyIsNoObject = true }
        } else {
            scanMore(c, &request)
        }
        if request.bodyIsNoObject { c.pointee.exchange.bodyIsNoObject = true }
        if let found = request.captures, found[SnapshotView.streamMember].kind == .true,
            found[SnapshotView.streamMember].isComplete
        {
            c.pointee.exchange.isStream = true
        }
    }

    /// Goes on scanning a body that came in pieces; the scanner's state lives in a buffer of the exchange.
    private mutating func scanMore(_ c: UnsafeMutablePointer<ClientConnection>, _ request: inout RequestView) {
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        let state = scanState(c)
        let seen = Int(state.scanner.pointee.bytesSeen)
        if request.body.count > seen {
            _ = state.scanner.pointee.feed(
                request.body.pointer.unsafelyUnwrapped + seen, request.body.count - seen,
                table: snapshot.pointee.memberNames, captures: state.captures)
        }
        switch state.scanner.pointee.state {
        case .finished: request.captures = state.captures
        case .needMore:
            if request.bodyIsComplete { request.bodyIsNoObject = true } else { request.captures = state.captures }
        case .notAnObject, .malformed: request.bodyIsNoObject = true
        }
    }

    /// The member scan of a body that comes in pieces.
    struct ScanState: BitwiseCopyable {
        var scanner: UnsafeMutablePointer<MemberScanner>
        var captures: UnsafeMutablePointer<MemberCapture>
    }

    mutating func scanState(_ c: UnsafeMutablePointer<ClientConnection>) -> ScanState {
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        let capturesAt = (MemoryLayout<MemberScanner>.stride + 15) & ~15
        let isNew = !c.pointee.exchange.scanState.isAllocated
        if isNew {
            c.pointee.exchange.scanState = pool.take(
                atLeast: capturesAt + snapshot.pointee.memberNameCount * MemoryLayout<MemberCapture>.stride)
        }
        let base = UnsafeMutableRawPointer(c.pointee.exchange.scanState.base.unsafelyUnwrapped)
        let state = ScanState(
            scanner: base.assumingMemoryBound(to: MemberScanner.self),
            captures: (base + capturesAt).assumingMemoryBound(to: MemberCapture.self))
        if isNew {
            state.scanner.initialize(to: MemberScanner())
            state.captures.initialize(repeating: MemberCapture(), count: snapshot.pointee.memberNameCount)
        }
        return state
    }
}
