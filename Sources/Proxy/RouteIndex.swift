import JSON
import Reactor

/// Finds the routes that a request may match without looking at all of them: postings by the literal beginning of the
/// path and, for routes that ask for one string in the body (`model`, most of the time), by that string.
///
/// It only narrows: every route it names is still checked whole, and it names all that could match, in order. With few
/// routes looking at each is cheaper, and there is no index.
struct RouteIndex: BitwiseCopyable, @unchecked Sendable {
    /// Below this many routes there is none.
    static let minRoutes = 12
    /// Different lengths of literal beginnings before a wildcard, and different members, that are told apart.
    static let maxLengths = 12
    static let maxMembers = 4
    /// One list per way of asking: the exact path and each length, each without and with every member.
    static let maxLists = (maxLengths + 1) * (maxMembers + 1)

    struct Slot: BitwiseCopyable {
        /// 0 = free.
        var key: UInt64 = 0
        var start: Int32 = 0
        var end: Int32 = 0
    }

    private let slots: List<Slot>
    private let postings: List<Int32>
    private let lengths: List<Int32>
    private let members: List<Int32>

    var isUsed: Bool { !slots.isEmpty }

    /// It can be asked as soon as the path is known.
    @inline(__always)
    var needsPathOnly: Bool { isUsed && members.isEmpty }

    /// A list of candidates, ascending.
    struct Cursor: BitwiseCopyable {
        var next: Int32
        var end: Int32
    }

    /// Writes the lists that hold candidates for `request` into `lists` (room for `maxLists`) and returns how many there
    /// are; -1 if only looking at every route can tell: the body is not here yet, or a string in it is escaped.
    func lookUp(_ request: RequestView, _ lists: UnsafeMutablePointer<Cursor>) -> Int {
        guard let path = request.path.pointer else { return -1 }
        if let search = request.search, search.pointee.isDone(for: request.path) {
            lists.update(from: search.pointee.lists, count: search.pointee.listCount)
            return search.pointee.listCount
        }
        var values: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var known = 0
        if !members.isEmpty {
            guard request.bodyIsComplete else { return -1 }
            if let captures = request.captures {
                known = Self.hashMembers(request, captures, members, &values)
                if known < 0 { return -1 }
            }
        }
        var count = 0
        count = probe(Self.hash(path, request.path.count, seed: Self.exactSeed), known, values, lists, count)
        for i in 0..<lengths.count {
            let length = Int(lengths[i])
            if length > request.path.count { break }
            count = probe(Self.hash(path, length, seed: Self.prefixSeed), known, values, lists, count)
        }
        return count
    }

    /// Begins a search by the path alone, for an index that `needsPathOnly`: has the slots that will be looked at come
    /// into the caches, without waiting for them.
    @inline(__always)
    func begin(_ search: inout RouteSearch, _ path: Bytes) {
        search.begin(path)
        let p = path.pointer.unsafelyUnwrapped
        note(&search, Self.hash(p, path.count, seed: Self.exactSeed))
        var i = 0
        while i < lengths.count {
            let length = Int(lengths[i])
            if length > path.count { break }
            note(&search, Self.hash(p, length, seed: Self.prefixSeed))
            i &+= 1
        }
    }

    @inline(__always)
    private func note(_ search: inout RouteSearch, _ key: UInt64) {
        Prefetch.read(slots.pointer(home(key)))
        search.keys[search.keyCount] = key
        search.keyCount &+= 1
    }

    /// Finds the lists of a search that has begun, for `lookUp` to take.
    @inline(__always)
    func finish(_ search: inout RouteSearch) {
        var count = 0
        var i = 0
        while i < search.keyCount {
            count = find(search.keys[i], search.lists, count)
            i &+= 1
        }
        search.listCount = count
    }

    /// The first route of a list.
    @inline(__always)
    func first(_ list: Cursor) -> Int { Int(postings[Int(list.next)]) }

    private func probe(
        _ base: UInt64, _ known: Int, _ values: (UInt64, UInt64, UInt64, UInt64),
        _ lists: UnsafeMutablePointer<Cursor>, _ count: Int
    ) -> Int {
        var count = find(base, lists, count)
        if known & 1 != 0 { count = find(Self.combined(base, values.0), lists, count) }
        if known & 2 != 0 { count = find(Self.combined(base, values.1), lists, count) }
        if known & 4 != 0 { count = find(Self.combined(base, values.2), lists, count) }
        if known & 8 != 0 { count = find(Self.combined(base, values.3), lists, count) }
        return count
    }

    @inline(__always)
    private func home(_ key: UInt64) -> Int { Int(truncatingIfNeeded: key >> 20) & (slots.count - 1) }

    @inline(__always)
    private func find(_ key: UInt64, _ lists: UnsafeMutablePointer<Cursor>, _ count: Int) -> Int {
        var slot = home(key)
        while slots[slot].key != 0 {
            if slots[slot].key == key {
                lists[count] = Cursor(next: slots[slot].start, end: slots[slot].end)
                return count + 1
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return count
    }

    /// The smallest route index at or after `start` that a list holds; -1 if there is none. `start` must not go back.
    @inline(__always)
    func next(_ lists: UnsafeMutablePointer<Cursor>, _ count: Int, from start: Int) -> Int {
        var best = -1
        for i in 0..<count {
            while lists[i].next < lists[i].end && Int(postings[Int(lists[i].next)]) < start { lists[i].next += 1 }
            guard lists[i].next < lists[i].end else { continue }
            let route = Int(postings[Int(lists[i].next)])
            if best < 0 || route < best { best = route }
        }
        return best
    }

    // MARK: Hashes

    private static let exactSeed: UInt64 = 0x9E37_79B9_7F4A_7C15
    private static let prefixSeed: UInt64 = 0xC2B2_AE3D_27D4_EB4F

    /// Not for secrets and not against attackers: what it finds is compared byte by byte.
    @inline(__always)
    static func hash(_ p: UnsafePointer<UInt8>, _ n: Int, seed: UInt64) -> UInt64 {
        var h = seed ^ UInt64(truncatingIfNeeded: n)
        var i = 0
        while i &+ 8 <= n {
            h = mix(h ^ UnsafeRawPointer(p + i).loadUnaligned(as: UInt64.self))
            i &+= 8
        }
        var rest: UInt64 = 0
        while i < n {
            rest = rest << 8 | UInt64(p[i])
            i &+= 1
        }
        return mix(h ^ rest) | 1
    }

    @inline(__always)
    private static func mix(_ x: UInt64) -> UInt64 {
        let product = x.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        return product.low ^ product.high
    }

    @inline(__always)
    private static func combined(_ base: UInt64, _ value: UInt64) -> UInt64 { mix(base ^ value &* 31) | 1 }

    private static func memberHash(_ name: Int32, _ p: UnsafePointer<UInt8>, _ n: Int) -> UInt64 {
        hash(p, n, seed: UInt64(UInt32(bitPattern: name)) &+ 0x5851_F42D_4C95_7F2D)
    }

    /// The hash of each member that is a string in the body; a bit for each in the result. -1 if one is escaped.
    private static func hashMembers(
        _ request: RequestView, _ captures: UnsafeMutablePointer<MemberCapture>, _ members: List<Int32>,
        _ values: inout (UInt64, UInt64, UInt64, UInt64)
    ) -> Int {
        var known = 0
        for i in 0..<members.count {
            let capture = captures + Int(members[i])
            guard capture.pointee.kind == .string, capture.pointee.isComplete, let body = request.body.pointer else {
                continue
            }
            // The range includes the quotes.
            let start = Int(capture.pointee.start) + 1
            let count = Int(capture.pointee.end) - start - 1
            guard count >= 0, start + count <= request.body.count else { continue }
            for j in 0..<count where body[start + j] == UInt8(ascii: "\\") { return -1 }
            let value = memberHash(members[i], body + start, count)
            switch i {
            case 0: values.0 = value
            case 1: values.1 = value
            case 2: values.2 = value
            default: values.3 = value
            }
            known |= 1 << i
        }
        return known
    }

    // MARK: Compiling

    static func compile(_ routes: [CompiledRoute], in arena: Arena) -> RouteIndex {
        guard routes.count >= minRoutes else {
            return RouteIndex(
                slots: arena.store([Slot]()), postings: arena.store([Int32]()), lengths: arena.store([Int32]()),
                members: arena.store([Int32]()))
        }
        let members = commonMembers(routes)
        let lengths = wildcardLengths(routes)
        var lists: [UInt64: [Int32]] = [:]
        for (index, route) in routes.enumerated() {
            lists[key(of: route, lengths: lengths, members: members), default: []].append(Int32(index))
        }
        var size = 16
        while size < lists.count * 2 { size *= 2 }
        var slots = [Slot](repeating: Slot(), count: size)
        var postings: [Int32] = []
        for (key, list) in lists {
            var slot = Int(truncatingIfNeeded: key >> 20) & (size - 1)
            while slots[slot].key != 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = Slot(key: key, start: Int32(postings.count), end: Int32(postings.count + list.count))
            postings += list
        }
        return RouteIndex(
            slots: arena.store(slots), postings: arena.store(postings), lengths: arena.store(lengths.map(Int32.init)),
            members: arena.store(members))
    }

    /// The members that most routes ask a string of.
    private static func commonMembers(_ routes: [CompiledRoute]) -> [Int32] {
        var counts: [Int32: Int] = [:]
        for route in routes {
            for i in 0..<route.memberConditions.count where route.memberConditions[i].scalar.kind == .string {
                counts[route.memberConditions[i].name, default: 0] += 1
            }
        }
        return Array(counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(maxMembers).map(\.key))
    }

    /// Lengths, ascending, of what stands before the first wildcard; 0 is always among them. A pattern with a length that
    /// is left out is listed under the next shorter one.
    private static func wildcardLengths(_ routes: [CompiledRoute]) -> [Int] {
        var counts: [Int: Int] = [:]
        for route in routes where route.pattern.shape != .literal {
            counts[route.pattern.prefix.count, default: 0] += 1
        }
        counts[0] = nil
        let common = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(maxLengths - 1).map(\.key)
        return [0] + common.sorted()
    }

    private static func key(of route: CompiledRoute, lengths: [Int], members: [Int32]) -> UInt64 {
        let prefix = route.pattern.prefix
        var empty: UInt8 = 0
        let base = withUnsafePointer(to: &empty) { nothing in
            let p = prefix.pointer ?? nothing
            if route.pattern.shape == .literal { return hash(p, prefix.count, seed: exactSeed) }
            return hash(p, lengths.last { $0 <= prefix.count } ?? 0, seed: prefixSeed)
        }
        for i in 0..<route.memberConditions.count {
            let condition = route.memberConditions[i]
            guard condition.scalar.kind == .string, members.contains(condition.name) else { continue }
            return combined(base, memberHash(condition.name, condition.scalar.bytes, condition.scalar.count))
        }
        return base
    }
}
