import Testing

@testable import Reactor

private struct Slot: BitwiseCopyable {
    var a: UInt64
    var b: UInt64
    var c: (UInt64, UInt64, UInt64, UInt64)
}

@Suite struct SlabTests {
    @Test func tokenKeepsItsParts() {
        let token = Token(kind: 0xfe, generation: 0xabcdef, index: 0xdead_beef)
        #expect(token.kind == 0xfe)
        #expect(token.generation == 0xabcdef)
        #expect(token.index == 0xdead_beef)
        #expect(Token(kind: 1, generation: 0xff00_0001, index: 2) == Token(kind: 1, generation: 1, index: 2))
    }

    @Test func allocatesUpToItsCapacity() {
        var slab = Slab<Slot>(capacity: 3)
        #expect(slab.allocate() == 0)
        #expect(slab.allocate() == 1)
        #expect(slab.allocate() == 2)
        #expect(slab.allocate() == nil)
        let live = slab.liveCount
        #expect(live == 3)
        slab.release(1)
        #expect(slab.allocate() == 1)
        #expect(slab.allocate() == nil)
    }

    @Test func aPointerTellsItsIndex() {
        var slab = Slab<Slot>(capacity: 100)
        for _ in 0..<100 {
            let index = slab.allocate()!
            let told = slab.index(of: slab.pointer(index))
            #expect(told == index)
        }
    }

    @Test func staleTokensFallAway() {
        var slab = Slab<Slot>(capacity: 8)
        let index = slab.allocate()!
        let token = slab.token(kind: 7, index)
        #expect(slab.resolve(token) == slab.pointer(index))
        slab.release(index)
        #expect(slab.resolve(token) == nil)
        #expect(slab.isLive(index) == false)
        let again = slab.allocate()!
        #expect(again == index)
        #expect(slab.resolve(token) == nil)
        let newToken = slab.token(kind: 7, again)
        #expect(newToken != token)
        #expect(slab.resolve(newToken) == slab.pointer(index))
    }

    @Test func unknownTokensResolveToNothing() {
        var slab = Slab<Slot>(capacity: 2)
        #expect(slab.resolve(Token(rawValue: 0)) == nil)
        #expect(slab.resolve(Token(rawValue: .max)) == nil)
        _ = slab.allocate()
        #expect(slab.resolve(Token(rawValue: 0)) == nil)
        #expect(slab.resolve(Token(kind: 0, generation: 1, index: 1)) == nil)
        #expect(slab.resolve(Token(kind: 0, generation: 1, index: 2)) == nil)
    }

    @Test func generationsWrapPastZero() {
        var slab = Slab<UInt64>(capacity: 1)
        var seen = Set<UInt32>()
        for round in 0..<(1 << 24) {
            let index = slab.allocate()!
            let generation = slab.generation(index)
            if round < 4 || round > (1 << 24) - 4 { seen.insert(generation) }
            slab.release(index)
        }
        #expect(seen == [1, 2, 3, 4, 0xff_fffe, 0xff_ffff, 1])
    }

    @Test func memoryStaysPutAndIsLeftAlone() {
        var slab = Slab<Slot>(capacity: 1 << 20)
        let first = slab.allocate()!
        let pointer = slab.pointer(first)
        pointer.pointee.a = 42
        for _ in 0..<1000 { _ = slab.allocate() }
        #expect(slab.pointer(first) == pointer)
        slab.release(first)
        #expect(pointer.pointee.a == 42)
        #expect(slab.allocate() == first)
        #expect(pointer.pointee.a == 42)
    }

    @Test func memoryIsGivenBackOnceFewAreLeft() {
        var slab = Slab<Slot>(capacity: 20_000)
        for _ in 0..<10_000 { slab.pointer(slab.allocate()!).pointee.a = 7 }
        let stale = slab.token(kind: 1, 9_999)
        for index in (0..<10_000).reversed() where index != 3 && index != 5_000 { slab.release(UInt32(index)) }
        slab.trimIfSparse()
        #expect(slab.pointer(3).pointee.a == 7 && slab.pointer(5_000).pointee.a == 7)
        #expect(slab.pointer(2_000).pointee.a == 0 && slab.pointer(9_000).pointee.a == 0)
        #expect(slab.liveCount == 2 && slab.isLive(3) && slab.isLive(5_000))
        var taken: Set<UInt32> = []
        for _ in 0..<9_998 { taken.insert(slab.allocate()!) }
        #expect(taken.count == 9_998 && taken.max()! == 9_999 && !taken.contains(3))
        #expect(slab.resolve(stale) == nil)
        #expect(slab.allocate() == 10_000)
    }

    @Test func theLowestSlotsAreTakenFirstAfterwards() {
        var slab = Slab<Slot>(capacity: 4_096)
        for _ in 0..<2_000 { _ = slab.allocate() }
        for index in 0..<2_000 { slab.release(UInt32(index)) }
        slab.trimIfSparse()
        #expect((0..<5).map { _ in slab.allocate()! } == [0, 1, 2, 3, 4])
    }

    @Test func capacityCostsAddressSpaceOnly() throws {
        let before = try residentPages()
        var slab = Slab<(Slot, Slot, Slot, Slot)>(capacity: 1 << 20)  // 192 MiB of slots
        let index = slab.allocate()!
        slab.pointer(index).pointee.0.a = 1
        slab.release(index)
        // Other tests run beside this one: far below the slab's 49,152 pages is proof enough.
        #expect(try residentPages() - before < 24_000)
    }
}
