import Glibc

/// What a JSON value is, told by its first byte.
@frozen public enum MemberKind: UInt8, BitwiseCopyable, Sendable {
    /// No such member was seen.
    case absent
    case string
    case number
    case `true`
    case `false`
    case null
    case object
    case array
}

/// What a `MemberScanner` found out about one member name. Of duplicates, all but `seenCount` and `disagrees` speaks of
/// the last.
@frozen public struct MemberCapture: BitwiseCopyable, Sendable {
    /// Offset in the body of the value's first byte (a string's opening quote).
    public internal(set) var start: UInt64 = 0
    /// Offset of the end of the value; meaningful once `isComplete`.
    public internal(set) var end: UInt64 = 0
    /// How often the name occurred so far (stops at 65535).
    public internal(set) var seenCount: UInt16 = 0
    /// Bytes of the value seen so far, at most `inlineCapacity + 1`, which says that there are more than `bytes` holds.
    var length: UInt16 = 0
    var previousLength: UInt16 = 0
    public internal(set) var kind: MemberKind = .absent
    /// Whether the value has been read to its end.
    public internal(set) var isComplete: Bool = false
    /// The name occurred more than once and the values are not the same bytes. Values of more than `inlineCapacity`
    /// bytes are not remembered, so repeating one always counts as disagreeing.
    public internal(set) var disagrees: Bool = false
    // Pads the head to `storageOffset`.
    private var reserved: InlineArray<7, UInt8> = .init(repeating: 0)
    var storage: InlineArray<96, UInt8> = .init(repeating: 0)

    /// Length of the longest value, quotes included, that is kept in the capture itself.
    public static let inlineCapacity = 96
    static let storageOffset = 32

    @inlinable public init() {
        self.init(absent: ())
    }

    @usableFromInline init(absent: Void) {}

    /// Whether all bytes of the (complete) value are in the capture.
    public var isInline: Bool { isComplete && Int(length) <= Self.inlineCapacity }

    /// Bytes of the value kept in the capture.
    public var inlineCount: Int { min(Int(length), Self.inlineCapacity) }

    /// Where a capture keeps the value's first `inlineCount` bytes.
    public static func inlineBytes(_ capture: UnsafePointer<MemberCapture>) -> UnsafePointer<UInt8> {
        (UnsafeRawPointer(capture) + storageOffset).assumingMemoryBound(to: UInt8.self)
    }

    /// Makes captures ready for another body. Cheaper than assigning new ones.
    public static func reset(_ captures: UnsafeMutablePointer<MemberCapture>, _ count: Int) {
        var k = 0
        while k < count {
            captures[k].seenCount = 0
            captures[k].kind = .absent
            captures[k].isComplete = false
            captures[k].disagrees = false
            captures[k].length = 0
            k &+= 1
        }
    }

    /// A value begins.
    @inline(__always)
    mutating func begin(_ kind: MemberKind, at offset: UInt64) {
        previousLength = length
        length = 0
        if seenCount < .max { seenCount &+= 1 }
        self.kind = kind
        isComplete = false
        start = offset
    }

    /// The value goes on with `p[0 ..< n]`.
    @inline(__always)
    static func record(_ capture: UnsafeMutablePointer<MemberCapture>, _ p: UnsafePointer<UInt8>, _ n: Int) {
        let at = Int(capture.pointee.length)
        if at > inlineCapacity { return }
        let taken = min(n, inlineCapacity &- at)
        let bytes = (UnsafeMutableRawPointer(capture) + storageOffset + at).assumingMemoryBound(to: UInt8.self)
        if capture.pointee.seenCount > 1 {
            let known = min(taken, max(0, Int(capture.pointee.previousLength) &- at))
            if memcmp(bytes, p, known) != 0 { capture.pointee.disagrees = true }
        }
        memcpy(bytes, p, taken)
        capture.pointee.length = UInt16(truncatingIfNeeded: taken < n ? inlineCapacity &+ 1 : at &+ taken)
    }

    /// The value is complete.
    @inline(__always)
    mutating func finish(at offset: UInt64) {
        end = offset
        isComplete = true
        if seenCount > 1, length != previousLength || Int(length) > Self.inlineCapacity { disagrees = true }
    }
}
