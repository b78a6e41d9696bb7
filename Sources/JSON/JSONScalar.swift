import Glibc

/// A scalar to compare values with: a view of memory that a `JSONScalarStorage` owns.
@frozen public struct JSONScalar: BitwiseCopyable {
    /// Anything but `.absent`, `.object` and `.array`.
    public let kind: MemberKind
    /// A string's unescaped UTF-8, a number's literal; else nothing.
    public let bytes: UnsafePointer<UInt8>
    public let count: Int

    public init(kind: MemberKind, bytes: UnsafePointer<UInt8>, count: Int) {
        self.kind = kind
        self.bytes = bytes
        self.count = count
    }
}

/// Owns the memory of a `JSONScalar`. Make it once, off the hot path, and keep it for as long as anything uses `view`.
public final class JSONScalarStorage: @unchecked Sendable {  // immutable after init
    public let view: JSONScalar
    private let memory: UnsafeMutablePointer<UInt8>

    /// Nil for objects and arrays.
    public init?(_ value: JSONValue) {
        let kind: MemberKind
        var text = ""
        switch value {
        case .null: kind = .null
        case .bool(let value): kind = value ? .true : .false
        case .number(let number):
            kind = .number
            text = number.literal
        case .string(let string):
            kind = .string
            text = string
        case .array, .object: return nil
        }
        let utf8 = Array(text.utf8)
        memory = .allocate(capacity: max(1, utf8.count))
        memory.initialize(repeating: 0, count: max(1, utf8.count))
        memory.update(from: utf8, count: utf8.count)
        view = JSONScalar(kind: kind, bytes: UnsafePointer(memory), count: utf8.count)
    }

    deinit { memory.deallocate() }
}

extension JSONText {
    /// Whether the value `p[0 ..< n]` (as written, a string with its quotes) of kind `kind` equals `scalar`: strings
    /// after unescaping, numbers by exact value. Allocates nothing.
    public static func equalsScalar(
        _ kind: MemberKind, _ p: UnsafePointer<UInt8>, _ n: Int, _ scalar: JSONScalar
    ) -> Bool {
        guard kind == scalar.kind else { return false }
        switch kind {
        case .string:
            return n >= 2 && equalsUnescaped(p + 1, n &- 2, scalar.bytes, scalar.count)
        case .number:
            if n == scalar.count, memcmp(p, scalar.bytes, n) == 0 { return true }
            return JSONDecimal(p, n).compare(JSONDecimal(scalar.bytes, scalar.count)) == 0
        case .true, .false, .null:
            return true
        case .absent, .object, .array:
            return false
        }
    }

    /// Whether a complete captured value equals `scalar`.
    /// - Parameter body: where the body begins if all of it is in memory; nil if only what the capture keeps is at hand.
    ///   A value longer than that (`isInline` false) then equals nothing.
    public static func equalsScalar(
        _ capture: UnsafePointer<MemberCapture>, body: UnsafePointer<UInt8>?, _ scalar: JSONScalar
    ) -> Bool {
        guard capture.pointee.isComplete else { return false }
        if capture.pointee.isInline {
            return equalsScalar(
                capture.pointee.kind, MemberCapture.inlineBytes(capture), capture.pointee.inlineCount, scalar)
        }
        guard let body else { return false }
        let start = Int(capture.pointee.start)
        return equalsScalar(capture.pointee.kind, body + start, Int(capture.pointee.end) &- start, scalar)
    }
}
