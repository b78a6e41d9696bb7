import Testing

@testable import HTTP

@Suite struct HeaderIDTests {
    static let known: [HeaderID] = (1..<64).map { HeaderID(rawValue: $0) }.filter { !$0.name.isEmpty }

    @Test func everyKnownNameIsFoundInAnyCase() {
        #expect(Self.known.count == 59)
        for id in Self.known {
            #expect(HeaderID.lookup(id.name) == id)
            #expect(HeaderID.lookup(id.name.uppercased()) == id)
            let mixed = String(
                id.name.enumerated().map { $0.offset % 2 == 0 ? Character($0.element.uppercased()) : $0.element })
            #expect(HeaderID.lookup(mixed) == id)
        }
        #expect(HeaderID.host.name == "host")
        #expect(HeaderID.maxForwards.name == "max-forwards")
        #expect(HeaderID.xRateLimitRemainingRequests.name == "x-ratelimit-remaining-requests")
        #expect(HeaderID.other.name == "")
        #expect(HeaderID(rawValue: 63).name == "")
    }

    @Test func namesBesideKnownOnesAreOther() {
        for id in Self.known {
            let name = Array(id.name.utf8)
            for index in name.indices {
                for replacement in [UInt8(ascii: "_"), 0x0D, 0x00, name[index] ^ 0x80, name[index] &+ 1] {
                    var changed = name
                    changed[index] = replacement
                    let found = changed.withUnsafeBufferPointer {
                        HeaderID.lookup(name: $0.baseAddress!, count: $0.count)
                    }
                    let text = String(decoding: changed, as: UTF8.self)
                    #expect(found == .other || found.name == text, "\(changed)")
                }
            }
            #expect(HeaderID.lookup(id.name + "x") == .other || HeaderID.lookup(id.name + "x").name == id.name + "x")
            #expect(HeaderID.lookup("x" + id.name) == .other)
            #expect(HeaderID.lookup(String(id.name.dropLast())) != id)
        }
        #expect(HeaderID.lookup("") == .other)
        #expect(HeaderID.lookup("a") == .other)
        #expect(HeaderID.lookup(String(repeating: "content-length", count: 40)) == .other)
    }

    @Test func masks() {
        var mask = HeaderMask()
        #expect(!mask.contains(.host))
        mask.insert(.host)
        mask.insert(.maxForwards)
        #expect(mask.contains(.host) && mask.contains(.maxForwards) && !mask.contains(.te))
        #expect(mask.intersects(HeaderMask().inserting(.maxForwards)))
        #expect(!mask.intersects(HeaderMask().inserting(.te)))
    }

    /// The scanner in C writes entries of this layout.
    @Test func fieldLayout() {
        #expect(MemoryLayout<Field>.size == 16)
        #expect(MemoryLayout<Field>.offset(of: \.valueOffset) == 4)
        #expect(MemoryLayout<Field>.offset(of: \.valueLength) == 8)
        #expect(MemoryLayout<Field>.offset(of: \.nameLength) == 12)
        #expect(MemoryLayout<Field>.offset(of: \.id) == 14)
    }
}
