import Testing

@testable import Reactor

@Suite struct LargeMemoryTests {
    @Test func beginsOnAPageAndCanBeUsedWhole() {
        for count in [LargeMemory.pageBytes, LargeMemory.pageBytes * 2 + 12_345] {
            let memory = LargeMemory.allocate(count)
            defer { memory.deallocate() }
            #expect(Int(bitPattern: memory) % LargeMemory.pageBytes == 0)
            memory.initializeMemory(as: UInt8.self, repeating: 7, count: count)
            #expect(memory.load(fromByteOffset: count - 1, as: UInt8.self) == 7)
        }
    }

    @Test func whatIsLongerThanAPageFillsPages() {
        let page = LargeMemory.pageBytes
        let filled = [0, 1, 512, page - 1, page, page + 1, 2 * page, 2 * page + 1].map(LargeMemory.filled)
        #expect(filled == [0, 1, 512, page - 1, page, 2 * page, 2 * page, 3 * page])
    }
}
