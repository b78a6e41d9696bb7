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
    /// Upstreams get the host that the client asked for (`strip_headers` leaves it out), not the route's own.
    var passesHost: Bool
    /// A field in which clients may send their key to us is forwarded (`strip_headers` leaves it out): the one that did
    /// carry the key must be found and dropped.
    var passesKeyFields: Bool

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

    /// Whether a name that is spelled with "_" for "-" would be dropped, or means something to us, spelled properly. CGI
    /// and what came after it make no difference between the two: `X_Forwarded_For` would pass for what was taken out.
    @inline(never)
    func dropsOdd(_ field: Field, _ base: UnsafePointer<UInt8>) -> Bool {
        let count = Int(field.nameLength)
        guard field.id == .other, count <= Self.maxOddName else { return false }
        let name = base + Int(field.nameOffset)
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.maxOddName) { proper in
            var changed = false
            for i in 0..<count {
                proper[i] = name[i] == UInt8(ascii: "_") ? UInt8(ascii: "-") : name[i]
                changed = changed || proper[i] != name[i]
            }
            guard changed, let p = UnsafePointer(proper.baseAddress) else { return false }
            if HeaderID.lookup(name: p, count: count) != .other { return true }
            for i in 0..<droppedOthers.count where droppedOthers[i].count == count {
                if equalsLowercased(p, droppedOthers[i]) { return true }
            }
            return false
        }
    }

    /// Longer names are nothing that we know; `strip_headers` may not hold longer ones with "_" in mind.
    static let maxOddName = 256

    /// Fields that belong to one connection only (RFC 9110 §7.6.1), those that FastGate writes itself, and those in which
    /// a client may have sent its key (with authorization and x-api-key, which `strip_headers` names).
    static let hopByHop: [HeaderID] = [
        .connection, .keepAlive, .proxyConnection, .te, .transferEncoding, .upgrade, .contentLength, .expect,
        .proxyAuthorization, .proxyAuthenticate, .http2Settings, .apiKey, .xGoogAPIKey,
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
        let passesHost = !mask.contains(.host)
        // A request has one Host, and we write it.
        mask.insert(.host)
        return HeaderRewrite(
            dropped: mask, droppedOthers: arena.store(others),
            added: arena.store(add.map { "\($0.name): \($0.value)\r\n" }.joined()),
            addsUserAgent: addedNames.contains("user-agent"), addsHost: addedNames.contains("host"),
            passesHost: passesHost, passesKeyFields: !mask.contains(.authorization) || !mask.contains(.xAPIKey))
    }
}
