import CYAML

/// Builds a small tree from libyaml's events.
///
/// Only the part of YAML that a configuration needs is taken: one document of mappings, sequences and scalars.
/// Anchors, aliases and tags are refused, so that a short file cannot unfold into a large one.
struct YAMLReader: ~Copyable {
    /// The longest text that is read.
    static let maxBytes = 1 << 20
    /// How deep mappings and sequences may nest; the settings need 3.
    static let maxDepth = 16
    /// How many members a mapping or a sequence may have.
    static let maxMembers = 1000

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: UnsafeBufferPointer<UInt8>

    /// - Parameter text: stays where it is as long as the reader is there.
    private init(_ text: UnsafeBufferPointer<UInt8>) throws(YAMLError) {
        self.text = text
        parser = .allocate(capacity: 1)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            throw YAMLError(line: 0, message: "out of memory")
        }
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The document in `text`; nil when it holds none (empty, or comments only).
    static func read(_ text: [UInt8]) throws(YAMLError) -> YAMLNode? {
        guard text.count <= maxBytes else {
            throw YAMLError(line: 0, message: "the file is larger than \(maxBytes >> 10)KB")
        }
        // libyaml keeps the pointer until the parser is deleted, so the bytes are copied to where they stay.
        let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(text.count, 1))
        defer { bytes.deallocate() }
        _ = bytes.update(fromContentsOf: text)
        let reader = try YAMLReader(UnsafeBufferPointer(rebasing: bytes[..<text.count]))
        yaml_parser_set_input_string(reader.parser, bytes.baseAddress, text.count)
        return try reader.document()
    }

    private func document() throws(YAMLError) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            var event = try next()
            defer { yaml_event_delete(&event) }
            switch event.type {
            case YAML_STREAM_START_EVENT:
                // libyaml would take UTF-16 too, guessed from a byte order mark.
                guard event.data.stream_start.encoding != YAML_UTF16LE_ENCODING,
                    event.data.stream_start.encoding != YAML_UTF16BE_ENCODING
                else { throw YAMLError(line: 1, message: "the file must be UTF-8, not UTF-16") }
            case YAML_DOCUMENT_START_EVENT:
                guard root == nil else {
                    throw YAMLError(line: line(event), message: "only one document is allowed in the file")
                }
                var first = try next()
                defer { yaml_event_delete(&first) }
                root = try node(first, depth: 0)
            case YAML_STREAM_END_EVENT:
                return root
            default:
                break
            }
        }
    }

    /// The node that `event` begins; takes the events up to its end from the parser.
    private func node(_ event: yaml_event_t, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth <= Self.maxDepth else {
            throw YAMLError(line: line(event), message: "nested deeper than \(Self.maxDepth) levels")
        }
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(anchor: scalar.anchor, tag: scalar.tag, line(event))
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let text = String(decoding: bytes, as: UTF8.self)
            return YAMLNode(
                line: line(event), content: .scalar(text: text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE))
        case YAML_SEQUENCE_START_EVENT:
            try refuse(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag, line(event))
            var elements: [YAMLNode] = []
            while let element = try element(until: YAML_SEQUENCE_END_EVENT, depth: depth) {
                try refuse(count: elements.count, element.line)
                elements.append(element)
            }
            return YAMLNode(line: line(event), content: .sequence(elements))
        case YAML_MAPPING_START_EVENT:
            try refuse(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag, line(event))
            return YAMLNode(line: line(event), content: .mapping(try members(depth: depth)))
        case YAML_ALIAS_EVENT:
            throw YAMLError(line: line(event), message: "aliases (*name) are not supported")
        default:
            throw YAMLError(line: line(event), message: "a value is expected here")
        }
    }

    private func members(depth: Int) throws(YAMLError) -> [YAMLMember] {
        var members: [YAMLMember] = []
        while let keyNode = try element(until: YAML_MAPPING_END_EVENT, depth: depth) {
            guard case .scalar(let key, _) = keyNode.content else {
                throw YAMLError(line: keyNode.line, message: "a key must be a name, not \(keyNode.kindName)")
            }
            try refuse(count: members.count, keyNode.line)
            if let first = members.first(where: { $0.key == key }) {
                throw YAMLError(
                    line: keyNode.line, message: "the key \"\(key)\" is there twice, first in line \(first.line)")
            }
            // A mapping's value always follows its key: the end event cannot come here.
            guard let value = try element(until: YAML_MAPPING_END_EVENT, depth: depth) else {
                throw YAMLError(line: keyNode.line, message: "the key \"\(key)\" has no value")
            }
            members.append(YAMLMember(key: key, line: keyNode.line, value: value))
        }
        return members
    }

    /// The next node of a collection; nil at the collection's end.
    private func element(until end: yaml_event_type_t, depth: Int) throws(YAMLError) -> YAMLNode? {
        var event = try next()
        defer { yaml_event_delete(&event) }
        return event.type == end ? nil : try node(event, depth: depth + 1)
    }

    private func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, _ line: Int
    ) throws(YAMLError) {
        if anchor != nil { throw YAMLError(line: line, message: "anchors (&name) are not supported") }
        if tag != nil { throw YAMLError(line: line, message: "tags (!name) are not supported") }
    }

    private func refuse(count: Int, _ line: Int) throws(YAMLError) {
        if count >= Self.maxMembers {
            throw YAMLError(line: line, message: "more than \(Self.maxMembers) entries in one list or section")
        }
    }

    private func next() throws(YAMLError) -> yaml_event_t {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else {
            let problem = parser.pointee.problem.map { String(cString: $0) } ?? "out of memory"
            // Errors of the byte decoder carry no mark, but an offset.
            guard parser.pointee.error != YAML_READER_ERROR else {
                throw YAMLError(
                    line: 0, message: "not valid UTF-8 at byte \(parser.pointee.problem_offset): \(problem)")
            }
            throw YAMLError(
                line: Int(parser.pointee.problem_mark.line) + 1,
                message: "not valid YAML: \(problem)\(hint(at: parser.pointee.problem_mark.index))")
        }
        return event
    }

    /// What is meant where libyaml's words do not say it.
    private func hint(at index: Int) -> String {
        func byte(_ index: Int) -> UInt8 { text.indices.contains(index) ? text[index] : 0 }
        if byte(index) == UInt8(ascii: "\t") { return " (a tab; indent with spaces)" }
        if byte(index) == UInt8(ascii: "*") || byte(index - 1) == UInt8(ascii: "*") {
            return " (a value that begins with * must be quoted: \"*\")"
        }
        if byte(index) == UInt8(ascii: "%") || byte(index) == UInt8(ascii: "@") || byte(index) == UInt8(ascii: "`") {
            return " (a value that begins so must be quoted)"
        }
        return ""
    }

    private func line(_ event: yaml_event_t) -> Int { Int(event.start_mark.line) + 1 }
}
