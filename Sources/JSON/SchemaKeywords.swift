// Reading the keywords of one schema object (draft 2020-12, Core and Validation).
extension SchemaCompiler {
    mutating func readKeywords(_ object: JSONObject, _ node: Int, _ place: Place) throws(JSONSchemaError) {
        try readAssertions(object, node, place)
        try readDefinitions(object, place)
        for (name, isDynamic) in [("$ref", false), ("$dynamicRef", true)] {
            guard let value = object[name] else { continue }
            let here = place.down(name)
            guard let text = value.stringValue else { throw here.error("must be a string") }
            appendReference(text, isDynamic: isDynamic, to: node, here)
        }
        try readLogic(object, node, place)
        try readMemberKeywords(object, node, place)
        try readItemKeywords(object, node, place)
        // These look at what all others have evaluated, so they are last.
        if let value = object["unevaluatedItems"] {
            append(.unevaluatedItems(try subschema(value, place.down("unevaluatedItems"))), to: node)
            noteUnevaluated()
        }
        if let value = object["unevaluatedProperties"] {
            append(.unevaluatedProperties(try subschema(value, place.down("unevaluatedProperties"))), to: node)
            noteUnevaluated()
        }
    }

    private mutating func readAssertions(_ object: JSONObject, _ node: Int, _ place: Place) throws(JSONSchemaError) {
        if let value = object["type"] { append(.type(try types(value, place.down("type"))), to: node) }
        if let value = object["const"] { append(.const(value), to: node) }
        if let value = object["enum"] {
            guard let values = value.arrayValue else { throw place.down("enum").error("must be an array") }
            append(.enumeration(Set(values)), to: node)
        }
        for (name, make) in Self.numberKeywords {
            guard let value = object[name] else { continue }
            guard let number = value.numberValue else { throw place.down(name).error("must be a number") }
            if name == "multipleOf" {
                guard number > JSONNumber(0) else { throw place.down(name).error("must be above zero") }
                guard number.withDecimal({ $0.digitCount <= JSONDecimal.maxDivisorDigits }) else {
                    throw place.down(name).error("must not have more than \(JSONDecimal.maxDivisorDigits) digits")
                }
            }
            append(make(number), to: node)
        }
        for (name, make) in Self.countKeywords {
            guard let value = object[name] else { continue }
            append(make(try count(value, place.down(name))), to: node)
        }
        if let value = object["pattern"] { append(.pattern(try pattern(value, place.down("pattern"))), to: node) }
        if let value = object["uniqueItems"] {
            guard let unique = value.boolValue else { throw place.down("uniqueItems").error("must be a boolean") }
            if unique { append(.uniqueItems, to: node) }
        }
        if let value = object["required"] {
            append(.required(try strings(value, place.down("required"))), to: node)
        }
        if let value = object["dependentRequired"] {
            let here = place.down("dependentRequired")
            var pairs: [(name: String, needs: [String])] = []
            for member in try members(value, here) {
                pairs.append((member.name, try strings(member.value, here.down(member.name))))
            }
            append(.dependentRequired(pairs), to: node)
        }
    }

    private static let numberKeywords: [(String, @Sendable (JSONNumber) -> SchemaKeyword)] = [
        ("minimum", { .minimum($0) }), ("maximum", { .maximum($0) }),
        ("exclusiveMinimum", { .exclusiveMinimum($0) }), ("exclusiveMaximum", { .exclusiveMaximum($0) }),
        ("multipleOf", { .multipleOf($0) }),
    ]

    private static let countKeywords: [(String, @Sendable (Int) -> SchemaKeyword)] = [
        ("minLength", { .minLength($0) }), ("maxLength", { .maxLength($0) }),
        ("minItems", { .minItems($0) }), ("maxItems", { .maxItems($0) }),
        ("minProperties", { .minProperties($0) }), ("maxProperties", { .maxProperties($0) }),
    ]

    /// Places that only hold schemas for others to refer to (`definitions` is the older name).
    private mutating func readDefinitions(_ object: JSONObject, _ place: Place) throws(JSONSchemaError) {
        for name in ["$defs", "definitions"] {
            guard let value = object[name] else { continue }
            for member in try members(value, place.down(name)) {
                _ = try subschema(member.value, place.down(name, member.name))
            }
        }
    }

    private mutating func readLogic(_ object: JSONObject, _ node: Int, _ place: Place) throws(JSONSchemaError) {
        if let value = object["allOf"] { append(.allOf(try list(value, place.down("allOf"))), to: node) }
        if let value = object["anyOf"] { append(.anyOf(try list(value, place.down("anyOf"))), to: node) }
        if let value = object["oneOf"] { append(.oneOf(try list(value, place.down("oneOf"))), to: node) }
        if let value = object["not"] { append(.not(try subschema(value, place.down("not"))), to: node) }
        // `then` and `else` are visited without an `if` too: something may refer to them.
        var branches: [String: Int] = [:]
        for name in ["if", "then", "else"] {
            guard let value = object[name] else { continue }
            branches[name] = try subschema(value, place.down(name))
        }
        if let test = branches["if"] {
            append(.condition(if: test, then: branches["then"], else: branches["else"]), to: node)
        }
    }

    private mutating func readMemberKeywords(
        _ object: JSONObject, _ node: Int, _ place: Place
    ) throws(JSONSchemaError) {
        var dependents: [(name: String, node: Int)] = []
        if let value = object["dependentSchemas"] {
            let here = place.down("dependentSchemas")
            for member in try members(value, here) {
                dependents.append((member.name, try subschema(member.value, here.down(member.name))))
            }
        }
        // The older keyword for both; to ignore what somebody meant as a constraint would be worse.
        if let value = object["dependencies"] {
            let here = place.down("dependencies")
            for member in try members(value, here) {
                if member.value.arrayValue != nil {
                    let needs = try strings(member.value, here.down(member.name))
                    append(.dependentRequired([(member.name, needs)]), to: node)
                } else {
                    dependents.append((member.name, try subschema(member.value, here.down(member.name))))
                }
            }
        }
        if !dependents.isEmpty { append(.dependentSchemas(dependents), to: node) }
        if let value = object["propertyNames"] {
            append(.propertyNames(try subschema(value, place.down("propertyNames"))), to: node)
        }

        var rules = SchemaMembers()
        if let value = object["properties"] {
            let here = place.down("properties")
            for member in try members(value, here) {
                rules.named[JSONName(text: member.name)] = try subschema(member.value, here.down(member.name))
            }
        }
        if let value = object["patternProperties"] {
            let here = place.down("patternProperties")
            for member in try members(value, here) {
                let below = here.down(member.name)
                rules.patterns.append(
                    (try pattern(.string(member.name), below), try subschema(member.value, below)))
            }
        }
        if let value = object["additionalProperties"] {
            rules.additional = try subschema(value, place.down("additionalProperties"))
        }
        if !rules.named.isEmpty || !rules.patterns.isEmpty || rules.additional != nil {
            append(.members(rules), to: node)
        }
    }

    private mutating func readItemKeywords(_ object: JSONObject, _ node: Int, _ place: Place) throws(JSONSchemaError) {
        var prefix: [Int] = []
        if let value = object["prefixItems"] { prefix = try list(value, place.down("prefixItems")) }
        var rest: Int?
        if let value = object["items"] { rest = try subschema(value, place.down("items")) }
        if !prefix.isEmpty || rest != nil { append(.items(prefix: prefix, rest: rest), to: node) }

        let minimum = try object["minContains"].map { value throws(JSONSchemaError) in
            try count(value, place.down("minContains"))
        }
        let maximum = try object["maxContains"].map { value throws(JSONSchemaError) in
            try count(value, place.down("maxContains"))
        }
        if let value = object["contains"] {
            let element = try subschema(value, place.down("contains"))
            append(.contains(element, minimum: minimum ?? 1, maximum: maximum ?? .max), to: node)
        }
    }

    // MARK: Operands

    private func types(_ value: JSONValue, _ here: Place) throws(JSONSchemaError) -> SchemaTypes {
        var set: SchemaTypes = []
        for name in value.arrayValue ?? [value] {
            guard let text = name.stringValue, let type = SchemaTypes.names[text] else {
                throw here.error("must be one or more of null, boolean, object, array, number, string, integer")
            }
            set.insert(type)
        }
        guard !set.isEmpty else { throw here.error("must name at least one type") }
        return set
    }

    private func count(_ value: JSONValue, _ here: Place) throws(JSONSchemaError) -> Int {
        guard let number = value.numberValue, number.isInteger, number >= JSONNumber(0) else {
            throw here.error("must be a whole number, not below zero")
        }
        return number.int64Value.map(Int.init) ?? .max
    }

    private func strings(_ value: JSONValue, _ here: Place) throws(JSONSchemaError) -> [String] {
        guard let elements = value.arrayValue else { throw here.error("must be an array of strings") }
        var texts: [String] = []
        for element in elements {
            guard let text = element.stringValue else { throw here.error("must be an array of strings") }
            texts.append(text)
        }
        return texts
    }

    private func members(_ value: JSONValue, _ here: Place) throws(JSONSchemaError) -> [JSONObject.Member] {
        guard let object = value.objectValue else { throw here.error("must be an object") }
        return object.members
    }

    private mutating func list(_ value: JSONValue, _ here: Place) throws(JSONSchemaError) -> [Int] {
        guard let elements = value.arrayValue, !elements.isEmpty else {
            throw here.error("must be an array with at least one schema")
        }
        var found: [Int] = []
        for (at, element) in elements.enumerated() { found.append(try subschema(element, here.down(String(at)))) }
        return found
    }

    private func pattern(_ value: JSONValue, _ here: Place) throws(JSONSchemaError) -> SchemaPattern {
        guard let text = value.stringValue else { throw here.error("must be a string") }
        do {
            return try SchemaPattern(text)
        } catch {
            switch error {
            case .syntax(let message): throw here.error("not a regular expression: \(message)")
            }
        }
    }
}
