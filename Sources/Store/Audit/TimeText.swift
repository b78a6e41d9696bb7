import Glibc

/// Writes times that mostly lie within the same minute as the one before: then only seconds are new.
struct TimeText: ~Copyable {
    private let template: UnsafeMutablePointer<UInt8>
    private var minute: Int64 = .min
    private var offsetMinutes = 0

    init() {
        template = .allocate(capacity: Timestamp.length)
        template.initialize(repeating: 0, count: Timestamp.length)
    }

    deinit { template.deallocate() }

    /// Writes `Timestamp.length` bytes at `p`.
    @inline(__always)
    mutating func write(milliseconds: Int64, offsetMinutes: Int, into p: UnsafeMutablePointer<UInt8>) {
        let minute = milliseconds / 60_000
        if minute != self.minute || offsetMinutes != self.offsetMinutes || milliseconds < 0 {
            Timestamp.write(milliseconds: milliseconds, offsetMinutes: offsetMinutes, into: template)
            // An offset is whole minutes, so a minute here is a minute there.
            self.minute = minute
            self.offsetMinutes = offsetMinutes
            memcpy(p, template, Timestamp.length)
            return
        }
        memcpy(p, template, Timestamp.length)
        let rest = UInt32(truncatingIfNeeded: milliseconds - minute * 60_000)
        let seconds = rest / 1000
        let fraction = rest - seconds * 1000
        p[17] = UInt8(truncatingIfNeeded: 48 + seconds / 10)
        p[18] = UInt8(truncatingIfNeeded: 48 + seconds % 10)
        p[20] = UInt8(truncatingIfNeeded: 48 + fraction / 100)
        p[21] = UInt8(truncatingIfNeeded: 48 + fraction / 10 % 10)
        p[22] = UInt8(truncatingIfNeeded: 48 + fraction % 10)
    }
}
