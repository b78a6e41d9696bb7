/// Turns a schema document into nodes.
///
/// First every place where a subschema may stand is visited and numbered, `$id` and anchors are noted and keywords read
/// with their operands; references wait. Then references are resolved, which may number further places (a JSON pointer
/// may lead to a schema inside an unknown keyword) or load a meta-schema.
struct SchemaCompiler {
    private(set) var nodes: [SchemaNode] = []
    private(set) var resources: [SchemaResource] = []
    private(set) var usesUnevaluated = false

    private var documents: [JSONValue] = []
    /// Node and document of each resource, by URI.
    private var resourceByURI: [String: Int] = [:]
    /// Document and pointer of the root of each resource.
    private var resourcePlaces: [(document: Int, pointer: String)] = []
    private var nodeByPlace: [[JSONName: Int]] = []
    private var pending: [Reference] = []

    /// A reference that waits; its keyword stands in `node` at `keyword`.
    private struct Reference {
        let node: Int
        let keyword: Int
        let text: String
        let isDynamic: Bool
        let pointer: String
    }

    static let maxNodes = 20_000
    static let maxDepth = 100

    /// What a reference may lead to besides the document itself, by URI.
    private let library: [String: JSONValue]

    init(library: [String: JSONValue]) {
        self.library = library
    }

    /// Compiles a document and all that it refers to; returns its root node.
    mutating func compile(_ schema: JSONValue) throws(JSONSchemaError) -> Int {
        let root = try addDocument(schema, uri: SchemaURI("fastgate-schema:/"))
        var next = 0
        while next < pending.count {
            try resolve(pending[next])
            next += 1
        }
        try refuseLoops()
        return root
    }

    private mutating func addDocument(_ schema: JSONValue, uri: SchemaURI) throws(JSONSchemaError) -> Int {
        documents.append(schema)
        nodeByPlace.append([:])
        let place = Place(document: documents.count - 1, pointer: "", resource: -1, base: uri, depth: 0)
        return try visit(schema, place)
    }

    /// Where the compiler is.
    struct Place {
        let document: Int
        var pointer: String
        var resource: Int
        var base: SchemaURI
        var depth: Int

        func down(_ tokens: String...) -> Place {
            var copy = self
            for token in tokens { copy.pointer += "/" + JSONPointer.escaped(token) }
            copy.depth += 1
            return copy
        }

        func error(_ message: String) -> JSONSchemaError { JSONSchemaError(pointer: pointer, message: message) }
    }

    /// Numbers the subschema `value` and all below it.
    private mutating func visit(_ value: JSONValue, _ here: Place) throws(JSONSchemaError) -> Int {
        if let known = nodeByPlace[here.document][JSONName(text: here.pointer)] { return known }
        guard nodes.count < Self.maxNodes else { throw here.error("the schema has more than \(Self.maxNodes) parts") }
        guard here.depth <= Self.maxDepth else { throw here.error("the schema nests deeper than \(Self.maxDepth)") }
        let node = nodes.count
        var place = here
        switch value {
        case .bool(let isTrue):
            if place.resource < 0 { try addResource(place.base, node, &place) }
            nodes.append(SchemaNode(resource: place.resource, isFalse: !isTrue))
            nodeByPlace[place.document][JSONName(text: place.pointer)] = node
            return node
        case .object(let object):
            try readIdentity(object, node, &place)
            nodes.append(SchemaNode(resource: place.resource))
            nodeByPlace[place.document][JSONName(text: place.pointer)] = node
            try readAnchors(object, node, place)
            try readKeywords(object, node, place)
            return node
        default:
            throw here.error("a schema must be an object or a boolean")
        }
    }

    /// `$schema` and `$id`.
    private mutating func readIdentity(
        _ object: JSONObject, _ node: Int, _ place: inout Place
    ) throws(JSONSchemaError) {
        if let dialect = object["$schema"] {
            let here = place.down("$schema")
            guard let text = dialect.stringValue else { throw here.error("must be a string") }
            guard text == SchemaMetaschemas.dialect || text == SchemaMetaschemas.dialect + "#" else {
                throw here.error("only JSON Schema draft 2020-12 is supported (\(SchemaMetaschemas.dialect))")
            }
        }
        if let id = object["$id"] {
            let here = place.down("$id")
            guard let text = id.stringValue else { throw here.error("must be a string") }
            var uri = place.base.resolving(SchemaURI(text))
            guard uri.fragment ?? "" == "" else { throw here.error("must not have a fragment") }
            uri.fragment = nil
            try addResource(uri, node, &place)
        } else if place.resource < 0 {
            try addResource(place.base, node, &place)
        }
    }

    private mutating func addResource(
        _ uri: SchemaURI, _ root: Int, _ place: inout Place
    ) throws(JSONSchemaError) {
        guard resourceByURI[uri.resource] == nil else { throw place.error("two schemas have the $id \(uri.resource)") }
        place.resource = resources.count
        place.base = uri
        resourceByURI[uri.resource] = resources.count
        resources.append(SchemaResource(uri: uri, root: root))
        resourcePlaces.append((place.document, place.pointer))
    }

    private mutating func readAnchors(_ object: JSONObject, _ node: Int, _ place: Place) throws(JSONSchemaError) {
        for keyword in ["$anchor", "$dynamicAnchor"] {
            guard let value = object[keyword] else { continue }
            let here = place.down(keyword)
            guard let name = value.stringValue, Self.isAnchor(name) else { throw here.error("must be a plain name") }
            guard resources[place.resource].anchors[name] == nil || resources[place.resource].anchors[name] == node
            else { throw here.error("the anchor \(name) is defined twice") }
            resources[place.resource].anchors[name] = node
            if keyword == "$dynamicAnchor" { resources[place.resource].dynamicAnchors[name] = node }
        }
    }

    private static func isAnchor(_ name: String) -> Bool {
        guard let first = name.utf8.first else { return false }
        func isLetter(_ c: UInt8) -> Bool { (c | 0x20) &- UInt8(ascii: "a") < 26 || c == UInt8(ascii: "_") }
        return isLetter(first)
            && name.utf8.allSatisfy { c in
                isLetter(c) || c &- UInt8(ascii: "0") < 10 || c == UInt8(ascii: "-") || c == UInt8(ascii: ".")
            }
    }

    /// Appends a keyword to a node, to be looked at after all that it has.
    mutating func append(_ keyword: SchemaKeyword, to node: Int) {
        nodes[node].keywords.append(keyword)
    }

    mutating func appendReference(_ text: String, isDynamic: Bool, to node: Int, _ here: Place) {
        pending.append(
            Reference(
                node: node, keyword: nodes[node].keywords.count, text: text, isDynamic: isDynamic, pointer: here.pointer
            ))
        // A target is put in later.
        nodes[node].keywords.append(.ref(node))
    }

    mutating func noteUnevaluated() { usesUnevaluated = true }

    /// The subschema at `here`.
    mutating func subschema(_ value: JSONValue, _ here: Place) throws(JSONSchemaError) -> Int { try visit(value, here) }

    // MARK: References

    private mutating func resolve(_ reference: Reference) throws(JSONSchemaError) {
        func failure(_ message: String) -> JSONSchemaError {
            JSONSchemaError(pointer: reference.pointer, message: message)
        }
        let base = resources[nodes[reference.node].resource].uri
        let uri = base.resolving(SchemaURI(reference.text))
        var found = resourceByURI[uri.resource]
        if found == nil, let document = library[uri.resource] {
            let root = try addDocument(document, uri: uri)
            // Its $id may say otherwise than where it was found.
            found = nodes[root].resource
            resourceByURI[uri.resource] = found
        }
        guard let resource = found else {
            throw failure("\(reference.text) is not in this document; other documents are never fetched")
        }
        guard let fragment = SchemaURI.decoded(uri.fragment ?? "") else {
            throw failure("\(reference.text) has a broken percent escape")
        }
        var anchor: String?
        let target: Int
        if fragment.isEmpty {
            target = resources[resource].root
        } else if fragment.utf8.first == UInt8(ascii: "/") {
            guard let node = try follow(fragment, from: resource) else {
                throw failure("\(reference.text) leads nowhere")
            }
            target = node
        } else {
            guard let node = resources[resource].anchors[fragment] else {
                throw failure("there is no anchor for \(reference.text)")
            }
            target = node
            if resources[resource].dynamicAnchors[fragment] == node { anchor = fragment }
        }
        nodes[reference.node].keywords[reference.keyword] =
            reference.isDynamic ? .dynamicRef(target, anchor: anchor) : .ref(target)
    }

    /// The node a JSON pointer leads to from the root of a resource.
    private mutating func follow(_ pointer: String, from resource: Int) throws(JSONSchemaError) -> Int? {
        guard let tokens = JSONPointer.tokens(pointer) else { return nil }
        let start = resourcePlaces[resource]
        guard var value = JSONPointer.value(at: start.pointer, in: documents[start.document]) else { return nil }
        var place = Place(
            document: start.document, pointer: start.pointer, resource: resource, base: resources[resource].uri,
            depth: 0)
        for token in tokens {
            guard let next = JSONPointer.step(value, token) else { return nil }
            value = next
            place.pointer += "/" + JSONPointer.escaped(token)
            // Below a schema with an $id of its own, its URI is the base.
            if let node = nodeByPlace[place.document][JSONName(text: place.pointer)] {
                place.resource = nodes[node].resource
                place.base = resources[place.resource].uri
            }
        }
        return try visit(value, place)
    }

    /// Refuses references that come back to themselves without looking any deeper into the value: they could never be
    /// decided. ($dynamicRef is left to the validator's depth limit.)
    private func refuseLoops() throws(JSONSchemaError) {
        enum Mark { case new, open, done }
        var marks = [Mark](repeating: .new, count: nodes.count)
        for start in nodes.indices where marks[start] == .new {
            var stack: [(node: Int, next: [Int])] = [(start, nodes[start].keywords.flatMap(\.inPlace))]
            marks[start] = .open
            while let top = stack.indices.last {
                guard let next = stack[top].next.popLast() else {
                    marks[stack[top].node] = .done
                    stack.removeLast()
                    continue
                }
                if marks[next] == .open {
                    let pointer = pending.first { $0.node == stack[top].node }?.pointer ?? ""
                    throw JSONSchemaError(pointer: pointer, message: "the reference comes back to itself")
                }
                if marks[next] == .new {
                    marks[next] = .open
                    stack.append((next, nodes[next].keywords.flatMap(\.inPlace)))
                }
            }
        }
    }
}
