import Testing

@testable import Reactor

@Suite struct SHA256Tests {
    @Test func knownDigests() {
        // FIPS 180-4 examples.
        #expect(SHA256.hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(SHA256.hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            SHA256.hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }

    @Test func allFormsAgree() {
        let bytes = Array("key".utf8)
        var out = [UInt8](repeating: 0, count: 32)
        SHA256.digest(bytes, bytes.count, into: &out)
        #expect(out == SHA256.digest(bytes))
        #expect(Hex.text(out) == SHA256.hex("key"))
    }
}

@Suite struct SecureRandomTests {
    @Test func fillsAndDiffers() {
        #expect(SecureRandom.bytes(0) == [])
        #expect(SecureRandom.bytes(1000).count == 1000)
        #expect(SecureRandom.bytes(32) != SecureRandom.bytes(32))
        #expect(Set(SecureRandom.bytes(5000)).count == 256)
        let hex = SecureRandom.hex(6)
        #expect(hex.utf8.count == 12)
        #expect(hex.allSatisfy { $0.isHexDigit && !$0.isUppercase })
    }
}

@Suite struct ConstantTimeTests {
    @Test func comparesAllBytes() {
        let a: [UInt8] = [1, 2, 3, 4]
        for index in 0..<4 {
            var b = a
            #expect(ConstantTime.equal(a, b, 4))
            b[index] ^= 0x80
            #expect(!ConstantTime.equal(a, b, 4))
            #expect(ConstantTime.equal(a, b, index))
        }
    }
}

@Suite struct BytesTests {
    @Test func fromLiteralsAndBuffers() {
        let hello = Bytes("hello")
        #expect(hello.count == 5)
        #expect(hello.string == "hello")
        #expect(Bytes.empty.isEmpty)
        #expect(Bytes.empty.string == "")
        #expect(Bytes("").elementsEqual(.empty))
        #expect(hello.elementsEqual(Bytes("hello")))
        #expect(!hello.elementsEqual(Bytes("hellO")))
        #expect(!hello.elementsEqual(Bytes("hell")))
        #expect(MemoryLayout<Bytes>.size == 16)
    }
}

@Suite struct ClockTests {
    @Test func clocksMove() {
        let before = Clock.monotonicNanoseconds()
        let milliseconds = Clock.monotonicMilliseconds()
        #expect(milliseconds >= before / 1_000_000)
        #expect(Clock.monotonicNanoseconds() > before)
        #expect(Clock.realtimeNanoseconds() > 1_700_000_000_000_000_000)
    }

    @Test func errorsHaveWords() {
        #expect(SystemError(errno: -2, operation: "open x").description == "open x: No such file or directory")
        #expect(SystemError(errno: 2, operation: "open x") == SystemError(errno: -2, operation: "open x"))
    }
}
