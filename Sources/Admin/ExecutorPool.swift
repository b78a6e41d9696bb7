import Glibc
import Reactor
import Store

/// The threads that run handlers: two for what takes milliseconds, two for what may take seconds, each with its own
/// read connection to the database.
final class ExecutorPool: Sendable {
    struct Job: Sendable {
        var connection: ConnectionID
        var endpoint: Endpoint
        var request: AdminRequest
    }

    static let threadsPerLane = 2

    private let quick = BlockingQueue<Job>()
    private let slow = BlockingQueue<Job>()
    private let threads: [WorkerThread]

    init(shared: AdminShared, mailbox: Mailbox<ReactorMessage>, databasePath: String) throws(SystemError) {
        var threads: [WorkerThread] = []
        for (name, queue) in [("quick", quick), ("slow", slow)] {
            for index in 0..<Self.threadsPerLane {
                let niceness: Int32 = name == "slow" ? 10 : 5
                let thread = try WorkerThread.start(name: "admin-\(name)-\(index)", cpu: nil) {
                    // Of this thread alone, as Linux has it: on busy cores the workers and the writer go first.
                    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
                    Self.run(queue, shared: shared, mailbox: mailbox, databasePath: databasePath)
                }
                threads.append(thread)
            }
        }
        self.threads = threads
    }

    /// - Returns: False once the pool is stopping.
    func submit(_ job: Job) -> Bool {
        if case .slow = job.endpoint.handler { slow.push(job) } else { quick.push(job) }
    }

    /// Lets the queued jobs finish and joins the threads. Streams must have been cancelled before.
    func stop() {
        quick.close()
        slow.close()
        for thread in threads { thread.join() }
    }

    private static func run(
        _ queue: BlockingQueue<Job>, shared: AdminShared, mailbox: Mailbox<ReactorMessage>, databasePath: String
    ) {
        var context: HandlerContext?
        while let job = queue.pop() {
            let active: HandlerContext
            if let context, context.reader.timeZoneOffsetMinutes == shared.settings.app.timezone.minutes {
                active = context
            } else {
                // Opened here and not at the start, so that a database that cannot be read just now costs one
                // request its answer and not the process its admin port.
                do {
                    let offset = shared.settings.app.timezone.minutes
                    let reader = try ReadConnection(path: databasePath, timeZoneOffsetMinutes: offset)
                    active = HandlerContext(shared: shared, reader: reader)
                    context = active
                } catch {
                    let failure = AdminFailure.server(
                        "database_unavailable", "the database cannot be read", status: 503)
                    mailbox.post(.respond(job.connection, failure.response))
                    continue
                }
            }
            perform(job, active, mailbox)
        }
    }

    private static func perform(_ job: Job, _ context: HandlerContext, _ mailbox: Mailbox<ReactorMessage>) {
        let response = AdminAPI.answer(job.endpoint, job.request, context)
        guard case .stream(let produce) = response.body else {
            mailbox.post(.respond(job.connection, response))
            return
        }
        // The head goes out with the first piece: what fails before it still gets a proper error.
        let connection = job.connection
        let stream = BodyStream { mailbox.post(.progress(connection)) }
        let sink = FirstPieceSink(stream: stream) { mailbox.post(.begin(connection, response, stream)) }
        do throws(AdminFailure) {
            try produce(context, sink)
            sink.begin()
            stream.finish(failed: false)
        } catch {
            if sink.hasBegun {
                stream.finish(failed: true)
            } else {
                mailbox.post(.respond(connection, error.response))
            }
        }
    }
}

/// Announces the response when the first piece is written. Used by one thread.
private final class FirstPieceSink: ByteSink, @unchecked Sendable {
    private let stream: BodyStream
    private let announce: @Sendable () -> Void
    private(set) var hasBegun = false

    init(stream: BodyStream, announce: @escaping @Sendable () -> Void) {
        self.stream = stream
        self.announce = announce
    }

    func begin() {
        guard !hasBegun else { return }
        hasBegun = true
        announce()
    }

    func write(_ piece: [UInt8]) -> Bool {
        begin()
        return stream.write(piece)
    }
}
