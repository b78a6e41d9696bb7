import Log
import Reactor
import Synchronization

/// A line of the log for each exchange that has ended. The writer thread writes them out of the audit's records, after
/// these are stored, so that the workers pay nothing for them.
public final class AccessLog: Sendable {
    private let logger: Logger
    private let state = Atomic(false)
    private let labels = Mutex<Labels>(Labels())

    /// Names of routes, which never change their numbers while a process lives.
    private struct Labels {
        var find: (@Sendable (UInt32) -> String?)?
        var known: [UInt32: String] = [:]
    }

    public init(_ logger: Logger) { self.logger = logger }

    /// Whether lines are written; may be changed at any time.
    public var isOn: Bool {
        get { state.load(ordering: .relaxed) }
        set { state.store(newValue, ordering: .relaxed) }
    }

    /// Who knows the routes by `CompletedFields.routeNumber`.
    public func setRouteLabels(_ find: @escaping @Sendable (UInt32) -> String?) {
        labels.withLock { $0.find = find }
    }

    private func label(_ number: UInt32) -> String? {
        guard number != 0 else { return nil }
        return labels.withLock { labels in
            if let known = labels.known[number] { return known }
            let found = labels.find?(number)
            if let found { labels.known[number] = found }
            return found
        }
    }

    /// A line for each exchange whose end is in the batch.
    func write(_ batch: borrowing AuditBatch, _ connection: Connection) {
        for row in batch.rows where row.completion >= 0 {
            let fields = batch.completions[Int(row.completion)].fields
            write(
                Request(row.accepted, url: fields.targetURL), fields,
                requestTimeNanoseconds: row.accepted.requestTimeNanoseconds,
                firstByteNanoseconds: row.firstByte.firstResponseTimeNanoseconds)
        }
        for index in batch.lateCompletions {
            let completion = batch.completions[Int(index)]
            // How it began was stored before, and is read again. A row that cannot be read is in the audit all the same.
            guard let request = try? Self.request(completion.id, connection) else { continue }
            write(
                request, completion.fields, requestTimeNanoseconds: completion.id.unixMilliseconds &* 1_000_000,
                firstByteNanoseconds: 0)
        }
    }

    /// How an exchange began.
    private struct Request {
        var requestID: String
        var keyID: String?
        var sourcePath: String?
        var method: String
        var path: String
        var targetURL: String?

        init(_ fields: AcceptedFields, url: Bytes) {
            requestID = fields.requestID.string
            keyID = fields.keyID.count == 0 ? nil : fields.keyID.string
            sourcePath = fields.sourcePath.count == 0 ? nil : fields.sourcePath.string
            method = fields.method.string
            path = fields.path.string
            targetURL = url.count == 0 ? nil : url.string
        }

        init(_ row: Statement) {
            requestID = row.text(0)
            keyID = row.optionalText(1)
            sourcePath = row.optionalText(2)
            method = row.text(3)
            path = row.text(4)
            targetURL = row.optionalText(5)
        }

        /// `https://host:port` of the target.
        var upstream: String? {
            guard let targetURL else { return nil }
            var slashes = 0
            let end = targetURL.firstIndex { character in
                if character == "/" { slashes += 1 }
                return slashes == 3
            }
            return String(targetURL[..<(end ?? targetURL.endIndex)])
        }
    }

    private static func request(_ id: AuditID, _ connection: Connection) throws(StoreError) -> Request? {
        let select = try connection.statement(
            "SELECT request_id, api_key, source_path, method, path, target_url FROM audit_logs WHERE id = ?1")
        defer { select.reset() }
        select.bind(1, id.text)
        return try select.step() ? Request(select) : nil
    }

    private func write(
        _ request: Request, _ fields: CompletedFields, requestTimeNanoseconds began: UInt64,
        firstByteNanoseconds: UInt64
    ) {
        var line: [(String, LogValue)] = [("request_id", .string(request.requestID))]
        func add(_ name: String, _ text: String?) {
            if let text { line.append((name, .string(text))) }
        }
        add("route", label(fields.routeNumber))
        add("key_id", request.keyID)
        add("source", request.sourcePath)
        add("upstream", request.upstream)
        if fields.status != 0 { line.append(("status", .integer(Int64(fields.status)))) }
        line.append(("ms", .number(AuditBinder.milliseconds(from: began, to: fields.responseTimeNanoseconds))))
        let first =
            fields.firstResponseTimeNanoseconds != 0 ? fields.firstResponseTimeNanoseconds : firstByteNanoseconds
        if first != 0 { line.append(("first_byte_ms", .number(AuditBinder.milliseconds(from: began, to: first)))) }
        line.append(("bytes_in", LogValue(fields.requestSize)))
        line.append(("bytes_out", LogValue(fields.responseSize)))
        if fields.isStream {
            line.append(("stream", true))
            line.append(("chunks", LogValue(fields.streamChunks)))
        }
        if fields.errorMessage.count > 0 { line.append(("error", .string(fields.errorMessage.string))) }
        logger.record(
            "\(request.method) \(request.path)", line,
            unixMilliseconds: Int64(clamping: fields.responseTimeNanoseconds / 1_000_000))
    }
}
