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
                index: RouteIndex.compile([], in: Arena()))
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
