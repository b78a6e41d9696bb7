import Glibc
import Synchronization
import Testing

@testable import Reactor

@Suite struct MailboxTests {
    @Test func messagesKeepTheirOrder() throws {
        let mailbox = try Mailbox<Int>()
        #expect(mailbox.drain() == [])
        #expect(!waitFor(mailbox.fd, POLLIN, milliseconds: 0))
        for n in 1...3 { mailbox.post(n) }
        #expect(waitFor(mailbox.fd, POLLIN, milliseconds: 0))
        #expect(mailbox.drain() == [1, 2, 3])
        #expect(!waitFor(mailbox.fd, POLLIN, milliseconds: 0))
        mailbox.post(4)
        #expect(waitFor(mailbox.fd, POLLIN, milliseconds: 0))
        #expect(mailbox.drain() == [4])
    }

    @Test func wakingNeedsNoMessage() throws {
        let mailbox = try Mailbox<String>()
        mailbox.wake()
        #expect(waitFor(mailbox.fd, POLLIN, milliseconds: 0))
        #expect(mailbox.drain() == [])
        #expect(!waitFor(mailbox.fd, POLLIN, milliseconds: 0))
    }

    /// Four threads post, one reads by the descriptor alone: were a wake-up lost, it would wait for ever.
    @Test func acrossThreads() throws {
        let mailbox = try Mailbox<(sender: Int, serial: Int)>()
        let each = 20_000
        let senders = try (0..<4).map { sender in
            try WorkerThread.start(name: "sender \(sender)", cpu: nil) {
                for serial in 0..<each { mailbox.post((sender, serial)) }
            }
        }
        var next = [0, 0, 0, 0]
        var received = 0
        while received < 4 * each {
            guard waitFor(mailbox.fd, POLLIN) else {
                Issue.record("a wake-up was lost after \(received)")
                break
            }
            for (sender, serial) in mailbox.drain() {
                if serial != next[sender] { Issue.record("out of order") }
                next[sender] = serial + 1
                received += 1
            }
        }
        senders.forEach { $0.join() }
        #expect(received == 4 * each)
    }
}

@Suite struct WorkerThreadTests {
    @Test func namedPinnedAndJoined() throws {
        let seen = Mutex<(String, Bool)?>(nil)
        let thread = try WorkerThread.start(name: "a-name-that-is-too-long", cpu: 0) {
            let name = (try? firstLines("/proc/thread-self/comm")) ?? ""
            let status = (try? firstLines("/proc/thread-self/status")) ?? ""
            let cpus = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
            seen.withLock { $0 = (name, cpus?.hasSuffix("\t0") ?? false) }
        }
        thread.join()
        thread.join()
        let (name, isPinned) = try #require(seen.withLock { $0 })
        #expect(name == "a-name-that-is-\n")
        #expect(isPinned)
    }

    @Test func anImpossibleCPUIsAnError() {
        #expect(throws: SystemError.self) { try WorkerThread.start(name: "x", cpu: 900) {} }
        #expect(throws: SystemError.self) { try WorkerThread.start(name: "x", cpu: 100_000) {} }
    }
}

@Suite struct SignalSourceTests {
    @Test func signalsComeAsEvents() throws {
        // On a thread of its own: the signals stay blocked only there, and are sent only to it.
        let failures = Mutex<[String]>([])
        let thread = try WorkerThread.start(name: "signals", cpu: nil) {
            var problems: [String] = []
            do {
                let source = try SignalSource([SIGUSR1, SIGUSR2])
                if source.next() != nil { problems.append("something was pending") }
                pthread_kill(pthread_self(), SIGUSR2)
                if !waitFor(source.fd, POLLIN) { problems.append("not readable") }
                if source.next() != SIGUSR2 { problems.append("not SIGUSR2") }
                if source.next() != nil { problems.append("twice") }
            } catch {
                problems.append("\(error)")
            }
            failures.withLock { $0 = problems }
        }
        thread.join()
        #expect(failures.withLock { $0 } == [])
        #expect(throws: SystemError.self) { try SignalSource([9999]) }
    }
}
