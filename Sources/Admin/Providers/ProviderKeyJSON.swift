import JSON
import Proxy
import Reactor
import Store

extension ObjectShape {
    static let newProviderKey = ObjectShape(
        name: "NewProviderKey", description: "A key of a provider. It is stored sealed and never shown again.",
        fields: [
            .init(
                "key",
                #"{"type":"string","writeOnly":true,"minLength":1,"maxLength":4096,"pattern":"^[!-~]+$"}"#,
                "The key itself.", required: true),
            .init(
                "label", #"{"type":"string","maxLength":256,\#(ObjectShape.plainPattern),"default":""}"#, "For people."),
            .init(
                "weight", #"{"type":"integer","minimum":0,"maximum":1000000,"default":1}"#,
                "Share of the load among the provider's keys."),
            .init("enabled", #"{"type":"boolean","default":true}"#, "Whether it is used."),
        ])

    static let providerKeyPatch: ObjectShape = {
        var shape = newProviderKey.partial(
            named: "ProviderKeyPatch", description: "Members to change; the others stay as they are.")
        shape.fields.append(
            .init(
                "state", #"{"enum":["ok","cooling","disabled"]}"#,
                "ok forgets what the provider said of the key: it gets another try. Else only as it is already."))
        return shape.ignoring([
            "key_id", "provider", "key_hint", "state_reason", "cooling_until", "state_changed_at", "readable",
            "requests", "failures", "last_used_at", "created_at", "updated_at",
        ])
    }()
}

/// The JSON form of providers' keys. The key itself is in none of it.
enum ProviderKeyJSON {
    /// What is known of a key: the workers know it first, the database a moment later.
    struct State {
        var name: String
        var reason: String?
        /// Unix time.
        var coolingUntilMilliseconds: Int64?

        init(_ key: ProviderKeyRecord, _ status: ProviderStatus?) {
            if let live = status?.keys.first(where: { $0.keyID == key.keyID }) {
                name = live.state
                reason = live.reason.isEmpty ? nil : live.reason
                if live.coolingMilliseconds > 0 {
                    coolingUntilMilliseconds = HandlerContext.nowMilliseconds() + Int64(live.coolingMilliseconds)
                }
                return
            }
            name = key.state.name
            switch key.state {
            case .ok: break
            case .cooling(let until):
                if until > HandlerContext.nowMilliseconds() {
                    coolingUntilMilliseconds = until
                } else {
                    name = "ok"
                }
            case .disabled(let reason): self.reason = reason
            }
        }
    }

    /// - Parameter isReadable: whether the master key opens it.
    static func encode(
        _ key: ProviderKeyRecord, status: ProviderStatus?, isReadable: Bool, offsetMinutes: Int
    ) -> JSONValue {
        let state = State(key, status)
        return .members([
            ("key_id", .string(key.keyID)),
            ("provider", .string(key.provider)),
            ("key_hint", .string(key.keyHint)),
            ("label", .string(key.label)),
            ("weight", .integer(key.weight)),
            ("enabled", .bool(key.isEnabled)),
            ("state", .string(state.name)),
            ("state_reason", .optional(state.reason)),
            ("cooling_until", .time(state.coolingUntilMilliseconds, offsetMinutes: offsetMinutes)),
            ("state_changed_at", .time(key.stateChangedAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("readable", .bool(isReadable)),
            ("requests", .integer(key.requests)),
            ("failures", .integer(key.failures)),
            ("last_used_at", .time(key.lastUsedAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("created_at", .time(key.createdAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("updated_at", .time(key.updatedAtMilliseconds, offsetMinutes: offsetMinutes)),
        ])
    }

    /// The schema of `encode`, by hand beside it.
    static let schema = """
        {"type":"object","required":["key_id","provider","key_hint","label","weight","enabled","state","state_reason",\
        "cooling_until","state_changed_at","readable","requests","failures","last_used_at","created_at","updated_at"],\
        "properties":{"key_id":{"type":"string"},"provider":{"type":"string"},\
        "key_hint":{"type":"string","description":"What people recognise it by: sk-proj-****abcd."},\
        "label":{"type":"string"},"weight":{"type":"integer"},\
        "enabled":{"type":"boolean","description":"What the operator wants; state is what the provider said."},\
        "state":{"enum":["ok","cooling","disabled"]},\
        "state_reason":{"type":["string","null"],"description":"Of a disabled key: why."},\
        "cooling_until":{"type":["string","null"],"format":"date-time"},\
        "state_changed_at":{"type":"string","format":"date-time"},\
        "readable":{"type":"boolean","description":"Whether the master key opens it."},\
        "requests":{"type":"integer"},"failures":{"type":"integer"},\
        "last_used_at":{"type":["string","null"],"format":"date-time"},\
        "created_at":{"type":"string","format":"date-time"},"updated_at":{"type":"string","format":"date-time"}}}
        """

    static func newKey(_ body: BodyReader, provider: String) throws(AdminFailure) -> NewProviderKey {
        NewProviderKey(
            provider: provider, key: ProviderSecret(try body.string("key", maxLength: 4096).or("", "key")),
            label: try body.string("label", maxLength: 256).or("", "label"),
            weight: try body.int("weight", in: 0...1_000_000).or(1, "weight"),
            isEnabled: try body.bool("enabled").or(true, "enabled"))
    }

    /// - Parameter current: the key's state, which the body may repeat.
    static func patch(_ body: BodyReader, current: State) throws(AdminFailure) -> ProviderKeyPatch {
        var patch = ProviderKeyPatch()
        if body.has("key") { patch.key = .set(ProviderSecret(try body.string("key", maxLength: 4096).or("", "key"))) }
        if body.has("label") { patch.label = .set(try body.string("label", maxLength: 256).or("", "label")) }
        if body.has("weight") { patch.weight = .set(try body.int("weight", in: 0...1_000_000).or(1, "weight")) }
        if body.has("enabled") { patch.isEnabled = .set(try body.bool("enabled").or(true, "enabled")) }
        if body.has("state") {
            let state = try body.string("state", maxLength: 64).or("ok", "state")
            guard state == "ok" || state == current.name else {
                throw .badField(
                    "state", "must be ok; what else the key may be the provider says (now: \(current.name))")
            }
            if state == "ok" { patch.state = .set(.ok) }
        }
        return patch
    }
}
