import HTTP
import LLM
import Reactor
import Store

/// What a caller may ask about itself: the models it may use, what it has spent and what is left.
extension Worker {
    /// Answers `GET /v1/models`, `/v1/models/{id}`, `/v1/token/balance` and `/v1/token/usage`; false if the path is none
    /// of them.
    mutating func answerAccount(_ index: UInt32, _ request: RequestView) -> Bool {
        let path = request.path
        let room = Self.outBytes - Self.ownBodyOffset
        var body = HeadWriter(out + Self.ownBodyOffset, capacity: room)
        if path.elementsEqual(Bytes("/v1/models")) || path.elementsEqual(Bytes("/models")) {
            writeModels(index, &body)
        } else if let id = Self.suffix(of: path, after: "/v1/models/") {
            guard writeModel(index, id, &body) else {
                refuse(index, .modelNotFound)
                return true
            }
        } else if path.elementsEqual(Bytes("/v1/token/balance")) {
            guard writeBalance(index, &body) else { return false }
        } else if path.elementsEqual(Bytes("/v1/token/usage")) {
            guard writeUsage(index, &body) else { return false }
        } else {
            return false
        }
        answer(index, status: 200, contentType: "application/json", body.count)
        return true
    }

    private static func suffix(of path: Bytes, after prefix: StaticString) -> Bytes? {
        let n = prefix.utf8CodeUnitCount
        guard path.count > n, bytesEqual(path.pointer, prefix.utf8Start, n) else { return nil }
        return path.from(n)
    }

    // MARK: Models

    /// What one entry of the list may take at most.
    private static let modelRoom = 2048

    /// Every name that the caller may use: aliases and models by their plain names, then each as `provider/model`. A list
    /// too long for one answer ends early.
    private mutating func writeModels(_ index: UInt32, _ body: inout HeadWriter) {
        let c = clients.pointer(index)
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        body.append("{\"object\":\"list\",\"data\":[")
        var isFirst = true
        for i in 0..<providers.models.count {
            let entry = providers.models.pointer(i)
            if entry.pointee.isAlias || providers.resolve(entry.pointee.name)?.entry == Int32(i) {
                write(c, entry.pointee.name, .empty, entry.pointee.candidates, &isFirst, &body)
            }
        }
        for i in 0..<providers.models.count where !providers.models.pointer(i).pointee.isAlias {
            let candidates = providers.models.pointer(i).pointee.candidates
            for j in 0..<candidates.count {
                let name = providers.providers.pointer(Int(candidates[j].provider)).pointee.name
                write(c, candidates[j].model, name, candidates, only: j, &isFirst, &body)
            }
        }
        body.append("]}")
    }

    private func write(
        _ c: UnsafeMutablePointer<ClientConnection>, _ name: Bytes, _ prefix: Bytes, _ candidates: List<Candidate>,
        only: Int = -1, _ isFirst: inout Bool, _ body: inout HeadWriter
    ) {
        guard body.count + Self.modelRoom < Self.outBytes - Self.ownBodyOffset else { return }
        guard let owner = owner(c, asked: name, candidates, only: only) else { return }
        if !isFirst { body.append(",") }
        isFirst = false
        Self.writeModel(name, prefix, owner, &body)
    }

    /// The provider of the first candidate that the caller may use; nil if there is none.
    private func owner(
        _ c: UnsafeMutablePointer<ClientConnection>, asked: Bytes, _ candidates: List<Candidate>, only: Int
    ) -> Bytes? {
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        for i in 0..<candidates.count where only < 0 || only == i {
            let provider = providers.providers.pointer(Int(candidates[i].provider))
            guard provider.pointee.isEnabled else { continue }
            if c.pointee.exchange.keyIndex >= 0 {
                let caller = providers.callers.pointer(Int(c.pointee.exchange.keyIndex))
                guard
                    caller.pointee.allows(
                        asked: asked, model: candidates[i].model, provider: provider.pointee.name)
                else { continue }
            }
            return provider.pointee.name
        }
        return nil
    }

    private static func writeModel(_ name: Bytes, _ prefix: Bytes, _ owner: Bytes, _ body: inout HeadWriter) {
        body.append("{\"id\":\"")
        if !prefix.isEmpty {
            body.append(prefix)
            body.append("/")
        }
        body.append(jsonText: name)
        body.append("\",\"object\":\"model\",\"created\":0,\"owned_by\":\"")
        body.append(owner)
        body.append("\"}")
    }

    /// One model; false if the caller has no such model.
    private mutating func writeModel(_ index: UInt32, _ id: Bytes, _ body: inout HeadWriter) -> Bool {
        let c = clients.pointer(index)
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        guard id.count <= 1024 else { return false }
        let count = ModelName.decode(id, into: patternScratch)
        guard count > 0 else { return false }
        let name = Bytes(UnsafePointer(patternScratch), count)
        guard let resolution = providers.resolve(name) else { return false }
        if resolution.entry >= 0 {
            let candidates = providers.models[Int(resolution.entry)].candidates
            guard let owner = owner(c, asked: name, candidates, only: -1) else { return false }
            Self.writeModel(name, .empty, owner, &body)
            return true
        }
        let provider = providers.providers.pointer(Int(resolution.single.provider))
        let listed = providers.modelNames.find(resolution.single.model)
        guard provider.pointee.isEnabled, listed >= 0 else { return false }
        let candidates = providers.models[listed].candidates
        for i in 0..<candidates.count where candidates[i].provider == resolution.single.provider {
            guard let owner = owner(c, asked: name, candidates, only: i) else { return false }
            Self.writeModel(name, .empty, owner, &body)
            return true
        }
        return false
    }

    // MARK: Account

    private struct Account: BitwiseCopyable {
        var keyID: Bytes
        var caller: UnsafePointer<CallerPolicy>
        var spent: Spending
        var reserved: Spending
        var periodStart: Int64
    }

    private func account(_ c: UnsafeMutablePointer<ClientConnection>) -> Account? {
        guard c.pointee.exchange.keyIndex >= 0 else { return nil }
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        let key = snapshot.pointee.keys.keys.pointer(Int(c.pointee.exchange.keyIndex))
        let caller = snapshot.pointee.providers.callers.pointer(Int(c.pointee.exchange.keyIndex))
        let start = caller.pointee.limits.periodStart(Int64(realtime / 1_000_000))
        let (spent, reserved) = caller.pointee.budget.balance(periodStart: start)
        return Account(
            keyID: key.pointee.keyID, caller: caller, spent: spent, reserved: reserved, periodStart: start)
    }

    private mutating func writeBalance(_ index: UInt32, _ body: inout HeadWriter) -> Bool {
        guard let account = account(clients.pointer(index)) else { return false }
        let limits = account.caller.pointee.limits
        writeAccountStart("token.balance", account, &body)
        body.append(",\"tokens\":{\"limit\":")
        Self.append(limits.maxTokens, &body)
        Self.append(",\"spent\":", account.spent.tokens, &body)
        Self.append(",\"reserved\":", account.reserved.tokens, &body)
        body.append(",\"remaining\":")
        Self.append(limits.maxTokens.map { max($0 - account.spent.tokens - account.reserved.tokens, 0) }, &body)
        body.append("},\"amount\":{\"currency\":\"")
        body.append(account.caller.pointee.currency)
        body.append("\",\"limit_micros\":")
        Self.append(limits.maxAmount, &body)
        Self.append(",\"spent_micros\":", account.spent.amount, &body)
        Self.append(",\"reserved_micros\":", account.reserved.amount, &body)
        body.append(",\"remaining_micros\":")
        Self.append(limits.maxAmount.map { max($0 - account.spent.amount - account.reserved.amount, 0) }, &body)
        body.append("},\"concurrency\":{\"limit\":")
        Self.append(account.caller.pointee.maxConcurrent, &body)
        body.append(",\"open\":")
        Self.append(
            account.caller.pointee.maxConcurrent.map { _ in account.caller.pointee.budget.concurrency.openCount },
            &body)
        body.append("}}")
        return true
    }

    private mutating func writeUsage(_ index: UInt32, _ body: inout HeadWriter) -> Bool {
        guard let account = account(clients.pointer(index)) else { return false }
        writeAccountStart("token.usage", account, &body)
        Self.append(",\"total_tokens\":", account.spent.tokens, &body)
        Self.append(",\"cost_micros\":", account.spent.amount, &body)
        body.append(",\"currency\":\"")
        body.append(account.caller.pointee.currency)
        body.append("\"}")
        return true
    }

    private func writeAccountStart(_ object: StaticString, _ account: Account, _ body: inout HeadWriter) {
        let limits = account.caller.pointee.limits
        let now = Int64(realtime / 1_000_000)
        body.append("{\"object\":\"")
        body.append(object)
        body.append("\",\"key_id\":\"")
        body.append(jsonText: account.keyID)
        body.append("\",\"period\":\"")
        switch limits.period {
        case .total: body.append("total")
        case .daily: body.append("daily")
        case .monthly: body.append("monthly")
        }
        body.append("\",\"period_start\":")
        Self.append(limits.period == .total ? nil : account.periodStart / 1000, &body)
        body.append(",\"period_end\":")
        Self.append(limits.period.end(of: now, offsetMinutes: limits.offsetMinutes).map { $0 / 1000 }, &body)
    }

    private static func append(_ name: StaticString, _ value: Int64, _ body: inout HeadWriter) {
        body.append(name)
        append(value, &body)
    }

    private static func append(_ value: Int64?, _ body: inout HeadWriter) {
        guard let value else { return body.append("null") }
        if value < 0 { body.append("-") }
        body.append(decimal: value.magnitude)
    }
}

extension HeadWriter {
    /// A string's content in JSON (RFC 8259 §7).
    mutating func append(jsonText text: Bytes) {
        let digits: StaticString = "0123456789abcdef"
        for i in 0..<text.count {
            let c = text.pointer.unsafelyUnwrapped[i]
            if c == UInt8(ascii: "\"") || c == UInt8(ascii: "\\") {
                append(byte: UInt8(ascii: "\\"))
                append(byte: c)
            } else if c < 0x20 {
                append("\\u00")
                append(byte: digits.utf8Start[Int(c >> 4)])
                append(byte: digits.utf8Start[Int(c & 15)])
            } else {
                append(byte: c)
            }
        }
    }
}
