internal import COpenSSL

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
    /// Writes the 32-byte digest to `out`. Does not allocate.
    public static func digest(_ p: UnsafePointer<UInt8>, _ n: Int, into out: UnsafeMutablePointer<UInt8>) {
        fg_sha256(p, n, out)
    }

    public static func digest(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { out, count in
            bytes.withUnsafeBufferPointer { fg_sha256($0.baseAddress, $0.count, out.baseAddress) }
            count = 32
        }
    }

    /// The digest of the text's UTF-8 bytes as 64 lower-case hex digits.
    public static func hex(_ text: String) -> String {
        Hex.text(digest(Array(text.utf8)))
    }
}
