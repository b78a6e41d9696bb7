// storebench: what an audit row costs the writer. It fills a ring, has the store's writer empty it into a fresh
// database, and prints the CPU time a row took. No network, no proxy: see bench/README.md.

import Glibc
import Reactor
import Store

enum Case: String, CaseIterable {
    /// Rows without headers and bodies.
    case plain
    /// Eleven request and four response header lines, as the gateway records by default.
    case headers
    /// The same, with a kilobyte of request and 0.6 of response.
    case bodies
    /// As `headers`, but the rows are stored first and completed in a later transaction, as streams are.
    case late
    /// As `plain`, of exchanges with providers: each with a record of usage that is settled on one of a hundred keys.
    case usage
}

struct Arguments {
    var rows = 200_000
    var rounds = 3
    var cases = Case.allCases
    var folder = "/tmp/storebench.\(getpid())"
    /// Where to leave a filled database, instead of measuring.
    var database: String?
    var spanDays = 7

    static let usage = """
        usage: storebench [--rows N] [--rounds N] [--case plain|headers|bodies|late|usage] [--folder PATH]
               storebench --fill DATABASE [--rows N] [--span-days N]

        Prints the writer's CPU time a row, user and system, of each round. The folder is made, used and deleted;
        it should lie on the disk of interest. For instructions, which noise does not move:

            valgrind --tool=callgrind --toggle-collect='*AuditFlusher*5flush*' storebench --rounds 1 --case plain

        With --fill it writes a database of so many rows, spread evenly over the last days, and leaves it there:
        something to search in.

        """

    init?(_ words: [String]) {
        var index = 1
        while index < words.count {
            guard index + 1 < words.count else { return nil }
            let value = words[index + 1]
            switch words[index] {
            case "--rows":
                guard let number = Int(value), number > 0 else { return nil }
                rows = number
            case "--rounds":
                guard let number = Int(value), number > 0 else { return nil }
                rounds = number
            case "--case":
                guard let one = Case(rawValue: value) else { return nil }
                cases = [one]
            case "--folder": folder = value
            case "--fill": database = value
            case "--span-days":
                guard let number = Int(value), number > 0 else { return nil }
                spanDays = number
            default: return nil
            }
            index += 2
        }
    }
}

// MARK: The exchanges

func lines(_ pairs: KeyValuePairs<String, String>) -> String {
    pairs.map { "\($0.key): \($0.value)\r\n" }.joined()
}

/// Header lines of one exchange. Two lines of each message differ from those of its neighbours, as they do in life;
/// so do ids and the addresses of 64 clients.
struct Texts {
    let requestID: [UInt8]
    let ip: [UInt8]
    let requestHeaders: [UInt8]
    let responseHeaders: [UInt8]

    init(_ n: Int) {
        requestID = Array("req_\(String(0x10_0000_0000 + n * 7, radix: 16))ab".utf8)
        ip = Array("192.168.1.\(n % 64 + 10)".utf8)
        requestHeaders = Array(
            lines([
                "Host": "api.example.com", "Accept": "application/json", "Accept-Encoding": "gzip, deflate",
                "Content-Type": "application/json", "User-Agent": "OpenAI/Python 1.30.1",
                "X-Stainless-Lang": "python", "X-Stainless-OS": "Linux",
                "Authorization": "Bearer fg_****************abcd", "Content-Length": "\(700 + n % 97)",
                "Connection": "keep-alive", "X-Request-Id": String(decoding: requestID, as: UTF8.self),
            ]).utf8)
        responseHeaders = Array(
            lines([
                "content-type": "application/json", "x-request-id": String(decoding: requestID, as: UTF8.self),
                "server": "cloudflare", "date": "Wed, 19 Aug 2026 14:47:\(10 + n / 6000 % 50) GMT",
            ]).utf8)
    }
}

let prompt = String(repeating: "Explain to me in short words what a write-ahead log is good for.\\n", count: 13)
let requestBody =
    Array(
        #"{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "\#(prompt)"}], "#.utf8)
    + Array(#""model": "gpt-4o-mini", "temperature": 0.2}"#.utf8)
let responseBody =
    Array(
        #"{"id": "chatcmpl-9", "object": "chat.completion", "created": 1787150830, "model": "gpt-4o-mini", "#.utf8)
    + Array(#""choices": [{"index": 0, "message": {"role": "assistant", "content": ""#.utf8)
    + Array(String(repeating: "It keeps what was promised. ", count: 14).utf8)
    + Array(#""}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 260, "completion_tokens": 84}}"#.utf8)

func bytes(_ array: [UInt8]) -> Bytes { array.withUnsafeBytes { Bytes($0) } }

/// Puts exchanges into a ring.
struct Load: ~Copyable {
    let kind: Case
    /// A thousand different texts, repeated; `[UInt8]` storage does not move while this lives.
    let texts = (0..<1000).map(Texts.init)
    let keys = (0..<100).map { Array("key_00000000000000\($0 < 10 ? "0" : "")\($0)".utf8) }
    let models = ["gpt-4o-2024-08-06", "gpt-4o-mini", "claude-sonnet-4"].map { Array($0.utf8) }
    let start = Clock.realtimeNanoseconds()

    var isBrief: Bool { kind == .plain || kind == .usage }

    /// An exchange every 10 µs.
    func time(_ n: Int) -> UInt64 { start + UInt64(n) * 10_000 }
    func id(_ n: Int) -> AuditID {
        AuditID(unixMilliseconds: time(n) / 1_000_000, worker: 0, bootNonce: 77, sequence: UInt32(n))
    }

    func accept(_ n: Int, _ producer: inout RingProducer) {
        let text = texts[n % texts.count]
        let fields = AcceptedFields(
            requestTimeNanoseconds: time(n), requestID: bytes(text.requestID), keyID: Bytes("key_0123456789abcdef"),
            sourcePath: Bytes("/team/a"), method: Bytes("POST"), userAgent: Bytes("OpenAI/Python 1.30.1"),
            ip: bytes(text.ip), path: Bytes("/v1/chat/completions"),
            requestHeaders: isBrief ? .empty : bytes(text.requestHeaders))
        guard let target = producer.reserve(AuditEncoder.acceptedSize(fields)) else { fail("the ring is full") }
        AuditEncoder.encodeAccepted(id(n), fields, into: target)
        producer.commit()
    }

    func complete(_ n: Int, _ producer: inout RingProducer) {
        let text = texts[n % texts.count]
        let fields = CompletedFields(
            firstResponseTimeNanoseconds: time(n) + 300_000, responseTimeNanoseconds: time(n) + 500_000,
            requestSize: UInt64(requestBody.count), responseSize: UInt64(responseBody.count), streamChunks: 0,
            status: 200, isStream: false, targetURL: Bytes("http://10.0.0.1:8000/v1/chat/completions"),
            errorMessage: .empty, responseHeaders: isBrief ? .empty : bytes(text.responseHeaders),
            requestBody: kind == .bodies ? bytes(requestBody) : .empty,
            responseBody: kind == .bodies ? bytes(responseBody) : .empty)
        guard let target = producer.reserve(AuditEncoder.completedSize(fields)) else { fail("the ring is full") }
        AuditEncoder.encodeCompleted(id(n), fields, into: target)
        producer.commit()
    }

    func use(_ n: Int, _ producer: inout RingProducer) {
        let text = texts[n % texts.count]
        let fields = UsageFields(
            requestID: bytes(text.requestID), keyID: bytes(keys[n % keys.count]), sourcePath: Bytes("/team/a"),
            provider: Bytes("openai"), providerKeyID: Bytes("pk_0123456789abcdef"), modelRequested: Bytes("gpt-4o"),
            modelServed: bytes(models[n / 7 % models.count]), currency: Bytes("USD"),
            promptTokens: 260, completionTokens: 84, totalTokens: 344, costMicros: 1490)
        guard let target = producer.reserve(AuditEncoder.usageSize(fields)) else { fail("the ring is full") }
        AuditEncoder.encodeUsage(id(n), fields, into: target)
        producer.commit()
    }
}

// MARK: Measuring

/// Microseconds of this process.
struct CPUTime {
    var user = 0.0
    var system = 0.0

    static func now() -> CPUTime {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func microseconds(_ time: timeval) -> Double { Double(time.tv_sec) * 1e6 + Double(time.tv_usec) }
        return CPUTime(user: microseconds(usage.ru_utime), system: microseconds(usage.ru_stime))
    }

    static func - (a: CPUTime, b: CPUTime) -> CPUTime { CPUTime(user: a.user - b.user, system: a.system - b.system) }
}

func complain(_ text: String) { _ = text.utf8.withContiguousStorageIfAvailable { write(2, $0.baseAddress, $0.count) } }

func fail(_ message: String) -> Never {
    complain("storebench: \(message)\n")
    exit(1)
}

func rounded(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
}

/// Has the writer store `events` in all and prints what that took.
func measure(_ name: String, rows: Int, until events: Int, _ writer: StoreWriter) {
    let before = CPUTime.now()
    writer.expedite()
    while writer.statistics.committedEvents < events {
        usleep(2000)
        if let error = writer.statistics.lastError { fail(error) }
    }
    let used = CPUTime.now() - before
    let perRow = CPUTime(user: used.user / Double(rows), system: used.system / Double(rows))
    print(
        "\(name): \(rounded(perRow.user + perRow.system)) µs of CPU a row"
            + " (user \(rounded(perRow.user)), system \(rounded(perRow.system)))")
}

func run(_ kind: Case, _ arguments: Arguments) throws {
    var capacity = 1 << 20
    // The largest exchange takes 3 kB of ring.
    while capacity < arguments.rows * (kind == .bodies ? 3072 : 1024) && capacity < 1 << 32 { capacity *= 2 }
    let ring = try MappedRing.open(path: "\(arguments.folder)/bench.ring", capacity: capacity)
    let writer = try StoreWriter.start(
        databasePath: "\(arguments.folder)/bench.db", rings: [ring],
        // Only when it is told to.
        options: WriterOptions(
            flushIntervalMilliseconds: 3_600_000, timeZoneOffsetMinutes: 480, yieldsToWorkers: false))
    defer { writer.stop() }
    if kind == .usage {
        // Budgets are written where there are keys.
        try writer.perform { connection throws(StoreError) in
            for n in 0..<100 {
                let id = "key_00000000000000\(n < 10 ? "0" : "")\(n)"
                try connection.insertKey(
                    KeyRecord(keyID: id, keyHash: SHA256.digest(Array(id.utf8)), sourcePath: "/team/a"))
            }
        }
    }
    let load = Load(kind: kind)
    var producer = RingProducer(ring)
    guard kind == .late else {
        for n in 0..<arguments.rows {
            load.accept(n, &producer)
            load.complete(n, &producer)
            if kind == .usage { load.use(n, &producer) }
        }
        measure(kind.rawValue, rows: arguments.rows, until: arguments.rows * (kind == .usage ? 3 : 2), writer)
        return
    }
    for n in 0..<arguments.rows { load.accept(n, &producer) }
    measure("late, stored", rows: arguments.rows, until: arguments.rows, writer)
    for n in 0..<arguments.rows { load.complete(n, &producer) }
    measure("late, completed", rows: arguments.rows, until: arguments.rows * 2, writer)
}

guard let arguments = Arguments(CommandLine.arguments) else {
    complain(Arguments.usage)
    exit(2)
}

if let database = arguments.database {
    do { try fill(database, rows: arguments.rows, spanDays: arguments.spanDays) } catch { fail("\(error)") }
    exit(0)
}

for _ in 0..<arguments.rounds {
    for kind in arguments.cases {
        guard mkdir(arguments.folder, 0o700) == 0 else { fail("\(arguments.folder) cannot be made, or exists") }
        defer { _ = system("rm -rf '\(arguments.folder)'") }
        do { try run(kind, arguments) } catch { fail("\(error)") }
    }
}
