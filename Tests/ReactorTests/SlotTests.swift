import Glibc
import Testing

@testable import Reactor

@Suite struct SlotTests {
    let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("audit.open")
    }

    private func put(_ text: String, _ producer: inout SlotProducer) throws -> UInt32 {
        let slot = try take(&producer)
        producer.payload(slot).copyMemory(from: Array(text.utf8), byteCount: text.utf8.count)
        producer.commit(slot, length: text.utf8.count)
        return slot
    }

    private func take(_ producer: inout SlotProducer) throws -> UInt32 {
        let slot = producer.reserve()
        return try #require(slot)
    }

    /// In the order of their writing.
    private func found(_ slots: MappedSlots) -> [String] {
        slots.records().found.sorted { $0.order < $1.order }.map { String(decoding: $0.payload, as: UTF8.self) }
    }

    private func overwrite(at offset: Int, _ bytes: [UInt8]) {
        let fd = open(path, O_RDWR)
        defer { close(fd) }
        #expect(pwrite(fd, bytes, bytes.count, off_t(offset)) == bytes.count)
    }

    @Test func aRecordStaysUntilItIsCleared() throws {
        let slots = try MappedSlots.open(path: path)
        var producer = SlotProducer(slots)
        let first = try put("first", &producer)
        _ = try put("second", &producer)
        // Taken, not committed: nothing is there yet.
        let third = try take(&producer)
        #expect(found(slots) == ["first", "second"])
        producer.clear(first)
        producer.clear(third)
        #expect(found(slots) == ["second"])
        // What was cleared last is taken first.
        let fourth = try put("fourth", &producer)
        let fifth = try put("fifth", &producer)
        #expect(fourth == third && fifth == first)
        #expect(found(slots) == ["second", "fourth", "fifth"])
    }

    @Test func whatIsThereOutlivesItsProducer() throws {
        var slots: MappedSlots? = try MappedSlots.open(path: path)
        var producer = SlotProducer(slots)
        for n in 0..<3 { _ = try put("record \(n)", &producer) }
        producer = SlotProducer(nil)
        slots = nil
        let next = try MappedSlots.open(path: path)
        #expect(found(next) == ["record 0", "record 1", "record 2"])
        next.giveBackPages()
        #expect(found(next).count == 3)
        next.removeAll()
        #expect(found(next).isEmpty)
        var other = SlotProducer(next)
        _ = try put("new", &other)
        #expect(try found(MappedSlots.open(path: path)) == ["new"])
    }

    /// The file grows with what is open at once, and is small again once all of it is gone.
    @Test func theFileGrows() throws {
        let slots = try MappedSlots.open(path: path)
        #expect(slots.count == MappedSlots.step)
        var producer = SlotProducer(slots)
        var taken: [UInt32] = []
        for n in 0..<2500 { taken.append(try put("\(n)", &producer)) }
        #expect(Set(taken).count == 2500 && slots.count == 3 * MappedSlots.step)
        #expect(found(slots).map { Int($0) } == (0..<2500).map { $0 })
        for slot in taken.dropFirst(10) { producer.clear(slot) }
        #expect(found(slots).count == 10)
        for n in 0..<2490 { _ = try put("\(n)", &producer) }
        #expect(slots.count == 3 * MappedSlots.step)
        producer = SlotProducer(nil)
        slots.removeAll()
        #expect(slots.count == MappedSlots.step && found(slots).isEmpty)
    }

    @Test func theLargestRecordFits() throws {
        let slots = try MappedSlots.open(path: path)
        var producer = SlotProducer(slots)
        let text = String(repeating: "x", count: MappedSlots.payloadBytes)
        _ = try put(text, &producer)
        _ = try put("neighbour", &producer)
        #expect(found(slots) == [text, "neighbour"])
    }

    @Test func withoutAFileThereIsNoSlot() {
        var producer = SlotProducer(nil)
        for _ in 0..<2 {
            let slot = producer.reserve()
            #expect(slot == nil)
        }
    }

    /// After a machine's crash: bytes may be those of another moment.
    @Test func aTornRecordIsPassedOver() throws {
        let slots = try MappedSlots.open(path: path)
        var producer = SlotProducer(slots)
        for n in 0..<4 { _ = try put("record \(n)", &producer) }
        overwrite(at: 4096 + 16, [0])
        // A length that no record has.
        overwrite(at: 4096 + 1024, [0xFF, 0xFF, 0xFF, 0x7F])
        // A length of nothing with a checksum.
        overwrite(at: 4096 + 2048, [0, 0, 0, 0])
        #expect(found(slots) == ["record 3"])
        #expect(slots.records().damaged == 3)
        // An order that is not the record's own.
        overwrite(at: 4096 + 3 * 1024 + 8, [9])
        #expect(found(slots).isEmpty && slots.records().damaged == 4)
        slots.removeAll()
        #expect(slots.records().damaged == 0)
    }

    @Test func anotherFileIsRefused() throws {
        for contents in ["", "junk", String(repeating: "junk", count: 4096)] {
            let fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0o600)
            _ = contents.withCString { write(fd, $0, strlen($0)) }
            close(fd)
            #expect(throws: RingError.notARing) { try MappedSlots.open(path: path) }
        }
        #expect(throws: RingError.system(ENOENT)) { try MappedSlots.open(path: folder.file("none/audit.open")) }
    }

    /// A file that ends in the middle of a slot, as one whose growth has failed may.
    @Test func aFileOfAnyLengthIsMapped() throws {
        var slots: MappedSlots? = try MappedSlots.open(path: path)
        var producer = SlotProducer(slots)
        _ = try put("kept", &producer)
        producer = SlotProducer(nil)
        slots = nil
        for length in [4096 + 1024, 4096 + 1500, 4096 + (1 << 21) + 7] {
            #expect(truncate(path, off_t(length)) == 0)
            let again = try MappedSlots.open(path: path)
            #expect(found(again) == ["kept"] && again.count >= MappedSlots.step)
        }
    }
}
