import JSON
import Reactor

/// Puts an OpenAI-style event stream together again, as the answer would have been without streaming: role, content,
/// reasoning, tool calls, finish_reason and usage. Of OpenAI's Responses API the last whole `response` is taken.
struct StreamMerge {
    /// Of choices, and of tool calls in each: answers have a few. What comes on top is left out, so that no answer makes
    /// the writer search long lists for every piece.
    static let maximumParts = 128

    /// The merged answer as JSON text; nil if the stream is of another kind. Where not all of the answer is in it, its first
    /// member is `"truncated": true`.
    ///
    /// - Parameters:
    ///   - isCut: `body` is only the start of the stream.
    ///   - limit: bytes of the text. Contents, reasoning and arguments are shortened to fit, so that what comes behind them
    ///     stays: finish_reason and usage. An answer that is too long without them is longer than the limit.
    static func merged(_ body: UnsafeRawBufferPointer, isCut: Bool = false, limit: Int = .max) -> String? {
        var merge = StreamMerge()
        merge.isTruncated = isCut
        ServerSentEvents.forEach(in: body) { data in merge.add(data) }
        guard let text = merge.result?.serialized() else { return nil }
        if text.utf8.count <= limit { return text }
        merge.isTruncated = true
        guard let marked = merge.result?.serialized() else { return nil }
        merge.shorten(by: marked.utf8.count - limit)
        return merge.result?.serialized()
    }

    private var isTruncated = false
    private var header = JSONObject()
    private var choices: [Choice] = []
    private var usage: JSONValue?
    private var error: JSONValue?
    private var response: JSONValue?

    private mutating func add(_ data: [UInt8]) {
        guard data.first != UInt8(ascii: "["), let event = try? JSONValue(parsing: data), event.objectValue != nil
        else { return }
        if let type = event["type"]?.stringValue, type.hasPrefix("response."), let whole = event["response"],
            whole.objectValue != nil
        {
            response = whole
            return
        }
        if let given = event["error"], !given.isNull { error = given }
        guard let list = event["choices"]?.arrayValue else { return }
        for name in ["id", "object", "created", "model", "system_fingerprint", "service_tier", "provider"] {
            if header[name] == nil, let value = event[name], !value.isNull { header[name] = value }
        }
        for given in [event["x_groq"]?["usage"], event["usage"]] {
            if let given, !given.isNull { usage = given }
        }
        for (position, piece) in list.enumerated() {
            let index = piece["index"]?.intValue ?? position
            var at = choices.firstIndex { $0.index == index }
            if at == nil, choices.count < Self.maximumParts {
                choices.append(Choice(index: index))
                at = choices.count - 1
            }
            if let at { choices[at].add(piece) }
        }
    }

    private var result: JSONValue? {
        if choices.isEmpty && header.isEmpty {
            guard let response = response?.objectValue else { return nil }
            return .object(marked(response))
        }
        var whole = marked(header)
        if header["object"]?.stringValue == "chat.completion.chunk" { whole["object"] = "chat.completion" }
        whole["choices"] = .array(choices.sorted { $0.index < $1.index }.map(\.value))
        if let usage { whole["usage"] = usage }
        if let error { whole["error"] = error }
        return .object(whole)
    }

    /// The mark stands first, where it is not cut off.
    private func marked(_ object: JSONObject) -> JSONObject {
        guard isTruncated else { return object }
        var marked: JSONObject = JSONObject([("truncated", .bool(true))])
        for member in object where member.name != "truncated" { marked[member.name] = member.value }
        return marked
    }

    /// Takes `excess` bytes of JSON from the ends of the longest texts, all of them cut to one length.
    private mutating func shorten(by excess: Int) {
        var lengths: [Int] = []
        for i in choices.indices { choices[i].forEachText { lengths.append(Self.jsonLength($0)) } }
        lengths.sort()
        var room = max(lengths.reduce(0, +) - excess, 0)
        var longest = Int.max
        for (i, length) in lengths.enumerated() {
            let share = room / (lengths.count - i)
            if length > share {
                longest = share
                break
            }
            room -= length
        }
        for i in choices.indices { choices[i].forEachText { Self.cut(&$0, to: longest) } }
    }

    /// Keeps so much of a text that it takes no more than `length` bytes of JSON.
    private static func cut(_ text: inout String, to length: Int) {
        var left = length
        var end = text.utf8.startIndex
        while end != text.utf8.endIndex {
            left -= jsonLength(text.utf8[end])
            if left < 0 { break }
            end = text.utf8.index(after: end)
        }
        while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        text.removeSubrange(end...)
    }

    private static func jsonLength(_ text: String) -> Int { text.utf8.reduce(0) { $0 + jsonLength($1) } }

    /// Bytes of a byte in a JSON string, as `JSONText` writes it.
    private static func jsonLength(_ byte: UInt8) -> Int {
        switch byte {
        case 0x22, 0x5C, 0x08, 0x09, 0x0A, 0x0C, 0x0D: 2
        case ..<0x20: 6
        default: 1
        }
    }

    private struct ToolCall {
        var index: Int?
        var id: String?
        var type: String?
        var name = ""
        var arguments = ""
    }

    private struct Choice {
        let index: Int
        var role: String?
        var content: String?
        /// Member name (`reasoning_content`, `reasoning`, `refusal`) to text, in order of appearance.
        var texts: [(name: String, text: String)] = []
        /// Of the old completions API.
        var plainText: String?
        var toolCalls: [ToolCall] = []
        var functionCall: ToolCall?
        var finishReason: JSONValue = .null

        init(index: Int) { self.index = index }

        /// All that may be long.
        mutating func forEachText(_ body: (inout String) -> Void) {
            if content != nil { body(&content!) }
            if plainText != nil { body(&plainText!) }
            for i in texts.indices { body(&texts[i].text) }
            for i in toolCalls.indices { body(&toolCalls[i].arguments) }
            if functionCall != nil { body(&functionCall!.arguments) }
        }

        mutating func add(_ piece: JSONValue) {
            if let reason = piece["finish_reason"], !reason.isNull { finishReason = reason }
            if let text = piece["text"]?.stringValue { Self.append(text, to: &plainText) }
            if let delta = piece["delta"], delta.objectValue != nil {
                addDelta(delta)
            } else if let message = piece["message"], message.objectValue != nil {
                // A whole message instead of a piece.
                content = nil
                texts = []
                toolCalls = []
                addDelta(message)
            }
        }

        private mutating func addDelta(_ delta: JSONValue) {
            if let given = delta["role"]?.stringValue, !given.isEmpty { role = given }
            addContent(delta["content"])
            for name in ["reasoning_content", "reasoning", "refusal"] {
                if let text = delta[name]?.stringValue { addText(name, text) }
            }
            for call in delta["tool_calls"]?.arrayValue ?? [] { addToolCall(call) }
            if let call = delta["function_call"], call.objectValue != nil {
                if functionCall == nil { functionCall = ToolCall() }
                functionCall?.name += call["name"]?.stringValue ?? ""
                functionCall?.arguments += call["arguments"]?.stringValue ?? ""
            }
        }

        /// Mostly a string; some send an array of parts.
        private mutating func addContent(_ given: JSONValue?) {
            if let text = given?.stringValue { Self.append(text, to: &content) }
            for part in given?.arrayValue ?? [] {
                if let text = part["text"]?.stringValue { Self.append(text, to: &content) }
                for thought in part["thinking"]?.arrayValue ?? [] {
                    if let text = thought["text"]?.stringValue { addText("reasoning_content", text) }
                }
            }
        }

        /// In place: what is there already is not copied for each piece.
        private static func append(_ piece: String, to text: inout String?) {
            if text == nil { text = piece } else { text?.append(piece) }
        }

        private mutating func addText(_ name: String, _ text: String) {
            if let at = texts.firstIndex(where: { $0.name == name }) {
                texts[at].text += text
            } else {
                texts.append((name: name, text: text))
            }
        }

        private mutating func addToolCall(_ call: JSONValue) {
            let index = call["index"]?.intValue
            let id = call["id"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
            var at: Int?
            if let index {
                at = toolCalls.lastIndex { $0.index == index }
                // Some send every call whole under the same index.
                if let found = at, let id, let known = toolCalls[found].id, known != id { at = nil }
            } else if let id {
                at = toolCalls.lastIndex { $0.id == id }
            } else {
                at = toolCalls.indices.last
            }
            if at == nil, toolCalls.count < StreamMerge.maximumParts {
                toolCalls.append(ToolCall(index: index))
                at = toolCalls.count - 1
            }
            guard let at else { return }
            if let id { toolCalls[at].id = id }
            if let type = call["type"]?.stringValue, !type.isEmpty { toolCalls[at].type = type }
            if let name = call["function"]?["name"]?.stringValue, !name.isEmpty, toolCalls[at].name != name {
                toolCalls[at].name += name
            }
            switch call["function"]?["arguments"] {
            case .string(let text): toolCalls[at].arguments += text
            case .object(let object): toolCalls[at].arguments += JSONValue.object(object).serialized()
            default: break
            }
        }

        var value: JSONValue {
            var choice = JSONObject()
            choice["index"] = .integer(index)
            if let plainText, role == nil, content == nil {
                choice["text"] = .string(plainText)
            } else {
                choice["message"] = .object(message)
            }
            choice["finish_reason"] = finishReason
            return .object(choice)
        }

        private var message: JSONObject {
            var message = JSONObject()
            message["role"] = .string(role ?? "assistant")
            message["content"] = content.map(JSONValue.string) ?? .null
            for (name, text) in texts { message[name] = .string(text) }
            if !toolCalls.isEmpty {
                message["tool_calls"] = .array(
                    toolCalls.map { call in
                        var object = JSONObject()
                        if let id = call.id { object["id"] = .string(id) }
                        object["type"] = .string(call.type ?? "function")
                        object["function"] = ["name": .string(call.name), "arguments": .string(call.arguments)]
                        return .object(object)
                    })
            }
            if let functionCall {
                message["function_call"] = [
                    "name": .string(functionCall.name), "arguments": .string(functionCall.arguments),
                ]
            }
            return message
        }
    }
}

/// Server-sent events of a whole body (WHATWG HTML §9.2).
enum ServerSentEvents {
    /// Calls `body` with the data of every event; an unfinished last one counts too, since a recorded body may be cut.
    static func forEach(in bytes: UnsafeRawBufferPointer, _ body: ([UInt8]) -> Void) {
        var data: [UInt8] = []
        var hasData = false
        var position = 0
        func line() -> Range<Int>? {
            guard position < bytes.count else { return nil }
            let start = position
            while position < bytes.count, bytes[position] != 0x0A, bytes[position] != 0x0D { position += 1 }
            let end = position
            if position < bytes.count {
                position += bytes[position] == 0x0D && position + 1 < bytes.count && bytes[position + 1] == 0x0A ? 2 : 1
            }
            return start..<end
        }
        while let range = line() {
            if range.isEmpty {
                if hasData { body(data) }
                data.removeAll(keepingCapacity: true)
                hasData = false
                continue
            }
            let name = Array("data".utf8)
            guard range.count >= 4, bytes[range].starts(with: name) else { continue }
            guard range.count == 4 || bytes[range.lowerBound + 4] == UInt8(ascii: ":") else { continue }
            if hasData { data.append(0x0A) }
            hasData = true
            var start = min(range.lowerBound + 5, range.upperBound)
            if start < range.upperBound, bytes[start] == 0x20 { start += 1 }
            data.append(contentsOf: bytes[start..<range.upperBound])
        }
        if hasData { body(data) }
    }
}
