import Glibc
import Reactor

/// `Bearer` credentials (RFC 6750 §2.1).
enum BearerToken {
    /// The token of an Authorization field's value; nil for another scheme. The scheme's name has no case.
    @inline(__always)
    static func read(_ value: Bytes) -> Bytes? {
        guard let p = value.pointer, value.count > 7, p[6] == 0x20 else { return nil }
        let scheme = UnsafeRawPointer(p).loadUnaligned(as: UInt32.self) | 0x2020_2020
        guard scheme == 0x7261_6562, p[4] | 0x20 == UInt8(ascii: "e"), p[5] | 0x20 == UInt8(ascii: "r") else {
            return nil
        }
        var start = 7
        while start < value.count && p[start] == 0x20 { start += 1 }
        return Bytes(p + start, value.count - start)
    }
}

/// The `key` parameter of a query string, which carries a credential and therefore never goes further.
enum QueryKey {
    /// Its value as it stands, not percent-decoded: keys need no escapes.
    static func value(in query: Bytes) -> Bytes? {
        guard let p = query.pointer else { return nil }
        var i = 0
        while i < query.count {
            let end = parameterEnd(query, i)
            if isKey(p + i, end - i) { return Bytes(p + i + 4, end - i - 4) }
            i = end + 1
        }
        return nil
    }

    /// Calls `emit` with each run of `query` that is left once `key` parameters are taken out, separators included.
    @inline(__always)
    static func without(_ query: Bytes, emit: (Bytes) -> Void) {
        guard let p = query.pointer else { return }
        var i = 0
        var isFirst = true
        while i < query.count {
            let end = parameterEnd(query, i)
            if !isKey(p + i, end - i) {
                if !isFirst { emit(Bytes("&")) }
                isFirst = false
                emit(Bytes(p + i, end - i))
            }
            i = end + 1
        }
    }

    private static func parameterEnd(_ query: Bytes, _ start: Int) -> Int {
        guard let p = query.pointer, let found = memchr(p + start, 0x26, query.count - start) else {
            return query.count
        }
        return UnsafeRawPointer(found) - UnsafeRawPointer(p)
    }

    /// `key=` to the letter.
    private static func isKey(_ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        n >= 4 && p[0] == UInt8(ascii: "k") && p[1] == UInt8(ascii: "e") && p[2] == UInt8(ascii: "y")
            && p[3] == UInt8(ascii: "=")
    }
}

/// `x-request-id`: a client's own if it is plain, else `req_` and twelve hex digits.
enum RequestID {
    static let ownLength = 16

    /// 1…64 letters, digits, `-`, `_`, `.` and `:`: safe in a header, a log line and a JSON string.
    static func isValid(_ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        guard n > 0 && n <= RequestIDBytes.capacity else { return false }
        for i in 0..<n {
            switch p[i] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: ":"):
                continue
            default: return false
            }
        }
        return true
    }

    /// Writes `ownLength` bytes.
    @inline(__always)
    static func write(_ number: UInt64, into p: UnsafeMutablePointer<UInt8>) {
        p[0] = UInt8(ascii: "r")
        p[1] = UInt8(ascii: "e")
        p[2] = UInt8(ascii: "q")
        p[3] = UInt8(ascii: "_")
        var rest = number
        for i in 4..<ownLength {
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            p[i] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            rest >>= 4
        }
    }
}
