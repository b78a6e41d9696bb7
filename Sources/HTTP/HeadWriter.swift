/// Writes a head into memory of the caller's. Bytes that do not fit are dropped and ``overflowed`` is set, so that only one
/// check is needed, at the end. It validates nothing: what is appended has to be free of CR, LF and NUL already.
@frozen public struct HeadWriter: BitwiseCopyable {
    @usableFromInline let base: UnsafeMutablePointer<UInt8>
    @usableFromInline let capacity: Int
    /// Bytes written.
    public var count: Int
    public var overflowed: Bool

    @inlinable public init(_ p: UnsafeMutablePointer<UInt8>, capacity: Int) {
        base = p
        self.capacity = capacity
        count = 0
        overflowed = false
    }

    /// Always inlined: a literal's length is known there, and a short one is a store or two.
    @inlinable
    @inline(__always)
    public mutating func append(_ s: StaticString) {
        let n = s.utf8CodeUnitCount
        guard n <= capacity &- count, !overflowed else {
            overflowed = true
            return
        }
        (base + count).update(from: s.utf8Start, count: n)
        count &+= n
    }

    /// All of p[0 ..< n], or nothing of it.
    @inlinable public mutating func append(_ p: UnsafePointer<UInt8>, _ n: Int) {
        guard n <= capacity &- count, !overflowed else {
            overflowed = true
            return
        }
        (base + count).update(from: p, count: n)
        count &+= n
    }

    @inlinable public mutating func append(byte: UInt8) {
        guard count < capacity, !overflowed else {
            overflowed = true
            return
        }
        base[count] = byte
        count &+= 1
    }

    public mutating func append(decimal value: UInt64) {
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, value >= bound {
            digits += 1
            bound &*= 10
        }
        guard digits <= capacity - count, !overflowed else {
            overflowed = true
            return
        }
        var rest = value
        var index = count + digits
        repeat {
            index -= 1
            base[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while index > count
        count += digits
    }

    /// Lower case, no leading zeros: a chunk size.
    public mutating func append(hex value: UInt64) {
        let digits = (67 - (value | 1).leadingZeroBitCount) / 4
        guard digits <= capacity - count, !overflowed else {
            overflowed = true
            return
        }
        var rest = value
        var index = count + digits
        repeat {
            index -= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            base[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
            rest >>= 4
        } while index > count
        count += digits
    }

    /// `HTTP/1.1 200 OK` and CRLF.
    public mutating func append(status: UInt16) {
        append("HTTP/1.1 ")
        append(decimal: UInt64(status))
        append(byte: UInt8(ascii: " "))
        append(reasonPhrase(status))
        append("\r\n")
    }

    /// `Name: value` and CRLF.
    @inlinable public mutating func append(_ name: StaticString, _ value: StaticString) {
        append(name)
        append(": ")
        append(value)
        append("\r\n")
    }

    /// `Name: 42` and CRLF.
    @inlinable public mutating func append(_ name: StaticString, decimal value: UInt64) {
        append(name)
        append(": ")
        append(decimal: value)
        append("\r\n")
    }
}

/// The reason phrase of RFC 9110 §15 (and of RFC 6585, 8297, 8470, 7725 for what they add); empty for any other status.
public func reasonPhrase(_ status: UInt16) -> StaticString {
    switch status {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 102: "Processing"
    case 103: "Early Hints"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 203: "Non-Authoritative Information"
    case 204: "No Content"
    case 205: "Reset Content"
    case 206: "Partial Content"
    case 300: "Multiple Choices"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 305: "Use Proxy"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 402: "Payment Required"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 407: "Proxy Authentication Required"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 425: "Too Early"
    case 426: "Upgrade Required"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 451: "Unavailable For Legal Reasons"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: ""
    }
}
