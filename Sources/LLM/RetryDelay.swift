import CScan
import Reactor

/// How long an error's body asks to wait: Google's `RetryInfo`, as in `"retryDelay": "33.5s"`.
public enum RetryDelay {
    /// Milliseconds; nil if it does not say.
    public static func milliseconds(in body: Bytes) -> UInt64? {
        let name: StaticString = "\"retryDelay\""
        let n = name.utf8CodeUnitCount
        guard let p = body.pointer, let found = fg_find_bytes(p, body.count, name.utf8Start, n) else { return nil }
        var i = UnsafeRawPointer(p).distance(to: found) + n
        func skip(_ c: UInt8) -> Bool {
            while i < body.count, p[i] == 0x20 || p[i] == 0x09 || p[i] == 0x0A || p[i] == 0x0D { i += 1 }
            guard i < body.count, p[i] == c else { return false }
            i += 1
            return true
        }
        guard skip(UInt8(ascii: ":")), skip(UInt8(ascii: "\"")), i < body.count, var number = TokenNumber(first: p[i])
        else { return nil }
        i += 1
        while i < body.count, number.step(p[i]) { i += 1 }
        guard i + 1 < body.count, p[i] == UInt8(ascii: "s"), p[i + 1] == UInt8(ascii: "\""), number.isComplete else {
            return nil
        }
        return number.scaled(3).map { UInt64($0) }
    }
}
