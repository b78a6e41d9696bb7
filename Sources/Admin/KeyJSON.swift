import JSON
import Proxy
import Store

extension ObjectShape {
    static let newKey = ObjectShape(
        name: "NewKey", description: "What a key is made from.",
        fields: [
            .init(
                "source_path", #"{"type":"string","minLength":1,"maxLength":255,\#(ObjectShape.plainPattern)}"#,
                "Whose key it is.", required: true),
            .init(
                "permissions", #"{"type":["array","null"],"items":\#(KeyJSON.permissionSchema),"maxItems":64}"#,
                "What the key may be used for: families (chat, completions, embeddings, models, responses, messages, "
                    + "images, audio, files, moderations), path patterns that begin with a slash, or \"*\". "
                    + "An empty list allows everything."),
            .init(
                "rate_limit", #"{"type":["integer","null"],"minimum":0,"maximum":1000000000}"#,
                "Requests per minute; 0 is no limit, null the gateway's default."),
            .init(
                "expires_days", #"{"type":["integer","null"],"minimum":0,"maximum":36500}"#,
                "Days until the key expires; 0 or null is never. Excludes expires_at, unless one of them is null. "
                    + "With neither, security.default_expiry_days counts when the key is made."),
            .init(
                "expires_at", #"{"anyOf":[\#(Endpoint.Parameter.timeSchema),{"type":"null"}]}"#,
                "When the key expires: the instant that ISO-8601 names, or the last moment of a date; null is never."),
            .init("is_active", #"{"type":"boolean"}"#, "Whether the key is accepted; true when left out."),
            .init(
                "allowed_models", #"{"type":["array","null"],"maxItems":256,"items":\#(ObjectShape.modelName)}"#,
                "Models that may be asked of providers, as patterns with *. An empty list allows every one."),
            .init(
                "max_tokens", #"{"type":["integer","null"],"minimum":0,"maximum":9007199254740991}"#,
                "Tokens that may be used of providers in a budget_period; null is no limit."),
            .init(
                "max_amount", #"{"type":["string","null"],"pattern":"\#(Money.pattern)"}"#,
                "Money that may be spent in a budget_period; null is no limit."),
            .init(
                "currency", #"{"type":"string","pattern":"^[A-Z]{3}$","default":"USD"}"#,
                "Of max_amount (ISO 4217); what is charged in another one does not count."),
            .init(
                "budget_period", ObjectShape.words(BudgetPeriod.allCases.map(\.rawValue), default: "total"),
                "When counting starts anew: never, at midnight, or on the first of a month, in app.timezone."),
            .init(
                "max_concurrent", #"{"type":["integer","null"],"minimum":1,"maximum":1000000}"#,
                "Exchanges with providers that may be open at a time; null is no limit."),
        ], exclusive: ["expires_days", "expires_at"])

    static let keyPatch = newKey.partial(
        named: "KeyPatch", description: "Members to change; the others stay as they are."
    ).ignoring([
        "key_id", "key_hint", "usage_count", "created_at", "last_used_at", "tokens_spent", "amount_spent",
        "budget_since", "budget_resets_at",
    ])
}

/// The JSON form of keys.
enum KeyJSON {
    static let families = [
        "chat", "completions", "embeddings", "models", "responses", "messages", "images", "audio", "files",
        "moderations",
    ]

    /// A family, a path pattern, or everything.
    static let permissionSchema: String = {
        let words = (families + ["*"]).map { "\"\($0)\"" }.joined(separator: ",")
        return #"{"anyOf":[{"enum":[\#(words)]},{"type":"string","pattern":"^/[^\#(ObjectShape.notInPath)]*$","#
            + #""maxLength":1024}]}"#
    }()

    /// A key as answers show it. The key itself is in none but the answers that make it.
    static func encode(_ key: KeyRecord, offsetMinutes: Int, value: String? = nil) -> JSONValue {
        var members: [(String, JSONValue)] = [("key_id", .string(key.keyID))]
        if let value { members.append(("key_value", .string(value))) }
        members += [
            ("key_hint", .string(key.keyHint)),
            ("source_path", .string(key.sourcePath)),
            ("permissions", .strings(key.permissions)),
            ("rate_limit", .optional(key.rateLimitPerMinute)),
            ("is_active", .bool(key.isActive)),
            ("usage_count", .integer(key.usageCount)),
            ("created_at", .time(key.createdAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("expires_at", .time(key.expiresAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("last_used_at", .time(key.lastUsedAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("allowed_models", .strings(key.allowedModels)),
        ]
        let now = HandlerContext.nowMilliseconds()
        let budget = key.budget.at(now, offsetMinutes: offsetMinutes)
        members += [
            ("max_tokens", .optional(budget.maxTokens)), ("max_amount", .amount(budget.maxAmountMicros)),
            ("currency", .string(budget.currency)), ("budget_period", .string(budget.period.rawValue)),
            ("max_concurrent", .optional(key.maxConcurrent)),
            ("tokens_spent", .integer(budget.tokensSpent)), ("amount_spent", .amount(budget.amountSpentMicros)),
            ("budget_since", .time(budget.countedSinceMilliseconds, offsetMinutes: offsetMinutes)),
            (
                "budget_resets_at",
                .time(budget.resetsAtMilliseconds(now, offsetMinutes: offsetMinutes), offsetMinutes: offsetMinutes)
            ),
        ]
        return .members(members)
    }

    /// The schema of `encode`, by hand beside it.
    static let schema = """
        {"type":"object","required":["key_id","key_hint","source_path","permissions","rate_limit","is_active",\
        "usage_count","created_at","expires_at","last_used_at","allowed_models","max_tokens","max_amount","currency",\
        "budget_period","max_concurrent","tokens_spent","amount_spent","budget_since","budget_resets_at"],"properties":{"key_id":{"type":"string"},\
        "key_value":{"type":"string","description":"The key itself; only in the answer that made it."},\
        "key_hint":{"type":"string","description":"Prefix and last four characters."},\
        "source_path":{"type":"string"},"permissions":{"type":"array","items":{"type":"string"}},\
        "rate_limit":{"type":["integer","null"]},"is_active":{"type":"boolean"},"usage_count":{"type":"integer"},\
        "created_at":{"type":"string","format":"date-time"},"expires_at":{"type":["string","null"],\
        "format":"date-time"},"last_used_at":{"type":["string","null"],"format":"date-time"},\
        "allowed_models":{"type":"array","items":{"type":"string"}},"max_tokens":{"type":["integer","null"]},\
        "max_amount":{"type":["string","null"]},"currency":{"type":"string"},"budget_period":{"type":"string"},\
        "max_concurrent":{"type":["integer","null"]},\
        "tokens_spent":{"type":"integer","description":"Of ended exchanges, in this period."},\
        "amount_spent":{"type":"string","description":"In currency, of ended exchanges, in this period."},\
        "budget_since":{"type":["string","null"],"format":"date-time","description":"null: since it was made."},\
        "budget_resets_at":{"type":["string","null"],"format":"date-time","description":"null: never."}}}
        """

    static func newKey(_ body: BodyReader, defaultExpiryDays: Int, offsetMinutes: Int, nowMilliseconds: Int64)
        throws(AdminFailure) -> NewKey
    {
        var expiry: Int64?
        switch try expiresAt(body, offsetMinutes: offsetMinutes, nowMilliseconds: nowMilliseconds) {
        case .keep: if defaultExpiryDays > 0 { expiry = nowMilliseconds + Int64(defaultExpiryDays) * 86_400_000 }
        case .set(let time): expiry = time
        }
        return NewKey(
            sourcePath: try sourcePath(body).or("", "source_path"),
            permissions: try permissions(body).orNull(nil) ?? [],
            rateLimitPerMinute: try body.int("rate_limit", in: 0...1_000_000_000).orNull(nil),
            expiresAtMilliseconds: expiry, isActive: try body.bool("is_active").or(true, "is_active"),
            allowedModels: try body.strings("allowed_models").orNull(nil) ?? [],
            limits: KeyLimits(
                maxTokens: try maxTokens(body), maxAmountMicros: try body.amount("max_amount").orNull(nil),
                currency: try body.currency("currency").or("USD", "currency"), period: try period(body),
                maxConcurrent: try maxConcurrent(body)))
    }

    static func patch(_ body: BodyReader, offsetMinutes: Int, nowMilliseconds: Int64) throws(AdminFailure) -> KeyPatch {
        var patch = KeyPatch()
        if body.has("source_path") { patch.sourcePath = .set(try sourcePath(body).or("", "source_path")) }
        if body.has("permissions") { patch.permissions = .set(try permissions(body).orNull(nil) ?? []) }
        if body.has("rate_limit") {
            patch.rateLimitPerMinute = .set(try body.int("rate_limit", in: 0...1_000_000_000).orNull(nil))
        }
        patch.expiresAtMilliseconds = try expiresAt(
            body, offsetMinutes: offsetMinutes, nowMilliseconds: nowMilliseconds)
        if body.has("is_active") { patch.isActive = .set(try body.bool("is_active").or(true, "is_active")) }
        if body.has("allowed_models") {
            patch.allowedModels = .set(try body.strings("allowed_models").orNull(nil) ?? [])
        }
        if body.has("max_tokens") { patch.maxTokens = .set(try maxTokens(body)) }
        if body.has("max_amount") { patch.maxAmountMicros = .set(try body.amount("max_amount").orNull(nil)) }
        if body.has("currency") { patch.currency = .set(try body.currency("currency").or("USD", "currency")) }
        if body.has("budget_period") { patch.budgetPeriod = .set(try period(body)) }
        if body.has("max_concurrent") { patch.maxConcurrent = .set(try maxConcurrent(body)) }
        return patch
    }

    private static func maxTokens(_ body: BodyReader) throws(AdminFailure) -> Int64? {
        try body.int("max_tokens", in: 0...9_007_199_254_740_991).orNull(nil).map(Int64.init)
    }

    private static func maxConcurrent(_ body: BodyReader) throws(AdminFailure) -> Int? {
        try body.int("max_concurrent", in: 1...1_000_000).orNull(nil)
    }

    private static func period(_ body: BodyReader) throws(AdminFailure) -> BudgetPeriod {
        let word = try body.word("budget_period", BudgetPeriod.allCases.map(\.rawValue)).or("total", "budget_period")
        return BudgetPeriod(rawValue: word) ?? .total
    }

    private static func sourcePath(_ body: BodyReader) throws(AdminFailure) -> Given<String> {
        let given = try body.string("source_path", maxLength: 255)
        if case .value(let text) = given, text.allSatisfy({ $0 == " " }) {
            throw .badField("source_path", "must not be empty")
        }
        return given
    }

    private static func permissions(_ body: BodyReader) throws(AdminFailure) -> Given<[String]> {
        let given = try body.strings("permissions")
        guard case .value(let entries) = given else { return given }
        guard entries.count <= 64 else { throw .badField("permissions", "must have no more than 64 entries") }
        for entry in entries {
            guard entry == "*" || families.contains(entry) || (entry.hasPrefix("/") && entry.utf8.count <= 1024) else {
                throw .badField(
                    "permissions",
                    "\"\(entry)\" is neither a family (\(families.joined(separator: ", "))), nor a path pattern "
                        + "that begins with \"/\", nor \"*\"")
            }
            if entry.hasPrefix("/"), let problem = RouteCheck.problem(pattern: entry) {
                throw .badField("permissions", "\"\(entry)\" is no path pattern: \(problem)")
            }
        }
        return given
    }

    private static func expiresAt(_ body: BodyReader, offsetMinutes: Int, nowMilliseconds: Int64)
        throws(AdminFailure) -> Change<Int64?>
    {
        let days = try body.int("expires_days", in: 0...36_500)
        let time = try body.time("expires_at", offsetMinutes: offsetMinutes)
        switch (days, time) {
        case (.value, .value): throw .badField("expires_at", "must not be given together with expires_days")
        case (.absent, .absent): return .keep
        case (.value(let days), _) where days > 0: return .set(nowMilliseconds + Int64(days) * 86_400_000)
        case (_, .value(let time)): return .set(time)
        default: return .set(nil)
        }
    }
}
