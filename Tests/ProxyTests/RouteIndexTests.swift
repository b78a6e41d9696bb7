import Config
import HTTP
import JSON
import Reactor
import Store
import Testing

@testable import Proxy

/// The index may only make matching faster: over many random tables and requests it must choose what looking at every
/// route chooses.
@Suite struct RouteIndexTests {
    struct Generator {
        var state: UInt64
        mutating func next(_ n: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(n))
        }
    }

    static let paths = [
        "/v1/*", "/v1/chat/completions", "/v1/chat/*", "*", "/a/{id}/b", "/a/x/b", "/v1*", "/v1/models/**",
    ]
    static let requests = ["/v1/chat/completions", "/v1/models/x", "/a/x/b", "/a/y/b", "/v1", "/zzz", "/v1/chat/"]

    static func record(_ g: inout Generator, _ i: Int) -> RouteRecord {
        var record = RouteRecord(
            routeID: "route_\(1000 + i)", routeName: "r\(i)", matchPath: paths[g.next(paths.count)],
            targetHost: "127.0.0.1:\(1 + g.next(9))", priority: g.next(6) == 0 ? 1 : i)
        switch g.next(4) {
        case 0: record.matchBodySchema = ["model": .string("m\(g.next(5))")]
        case 1: record.matchBodySchema = ["model": .string("m\(g.next(5))"), "user": .string("u\(g.next(2))")]
        case 2: record.matchBodySchema = ["n": .integer(g.next(3))]
        default: break
        }
        return record
    }

    @Test(arguments: [12, 40, 300])
    func choosesWhatLookingAtEveryRouteChooses(count: Int) {
        var g = Generator(state: UInt64(count))
        let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: PathPattern.scratchBytes)
        defer { scratch.deallocate() }
        for _ in 0..<20 {
            let records = (0..<count).map { Self.record(&g, $0) }
            let snapshot = Snapshot(
                keys: [], routes: records, settings: Settings(), version: "test", registry: Registry())
            let table = snapshot.view.pointee.table
            #expect(table.index.isUsed)
            let plain = RouteTable(
                routes: table.routes, bodyRouteCount: table.bodyRouteCount,
                index: RouteIndex.compile([], in: Arena()), inner: table.inner)
            for _ in 0..<40 {
                let path = Self.requests[g.next(Self.requests.count)]
                let body =
                    g.next(4) == 0
                    ? ""
                    : #"{"model":"\#(g.next(8) == 0 ? "\\u006d1" : "m\(g.next(6))")","user":"u1","n":\#(g.next(3))}"#
                check(snapshot, table, plain, path, body, UInt64(g.next(1 << 30)), scratch)
            }
        }
    }

    /// A table that asks for nothing in the body can be searched by the path, step by step.
    @Test func aSearchInStepsFindsTheSame() {
        let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: PathPattern.scratchBytes)
        defer { scratch.deallocate() }
        var g = Generator(state: 7)
        for count in [12, 50, 400] {
            var records = (0..<count).map { Self.record(&g, $0) }
            for i in records.indices { records[i].matchBodySchema = nil }
            // More beginnings than are told apart, and some that are paths as well.
            for i in 0..<count / 2 { records[i].matchPath = "/" + String(repeating: "p", count: i % 30) + "*" }
            let snapshot = Snapshot(
                keys: [], routes: records, settings: Settings(), version: "test", registry: Registry())
            let table = snapshot.view.pointee.table
            #expect(table.index.needsPathOnly)
            let plain = RouteTable(
                routes: table.routes, bodyRouteCount: table.bodyRouteCount, index: RouteIndex.compile([], in: Arena()),
                inner: table.inner)
            for path in Self.requests + (0..<40).map({ "/" + String(repeating: "p", count: $0) }) {
                check(snapshot, table, plain, path, "", 1, scratch)
            }
        }
    }

    /// What was found for a path is not taken for another reading of it, nor for what is parsed later.
    @Test func aSearchIsForOnePath() {
        var search = RouteSearch()
        defer { search.deallocate() }
        let (path, other) = (kept("/v1/a"), kept("/v1/a"))
        #expect(!search.isDone(for: path) && !search.isDone(for: .empty))
        let records = (0..<20).map { RouteRecord.make("r\($0)", path: "/v1/\($0)") }
        let table = snapshot(records).view.pointee.table
        table.index.begin(&search, path)
        #expect(!search.isDone(for: path))
        table.finish(&search)
        table.fetchPrefixes(search)
        #expect(search.isDone(for: path))
        #expect(!search.isDone(for: other) && !search.isDone(for: path.from(0, to: 4)))
        search.clear()
        #expect(!search.isDone(for: path))
    }

    private func checkSearch(_ table: RouteTable, _ request: RequestView, _ scratch: UnsafeMutablePointer<UInt8>) {
        var search = RouteSearch()
        defer { search.deallocate() }
        table.index.begin(&search, request.path)
        table.finish(&search)
        let tried = TriedRoutes()
        let found = withUnsafePointer(to: search) { search in
            var searched = request
            searched.search = search
            // Twice: what was found is there to be taken again.
            let first = table.firstMatch(from: 0, searched, tried: tried, scratch: scratch)
            return [first, table.firstMatch(from: 0, searched, tried: tried, scratch: scratch)]
        }
        let plain = table.firstMatch(from: 0, request, tried: tried, scratch: scratch)
        #expect(found == [plain, plain])
    }

    private func check(
        _ snapshot: Snapshot, _ table: RouteTable, _ plain: RouteTable, _ path: String, _ body: String,
        _ random: UInt64,
        _ scratch: UnsafeMutablePointer<UInt8>
    ) {
        let message = Array("POST \(path)".utf8)
        let bodyBytes = Array(body.utf8)
        let captures = UnsafeMutablePointer<MemberCapture>.allocate(capacity: snapshot.view.pointee.memberNameCount)
        captures.initialize(repeating: MemberCapture(), count: snapshot.view.pointee.memberNameCount)
        let fields = UnsafeMutablePointer<Field>.allocate(capacity: 1)
        fields.initialize(to: Field())
        defer {
            captures.deallocate()
            fields.deallocate()
        }
        message.withUnsafeBufferPointer { head in
            bodyBytes.withUnsafeBufferPointer { bytes in
                let base = head.baseAddress!
                var request = RequestView(
                    base: base, fields: fields, fieldCount: 0, method: .post, methodName: Bytes(base, 4),
                    path: Bytes(base + 5, head.count - 5), query: .empty, body: Bytes(bytes.baseAddress, bytes.count),
                    bodyIsComplete: true, captures: nil, bodyIsNoObject: false)
                if let p = bytes.baseAddress, bytes.count > 0 {
                    var scanner = MemberScanner()
                    let state = scanner.feed(
                        p, bytes.count, table: snapshot.view.pointee.memberNames, captures: captures)
                    #expect(state == .finished)
                    request.captures = captures
                }
                let tried = TriedRoutes()
                if table.index.needsPathOnly { checkSearch(table, request, scratch) }
                #expect(
                    table.firstMatch(from: 0, request, tried: tried, scratch: scratch)
                        == plain.firstMatch(from: 0, request, tried: tried, scratch: scratch))
                #expect(
                    table.choose(request, tried: tried, scratch: scratch, random: random, isAvailable: { $0 % 3 != 0 })
                        == plain.choose(
                            request, tried: tried, scratch: scratch, random: random, isAvailable: { $0 % 3 != 0 }),
                    "\(path) \(body)")
            }
        }
    }
}
