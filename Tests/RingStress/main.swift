import Glibc
import Reactor

// One producer and one consumer on an audit ring, as a worker and the writer are, for the thread sanitizer: `./test`
// builds this with it and runs it, since a whole test bundle under the sanitizer would take minutes to build.

let records = 300_000
let folder = "/tmp/fastgate-ring-\(getpid())"
mkdir(folder, 0o700)
let path = folder + "/stress.ring"

/// Says why and ends the process.
func fail(_ reason: String) -> Never {
    print("ring-stress: \(reason)")
    unlink(path)
    rmdir(folder)
    exit(1)
}

guard let ring = try? MappedRing.open(path: path, capacity: 64 << 10) else { fail("cannot make \(path)") }

let producing: WorkerThread
do {
    producing = try WorkerThread.start(name: "producer", cpu: nil) {
        var producer = RingProducer(ring)
        var n = 0
        while n < records {
            let size = 8 + n % 301
            guard let p = producer.reserve(size) else {
                sched_yield()
                continue
            }
            memset(p, Int32(n & 0xFF), size)
            p.storeBytes(of: UInt64(n), as: UInt64.self)
            producer.commit()
            n += 1
        }
    }
} catch { fail("\(error)") }

var consumer = RingConsumer(ring)
var expected = 0
while expected < records {
    var taken = 0
    while let record = consumer.next() {
        guard record.count == 8 + expected % 301, record.loadUnaligned(as: UInt64.self) == UInt64(expected),
            record.count == 8 || record[record.count - 1] == UInt8(expected & 0xFF)
        else { fail("record \(expected) is not what was written") }
        expected += 1
        taken += 1
    }
    consumer.release()
    if taken == 0 { sched_yield() }
}
producing.join()
guard consumer.corruptRecords == 0, ring.usedBytes == 0 else { fail("something is left in the ring") }
unlink(path)
rmdir(folder)
