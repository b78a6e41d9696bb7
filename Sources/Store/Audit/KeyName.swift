import Reactor

/// A key's id as a value: compared, and most of the time kept, without a look at where it came from.
struct KeyName: BitwiseCopyable {
    /// Ids up to this length are in `words` whole.
    static let shortBytes = 24

    /// The id's beginning as it is in memory, filled up with zeros.
    private var words: (UInt64, UInt64, UInt64)
    /// Of a short id only the count means anything.
    private var bytes: Bytes

    @inline(__always)
    init(_ bytes: Bytes) {
        self.bytes = bytes
        words = (0, 0, 0)
        guard let p = bytes.pointer else { return }
        let raw = UnsafeRawPointer(p)
        let n = min(bytes.count, Self.shortBytes)
        if n < 8 {
            var i = n
            while i > 0 {
                i &-= 1
                words.0 = words.0 << 8 | UInt64(p[i])
            }
            return
        }
        // The last eight bytes, less those that another word has.
        let end = UInt64(littleEndian: (raw + (n - 8)).loadUnaligned(as: UInt64.self))
        words.0 = UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self))
        if n <= 16 {
            words.1 = end >> UInt64((16 - n) * 8)
        } else {
            words.1 = UInt64(littleEndian: (raw + 8).loadUnaligned(as: UInt64.self))
            words.2 = end >> UInt64((24 - n) * 8)
        }
    }

    private var isShort: Bool { bytes.count <= Self.shortBytes }

    @inline(__always)
    func equals(_ other: KeyName) -> Bool {
        let difference = (words.0 ^ other.words.0) | (words.1 ^ other.words.1) | (words.2 ^ other.words.2)
        guard difference == 0 && bytes.count == other.bytes.count else { return false }
        return isShort || bytes.elementsEqual(other.bytes)
    }

    /// Key ids are made by us, so nobody can aim at collisions.
    @inline(__always)
    var hash: UInt64 {
        var h = Self.mix(0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: bytes.count) ^ words.0)
        h = Self.mix(Self.mix(h ^ words.1) ^ words.2)
        return isShort ? h : hashOfRest(h)
    }

    private func hashOfRest(_ start: UInt64) -> UInt64 {
        var h = start
        var i = Self.shortBytes
        while i < bytes.count {
            let word = KeyName(Bytes(bytes.pointer! + i, min(8, bytes.count - i))).words.0
            h = Self.mix(h ^ word)
            i += 8
        }
        return h
    }

    @inline(__always)
    private static func mix(_ x: UInt64) -> UInt64 {
        let product = x.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        return product.low ^ product.high
    }

    /// From now on a long id is in `arena`, and a short one nowhere but here.
    mutating func keep(in arena: inout Arena) {
        if isShort {
            bytes.pointer = nil
        } else {
            let copy = arena.copy(bytes.buffer)
            bytes = Bytes(copy.pointer, copy.count)
        }
    }

    var string: String {
        guard isShort else { return bytes.string }
        var words = (words.0.littleEndian, words.1.littleEndian, words.2.littleEndian)
        return withUnsafeBytes(of: &words) { String(decoding: $0.prefix(bytes.count), as: UTF8.self) }
    }
}
