import Proxy
import Store

/// With which of a provider's keys FastGate itself asks it something: those that work as far as the workers know just
/// now, then those that rest. None that the provider has refused.
enum AskingKeys {
    /// - Parameter status: of the gateway; nil while none serves the provider.
    /// - Returns: in the order in which to try them; a provider without any key is asked without one. Empty: it has keys,
    ///   but none that can be used.
    static func choose(_ keys: [ProviderKeyRecord], _ status: ProviderStatus?, _ vault: KeyVault?) -> [ProviderSecret?]
    {
        if keys.isEmpty { return [nil] }
        let enabled = keys.filter(\.isEnabled).map { (record: $0, state: ProviderKeyJSON.State($0, status).name) }
        return ["ok", "cooling"].flatMap { state in
            enabled.filter { $0.state == state }.compactMap { vault?.open($0.record) }
        }
    }
}
