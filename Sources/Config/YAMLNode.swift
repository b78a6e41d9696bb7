/// One value of a YAML document with the line it begins on.
struct YAMLNode: Sendable {
    enum Content: Sendable {
        /// `isPlain` tells `null` from `"null"`: only an unquoted scalar can stand for "nothing here".
        case scalar(text: String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([YAMLMember])
    }

    /// Counted from 1.
    let line: Int
    let content: Content

    /// Whether the value is left out: empty, `~` or `null` without quotes.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return text.isEmpty || text == "~" || text == "null" || text == "Null" || text == "NULL"
    }

    /// What the value is, for messages.
    var kindName: String {
        switch content {
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a section"
        }
    }
}

/// One `key: value` of a mapping, in the order of the file.
struct YAMLMember: Sendable {
    let key: String
    /// The key's line, counted from 1.
    let line: Int
    let value: YAMLNode
}

/// Why a text is not a YAML document that the gateway takes.
struct YAMLError: Error, Equatable {
    let line: Int
    let message: String
}
