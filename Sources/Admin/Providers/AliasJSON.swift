import JSON
import Store

extension ObjectShape {
    static let alias = ObjectShape(
        name: "AliasInput", description: "Another name for a model, or for an ordered list of them.",
        fields: [
            .init("name", modelName, "The name that callers use. Cannot be changed.", required: true),
            .init(
                "targets", #"{"type":"array","minItems":1,"maxItems":32,"uniqueItems":true,"items":\#(modelName)}"#,
                "provider/model or a model's name, tried in this order; never another alias.", required: true),
            .init("enabled", #"{"type":"boolean","default":true}"#, "Whether the name is taken."),
        ])

    static let aliasPatch: ObjectShape = {
        var shape = alias.partial(named: "AliasPatch", description: "Members to change; the others stay as they are.")
        shape.fields.removeFirst()
        return shape.ignoring(["name", "created_at", "updated_at"])
    }()
}

/// The JSON form of aliases.
enum AliasJSON {
    static func encode(_ alias: AliasRecord, offsetMinutes: Int) -> JSONValue {
        .members([
            ("name", .string(alias.name)), ("targets", .strings(alias.targets)), ("enabled", .bool(alias.isEnabled)),
            ("created_at", .time(alias.createdAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("updated_at", .time(alias.updatedAtMilliseconds, offsetMinutes: offsetMinutes)),
        ])
    }

    static let schema = """
        {"type":"object","required":["name","targets","enabled","created_at","updated_at"],"properties":{\
        "name":{"type":"string"},"targets":{"type":"array","items":{"type":"string"}},"enabled":{"type":"boolean"},\
        "created_at":{"type":"string","format":"date-time"},"updated_at":{"type":"string","format":"date-time"}}}
        """

    /// The record with the members of the body put in; those left out stay. The name is not touched.
    static func apply(_ body: BodyReader, to record: AliasRecord) throws(AdminFailure) -> AliasRecord {
        var alias = record
        alias.targets = try body.strings("targets").or(alias.targets, "targets")
        alias.isEnabled = try body.bool("enabled").or(alias.isEnabled, "enabled")
        return alias
    }
}
