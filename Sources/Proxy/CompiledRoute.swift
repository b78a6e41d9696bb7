import HTTP
import JSON
import Reactor

/// One route as a worker serves it: plain values and pointers into the snapshot's arena.
struct CompiledRoute: BitwiseCopyable, @unchecked Sendable {
    var routeID: Bytes
    var pattern: PathPattern
    var methods: MethodSet
    var headerConditions: List<HeaderCondition>
    var memberConditions: List<MemberCondition>
    /// Set if match_body_schema is a JSON Schema: the whole body is needed to decide.
    var schema: Unmanaged<JSONSchema>?
    /// The members of the body, by index of their names, that decide about this route.
    var decidingMembers: UInt64
    /// Index into the snapshot's targets.
    var target: Int32
    var targetPath: TargetPath
    var rewrite: HeaderRewrite
    /// Set if the route sets members of a JSON body.
    var bodyFields: Unmanaged<BodyFields>?
    /// How long to wait for the upstream's next byte.
    var timeoutMilliseconds: UInt64
    var retryCount: Int32
    var priority: Int64
    var weight: Int32
    /// One past the last route of the same priority.
    var groupEnd: Int32
    /// The route's place in the workers' counters; stable over snapshots.
    var metricID: Int32

    var needsBody: Bool { !memberConditions.isEmpty || schema != nil }
}

/// Members that a route sets in a JSON body, ready to be written.
final class BodyFields: Sendable {
    let members: [(name: String, value: [UInt8])]
    init(_ members: [(name: String, value: [UInt8])]) { self.members = members }
}

/// The methods that a route takes.
struct MethodSet: BitwiseCopyable, Sendable {
    var isAny: Bool
    var known: UInt16
    var others: List<Bytes>

    func contains(_ method: Method, _ name: Bytes) -> Bool {
        if isAny { return true }
        if method != .other { return known & (1 << UInt16(method.rawValue)) != 0 }
        for i in 0..<others.count where others[i].count == name.count {
            if bytesEqual(others[i].pointer, name.pointer, name.count) { return true }
        }
        return false
    }
}

/// One entry of match_headers.
struct HeaderCondition: BitwiseCopyable, @unchecked Sendable {
    enum Test: UInt8 { case present, absent, equals, glob }
    var name: HeaderName
    var test: Test
    /// For `equals` the value, for `glob` the value with its `*`.
    var value: Bytes

    /// True if the request's fields meet the condition; of repeated fields one is enough.
    func holds(_ request: RequestView) -> Bool {
        for i in 0..<request.fieldCount {
            let field = request.fields + i
            guard name.names(field.pointee, request.base) else { continue }
            switch test {
            case .present: return true
            case .absent: return false
            case .equals:
                let length = Int(field.pointee.valueLength)
                if length == value.count
                    && bytesEqual(request.base + Int(field.pointee.valueOffset), value.pointer, length)
                {
                    return true
                }
            case .glob:
                let bytes = Bytes(request.base + Int(field.pointee.valueOffset), Int(field.pointee.valueLength))
                if Glob.matches(bytes, pattern: value) { return true }
            }
        }
        return test == .absent
    }
}

/// A header field's name: a known id, or the lower-cased bytes.
struct HeaderName: BitwiseCopyable, @unchecked Sendable {
    var id: HeaderID
    var lowercased: Bytes

    @inline(__always)
    func names(_ field: Field, _ base: UnsafePointer<UInt8>) -> Bool {
        if id.rawValue != 0 || field.id.rawValue != 0 { return id.rawValue == field.id.rawValue }
        return Int(field.nameLength) == lowercased.count
            && equalsLowercased(base + Int(field.nameOffset), lowercased)
    }

    init(_ name: String, in arena: Arena) {
        lowercased = arena.store(name.lowercased())
        id = HeaderID.lookup(name)
    }
}

/// True if `p` holds `name` in any case; `name` is lower-cased already and both are of the same length.
@inline(__always)
func equalsLowercased(_ p: UnsafePointer<UInt8>, _ name: Bytes) -> Bool {
    guard let q = name.pointer else { return name.count == 0 }
    for i in 0..<name.count {
        var c = p[i]
        if c >= UInt8(ascii: "A") && c <= UInt8(ascii: "Z") { c |= 0x20 }
        if c != q[i] { return false }
    }
    return true
}

/// `*` as any run of bytes, all else literal.
enum Glob {
    /// Linear in both lengths for one `*`, and at worst their product: it goes back to the last `*` only.
    static func matches(_ text: Bytes, pattern: Bytes) -> Bool {
        guard let q = pattern.pointer else { return text.count == 0 }
        var i = 0
        var j = 0
        var star = -1
        var mark = 0
        while i < text.count {
            if j < pattern.count && q[j] == UInt8(ascii: "*") {
                star = j
                mark = i
                j += 1
            } else if j < pattern.count && q[j] == text.pointer![i] {
                i += 1
                j += 1
            } else if star >= 0 {
                j = star + 1
                mark += 1
                i = mark
            } else {
                return false
            }
        }
        while j < pattern.count && q[j] == UInt8(ascii: "*") { j += 1 }
        return j == pattern.count
    }
}

/// One member of a match_body_schema that is compared member by member.
struct MemberCondition: BitwiseCopyable, @unchecked Sendable {
    /// Index into the snapshot's member names.
    var name: Int32
    /// The value it must have, if that is a scalar.
    var scalar: JSONScalar
    /// The value it must have, if that is an object or an array.
    var container: Unmanaged<MemberValue>?
}

/// An object or array that a member must equal.
final class MemberValue: Sendable {
    let value: JSONValue
    init(_ value: JSONValue) { self.value = value }
}

/// What of a request the router looks at: pointers into the buffers that hold it.
struct RequestView: BitwiseCopyable {
    /// Start of the message; the fields' offsets count from here.
    var base: UnsafePointer<UInt8>
    var fields: UnsafePointer<Field>
    var fieldCount: Int
    var method: Method
    var methodName: Bytes
    var path: Bytes
    /// Without "?"; empty if there is none.
    var query: Bytes
    /// What is here of the body, decoded.
    var body: Bytes
    var bodyIsComplete: Bool
    /// One per member name of the snapshot; nil while the body has not been scanned.
    var captures: UnsafeMutablePointer<MemberCapture>?
    /// True once scanning has shown that the body is no JSON object.
    var bodyIsNoObject: Bool
    /// Nobody has looked into the body, since no route asks about it.
    var isUnread = false
    /// What was found for the path already.
    var search: UnsafePointer<RouteSearch>?
}
