import Glibc
import Reactor

/// Where the admin API of `--url` is.
enum HostLookup {
    struct Place {
        var address: SocketAddress
        /// As the URL has it, for the name in a certificate.
        var host: String
        var isTLS: Bool
    }

    /// The place that `http://host:port` or `https://host:port` names; a port that is left out is the default of
    /// admin.port.
    static func place(url: String) throws(CommandFailure) -> Place {
        func bad(_ why: String) -> CommandFailure {
            CommandFailure(
                message: "the URL \"\(url)\" \(why)", exitCode: ExitCode.usage,
                hint: "It must look like http://127.0.0.1:8515.")
        }
        var rest = Substring(url)
        var isTLS = false
        if let scheme = rest.range(of: "://") {
            let name = rest[..<scheme.lowerBound].lowercased()
            guard name == "http" || name == "https" else { throw bad("is neither http nor https") }
            isTLS = name == "https"
            rest = rest[scheme.upperBound...]
        }
        while rest.last == "/" { rest.removeLast() }
        guard !rest.isEmpty, !rest.contains(where: { "/?#@ ".contains($0) }) else {
            throw bad("names no host and port")
        }
        var host = rest
        var port: UInt16 = 8515
        // The last colon, unless it is one of a bare IPv6 address.
        if let colon = rest.lastIndex(of: ":"), !rest[..<colon].contains(":") || rest[..<colon].hasSuffix("]") {
            guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else { throw bad("has no port") }
            port = number
            host = rest[..<colon]
        }
        let name = unbracketed(host)
        guard let address = AdminClient.reachable(host: name, port: port) ?? lookUp(name, port) else {
            throw bad("names a host that is not known")
        }
        return Place(address: address, host: name, isTLS: isTLS)
    }

    private static func unbracketed(_ host: Substring) -> String {
        host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : String(host)
    }

    /// The first address of a name, as the system's resolver has it.
    private static func lookUp(_ name: String, _ port: UInt16) -> SocketAddress? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return nil }
        defer { freeaddrinfo(list) }
        var entry = list
        while let info = entry {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let isText =
                getnameinfo(
                    info.pointee.ai_addr, info.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0,
                    NI_NUMERICHOST) == 0
            let host = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            if isText, let address = SocketAddress(literal: host, port: port) { return address }
            entry = info.pointee.ai_next
        }
        return nil
    }
}

extension Substring {
    /// Where a text begins and ends.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
