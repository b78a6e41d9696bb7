import JSON
import Reactor
import Testing

@testable import LLM

/// Every answer that real providers gave, cut in many ways, is accounted to the token.
struct CorpusTests {
    @Test func wholeBodies() {
        for exchange in Corpus.exchanges {
            check(exchange, read(exchange, exchange.body) { $0 }, "whole")
        }
    }

    @Test func bodiesCutAnywhere() {
        var random = SplitMix(seed: 1)
        for exchange in Corpus.exchanges {
            let longest = [3, 40, 1500][Int(random.next() % 3)]
            let reader = read(exchange, exchange.body) { min($0, 1 + Int(random.next() % UInt64(longest))) }
            check(exchange, reader, "cut")
        }
    }

    /// Searches are those that a look at the whole of the output, or of the grounding, tells of.
    @Test func searchesAreCounted() throws {
        var total: Int64 = 0
        // xAI's and DeepSeek's outputs look like OpenAI's.
        let providers: Set = ["openai", "gemini", "vertex", "xai", "deepseek"]
        for exchange in Corpus.exchanges where exchange.status == 200 && providers.contains(exchange.provider) {
            guard let usage = read(exchange, exchange.body, { $0 }).settled(promptEstimate: 1) else { continue }
            let lines =
                exchange.isStream
                ? exchange.body.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) : [exchange.body[...]]
            var calls: Int64 = 0
            var queries: Set<String> = []
            for line in lines {
                let text = exchange.isStream ? line.drop { $0 != 0x7B } : line
                guard let json = text.withUnsafeBytes({ try? JSONValue(parsing: $0) }) else { continue }
                for item in (json["response"]?["output"] ?? json["output"])?.arrayValue ?? []
                where item["type"] == "web_search_call" {
                    calls += item["action"]?["type"] == "search" && item["status"] == "completed" ? 1 : 0
                }
                for candidate in json["candidates"]?.arrayValue ?? [] {
                    for query in candidate["groundingMetadata"]?["webSearchQueries"]?.arrayValue ?? [] {
                        if let text = query.stringValue, !text.isEmpty { queries.insert(text) }
                    }
                }
            }
            #expect(usage.searches == calls + Int64(queries.count), "\(exchange.id)")
            total += usage.searches
        }
        print("\(total) searches in the recordings")
        #expect(Corpus.exchanges.isEmpty || total > 40)
    }

    /// Generated text is counted wherever it stands, since estimates live on it.
    @Test func contentIsCounted() {
        let ours: Set = [
            "chat.completions", "completions", "responses", "messages", "generateContent", "streamGenerateContent",
        ]
        var (estimated, reported) = (Int64(0), Int64(0))
        for exchange in Corpus.exchanges where ours.contains(exchange.endpoint) && exchange.status == 200 {
            let reader = read(exchange, exchange.body) { $0 }
            if exchange.textSize > 0 {
                #expect(Int(reader.contentBytes) >= exchange.textSize, "\(exchange.id)")
                #expect(reader.contentSeen)
            }
            guard let usage = reader.reported, usage.reasoning == 0, exchange.textSize > 0 else { continue }
            estimated += Int64(reader.contentBytes + 3) / 4
            reported += usage.completion
        }
        print("estimated \(estimated) tokens where \(reported) were reported")
        if reported > 0 { #expect(estimated > reported / 2 && estimated < reported * 2) }
    }

    /// An answer that ended as its format says is known to have.
    @Test func wholeAnswersAreKnownToBe() {
        for exchange in Corpus.exchanges where exchange.usage != nil {
            let reader = read(exchange, exchange.body) { $0 }
            if exchange.id == "syn-anthropic-stream-overloaded" {
                #expect(!reader.isFinished && reader.fault == .overloaded)
            } else {
                #expect(reader.isFinished, "\(exchange.id)")
                #expect(reader.settled(promptEstimate: 1)?.estimated == false, "\(exchange.id)")
            }
            let cut = read(exchange, Array(exchange.body.prefix(exchange.body.count / 3))) { $0 }
            #expect(
                cut.settled(promptEstimate: 1, isWhole: false)?.estimated != false || cut.isFinished, "\(exchange.id)")
        }
    }

    /// Served models, as far as they fit.
    @Test func servedModels() {
        for exchange in Corpus.exchanges where !exchange.model.isEmpty {
            let reader = read(exchange, exchange.body) { $0 }
            #expect(reader.servedModel == exchange.model, "\(exchange.id)")
        }
    }

    /// Cut at each byte, for some of each kind.
    @Test func everyCut() {
        var seen: [String: Int] = [:]
        for exchange in Corpus.exchanges
        where exchange.usage != nil && exchange.body.count < 2500 {
            let kind = "\(exchange.provider) \(exchange.endpoint) \(exchange.isStream)"
            seen[kind, default: 0] += 1
            if seen[kind]! > 1 { continue }
            for cut in 1..<exchange.body.count {
                var isFirst = true
                let reader = read(exchange, exchange.body) { rest in
                    defer { isFirst = false }
                    return isFirst ? cut : rest
                }
                check(exchange, reader, "cut at \(cut)")
            }
        }
    }

    /// The recordings are all there, or none: a reader that fails must not look like one that has nothing to read.
    @Test func thereAreRecordings() {
        let all = Corpus.exchanges
        guard !all.isEmpty else { return }
        #expect(all.count > 2000)
        #expect(all.filter { $0.usage != nil && $0.isStream }.count > 300)
        #expect(all.filter { $0.usage == nil }.count > 200)
    }

    private func check(_ exchange: RecordedExchange, _ reader: AnswerReader, _ how: String) {
        let found = reader.reported
        guard let wanted = exchange.usage else {
            #expect(found == nil, "\(exchange.id) \(how): \(String(describing: found)) instead of nothing")
            return
        }
        guard let found else {
            Issue.record("\(exchange.id) \(how): nothing instead of \(wanted)")
            return
        }
        let values = [found.prompt, found.completion, found.total, found.cached, found.cacheWrite, found.reasoning]
        for (name, (value, want)) in zip(
            ["prompt", "completion", "total", "cached", "cache write", "reasoning"], zip(values, wanted))
        where want != nil && want != value {
            Issue.record("\(exchange.id) \(how): \(name) is \(value) instead of \(want!)")
        }
    }
}

/// Feeds a body in pieces: `next` says how many of so many remaining bytes come next.
func read(_ exchange: RecordedExchange, _ body: [UInt8], _ next: (Int) -> Int) -> AnswerReader {
    let path = Array(exchange.path.split(separator: "?")[0].utf8)
    let endpoint = path.withUnsafeBytes { Endpoint.of(path: Bytes($0)).endpoint }
    let framing = Array(exchange.contentType.utf8).withUnsafeBytes { Framing.of(contentType: Bytes($0)) }
    var reader = AnswerReader(endpoint: endpoint, apiType: exchange.apiType, framing: framing)
    feed(&reader, body, next)
    return reader
}

func feed(_ reader: inout AnswerReader, _ body: [UInt8], _ next: (Int) -> Int) {
    body.withUnsafeBufferPointer { buffer in
        var at = 0
        while at < buffer.count {
            let n = next(buffer.count - at)
            // In memory of their own, so that reading beyond them is found out by a sanitizer.
            let piece = UnsafeMutablePointer<UInt8>.allocate(capacity: n)
            piece.update(from: buffer.baseAddress! + at, count: n)
            reader.feed(piece, n)
            piece.deallocate()
            at += n
        }
    }
}

/// Steele, Lea and Flood's SplitMix64: the same numbers on every run.
struct SplitMix {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
