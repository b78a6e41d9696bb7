import HTTP
import JSON
import Reactor

/// What matching one route, or looking for the first that matches, has shown.
enum RouteVerdict: BitwiseCopyable, Equatable {
    case matches
    case path
    case method
    case header(Int32)
    case member(Int32)
    case schema
    /// The body decides, and not enough of it is here.
    case needsBody
}

/// All active routes in (priority, route_id) order.
struct RouteTable: BitwiseCopyable, @unchecked Sendable {
    let routes: List<CompiledRoute>
    /// How many routes look at the body.
    let bodyRouteCount: Int
    let index: RouteIndex
    /// What routes ask of what lies within members, in the routes' order.
    let inner: List<InnerMembers>

    /// Whether one route takes the request, or the first condition that does not hold.
    @inline(__always)
    func verdict(_ index: Int, _ request: RequestView, scratch: UnsafeMutablePointer<UInt8>) -> RouteVerdict {
        let route = routes.pointer(index)
        guard route.pointee.pattern.matches(request.path, scratch: scratch) else { return .path }
        guard route.pointee.methods.contains(request.method, request.methodName) else { return .method }
        let headers = route.pointee.headerConditions
        for i in 0..<headers.count where !headers[i].holds(request) { return .header(Int32(i)) }
        if !route.pointee.needsBody { return .matches }
        return bodyVerdict(route, request)
    }

    /// Finds what the index has for a search that has begun. The first route of each list is likely to be asked: its lines
    /// come into the caches meanwhile.
    @inline(__always)
    func finish(_ search: inout RouteSearch) {
        index.finish(&search)
        var i = 0
        while i < search.listCount {
            let route = UnsafeRawPointer(routes.pointer(index.first(search.lists[i])))
            Prefetch.read(route)
            Prefetch.read(route + 64)
            Prefetch.read(route + 128)
            Prefetch.read(route + 192)
            i &+= 1
        }
    }

    /// The same for what those routes compare the path with.
    @inline(__always)
    func fetchPrefixes(_ search: RouteSearch) {
        var i = 0
        while i < search.listCount {
            Prefetch.read(routes.pointer(index.first(search.lists[i])).pointee.pattern.prefix.pointer)
            i &+= 1
        }
    }

    private func bodyVerdict(_ route: UnsafePointer<CompiledRoute>, _ request: RequestView) -> RouteVerdict {
        if request.bodyIsNoObject { return route.pointee.schema == nil ? .member(0) : schemaVerdict(route, request) }
        guard let captures = request.captures else {
            guard request.bodyIsComplete else { return .needsBody }
            return route.pointee.schema == nil ? .member(0) : .schema
        }
        let members = route.pointee.memberConditions
        for i in 0..<members.count {
            let capture = captures + Int(members[i].name)
            if capture.pointee.seenCount == 0 || !capture.pointee.isComplete {
                if request.bodyIsComplete { return .member(Int32(i)) }
                return .needsBody
            }
            guard Self.holds(members[i], capture, request.body) else { return .member(Int32(i)) }
        }
        return route.pointee.schema == nil ? .matches : schemaVerdict(route, request)
    }

    /// Compares the last value that the body gave a member with the value that the route asks for.
    private static func holds(
        _ condition: MemberCondition, _ capture: UnsafeMutablePointer<MemberCapture>, _ body: Bytes
    ) -> Bool {
        guard let p = body.pointer, capture.pointee.end <= UInt64(body.count) else { return false }
        guard let container = condition.container else {
            return JSONText.equalsScalar(capture, body: p, condition.scalar)
        }
        return equals(container, capture, p)
    }

    /// Objects and arrays are compared as values: rare, and the only comparison that needs memory.
    @inline(never)
    private static func equals(
        _ container: Unmanaged<MemberValue>, _ capture: UnsafeMutablePointer<MemberCapture>, _ p: UnsafePointer<UInt8>
    ) -> Bool {
        let start = Int(capture.pointee.start)
        let bytes = UnsafeRawBufferPointer(start: p + start, count: Int(capture.pointee.end) - start)
        guard let value = try? JSONValue(parsing: bytes, maxDepth: 64) else { return false }
        return container._withUnsafeGuaranteedRef { $0.value == value }
    }

    @inline(never)
    private func schemaVerdict(_ route: UnsafePointer<CompiledRoute>, _ request: RequestView) -> RouteVerdict {
        guard request.bodyIsComplete else { return .needsBody }
        guard let p = request.body.pointer,
            let value = try? JSONValue(
                parsing: UnsafeRawBufferPointer(start: p, count: request.body.count), maxDepth: 512),
            let schema = route.pointee.schema
        else { return .schema }
        return schema._withUnsafeGuaranteedRef { $0.validate(value) } ? .matches : .schema
    }

    /// The first matching route at or after `start` that `tried` does not hold; -1 if none; -2 if the body is needed.
    func firstMatch(
        from start: Int, _ request: RequestView, tried: TriedRoutes, scratch: UnsafeMutablePointer<UInt8>
    ) -> Int {
        withUnsafeTemporaryAllocation(of: RouteIndex.Cursor.self, capacity: RouteIndex.maxLists) { lists in
            let count = index.isUsed ? index.lookUp(request, lists.baseAddress!) : -1
            return match(from: start, to: routes.count, request, tried, scratch, lists.baseAddress!, count)
        }
    }

    /// The first match among the routes before `end`, over candidates: all routes if `count` is -1, else what `lists`
    /// holds.
    @inline(__always)
    private func match(
        from start: Int, to end: Int, _ request: RequestView, _ tried: TriedRoutes,
        _ scratch: UnsafeMutablePointer<UInt8>, _ lists: UnsafeMutablePointer<RouteIndex.Cursor>, _ count: Int
    ) -> Int {
        var i = start
        while true {
            if count >= 0 { i = index.next(lists, count, from: i) }
            if i < 0 || i >= end { return -1 }
            switch verdict(i, request, scratch: scratch) {
            case .matches: if !tried.contains(i) { return i }
            case .needsBody: return -2
            default: break
            }
            i += 1
        }
    }

    /// Chooses the route for an attempt: of the first priority with a match, one by weight among those whose target is
    /// well; if all of them are left out, the first all the same, for a gateway that refuses to try helps nobody.
    /// Returns a route's index, -1 if none matches, -2 if the body is needed first.
    @inline(__always)
    func choose(
        _ request: RequestView, tried: TriedRoutes, scratch: UnsafeMutablePointer<UInt8>, random: UInt64,
        isAvailable: (Int32) -> Bool
    ) -> Int {
        withUnsafeTemporaryAllocation(of: RouteIndex.Cursor.self, capacity: RouteIndex.maxLists) { lists in
            let count = index.isUsed ? index.lookUp(request, lists.baseAddress!) : -1
            let first = match(from: 0, to: routes.count, request, tried, scratch, lists.baseAddress!, count)
            guard first >= 0 else { return first }
            let route = routes.pointer(first)
            if Int(route.pointee.groupEnd) == first + 1 && isAvailable(route.pointee.target) { return first }
            return withUnsafeTemporaryAllocation(of: Int32.self, capacity: Self.maxShared) { shared in
                var start = first
                while start >= 0 {
                    // All of this priority that match, then one of them.
                    let end = Int(routes.pointer(start).pointee.groupEnd)
                    var found = 0
                    var i = start
                    while i >= 0 && found < Self.maxShared {
                        if isAvailable(routes.pointer(i).pointee.target) {
                            shared[found] = Int32(i)
                            found += 1
                        }
                        // Only as far as the priority goes: a later one has no say, and so no need of the body.
                        i = match(from: i + 1, to: end, request, tried, scratch, lists.baseAddress!, count)
                    }
                    if i == -2 { return -2 }
                    if found > 0 { return draw(shared.baseAddress!, found, random) }
                    start = match(from: end, to: routes.count, request, tried, scratch, lists.baseAddress!, count)
                    if start == -2 { return -2 }
                }
                return first
            }
        }
    }

    /// Routes of one priority that share the load of one request; further ones get none of it.
    static let maxShared = 64

    /// One of `count` routes, as often as its weight says; the first if no weight is above 0.
    @inline(__always)
    private func draw(_ shared: UnsafeMutablePointer<Int32>, _ count: Int, _ random: UInt64) -> Int {
        if count == 1 { return Int(shared[0]) }
        var total: UInt64 = 0
        for i in 0..<count { total += UInt64(max(routes.pointer(Int(shared[i])).pointee.weight, 0)) }
        if total == 0 { return Int(shared[0]) }
        var left = random % total
        for i in 0..<count {
            let weight = UInt64(max(routes.pointer(Int(shared[i])).pointee.weight, 0))
            if left < weight { return Int(shared[i]) }
            left -= weight
        }
        return Int(shared[0])
    }

    /// The members that routes up to `chosen`, as far as they fit the request otherwise, ask about: what decided that
    /// this route takes it, its own conditions and those of the routes before it alike.
    func decidingMembers(
        upTo chosen: Int, _ request: RequestView, scratch: UnsafeMutablePointer<UInt8>
    ) -> UInt64 {
        var members: UInt64 = 0
        for i in 0...max(chosen, 0) where routes.pointer(i).pointee.decidingMembers & ~members != 0 {
            switch verdict(i, request, scratch: scratch) {
            case .path, .method, .header: break
            default: members |= routes.pointer(i).pointee.decidingMembers
            }
        }
        return members
    }

    /// True if one of the routes up to `chosen` (all of them for -1) that fits the request otherwise asks about one of
    /// these members.
    func asks(
        about members: UInt64, _ request: RequestView, upTo chosen: Int, scratch: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        let end = chosen >= 0 ? chosen : routes.count - 1
        var i = 0
        while i <= end {
            if routes.pointer(i).pointee.decidingMembers & members != 0 {
                switch verdict(i, request, scratch: scratch) {
                case .path, .method, .header: break
                default: return true
                }
            }
            i += 1
        }
        return false
    }
}

// Duplicates within members: objects in the body that two parsers may read in two ways.
extension RouteTable {
    /// True if a route up to `chosen` (any for -1) that fits the request but for its body looks into a member in which
    /// duplicates disagree.
    @inline(never)
    func disagreesWithin(
        _ request: RequestView, _ captures: UnsafeMutablePointer<MemberCapture>, upTo chosen: Int,
        scratch: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        guard let p = request.body.pointer else { return false }
        var members: UInt64 = 0
        for i in 0..<inner.count {
            let asked = inner[i]
            if chosen >= 0 && Int(asked.route) > chosen { break }
            guard fitsHead(Int(asked.route), request, scratch) else { continue }
            if asked.isWide && request.bodyIsComplete {
                return JSONValue.disagrees(in: UnsafeRawBufferPointer(start: p, count: request.body.count))
            }
            members |= asked.members
        }
        while members != 0 {
            let capture = captures + members.trailingZeroBitCount
            members &= members - 1
            guard capture.pointee.isComplete, capture.pointee.kind == .object || capture.pointee.kind == .array,
                capture.pointee.end <= UInt64(request.body.count)
            else { continue }
            let start = Int(capture.pointee.start)
            let count = Int(capture.pointee.end) - start
            if JSONValue.disagrees(in: UnsafeRawBufferPointer(start: p + start, count: count)) { return true }
        }
        return false
    }

    private func fitsHead(_ index: Int, _ request: RequestView, _ scratch: UnsafeMutablePointer<UInt8>) -> Bool {
        let route = routes.pointer(index)
        guard route.pointee.pattern.matches(request.path, scratch: scratch),
            route.pointee.methods.contains(request.method, request.methodName)
        else { return false }
        let headers = route.pointee.headerConditions
        for i in 0..<headers.count where !headers[i].holds(request) { return false }
        return true
    }
}

/// The routes that an exchange has tried, by index; the last eight are remembered, which is as many as are ever tried.
struct TriedRoutes: BitwiseCopyable, Equatable {
    private var indices = SIMD8<Int16>(repeating: -1)
    private var count: Int16 = 0

    static let capacity = 8
    var isFull: Bool { Int(count) >= Self.capacity }
    var isEmpty: Bool { count == 0 }

    @inline(__always)
    func contains(_ index: Int) -> Bool {
        if count == 0 { return false }
        return any(indices .== SIMD8(repeating: Int16(truncatingIfNeeded: index)))
    }

    mutating func insert(_ index: Int) {
        indices[Int(count) % Self.capacity] = Int16(truncatingIfNeeded: index)
        count += 1
    }
}
