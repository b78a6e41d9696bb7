import JSON

/// One endpoint of the admin port. The table of these drives the router, the check of query parameters and body
/// members, and /openapi.json alike, so that the three cannot disagree.
struct Endpoint: Sendable {
    /// The handler and the threads that run it.
    enum Handler: Sendable {
        /// On the reactor thread itself: nothing that can block.
        case reactor(@Sendable (AdminShared, AdminRequest) -> AdminResponse)
        /// On the executors for what takes milliseconds.
        case quick(@Sendable (HandlerContext, AdminRequest) throws(AdminFailure) -> AdminResponse)
        /// On the executors for what may take seconds (exports, probes), so that it never delays the others.
        case slow(@Sendable (HandlerContext, AdminRequest) throws(AdminFailure) -> AdminResponse)
    }

    enum Access: Sendable {
        case open
        /// The admin token, or a session that began with it.
        case token
    }

    /// A query parameter.
    struct Parameter: Sendable {
        var name: String
        /// JSON Schema as JSON text.
        var schema: String
        var description: String

        init(_ name: String, _ schema: String, _ description: String) {
            self.name = name
            self.schema = schema
            self.description = description
        }
    }

    /// A response beside the errors that every endpoint shares.
    struct Answer: Sendable {
        var status: UInt16
        var description: String
        /// Media types with the schema of each, as JSON text; empty for no body.
        var content: [(type: String, schema: String)] = []

        static func json(_ description: String, status: UInt16 = 200, schema: String) -> Answer {
            Answer(status: status, description: description, content: [("application/json", schema)])
        }
    }

    /// JSON Schema text that points to a schema among the components.
    static func reference(_ name: String) -> String { "{\"$ref\":\"#/components/schemas/\(name)\"}" }

    /// What a request's body must be.
    struct Body: Sendable {
        /// Name of the schema among the components.
        var schemaName: String
        var required = true
        /// The longest body taken, decoded.
        var maxBytes = 1 << 20
    }

    var method: String
    /// The path with `{name}` for a segment of its own.
    var path: String
    var operationID: String
    var tag: String
    var summary: String
    var access = Access.token
    var parameters: [Parameter] = []
    var body: Body?
    var answers: [Answer]
    /// Statuses of `{"error":…}` that the handler can answer, beside those of authentication and the server.
    var failures: [UInt16] = []
    /// Whether If-Match makes the request depend on what it changes.
    var takesIfMatch = false
    var handler: Handler
}

/// Finds the endpoint for a method and path.
struct Router: Sendable {
    enum Match: Sendable {
        case endpoint(Endpoint, pathValues: [String])
        /// The path is known, the method is not: the methods it has, HEAD included.
        case wrongMethod(allowed: [String])
        case unknownPath
    }

    private struct Entry: Sendable {
        var endpoint: Endpoint
        var segments: [Substring]
        var literalCount: Int
    }

    private let entries: [Entry]

    init(_ endpoints: [Endpoint]) {
        entries = endpoints.map { endpoint in
            let segments = Self.segments(endpoint.path)
            let literals = segments.reduce(0) { $1.hasPrefix("{") ? $0 : $0 + 1 }
            return Entry(endpoint: endpoint, segments: segments, literalCount: literals)
        }
    }

    /// - Parameter path: As sent; each segment is percent-decoded by itself, so that `%2F` stays inside its segment.
    func match(method: String, path: String) -> Match {
        let asked = Self.segments(path)
        var matching: [Entry] = []
        var mostLiterals = 0
        for entry in entries where Self.fits(asked, entry.segments) {
            // A literal segment wins over a placeholder: /admin/logs/export is no log's id.
            if entry.literalCount > mostLiterals {
                mostLiterals = entry.literalCount
                matching = []
            }
            if entry.literalCount == mostLiterals { matching.append(entry) }
        }
        guard !matching.isEmpty else { return .unknownPath }
        let wanted = method == "HEAD" ? "GET" : method
        guard let entry = matching.first(where: { $0.endpoint.method == wanted }) else {
            var allowed = matching.map(\.endpoint.method)
            if allowed.contains("GET") { allowed.append("HEAD") }
            return .wrongMethod(allowed: allowed.sorted())
        }
        var values: [String] = []
        for (given, pattern) in zip(asked, entry.segments) where pattern.hasPrefix("{") {
            guard let value = PercentCoding.decode(given, plusIsSpace: false) else { return .unknownPath }
            values.append(value)
        }
        return .endpoint(entry.endpoint, pathValues: values)
    }

    /// The path cut at slashes; one slash at the end is let go.
    private static func segments(_ path: String) -> [Substring] {
        var segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        if segments.count > 1, segments.last == "" { segments.removeLast() }
        return Array(segments)
    }

    private static func fits(_ asked: [Substring], _ pattern: [Substring]) -> Bool {
        asked.count == pattern.count
            && zip(asked, pattern).allSatisfy { given, expected in
                expected.hasPrefix("{") ? !given.isEmpty : given == expected
            }
    }
}
