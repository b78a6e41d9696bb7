import CEpoll
import Glibc

/// Records in a mapped file, each in a slot of its own until it is cleared: what a producer has under way, for whoever comes
/// after it, however it ends.
///
/// As with `MappedRing` the memory is the file's page cache, so what was committed outlives the process. A record stays as
/// long as it is wanted and costs its reader nothing while the producer lives: he reads only what a producer that is gone has
/// left. Layout: a header page, then slots of 1 KiB; the file grows as they are needed.
///
/// | header offset | field |
/// |---|---|
/// | 0 | magic `FGSLOTS\1` |
/// | 8 | bytes of a slot, u64 |
///
/// | slot offset | field |
/// |---|---|
/// | 0 | length of the payload, u32; 0: nothing is here |
/// | 4 | CRC-32C of order and payload, u32 |
/// | 8 | order, u64: a later record has a greater one |
/// | 16 | payload |
///
/// Length and checksum are stored as one word, after all else. Numbers have the machine's byte order.
public final class MappedSlots: @unchecked Sendable {
    public let path: String
    @usableFromInline let base: UnsafeMutableRawPointer
    /// For growing.
    private let fd: Int32

    /// One record that was found.
    public struct Record {
        /// Of two records about the same, the one with the greater order counts.
        public let order: UInt64
        /// Valid until `removeAll`.
        public let payload: UnsafeRawBufferPointer
    }

    static let magic: [UInt8] = [0x46, 0x47, 0x53, 0x4c, 0x4f, 0x54, 0x53, 1]
    @inlinable static var headerBytes: Int { 4096 }
    @inlinable static var slotBytes: Int { 1024 }
    @inlinable static var slotHeaderBytes: Int { 16 }
    /// Of the largest record.
    @inlinable public static var payloadBytes: Int { slotBytes - slotHeaderBytes }
    /// A new file has so many slots, and grows by as many.
    static let step = 1024
    /// More are not used at a time. They cost address space only.
    static let most = 1 << 20
    private static let mappedBytes = headerBytes + most * slotBytes

    /// Maps the file at `path`, or makes one (readable by its owner only).
    public static func open(path: String) throws(RingError) -> MappedSlots {
        var fd = fg_open_existing(path)
        if fd == -ENOENT {
            fd = try MappedFile.create(path, bytes: headerBytes + step * slotBytes, header: header)
        }
        guard fd >= 0 else { throw .system(-fd) }
        do throws(RingError) {
            let count = max(try count(in: fd), step)
            let status = fg_allocate_file(fd, 0, Int64(headerBytes + count * slotBytes))
            guard status == 0 else { throw .system(-status) }
            // Beyond the file's end too: what it grows by is there then.
            guard let base = fg_map_file(fd, mappedBytes) else { throw .system(errno) }
            return MappedSlots(path: path, base: base, fd: fd)
        } catch {
            _ = fg_close(fd)
            throw error
        }
    }

    private init(path: String, base: UnsafeMutableRawPointer, fd: Int32) {
        self.path = path
        self.base = base
        self.fd = fd
    }

    deinit {
        _ = fg_unmap(base, MappedSlots.mappedBytes)
        _ = fg_close(fd)
    }

    // MARK: What was left behind

    /// The records of a producer that is gone, and how many have damaged bytes.
    public func records() -> (found: [Record], damaged: Int) {
        var found: [Record] = []
        var damaged = 0
        for index in 0..<count {
            let slot = self.slot(index)
            let state = fg_load_acquire(slot)
            if state == 0 { continue }
            let length = Int(UInt32(truncatingIfNeeded: state))
            guard length > 0, length <= Self.payloadBytes, Self.checksum(slot, length) == UInt32(state >> 32) else {
                damaged += 1
                continue
            }
            found.append(
                Record(
                    order: slot.load(fromByteOffset: 8, as: UInt64.self),
                    payload: UnsafeRawBufferPointer(start: slot + Self.slotHeaderBytes, count: length)))
        }
        return (found, damaged)
    }

    /// Clears all slots and gives back what the file has grown by. There must be no producer.
    public func removeAll() {
        for index in 0..<count where fg_load_acquire(slot(index)) != 0 { fg_store_release(slot(index), 0) }
        giveBackPages()
        _ = fg_truncate(fd, Int64(Self.headerBytes + Self.step * Self.slotBytes))
    }

    /// See `MappedRing.giveBackPages`.
    public func giveBackPages() {
        _ = fg_release_file_pages(base, Self.headerBytes + count * Self.slotBytes)
    }

    // MARK: The file

    /// Slots that have room in the file.
    var count: Int { (try? Self.count(in: fd)) ?? 0 }

    /// More slots than `count`; returns how many there are then: as many as before, if the disk is full.
    @usableFromInline
    func grow(from count: Int) -> Int {
        let added = min(Self.step, Self.most - count)
        let start = Int64(Self.headerBytes + count * Self.slotBytes)
        guard added > 0, fg_allocate_file(fd, start, Int64(added * Self.slotBytes)) == 0 else { return count }
        return count + added
    }

    /// The order too: in a cleared slot something else stands there.
    @inlinable
    static func checksum(_ slot: UnsafeMutableRawPointer, _ length: Int) -> UInt32 {
        fg_crc32c(slot + 8, slotHeaderBytes - 8 + length)
    }

    @inlinable
    func slot(_ index: Int) -> UnsafeMutableRawPointer {
        base + MappedSlots.headerBytes + index * MappedSlots.slotBytes
    }

    private static var header: [UInt8] { magic + withUnsafeBytes(of: UInt64(slotBytes)) { Array($0) } }

    /// How many slots a file has, once its header has proved sound.
    private static func count(in fd: Int32) throws(RingError) -> Int {
        var found = [UInt8](repeating: 0, count: header.count)
        let n = found.withUnsafeMutableBytes { pread(fd, $0.baseAddress, $0.count, 0) }
        guard n >= 0 else { throw .system(errno) }
        guard n == found.count, found == header else { throw .notARing }
        let size = fg_file_size(fd)
        guard size >= 0 else { throw .system(Int32(-size)) }
        return min(max(0, Int(size) - headerBytes) / slotBytes, most)
    }
}

/// The writing end of `MappedSlots`. One thread at a time; what an earlier producer has left must be gone
/// (`MappedSlots.removeAll`).
@frozen
public struct SlotProducer: ~Copyable {
    @usableFromInline let slots: MappedSlots?
    @usableFromInline let area: UnsafeMutableRawPointer
    /// Slots that have room in the file.
    @usableFromInline var count: Int
    /// Slots from here on have never been used.
    @usableFromInline var highWater: Int
    /// The slot that was cleared last, at whose order's place stands the one before; 0 = none, else its index + 1.
    @usableFromInline var firstFree: UInt64
    @usableFromInline var order: UInt64
    /// Monotonic milliseconds. A full disk is not asked for room before.
    @usableFromInline var growsAgainAt: UInt64 = 0

    /// - Parameter slots: nil: there is never a slot.
    public init(_ slots: MappedSlots?) {
        self.slots = slots
        area = slots.map { $0.slot(0) } ?? UnsafeMutableRawPointer(bitPattern: 16).unsafelyUnwrapped
        count = slots?.count ?? 0
        highWater = 0
        firstFree = 0
        order = 0
    }

    /// Takes a slot, which is empty until it is committed.
    ///
    /// - Returns: its index; nil if none can be had, because the disk is full.
    @inlinable
    public mutating func reserve() -> UInt32? {
        if firstFree != 0 {
            let index = Int(firstFree &- 1)
            firstFree = slot(index).load(fromByteOffset: 8, as: UInt64.self)
            return UInt32(truncatingIfNeeded: index)
        }
        if highWater == count {
            guard grow() else { return nil }
        }
        highWater &+= 1
        return UInt32(truncatingIfNeeded: highWater &- 1)
    }

    /// Room for `MappedSlots.payloadBytes` bytes, 8-byte aligned.
    @inlinable
    public func payload(_ index: UInt32) -> UnsafeMutableRawPointer { slot(Int(index)) + MappedSlots.slotHeaderBytes }

    /// The slot's record is the first `length` bytes of its payload, at least one. From now on it outlives the process.
    @inlinable
    public mutating func commit(_ index: UInt32, length: Int) {
        precondition(length > 0 && length <= MappedSlots.payloadBytes)
        let slot = slot(Int(index))
        order &+= 1
        slot.storeBytes(of: order, toByteOffset: 8, as: UInt64.self)
        let checksum = MappedSlots.checksum(slot, length)
        fg_store_release(slot, UInt64(truncatingIfNeeded: length) | UInt64(checksum) << 32)
    }

    /// The slot's record is not wanted any longer.
    @inlinable
    public mutating func clear(_ index: UInt32) {
        let slot = slot(Int(index))
        fg_store_release(slot, 0)
        slot.storeBytes(of: firstFree, toByteOffset: 8, as: UInt64.self)
        firstFree = UInt64(index) &+ 1
    }

    @inlinable
    func slot(_ index: Int) -> UnsafeMutableRawPointer { area + index &* MappedSlots.slotBytes }

    @usableFromInline @inline(never)
    mutating func grow() -> Bool {
        let now = Clock.monotonicMilliseconds()
        if now < growsAgainAt { return false }
        guard let grown = slots?.grow(from: count), grown > count else {
            growsAgainAt = now + 1000
            return false
        }
        count = grown
        return true
    }
}
