import CEpoll
import Glibc

@testable import Reactor
@testable import Store

/// Where the targets keep files: in memory, gone with the process.
let storeFolder: String = {
    let path = "/dev/shm/fastgate-fuzz-\(getpid())"
    mkdir(path, 0o700)
    atexit { _ = system("rm -rf /dev/shm/fastgate-fuzz-\(getpid())") }
    return path
}()

private let areaBytes = 4096

/// A ring file as the input has it. Bits of the choice: 1, the header is sound (else it is the input's); 2, the records'
/// checksums are put right, so that the input gets beyond them; 8, a lap has ended early.
private func image(of input: Input) -> [UInt8] {
    guard input.choice & 1 == 1 else { return input.body }
    let path = storeFolder + "/fresh.ring"
    unlink(path)
    guard (try? MappedRing.open(path: path, capacity: areaBytes)) != nil else { fatalError("no ring at \(path)") }
    var bytes = contents(of: path)
    let body = input.body
    let numbers = Array(body.prefix(4)) + [UInt8](repeating: 0, count: 4)
    // Wherever the ring's indices are, and however far apart.
    let read = UInt64(numbers[0]) << 8 &* 8 &+ UInt64(numbers[1]) &* 8
    let used = (UInt64(numbers[2]) << 4 | UInt64(numbers[3]) >> 4) &* (input.choice & 4 == 0 ? 8 : 1)
    let earlyEnd = input.choice & 8 == 0 ? 0 : read &+ UInt64(numbers[3] & 15) &* 256
    for (offset, value) in [
        (MappedRing.writeIndexOffset, read &+ used), (MappedRing.earlyEndOffset, earlyEnd),
        (MappedRing.readIndexOffset, read),
    ] {
        withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange(offset..<offset + 8, with: $0) }
    }
    let area = body.dropFirst(4).prefix(areaBytes)
    bytes.replaceSubrange(MappedRing.headerBytes..<MappedRing.headerBytes + area.count, with: area)
    if input.choice & 2 == 2 { mendChecksums(&bytes, from: read, used: used) }
    return bytes
}

private func mendChecksums(_ bytes: inout [UInt8], from read: UInt64, used: UInt64) {
    var at = 0
    while at + 8 <= Int(used) {
        let position = Int((read &+ UInt64(at)) & UInt64(areaBytes - 1)) & ~7
        let start = MappedRing.headerBytes + position
        let length = bytes.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: start, as: UInt32.self)) }
        guard length <= areaBytes - position - 8 else { return }
        let sum = bytes.withUnsafeBytes { fg_crc32c($0.baseAddress! + start + 8, length) }
        withUnsafeBytes(of: sum) { bytes.replaceSubrange(start + 4..<start + 8, with: $0) }
        at += 8 + (length + 7) & ~7
    }
}

/// A file, whole.
func contents(of path: String) -> [UInt8] {
    let fd = open(path, O_RDONLY)
    guard fd >= 0 else { fatalError("cannot open \(path)") }
    defer { close(fd) }
    var bytes = [UInt8](repeating: 0, count: Int(fg_file_size(fd)))
    let n = bytes.withUnsafeMutableBytes { read(fd, $0.baseAddress, $0.count) }
    return Array(bytes.prefix(max(0, n)))
}

/// Makes a file, or another one of a file.
func write(_ bytes: [UInt8], to path: String) {
    let fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0o600)
    guard fd >= 0, Glibc.write(fd, bytes, bytes.count) == bytes.count else { fatalError("cannot write \(path)") }
    close(fd)
}

/// Whatever a ring file holds, it is refused or emptied, and what is written into it afterwards is read.
func fuzzRing(_ input: Input) {
    let path = storeFolder + "/audit.ring"
    unlink(path)
    write(image(of: input), to: path)
    guard let ring = try? MappedRing.open(path: path, capacity: areaBytes) else { return }
    var consumer = RingConsumer(ring)
    var batch = AuditBatch()
    var records = 0
    while let payload = consumer.next() {
        records += 1
        check(records <= 2 * ring.capacity / 8, "more records than fit")
        checkEvent(payload)
        batch.add(payload)
    }
    consumer.release()
    check(ring.usedBytes == 0, "\(ring.usedBytes) bytes are left")

    let damaged = consumer.corruptRecords
    var producer = RingProducer(ring)
    for n in 0..<(3 * ring.capacity / 100) {
        guard let p = producer.reserve(61 + n % 30) else { fatalError("no room in an empty ring") }
        memset(p, Int32(n & 0xFF), 61 + n % 30)
        producer.commit()
        guard let record = consumer.next() else { fatalError("what was written is not there") }
        check(record.count == 61 + n % 30 && record.first == UInt8(n & 0xFF), "another record")
        consumer.release()
    }
    check(consumer.corruptRecords == damaged, "sound records were passed over")
}

/// What decodes encodes to what decodes to the same.
private func checkEvent(_ payload: UnsafeRawBufferPointer) {
    switch AuditEvent(decoding: payload) {
    case .accepted(let id, let fields):
        let out = UnsafeMutableRawBufferPointer.allocate(byteCount: AuditEncoder.acceptedSize(fields), alignment: 8)
        defer { out.deallocate() }
        AuditEncoder.encodeAccepted(id, fields, into: out.baseAddress!)
        guard case .accepted(let other, let again)? = AuditEvent(decoding: UnsafeRawBufferPointer(out)) else {
            fatalError("is not read again")
        }
        check(
            id == other && fields.requestID.elementsEqual(again.requestID) && fields.path.elementsEqual(again.path)
                && fields.requestHeaders.elementsEqual(again.requestHeaders)
                && fields.requestTimeNanoseconds == again.requestTimeNanoseconds, "read again as another")
    case .completed(let id, let fields):
        let out = UnsafeMutableRawBufferPointer.allocate(byteCount: AuditEncoder.completedSize(fields), alignment: 8)
        defer { out.deallocate() }
        AuditEncoder.encodeCompleted(id, fields, into: out.baseAddress!)
        guard case .completed(let other, let again)? = AuditEvent(decoding: UnsafeRawBufferPointer(out)) else {
            fatalError("is not read again")
        }
        check(
            id == other && fields.status == again.status && fields.responseBody.elementsEqual(again.responseBody)
                && fields.flags == again.flags && fields.streamChunks == again.streamChunks, "read again as another")
    default: break
    }
}

/// The database that `fuzzAudit` writes, made anew now and then.
private final class Sink {
    let connection: Connection
    let flusher: AuditFlusher
    let ring: MappedRing

    init() {
        for file in ["fastgate.db", "fastgate.db-wal", "fastgate.db-shm", "sink.ring"] {
            unlink("\(storeFolder)/\(file)")
        }
        do {
            _ = try Database.open(path: storeFolder + "/fastgate.db")
            connection = try Connection(
                path: storeFolder + "/fastgate.db", mode: .readWrite, busyTimeoutMilliseconds: 1000)
            ring = try MappedRing.open(path: storeFolder + "/sink.ring", capacity: 1 << 18)
        } catch { fatalError("\(error)") }
        flusher = AuditFlusher(connection: connection, rings: [ring])
    }
}

nonisolated(unsafe) private var sink = Sink()
nonisolated(unsafe) private var uses = 0

/// Whatever events say, the writer stores or refuses them: they never keep it from going on. The input is records, each
/// behind its length in two bytes.
func fuzzAudit(_ input: Input) {
    uses += 1
    if uses % 2000 == 0 { sink = Sink() }
    var producer = RingProducer(sink.ring)
    var rest = input.bytes[...]
    var records = 0
    while rest.count >= 2 {
        let length = min(rest.count - 2, Int(rest[rest.startIndex]) | Int(rest[rest.startIndex + 1]) << 8)
        let payload = rest.dropFirst(2).prefix(length)
        guard let p = producer.reserve(length) else { break }
        UnsafeMutableRawBufferPointer(start: p, count: length).copyBytes(from: payload)
        producer.commit()
        records += 1
        rest = rest.dropFirst(2 + length)
    }
    // Twice is enough: the first attempt may only find out that it has to be careful.
    for _ in 0..<3 {
        do throws(StoreError) {
            let outcome = try sink.flusher.flush()
            if outcome != .more { break }
        } catch { fatalError("the writer is stuck: \(error)") }
    }
    check(sink.ring.usedBytes == 0, "\(sink.ring.usedBytes) bytes of \(records) records are left")
}
