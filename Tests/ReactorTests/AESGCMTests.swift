import Testing

@testable import Reactor

struct AESGCMTests {
    private func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0..<$0 + 2]), radix: 16)! }
    }

    /// Test case 16 of "The Galois/Counter Mode of Operation" (McGrew and Viega).
    @Test func aPublishedVectorOpens() {
        let key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")
        let sealed = bytes(
            "cafebabefacedbaddecaf888"
                + "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                + "76fc6ece0f4e1768cddf8853bb2d551b")
        let plaintext = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
        let context = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        #expect(AESGCM.open(sealed, key: key, context: context) == plaintext)
    }

    @Test func whatIsSealedOpensOnlyAsItWas() throws {
        let key = SecureRandom.bytes(32)
        for count in [0, 1, 15, 16, 17, 200] {
            let plaintext = SecureRandom.bytes(count)
            let sealed = try #require(AESGCM.seal(plaintext, key: key, context: [1, 2]))
            #expect(sealed.count == count + 28)
            #expect(AESGCM.open(sealed, key: key, context: [1, 2]) == plaintext)
            #expect(AESGCM.open(sealed, key: key, context: [1, 3]) == nil)
            #expect(AESGCM.open(sealed, key: key, context: []) == nil)
            #expect(AESGCM.open(sealed, key: SecureRandom.bytes(32), context: [1, 2]) == nil)
            for position in sealed.indices {
                var changed = sealed
                changed[position] ^= 1
                #expect(AESGCM.open(changed, key: key, context: [1, 2]) == nil, "byte \(position)")
            }
            for length in 0..<sealed.count {
                #expect(AESGCM.open(Array(sealed[..<length]), key: key, context: [1, 2]) == nil, "cut to \(length)")
            }
        }
    }

    @Test func everySealIsAnother() {
        let key = SecureRandom.bytes(32)
        let first = AESGCM.seal([1, 2, 3], key: key, context: [])
        #expect(first != AESGCM.seal([1, 2, 3], key: key, context: []))
    }
}
