import CEpoll
import Synchronization

/// Messages from any thread to one reactor, which watches `fd` for them.
public final class Mailbox<Message: Sendable>: Sendable {
    /// An eventfd: readable when there is something to drain.
    public let fd: Int32
    private let messages = Mutex<[Message]>([])

    public init() throws(SystemError) {
        fd = fg_eventfd()
        guard fd >= 0 else { throw SystemError(errno: fd, operation: "eventfd") }
    }

    deinit {
        _ = fg_close(fd)
    }

    /// Adds a message and wakes the reader.
    public func post(_ message: sending Message) {
        let wasEmpty = messages.withLock { list in
            list.append(message)
            return list.count == 1
        }
        // Later messages ride along with the first one's wake-up.
        if wasEmpty { wake() }
    }

    /// Everything posted so far, in order of posting.
    public func drain() -> [Message] {
        // Cleared before the list is taken: a message that comes in between is in this list or wakes again.
        fg_eventfd_clear(fd)
        return messages.withLock { list in
            let taken = list
            list = []
            return taken
        }
    }

    /// Makes the reader look although there is no message.
    public func wake() {
        fg_eventfd_signal(fd)
    }
}
