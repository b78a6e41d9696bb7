import Glibc
import Reactor

/// What the operator is told when a limit of the whole process is met; see docs/configuration.md.
public enum PressureNotice: UInt8, Sendable, CaseIterable {
    /// The process may open no more descriptors.
    case descriptors
    /// There are as many client connections as there may be.
    case connections
    /// `limits.max_buffered_bytes` are in use.
    case memory
}

/// What a worker does at the limits of the process: first it gives up what nobody waits for.
extension Worker {
    /// How many idle upstream connections are given up at a time.
    static let reclaimCount = 16
    /// The operator is told of the same limit once in so long.
    static let noticeMilliseconds: UInt64 = 10_000
    /// While memory is short, an answer is read in pieces of this size.
    static let pressedReadBytes = 16 * 1024

    /// Closes some idle upstream connections; how many. Walks over the slots, going on where it stopped last time.
    @inline(never)
    mutating func reclaimIdleUpstreams() -> Int {
        var closed = 0
        var looked = 0
        while looked < upstreams.usedBound && closed < Self.reclaimCount {
            if Int(reclaimCursor) >= upstreams.usedBound { reclaimCursor = 0 }
            let index = reclaimCursor
            reclaimCursor += 1
            looked += 1
            if upstreams.isLive(index), upstreams.pointer(index).pointee.state == .idle {
                closeUpstream(index)
                closed += 1
            }
        }
        return closed
    }

    static func isOutOfDescriptors(_ result: Int32) -> Bool {
        result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM
    }

    /// True if buffers hold all that they may: what is new is turned away.
    @inline(__always)
    var isOutOfMemory: Bool { pool.bytesInUse > bufferLimit }

    @inline(never)
    mutating func notice(_ notice: PressureNotice) {
        let slot = Int(notice.rawValue)
        guard now >= noticedAt[slot] else { return }
        noticedAt[slot] = now + Self.noticeMilliseconds
        onPressure(notice)
    }
}
