import JSON
import Proxy
import Store

extension ObjectShape {
    /// What a provider's name may be, and a model's.
    static let providerName = #"{"type":"string","pattern":"^[A-Za-z0-9._-]{1,64}$"}"#
    static let modelName = #"{"type":"string","minLength":1,"maxLength":256,\#(ObjectShape.plainPattern)}"#
    private static let baseURLPattern =
        #"^https?://[^/@:?#\\\\\\u0000-\\u0020\\u007f-\\uffff][^@?#\\\\\\u0000-\\u0020\\u007f-\\uffff]*$"#

    static let provider = ObjectShape(
        name: "ProviderInput", description: "A provider. What is left out has its default.",
        fields: [
            .init(
                "name", providerName, "Names it in provider/model and in every record. Cannot be changed.",
                required: true),
            .init(
                "api_type", words(ProviderRecord.apiTypes, default: "openai"),
                "The format it speaks; whatever speaks OpenAI's is openai."),
            .init(
                "base_url", #"{"type":"string","maxLength":4096,"pattern":"\#(baseURLPattern)"}"#,
                "Where it is, with or without the version segment.", required: true),
            .init("enabled", #"{"type":"boolean","default":true}"#, "Whether it takes requests."),
            .init(
                "models", #"{"type":["array","null"],"maxItems":4096,"items":\#(modelName)}"#,
                "The models it serves. Empty or null: it is asked for them."),
            .init(
                "priority", #"{"type":"integer","minimum":-1000000,"maximum":1000000,"default":100}"#,
                "Smaller goes first."),
            .init(
                "weight", #"{"type":"integer","minimum":0,"maximum":1000000,"default":1}"#,
                "Share of the load among providers of equal priority."),
            .init(
                "key_strategy", words(ProviderRecord.strategies, default: "first_available"),
                "How one of its keys is chosen."),
            .init(
                "timeout", #"{"type":["integer","null"],"minimum":1,"maximum":86400}"#,
                "Seconds to wait for its next byte; null is the gateway's default."),
            .init(
                "headers",
                #"{"type":["object","null"],"propertyNames":\#(HeaderNames.schema),"#
                    + #""additionalProperties":{"type":"string","maxLength":4096,\#(ObjectShape.plainPattern)}}"#,
                "Headers to set; ${NAME} expands from the environment."),
        ])

    static let providerPatch: ObjectShape = {
        var shape = provider.partial(
            named: "ProviderPatch", description: "Members to change; the others stay as they are.")
        shape.fields.removeFirst()
        return shape.ignoring([
            "name", "created_at", "updated_at", "discovered_models", "discovered_at", "keys", "health",
        ])
    }()
}

/// The JSON form of providers.
enum ProviderJSON {
    /// - Parameters:
    ///   - keys: its keys as the database has them.
    ///   - status: how it is just now; nil if no gateway serves it.
    ///   - vault: opens its keys; nil: nothing does.
    static func encode(
        _ provider: ProviderRecord, keys: [ProviderKeyRecord], status: ProviderStatus?, vault: KeyVault?,
        offsetMinutes: Int
    ) -> JSONValue {
        .members([
            ("name", .string(provider.name)),
            ("api_type", .string(provider.apiType)),
            ("base_url", .string(provider.baseURL)),
            ("enabled", .bool(provider.isEnabled)),
            ("models", .strings(provider.models)),
            ("priority", .integer(provider.priority)),
            ("weight", .integer(provider.weight)),
            ("key_strategy", .string(provider.keyStrategy)),
            ("timeout", .optional(provider.timeoutSeconds)),
            ("headers", .optional(provider.headers)),
            ("created_at", .time(provider.createdAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("updated_at", .time(provider.updatedAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("discovered_models", .strings(provider.discoveredModels)),
            ("discovered_at", .time(provider.discoveredAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("keys", keyCounts(keys, status, vault)),
            ("health", status.map(health) ?? .null),
        ])
    }

    private static func keyCounts(
        _ keys: [ProviderKeyRecord], _ status: ProviderStatus?, _ vault: KeyVault?
    ) -> JSONValue {
        var counts: [String: Int] = [:]
        for key in keys where key.isEnabled {
            let isReadable = vault?.open(key) != nil
            counts[isReadable ? ProviderKeyJSON.State(key, status).name : "unreadable", default: 0] += 1
        }
        return .members([
            ("total", .integer(keys.count)), ("usable", .integer(counts["ok"] ?? 0)),
            ("cooling", .integer(counts["cooling"] ?? 0)), ("disabled", .integer(counts["disabled"] ?? 0)),
            ("unreadable", .integer(counts["unreadable"] ?? 0)),
            ("off", .integer(keys.count { !$0.isEnabled })),
        ])
    }

    private static func health(_ status: ProviderStatus) -> JSONValue {
        let firstByte = status.firstByteMicroseconds
        return .members([
            ("is_up", .bool(status.isUp)), ("breaker", .string(status.breaker)),
            ("open_exchanges", .integer(status.openExchanges)),
            ("first_byte_ms", firstByte == 0 ? .null : .decimal(Double(firstByte) / 1000)),
            ("success_share", .decimal(status.successShare)),
        ])
    }

    static let healthSchema = """
        {"type":["object","null"],"description":"Just now, of all workers together; null while no gateway serves it.",\
        "required":["is_up","breaker","open_exchanges","first_byte_ms","success_share"],"properties":{\
        "is_up":{"type":"boolean","description":"Whether it would take a request."},\
        "breaker":{"enum":["closed","open","half_open"]},"open_exchanges":{"type":"integer"},\
        "first_byte_ms":{"type":["number","null"],"description":"Moving average; null: not measured."},\
        "success_share":{"type":"number","description":"Moving average, of 1."}}}
        """

    static let keyCountsSchema = """
        {"type":"object","required":["total","usable","cooling","disabled","unreadable","off"],"properties":{\
        "total":{"type":"integer"},"usable":{"type":"integer"},"cooling":{"type":"integer"},\
        "disabled":{"type":"integer","description":"By an answer of the provider."},\
        "unreadable":{"type":"integer","description":"The master key does not open them."},\
        "off":{"type":"integer","description":"By an operator."}}}
        """

    /// The record that a whole body describes.
    static func decode(_ body: BodyReader) throws(AdminFailure) -> ProviderRecord {
        let name = try body.string("name", maxLength: 64).or("", "name")
        return try apply(body, to: ProviderRecord(name: name, baseURL: ""))
    }

    /// The record with the members of the body put in; those left out stay. The name is not touched.
    static func apply(_ body: BodyReader, to record: ProviderRecord) throws(AdminFailure) -> ProviderRecord {
        var provider = record
        provider.apiType = try body.word("api_type", ProviderRecord.apiTypes).or(provider.apiType, "api_type")
        provider.baseURL = try body.string("base_url", maxLength: 4096).or(provider.baseURL, "base_url")
        provider.isEnabled = try body.bool("enabled").or(provider.isEnabled, "enabled")
        provider.models = try body.strings("models").orNull(provider.models) ?? []
        provider.priority = try body.int("priority", in: -1_000_000...1_000_000).or(provider.priority, "priority")
        provider.weight = try body.int("weight", in: 0...1_000_000).or(provider.weight, "weight")
        provider.keyStrategy = try body.word("key_strategy", ProviderRecord.strategies)
            .or(provider.keyStrategy, "key_strategy")
        provider.timeoutSeconds = try body.int("timeout", in: 1...86_400).orNull(provider.timeoutSeconds)
        if body.has("headers") { provider.headers = try headers(body) }
        return provider
    }

    private static func headers(_ body: BodyReader) throws(AdminFailure) -> JSONValue? {
        guard let object = try body.object("headers").orNull(nil) else { return nil }
        for member in object {
            guard HeaderNames.isName(member.name) else {
                throw .badField("headers", "\"\(member.name)\" is no header name")
            }
            guard member.value.stringValue != nil else {
                throw .badField("headers", "\(member.name): must be a string")
            }
        }
        return .object(object)
    }
}
