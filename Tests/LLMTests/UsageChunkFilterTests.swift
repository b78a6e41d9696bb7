import Testing

@testable import LLM

struct UsageChunkFilterTests {
    static let content = #"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":null}"#
    static let usage = #"data: {"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#
    static let azure = #"data: {"choices":[],"created":0,"prompt_filter_results":[{"prompt_index":0}]}"#

    /// What the client gets of `text`, cut where `next` says.
    static func filtered(_ text: [UInt8], _ next: (Int) -> Int) -> (text: [UInt8], removed: UInt32, mostHeld: Int) {
        var filter = UsageChunkFilter()
        let hold = UnsafeMutablePointer<UInt8>.allocate(capacity: UsageChunkFilter.holdCapacity)
        defer { hold.deallocate() }
        var out: [UInt8] = []
        var mostHeld = 0
        var at = 0
        while at < text.count {
            let n = next(text.count - at)
            text.withUnsafeBufferPointer { buffer in
                let p = buffer.baseAddress! + at
                pieces: while true {
                    switch filter.next(p, n, hold: hold) {
                    case .end: break pieces
                    case .pass(let start, let count):
                        out.append(contentsOf: UnsafeBufferPointer(start: p + start, count: count))
                    case .passHeld(let count):
                        out.append(contentsOf: UnsafeBufferPointer(start: hold, count: count))
                    }
                }
            }
            mostHeld = max(mostHeld, filter.held)
            at += n
        }
        if case .passHeld(let count) = filter.finish() {
            out.append(contentsOf: UnsafeBufferPointer(start: hold, count: count))
        }
        return (out, filter.removed, mostHeld)
    }

    @Test(arguments: ["\n", "\r\n", "\r"])
    func onlyTheUsageChunkGoes(lineEnd: String) {
        let comment = ": ping"
        func text(_ lines: [String]) -> [UInt8] {
            Array(lines.map { $0 + lineEnd + lineEnd }.joined().utf8)
        }
        let whole = text([Self.azure, comment, Self.content, Self.content, Self.usage, "data: [DONE]"])
        let wanted = text([Self.azure, comment, Self.content, Self.content, "data: [DONE]"])
        for piece in [1, 2, 3, 5, 17, 64, 100, 300, 10_000] {
            let found = Self.filtered(whole) { min($0, piece) }
            #expect(found.text == wanted, "pieces of \(piece)")
            #expect(found.removed == 1)
        }
        for cut in 1..<whole.count {
            var first = true
            let found = Self.filtered(whole) { rest in
                defer { first = false }
                return first ? cut : rest
            }
            #expect(found.text == wanted, "cut at \(cut)")
        }
    }

    @Test(arguments: [
        // Members in another order, escaped names, white space, an `event` or `id` line that belongs to it.
        #"data: {"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"choices":[]}"#,
        #"data: {"us\u0061ge":{"prompt_tokens":1},"cho\u0069ces":[ ]}"#,
        "data:{\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1}}",
        "id: 7\nevent: chunk\ndata: {\"choices\":[],\"usage\":{\"total_tokens\":1}}",
    ])
    func variantsGo(event: String) {
        for piece in [1, 9, 1000] {
            let found = Self.filtered(Array("\(Self.content)\n\n\(event)\n\ndata: [DONE]\n\n".utf8)) { min($0, piece) }
            #expect(String(decoding: found.text, as: UTF8.self) == "\(Self.content)\n\ndata: [DONE]\n\n")
        }
    }

    @Test(arguments: [
        #"data: {"choices":[],"usage":null}"#,
        #"data: {"choices":[],"usage":{}}"#,
        #"data: {"choices":[]}"#,
        #"data: {"usage":{"prompt_tokens":1}}"#,
        #"data: {"choices":null,"usage":{"prompt_tokens":1}}"#,
        #"data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#,
        #"data: {"choices":[],"usage":{"prompt_tokens":1},"usage":null}"#,
        #"data: {"choices":[],"usage":{"prompt_tokens":1}"#,
        #"data: {"choices":[],"usage":{"prompt_tokens":1}}}"#,
        #"data: {"error":{"message":"x"},"choices":[],"usage":{"prompt_tokens":1}}"#,
        #"data: {"choices":"[]","usage":{"prompt_tokens":1}}"#,
        "data: nonsense", "nonsense", ":", "data", "data:", "retry: 100",
        #"{"choices":[],"usage":{"prompt_tokens":1}}"#,
    ])
    func allElsePasses(event: String) {
        let text = Array("\(event)\n\n\(Self.content)\n\n\(event)\n\n".utf8)
        for piece in [1, 7, 1000] {
            let found = Self.filtered(text) { min($0, piece) }
            #expect(String(decoding: found.text, as: UTF8.self) == String(decoding: text, as: UTF8.self))
            #expect(found.removed == 0)
        }
    }

    @Test func contentIsNotHeldLongerThanItTakesToKnow() {
        let found = Self.filtered(Array((Self.content + "\n\n").utf8)) { min($0, 1) }
        #expect(found.mostHeld <= Self.content.utf8.count / 2)
        #expect(Self.filtered(Array(": a comment that takes long\n".utf8)) { min($0, 1) }.mostHeld == 0)
    }

    @Test func anEventThatDoesNotFitPasses() {
        let long =
            #"data: {"x":""# + String(repeating: "y", count: 20_000) + #"","choices":[],"usage":{"total_tokens":1}}"#
        let text = Array((long + "\n\n" + Self.usage + "\n\n").utf8)
        for piece in [100, 5000] {
            let found = Self.filtered(text) { min($0, piece) }
            #expect(String(decoding: found.text, as: UTF8.self) == long + "\n\n")
            #expect(found.mostHeld <= UsageChunkFilter.holdCapacity)
        }
    }

    @Test func whatIsHeldAtTheEndPasses() {
        for tail in [String(Self.usage.dropLast(3)), "dat", "data: {\"choices\":[]"] {
            let text = Array((Self.content + "\n\n" + tail).utf8)
            #expect(Self.filtered(text) { min($0, 11) }.text == text)
        }
        #expect(Self.filtered(Array(Self.usage.utf8)) { min($0, 11) }.text.isEmpty)
    }

    /// Of the recorded streams just their usage chunks go, however they are cut.
    @Test func recordedStreams() {
        var random = SplitMix(seed: 3)
        var removed = 0
        for exchange in Corpus.exchanges
        where exchange.isStream && exchange.endpoint.hasSuffix("completions") && !exchange.body.isEmpty {
            let whole = Self.filtered(exchange.body) { $0 }
            for longest in [3, 50, 700] {
                let cut = Self.filtered(exchange.body) { min($0, 1 + Int(random.next() % UInt64(longest))) }
                #expect(cut.text == whole.text, "\(exchange.id)")
            }
            removed += Int(whole.removed)
            let before = read(exchange, exchange.body) { $0 }
            let after = read(exchange, whole.text) { $0 }
            #expect(before.contentBytes == after.contentBytes, "\(exchange.id)")
            #expect(before.documents == after.documents + whole.removed, "\(exchange.id)")
        }
        if !Corpus.exchanges.isEmpty { #expect(removed > 20) }
    }
}
