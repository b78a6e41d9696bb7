import CSQLite
import Glibc
import Reactor

/// Waits for another connection's lock like `sqlite3_busy_timeout`, and says so once it has waited for a second.
final class BusyWait {
    private let timeoutMilliseconds: UInt64
    private let notice: () -> Void
    private var sinceMilliseconds: UInt64 = 0
    private var hasSpoken = false

    private static let noticeMilliseconds: UInt64 = 1000
    private static let pauseMicroseconds: UInt32 = 20_000

    init(timeoutMilliseconds: Int32, notice: @escaping () -> Void) {
        self.timeoutMilliseconds = UInt64(timeoutMilliseconds)
        self.notice = notice
    }

    /// The handle keeps a plain pointer: whoever opened it keeps the object.
    func install(on handle: OpaquePointer) {
        let handler: @convention(c) (UnsafeMutableRawPointer?, Int32) -> Int32 = { context, calls in
            guard let context else { return 0 }
            return Unmanaged<BusyWait>.fromOpaque(context).takeUnretainedValue().mayTryAgain(calls) ? 1 : 0
        }
        sqlite3_busy_handler(handle, handler, Unmanaged.passUnretained(self).toOpaque())
    }

    /// - Parameter calls: how often it was asked for the same lock.
    private func mayTryAgain(_ calls: Int32) -> Bool {
        let now = Clock.monotonicMilliseconds()
        if calls == 0 { sinceMilliseconds = now }
        let waited = now - sinceMilliseconds
        if waited >= timeoutMilliseconds { return false }
        if waited >= Self.noticeMilliseconds, !hasSpoken {
            hasSpoken = true
            notice()
        }
        usleep(Self.pauseMicroseconds)
        return true
    }
}
