import HTTP
import LLM
import Reactor

/// What a caller's key may do beyond paths and rates, whoever takes the request: how many requests may be open, and
/// which models they may name.
extension Worker {
    /// Takes one of the key's places, which `endExchange` gives back.
    @inline(never)
    mutating func enterLimits(
        _ c: UnsafeMutablePointer<ClientConnection>, _ key: UnsafePointer<CompiledKey>, _ path: Bytes
    ) -> ExchangeError {
        // Who has no place left may ask for the balance, which says so.
        let limit = key.pointee.rest.pointee.maxConcurrent
        guard limit > 0, !Self.asksForAccount(path) else { return .none }
        guard caller(c).pointee.budget.concurrency.acquire(limit: limit) else {
            // When one of them ends nobody knows; a second is what clients wait by themselves.
            c.pointee.exchange.retryAfterMilliseconds = 1000
            return .tooManyOpen
        }
        c.pointee.exchange.holdsPlace = true
        return .none
    }

    private static func asksForAccount(_ path: Bytes) -> Bool {
        path.elementsEqual(Bytes("/v1/token/balance")) || path.elementsEqual(Bytes("/v1/token/usage"))
    }

    @inline(never)
    func leavePlace(_ c: UnsafeMutablePointer<ClientConnection>) {
        c.pointee.exchange.holdsPlace = false
        caller(c).pointee.budget.concurrency.release()
    }

    /// The key may not use every model.
    @inline(__always)
    func restrictsModels(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        let index = c.pointee.exchange.keyIndex
        return index >= 0
            && c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.keys.pointer(index).pointee.restrictsModels
    }

    /// What providers know of the key that the exchange came with.
    func caller(_ c: UnsafeMutablePointer<ClientConnection>) -> UnsafePointer<CallerPolicy> {
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        let key = snapshot.pointee.keys.pointer(c.pointee.exchange.keyIndex)
        return snapshot.pointee.providers.callers.pointer(Int(key.pointee.ordinal))
    }

    /// Whether the model that the body names has still to come: a key that may not use every model waits for it.
    @inline(never)
    func awaitsModel(_ c: UnsafeMutablePointer<ClientConnection>, _ request: RequestView) -> Bool {
        if c.pointee.exchange.requestIsComplete || request.bodyIsNoObject || !bodyNamesModel(request) { return false }
        guard let captures = request.captures else { return true }
        return !captures[SnapshotView.modelMember].isComplete
    }

    /// A body on the path of an LLM API does, and so may any that is JSON.
    private func bodyNamesModel(_ request: RequestView) -> Bool {
        let match = Endpoint.of(path: request.path)
        if match.hasModelInPath { return false }
        if match.endpoint.namesModel { return true }
        return head.known.contains(.contentType)
            && firstField(.contentType).map { MediaType.isJSON(bytes($0, request.base)) } ?? false
    }

    /// A route takes a request of a key that may not use every model: what speaks against it.
    @inline(never)
    func judgeModel(_ c: UnsafeMutablePointer<ClientConnection>, _ request: RequestView) -> ExchangeError {
        let match = Endpoint.of(path: request.path)
        if match.hasModelInPath {
            let text = ModelName.withoutCollection(request.path.from(match.modelStart, to: match.modelEnd))
            return judgeModel(c, encoded: text)
        }
        // OpenAI's Realtime names it in the query.
        if Self.isRealtime(request.path) {
            let found = QueryParameter.find("model", in: request.query)
            if found.isDoubtful { return .conflictingMembers }
            return found.value.map { judgeModel(c, encoded: $0) } ?? .missingModel
        }
        guard request.body.count > 0, bodyNamesModel(request) else { return .none }
        var reader = RequestReader()
        reader.feed(request.body.pointer.unsafelyUnwrapped, request.body.count)
        if reader.modelsDisagree { return .conflictingMembers }
        if request.bodyIsNoObject || reader.isMalformed {
            // A form may name one as well, where nobody reads it.
            return match.endpoint.namesModel ? .missingModel : .none
        }
        if reader.modelCount == 0 { return .none }
        return reader.withModel { name in
            name.isEmpty || !caller(c).pointee.allows(asked: name, model: name, provider: .empty)
                ? .modelNotAllowed : .none
        }
    }

    private func judgeModel(_ c: UnsafeMutablePointer<ClientConnection>, encoded text: Bytes) -> ExchangeError {
        guard text.count <= 1024 else { return .modelNotAllowed }
        let count = ModelName.decode(text, into: patternScratch)
        guard count > 0 else { return .modelNotAllowed }
        let name = Bytes(UnsafePointer(patternScratch), count)
        return caller(c).pointee.allows(asked: name, model: name, provider: .empty) ? .none : .modelNotAllowed
    }

    private static func isRealtime(_ path: Bytes) -> Bool {
        let suffix: StaticString = "/realtime"
        let n = suffix.utf8CodeUnitCount
        guard path.count >= n, let p = path.pointer else { return false }
        return bytesEqual(p + path.count - n, suffix.utf8Start, n)
    }
}

/// One parameter of a query.
enum QueryParameter {
    struct Found {
        /// As it was sent; nil: there is none.
        var value: Bytes?
        /// It is there twice, or a name is escaped: others may read another value.
        var isDoubtful = false
    }

    static func find(_ name: StaticString, in query: Bytes) -> Found {
        let n = name.utf8CodeUnitCount
        var found = Found()
        var start = 0
        while start < query.count {
            var end = start
            while end < query.count && query.pointer.unsafelyUnwrapped[end] != UInt8(ascii: "&") { end += 1 }
            let part = query.from(start, to: end)
            if part.count > n, part.pointer.unsafelyUnwrapped[n] == UInt8(ascii: "="),
                bytesEqual(part.pointer, name.utf8Start, n)
            {
                if found.value != nil { found.isDoubtful = true }
                found.value = part.from(n + 1)
            }
            var i = start
            while i < end && query.pointer.unsafelyUnwrapped[i] != UInt8(ascii: "=") {
                if query.pointer.unsafelyUnwrapped[i] == UInt8(ascii: "%") { found.isDoubtful = true }
                i += 1
            }
            start = end + 1
        }
        return found
    }
}
