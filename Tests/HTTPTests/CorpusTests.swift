import Testing

@testable import HTTP

/// Feeds the shared corpora to the parsers, with the little that a gateway does around them, and compares verdicts.
@Suite struct CorpusTests {
    let harness = Harness(capacity: 3 << 20)

    /// What became of a connection's bytes.
    struct Verdict {
        /// Messages complete, body included.
        var complete = 0
        var refusal: HTTPFailure?
        var firstBody: [UInt8]?
    }

    /// Verdicts of ours that differ from the corpora's on purpose; docs/security.md gives the reasons.
    static let disagreements: [String: String] = [
        "own/host/abs-differs": "a Host that contradicts the target is refused (limits.refusesHostMismatch)",
        "llhttp/request/uri#2:Host terminated by a query string": "a Host that contradicts the target is refused",
        "llhttp/request/uri#3:`host:port` terminated by a query string":
            "a Host that contradicts the target is refused",
        "llhttp/request/uri#5:`host:port` terminated by a space": "a Host that contradicts the target is refused",
        "llhttp/request/uri#7:Fragment in URI":
            "a request target has no fragment (RFC 9112 §3.2); own/line/fragment agrees",
    ]

    func requests(_ bytes: [UInt8], cuts: Int = 0) -> Verdict {
        var verdict = Verdict()
        var rest = bytes
        while !rest.isEmpty {
            let size = rest.count
            let parsed = harness.request(
                rest, cuts: cuts == 0 ? [] : Array(stride(from: cuts, to: size, by: max(cuts, size / 500))))
            if case .failed(let failure) = parsed.outcome {
                verdict.refusal = failure
                return verdict
            }
            guard let head = parsed.head else { return verdict }
            // What every caller does: no tunnels without being asked, paths that mean one thing.
            if head.method == .connect {
                verdict.refusal = HTTPFailure(.invalidTargetForm)
                return verdict
            }
            let path = Array(rest[Int(head.pathOffset)..<Int(head.pathOffset + head.pathLength)])
            if let failure = TargetPolicy.check(path, path.count) {
                verdict.refusal = failure
                return verdict
            }
            rest.removeFirst(Int(head.headLength))
            guard let body = take(head.framing, from: &rest, &verdict) else { return verdict }
            if verdict.complete == 0 { verdict.firstBody = body }
            verdict.complete += 1
            if !head.keepAlive || head.hasUpgrade { return verdict }
        }
        return verdict
    }

    /// The body, if it is complete.
    func take(_ framing: BodyFraming, from rest: inout [UInt8], _ verdict: inout Verdict) -> [UInt8]? {
        switch framing {
        case .none: return []
        case .contentLength(let length):
            guard length <= UInt64(rest.count) else { return nil }
            defer { rest.removeFirst(Int(length)) }
            return Array(rest.prefix(Int(length)))
        case .chunked:
            let decoded = harness.decode(rest)
            if let failure = decoded.failure { verdict.refusal = HTTPFailure(failure) }
            guard decoded.isFinished else { return nil }
            rest.removeFirst(decoded.used)
            return decoded.data
        case .untilClose:
            defer { rest = [] }
            return rest
        case .tunnel: return nil
        }
    }

    @Test(arguments: ["own_request", "llhttp_request"]) func requestCorpus(_ name: String) {
        guard let cases = Corpus.load(name) else { return }
        var counts: [String: Int] = [:]
        var disagreed = 0
        for item in cases {
            for cuts in [0, 1] {
                let verdict = requests(item.bytes, cuts: cuts)
                var problem: String?
                switch item.expect {
                case "reject":
                    if verdict.complete > item.pre { problem = "\(verdict.complete) forwarded" }
                    if verdict.refusal == nil { problem = "not refused" }
                    if let status = verdict.refusal?.status, !item.status.isEmpty, !item.status.contains(Int(status)) {
                        problem = "status \(status), not \(item.status)"
                    }
                case "accept":
                    if verdict.complete != item.n { problem = "\(verdict.complete) forwarded" }
                    if let failure = verdict.refusal { problem = "refused: \(failure.code)" }
                    if let body = item.body, body != verdict.firstBody { problem = "another body" }
                case "wait":
                    if verdict.complete > 0 || verdict.refusal != nil { problem = "did not wait" }
                case "safe":
                    // Whatever is not refused is understood in one way only; one request hidden in another is not.
                    if verdict.complete > max(item.n, item.pre) { problem = "\(verdict.complete) forwarded" }
                default: problem = "unknown verdict"
                }
                let isKnown = Self.disagreements[item.id] != nil
                #expect((problem != nil) == isKnown, "\(item.id): \(problem ?? "agrees now") — \(item.note)")
                if cuts == 0 {
                    if problem != nil { disagreed += 1 }
                    counts["\(item.expect), \(verdict.refusal == nil ? "taken" : "refused")", default: 0] += 1
                }
            }
        }
        print("\(name): \(cases.count) cases, \(disagreed) disagreements; \(counts.sorted { $0.key < $1.key })")
    }

    /// Parses what an upstream sent until it is a complete final response, is refused, or ends.
    func response(_ item: CorpusCase) -> Verdict {
        var verdict = Verdict()
        var rest = item.bytes
        let method: HTTP.Method = item.method == "HEAD" ? .head : item.method == "POST" ? .post : .get
        for _ in 0..<100 {
            let parsed = harness.response(rest, to: method)
            if case .failed(let failure) = parsed.outcome {
                verdict.refusal = failure
                return verdict
            }
            guard let head = parsed.head else { return verdict }
            rest.removeFirst(Int(head.headLength))
            if head.isInterim { continue }
            if head.framing == .tunnel { return verdict }
            if head.framing == .untilClose, item.end == "rst" { return verdict }
            guard let body = take(head.framing, from: &rest, &verdict) else { return verdict }
            verdict.firstBody = body
            verdict.complete = 1
            return verdict
        }
        return verdict
    }

    @Test(arguments: ["own_response", "llhttp_response"]) func responseCorpus(_ name: String) {
        guard let cases = Corpus.load(name) else { return }
        for item in cases {
            let verdict = response(item)
            switch item.expect {
            case "accept", "early":
                #expect(verdict.complete == 1, "\(item.id): \(String(describing: verdict.refusal))")
                if let body = item.body { #expect(verdict.firstBody == body, "\(item.id)") }
            case "gw", "truncated", "reject":
                #expect(verdict.complete == 0, "\(item.id) looks complete")
            case "gwsafe", "safe": break
            default: Issue.record("\(item.id): unknown verdict")
            }
        }
    }
}
