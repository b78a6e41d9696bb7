import HTTP
import JSON
import Reactor
import Store

/// Answers which route would take a request, by the same tables that the workers use.
enum Explanation {
    static func make(
        snapshot: Snapshot, routes: [RouteRecord], method: String, path: String, headers: [(String, String)],
        body: [UInt8]?
    ) -> RouteExplanation {
        var message = Array("\(method) \(path) HTTP/1.1\r\n".utf8)
        if !headers.contains(where: { $0.0.lowercased() == "host" }) { message += Array("host: gateway\r\n".utf8) }
        for (name, value) in headers where !isFraming(name) { message += Array("\(name): \(value)\r\n".utf8) }
        if let body { message += Array("content-length: \(body.count)\r\n".utf8) }
        message += Array("\r\n".utf8)
        return message.withUnsafeBufferPointer { head in
            (body ?? []).withUnsafeBufferPointer { body in
                explain(snapshot, routes, head, body)
            }
        }
    }

    private static func isFraming(_ name: String) -> Bool {
        ["content-length", "transfer-encoding", "expect"].contains(name.lowercased())
    }

    private static func explain(
        _ snapshot: Snapshot, _ routes: [RouteRecord], _ message: UnsafeBufferPointer<UInt8>,
        _ body: UnsafeBufferPointer<UInt8>
    ) -> RouteExplanation {
        let view = snapshot.view
        let limits = view.pointee.policy.messageLimits
        let fields = UnsafeMutablePointer<Field>.allocate(capacity: Int(limits.maxFields))
        let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: PathPattern.scratchBytes)
        let captures = UnsafeMutablePointer<MemberCapture>.allocate(capacity: view.pointee.memberNameCount)
        captures.initialize(repeating: MemberCapture(), count: view.pointee.memberNameCount)
        defer {
            fields.deallocate()
            scratch.deallocate()
            captures.deallocate()
        }
        var head = RequestHead()
        var scan = HeadScan()
        let base = message.baseAddress!
        switch RequestParser.parse(base, message.count, scan: &scan, limits: limits, fields: fields, head: &head) {
        case .complete: break
        case .incomplete: return RouteExplanation(error: "the request is not complete")
        case .failed(let failure): return RouteExplanation(error: "\(failure.code.message)")
        }
        if let failure = TargetPolicy.check(base + Int(head.pathOffset), Int(head.pathLength)) {
            return RouteExplanation(error: "\(failure.code.message)")
        }
        let other = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(head.pathLength) + 1)
        defer { other.deallocate() }
        guard let otherCount = TargetPolicy.normalForm(base + Int(head.pathOffset), Int(head.pathLength), into: other)
        else { return RouteExplanation(error: "\(HTTPFailureCode.dotSegment.message)") }
        var request = RequestView(
            base: base, fields: fields, fieldCount: Int(head.fieldCount), method: head.method,
            methodName: Bytes(base + Int(head.methodOffset), Int(head.methodLength)),
            path: Bytes(base + Int(head.pathOffset), Int(head.pathLength)),
            query: Bytes(base + Int(head.queryOffset), Int(head.queryLength)),
            body: Bytes(body.baseAddress, body.count), bodyIsComplete: true, captures: nil, bodyIsNoObject: false)
        if let p = body.baseAddress, body.count > 0 {
            var scanner = MemberScanner()
            let state = scanner.feed(p, body.count, table: view.pointee.memberNames, captures: captures)
            if state == .finished { request.captures = captures } else { request.bodyIsNoObject = true }
        }
        var reread = request
        reread.path = Bytes(other, otherCount)
        let table = view.pointee.table
        let untried = TriedRoutes()
        guard
            table.firstMatch(from: 0, request, tried: untried, scratch: scratch)
                == table.firstMatch(from: 0, reread, tried: untried, scratch: scratch)
        else { return RouteExplanation(error: "\(ExchangeError.ambiguousPath.message)") }
        return describe(view, routes, request, head, scratch)
    }

    private static func describe(
        _ view: UnsafePointer<SnapshotView>, _ routes: [RouteRecord], _ request: RequestView, _ head: RequestHead,
        _ scratch: UnsafeMutablePointer<UInt8>
    ) -> RouteExplanation {
        var result = RouteExplanation()
        let table = view.pointee.table
        var records: [String: RouteRecord] = [:]
        for record in routes { records[record.routeID] = record }
        for i in 0..<table.routes.count {
            let id = table.routes[i].routeID.string
            guard let record = records[id] else { continue }
            let verdict = table.verdict(i, request, scratch: scratch)
            let takesIt = verdict == .matches && result.matchedRouteID == nil
            result.candidates.append(
                RouteExplanation.Candidate(
                    routeID: id, routeName: record.routeName, matched: verdict == .matches,
                    reason: takesIt ? "takes the request" : reason(verdict, table.routes[i], record)))
            if takesIt {
                result.matchedRouteID = id
                result.targetURL = targetURL(view, table.routes[i], request, scratch)
            }
        }
        for record in routes where !record.isActive {
            result.candidates.append(
                RouteExplanation.Candidate(
                    routeID: record.routeID, routeName: record.routeName, matched: false, reason: "is not active"))
        }
        return result
    }

    private static func reason(_ verdict: RouteVerdict, _ route: CompiledRoute, _ record: RouteRecord) -> String {
        switch verdict {
        case .matches: return "would match, but an earlier route takes the request or shares it by weight"
        case .path: return "the path does not match \(record.matchPath)"
        case .method: return "the method is not \(record.matchMethod)"
        case .header(let i):
            let members = record.matchHeaders?.objectValue?.members ?? []
            let member = members[Int(i)]
            return "the header \(member.name) is not \(member.value.serialized())"
        case .member(let i):
            let members = record.matchBodySchema?.objectValue?.members ?? []
            guard Int(i) < members.count else { return "the body is no JSON object" }
            return "the body's member \(members[Int(i)].name) is not \(members[Int(i)].value.serialized())"
        case .schema: return "the body does not meet match_body_schema"
        case .needsBody: return "the body is needed to decide"
        }
    }

    private static func targetURL(
        _ view: UnsafePointer<SnapshotView>, _ route: CompiledRoute, _ request: RequestView,
        _ scratch: UnsafeMutablePointer<UInt8>
    ) -> String {
        let target = view.pointee.targets[Int(route.target)]
        let captures = UnsafeMutablePointer<Bytes>.allocate(capacity: PathPattern.maxParts)
        captures.initialize(repeating: .empty, count: PathPattern.maxParts)
        defer { captures.deallocate() }
        var url = (target.isTLS ? "https://" : "http://") + target.authority.string
        route.targetPath.write(path: request.path, pattern: route.pattern, scratch: scratch, captures: captures) {
            url += $0.string
        }
        var separator = "?"
        QueryKey.without(request.query) {
            url += separator + $0.string
            separator = ""
        }
        return url
    }
}
