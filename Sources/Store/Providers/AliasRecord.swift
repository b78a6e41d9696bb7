/// Another name for a model, or for an ordered list of them.
public struct AliasRecord: Sendable, Equatable {
    public var name: String
    /// Tried in this order. A target is `provider/model` or a model's plain name and never another alias, so that an
    /// alias can carry the name of the first model of its own list.
    public var targets: [String]
    public var isEnabled: Bool
    public var createdAtMilliseconds: Int64
    public var updatedAtMilliseconds: Int64

    public init(
        name: String, targets: [String], isEnabled: Bool = true, createdAtMilliseconds: Int64 = 0,
        updatedAtMilliseconds: Int64 = 0
    ) {
        self.name = name
        self.targets = targets
        self.isEnabled = isEnabled
        self.createdAtMilliseconds = createdAtMilliseconds
        self.updatedAtMilliseconds = updatedAtMilliseconds
    }
}
