/// Names one exchange in the audit; ids sort by the time the request was accepted.
@frozen public struct AuditID: BitwiseCopyable, Hashable, Sendable {
    /// `unixMilliseconds << 16 | worker`.
    public var high: UInt64
    /// `boot nonce (32 bits) << 32 | sequence`.
    public var low: UInt64

    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    @inlinable
    public init(unixMilliseconds: UInt64, worker: UInt16, bootNonce: UInt32, sequence: UInt32) {
        high = unixMilliseconds << 16 | UInt64(worker)
        low = UInt64(bootNonce) << 32 | UInt64(sequence)
    }

    /// Reads the 32 hex digits of `text`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let digits = Array(text.utf8)
        guard digits.count == 32 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        for (position, digit) in digits.enumerated() {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = digit - UInt8(ascii: "A") + 10
            default: return nil
            }
            if position < 16 { words.0 = words.0 << 4 | UInt64(value) } else { words.1 = words.1 << 4 | UInt64(value) }
        }
        self.init(high: words.0, low: words.1)
    }

    @inlinable
    public var unixMilliseconds: UInt64 { high >> 16 }

    /// 32 lower-case hex digits.
    public var text: String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            write(into: buffer.baseAddress!)
            return String(decoding: buffer, as: UTF8.self)
        }
    }

    /// Writes the 32 hex digits at `p`.
    public func write(into p: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(p).storeBytes(of: Self.hex(UInt32(high >> 32)), as: UInt64.self)
        UnsafeMutableRawPointer(p + 8).storeBytes(of: Self.hex(UInt32(truncatingIfNeeded: high)), as: UInt64.self)
        UnsafeMutableRawPointer(p + 16).storeBytes(of: Self.hex(UInt32(low >> 32)), as: UInt64.self)
        UnsafeMutableRawPointer(p + 24).storeBytes(of: Self.hex(UInt32(truncatingIfNeeded: low)), as: UInt64.self)
    }

    /// Eight hex digits of `value` at once, most significant in the byte that is stored first.
    private static func hex(_ value: UInt32) -> UInt64 {
        var nibbles = UInt64(value)
        nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F
        // 1 in every byte that is a letter: nibble + 6 carries into bit 4.
        let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        let text = nibbles + 0x3030_3030_3030_3030 + letters * 39
        return text.bigEndian
    }
}
