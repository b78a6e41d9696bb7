import Glibc
import HTTP
import Reactor

// From an answer to bytes, as fast as the client takes them.
extension AdminReactor {
    /// Sends a handler's answer.
    func respond(_ connection: AdminConnection, _ response: AdminResponse) {
        guard case .executing = connection.phase else { return }
        send(connection, response)
    }

    /// Sends the head of a streamed answer and then whatever is there of its body.
    func begin(_ connection: AdminConnection, _ response: AdminResponse, _ stream: BodyStream) {
        guard case .executing = connection.phase, let current = connection.current else { return stream.cancel() }
        // An HTTP/1.0 client knows no chunks: there the connection's end ends the body.
        connection.streamIsChunked = current.head.versionMinor >= 1
        if !connection.streamIsChunked { connection.closesAfterResponse = true }
        writeHead(connection, response, connection.streamIsChunked ? .chunked : .untilClose)
        if current.head.method == "HEAD" {
            stream.cancel()
        } else {
            connection.stream = stream
        }
        startWriting(connection)
    }

    /// Sends a whole answer.
    func send(_ connection: AdminConnection, _ response: AdminResponse) {
        guard case .bytes(let body) = response.body else { return close(connection) }
        // Without a head that could be read, what there is of it tells.
        let isHead = connection.current.map { $0.head.method == "HEAD" } ?? connection.assembler.beginsHEAD
        let hasNoBody = response.status == 204 || response.status == 304
        writeHead(connection, response, hasNoBody ? .none : .length(body.count))
        if !isHead { connection.output += body }
        startWriting(connection)
    }

    private func writeHead(
        _ connection: AdminConnection, _ response: AdminResponse, _ framing: ResponseHeadText.Framing
    ) {
        connection.output += ResponseHeadText.write(
            response, framing: framing, requestID: connection.current?.requestID ?? RequestID.accept(nil),
            close: connection.closesAfterResponse,
            unixSeconds: Int64(Clock.realtimeNanoseconds() / 1_000_000_000))
    }

    private func startWriting(_ connection: AdminConnection) {
        connection.phase = .writing
        connection.deadlineMilliseconds = deadline(shared.settings.limits.sendTimeoutSeconds)
        flush(connection)
    }

    /// Writes bytes that are no response of their own (100 Continue).
    func write(_ connection: AdminConnection, _ bytes: [UInt8]) {
        connection.output += bytes
        _ = writeOutput(connection)
    }

    /// Sends what there is to send; at the end of the answer the connection closes, or is idle: the caller then calls
    /// `advance`, for the next request may be there already. (Not from here: requests in a row must not nest.)
    func flush(_ connection: AdminConnection) {
        var pieces = 0
        while true {
            guard writeOutput(connection) else { return }
            guard case .writing = connection.phase else { return watch(connection, PollEvent.readable) }
            guard let stream = connection.stream else { break }
            switch stream.take() {
            case .piece(let piece):
                frame(piece, connection)
                pieces += 1
                if pieces >= Self.piecesPerTurn {
                    guard writeOutput(connection) else { return }
                    watch(connection, 0)
                    mailbox.post(.progress(connection.id))
                    return
                }
            case .nothing:
                // The client has everything; the producer's pace is no fault of the client's.
                connection.deadlineMilliseconds = nil
                return watch(connection, 0)
            case .finished:
                connection.stream = nil
                if connection.streamIsChunked { connection.output += Array("0\r\n\r\n".utf8) }
            case .failed:
                return close(connection, reset: true)
            }
        }
        finish(connection)
    }

    private func frame(_ piece: [UInt8], _ connection: AdminConnection) {
        if connection.streamIsChunked {
            connection.output += Array((String(piece.count, radix: 16) + "\r\n").utf8)
            connection.output += piece
            connection.output += [13, 10]
        } else {
            connection.output += piece
        }
        connection.deadlineMilliseconds = deadline(shared.settings.limits.sendTimeoutSeconds)
    }

    /// - Returns: False if bytes are left (the poller watches for room) or the connection is gone.
    private func writeOutput(_ connection: AdminConnection) -> Bool {
        while connection.outputStart < connection.output.count {
            let sent = connection.output.withUnsafeBufferPointer { buffer -> Int in
                guard let base = buffer.baseAddress else { return 0 }
                return connection.send(base + connection.outputStart, buffer.count - connection.outputStart)
            }
            if sent == -Int(EINTR) { continue }
            if sent == -Int(EAGAIN) {
                watch(connection, PollEvent.writable)
                return false
            }
            guard sent > 0 else {
                close(connection)
                return false
            }
            connection.outputStart += sent
            if case .writing = connection.phase {
                connection.deadlineMilliseconds = deadline(shared.settings.limits.sendTimeoutSeconds)
            }
        }
        connection.output.removeAll(keepingCapacity: connection.output.capacity <= Self.bufferBytes)
        connection.outputStart = 0
        return true
    }

    private func finish(_ connection: AdminConnection) {
        connection.current = nil
        guard !connection.closesAfterResponse else {
            connection.tls?.closeNotify()
            Socket.shutdownWrite(connection.fd)
            connection.phase = .lingering
            connection.deadlineMilliseconds = nowMilliseconds + Self.lingerMilliseconds
            return watch(connection, PollEvent.readable)
        }
        connection.phase = .idle
        connection.idleSinceMilliseconds = nowMilliseconds
        connection.deadlineMilliseconds = deadline(shared.settings.limits.keepaliveTimeoutSeconds)
        watch(connection, PollEvent.readable)
    }
}
