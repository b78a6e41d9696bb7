import HTTP
import Reactor
import Store

/// The three records that an exchange leaves in the worker's ring: accepted, first byte, completed.
extension Worker {
    /// What an open exchange is reckoned to need for its completed record.
    private static let completedReserve = 2048

    /// True if the ring has room for this exchange's records and for those that open exchanges still have to write.
    @inline(__always)
    mutating func hasRoomForAudit(headBytes: Int) -> Bool {
        if isUnderPressure != producer.isFuller(than: ringCapacity / 8) { pressureChanged() }
        if !current.pointee.policy.waitsForAudit { return true }
        let free = producer.freeBytes()
        let need = headBytes * 2 + Self.completedReserve * (openExchanges + 2)
        return free >= min(need, ringCapacity / 4)
    }

    /// The ring has filled by an eighth, or emptied again: the writer is told, for on a busy core, at idle priority, it may
    /// not notice by itself.
    @inline(never)
    private mutating func pressureChanged() {
        isUnderPressure.toggle()
        if isUnderPressure { onRingPressure() }
    }

    /// Puts a client with a whole head aside until the writer has made room: nothing is lost, nothing is refused.
    mutating func waitForAudit(_ index: UInt32) {
        let c = clients.pointer(index)
        c.pointee.state = .waitingForAudit
        c.pointee.deadline = noDeadline
        auditWaiters.append(clients.token(kind: Kind.client, index))
        metrics.audit(waiting: 1)
    }

    /// The writer may have made room: what did not fit goes in, requests that waited go on.
    mutating func retryAudit() {
        while let record = spilled.first {
            guard let p = producer.reserve(record.bytes.count) else { return }
            record.bytes.withUnsafeBytes { p.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
            producer.commit()
            if record.slot != ProviderExchange.noSlot { openUsage.clear(record.slot) }
            spilled.removeFirst()
        }
        if auditWaiters.isEmpty { return }
        swap(&auditWaiters, &nextAuditWaiters)
        var i = 0
        while i < nextAuditWaiters.count {
            let token = nextAuditWaiters[i]
            i &+= 1
            guard let c = clients.resolve(token), c.pointee.state == .waitingForAudit else { continue }
            c.pointee.state = .readingHead
            clientReady(token.index)
        }
        nextAuditWaiters.removeAll()
    }

    // MARK: Records

    /// A request's path and head lines as they are recorded, partly in `auditScratch`.
    struct RecordedHead: BitwiseCopyable {
        var path = Bytes.empty
        var lines = Bytes.empty
    }

    /// The part of the accepted record that has nothing to do with who asks.
    @inline(__always)
    mutating func recordHead(_ c: UnsafeMutablePointer<ClientConnection>) -> RecordedHead {
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        auditScratchOwner = Token(rawValue: 0)
        var lines = HeadWriter(auditScratch, capacity: Self.auditScratchBytes)
        let path = recordedPath(c, base, &lines)
        let linesStart = lines.count
        if UnsafePointer(current).pointee.policy.auditsHeaders {
            writeMasked(base, fields, Int(head.fieldCount), &lines)
        }
        if c.pointee.subject.isAllocated { writeSubject(c, &lines) }
        return RecordedHead(
            path: path, lines: Bytes(UnsafePointer(auditScratch) + linesStart, lines.count - linesStart))
    }

    /// The request's head is accepted.
    @inline(__always)
    mutating func audit(accepted index: UInt32, _ recorded: RecordedHead) {
        let c = clients.pointer(index)
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        var ip: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
        withUnsafeMutableBytes(of: &ip) { raw in
            let p = raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
            let ipLength = c.pointee.peer.write(into: p)
            var keyID = Bytes.empty
            var sourcePath = Bytes.empty
            if c.pointee.exchange.keyIndex >= 0 {
                let key = snapshot.pointee.keys.pointer(c.pointee.exchange.keyIndex)
                keyID = key.pointee.keyID
                sourcePath = key.pointee.sourcePath
            }
            var userAgent = Bytes.empty
            if head.known.contains(.userAgent), let field = firstField(.userAgent) { userAgent = bytes(field, base) }
            let record = AcceptedFields(
                requestTimeNanoseconds: c.pointee.exchange.requestTime, requestID: requestID(c), keyID: keyID,
                sourcePath: sourcePath, method: Bytes(base + Int(head.methodOffset), Int(head.methodLength)),
                userAgent: userAgent, ip: Bytes(UnsafePointer(p), ipLength), path: recorded.path,
                requestHeaders: recorded.lines, isStream: c.pointee.exchange.isStream)
            let size = AuditEncoder.acceptedSize(record)
            if let room = producer.reserve(size) {
                AuditEncoder.encodeAccepted(c.pointee.exchange.auditID, record, into: room)
                producer.commit()
            } else if snapshot.pointee.policy.waitsForAudit {
                spill(size) { AuditEncoder.encodeAccepted(c.pointee.exchange.auditID, record, into: $0) }
            } else {
                return metrics.audit(dropped: 1)
            }
            c.pointee.exchange.isAudited = true
            metrics.audit(accepted: 1)
        }
    }

    /// Whom the client's certificate names. No request can carry a field of this name: it holds a space.
    @inline(never)
    private func writeSubject(_ c: UnsafeMutablePointer<ClientConnection>, _ lines: inout HeadWriter) {
        lines.append("client certificate: ")
        lines.append(c.pointee.subject.readPointer, c.pointee.subject.count)
        lines.append("\r\n")
    }

    /// Path and query as they are recorded: without the `key` parameter.
    private func recordedPath(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) -> Bytes {
        let path = base + Int(head.pathOffset)
        if head.queryLength == 0 { return Bytes(path, Int(head.pathLength)) }
        let query = Bytes(base + Int(head.queryOffset), Int(head.queryLength))
        let queryFollows = head.pathOffset + head.pathLength + 1 == head.queryOffset
        if queryFollows && QueryKey.value(in: query) == nil {
            return Bytes(path, Int(head.queryOffset) - Int(head.pathOffset) + query.count)
        }
        let start = writer.count
        writer.append(path, Int(head.pathLength))
        var separator: StaticString = "?"
        QueryKey.without(query) {
            writer.append(separator)
            separator = ""
            writer.append($0)
        }
        return Bytes(UnsafePointer(auditScratch) + start, writer.count - start)
    }

    /// The response has begun, and the exchange goes on beyond this turn: what the audit wants of its head goes into the
    /// ring, so that an open stream holds no memory for it. Only where the ring has no room it moves into a buffer of the
    /// exchange.
    @inline(__always)
    mutating func keepAuditDescription(_ index: UInt32) {
        if auditScratchOwner != clients.token(kind: Kind.client, index) { return }
        auditScratchOwner = Token(rawValue: 0)
        let c = clients.pointer(index)
        if c.pointee.exchange.isTimed { firstBytesAreOut(index) }
        if c.pointee.exchange.isStream && !c.pointee.exchange.isCountedStream {
            c.pointee.exchange.isCountedStream = true
            metrics.streamBegan()
        }
        if c.pointee.exchange.isAudited && !c.pointee.exchange.firstByteIsAudited { audit(firstByte: c) }
        leaveRequestBehind(c)
    }

    private mutating func audit(firstByte c: UnsafeMutablePointer<ClientConnection>) {
        let record = FirstByteFields(
            firstResponseTimeNanoseconds: c.pointee.exchange.firstResponseTime,
            targetURL: Bytes(UnsafePointer(auditScratch), auditScratchURL),
            responseHeaders: Bytes(UnsafePointer(auditScratch) + auditScratchURL, auditScratchCount - auditScratchURL),
            isStream: c.pointee.exchange.isStream)
        if spilled.isEmpty, let room = producer.reserve(AuditEncoder.firstByteSize(record)) {
            AuditEncoder.encodeFirstByte(c.pointee.exchange.auditID, record, into: room)
            producer.commit()
            metrics.auditedFirstByte()
            c.pointee.exchange.firstByteIsAudited = true
            return
        }
        pool.append(&c.pointee.exchange.auditTail, auditScratch, auditScratchCount)
        c.pointee.exchange.targetURLLength = UInt32(auditScratchURL)
    }

    /// Writes the target's URL and the response's masked head into the worker's scratch, where the completed record
    /// finds them if the exchange ends in this turn.
    @inline(__always)
    mutating func describeForAudit(_ index: UInt32, _ p: UnsafePointer<UInt8>, _ response: ResponseHead) {
        auditScratchOwner = clients.token(kind: Kind.client, index)
        guard clients.pointer(index).pointee.exchange.isAudited else { return }
        if current.pointee.policy.auditsBody { noteBody(clients.pointer(index), p, response) }
        var writer = HeadWriter(auditScratch, capacity: Self.auditScratchBytes)
        writeTargetURL(index, &writer)
        auditScratchURL = writer.count
        if current.pointee.policy.auditsHeaders {
            writeMasked(p, responseFields, Int(response.fieldCount), &writer)
        }
        auditScratchCount = writer.count
    }

    /// The same for an exchange that has its first byte's record: its end's record says it anew.
    mutating func keepDescription(_ index: UInt32, _ p: UnsafePointer<UInt8>, _ response: ResponseHead) {
        let c = clients.pointer(index)
        guard c.pointee.exchange.isAudited else { return }
        describeForAudit(index, p, response)
        auditScratchOwner = Token(rawValue: 0)
        pool.give(&c.pointee.exchange.auditTail)
        pool.append(&c.pointee.exchange.auditTail, auditScratch, auditScratchCount)
        c.pointee.exchange.targetURLLength = UInt32(auditScratchURL)
    }

    /// The same for an answer of ours, which has no upstream head.
    mutating func describeForAudit(_ index: UInt32) {
        var writer = HeadWriter(auditScratch, capacity: Self.auditScratchBytes)
        writeTargetURL(index, &writer)
        auditScratchURL = writer.count
        auditScratchCount = writer.count
        auditScratchOwner = clients.token(kind: Kind.client, index)
    }

    @inline(__always)
    private mutating func writeTargetURL(_ index: UInt32, _ writer: inout HeadWriter) {
        let c = clients.pointer(index)
        guard c.pointee.exchange.routeIndex >= 0, c.pointee.exchange.headLength > 0 else { return }
        refreshHead(index)
        let target = self.target(c)
        writer.append(target.pointee.isTLS ? "https://" : "http://")
        writer.append(target.pointee.authority)
        writeTarget(c, &writer)
    }

    /// The exchange is over.
    @inline(__always)
    mutating func audit(completed index: UInt32) {
        let c = clients.pointer(index)
        var url = Bytes.empty
        var lines = Bytes.empty
        if auditScratchOwner == clients.token(kind: Kind.client, index) {
            url = Bytes(UnsafePointer(auditScratch), auditScratchURL)
            lines = Bytes(UnsafePointer(auditScratch) + auditScratchURL, auditScratchCount - auditScratchURL)
        } else if c.pointee.exchange.request != nil, c.pointee.exchange.auditTail.isAllocated {
            let tail = c.pointee.exchange.auditTail
            let urlLength = Int(c.pointee.exchange.targetURLLength)
            url = Bytes(tail.readPointer, urlLength)
            lines = Bytes(tail.readPointer + urlLength, tail.count - urlLength)
        }
        let error = c.pointee.exchange.error
        let message = error.message
        let requestBody = c.pointee.exchange.request?.pointee.requestCapture ?? .empty
        let responseBody = c.pointee.exchange.request?.pointee.responseCapture ?? .empty
        let record = CompletedFields(
            firstResponseTimeNanoseconds: c.pointee.exchange.firstResponseTime, responseTimeNanoseconds: recordedNow(c),
            requestSize: c.pointee.exchange.requestReceived, responseSize: c.pointee.exchange.responseBytes,
            streamChunks: c.pointee.exchange.hidesChunks
                ? AuditEvent.unknownChunks : c.pointee.exchange.events.events &+ c.pointee.exchange.lines.lines,
            status: c.pointee.exchange.status, isStream: c.pointee.exchange.isStream,
            flags: bodyFlags(c),
            routeNumber: c.pointee.exchange.routeIndex < 0
                ? 0 : UInt32(truncatingIfNeeded: route(c).pointee.metricID), targetURL: url,
            errorMessage: error == .none ? .empty : Bytes(message), responseHeaders: lines,
            requestBody: Self.contents(requestBody), responseBody: Self.contents(responseBody))
        let size = AuditEncoder.completedSize(record)
        if spilled.isEmpty, let room = producer.reserve(size) {
            AuditEncoder.encodeCompleted(c.pointee.exchange.auditID, record, into: room)
            producer.commit()
        } else {
            spill(completed: record, c.pointee.exchange.auditID)
        }
        metrics.audit(completed: 1)
    }

    private static func contents(_ buffer: Buffer) -> Bytes {
        buffer.isAllocated ? Bytes(buffer.readPointer, buffer.count) : .empty
    }

    /// Keeps a record in memory until the ring has room. As many as there are open exchanges at the most: admission
    /// stops long before.
    @inline(never)
    mutating func spill(_ size: Int, _ encode: (UnsafeMutableRawPointer) -> Void) {
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            encode(UnsafeMutableRawPointer(buffer.baseAddress!))
            count = size
        }
        spilled.append(SpilledRecord(bytes: bytes))
    }
}

/// A record that waits for room in the ring.
struct SpilledRecord {
    var bytes: [UInt8]
    /// Where usage is kept in the meantime, see Worker+OpenUsage.
    var slot = ProviderExchange.noSlot
}
