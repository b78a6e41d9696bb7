internal import COpenSSL

/// Comparison whose time does not depend on where two secrets differ.
public enum ConstantTime {
    /// Whether two runs of `n` bytes are equal.
    public static func equal(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        CRYPTO_memcmp(a, b, n) == 0
    }
}
