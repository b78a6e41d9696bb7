import Glibc

@testable import Reactor
@testable import Store

/// A slot file as the input has it. Bits of the choice: 1, the file is the input as it stands; else it begins as one that
/// holds some records (bits 2 to 16 say how many), and the input says what happens to it.
struct SlotImage {
    private static let slotBytes = MappedSlots.slotBytes
    /// The header has as many bytes as so many slots.
    private static let headerSlots = MappedSlots.headerBytes / slotBytes

    /// Bytes of the file.
    private(set) var count: Int
    /// What of it is not zero, or was not, in pieces as long as slots.
    private var pieces: [Int: [UInt8]] = [:]

    init(of input: Input) {
        guard input.choice & 1 == 0 else {
            count = input.body.count
            write(input.body, at: 0)
            return
        }
        count = MappedSlots.headerBytes + MappedSlots.step * Self.slotBytes
        write(Self.freshHeader, at: 0)
        for number in 0..<(input.choice >> 1 & 15) { put(number, slot: number, order: UInt64(number) + 1) }
        var reader = ByteReader(input.body)
        while !reader.isAtEnd { change(&reader) }
    }

    /// As the product makes it.
    private static let freshHeader: ArraySlice<UInt8> = {
        let path = storeFolder + "/fresh.open"
        guard (try? MappedSlots.open(path: path)) != nil else { fatalError("no slots at \(path)") }
        defer { unlink(path) }
        let bytes = contents(of: path)
        check(bytes.count == MappedSlots.headerBytes + MappedSlots.step * slotBytes, "\(bytes.count) bytes")
        check(bytes.dropFirst(16).allSatisfy { $0 == 0 }, "a new file is not empty")
        return bytes.prefix(16)
    }()

    func write(to path: String) {
        unlink(path)
        let fd = open(path, O_CREAT | O_WRONLY, 0o600)
        guard fd >= 0, ftruncate(fd, off_t(count)) == 0 else { fatalError("cannot write \(path)") }
        defer { close(fd) }
        for (number, piece) in pieces {
            let at = number * Self.slotBytes
            let length = min(piece.count, count - at)
            if length > 0, pwrite(fd, piece, length, off_t(at)) != length { fatalError("cannot write \(path)") }
        }
    }

    // MARK: What the input says

    private mutating func change(_ reader: inout ByteReader) {
        let what = reader.byte()
        switch what & 7 {
        case 0:
            let at = start(ofSlot: slot(reader.byte())) + reader.number() % Self.slotBytes
            write(reader.bytes(Int(reader.byte())), at: at)
        case 1:
            let (place, position) = (slot(reader.byte()), reader.number())
            let at = start(ofSlot: place) + position / 8 % Self.slotBytes
            write([read(at, 1)[0] ^ 1 << UInt8(position & 7)], at: at)
        case 2: resize(to: reader.number() * 32)
        // Some more than it has, in the middle of a slot too.
        case 3: resize(to: min(count + reader.number() * 32, 3 << 20))
        case 4:
            let (from, to) = (start(ofSlot: slot(reader.byte())), start(ofSlot: slot(reader.byte())))
            write(read(from, Self.slotBytes), at: to)
        case 5: write([UInt8](repeating: 0, count: 8), at: start(ofSlot: slot(reader.byte())))
        case 6: mend(slot(reader.byte()), length: reader.number())
        default:
            if what & 8 == 0 {
                let number = Int(reader.byte())
                put(number, slot: slot(reader.byte()), order: UInt64(reader.byte()), tokens: Int64(reader.number()))
            } else {
                let offset = Int(reader.byte() & 31)
                write([reader.byte()], at: offset)
            }
        }
    }

    /// Slots that are touched: some first ones, and those around the end of a file that has not grown.
    private func slot(_ choice: UInt8) -> Int {
        choice < 224 ? Int(choice & 31) : MappedSlots.step - 16 + Int(choice & 31)
    }

    private func start(ofSlot slot: Int) -> Int { MappedSlots.headerBytes + slot * Self.slotBytes }

    private mutating func resize(to length: Int) {
        let last = length / Self.slotBytes
        if length < count {
            pieces = pieces.filter { $0.key <= last }
            let kept = length % Self.slotBytes
            if let piece = pieces[last] {
                pieces[last] = piece.prefix(kept) + [UInt8](repeating: 0, count: Self.slotBytes - kept)
            }
        }
        count = length
    }

    /// Within the file only.
    private mutating func write(_ new: some Collection<UInt8>, at offset: Int) {
        for (position, byte) in zip(offset..<max(offset, count), new) {
            pieces[position / Self.slotBytes, default: [UInt8](repeating: 0, count: Self.slotBytes)][
                position % Self.slotBytes] = byte
        }
    }

    /// Zeros behind the file's end.
    private func read(_ offset: Int, _ length: Int) -> [UInt8] {
        (offset..<offset + length).map { pieces[$0 / Self.slotBytes]?[$0 % Self.slotBytes] ?? 0 }
    }

    /// Commits what stands in a slot.
    private mutating func mend(_ slot: Int, length: Int) {
        let at = start(ofSlot: slot)
        let length = length % (MappedSlots.payloadBytes + 1)
        let sum = checksum(read(at + 8, MappedSlots.slotHeaderBytes - 8 + length))
        withUnsafeBytes(of: UInt64(length) | UInt64(sum) << 32) { write(Array($0), at: at) }
    }

    /// The record of one exchange, as a worker commits it.
    private mutating func put(_ number: Int, slot: Int, order: UInt64, tokens: Int64 = 100) {
        let record = openRecord(number, tokens: tokens)
        let at = start(ofSlot: slot)
        withUnsafeBytes(of: order) { write(Array($0), at: at + 8) }
        write(record, at: at + MappedSlots.slotHeaderBytes)
        mend(slot, length: record.count)
    }

    // MARK: What there is to be found

    struct Record {
        let order: UInt64
        let payload: [UInt8]
    }

    /// Nil: it is no slot file.
    var expected: (found: [Record], damaged: Int)? {
        let header = MappedSlots.magic + withUnsafeBytes(of: UInt64(Self.slotBytes)) { Array($0) }
        guard count >= header.count, read(0, header.count) == header else { return nil }
        // What is missing of a file's first length is added as zeros; beyond that a part of a slot is none.
        let end = Self.headerSlots + max(MappedSlots.step, count / Self.slotBytes - Self.headerSlots)
        var found: [Record] = []
        var damaged = 0
        for (number, slot) in pieces.sorted(by: { $0.key < $1.key }) where number >= Self.headerSlots && number < end {
            let state = Self.number(slot.prefix(8))
            if state == 0 { continue }
            let length = Int(state & 0xFFFF_FFFF)
            let content = slot.dropFirst(8).prefix(8 + length)
            guard length > 0, length <= MappedSlots.payloadBytes, UInt64(checksum(content)) == state >> 32 else {
                damaged += 1
                continue
            }
            found.append(Record(order: Self.number(content.prefix(8)), payload: Array(content.dropFirst(8))))
        }
        return (found, damaged)
    }

    private static func number(_ eight: ArraySlice<UInt8>) -> UInt64 {
        eight.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Reads what an input says, and zeros behind its end.
struct ByteReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func number() -> Int { Int(byte()) | Int(byte()) << 8 }

    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}

/// CRC-32C, a second time: what the product says of its own checksums is not asked.
private func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { $0 >> 8 ^ checksumTable[Int(truncatingIfNeeded: $0 ^ UInt32($1)) & 0xFF] }
}

private let checksumTable: [UInt32] = (0..<256).map { first in
    (0..<8).reduce(UInt32(first)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
}

/// The usage record that exchange `number` is to have if its process dies.
func openRecord(_ number: Int, tokens: Int64) -> [UInt8] {
    let text = Array("req_\(number)model-provider".utf8)
    return text.withUnsafeBufferPointer { text in
        func part(_ from: Int, _ count: Int) -> Bytes { Bytes(text.baseAddress! + from, count) }
        let (name, rest) = (text.count - 14, text.count)
        let fields = UsageFields(
            requestID: part(0, name), keyID: Bytes("key_1"), sourcePath: Bytes("/team"),
            provider: part(rest - 8, 8), providerKeyID: Bytes("pk_1"), modelRequested: part(name, 5),
            modelServed: .empty, currency: Bytes("USD"), promptTokens: tokens, totalTokens: tokens,
            costMicros: 2 * tokens, isEstimated: true, outcome: .interrupted)
        let id = AuditID(
            unixMilliseconds: 1_780_716_000_000 + UInt64(number), worker: 0, bootNonce: 9, sequence: UInt32(number))
        return [UInt8](unsafeUninitializedCapacity: AuditEncoder.usageSize(fields)) { out, count in
            AuditEncoder.encodeUsage(id, fields, into: out.baseAddress!)
            count = AuditEncoder.usageSize(fields)
        }
    }
}
