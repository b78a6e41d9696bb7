import HTTP
import LLM
import Reactor

/// Lists of models, each in the shape that the asking SDK reads.
extension Worker {
    /// By whose format a list is asked for.
    enum ModelListShape {
        case openAI, anthropic, gemini

        /// What a model must be good for to be in the list. OpenAI's shape has them all.
        var endpoint: Endpoint? {
            switch self {
            case .openAI: nil
            case .anthropic: .messages
            case .gemini: .geminiGenerate
            }
        }
    }

    /// Answers `GET /v1/models`, `/v1beta/models` and `…/{name}`; false if the path is none of them.
    mutating func answerModels(_ index: UInt32, _ request: RequestView) -> Bool {
        var path = request.path
        let isGemini = Self.hasPrefix(path, "/v1beta")
        path = isGemini ? path.from(7) : Self.hasPrefix(path, "/v1/") ? path.from(3) : path
        guard Self.hasPrefix(path, "/models") else { return false }
        let shape: ModelListShape =
            isGemini || head.known.contains(.xGoogAPIKey)
            ? .gemini : sendsVersion(request.base) ? .anthropic : .openAI
        let c = clients.pointer(index)
        let names = ModelNames(
            providers: c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers,
            caller: restrictsModels(c) ? caller(c) : nil, endpoint: shape.endpoint)
        if path.count == 7 {
            answerModelList(index, names, shape, ModelPage(request.query, shape, decoded: patternScratch))
            return true
        }
        guard path.pointer.unsafelyUnwrapped[7] == UInt8(ascii: "/") else { return false }
        let id = path.from(8)
        guard id.count > 0, id.count <= 1024 else { return false }
        let count = ModelName.decode(id, into: patternScratch)
        guard count > 0, let name = names.find(Bytes(UnsafePointer(patternScratch), count)) else {
            refuse(index, .modelNotFound)
            return true
        }
        var body = HeadWriter(out + Self.ownBodyOffset, capacity: Self.modelRoom)
        Self.write(name, shape, &body)
        answer(index, status: 200, contentType: "application/json", body.count)
        return true
    }

    private static func hasPrefix(_ path: Bytes, _ prefix: StaticString) -> Bool {
        let n = prefix.utf8CodeUnitCount
        return path.count >= n && bytesEqual(path.pointer, prefix.utf8Start, n)
    }

    /// What one entry takes at most: twice a name of 256 bytes, each escaped, with what stands around it.
    private static let modelRoom = 8192

    /// However many there are: the list grows beside the worker's own memory.
    private mutating func answerModelList(
        _ index: UInt32, _ names: ModelNames, _ shape: ModelListShape, _ page: ModelPage
    ) {
        var page = page
        names.visit { page.look(at: $0) }
        page.close()
        var list = Buffer.empty
        var body = HeadWriter(out, capacity: Self.modelRoom)
        body.append(
            shape == .openAI ? "{\"object\":\"list\",\"data\":[" : shape == .anthropic ? "{\"data\":[" : "{\"models\":["
        )
        var position = 0
        var first = ModelNames.Name(provider: .empty, model: .empty, owner: .empty)
        var last = first
        names.visit { name in
            defer { position += 1 }
            guard page.range.contains(position) else { return }
            if position > page.range.lowerBound { body.append(",") } else { first = name }
            last = name
            Self.write(name, shape, &body)
            pool.append(&list, UnsafePointer(out), body.count)
            body = HeadWriter(out, capacity: Self.modelRoom)
        }
        body.append("]")
        switch shape {
        case .openAI: break
        case .anthropic:
            body.append(page.hasMore ? ",\"has_more\":true" : ",\"has_more\":false")
            body.append(",\"first_id\":")
            Self.writeID(page.range.isEmpty ? nil : first, &body)
            body.append(",\"last_id\":")
            Self.writeID(page.range.isEmpty ? nil : last, &body)
        case .gemini:
            if page.hasMore {
                body.append(",\"nextPageToken\":")
                Self.writeID(last, &body)
            }
        }
        body.append("}")
        pool.append(&list, UnsafePointer(out), body.count)
        answer(
            index, status: 200, contentType: "application/json", list.count,
            body: Bytes(list.readPointer, list.count))
        pool.give(&list)
    }

    private static func writeID(_ name: ModelNames.Name?, _ body: inout HeadWriter) {
        guard let name else { return body.append("null") }
        body.append("\"")
        writeText(name, &body)
        body.append("\"")
    }

    private static func writeText(_ name: ModelNames.Name, _ body: inout HeadWriter) {
        if !name.provider.isEmpty {
            body.append(name.provider)
            body.append("/")
        }
        body.append(jsonText: name.model)
    }

    private static func write(_ name: ModelNames.Name, _ shape: ModelListShape, _ body: inout HeadWriter) {
        switch shape {
        case .openAI:
            body.append("{\"id\":\"")
            writeText(name, &body)
            body.append("\",\"object\":\"model\",\"created\":0,\"owned_by\":\"")
            body.append(name.owner)
            body.append("\"}")
        case .anthropic:
            body.append("{\"type\":\"model\",\"id\":\"")
            writeText(name, &body)
            body.append("\",\"display_name\":\"")
            writeText(name, &body)
            body.append("\",\"created_at\":\"1970-01-01T00:00:00Z\"}")
        case .gemini:
            body.append("{\"name\":\"models/")
            writeText(name, &body)
            body.append("\",\"displayName\":\"")
            writeText(name, &body)
            body.append("\",\"supportedGenerationMethods\":[\"generateContent\",\"countTokens\",\"embedContent\"]}")
        }
    }
}

/// Which part of a list is asked for. Whoever asks for no part gets all of it.
struct ModelPage {
    /// Nil: no limit.
    private var limit: Int?
    private var after: Bytes?
    private var before: Bytes?
    private var count = 0
    private var start = 0
    private var end: Int?
    /// Positions in the whole list.
    private(set) var range = 0..<0
    private(set) var hasMore = false

    /// - Parameter decoded: room for two names.
    init(_ query: Bytes, _ shape: Worker.ModelListShape, decoded: UnsafeMutablePointer<UInt8>) {
        switch shape {
        case .openAI: break
        case .anthropic:
            limit = Self.number(QueryParameter.find("limit", in: query).value)
            after = Self.name(QueryParameter.find("after_id", in: query).value, decoded)
            before = Self.name(QueryParameter.find("before_id", in: query).value, decoded + 1024)
        case .gemini:
            limit = Self.number(QueryParameter.find("pageSize", in: query).value)
            after = Self.name(QueryParameter.find("pageToken", in: query).value, decoded)
        }
    }

    private static func number(_ text: Bytes?) -> Int? {
        guard let text, text.count > 0, text.count <= 6, let p = text.pointer else { return nil }
        var number = 0
        for i in 0..<text.count {
            guard p[i] >= UInt8(ascii: "0"), p[i] <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int(p[i] - UInt8(ascii: "0"))
        }
        return number > 0 ? number : nil
    }

    private static func name(_ text: Bytes?, _ decoded: UnsafeMutablePointer<UInt8>) -> Bytes? {
        guard let text, text.count > 0, text.count <= 1024 else { return nil }
        let count = ModelName.decode(text, into: decoded)
        return count > 0 ? Bytes(UnsafePointer(decoded), count) : nil
    }

    /// Takes the list's next name.
    mutating func look(at name: ModelNames.Name) {
        if let after, Self.isEqual(name, after) { start = count + 1 }
        if let before, Self.isEqual(name, before) { end = count }
        count += 1
    }

    /// The whole list was looked at.
    mutating func close() {
        var upper = end ?? count
        var lower = min(start, upper)
        if let limit, upper - lower > limit {
            hasMore = true
            if end != nil { lower = upper - limit } else { upper = lower + limit }
        }
        range = lower..<upper
    }

    private static func isEqual(_ name: ModelNames.Name, _ text: Bytes) -> Bool {
        if name.provider.isEmpty { return name.model.elementsEqual(text) }
        let n = name.provider.count
        return text.count == n + 1 + name.model.count && text.from(0, to: n).elementsEqual(name.provider)
            && text.pointer.unsafelyUnwrapped[n] == UInt8(ascii: "/") && text.from(n + 1).elementsEqual(name.model)
    }
}
