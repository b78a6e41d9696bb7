import HTTP
import Reactor

/// What a route does to a request's header fields, worked out once per snapshot.
struct HeaderRewrite: BitwiseCopyable, @unchecked Sendable {
    /// Known fields that are not forwarded: hop-by-hop, `proxy.strip_headers`, the route's remove_headers and
    /// those that add_headers sets anew.
    var dropped: HeaderMask
    /// The same for other names, lower-cased.
    var droppedOthers: List<Bytes>
    /// add_headers as `Name: value\r\n` lines.
    var added: Bytes
    var addsUserAgent: Bool
    var addsHost: Bool

    @inline(__always)
    func drops(_ field: Field, _ base: UnsafePointer<UInt8>) -> Bool {
        if field.id.rawValue != 0 { return dropped.contains(field.id) }
        if droppedOthers.isEmpty { return false }
        for i in 0..<droppedOthers.count {
            let name = droppedOthers[i]
            if name.count == Int(field.nameLength) && equalsLowercased(base + Int(field.nameOffset), name) {
                return true
            }
        }
        return false
    }

    /// Fields that belong to one connection only (RFC 9110 §7.6.1), and those that FastGate writes itself.
    static let hopByHop: [HeaderID] = [
        .connection, .keepAlive, .proxyConnection, .te, .transferEncoding, .upgrade, .contentLength, .expect,
        .proxyAuthorization, .proxyAuthenticate, .http2Settings,
    ]

    static func compile(
        strip: [String], remove: [String], add: [(name: String, value: String)], in arena: Arena
    ) -> HeaderRewrite {
        var mask = HeaderMask()
        for id in hopByHop { mask.insert(id) }
        var others: [Bytes] = []
        for name in strip + remove + add.map(\.name) {
            let compiled = HeaderName(name, in: arena)
            if compiled.id.rawValue != 0 { mask.insert(compiled.id) } else { others.append(compiled.lowercased) }
        }
        let addedNames = add.map { $0.name.lowercased() }
        return HeaderRewrite(
            dropped: mask, droppedOthers: arena.store(others),
            added: arena.store(add.map { "\($0.name): \($0.value)\r\n" }.joined()),
            addsUserAgent: addedNames.contains("user-agent"), addsHost: addedNames.contains("host"))
    }
}
