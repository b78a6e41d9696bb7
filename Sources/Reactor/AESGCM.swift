internal import COpenSSL

/// AES-256 in Galois/Counter mode (NIST SP 800-38D): what it seals can neither be read nor changed without the key.
public enum AESGCM {
    public static let keyCount = 32
    static let nonceCount = 12
    static let tagCount = 16

    /// Encrypts and authenticates; every call takes a new random nonce, which is safe for 2^32 calls with one key.
    ///
    /// - Parameters:
    ///   - key: 32 bytes.
    ///   - context: authenticated too, but not part of the result: `open` must be given the same.
    /// - Returns: nonce, ciphertext and tag, 28 bytes more than `plaintext`; nil if OpenSSL has no memory.
    public static func seal(_ plaintext: [UInt8], key: [UInt8], context: [UInt8]) -> [UInt8]? {
        precondition(key.count == keyCount)
        let nonce = SecureRandom.bytes(nonceCount)
        var isSealed = false
        let total = nonceCount + plaintext.count + tagCount
        let sealed = [UInt8](unsafeUninitializedCapacity: total) { out, count in
            for n in 0..<nonceCount { out[n] = nonce[n] }
            isSealed =
                fg_aes_gcm_seal(
                    key, nonce, context, context.count, plaintext, plaintext.count, out.baseAddress! + nonceCount) == 1
            count = isSealed ? total : 0
        }
        return isSealed ? sealed : nil
    }

    /// Decrypts; nil if it was sealed with another key or context, or has been changed.
    public static func open(_ sealed: [UInt8], key: [UInt8], context: [UInt8]) -> [UInt8]? {
        precondition(key.count == keyCount)
        let count = sealed.count - nonceCount - tagCount
        guard count >= 0 else { return nil }
        var isOpen = false
        let plaintext = sealed.withUnsafeBufferPointer { sealed in
            [UInt8](unsafeUninitializedCapacity: max(1, count)) { out, written in
                isOpen =
                    fg_aes_gcm_open(
                        key, sealed.baseAddress, context, context.count, sealed.baseAddress! + nonceCount, count,
                        out.baseAddress) == 1
                written = isOpen ? count : 0
            }
        }
        return isOpen ? plaintext : nil
    }
}
