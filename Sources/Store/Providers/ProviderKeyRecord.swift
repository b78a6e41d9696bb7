/// One key for a provider. The key itself is in here only sealed: `KeyVault.open` gives it.
public struct ProviderKeyRecord: Sendable, Equatable {
    public var keyID: String
    public var provider: String
    /// For people; may be empty.
    public var label: String
    /// `sk-proj-****abcd`.
    public var keyHint: String
    /// As `KeyVault` made it.
    public var sealedKey: [UInt8]
    public var weight: Int
    /// What the operator wants; `state` is what the provider said.
    public var isEnabled: Bool
    public var state: ProviderKeyState
    public var stateChangedAtMilliseconds: Int64
    /// Exchanges that ended with this key, and attempts with it that failed.
    public var requests: Int
    public var failures: Int
    public var lastUsedAtMilliseconds: Int64?
    public var createdAtMilliseconds: Int64
    public var updatedAtMilliseconds: Int64

    public init(
        keyID: String, provider: String, label: String = "", keyHint: String = "", sealedKey: [UInt8] = [],
        weight: Int = 1, isEnabled: Bool = true, state: ProviderKeyState = .ok,
        stateChangedAtMilliseconds: Int64 = 0, requests: Int = 0, failures: Int = 0,
        lastUsedAtMilliseconds: Int64? = nil, createdAtMilliseconds: Int64 = 0, updatedAtMilliseconds: Int64 = 0
    ) {
        self.keyID = keyID
        self.provider = provider
        self.label = label
        self.keyHint = keyHint
        self.sealedKey = sealedKey
        self.weight = weight
        self.isEnabled = isEnabled
        self.state = state
        self.stateChangedAtMilliseconds = stateChangedAtMilliseconds
        self.requests = requests
        self.failures = failures
        self.lastUsedAtMilliseconds = lastUsedAtMilliseconds
        self.createdAtMilliseconds = createdAtMilliseconds
        self.updatedAtMilliseconds = updatedAtMilliseconds
    }
}

/// What a provider's answers have told about a key.
public enum ProviderKeyState: Sendable, Equatable {
    case ok
    /// Unix time.
    case cooling(untilMilliseconds: Int64)
    /// Until an operator says otherwise.
    case disabled(reason: String)

    /// `ok`, `cooling` or `disabled`.
    public var name: String {
        switch self {
        case .ok: "ok"
        case .cooling: "cooling"
        case .disabled: "disabled"
        }
    }
}

/// What a new key of a provider is made from.
public struct NewProviderKey: Sendable {
    public var provider: String
    public var key: ProviderSecret
    public var label: String
    public var weight: Int
    public var isEnabled: Bool

    public init(
        provider: String, key: ProviderSecret, label: String = "", weight: Int = 1, isEnabled: Bool = true
    ) {
        self.provider = provider
        self.key = key
        self.label = label
        self.weight = weight
        self.isEnabled = isEnabled
    }
}

/// A partial change of a provider's key.
public struct ProviderKeyPatch: Sendable {
    /// A new key in the old one's place; its state is `ok` again.
    public var key: Change<ProviderSecret> = .keep
    public var label: Change<String> = .keep
    public var weight: Change<Int> = .keep
    public var isEnabled: Change<Bool> = .keep
    /// By hand, as to give a disabled key another try.
    public var state: Change<ProviderKeyState> = .keep

    public init() {}
}

/// A provider's key in clear. Printing it in any way shows nothing of it.
public struct ProviderSecret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    public let bytes: [UInt8]

    public init(_ text: String) { bytes = Array(text.utf8) }
    public init(bytes: [UInt8]) { self.bytes = bytes }

    public var description: String { "****" }
    public var debugDescription: String { "****" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// What people recognise it by: the scheme before its last `-` or `_` within eight characters, and the last four. Eight
    /// are hidden at the least: a key that is short shows less of its scheme, or nothing of itself.
    public var hint: String {
        let spare = bytes.count - 12
        guard spare >= 0 else { return "****" }
        let end = bytes.prefix(min(spare, 8)).lastIndex { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
        let start = end.map { String(decoding: bytes[...$0], as: UTF8.self) } ?? ""
        return start + "****" + String(decoding: bytes.suffix(4), as: UTF8.self)
    }
}
