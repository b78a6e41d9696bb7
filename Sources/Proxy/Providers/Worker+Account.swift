import HTTP
import LLM
import Reactor
import Store

/// What a caller may ask about itself: the models it may use, what it has spent and what is left.
extension Worker {
    /// Answers lists of models, `GET /v1/token/balance` and `/v1/token/usage`; false if the path is none of them.
    mutating func answerAccount(_ index: UInt32, _ request: RequestView) -> Bool {
        if answerModels(index, request) { return true }
        let path = request.path
        var body = HeadWriter(out + Self.ownBodyOffset, capacity: Self.outBytes - Self.ownBodyOffset)
        if path.elementsEqual(Bytes("/v1/token/balance")) {
            guard writeBalance(index, &body) else { return false }
        } else if path.elementsEqual(Bytes("/v1/token/usage")) {
            guard writeUsage(index, &body) else { return false }
        } else {
            return false
        }
        answer(index, status: 200, contentType: "application/json", body.count)
        return true
    }

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
        let key = snapshot.pointee.keys.pointer(c.pointee.exchange.keyIndex)
        let caller = caller(c)
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
        let open = account.caller.pointee.budget.concurrency.openCount
        Self.append(account.caller.pointee.maxConcurrent.map { _ in open }, &body)
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
