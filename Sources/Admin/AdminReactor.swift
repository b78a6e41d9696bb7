import Config
import Glibc
import HTTP
import Reactor

/// The thread of the admin port: accepts, reads requests, checks tokens, hands work to the executors and sends what
/// they answer. Nothing on it blocks.
final class AdminReactor {
    static let maxConnections = 256
    static let bufferBytes = 64 << 10
    /// How long a closing connection may still deliver input that is dropped.
    static let lingerMilliseconds: UInt64 = 2000
    /// How long open requests may take once the server stops.
    static let stopMilliseconds: UInt64 = 2000
    /// Pieces of a stream sent in one turn, so that one fast reader does not keep the others waiting.
    static let piecesPerTurn = 8
    /// TLS records read in one turn; more than the session reads ahead.
    static let readsPerTurn = 64
    private static let listenerKind: UInt8 = 1
    private static let mailboxKind: UInt8 = 2
    private static let connectionKind: UInt8 = 3

    let shared: AdminShared
    let mailbox: Mailbox<ReactorMessage>
    let executors: ExecutorPool
    var nowMilliseconds = Clock.monotonicMilliseconds()

    private var poller: Poller
    private var listener: Int32
    private var isListening = false
    private var connections = [AdminConnection?](repeating: nil, count: maxConnections)
    private var generations = [UInt32](repeating: 0, count: maxConnections)
    private var openCount = 0
    private let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: bufferBytes)
    private var listenAgainMilliseconds: UInt64 = 0
    private var stopDeadlineMilliseconds: UInt64?

    /// - Parameter listener: A listening socket; the reactor owns it from here.
    init(
        listener: Int32, shared: AdminShared, mailbox: Mailbox<ReactorMessage>, executors: ExecutorPool
    ) throws(SystemError) {
        self.listener = listener
        self.shared = shared
        self.mailbox = mailbox
        self.executors = executors
        poller = try Poller(maxEvents: 64)
        let mailboxStatus = poller.add(
            mailbox.fd, events: PollEvent.readable, token: Token(kind: Self.mailboxKind, generation: 0, index: 0))
        guard mailboxStatus == 0 else { throw SystemError(errno: mailboxStatus, operation: "epoll_ctl") }
        listen(true)
        guard isListening else { throw SystemError(errno: -EINVAL, operation: "epoll_ctl") }
    }

    deinit { scratch.deallocate() }

    /// Serves until a `.stop` message came and what was open is done.
    func run() {
        while !isFinished {
            let count = poller.wait(timeoutMilliseconds: waitMilliseconds())
            nowMilliseconds = Clock.monotonicMilliseconds()
            for index in 0..<count {
                let token = poller.token(at: index)
                let events = poller.events(at: index)
                switch token.kind {
                case Self.listenerKind: acceptConnections()
                case Self.mailboxKind: for message in mailbox.drain() { handle(message) }
                default:
                    if let connection = connection(Int(token.index), generation: token.generation) {
                        handle(events, connection)
                    }
                }
            }
            expire()
        }
        for connection in connections { if let connection { close(connection) } }
        if listener >= 0 { Socket.close(listener) }
    }

    // MARK: Connections

    private func listen(_ on: Bool) {
        guard on != isListening, listener >= 0 else { return }
        let token = Token(kind: Self.listenerKind, generation: 0, index: 0)
        if on {
            isListening = poller.add(listener, events: PollEvent.readable, token: token) == 0
        } else {
            _ = poller.remove(listener)
            isListening = false
        }
    }

    private func acceptConnections() {
        while true {
            // With every slot taken, whoever has asked for nothing longest gives way; if all have, new ones wait in the
            // backlog.
            let givesWay = openCount == Self.maxConnections ? longestIdle() : nil
            if openCount == Self.maxConnections, givesWay == nil {
                listen(false)
                return
            }
            var peer = SocketAddress()
            let fd = Socket.accept(listener, peer: &peer)
            // Out of descriptors the listener stays readable: leave it alone for a second instead of spinning.
            if fd == -EMFILE || fd == -ENFILE {
                listen(false)
                listenAgainMilliseconds = nowMilliseconds + 1000
            }
            guard fd >= 0 else { return }
            // Only now that there is somebody to give way to.
            if let givesWay { close(givesWay) }
            guard let index = connections.firstIndex(where: { $0 == nil }) else { preconditionFailure("slot count") }
            let id = ConnectionID(index: index, generation: generations[index])
            let settings = shared.settings
            let limits = MessageLimits(settings.limits)
            var session: TLSSession?
            if let tls = shared.tls {
                session = TLSSession.server(tls, fd: fd)
                guard session != nil else {
                    Socket.close(fd)
                    continue
                }
            }
            let connection = AdminConnection(fd: fd, tls: session, id: id, network: peer.network, limits: limits)
            guard poller.add(fd, events: PollEvent.readable, token: token(connection)) == 0 else {
                session?.free()
                Socket.close(fd)
                continue
            }
            connection.interest = PollEvent.readable
            connection.idleSinceMilliseconds = nowMilliseconds
            connection.deadlineMilliseconds = deadline(settings.limits.headerTimeoutSeconds)
            connections[index] = connection
            openCount += 1
        }
    }

    /// Heads that trickle in count as well: some hundred of those must not keep the operator out, whose own connection
    /// has just come.
    private func longestIdle() -> AdminConnection? {
        connections.compactMap { $0 }.filter { $0.isIdle || $0.isReadingHead }
            .min { $0.idleSinceMilliseconds < $1.idleSinceMilliseconds }
    }

    func connection(_ index: Int, generation: UInt32) -> AdminConnection? {
        guard connections.indices.contains(index), let connection = connections[index],
            connection.id.generation == generation
        else { return nil }
        return connection
    }

    func close(_ connection: AdminConnection, reset: Bool = false) {
        guard connections[connection.id.index] === connection else { return }
        connection.phase = .closed
        connection.stream?.cancel()
        connection.stream = nil
        if let tls = connection.tls {
            if !reset { tls.closeNotify() }
            tls.free()
        }
        if reset { Socket.closeWithReset(connection.fd) } else { Socket.close(connection.fd) }
        connections[connection.id.index] = nil
        generations[connection.id.index] = (generations[connection.id.index] + 1) & 0x00ff_ffff
        openCount -= 1
    }

    private func token(_ connection: AdminConnection) -> Token {
        Token(
            kind: Self.connectionKind, generation: connection.id.generation, index: UInt32(connection.id.index))
    }

    func watch(_ connection: AdminConnection, _ events: UInt32) {
        guard connection.interest != events else { return }
        connection.interest = events
        _ = poller.modify(connection.fd, events: events, token: token(connection))
    }

    func deadline(_ seconds: Double) -> UInt64 { nowMilliseconds + UInt64(max(seconds, 0.001) * 1000) }

    // MARK: Events

    private func handle(_ message: ReactorMessage) {
        switch message {
        case .respond(let id, let response):
            guard let connection = connection(id.index, generation: id.generation) else { return }
            respond(connection, response)
            advance(connection)
        case .begin(let id, let response, let stream):
            guard let connection = connection(id.index, generation: id.generation) else { return stream.cancel() }
            begin(connection, response, stream)
            advance(connection)
        case .progress(let id):
            guard let connection = connection(id.index, generation: id.generation), connection.stream != nil
            else { return }
            flush(connection)
            advance(connection)
        case .stop:
            stopDeadlineMilliseconds = nowMilliseconds + Self.stopMilliseconds
            listen(false)
            for connection in connections {
                guard let connection else { continue }
                connection.closesAfterResponse = true
                switch connection.phase {
                case .idle, .readingHead, .readingBody, .held, .lingering: close(connection)
                case .executing, .writing: if connection.stream != nil { close(connection, reset: true) }
                case .closed: break
                }
            }
        }
    }

    private func handle(_ events: UInt32, _ connection: AdminConnection) {
        // Both directions are shut: nothing that we could still say would arrive.
        if events & (PollEvent.error | PollEvent.hangUp) != 0 { return close(connection) }
        if connection.isShakingHands { return shakeHands(connection) }
        if events & PollEvent.writable != 0 {
            flush(connection)
            advance(connection)
        }
        if events & PollEvent.readable != 0, connection.interest & PollEvent.readable != 0 { receive(connection) }
    }

    private func shakeHands(_ connection: AdminConnection) {
        switch connection.tls?.handshake() {
        case .wantRead: watch(connection, PollEvent.readable)
        case .wantWrite: watch(connection, PollEvent.writable)
        case .done:
            connection.isShakingHands = false
            watch(connection, PollEvent.readable)
            // The first request may have come with the handshake's end.
            receive(connection)
        case .failed where connection.tls?.metPlainHTTP == true:
            connection.tls?.free()
            connection.tls = nil
            connection.isShakingHands = false
            refuse(connection, 400, "this port speaks TLS: use https")
        case .failed, nil: close(connection)
        }
    }

    private func receive(_ connection: AdminConnection) {
        let count = connection.receive(scratch, Self.bufferBytes)
        if count == -Int(EAGAIN) || count == -Int(EINTR) { return }
        guard count > 0 else { return close(connection) }
        if case .lingering = connection.phase { return }
        connection.assembler.append(UnsafeRawBufferPointer(start: scratch, count: count))
        // What TLS has taken from the socket no event will announce.
        var reads = 0
        while let tls = connection.tls, tls.hasPending {
            let more = connection.receive(scratch, Self.bufferBytes)
            if more == -Int(EAGAIN) { break }
            reads += 1
            guard more > 0, reads < Self.readsPerTurn else { return close(connection) }
            connection.assembler.append(UnsafeRawBufferPointer(start: scratch, count: more))
        }
        advance(connection)
    }

    // MARK: Time

    private var isFinished: Bool {
        guard let stopDeadlineMilliseconds else { return false }
        return openCount == 0 || nowMilliseconds >= stopDeadlineMilliseconds
    }

    private func waitMilliseconds() -> Int32 {
        var next = stopDeadlineMilliseconds ?? .max
        for connection in connections { if let due = connection?.deadlineMilliseconds { next = min(next, due) } }
        if !isListening, stopDeadlineMilliseconds == nil, openCount < Self.maxConnections {
            next = min(next, listenAgainMilliseconds)
        }
        guard next != .max else { return -1 }
        return Int32(min(next > nowMilliseconds ? next - nowMilliseconds : 0, 60_000))
    }

    private func expire() {
        let mayListen = stopDeadlineMilliseconds == nil && openCount < Self.maxConnections
        if !isListening, mayListen, nowMilliseconds >= listenAgainMilliseconds { listen(true) }
        for connection in connections {
            guard let connection, let due = connection.deadlineMilliseconds, due <= nowMilliseconds else { continue }
            connection.deadlineMilliseconds = nil
            switch connection.phase {
            case .idle, .lingering: close(connection)
            case .readingHead: refuse(connection, 408, "the request's head took too long")
            case .readingBody: refuse(connection, 408, "the request's body took too long")
            case .held(let response): send(connection, response)
            // The client does not read: what it got must not look whole.
            case .writing: close(connection, reset: true)
            case .executing, .closed: break
            }
            advance(connection)
        }
    }
}

extension MessageLimits {
    init(_ limits: Settings.Limits) {
        self.init(
            maxHeadBytes: UInt32(clamping: limits.maxHeaderBytes), maxFields: UInt32(clamping: limits.maxHeaders))
    }
}
