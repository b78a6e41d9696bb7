import CEpoll

/// The kernel's random generator; fit for keys and tokens.
public enum SecureRandom {
    /// Fills memory with random bytes.
    public static func fill(_ p: UnsafeMutableRawPointer, _ n: Int) {
        let status = fg_random(p, n)
        // Without randomness no secret may be made; there is nothing sensible to go on with.
        guard status == 0 else { fatalError("getrandom: \(SystemError.text(status))") }
    }

    public static func bytes(_ n: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: n) { out, count in
            if n > 0 { fill(out.baseAddress!, n) }
            count = n
        }
    }

    /// `bytes` random bytes as twice as many lower-case hex digits.
    public static func hex(_ bytes: Int) -> String {
        Hex.text(SecureRandom.bytes(bytes))
    }
}
