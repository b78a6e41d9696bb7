import CEpoll
import Glibc

public enum RingError: Error, Equatable, Sendable {
    /// A system call failed; the positive error number.
    case system(Int32)
    /// The file is something else.
    case notARing
    /// The file is a ring of another format.
    case versionMismatch(found: UInt32)
    /// The file says that it is a ring, but its header contradicts itself.
    case corruptHeader
}

/// A ring of records in a mapped file, for one producer and one consumer.
///
/// The memory is the file's page cache, so what was committed outlives the process however it dies; only a crash of
/// the machine can lose it. Layout: a header page, then `capacity` bytes of records. Both indices only grow; their
/// remainder by the capacity is the position.
///
/// | header offset | field |
/// |---|---|
/// | 0 | magic `FGRING\0\1` |
/// | 8 | format version, u32 |
/// | 12 | CRC-32C over the magic, the version and the capacity, u32 |
/// | 16 | capacity, u64 |
/// | 128 | write index, u64 (the producer's) |
/// | 136 | index of the last marker that ended a lap early, u64 (the producer's); 0 = none |
/// | 256 | read index, u64 (the consumer's) |
///
/// A record is its payload's length (u32), the payload's CRC-32C (u32) and the payload, padded to 8 bytes. Records
/// never wrap: where the area's end is too short, or a lap ends early (see `RingProducer`), a skip marker (length 2^32 - 1)
/// sends the reader to the start. A leap marker (length 2^32 - 2, then a position in units of 8 bytes) sends it further on
/// in the same lap. Numbers have the machine's byte order.
public final class MappedRing: @unchecked Sendable {
    public let path: String
    /// Bytes for records, with their headers; a power of two.
    public let capacity: Int
    @usableFromInline let base: UnsafeMutableRawPointer

    public static let formatVersion: UInt32 = 1
    static let magic: [UInt8] = [0x46, 0x47, 0x52, 0x49, 0x4e, 0x47, 0, 1]
    static let smallestCapacity = 4096
    static let largestCapacity = 1 << 32

    @inlinable static var headerBytes: Int { 4096 }
    @inlinable static var writeIndexOffset: Int { 128 }
    @inlinable static var earlyEndOffset: Int { 136 }
    @inlinable static var readIndexOffset: Int { 256 }
    @inlinable static var skipMarker: UInt32 { .max }
    @inlinable static var leapMarker: UInt32 { .max - 1 }

    /// Maps the ring at `path`, or makes one (readable by its owner only).
    ///
    /// - Parameter capacity: bytes for records, a power of two from 4 KiB to 4 GiB. A ring that exists keeps its own.
    public static func open(path: String, capacity: Int) throws(RingError) -> MappedRing {
        precondition(capacity >= smallestCapacity && capacity <= largestCapacity && capacity & (capacity - 1) == 0)
        var fd = fg_open_existing(path)
        if fd == -ENOENT {
            fd = try MappedFile.create(
                path, bytes: headerBytes + capacity, header: header(capacity: UInt64(capacity)))
        }
        guard fd >= 0 else { throw .system(-fd) }
        // The mapping keeps the file; the descriptor is not needed.
        defer { _ = fg_close(fd) }
        let found = try validate(fd)
        let status = fg_allocate_file(fd, 0, Int64(headerBytes + found))
        guard status == 0 else { throw .system(-status) }
        guard let base = fg_map_file(fd, headerBytes + found) else { throw .system(errno) }
        let ring = MappedRing(path: path, capacity: found, base: base)
        guard ring.hasSaneIndices else { throw .corruptHeader }
        return ring
    }

    private init(path: String, capacity: Int, base: UnsafeMutableRawPointer) {
        self.path = path
        self.capacity = capacity
        self.base = base
    }

    deinit {
        _ = fg_unmap(base, MappedRing.headerBytes + capacity)
    }

    /// Bytes between the producer and the consumer's last release.
    public var usedBytes: Int {
        // The read index first: it never passes the write index that is read after it.
        let read = fg_load_acquire(base + MappedRing.readIndexOffset)
        let write = fg_load_acquire(base + MappedRing.writeIndexOffset)
        let earlyEnd = unreadEarlyEnd(read: read, write: write)
        let skipped = earlyEnd == 0 ? 0 : lapEnd(earlyEnd) &- earlyEnd
        return Int(truncatingIfNeeded: min(write &- read &- skipped, UInt64(capacity)))
    }

    /// After so many bytes a lap ends, as long as the consumer follows closely: small enough for the caches.
    var shortLapBytes: Int { capacity < 65536 ? capacity : capacity / 8 }

    /// The index of the marker between `read` and `write` that ended a lap early; 0 if there is none.
    func unreadEarlyEnd(read: UInt64, write: UInt64) -> UInt64 {
        let index = fg_load_acquire(base + MappedRing.earlyEndOffset)
        let isUnread = index != 0 && index & 7 == 0 && read <= index && index < write
        return isUnread && lapEnd(index) == write & ~UInt64(capacity - 1) ? index : 0
    }

    /// The index at which the lap of `index` would end of itself.
    private func lapEnd(_ index: UInt64) -> UInt64 { (index | UInt64(capacity - 1)) &+ 1 }

    /// Takes the ring's pages out of the process: what they hold stays in the page cache, where it was all the time, and
    /// each page comes back by itself when it is touched. Producer and consumer may be at work meanwhile.
    public func giveBackPages() {
        _ = fg_release_file_pages(base, MappedRing.headerBytes + capacity)
    }

    /// The largest payload: half the area, so that a record always fits an empty ring, wherever its position is.
    @inlinable public var maximumRecordBytes: Int { capacity / 2 - 8 }

    private var hasSaneIndices: Bool {
        let write = fg_load_acquire(base + MappedRing.writeIndexOffset)
        let read = fg_load_acquire(base + MappedRing.readIndexOffset)
        let most = UInt64(capacity) << (unreadEarlyEnd(read: read, write: write) == 0 ? 0 : 1)
        return write >= read && write - read <= most && write & 7 == 0 && read & 7 == 0
    }

    private static func header(capacity: UInt64) -> [UInt8] {
        var header = magic
        withUnsafeBytes(of: formatVersion) { header += $0 }
        header += [0, 0, 0, 0]
        withUnsafeBytes(of: capacity) { header += $0 }
        withUnsafeBytes(of: checksum(header)) { header.replaceSubrange(12..<16, with: $0) }
        return header
    }

    /// The CRC-32C of the header's fixed fields, the checksum's own field counting as zero.
    private static func checksum(_ header: [UInt8]) -> UInt32 {
        var fields = header
        fields.replaceSubrange(12..<16, with: [0, 0, 0, 0])
        return fg_crc32c(fields, fields.count)
    }

    /// The capacity that a file's header names, once the header has proved sound.
    private static func validate(_ fd: Int32) throws(RingError) -> Int {
        var header = [UInt8](repeating: 0, count: 24)
        let n = header.withUnsafeMutableBytes { pread(fd, $0.baseAddress, $0.count, 0) }
        guard n >= 0 else { throw .system(errno) }
        guard n == header.count, Array(header[0..<8]) == magic else { throw .notARing }
        let (version, crc, capacity) = header.withUnsafeBytes {
            (
                $0.load(fromByteOffset: 8, as: UInt32.self), $0.load(fromByteOffset: 12, as: UInt32.self),
                $0.load(fromByteOffset: 16, as: UInt64.self)
            )
        }
        guard version == formatVersion else { throw .versionMismatch(found: version) }
        guard crc == checksum(header), capacity >= UInt64(smallestCapacity), capacity <= UInt64(largestCapacity),
            capacity & (capacity - 1) == 0, fg_file_size(fd) >= Int64(headerBytes) + Int64(capacity)
        else { throw .corruptHeader }
        return Int(capacity)
    }
}
