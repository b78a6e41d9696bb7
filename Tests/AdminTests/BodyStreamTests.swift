import Reactor
import Synchronization
import Testing

@testable import Admin

@Suite struct BodyStreamTests {
    @Test func producerWaitsWhileTheReaderIsBehind() throws {
        let notifications = Mutex(0)
        let stream = BodyStream { notifications.withLock { $0 += 1 } }
        let pieces = 200
        let piece = [UInt8](repeating: 7, count: 32 << 10)
        let producer = try WorkerThread.start(name: "producer", cpu: nil) {
            for _ in 0..<pieces { _ = stream.write(piece) }
            stream.finish(failed: false)
        }
        var received = 0
        loop: while true {
            switch stream.take() {
            case .piece(let bytes): received += bytes.count
            case .nothing: continue
            case .finished: break loop
            case .failed:
                Issue.record("failed")
                break loop
            }
        }
        producer.join()
        #expect(received == pieces * piece.count)
        #expect(stream.highWaterBytes <= BodyStream.capacityBytes + piece.count)
        #expect(notifications.withLock { $0 } >= 1)
    }

    @Test func cancellingFreesTheProducer() throws {
        let stream = BodyStream {}
        let outcome = Mutex<Bool?>(nil)
        let producer = try WorkerThread.start(name: "producer", cpu: nil) {
            var isWanted = true
            while isWanted { isWanted = stream.write([UInt8](repeating: 1, count: 100 << 10)) }
            outcome.withLock { $0 = isWanted }
        }
        stream.cancel()
        producer.join()
        #expect(outcome.withLock { $0 } == false)
    }

    @Test func failureComesAfterWhatWasWritten() {
        let stream = BodyStream {}
        #expect(stream.write([1]))
        stream.finish(failed: true)
        guard case .piece(let bytes) = stream.take() else { return #expect(Bool(false), "no piece") }
        #expect(bytes == [1])
        guard case .failed = stream.take() else { return #expect(Bool(false), "not failed") }
    }
}
