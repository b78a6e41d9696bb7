import JSON
import Store
import Testing

@testable import Proxy

/// What was learned of providers, and when it is forgotten.
struct ProviderRegistryTests {
    private let registry = ProviderRegistry()
    private let record = ProviderRecord(name: "p", baseURL: "http://127.0.0.1:9/v1", createdAtMilliseconds: 1)

    /// Shuts its breaker, and lets it look slow, unreliable and unwilling to report usage.
    private func spoil(_ cell: LoadCell) {
        for _ in 0..<5 { cell.updateBreaker { $0.failed(nowMilliseconds: 100, wasProbe: false) } }
        cell.measured(firstByteMicroseconds: 500)
        cell.noted(success: false)
        cell.refusesUsage(untilMilliseconds: 900)
        cell.began()
    }

    private func isSpoiled(_ cell: LoadCell) -> Bool {
        cell.breaker.state(nowMilliseconds: 200) == .open && cell.firstByteMicroseconds == 500
            && cell.successShare < 65536 && !cell.isAskedForUsage(nowMilliseconds: 200)
    }

    private func isFresh(_ cell: LoadCell) -> Bool {
        cell.state.value == 0 && cell.firstByteMicroseconds == 0 && cell.successShare == 65536
            && cell.isAskedForUsage(nowMilliseconds: 200)
    }

    @Test func itStandsWhileTheProviderIsAskedAsBefore() {
        let cell = registry.provider(record)
        spoil(cell)
        var same = record
        same.weight = 7
        same.priority = 1
        same.models = ["m"]
        same.timeoutSeconds = 3
        same.updatedAtMilliseconds = 9
        same.isEnabled = false
        #expect(isSpoiled(registry.provider(same)))
    }

    @Test(arguments: ["address", "type", "headers", "turned on", "made anew"])
    func itIsForgottenWhereThatSaysNothingAnyMore(change: String) {
        var before = record
        before.isEnabled = change != "turned on"
        let cell = registry.provider(before)
        let keyless = registry.keyless("p")
        spoil(cell)
        _ = keyless.updateHealth { $0.limited(nowMilliseconds: 100, retryAfterMilliseconds: 5000) }
        var after = record
        switch change {
        case "address": after.baseURL = "http://127.0.0.1:10/v1"
        case "type": after.apiType = "anthropic"
        case "headers": after.headers = ["x-a": "b"]
        case "made anew": after.createdAtMilliseconds = 2
        default: break
        }
        #expect(isFresh(registry.provider(after)))
        #expect(registry.keyless("p").health.isUsable(nowMilliseconds: 200))
        #expect(cell.openExchanges == 1, "what is open stays open")
        spoil(cell)
        #expect(isSpoiled(registry.provider(after)), "once")
    }
}
