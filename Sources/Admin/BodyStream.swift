/// The bounded queue between an executor that produces a long response and the reactor that sends it.
final class BodyStream: ByteSink, @unchecked Sendable {
    /// What the reactor finds.
    enum Next {
        case piece([UInt8])
        /// Nothing yet; the notification will come.
        case nothing
        case finished
        /// The producer failed half way: the response must be seen to be cut short.
        case failed
    }

    private enum End {
        case open, finished, failed
    }

    /// The producer sleeps while this many bytes wait. One piece may go beyond it.
    static let capacityBytes = 256 << 10

    private let monitor = Monitor()
    private let notify: @Sendable () -> Void
    private var pieces: [[UInt8]] = []
    private var queuedBytes = 0
    private var end = End.open
    private var isCancelled = false
    private var largestQueuedBytes = 0

    /// - Parameter notify: Called when there is something to take after there was nothing; on the producer's thread.
    init(notify: @escaping @Sendable () -> Void) {
        self.notify = notify
    }

    func write(_ piece: [UInt8]) -> Bool {
        if piece.isEmpty { return monitor.withLock { !isCancelled } }
        let (accepted, wasEmpty) = monitor.withLock {
            while queuedBytes >= Self.capacityBytes, !isCancelled { monitor.wait() }
            guard !isCancelled else { return (false, false) }
            let wasEmpty = pieces.isEmpty
            pieces.append(piece)
            queuedBytes += piece.count
            largestQueuedBytes = max(largestQueuedBytes, queuedBytes)
            return (true, wasEmpty)
        }
        if wasEmpty { notify() }
        return accepted
    }

    /// The producer is done.
    func finish(failed: Bool) {
        monitor.withLock { end = failed ? .failed : .finished }
        notify()
    }

    func take() -> Next {
        monitor.withLock {
            guard !pieces.isEmpty else {
                switch end {
                case .open: return .nothing
                case .finished: return .finished
                case .failed: return .failed
                }
            }
            let piece = pieces.removeFirst()
            queuedBytes -= piece.count
            monitor.wakeOne()
            return .piece(piece)
        }
    }

    /// Nobody reads any more: the producer's next write returns false.
    func cancel() {
        monitor.withLock {
            isCancelled = true
            pieces = []
            queuedBytes = 0
            monitor.wakeAll()
        }
    }

    /// The most that ever waited.
    var highWaterBytes: Int { monitor.withLock { largestQueuedBytes } }
}
