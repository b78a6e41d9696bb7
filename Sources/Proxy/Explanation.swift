import HTTP
import JSON
import LLM
import Reactor
import Store

/// Answers which route would take a request, by the same tables that the workers use.
enum Explanation {
    static func make(
        snapshot: Snapshot, routes: [RouteRecord], method: String, path: String, headers: [(String, String)],
        body: [UInt8]?, keyID: String?
    ) -> RouteExplanation {
        var message = Array("\(method) \(path) HTTP/1.1\r\n".utf8)
        if !headers.contains(where: { $0.0.lowercased() == "host" }) { message += Array("host: gateway\r\n".utf8) }
        for (name, value) in headers where !isFraming(name) { message += Array("\(name): \(value)\r\n".utf8) }
        if let body { message += Array("content-length: \(body.count)\r\n".utf8) }
        message += Array("\r\n".utf8)
        return message.withUnsafeBufferPointer { head in
            (body ?? []).withUnsafeBufferPointer { body in
                explain(snapshot, routes, head, body, keyID)
            }
        }
    }

    private static func isFraming(_ name: String) -> Bool {
        ["content-length", "transfer-encoding", "expect"].contains(name.lowercased())
    }

    private static func explain(
        _ snapshot: Snapshot, _ routes: [RouteRecord], _ message: UnsafeBufferPointer<UInt8>,
        _ body: UnsafeBufferPointer<UInt8>, _ keyID: String?
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
        var caller: UnsafePointer<CallerPolicy>?
        if let keyID {
            guard let key = view.pointee.keys.key(withID: keyID), key.pointee.isActive
            else { return RouteExplanation(error: "\(ExchangeError.inactiveKey.message)") }
            let found = view.pointee.providers.callers.pointer(Int(key.pointee.ordinal))
            if let limit = found.pointee.maxConcurrent, found.pointee.budget.concurrency.openCount >= limit {
                return RouteExplanation(error: "\(ExchangeError.tooManyOpen.message) (\(limit))")
            }
            caller = found
        }
        return describe(view, routes, snapshot.routeProblems, request, head, caller, scratch)
    }

    private static func describe(
        _ view: UnsafePointer<SnapshotView>, _ routes: [RouteRecord],
        _ problems: [(routeID: String, problem: RouteProblem)], _ request: RequestView, _ head: RequestHead,
        _ caller: UnsafePointer<CallerPolicy>?, _ scratch: UnsafeMutablePointer<UInt8>
    ) -> RouteExplanation {
        var result = RouteExplanation()
        result.error = answerWithoutRoute(head, request)
        let table = view.pointee.table
        let verdicts = (0..<table.routes.count).map { table.verdict($0, request, scratch: scratch) }
        let shared = share(verdicts, table)
        let chosen = shared.first { table.routes[$0].weight > 0 } ?? shared.first
        if hasConflict(view, request, upTo: chosen ?? -1, scratch) {
            result.error = result.error ?? "the request body holds a deciding member twice, with different values"
        }
        var positions: [String: Int] = [:]
        for i in 0..<table.routes.count { positions[table.routes[i].routeID.string] = i }
        for record in Snapshot.inOrder(routes) {
            let text: String
            let position = positions[record.routeID]
            if let i = position {
                text =
                    shared.contains(i)
                    ? role(i, shared, table) : reason(verdicts[i], table.routes[i], record, request)
            } else if let problem = problems.first(where: { $0.routeID == record.routeID })?.problem {
                text = "is not served, since it cannot be: \(problem.field): \(problem.message)"
            } else {
                continue
            }
            result.candidates.append(
                RouteExplanation.Candidate(
                    routeID: record.routeID, routeName: record.routeName,
                    matched: position.map { verdicts[$0] == .matches } ?? false, reason: text))
        }
        for record in routes where !record.isActive {
            result.candidates.append(
                RouteExplanation.Candidate(
                    routeID: record.routeID, routeName: record.routeName, matched: false, reason: "is not active"))
        }
        if chosen != nil, let caller, forbidsModel(caller, request) {
            result.error = result.error ?? "\(ExchangeError.modelNotAllowed.message)"
        }
        if result.error == nil, chosen == nil {
            result.provider = ProviderExplanation.make(view, request, caller: caller)
        }
        guard let chosen, result.error == nil else { return result }
        result.matchedRouteID = table.routes[chosen].routeID.string
        result.targetURL = targetURL(view, table.routes[chosen], request, scratch)
        return result
    }

    /// As in `Worker.judgeModel`.
    private static func forbidsModel(_ caller: UnsafePointer<CallerPolicy>, _ request: RequestView) -> Bool {
        if caller.pointee.allowedModels.isEmpty { return false }
        guard let name = ProviderExplanation.model(request, Endpoint.of(path: request.path)) else { return false }
        return Array(name.utf8).withUnsafeBufferPointer {
            let name = Bytes($0.baseAddress, $0.count)
            return !name.isEmpty && !caller.pointee.allows(asked: name, model: name, provider: .empty)
        }
    }

    /// What a worker answers before it looks at routes.
    private static func answerWithoutRoute(_ head: RequestHead, _ request: RequestView) -> String? {
        if head.method == .connect || head.method == .trace { return "the gateway does not implement this method" }
        if head.method == .options, head.known.contains(.accessControlRequestMethod), head.known.contains(.origin) {
            return "the gateway answers CORS preflights itself"
        }
        if request.path.string == "/health", head.method == .get || head.method == .head {
            return "the gateway answers /health itself"
        }
        return nil
    }

    /// The routes that take such requests: the first that matches and those of its priority that match too.
    private static func share(_ verdicts: [RouteVerdict], _ table: RouteTable) -> [Int] {
        guard let first = verdicts.firstIndex(of: .matches) else { return [] }
        let group = first..<Int(table.routes[first].groupEnd)
        return Array(group.filter { verdicts[$0] == .matches }.prefix(RouteTable.maxShared))
    }

    private static func role(_ index: Int, _ shared: [Int], _ table: RouteTable) -> String {
        let weights = shared.map { Int(max(table.routes[$0].weight, 0)) }
        let total = weights.reduce(0, +)
        if shared.count == 1 { return "takes the request" }
        if total == 0 {
            return index == shared[0] ? "takes the request" : "would match, but a route before it takes the request"
        }
        let own = Int(max(table.routes[index].weight, 0))
        return own == 0
            ? "matches, but its weight is 0 beside routes that have more" : "takes \(own) of \(total) such requests"
    }

    /// As in `Worker.hasConflict`.
    private static func hasConflict(
        _ view: UnsafePointer<SnapshotView>, _ request: RequestView, upTo chosen: Int,
        _ scratch: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        guard let captures = request.captures, view.pointee.table.bodyRouteCount > 0 else { return false }
        var disagreeing: UInt64 = 0
        for i in 0..<view.pointee.memberNameCount where captures[i].disagrees { disagreeing |= 1 << UInt64(i) }
        let table = view.pointee.table
        return disagreeing != 0 && table.asks(about: disagreeing, request, upTo: chosen, scratch: scratch)
            || table.disagreesWithin(request, captures, upTo: chosen, scratch: scratch)
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
