import Glibc
import HTTP
import JSON
import Reactor
import Store

/// Turns route records into what workers serve. One compiler makes one snapshot's routes; it also tells, for a
/// single record, whether it could be served at all.
struct RouteCompiler {
    let arena: Arena
    let stripHeaders: [String]
    let defaultTimeoutMilliseconds: UInt64
    let targetNumbers: StableNumbers<TargetAddress>
    /// What this version refuses to store, but earlier ones stored, is refused too; else it goes on as it did.
    let isStrict: Bool
    /// Member names that any route asks about, in the order of their indices.
    private(set) var memberNames: [String] = ["stream", "model"]
    private(set) var targets: [CompiledTarget] = []
    /// Of the routes compiled so far, those that look into members of the body.
    private(set) var inner: [InnerMembers] = []
    private var compiledCount: Int32 = 0
    /// Reference-counted objects that compiled routes point at.
    private(set) var retained: [AnyObject] = []
    private var targetIndices: [TargetAddress: Int32] = [:]

    init(
        arena: Arena, stripHeaders: [String], defaultTimeoutMilliseconds: UInt64,
        targetNumbers: StableNumbers<TargetAddress>, isStrict: Bool = false
    ) {
        self.arena = arena
        self.isStrict = isStrict
        self.stripHeaders = stripHeaders
        self.defaultTimeoutMilliseconds = defaultTimeoutMilliseconds
        self.targetNumbers = targetNumbers
    }

    /// `MemberScanner` looks for this many names at the most.
    static let maxMemberNames = 64

    mutating func compile(_ record: RouteRecord, metricID: Int32) throws(RouteFailure) -> CompiledRoute {
        let source = try field("match_path") { () throws(PatternError) in
            if isStrict { try PathPatternSource.checkBytes(record.matchPath) }
            return try PathPatternSource(record.matchPath)
        }
        let targetPath = try field("target_path") { () throws(PatternError) in
            if isStrict { try PathPatternSource.checkBytes(record.targetPath) }
            return try TargetPath.compile(
                record.targetPath, stripPrefix: record.stripPathPrefix, pattern: source, in: arena)
        }
        let isTLS = try scheme(record.targetProtocol)
        let address = try field("target_host") { () throws(PatternError) in
            try TargetAddress(record.targetHost, isTLS: isTLS)
        }
        let body = try compileBodyTest(record.matchBodySchema)
        let seconds = record.timeoutSeconds
        guard seconds.map({ $0 > 0 && $0 <= 86_400 }) ?? true else {
            throw RouteFailure("timeout", "must be 1…86400 seconds")
        }
        guard (0...100).contains(record.retryCount) else { throw RouteFailure("retry_count", "must be 0…100") }
        guard (0...1_000_000).contains(record.weight) else { throw RouteFailure("weight", "must be 0…1000000") }
        let route = CompiledRoute(
            routeID: arena.store(record.routeID), pattern: source.compile(in: arena),
            methods: try compileMethods(record.matchMethod),
            headerConditions: try compileHeaders(record.matchHeaders), memberConditions: arena.store(body.members),
            schema: body.schema, decidingMembers: body.deciding, target: target(address), targetPath: targetPath,
            rewrite: try compileRewrite(record), bodyFields: try compileBodyFields(record.addBodyFields),
            timeoutMilliseconds: seconds.map { UInt64($0) * 1000 } ?? defaultTimeoutMilliseconds,
            retryCount: Int32(record.retryCount), priority: Int64(record.priority), weight: Int32(record.weight),
            groupEnd: 0, metricID: metricID)
        if body.inner != 0 || body.isWide {
            inner.append(InnerMembers(route: compiledCount, isWide: body.isWide, members: body.inner))
        }
        compiledCount += 1
        return route
    }

    private func field<T>(
        _ name: String, _ body: () throws(PatternError) -> T
    ) throws(RouteFailure) -> T {
        do { return try body() } catch { throw RouteFailure(name, error.message) }
    }

    private func scheme(_ text: String) throws(RouteFailure) -> Bool {
        switch text.lowercased() {
        case "http": return false
        case "https": return true
        default: throw RouteFailure("target_protocol", "must be http or https")
        }
    }

    mutating func target(_ address: TargetAddress) -> Int32 {
        if let index = targetIndices[address] { return index }
        let index = Int32(targets.count)
        let name = arena.store(Array(address.host.utf8) + [0])
        targets.append(
            CompiledTarget(
                stableID: targetNumbers.number(for: address), isTLS: address.isTLS, port: address.port,
                host: Bytes(name.pointer!, name.count - 1),
                serverName: UnsafeRawPointer(name.pointer!).assumingMemoryBound(to: CChar.self),
                authority: arena.store(address.authority),
                literal: SocketAddress(literal: address.host, port: address.port)))
        targetIndices[address] = index
        return index
    }

    private func compileMethods(_ text: String) throws(RouteFailure) -> MethodSet {
        var known: UInt16 = 0
        var others: [Bytes] = []
        var isAny = false
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let name = Self.trimmed(part).uppercased()
            guard !name.isEmpty, name.utf8.allSatisfy({ Self.isTokenByte($0) || $0 == UInt8(ascii: "*") }) else {
                throw RouteFailure("match_method", "must be ANY or a comma-separated list of methods")
            }
            if name == "ANY" || name == "*" {
                isAny = true
            } else if case let method = Method(name: name), method != .other {
                known |= 1 << UInt16(method.rawValue)
            } else {
                others.append(arena.store(name))
            }
        }
        return MethodSet(isAny: isAny, known: known, others: arena.store(others))
    }

    private func compileHeaders(_ value: JSONValue?) throws(RouteFailure) -> List<HeaderCondition> {
        guard let value, value != .null else { return arena.store([HeaderCondition]()) }
        guard let object = value.objectValue else { throw RouteFailure("match_headers", "must be an object") }
        var conditions: [HeaderCondition] = []
        for member in object.members {
            let (name, wanted) = (member.name, member.value)
            try Self.checkHeaderName(name, field: "match_headers")
            let compiled = HeaderName(name, in: arena)
            switch wanted {
            case .bool(let isPresent):
                conditions.append(
                    HeaderCondition(name: compiled, test: isPresent ? .present : .absent, value: .empty))
            case .string(let text):
                conditions.append(
                    HeaderCondition(
                        name: compiled, test: text.contains("*") ? .glob : .equals, value: arena.store(text)))
            default:
                throw RouteFailure("match_headers", "\"\(name)\" must be a string, true or false")
            }
        }
        return arena.store(conditions)
    }

    private struct BodyTest {
        var members: [MemberCondition] = []
        var schema: Unmanaged<JSONSchema>?
        /// Members that decide, those into which it looks, and whether it looks at all of them.
        var deciding: UInt64 = 0
        var inner: UInt64 = 0
        var isWide = false
    }

    private mutating func compileBodyTest(_ value: JSONValue?) throws(RouteFailure) -> BodyTest {
        guard let value, value != .null else { return BodyTest() }
        if let object = value.objectValue, !(isStrict ? isJSONSchema(value) : hasWellFormedKeyword(value)) {
            var conditions: [MemberCondition] = []
            for member in object.members {
                let (name, wanted) = (member.name, member.value)
                conditions.append(memberCondition(try memberIndex(name), wanted))
            }
            return BodyTest(
                members: conditions, deciding: conditions.reduce(0) { $0 | 1 << UInt64($1.name) },
                inner: conditions.reduce(0) { $1.container == nil ? $0 : $0 | 1 << UInt64($1.name) })
        }
        do {
            let schema = try JSONSchema.compile(value)
            retained.append(schema)
            // A member that the schema names decides; if the scanner cannot look for so many, all of them.
            let reach = SchemaReach(value)
            var test = BodyTest(schema: Unmanaged.passUnretained(schema), isWide: reach.isWide)
            for name in reach.names {
                guard let index = try? memberIndex(name) else {
                    test.isWide = true
                    continue
                }
                test.deciding |= 1 << UInt64(index)
                if reach.inner.contains(name) { test.inner |= 1 << UInt64(index) }
            }
            return test
        } catch {
            throw RouteFailure("match_body_schema", "\(error)" + Self.hint(value))
        }
    }

    /// To who meant members, one of which is called like a keyword, and none of which reads as one.
    private static func hint(_ value: JSONValue) -> String {
        guard isJSONSchema(value), !hasWellFormedKeyword(value) else { return "" }
        return "; an object with a keyword of JSON Schema is a schema. A member of the body that is called like one is "
            + #"compared with {"properties":{"type":{"const":"x"}}}"#
    }

    private mutating func memberCondition(_ name: Int32, _ wanted: JSONValue) -> MemberCondition {
        if let storage = JSONScalarStorage(wanted) {
            retained.append(storage)
            return MemberCondition(name: name, scalar: storage.view, container: nil)
        }
        let container = MemberValue(wanted)
        retained.append(container)
        return MemberCondition(
            name: name, scalar: JSONScalar(kind: .absent, bytes: arena.store([0]).pointer!, count: 0),
            container: Unmanaged.passUnretained(container))
    }

    private mutating func memberIndex(_ name: String) throws(RouteFailure) -> Int32 {
        // By code points, as the scanner compares names: Swift's == would take e and an accent for é.
        if let index = memberNames.firstIndex(where: { $0.utf8.elementsEqual(name.utf8) }) { return Int32(index) }
        guard memberNames.count < Self.maxMemberNames else {
            throw RouteFailure(
                "match_body_schema", "all routes together may ask about \(Self.maxMemberNames) members at the most")
        }
        memberNames.append(name)
        return Int32(memberNames.count - 1)
    }

    private func compileRewrite(_ record: RouteRecord) throws(RouteFailure) -> HeaderRewrite {
        var added: [(name: String, value: String)] = []
        let addHeaders = record.addHeaders ?? .null
        guard addHeaders == .null || addHeaders.objectValue != nil else {
            throw RouteFailure("add_headers", "must be an object")
        }
        for member in addHeaders.objectValue?.members ?? [] {
            let (name, value) = (member.name, member.value)
            try Self.checkHeader(name, field: "add_headers")
            guard let text = value.stringValue else {
                throw RouteFailure("add_headers", "\"\(name)\" must be a string")
            }
            let expanded = try Self.expandEnvironment(text, field: "add_headers")
            guard expanded.utf8.allSatisfy({ ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }) else {
                throw RouteFailure("add_headers", "\"\(name)\" holds control characters")
            }
            added.append((name, expanded))
        }
        for name in record.removeHeaders { try Self.checkHeaderName(name, field: "remove_headers") }
        return HeaderRewrite.compile(strip: stripHeaders, remove: record.removeHeaders, add: added, in: arena)
    }

    private mutating func compileBodyFields(_ value: JSONValue?) throws(RouteFailure) -> Unmanaged<BodyFields>? {
        guard let value, value != .null else { return nil }
        guard let object = value.objectValue else { throw RouteFailure("add_body_fields", "must be an object") }
        if object.members.isEmpty { return nil }
        let fields = BodyFields(object.members.map { ($0.name, Array($0.value.serialized().utf8)) })
        retained.append(fields)
        return Unmanaged.passUnretained(fields)
    }

    /// Throws unless an operator may set this field.
    static func checkHeader(_ name: String, field: String) throws(RouteFailure) {
        try checkHeaderName(name, field: field)
        guard ![.contentLength, .transferEncoding, .connection].contains(HeaderID.lookup(name)) else {
            throw RouteFailure(field, "\"\(name)\" is written by the gateway itself")
        }
    }

    private static func checkHeaderName(_ name: String, field: String) throws(RouteFailure) {
        guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte) else {
            throw RouteFailure(field, "\"\(name)\" is no header name")
        }
    }

    /// `${NAME}` is replaced by the environment's value, so that secrets can stay out of the database.
    static func expandEnvironment(_ text: String, field: String) throws(RouteFailure) -> String {
        var out = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            let after = rest.index(after: dollar)
            guard after < rest.endIndex, rest[after] == "{" else {
                out += rest[...dollar]
                rest = rest[after...]
                continue
            }
            guard let close = rest[after...].firstIndex(of: "}") else {
                throw RouteFailure(field, "\"${\" without \"}\"")
            }
            let name = String(rest[rest.index(after: after)..<close])
            guard let value = getenv(name) else {
                throw RouteFailure(field, "the environment has no \(name); the gateway has to be started with it")
            }
            out += rest[..<dollar]
            out += String(cString: value)
            rest = rest[rest.index(after: close)...]
        }
        return out + rest
    }

    /// RFC 9110 §5.6.2.
    static func isTokenByte(_ c: UInt8) -> Bool {
        switch c {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            return true
        default: return "!#$%&'*+-.^_`|~".utf8.contains(c)
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return text
    }
}

/// Why a route does not compile.
struct RouteFailure: Error {
    let field: String
    let message: String

    init(_ field: String, _ message: String) {
        self.field = field
        self.message = message
    }
}
