import Config
import Proxy
import Store

/// Who changes the database: the write thread of a running gateway, or this process alone.
protocol ChangeWriter: Sendable {
    func perform<T: Sendable>(
        flushingRings: Bool,
        _ body: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> T
    ) throws(StoreError) -> T
    var statistics: WriterStatistics { get }
}

extension ChangeWriter {
    func perform<T: Sendable>(
        _ body: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> T
    ) throws(StoreError) -> T {
        try perform(flushingRings: false, body)
    }
}

extension StoreWriter: ChangeWriter {}

/// Changes the database on a handle of its own; there is no audit to write.
private final class DirectWriter: ChangeWriter {
    private let database: Database

    init(_ database: Database) { self.database = database }

    func perform<T: Sendable>(
        flushingRings: Bool,
        _ body: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> T
    ) throws(StoreError) -> T {
        try database.write(body)
    }

    var statistics: WriterStatistics { WriterStatistics() }
}

/// Answers requests of the admin API inside this process, without sockets: for the command line while no gateway runs.
/// The handlers are those of the admin port, so that both ways know the same fields, checks and messages.
public final class LocalAdmin {
    private let context: HandlerContext

    /// - Parameters:
    ///   - database: one that no gateway uses.
    ///   - vault: seals and opens providers' keys; nil: they can be neither added nor tried.
    ///   - gateway: asked whether routes could be served; what it is told to publish concerns nobody.
    public init(
        settings: Settings, database: Database, vault: KeyVault? = nil, gateway: any GatewayControl, version: String
    ) throws(StoreError) {
        let shared = AdminShared(
            settings: settings, gateway: gateway, writer: DirectWriter(database), vault: vault, version: version)
        // Nobody else waits for this thread: an export may search as long as it takes.
        let reader = try database.reader(queryTimeoutMilliseconds: 600_000)
        context = HandlerContext(shared: shared, reader: reader)
    }

    /// Runs the handler of an endpoint on the calling thread.
    ///
    /// - Parameters:
    ///   - target: path and query as in a request line.
    ///   - body: JSON; nil for none.
    ///   - sink: takes a streamed answer piece by piece; false ends it.
    /// - Returns: status and body; the body is empty if it went to the sink.
    public func answer(
        method: String, target: String, body: [UInt8]?, sink: ([UInt8]) -> Bool
    ) -> (status: Int, body: [UInt8]) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = String(parts[0])
        guard let query = PercentCoding.parseQuery(parts.count > 1 ? parts[1] : "") else {
            return Self.whole(AdminFailure(status: 400, code: "invalid_query", "the query has a malformed escape"))
        }
        guard case .endpoint(let endpoint, let pathValues) = AdminAPI.router.match(method: method, path: path) else {
            return Self.whole(AdminFailure(status: 404, code: "not_found", "there is no endpoint \(method) \(path)"))
        }
        var request = AdminRequest(
            method: method, path: path, query: query, mediaType: body == nil ? nil : "application/json",
            body: body ?? [])
        request.pathValues = pathValues
        let response = AdminAPI.answer(endpoint, request, context)
        switch response.body {
        case .bytes(let bytes): return (Int(response.status), bytes)
        case .stream(let produce): return run(produce, status: response.status, sink)
        }
    }

    private func run(
        _ produce: (HandlerContext, any ByteSink) throws(AdminFailure) -> Void, status: UInt16,
        _ sink: ([UInt8]) -> Bool
    ) -> (status: Int, body: [UInt8]) {
        withoutActuallyEscaping(sink) { sink in
            let caller = CallerSink(sink)
            do throws(AdminFailure) {
                try produce(context, caller)
                return (Int(status), [])
            } catch {
                return Self.whole(error)
            }
        }
    }

    private static func whole(_ failure: AdminFailure) -> (status: Int, body: [UInt8]) {
        (Int(failure.status), failure.body.serializedBytes())
    }
}

/// Hands pieces to the caller's closure, on the caller's thread.
private final class CallerSink: ByteSink, @unchecked Sendable {
    private let sink: ([UInt8]) -> Bool

    init(_ sink: @escaping ([UInt8]) -> Bool) { self.sink = sink }

    func write(_ piece: [UInt8]) -> Bool { sink(piece) }
}
