/// Base 16, lower case.
public enum Hex {
    public static func text(_ bytes: some Collection<UInt8>) -> String {
        String(unsafeUninitializedCapacity: bytes.count * 2) { out in
            var n = 0
            for byte in bytes {
                out[n] = digit(byte >> 4)
                out[n + 1] = digit(byte & 15)
                n += 2
            }
            return n
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
