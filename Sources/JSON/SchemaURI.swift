/// A URI reference in its parts (RFC 3986), enough to resolve `$id` and `$ref`.
struct SchemaURI {
    var scheme: String?
    var authority: String?
    var path: String
    var query: String?
    var fragment: String?

    // All of this works on bytes: to Swift, a delimiter followed by a combining mark is another character.
    init(_ text: String) {
        var rest = Substring(text)
        if let at = rest.utf8.firstIndex(of: UInt8(ascii: "#")) {
            fragment = String(rest[rest.utf8.index(after: at)...])
            rest = rest[..<at]
        }
        if let at = rest.utf8.firstIndex(of: UInt8(ascii: "?")) {
            query = String(rest[rest.utf8.index(after: at)...])
            rest = rest[..<at]
        }
        if let at = rest.utf8.firstIndex(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") }),
            rest.utf8[at] == UInt8(ascii: ":"), Self.isScheme(rest[..<at])
        {
            scheme = rest[..<at].lowercased()
            rest = rest[rest.utf8.index(after: at)...]
        }
        if rest.utf8.starts(with: "//".utf8) {
            rest = rest[rest.utf8.index(rest.startIndex, offsetBy: 2)...]
            let end = rest.utf8.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            authority = rest[..<end].lowercased()
            rest = rest[end...]
        }
        path = String(rest)
    }

    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (first | 0x20) &- UInt8(ascii: "a") < 26 else { return false }
        return text.utf8.allSatisfy { c in
            (c | 0x20) &- UInt8(ascii: "a") < 26 || c &- UInt8(ascii: "0") < 10 || c == UInt8(ascii: "+")
                || c == UInt8(ascii: "-") || c == UInt8(ascii: ".")
        }
    }

    /// The whole URI but its fragment: what names a schema resource.
    var resource: String {
        var text = ""
        if let scheme { text += scheme + ":" }
        if let authority { text += "//" + authority }
        text += path
        if let query { text += "?" + query }
        return text
    }

    /// `reference` resolved against this base (RFC 3986 §5.2.2).
    func resolving(_ reference: SchemaURI) -> SchemaURI {
        var target = reference
        if reference.scheme != nil {
            target.path = Self.removingDotSegments(reference.path)
            return target
        }
        target.scheme = scheme
        if reference.authority != nil {
            target.path = Self.removingDotSegments(reference.path)
            return target
        }
        target.authority = authority
        if reference.path.isEmpty {
            target.path = path
            if reference.query == nil { target.query = query }
        } else if reference.path.utf8.first == UInt8(ascii: "/") {
            target.path = Self.removingDotSegments(reference.path)
        } else {
            target.path = Self.removingDotSegments(merged(reference.path))
        }
        return target
    }

    private func merged(_ relative: String) -> String {
        if authority != nil && path.isEmpty { return "/" + relative }
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return relative }
        return path[...slash] + relative
    }

    private static func removingDotSegments(_ path: String) -> String {
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Substring.init)
        var kept: [Substring] = []
        for (at, part) in parts.enumerated() {
            let isLast = at == parts.count - 1
            if part == "." {
                if isLast { kept.append("") }
            } else if part == ".." {
                if kept.count > 1 { kept.removeLast() }
                if isLast { kept.append("") }
            } else {
                kept.append(part)
            }
        }
        return kept.joined(separator: "/")
    }

    /// Percent-decoded text, or nil if an escape is broken.
    static func decoded(_ text: String) -> String? {
        var out: [UInt8] = []
        var bytes = Array(text.utf8)[...]
        while let c = bytes.popFirst() {
            guard c == UInt8(ascii: "%") else {
                out.append(c)
                continue
            }
            guard let high = bytes.popFirst(), let low = bytes.popFirst() else { return nil }
            let value = JSONEscape.hexDigit(high) << 4 | JSONEscape.hexDigit(low)
            guard value >= 0 else { return nil }
            out.append(UInt8(value))
        }
        return String(validating: out, as: UTF8.self)
    }
}

/// A JSON Pointer (RFC 6901) as text, put together and taken apart.
enum JSONPointer {
    static func escaped(_ token: String) -> String {
        var out = ""
        for c in token.unicodeScalars {
            switch c {
            case "~": out += "~0"
            case "/": out += "~1"
            default: out.unicodeScalars.append(c)
            }
        }
        return out
    }

    /// The tokens of a pointer; nil if it is none.
    static func tokens(_ pointer: String) -> [String]? {
        if pointer.isEmpty { return [] }
        guard pointer.utf8.first == UInt8(ascii: "/") else { return nil }
        var tokens: [String] = []
        for part in pointer.unicodeScalars.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            var token = ""
            var scalars = part.makeIterator()
            while let c = scalars.next() {
                guard c == "~" else {
                    token.unicodeScalars.append(c)
                    continue
                }
                switch scalars.next() {
                case "0": token.unicodeScalars.append("~")
                case "1": token.unicodeScalars.append("/")
                default: return nil
                }
            }
            tokens.append(token)
        }
        return tokens
    }

    static func value(at pointer: String, in document: JSONValue) -> JSONValue? {
        guard let tokens = tokens(pointer) else { return nil }
        var value = document
        for token in tokens {
            guard let next = step(value, token) else { return nil }
            value = next
        }
        return value
    }

    /// The value one token further down.
    static func step(_ value: JSONValue, _ token: String) -> JSONValue? {
        switch value {
        case .object(let object): return object[token]
        case .array(let elements):
            guard let at = Int(token), String(at) == token, elements.indices.contains(at) else { return nil }
            return elements[at]
        default: return nil
        }
    }
}
