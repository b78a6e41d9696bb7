import Reactor
import Store
import Synchronization

/// Owns the cells of providers, their keys, models and callers. They outlive snapshots: publishing a change forgets
/// nothing that was learned and refills nobody's budget.
final class ProviderRegistry: Sendable {
    private struct ProviderEntry {
        var cell: LoadCell
        /// Of requests without a key, if there were any.
        var keyless: LoadCell?
        var record: ProviderRecord
    }

    private struct KeyEntry {
        var cell: LoadCell
        var isEnabled: Bool
        var stateChangedAtMilliseconds: Int64
        var secret: ProviderSecret?
    }

    private struct BudgetEntry {
        var cell: BudgetCell
        var budget: KeyBudget
        var offsetMinutes: Int
    }

    private struct State {
        var providers: [String: ProviderEntry] = [:]
        var keys: [String: KeyEntry] = [:]
        var models: [String: LoadCell] = [:]
        var budgets: [String: BudgetEntry] = [:]
    }

    private let state = Mutex(State())
    /// Turns of names that have no cell of their own.
    let sharedTurns = LoadCell()
    /// Labels in the metrics; 0 is "other".
    let metricLabels = StableNumbers<ModelLabel>()

    static let maxModels = 4096

    init() { _ = metricLabels.number(for: ModelLabel(provider: "other", model: "other", currency: "USD")) }

    /// Snapshots hold the registry, so that none is left.
    deinit {
        state.withLock { state in
            for entry in state.providers.values {
                entry.cell.deallocate()
                entry.keyless?.deallocate()
            }
            for entry in state.keys.values { entry.cell.deallocate() }
            for cell in state.models.values { cell.deallocate() }
            for entry in state.budgets.values { entry.cell.deallocate() }
        }
        sharedTurns.deallocate()
    }

    /// A provider's cell. What was learned of it stands until somebody changes where or how it is asked, turns it on, or makes
    /// another of the same name: then it is a provider of which nothing is known.
    func provider(_ record: ProviderRecord) -> LoadCell {
        state.withLock { state in
            guard let known = state.providers[record.name] else {
                let cell = LoadCell()
                state.providers[record.name] = ProviderEntry(cell: cell, record: record)
                return cell
            }
            if Self.isOther(record, than: known.record) {
                known.cell.forget()
                known.keyless?.forget()
            }
            state.providers[record.name]?.record = record
            return known.cell
        }
    }

    private static func isOther(_ new: ProviderRecord, than old: ProviderRecord) -> Bool {
        new.baseURL != old.baseURL || new.apiType != old.apiType || new.headers != old.headers
            || new.createdAtMilliseconds != old.createdAtMilliseconds || (new.isEnabled && !old.isEnabled)
    }

    /// The cell of a provider that is asked without a key. Its provider's own cell is there already.
    func keyless(_ name: String) -> LoadCell {
        state.withLock { state in
            if let cell = state.providers[name]?.keyless { return cell }
            let cell = LoadCell()
            state.providers[name]?.keyless = cell
            return cell
        }
    }

    /// A name's own count of turns, for as many names as a gateway sensibly has.
    func turns(ofModel name: String) -> LoadCell {
        state.withLock { state in
            if let cell = state.models[name] { return cell }
            guard state.models.count < Self.maxModels else { return sharedTurns }
            let cell = LoadCell()
            state.models[name] = cell
            return cell
        }
    }

    /// The cell of a provider's key. What workers have found out stands until somebody changes the record: enables the
    /// key, puts another in its place, or sets its state by hand.
    ///
    /// - Parameters:
    ///   - secret: what is sealed in the record, which is sealed anew when the master key changes; nil: unreadable.
    ///   - now: Unix milliseconds, of the record's times.
    ///   - monotonicNow: the same moment in the workers' time.
    func key(_ record: ProviderKeyRecord, secret: ProviderSecret?, now: Int64, monotonicNow: UInt64) -> LoadCell {
        state.withLock { state in
            let known = state.keys[record.keyID]
            var entry =
                known ?? KeyEntry(cell: LoadCell(), isEnabled: false, stateChangedAtMilliseconds: .min, secret: nil)
            let isOther = secret != nil && entry.secret != nil && secret != entry.secret
            let isRenewed = known == nil || isOther || (record.isEnabled && !entry.isEnabled)
            let isSet = record.stateChangedAtMilliseconds != entry.stateChangedAtMilliseconds
            var isToBeSet = isRenewed
            // That it cools a worker has written, whose cell this is.
            if case .cooling = record.state {} else { isToBeSet = isToBeSet || isSet }
            if isToBeSet { entry.cell.state.set(Self.word(record.state, now: now, monotonicNow: monotonicNow)) }
            entry.isEnabled = record.isEnabled
            entry.stateChangedAtMilliseconds = record.stateChangedAtMilliseconds
            entry.secret = secret ?? entry.secret
            state.keys[record.keyID] = entry
            return entry.cell
        }
    }

    private static func word(_ state: ProviderKeyState, now: Int64, monotonicNow: UInt64) -> UInt64 {
        switch state {
        case .ok: 0
        case .cooling(let until):
            until > now ? KeyHealth(coolingUntilMilliseconds: monotonicNow + UInt64(until - now)).word : 0
        case .disabled(let reason):
            KeyHealth(disabled: KeyHealth.Reason.allCases.first { "\($0.name)" == reason } ?? .invalid).word
        }
    }

    /// The cell of a caller's key, seeded from its record on first use and when the record's spending has been counted
    /// anew by hand; in between the cell knows better, for the database lags behind.
    func budget(_ record: KeyRecord, offsetMinutes: Int, now: Int64) -> BudgetCell {
        state.withLock { state in
            let budget = record.budget
            if let entry = state.budgets[record.keyID] {
                if Self.isCountedAnew(budget, since: entry.budget, offsetMinutes) {
                    Self.seed(entry.cell, budget, offsetMinutes, now)
                } else if offsetMinutes != entry.offsetMinutes {
                    entry.cell.move(toOffset: offsetMinutes, now: now)
                }
                state.budgets[record.keyID]?.budget = budget
                state.budgets[record.keyID]?.offsetMinutes = offsetMinutes
                return entry.cell
            }
            let cell = BudgetCell()
            Self.seed(cell, budget, offsetMinutes, now)
            state.budgets[record.keyID] = BudgetEntry(cell: cell, budget: budget, offsetMinutes: offsetMinutes)
            return cell
        }
    }

    /// The record has what other processes have counted, too: at least so much was spent. Nothing is changed by a record that
    /// is older than the last fresh count, or newer than the terms of the cell.
    func raiseSpending(_ record: KeyRecord, now: Int64) {
        state.withLock { state in
            guard let entry = state.budgets[record.keyID],
                !Self.isCountedAnew(record.budget, since: entry.budget, entry.offsetMinutes),
                record.budget.countedSinceMilliseconds ?? 0 >= entry.budget.countedSinceMilliseconds ?? 0
            else { return }
            let current = record.budget.at(now, offsetMinutes: entry.offsetMinutes)
            entry.cell.raise(
                Spending(tokens: current.tokensSpent, amount: current.amountSpentMicros),
                periodStart: Self.periodStart(current, entry.offsetMinutes, now))
        }
    }

    private static func periodStart(_ current: KeyBudget, _ offsetMinutes: Int, _ now: Int64) -> Int64 {
        // A clock that was ahead may have come to a later period already.
        let moment = max(now, current.countedSinceMilliseconds ?? now)
        return current.period.start(of: moment, offsetMinutes: offsetMinutes) ?? 0
    }

    private static func seed(_ cell: BudgetCell, _ budget: KeyBudget, _ offsetMinutes: Int, _ now: Int64) {
        let current = budget.at(now, offsetMinutes: offsetMinutes)
        var currency = budget.currency
        cell.seed(
            Spending(tokens: current.tokensSpent, amount: current.amountSpentMicros),
            periodStart: periodStart(current, offsetMinutes, now),
            terms: BudgetTerms(
                period: budget.period, offsetMinutes: offsetMinutes,
                currency: currency.withUTF8 { BudgetTerms.code(Bytes($0.baseAddress, $0.count)) }),
            since: current.countedSinceMilliseconds)
    }

    /// Another currency or period, or a moment from which to count that no calendar explains.
    private static func isCountedAnew(_ new: KeyBudget, since old: KeyBudget, _ offsetMinutes: Int) -> Bool {
        if new.currency != old.currency || new.period != old.period { return true }
        guard let since = new.countedSinceMilliseconds, since != old.countedSinceMilliseconds else { return false }
        return new.period.start(of: since, offsetMinutes: offsetMinutes) != since
    }
}

/// What the metrics of tokens and money are told apart by.
struct ModelLabel: Hashable, Sendable {
    var provider: String
    var model: String
    var currency: String
}
