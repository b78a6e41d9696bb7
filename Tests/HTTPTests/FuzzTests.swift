import Testing

@testable import HTTP

/// Seeded mutations of good messages: whatever they are, nothing is read out of bounds, and cutting changes nothing.
@Suite struct FuzzTests {
    static let rounds = 4000
    static let alphabet = latin1("\r\n\r\n: \t,;=/.?#%\\\"[]@0159afGx-_\0\u{1}\u{7f}\u{80}\u{ff}")

    static func mutate(_ seed: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = seed
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[at] = alphabet.randomElement(using: &generator)!
            case 1: bytes.insert(alphabet.randomElement(using: &generator)!, at: at)
            case 2: bytes.remove(at: at)
            case 3: bytes[at] = UInt8.random(in: 0...255, using: &generator)
            case 4:
                let end = min(bytes.count, at + Int.random(in: 1...24, using: &generator))
                bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0..<bytes.count, using: &generator))
            default: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...8, using: &generator)))
            }
            if bytes.isEmpty { bytes = [0x0D] }
        }
        return bytes
    }

    static func cuts(_ count: Int, _ generator: inout SeededGenerator) -> [Int] {
        guard count > 1 else { return [] }
        return (0..<Int.random(in: 1...4, using: &generator)).map { _ in Int.random(in: 1..<count, using: &generator) }
            .sorted()
    }

    @Test func requests() {
        let harness = Harness(limits: MessageLimits(maxHeadBytes: 400, maxFields: 8, maxTargetBytes: 64))
        let seeds = [
            "POST /v1/chat?x=1 HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 12\r\nConnection: keep-alive, x\r\nX:\ty\r\n\r\n",
            "GET http://[::1]:80/a HTTP/1.0\r\nHost: [::1]\r\nAccept: */*\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
            "PUT /%2e/b HTTP/1.1\r\nhost:a\r\ntransfer-encoding: chunked\r\nauthorization: Bearer 0123456789\r\n\r\n",
        ].map(latin1)
        var generator = SeededGenerator(seed: 1)
        var outcomes = [0, 0, 0]
        for round in 0..<Self.rounds {
            let bytes = Self.mutate(seeds[round % seeds.count], &generator)
            let whole = harness.request(bytes)
            var split = harness.request(bytes, cuts: Self.cuts(bytes.count, &generator))
            split.decidedAt = whole.decidedAt
            #expect(split == whole, "round \(round): \(bytes)")
            switch whole.outcome {
            case .incomplete: outcomes[0] += 1
            case .complete:
                outcomes[1] += 1
                checkRanges(whole, bytes)
            case .failed: outcomes[2] += 1
            }
            if round % 16 == 0 {
                var slow = harness.request(bytes, cuts: Array(1..<max(bytes.count, 2)))
                slow.decidedAt = whole.decidedAt
                #expect(slow == whole, "round \(round): \(bytes)")
            }
        }
        #expect(outcomes[0] > 0 && outcomes[1] > Self.rounds / 50 && outcomes[2] > Self.rounds / 50, "\(outcomes)")
    }

    /// What a complete head says lies inside it, and holds what it may hold.
    func checkRanges(_ parsed: Parsed<RequestHead>, _ bytes: [UInt8]) {
        guard let head = parsed.head else { return }
        let end = Int(head.headLength)
        #expect(end <= bytes.count && Array(bytes[(end - 4)..<end]) == latin1("\r\n\r\n"))
        for field in parsed.fields {
            let name = bytes[Int(field.nameOffset)..<Int(field.nameOffset + UInt32(field.nameLength))]
            let value = bytes[Int(field.valueOffset)..<Int(field.valueOffset + field.valueLength)]
            #expect(!name.isEmpty && name.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") })
            #expect(value.allSatisfy { $0 == 9 || ($0 >= 0x20 && $0 != 0x7F) })
            #expect(value.first != 0x20 && value.last != 0x20 && value.first != 9 && value.last != 9)
            let text = String(decoding: name, as: UTF8.self)
            #expect(field.id == HeaderID.lookup(text) && head.known.contains(field.id))
        }
        for (offset, length) in [
            (head.targetOffset, head.targetLength), (head.pathOffset, head.pathLength),
            (head.queryOffset, head.queryLength),
        ] {
            #expect(bytes[Int(offset)..<Int(offset + length)].allSatisfy { $0 > 0x20 && $0 < 0x7F })
        }
        #expect(head.versionMinor == 0 || head.authorityLength > 0)
        if case .contentLength = head.framing { #expect(!head.known.contains(.transferEncoding)) }
    }

    /// Field sections against the grammar, read the plain way.
    @Test func fieldsAgainstTheGrammar() {
        let harness = Harness()
        let start = latin1("GET / HTTP/1.0\r\n")
        let seeds = [
            "Transfer-Encodings: chunked\r\nX: y\r\nAccess-Control-Request-Headers: a\r\nConnection:\tTE\t\r\n\r\n",
            "X-RateLimit-Remaining-Requests: 1\r\nAuthorization: Bearer abc\r\nA:b\r\n_:\r\n\r\n",
            "a:\r\nB: c d\r\nCookie: e\r\n\r\nrest",
        ].map(latin1)
        var generator = SeededGenerator(seed: 5)
        var accepted = 0
        for round in 0..<Self.rounds * 2 {
            let section = Self.mutate(seeds[round % seeds.count], &generator)
            let bytes = start + section
            let parsed = harness.request(bytes)
            let expected = Self.reference(section)
            if let failure = parsed.failure, failure.rawValue > HTTPFailureCode.tooManyFields.rawValue { continue }
            let found = parsed.fields.map { field in
                [
                    Array(bytes[Int(field.nameOffset)..<Int(field.nameOffset) + Int(field.nameLength)]),
                    Array(bytes[Int(field.valueOffset)..<Int(field.valueOffset + field.valueLength)]),
                ]
            }
            #expect((parsed.outcome == .complete) == (expected != nil), "round \(round): \(section)")
            if let expected { #expect(found == expected, "round \(round): \(section)") }
            accepted += expected == nil ? 0 : 1
        }
        #expect(accepted > Self.rounds / 10)
    }

    /// Names and values of a field section that begins the bytes and ends in an empty line; nil if it is none.
    static func reference(_ bytes: [UInt8]) -> [[[UInt8]]]? {
        let token = Set(latin1("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        var fields: [[[UInt8]]] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 0x0A) {
            var line = rest[..<end]
            rest = rest[(end + 1)...]
            guard line.popLast() == 0x0D else { return nil }
            if line.isEmpty { return fields }
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let name = line[..<colon]
            var value = line[(colon + 1)...]
            guard !name.isEmpty, name.allSatisfy(token.contains) else { return nil }
            guard value.allSatisfy({ $0 == 9 || ($0 >= 32 && $0 != 127) }) else { return nil }
            while value.first == 32 || value.first == 9 { value.removeFirst() }
            while value.last == 32 || value.last == 9 { value.removeLast() }
            fields.append([Array(name), Array(value)])
        }
        return nil
    }

    @Test func responses() {
        let harness = Harness(limits: MessageLimits(maxHeadBytes: 300, maxFields: 6))
        let seeds = [
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-Y: z\r\n\r\n",
            "HTTP/1.0 404 \r\nContent-Length: 3\r\nConnection: close\r\n\r\n", "HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n",
        ].map(latin1)
        var generator = SeededGenerator(seed: 2)
        for round in 0..<Self.rounds {
            let bytes = Self.mutate(seeds[round % seeds.count], &generator)
            let whole = harness.response(bytes)
            var split = harness.response(bytes, cuts: Self.cuts(bytes.count, &generator))
            split.decidedAt = whole.decidedAt
            #expect(split == whole, "round \(round): \(bytes)")
        }
    }

    @Test func chunks() {
        let harness = Harness(limits: MessageLimits(maxChunkExtensionBytes: 24, maxTrailerBytes: 48))
        let seeds = [
            "5\r\nhello\r\n6;a=\"b\\\"c\";d\r\n world\r\n0\r\nX: y\r\nZ: 0123456789\r\n\r\n",
            "a\r\n0123456789\r\n0\r\n\r\n",
            "1 ; a = b\r\nx\r\n00a\r\n0123456789\r\n0;x\r\n\r\n",
        ].map(latin1)
        var generator = SeededGenerator(seed: 3)
        var finished = 0
        for round in 0..<Self.rounds {
            let bytes = Self.mutate(seeds[round % seeds.count], &generator)
            let whole = harness.decode(bytes)
            let split = harness.decode(bytes, cuts: Self.cuts(bytes.count, &generator))
            let slow = harness.decode(bytes, cuts: Array(0..<bytes.count))
            #expect(split.failure == whole.failure && slow.failure == whole.failure, "round \(round): \(bytes)")
            if whole.failure == nil {
                #expect(split == whole && slow == whole, "round \(round): \(bytes)")
                finished += whole.isFinished ? 1 : 0
            }
        }
        #expect(finished > Self.rounds / 50)
    }

    @Test func policyAndCounters() {
        let memory = GuardedMemory(capacity: 4096)
        var generator = SeededGenerator(seed: 4)
        let paths = ["/v1/a%2e/b/..;x/%5c.", "/v1/chat/completions", "/a/b.c/d%2f../e"].map(latin1)
        let streams = ["data: a\n\nevent: b\ndata\n\n", "id: 1\r\n\r\ndata: {}\r\n\r\n", "data: x\r\rdata: y\n\r"].map(
            latin1)
        for round in 0..<Self.rounds {
            let path = Self.mutate(paths[round % 3], &generator)
            let verdict = TargetPolicy.check(memory.placeAtEnd(path[...]), path.count)
            #expect(TargetPolicy.check(memory.placeAtStart(path[...]), path.count) == verdict)
            if verdict == nil { #expect(!Self.holdsDotSegment(path), "\(path)") }

            let stream = Self.mutate(streams[round % 3], &generator)
            #expect(Self.count(stream, Self.cuts(stream.count, &generator), memory) == Self.count(stream, [], memory))
        }
    }

    static func count(_ bytes: [UInt8], _ cuts: [Int], _ memory: GuardedMemory) -> [UInt32] {
        var events = SSECounter()
        var lines = LineCounter()
        var start = 0
        for end in cuts + [bytes.count] {
            let p = memory.placeAtEnd(bytes[start..<end])
            events.feed(p, end - start)
            lines.feed(p, end - start)
            start = end
        }
        events.finish()
        lines.finish()
        return [events.events, lines.lines]
    }

    /// The plain reading: decode once, then split at both kinds of slash.
    static func holdsDotSegment(_ path: [UInt8]) -> Bool {
        var decoded: [UInt8] = []
        var index = 0
        while index < path.count {
            if path[index] == UInt8(ascii: "%"), index + 2 < path.count,
                let value = UInt8(String(decoding: path[(index + 1)...(index + 2)], as: UTF8.self), radix: 16)
            {
                decoded.append(value)
                index += 3
            } else {
                decoded.append(path[index])
                index += 1
            }
        }
        return decoded.split(omittingEmptySubsequences: false) { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
            .contains { Array($0) == latin1(".") || Array($0) == latin1("..") }
    }
}
