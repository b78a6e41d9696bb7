import CEpoll
import Glibc
import Testing

@testable import Reactor

private func record(_ seed: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: seed &* 31 &+ $0) }
}

private func push(_ producer: inout RingProducer, _ bytes: [UInt8]) -> Bool {
    guard let target = producer.reserve(bytes.count) else { return false }
    bytes.withUnsafeBytes { if $0.count > 0 { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) } }
    producer.commit()
    return true
}

private func pop(_ consumer: inout RingConsumer) -> [UInt8]? {
    consumer.next().map { Array($0) }
}

/// Changes bytes of a ring's file behind its back. Offset 4096 is the first record's header.
private func overwrite(_ path: String, at offset: Int, _ bytes: [UInt8]) throws {
    let fd = open(path, O_RDWR)
    guard fd >= 0 else { throw SystemError(errno: errno, operation: "open") }
    defer { close(fd) }
    #expect(pwrite(fd, bytes, bytes.count, off_t(offset)) == bytes.count)
}

@Suite struct RingTests {
    let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("audit.ring")
    }

    private func openRing(_ capacity: Int = 4096) throws -> MappedRing {
        try MappedRing.open(path: path, capacity: capacity)
    }

    @Test func recordsComeOutInOrder() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        #expect(pop(&consumer) == nil)
        for (n, size) in [0, 1, 7, 8, 9, 100].enumerated() { #expect(push(&producer, record(n, size))) }
        for (n, size) in [0, 1, 7, 8, 9, 100].enumerated() { #expect(pop(&consumer) == record(n, size)) }
        #expect(pop(&consumer) == nil)
        #expect(ring.usedBytes == 8 + 16 + 16 + 16 + 24 + 112)
        consumer.release()
        #expect(ring.usedBytes == 0)
        let corrupt = consumer.corruptRecords
        #expect(corrupt == 0)
    }

    /// What the process lets go of is still in the file, read or not.
    @Test func pagesThatAreGivenBackKeepTheirRecords() throws {
        let ring = try openRing(1 << 20)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        var next = 0
        for n in 0..<3000 {
            #expect(push(&producer, record(n, 100 + n % 400)))
            if n % 3 == 0 {
                #expect(pop(&consumer) == record(next, 100 + next % 400))
                next += 1
            }
            if n % 100 == 0 { ring.giveBackPages() }
            if n % 5 == 0 { consumer.release() }
        }
        ring.giveBackPages()
        while let payload = pop(&consumer) {
            #expect(payload == record(next, 100 + next % 400))
            next += 1
        }
        #expect(next == 3000 && consumer.corruptRecords == 0)
    }

    @Test func payloadsAreAligned() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        for n in 0..<20 {
            let target = producer.reserve(n)!
            #expect(UInt(bitPattern: target) % 8 == 0)
            producer.commit()
        }
    }

    @Test func wrapsManyTimes() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        for round in 0..<5000 {
            let size = round * 37 % 1000
            #expect(push(&producer, record(round, size)))
            if round % 2 == 1 {
                #expect(pop(&consumer) == record(round - 1, (round - 1) * 37 % 1000))
                #expect(pop(&consumer) == record(round, size))
                consumer.release()
            }
        }
        let corrupt = consumer.corruptRecords
        #expect(corrupt == 0)
    }

    @Test func fullThenRoomAgain() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        for n in 0..<32 { #expect(push(&producer, record(n, 120))) }
        #expect(producer.reserve(0) == nil)
        let none = producer.freeBytes()
        #expect(none == 0)
        #expect(ring.usedBytes == 4096)
        #expect(pop(&consumer) == record(0, 120))
        // Handed out is not yet free.
        #expect(producer.reserve(0) == nil)
        consumer.release()
        let some = producer.freeBytes()
        #expect(some == 120)
        #expect(producer.reserve(121) == nil)
        #expect(push(&producer, record(32, 120)))
        for n in 1...32 { #expect(pop(&consumer) == record(n, 120)) }
    }

    @Test func aSkipMarkerSendsTheReaderToTheStart() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        #expect(push(&producer, record(0, 2000)))
        #expect(push(&producer, record(1, 1500)))
        #expect(pop(&consumer) == record(0, 2000))
        consumer.release()
        // 576 bytes are left at the end; only the start takes this one.
        #expect(push(&producer, record(2, 1900)))
        #expect(ring.usedBytes == 1512 + 576 + 1912)
        #expect(pop(&consumer) == record(1, 1500))
        #expect(pop(&consumer) == record(2, 1900))
        #expect(pop(&consumer) == nil)
        consumer.release()
        #expect(ring.usedBytes == 0)
    }

    @Test func largestRecordFitsAnEmptyRingAnywhere() throws {
        let ring = try openRing()
        #expect(ring.maximumRecordBytes == 2040)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        #expect(producer.reserve(2041) == nil)
        #expect(producer.reserve(.max) == nil)
        #expect(producer.reserve(-1) == nil)
        for n in 0..<600 {
            #expect(push(&producer, record(n, n % 13)))
            #expect(push(&producer, record(n, 1900)))
            while consumer.next() != nil {}
            consumer.release()
            let free = producer.freeBytes()
            #expect(free == 2040)
            #expect(push(&producer, record(n, 2040)))
            #expect(pop(&consumer) == record(n, 2040))
            consumer.release()
        }
    }

    @Test func freeBytesIsTakenAtItsWord() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        var held: [[UInt8]] = []
        for n in 0..<3000 {
            let free = producer.freeBytes()
            if free > 0 {
                let size = free < 200 || n % 5 == 0 ? free : n * 7 % free
                #expect(push(&producer, record(n, size)), "\(n): \(size) of \(free)")
                held.append(record(n, size))
            }
            if n % 3 == 0 || free == 0 {
                for bytes in held { #expect(pop(&consumer) == bytes) }
                held = []
                consumer.release()
            }
        }
    }

    @Test func fullerIsWhatWaits() throws {
        // Large enough that no record has to begin anew at its start.
        let ring = try openRing(65536)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        func isFuller(_ bytes: Int) -> Bool { producer.isFuller(than: bytes) }
        #expect(!isFuller(0))
        for lap in 0..<5 {
            for n in 0..<20 { #expect(push(&producer, record(n, 92))) }
            #expect(isFuller(1999) && !isFuller(2100), "lap \(lap)")
            while consumer.next() != nil {}
            // What was read waits until it is released.
            #expect(isFuller(1999))
            consumer.release()
            #expect(!isFuller(0))
        }
    }

    // MARK: short laps

    /// Writes `count` records of 1,016 bytes, each of which takes 1,024, and reads as many as wait.
    private func passOn(
        _ count: Int, from serial: inout Int, _ producer: inout RingProducer, _ consumer: inout RingConsumer
    ) {
        for _ in 0..<count {
            #expect(push(&producer, record(serial, 1016)))
            #expect(pop(&consumer) == record(serial, 1016))
            consumer.release()
            serial += 1
        }
    }

    @Test func whileTheReaderFollowsOnlyTheBeginningIsUsed() throws {
        let ring = try openRing(65536)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        var serial = 0
        var highest = 0
        for _ in 0..<500 {
            let place = producer.reserve(1016)!
            highest = max(highest, place - ring.base - MappedRing.headerBytes)
            passOn(1, from: &serial, &producer, &consumer)
            #expect(ring.usedBytes == 0)
        }
        #expect(highest == ring.shortLapBytes - 1024 + 8)
    }

    /// A reader that stops right after a short lap: all of the area is used, and comes out in order.
    @Test func afterAShortLapTheRestIsNotLost() throws {
        let ring = try openRing(65536)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        var serial = 0
        passOn(6, from: &serial, &producer, &consumer)
        let first = serial
        // Two more end the short lap, then six places are free before what is unread, less a leap's marker.
        var most = 0
        while push(&producer, record(serial, 1016)) {
            serial += 1
            let isFuller = producer.isFuller(than: (serial - first) * 1024 - 1)
            #expect(isFuller && ring.usedBytes >= (serial - first) * 1024)
            most = max(most, ring.usedBytes)
        }
        // 64 places, less one for either marker and what is left before them.
        #expect(serial - first == 2 + 5 + 55)
        #expect(most <= 65536 && producer.freeBytes() < 1016)
        // Reopened as after a crash, the producer goes on where it stood.
        var next = first
        for _ in 0..<10 {
            #expect(pop(&consumer) == record(next, 1016))
            next += 1
        }
        consumer.release()
        let reopened = try openRing(65536)
        var second = RingProducer(reopened)
        var reader = RingConsumer(reopened)
        while push(&second, record(serial, 1016)) { serial += 1 }
        while let bytes = pop(&reader) {
            #expect(bytes == record(next, 1016))
            next += 1
        }
        #expect(next == serial && reader.corruptRecords == 0)
        reader.release()
        #expect(reopened.usedBytes == 0)
        passOn(300, from: &serial, &second, &reader)
    }

    /// Any sizes, any pace, now and then a crash: what was committed comes out, in order and whole, and what `freeBytes`
    /// promises holds.
    @Test(arguments: 0..<12)
    func anyPaceKeepsTheOrder(seed: Int) throws {
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(_ n: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % n
        }
        let capacity = [65536, 131_072, 4096][seed % 3]
        var ring = try openRing(capacity)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        var written = 0
        var read = 0
        var released = 0
        var leaps = 0
        func size(_ serial: Int) -> Int {
            let n = serial &* 2_654_435_761 & 0xffff
            return n % (serial % 97 == 0 ? capacity / 2 - 8 : seed % 2 == 0 ? 300 : capacity / 16)
        }
        for _ in 0..<250 {
            // At times the reader stands still, at times it follows each record.
            let isStanding = random(8) == 0
            for _ in 0..<(isStanding ? random(400) : random(6)) {
                let free = producer.freeBytes()
                let fits = push(&producer, record(written, size(written)))
                #expect(fits || free < size(written))
                if fits { written += 1 } else { break }
            }
            leaps += producer.earlyEnd != 0 && producer.hasLeapt ? 1 : 0
            let isEmpty = ring.usedBytes == 0
            #expect(isEmpty == (released == written) && ring.usedBytes <= capacity)
            if random(5) == 0 { consumer.prepare(ahead: random(capacity), atMost: random(capacity)) }
            for _ in 0..<random(isStanding ? 40 : 500) {
                guard let bytes = pop(&consumer) else { break }
                #expect(bytes == record(read, size(read)))
                read += 1
            }
            switch random(40) {
            case 0:
                consumer.rewind()
                read = released
            case 1:
                // A record that was begun, and the end of the process.
                _ = producer.reserve(random(2000))
                ring = try openRing(capacity)
                producer = RingProducer(ring)
                consumer = RingConsumer(ring)
                read = released
            case 2..<30:
                consumer.release()
                released = read
            default: break
            }
        }
        while let bytes = pop(&consumer) {
            #expect(bytes == record(read, size(read)))
            read += 1
        }
        #expect(read == written && consumer.corruptRecords == 0 && written > 250)
        #expect((leaps > 0) == (capacity >= 65536))
    }

    @Test func aDamagedLeapGivesUpWhatIsBehindIt() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        for n in 0..<3 { #expect(push(&producer, record(n, 56))) }
        for target: UInt32 in [0, 1, 24, 300, 512, .max] {
            var damaged = RingConsumer(ring)
            try overwrite(path, at: 4096, withUnsafeBytes(of: (UInt32.max - 1, target)) { Array($0) })
            #expect(pop(&damaged) == nil)
            #expect(damaged.corruptRecords == 1)
        }
        #expect(pop(&consumer) == nil)
    }

    /// Where a lap is said to have ended early, but none has, nothing changes.
    @Test func anEarlyEndThatCannotBeIsNone() throws {
        for index: UInt64 in [8, 3, 40, 4096, 1 << 40, .max] {
            unlink(path)
            do {
                let ring = try openRing()
                var producer = RingProducer(ring)
                for n in 0..<3 { #expect(push(&producer, record(n, 56))) }
            }
            try overwrite(path, at: 136, withUnsafeBytes(of: index) { Array($0) })
            let ring = try openRing()
            #expect(ring.usedBytes == 192)
            var producer = RingProducer(ring)
            var consumer = RingConsumer(ring)
            #expect(producer.freeBytes() == 2040)
            for n in 3..<60 { #expect(push(&producer, record(n, 56))) }
            for n in 0..<60 { #expect(pop(&consumer) == record(n, 56)) }
        }
    }

    @Test func preparingChangesNothing() throws {
        let ring = try openRing(65536)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        for n in 0..<2000 {
            #expect(push(&producer, record(n, 700)))
            if n % 7 == 0 { consumer.prepare(ahead: n % 2 == 0 ? 20_000 : .max) }
            if n % 11 == 0 {
                // In pieces, half of the ring at most.
                var calls = 1
                while !consumer.prepare(ahead: .max, atMost: 8192) { calls += 1 }
                #expect(calls <= 4)
                let isReady = consumer.prepare(ahead: .max, atMost: 8192)
                #expect(isReady)
            }
            #expect(pop(&consumer) == record(n, 700))
            consumer.release()
            #expect(ring.usedBytes == 0)
        }
    }

    /// In pieces, wherever the producer stands: before a short lap's end, behind it, and before the area's end.
    @Test func preparingInPiecesComesToAnEnd() throws {
        let ring = try openRing(65536)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        for n in 0..<1000 {
            #expect(push(&producer, record(n, 1016)))
            for ahead in [4096, 32768] {
                var calls = 1
                while calls < 100, !consumer.prepare(ahead: ahead, atMost: 4096) { calls += 1 }
                #expect(calls <= 10, "record \(n), \(ahead) ahead: \(calls) calls")
            }
            // The reader stands still for most of a lap, so that laps end early or where the area does.
            if n % 61 > 50 {
                while consumer.next() != nil {}
                consumer.release()
            }
        }
    }

    @Test func commitShorterThanReserved() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        let target = producer.reserve(1000)!
        target.storeBytes(of: 0x2a, as: UInt8.self)
        producer.commit(length: 1)
        #expect(ring.usedBytes == 16)
        _ = producer.reserve(500)
        #expect(push(&producer, [1, 2, 3]))
        #expect(pop(&consumer) == [0x2a])
        #expect(pop(&consumer) == [1, 2, 3])
        #expect(pop(&consumer) == nil)
    }

    @Test func rewindGoesBackToTheLastRelease() throws {
        let ring = try openRing()
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        for n in 0..<4 { #expect(push(&producer, record(n, 50))) }
        #expect(pop(&consumer) == record(0, 50))
        consumer.release()
        #expect(pop(&consumer) == record(1, 50))
        #expect(pop(&consumer) == record(2, 50))
        consumer.rewind()
        for n in 1..<4 { #expect(pop(&consumer) == record(n, 50)) }
        #expect(pop(&consumer) == nil)
    }

    // MARK: recovery

    @Test func whatWasNotReleasedComesAgainAfterReopening() throws {
        do {
            let ring = try openRing()
            var producer = RingProducer(ring)
            var consumer = RingConsumer(ring)
            for n in 0..<5 { #expect(push(&producer, record(n, 64))) }
            #expect(pop(&consumer) == record(0, 64))
            consumer.release()
            #expect(pop(&consumer) == record(1, 64))
            // Reserved and filled, but the process dies before the commit.
            let target = producer.reserve(64)!
            target.storeBytes(of: 0xff, as: UInt8.self)
        }
        let ring = try openRing(1 << 20)
        #expect(ring.capacity == 4096)
        var producer = RingProducer(ring)
        var consumer = RingConsumer(ring)
        for n in 1..<5 { #expect(pop(&consumer) == record(n, 64)) }
        #expect(pop(&consumer) == nil)
        #expect(push(&producer, record(9, 64)))
        #expect(pop(&consumer) == record(9, 64))
    }

    @Test func aDamagedRecordIsPassedOver() throws {
        do {
            let ring = try openRing()
            var producer = RingProducer(ring)
            for n in 0..<3 { #expect(push(&producer, record(n, 56))) }
        }
        try overwrite(path, at: 4096 + 64 + 8 + 20, [0xee])
        var consumer = RingConsumer(try openRing())
        #expect(pop(&consumer) == record(0, 56))
        #expect(pop(&consumer) == record(2, 56))
        #expect(pop(&consumer) == nil)
        var corrupt = consumer.corruptRecords
        #expect(corrupt == 1)
        consumer.rewind()
        corrupt = consumer.corruptRecords
        #expect(corrupt == 0)
        while consumer.next() != nil {}
        consumer.release()
        consumer.rewind()
        corrupt = consumer.corruptRecords
        #expect(corrupt == 1)
    }

    @Test(arguments: [UInt32(0x00ff_ffff), 4096, 200, UInt32.max, UInt32.max - 1])
    func aDamagedLengthGivesUpWhatIsBehindIt(length: UInt32) throws {
        do {
            let ring = try openRing()
            var producer = RingProducer(ring)
            for n in 0..<3 { #expect(push(&producer, record(n, 56))) }
        }
        try overwrite(path, at: 4096 + 64, withUnsafeBytes(of: length) { Array($0) })
        let ring = try openRing()
        var consumer = RingConsumer(ring)
        #expect(pop(&consumer) == record(0, 56))
        #expect(pop(&consumer) == nil)
        let corrupt = consumer.corruptRecords
        #expect(corrupt == 1)
        consumer.release()
        #expect(ring.usedBytes == 0)
        var producer = RingProducer(ring)
        #expect(push(&producer, record(7, 56)))
        #expect(pop(&consumer) == record(7, 56))
    }

    // MARK: the file

    @Test func theFileIsPrivate() throws {
        _ = try openRing()
        var information = stat()
        #expect(stat(path, &information) == 0)
        #expect(information.st_mode & 0o777 == 0o600)
        #expect(information.st_size == 4096 + 4096)
        #expect(information.st_blocks * 512 >= 8192)
        #expect(access(path + ".new", F_OK) != 0)
    }

    @Test func otherFilesAreRefused() throws {
        try createFile("not a ring")
        #expect(throws: RingError.notARing) { try openRing() }
        try createFile(String(repeating: "x", count: 100_000))
        #expect(throws: RingError.notARing) { try openRing() }
        try createFile("")
        #expect(throws: RingError.notARing) { try openRing() }
        #expect(throws: RingError.system(ENOENT)) {
            try MappedRing.open(path: folder.file("no/such/folder"), capacity: 4096)
        }
        #expect(throws: RingError.system(EISDIR)) { try MappedRing.open(path: folder.path, capacity: 4096) }
    }

    @Test func otherVersionsAreRefused() throws {
        _ = try openRing()
        try overwrite(path, at: 8, [9, 0, 0, 0])
        #expect(throws: RingError.versionMismatch(found: 9)) { try openRing() }
    }

    @Test func damagedHeadersAreRefused() throws {
        _ = try openRing()
        try overwrite(path, at: 17, [0x20])  // capacity 8192: the checksum tells
        #expect(throws: RingError.corruptHeader) { try openRing() }
        try overwrite(path, at: 17, [0x10])
        _ = try openRing()
        try overwrite(path, at: 128, [1])  // an index that is not a multiple of 8
        #expect(throws: RingError.corruptHeader) { try openRing() }
        try overwrite(path, at: 128, [0, 0x20])  // more written than there is room
        #expect(throws: RingError.corruptHeader) { try openRing() }
        try overwrite(path, at: 128, [0, 0])
        try overwrite(path, at: 256, [8])  // read beyond what was written
        #expect(throws: RingError.corruptHeader) { try openRing() }
        try overwrite(path, at: 256, [0])
        _ = try openRing()
        #expect(truncate(path, 5000) == 0)
        #expect(throws: RingError.corruptHeader) { try openRing() }
    }

    private func createFile(_ text: String) throws {
        unlink(path)
        let fd = open(path, O_RDWR | O_CREAT, 0o600)
        guard fd >= 0 else { throw SystemError(errno: errno, operation: "open") }
        defer { close(fd) }
        #expect(write(fd, text, text.utf8.count) == text.utf8.count)
    }

    // MARK: two threads

    @Test func aMillionRecordsBetweenTwoThreads() throws {
        let ring = try openRing(1 << 16)
        let total: UInt64 = 1_000_000
        let producerThread = try WorkerThread.start(name: "producer", cpu: nil) {
            var producer = RingProducer(ring)
            var serial: UInt64 = 0
            while serial < total {
                let size = 8 + Int(serial % 7) * 5
                guard let target = producer.reserve(size) else {
                    sched_yield()
                    continue
                }
                // Through typed pointers: the thread sanitizer sees no raw stores and loads in debug builds.
                let bytes = target.assumingMemoryBound(to: UInt8.self)
                var index = 8
                while index < size {
                    bytes[index] = UInt8(truncatingIfNeeded: serial)
                    index += 1
                }
                target.assumingMemoryBound(to: UInt64.self).pointee = serial
                producer.commit()
                serial += 1
            }
        }
        var consumer = RingConsumer(ring)
        var expected: UInt64 = 0
        var faults = 0
        while expected < total {
            guard let payload = consumer.next() else {
                consumer.release()
                sched_yield()
                continue
            }
            if payload.count != 8 + Int(expected % 7) * 5 { faults += 1 }
            if payload.baseAddress!.assumingMemoryBound(to: UInt64.self).pointee != expected { faults += 1 }
            if payload.count > 8, payload[payload.count - 1] != UInt8(truncatingIfNeeded: expected) { faults += 1 }
            expected += 1
            if expected % 64 == 0 { consumer.release() }
        }
        producerThread.join()
        let corrupt = consumer.corruptRecords
        #expect(faults == 0)
        #expect(corrupt == 0)
    }
}

@Suite struct ChecksumTests {
    @Test func knownValues() {
        // RFC 3720 B.4.
        let zeros = [UInt8](repeating: 0, count: 32)
        let ones = [UInt8](repeating: 0xff, count: 32)
        let rising = (0..<32).map { UInt8($0) }
        #expect(fg_crc32c(zeros, 32) == 0x8a91_36aa)
        #expect(fg_crc32c(ones, 32) == 0x62a8_ab43)
        #expect(fg_crc32c(rising, 32) == 0x46dd_794e)
        #expect(fg_crc32c(Array("123456789".utf8), 9) == 0xe306_9283)
        #expect(fg_crc32c(zeros, 0) == 0)
    }

    @Test func tableAndInstructionAgree() {
        let bytes = SecureRandom.bytes(1600)
        for n in 0...1600 { #expect(fg_crc32c(bytes, n) == fg_crc32c_table(bytes, n)) }
    }
}
