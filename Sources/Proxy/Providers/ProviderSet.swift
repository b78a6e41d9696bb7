import Store

/// Everything about providers that a snapshot is made from.
public struct ProviderSet: Sendable {
    /// A provider's key with the key itself, which is in memory only.
    public struct Key: Sendable {
        public var record: ProviderKeyRecord
        /// Nil: the master key that it was sealed with is not there.
        public var secret: ProviderSecret?

        public init(record: ProviderKeyRecord, secret: ProviderSecret?) {
            self.record = record
            self.secret = secret
        }
    }

    public var providers: [ProviderRecord]
    public var keys: [Key]
    public var aliases: [AliasRecord]
    public var prices: [PriceRecord]

    public init(
        providers: [ProviderRecord] = [], keys: [Key] = [], aliases: [AliasRecord] = [], prices: [PriceRecord] = []
    ) {
        self.providers = providers
        self.keys = keys
        self.aliases = aliases
        self.prices = prices
    }

    /// What the database holds now.
    public static func load(from reader: borrowing ReadConnection, vault: KeyVault) throws(StoreError) -> ProviderSet {
        ProviderSet(
            providers: try reader.providers().items,
            keys: try reader.providerKeys().map { Key(record: $0, secret: vault.open($0)) },
            aliases: try reader.aliases().items, prices: try reader.prices().items)
    }
}
