/// One run of a schema over one value.
struct SchemaValidation {
    private let schema: JSONSchema
    /// The resources entered so far, the outermost first: what `$dynamicRef` looks through.
    private var scope: [Int] = []
    private var depth = 0
    private var steps = 0
    /// Set once a limit is hit: then the value fails, whatever `not` makes of it.
    private(set) var isExhausted = false
    private var patterns: PatternRunner?

    /// Whether the first failure is to be remembered, and where in the value the run is.
    private let explains: Bool
    private var path: [String] = []
    private(set) var failure: String?

    /// Schemas applied inside one another.
    static let maxDepth = 512
    /// Schemas applied and elements looked at, all in all.
    static let maxSteps = 500_000

    /// What of a value has been evaluated (the annotations that `unevaluated…` asks for).
    struct Evaluated {
        var allMembers = false
        var members: [Bool] = []
        var allElements = false
        var elements: [Bool] = []

        mutating func member(_ at: Int, of count: Int) {
            if members.isEmpty { members = Array(repeating: false, count: count) }
            members[at] = true
        }

        mutating func element(_ at: Int, of count: Int) {
            if elements.isEmpty { elements = Array(repeating: false, count: count) }
            elements[at] = true
        }

        mutating func merge(_ other: Evaluated) {
            allMembers = allMembers || other.allMembers
            allElements = allElements || other.allElements
            Self.merge(&members, other.members)
            Self.merge(&elements, other.elements)
        }

        private static func merge(_ a: inout [Bool], _ b: [Bool]) {
            if a.isEmpty {
                a = b
            } else {
                for at in b.indices where b[at] { a[at] = true }
            }
        }
    }

    init(_ schema: JSONSchema, explains: Bool) {
        self.schema = schema
        self.explains = explains
    }

    /// Whether `value` satisfies the whole schema.
    mutating func run(_ value: JSONValue) -> Bool {
        var evaluated = Evaluated()
        let isValid = apply(schema.root, value, &evaluated)
        return isValid && !isExhausted
    }

    /// Applies a node; if it holds, adds what it evaluated to `outer`.
    private mutating func apply(_ number: Int, _ value: JSONValue, _ outer: inout Evaluated) -> Bool {
        guard !isExhausted else { return false }
        let node = schema.nodes[number]
        steps += 1 + node.keywords.count
        guard depth < Self.maxDepth, steps < Self.maxSteps else {
            isExhausted = true
            return false
        }
        if node.isFalse {
            note("false")
            return false
        }
        if node.keywords.isEmpty { return true }
        depth += 1
        let entersResource = scope.last != node.resource
        if entersResource { scope.append(node.resource) }
        defer {
            depth -= 1
            if entersResource { scope.removeLast() }
        }
        var evaluated = Evaluated()
        for keyword in node.keywords {
            guard holds(keyword, value, &evaluated) else {
                note(keyword.name)
                return false
            }
            if isExhausted { return false }
        }
        if schema.usesUnevaluated { outer.merge(evaluated) }
        return true
    }

    private mutating func holds(_ keyword: SchemaKeyword, _ value: JSONValue, _ evaluated: inout Evaluated) -> Bool {
        switch keyword {
        case .ref(let node): return apply(node, value, &evaluated)
        case .dynamicRef(let node, let anchor): return apply(dynamicTarget(node, anchor), value, &evaluated)
        case .allOf(let nodes):
            for node in nodes where !apply(node, value, &evaluated) { return false }
            return true
        case .anyOf(let nodes):
            var any = false
            for node in nodes {
                if attempt(node, value, &evaluated) { any = true }
                if any && !schema.usesUnevaluated { break }
            }
            return any
        case .oneOf(let nodes):
            var count = 0
            for node in nodes where attempt(node, value, &evaluated) { count += 1 }
            return count == 1
        case .not(let node):
            var ignored = Evaluated()
            return !attempt(node, value, &ignored)
        case .condition(let test, let then, let otherwise):
            guard let branch = attempt(test, value, &evaluated) ? then : otherwise else { return true }
            return apply(branch, value, &evaluated)
        case .dependentSchemas, .propertyNames, .members, .unevaluatedProperties:
            guard case .object(let object) = value else { return true }
            return holdsForObject(keyword, value, object, &evaluated)
        case .items, .contains, .unevaluatedItems:
            guard case .array(let elements) = value else { return true }
            return holdsForArray(keyword, elements, &evaluated)
        default:
            return asserts(keyword, value)
        }
    }

    private func dynamicTarget(_ node: Int, _ anchor: String?) -> Int {
        guard let anchor else { return node }
        for resource in scope {
            if let found = schema.resources[resource].dynamicAnchors[anchor] { return found }
        }
        return node
    }

    /// Applies a node whose failure is no failure of the whole.
    private mutating func attempt(_ node: Int, _ value: JSONValue, _ evaluated: inout Evaluated) -> Bool {
        let before = failure
        let isValid = apply(node, value, &evaluated)
        failure = before
        return isValid
    }

    /// Applies a node to a value inside.
    private mutating func descend(_ node: Int, _ token: @autoclosure () -> String, _ value: JSONValue) -> Bool {
        var ignored = Evaluated()
        guard explains else { return apply(node, value, &ignored) }
        path.append(token())
        defer { path.removeLast() }
        return apply(node, value, &ignored)
    }

    private mutating func note(_ keyword: String) {
        guard explains, failure == nil else { return }
        failure = path.map { "/" + JSONPointer.escaped($0) }.joined() + ": " + keyword
    }

    private mutating func holdsForObject(
        _ keyword: SchemaKeyword, _ value: JSONValue, _ object: JSONObject, _ evaluated: inout Evaluated
    ) -> Bool {
        switch keyword {
        case .dependentSchemas(let pairs):
            for (name, node) in pairs where object.position(of: name) != nil {
                guard apply(node, value, &evaluated) else { return false }
            }
            return true
        case .propertyNames(let node):
            return object.members.allSatisfy { descend(node, $0.name, .string($0.name)) }
        case .members(let rules):
            return holds(rules, object, &evaluated)
        case .unevaluatedProperties(let node):
            guard !evaluated.allMembers else { return true }
            for (at, member) in object.members.enumerated() where evaluated.members.isEmpty || !evaluated.members[at] {
                guard descend(node, member.name, member.value) else { return false }
            }
            evaluated.allMembers = true
            return true
        default:
            return true
        }
    }

    private mutating func holds(_ rules: SchemaMembers, _ object: JSONObject, _ evaluated: inout Evaluated) -> Bool {
        steps += object.count
        for (at, member) in object.members.enumerated() {
            var isMentioned = false
            if let node = rules.named[JSONName(text: member.name)] {
                isMentioned = true
                guard descend(node, member.name, member.value) else { return false }
            }
            for (pattern, node) in rules.patterns where matches(pattern, member.name) {
                isMentioned = true
                guard descend(node, member.name, member.value) else { return false }
            }
            if !isMentioned, let node = rules.additional {
                isMentioned = true
                guard descend(node, member.name, member.value) else {
                    note("additionalProperties")
                    return false
                }
            }
            if isMentioned, schema.usesUnevaluated { evaluated.member(at, of: object.count) }
        }
        return true
    }

    private mutating func holdsForArray(
        _ keyword: SchemaKeyword, _ elements: [JSONValue], _ evaluated: inout Evaluated
    ) -> Bool {
        steps += elements.count
        switch keyword {
        case .items(let prefix, let rest):
            for (at, element) in elements.enumerated() {
                guard let node = at < prefix.count ? prefix[at] : rest else { break }
                guard descend(node, String(at), element) else { return false }
                if schema.usesUnevaluated { evaluated.element(at, of: elements.count) }
            }
            return true
        case .contains(let node, let minimum, let maximum):
            var count = 0
            for (at, element) in elements.enumerated() {
                let before = failure
                let isFound = descend(node, String(at), element)
                failure = before
                guard isFound else { continue }
                count += 1
                if schema.usesUnevaluated { evaluated.element(at, of: elements.count) }
            }
            return count >= minimum && count <= maximum
        case .unevaluatedItems(let node):
            guard !evaluated.allElements else { return true }
            for (at, element) in elements.enumerated() where evaluated.elements.isEmpty || !evaluated.elements[at] {
                guard descend(node, String(at), element) else { return false }
            }
            evaluated.allElements = true
            return true
        default:
            return true
        }
    }

    /// Whether the pattern matches; a match that takes too much work ends the run.
    mutating func matches(_ pattern: SchemaPattern, _ text: String) -> Bool {
        // So that a body of many names pays for the many matches.
        steps += 20 + text.utf8.count / 64
        if patterns == nil { patterns = PatternRunner() }
        switch patterns?.run(pattern, text) {
        case .match: return true
        case .noMatch: return false
        case .limit, nil:
            isExhausted = true
            return false
        }
    }
}
