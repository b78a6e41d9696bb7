/// The number behind a request id that the gateway makes itself (`req_` and 12 hex digits). It tells the second and
/// the worker, so that a row of the audit is found by its request id without an index over millions of random texts.
///
///     bits 22–47  Unix seconds modulo 2^26 (comes round every 25 months)
///     bits 17–21  worker modulo 32
///     bits 0–16   the worker's sequence modulo 2^17
public enum RequestNumber {
    public static let prefix = "req_"
    public static let digits = 12

    /// Seconds after which the numbers begin anew.
    static let cycleSeconds: Int64 = 1 << 26
    /// How many cycles back a row is looked for: ten years.
    static let cycles: Int64 = 5

    @inlinable @inline(__always)
    public static func make(unixSeconds: UInt64, worker: Int, sequence: UInt32) -> UInt64 {
        (unixSeconds & 0x3FF_FFFF) << 22 | UInt64(worker & 31) << 17 | UInt64(sequence & 0x1_FFFF)
    }

    /// The number in a request id; nil if it is not one of ours. The first digit is the lowest.
    static func parse(_ requestID: String) -> UInt64? {
        let bytes = Array(requestID.utf8)
        guard bytes.count == prefix.utf8.count + digits, bytes.starts(with: prefix.utf8) else { return nil }
        var number: UInt64 = 0
        for byte in bytes.dropFirst(prefix.utf8.count).reversed() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }

    /// The seconds in which a request with this id may have come, latest first; empty if the id is not one of ours.
    static func seconds(_ requestID: String, nowSeconds: Int64) -> [Int64] {
        guard let number = parse(requestID) else { return [] }
        let moment = Int64(number >> 22)
        // A clock that went back a little does not make a row unfindable.
        let latest = nowSeconds + 3600
        var second = latest - Timestamp.floorModulo(latest - moment, cycleSeconds)
        var found: [Int64] = []
        while second >= 0, found.count < Int(cycles) {
            found.append(second)
            second -= cycleSeconds
        }
        return found
    }
}
