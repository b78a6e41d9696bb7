import Glibc
import HTTP
import Inflate
import LLM
import Reactor

/// A request as a provider gets it: under its path, with its key, asking for what can be read, for the model by the name
/// that it has there.
extension Worker {
    // MARK: Head

    /// The provider's path, its model in place of the one asked for if the path holds it, and the query.
    func writeProviderTarget(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ path: Bytes,
        _ writer: inout HeadWriter
    ) {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let candidate = candidate(c, side)
        let join = providers.providers.pointer(Int(candidate.pointee.provider)).pointee.path
        let match = side.pointee.endpoint
        writer.append(join.base)
        let (lead, start) = join.split(path)
        writer.append(lead)
        guard match.hasModelInPath, match.modelStart >= start else {
            writer.append(path.from(start))
            return writeProviderQuery(c, base, &writer)
        }
        writer.append(path.from(start, to: match.modelStart))
        let asked = Bytes(side.pointee.name.readPointer, side.pointee.name.count)
        if candidate.pointee.model.elementsEqual(asked) {
            writer.append(path.from(match.modelStart, to: match.modelEnd))
        } else {
            PercentEncoding.write(candidate.pointee.model, &writer)
        }
        writer.append(path.from(match.modelEnd))
        writeProviderQuery(c, base, &writer)
    }

    private func writeProviderQuery(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) {
        if head.queryLength > 0 { writeQuery(c, base, &writer) }
    }

    /// The codings that the answer may have, and Anthropic's version if the client named none.
    func writeProviderRequestFields(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let key = providers.keys.pointer(Int(side.pointee.key))
        let provider = providers.providers.pointer(Int(key.pointee.provider))
        writer.append("accept-encoding: ")
        // A stream is read, cut and ended event by event.
        if side.pointee.asksForStream || !head.known.contains(.acceptEncoding) {
            writer.append("identity\r\n")
        } else if let field = firstField(.acceptEncoding) {
            writer.append(AcceptedCodings(bytes(field, base)).value)
            writer.append("\r\n")
        }
        if provider.pointee.apiType == .anthropic, !provider.pointee.hasVersionHeader, !sendsVersion(base) {
            writer.append("anthropic-version", "2023-06-01")
        }
    }

    /// The request says which version of Anthropic's API it means.
    func sendsVersion(_ base: UnsafePointer<UInt8>) -> Bool {
        let name: StaticString = "anthropic-version"
        for i in 0..<Int(head.fieldCount)
        where Int(fields[i].nameLength) == name.utf8CodeUnitCount
            && equalsIgnoringCase(base + Int(fields[i].nameOffset), name.utf8CodeUnitCount, name)
        {
            return true
        }
        return false
    }
}

/// Of the codings that a client accepts those that a reader can undo.
struct AcceptedCodings: BitwiseCopyable {
    var gzip = false
    var deflate = false

    init(_ value: Bytes) {
        guard let p = value.pointer else { return }
        var tokens = FieldListTokens(p, value.count)
        while let token = tokens.next() {
            let isRefused = Self.isRefused(p + token.offset, token.count)
            var n = 0
            while n < token.count && p[token.offset + n] != UInt8(ascii: ";") && p[token.offset + n] != 0x20 { n += 1 }
            let name = Bytes(p + token.offset, n)
            if isRefused { continue }
            if n == 1 && p[token.offset] == UInt8(ascii: "*") {
                gzip = true
            } else if let coding = Inflater.Coding(contentEncoding: name) {
                if coding == .gzip { gzip = true } else { deflate = true }
            }
        }
    }

    var value: StaticString {
        switch (gzip, deflate) {
        case (true, true): "gzip, deflate"
        case (true, false): "gzip"
        case (false, true): "deflate"
        case (false, false): "identity"
        }
    }

    /// `;q=0`, `;q=0.0`, … (RFC 9110 §12.4.2).
    private static func isRefused(_ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        var i = 0
        while i + 2 < n && !(p[i] | 0x20 == UInt8(ascii: "q") && p[i + 1] == UInt8(ascii: "=") && i > 0) { i += 1 }
        guard i + 2 < n, p[i + 2] == UInt8(ascii: "0") else { return false }
        i += 3
        while i < n {
            if p[i] >= UInt8(ascii: "1") && p[i] <= UInt8(ascii: "9") { return false }
            i += 1
        }
        return true
    }
}

/// Percent-encoding (RFC 3986 §2.1), for a model's name in a path: its slashes stay.
enum PercentEncoding {
    static func write(_ text: Bytes, _ writer: inout HeadWriter) {
        let digits: StaticString = "0123456789ABCDEF"
        for i in 0..<text.count {
            let c = text.pointer.unsafelyUnwrapped[i]
            switch c {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "/"), UInt8(ascii: "@"):
                writer.append(byte: c)
            default:
                writer.append(byte: UInt8(ascii: "%"))
                writer.append(byte: digits.utf8Start[Int(c >> 4)])
                writer.append(byte: digits.utf8Start[Int(c & 15)])
            }
        }
    }
}

extension Bytes {
    func from(_ start: Int) -> Bytes { from(start, to: count) }

    func from(_ start: Int, to end: Int) -> Bytes {
        guard let pointer, start < end else { return .empty }
        return Bytes(pointer + start, end - start)
    }
}

/// What the request says, and the body that a candidate gets.
extension Worker {
    /// Reads the whole request: which model it names, how much it may come to.
    mutating func readFacts(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ request: RequestView
    ) -> ExchangeError {
        let body = request.body
        let match = side.pointee.endpoint
        let type = formType(UnsafePointer(c.pointee.inbound.readPointer))
        if type.isEmpty {
            if let p = body.pointer { side.pointee.request.feed(p, body.count) }
            side.pointee.promptEstimate = side.pointee.request.promptEstimate
            if match.endpoint == .speech { side.pointee.characters = side.request.spokenCharacters(in: body) }
            side.pointee.asksForUsage =
                side.pointee.request.isWhole && !side.pointee.request.isMalformed
                && side.pointee.request.needsUsageOption(endpoint: match.endpoint)
            if side.pointee.request.streams { c.pointee.exchange.isStream = true }
        } else {
            side.pointee.isForm = true
            side.pointee.form = freshProviderExchange.pointee.form
            side.pointee.form.read(body, contentType: type)
            if side.pointee.form.streams { c.pointee.exchange.isStream = true }
        }
        if match.hasModelInPath {
            let text = ModelName.withoutCollection(request.path.from(match.modelStart, to: match.modelEnd))
            guard text.count <= RequestReader.modelCapacity * 3 else { return .modelNotFound }
            side.pointee.endpoint.modelStart = match.modelEnd - text.count
            side.pointee.name = pool.take(atLeast: text.count)
            let count = ModelName.decode(text, into: side.pointee.name.writePointer)
            guard count > 0 else { return .modelNotFound }
            side.pointee.name.produce(count)
            return match.endpoint.apiType == .openai ? nameDeployment(c, side) : .none
        }
        if side.pointee.isForm {
            let form = side.form
            guard form.pointee.isWhole, let span = form.pointee.model, span.end > span.start, let p = body.pointer
            else {
                return .missingModel
            }
            if form.pointee.modelsDisagree { return .conflictingMembers }
            guard span.end &- span.start <= UInt64(RequestReader.modelCapacity) else { return .modelNotFound }
            pool.append(&side.pointee.name, p + Int(span.start), Int(span.end &- span.start))
            return .none
        }
        guard side.pointee.request.isWhole, !side.pointee.request.isMalformed else { return .missingModel }
        if side.pointee.request.modelsDisagree { return .conflictingMembers }
        if side.pointee.request.modelIsTooLong { return .modelNotFound }
        let name = side.request.modelName
        pool.append(&side.pointee.name, name.pointer.unsafelyUnwrapped, name.count)
        guard !side.pointee.name.isEmpty else { return .missingModel }
        return .none
    }

    /// Azure's deployment decides, if a provider has it under that name. Else the body's model tells which provider; the
    /// path stays as it is, and the key has to be allowed the deployment too.
    private mutating func nameDeployment(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> ExchangeError {
        let request = side.request
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let deployment = Bytes(side.pointee.name.readPointer, side.pointee.name.count)
        guard request.pointee.isWhole, !request.pointee.isMalformed, !request.pointee.modelsDisagree,
            !request.pointee.modelIsTooLong, request.pointee.modelSpan != nil, providers.resolve(deployment) == nil
        else { return .none }
        if c.pointee.exchange.keyIndex >= 0 {
            guard caller(c).pointee.allows(asked: deployment, model: deployment, provider: .empty) else {
                return .modelNotAllowed
            }
        }
        pool.give(&side.pointee.name)
        let name = request.modelName
        pool.append(&side.pointee.name, name.pointer.unsafelyUnwrapped, name.count)
        (side.pointee.endpoint.modelStart, side.pointee.endpoint.modelEnd) = (0, 0)
        return side.pointee.name.isEmpty ? .missingModel : .none
    }

    /// The request's Content-Type if its body is a form, else nothing.
    private func formType(_ base: UnsafePointer<UInt8>) -> Bytes {
        guard head.known.contains(.contentType), let field = firstField(.contentType) else { return .empty }
        let type = bytes(field, base)
        return FormReader.isForm(contentType: type) ? type : .empty
    }

    /// Writes the body anew if this candidate has the model under another name, or has to be asked for usage.
    mutating func rewriteForProvider(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ candidate: Candidate
    ) {
        pool.give(&c.pointee.exchange.rewrittenBody)
        let asked = Bytes(side.pointee.name.readPointer, side.pointee.name.count)
        let isOther = !side.pointee.endpoint.hasModelInPath && !candidate.model.elementsEqual(asked)
        guard isOther || side.pointee.asksForUsage else { return }
        let body = body(c)
        if side.pointee.isForm {
            guard let p = body.pointer, let span = side.pointee.form.model else { return }
            c.pointee.exchange.rewrittenBody = pool.take(atLeast: body.count + candidate.model.count)
            pool.append(&c.pointee.exchange.rewrittenBody, p, Int(span.start))
            if let name = candidate.model.pointer {
                pool.append(&c.pointee.exchange.rewrittenBody, name, candidate.model.count)
            }
            pool.append(&c.pointee.exchange.rewrittenBody, p + Int(span.end), body.count - Int(span.end))
            return
        }
        let room = RequestEdit.capacity(bodyCount: body.count, modelCount: candidate.model.count)
        c.pointee.exchange.rewrittenBody = pool.take(atLeast: room)
        let written = RequestEdit.apply(
            body, side.request, model: isOther ? candidate.model : nil,
            includeUsage: side.pointee.asksForUsage, into: c.pointee.exchange.rewrittenBody.writePointer)
        c.pointee.exchange.rewrittenBody.produce(written)
    }
}
