internal import CAres
import CEpoll
import Glibc

/// How looking up one name ended, for one of those who asked.
public struct ResolverCompletion: Sendable {
    public let requestToken: Token
    public let name: String
    /// With port 0; empty if there is an error. IPv6 and IPv4 take turns (RFC 8305, 4), IPv6 first.
    public let addresses: [SocketAddress]
    /// `NXDOMAIN`, `TIMEOUT` …; nil = found.
    public let error: String?
    /// No answer came within the time that was given.
    public let isTimeout: Bool
    /// Whether asking again later may go better: the name servers did not answer, or could not.
    public let isTemporary: Bool
}

/// Names to addresses, without blocking: c-ares on the reactor's own poller. One per reactor thread.
///
/// Answers are cached as long as they say, within limits; errors for a second, so that a dead upstream's name doesn't
/// cost a query per request. Those who ask for a name while it is being looked up share the query.
///
/// After `resolve`, `handle` and `processTimeouts` there may be completions to pop.
public final class Resolver {
    /// One lookup that is under way. c-ares keeps it alive until it calls back.
    private final class Query {
        /// nil once the resolver is gone.
        weak var resolver: Resolver?
        let name: String
        var waiters: [Waiter]

        init(_ resolver: Resolver, _ name: String, _ waiters: [Waiter]) {
            self.resolver = resolver
            self.name = name
            self.waiters = waiters
        }
    }

    /// Who asked, and until when (monotonic milliseconds) an answer is of use.
    private struct Waiter {
        let token: Token
        let deadline: UInt64
    }

    /// What the socket callback needs; apart from the resolver because it is called while that one is being destroyed.
    private struct SocketContext {
        let pollerFD: Int32
        let tokenKind: UInt8
    }

    private var channel: ares_channel
    private let socketContext: UnsafeMutablePointer<SocketContext>
    private let settings: ChannelSettings
    /// What the file with the name servers was when it was read.
    private var resolvConfStamp: FileStamp
    private var resolvConfCheckedAt: UInt64 = 0
    /// Lookups that were under way when the name servers changed.
    private var orphans: [Query] = []
    /// No waiter's deadline is earlier.
    private var nextDeadline = UInt64.max
    private var cache = ResolverCache()
    private var queries: [String: Query] = [:]
    private var completions: [ResolverCompletion] = []
    private var nextCompletion = 0

    /// More lookups at one time than any reactor has use for.
    static let queryLimit = 4096
    private static let libraryStatus = ares_library_init(ARES_LIB_INIT_ALL)

    /// What a channel is made from.
    private struct ChannelSettings {
        let nameServers: String?
        let resolvConf: String
        let queryTimeoutMilliseconds: Int32
        let tries: Int32
    }

    /// - Parameters:
    ///   - pollerFD: the reactor's epoll, which sees c-ares's sockets with tokens of `tokenKind`.
    ///   - nameServers: `"address:port"`, comma-separated, in place of those in `resolvConf`; search domains are then not
    ///     tried.
    ///   - resolvConf: the file that names the name servers; it is read again when it has changed.
    ///   - queryTimeoutMilliseconds: how long the first try waits for an answer; each further try waits twice as long.
    ///   - tries: per name server.
    public init(
        pollerFD: Int32, tokenKind: UInt8, nameServers: String? = nil, resolvConf: String = "/etc/resolv.conf",
        queryTimeoutMilliseconds: Int32 = 1000, tries: Int32 = 3
    ) throws(SystemError) {
        let libraryStatus = Resolver.libraryStatus
        guard libraryStatus == 0 else {
            throw SystemError(errno: EINVAL, operation: "c-ares: \(Resolver.text(libraryStatus))")
        }
        settings = ChannelSettings(
            nameServers: nameServers, resolvConf: resolvConf, queryTimeoutMilliseconds: queryTimeoutMilliseconds,
            tries: tries)
        resolvConfStamp = FileStamp(path: resolvConf)
        let context = UnsafeMutablePointer<SocketContext>.allocate(capacity: 1)
        context.initialize(to: SocketContext(pollerFD: pollerFD, tokenKind: tokenKind))
        let (status, channel) = Resolver.open(settings, context)
        guard let channel else {
            context.deallocate()
            throw SystemError(errno: EINVAL, operation: "c-ares: \(Resolver.text(status))")
        }
        self.channel = channel
        socketContext = context
    }

    private static func open(
        _ settings: ChannelSettings, _ context: UnsafeMutablePointer<SocketContext>
    ) -> (status: Int32, channel: ares_channel?) {
        var options = ares_options()
        options.timeout = settings.queryTimeoutMilliseconds
        options.tries = settings.tries
        options.sock_state_cb = { data, fd, readable, writable in
            let context = data!.assumingMemoryBound(to: SocketContext.self)
            Resolver.watch(fd, readable: readable != 0, writable: writable != 0, context.pointee)
        }
        options.sock_state_cb_data = UnsafeMutableRawPointer(context)
        options.flags = settings.nameServers == nil ? 0 : Int32(ARES_FLAG_NOSEARCH)
        var mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF
        if settings.nameServers != nil { mask |= ARES_OPT_FLAGS }
        // First /etc/hosts, then DNS.
        let lookups = strdup("fb")
        let resolvConf = strdup(settings.resolvConf)
        defer {
            free(lookups)
            free(resolvConf)
        }
        options.lookups = lookups
        options.resolvconf_path = resolvConf
        var channel: ares_channel?
        var status = ares_init_options(&channel, &options, Int32(mask))
        if status == 0, let nameServers = settings.nameServers {
            status = ares_set_servers_ports_csv(channel, nameServers)
        }
        if status == 0 { return (status, channel) }
        if let channel { ares_destroy(channel) }
        return (status, nil)
    }

    deinit {
        // Calls every open query back, which finds the resolver gone.
        ares_destroy(channel)
        socketContext.deallocate()
    }

    /// Goes over to other name servers if their file has changed. What is being looked up is asked of the new ones.
    private func followResolvConf(_ now: UInt64) {
        guard now >= resolvConfCheckedAt + Resolver.resolvConfIntervalMilliseconds else { return }
        resolvConfCheckedAt = now
        let stamp = FileStamp(path: settings.resolvConf)
        guard stamp != resolvConfStamp else { return }
        resolvConfStamp = stamp
        guard let fresh = Resolver.open(settings, socketContext).channel else { return }
        let old = channel
        channel = fresh
        ares_destroy(old)
        let restarted = orphans
        orphans = []
        for query in restarted { start(Query(self, query.name, query.waiters)) }
    }

    /// The file is looked at once in so long, and only when a name is to be looked up.
    static let resolvConfIntervalMilliseconds: UInt64 = 1000

    // MARK: asking

    /// The addresses of a name that was looked up lately; nil = not known, or known not to exist.
    public func cached(_ name: String, nowMilliseconds: UInt64) -> [SocketAddress]? {
        guard case .found(let addresses) = cache.find(Resolver.key(name), nowMilliseconds) else { return nil }
        return addresses
    }

    /// Looks a name up, or takes an address literal as it is. The completion carries `requestToken`, and comes after
    /// `timeoutMilliseconds` at the latest.
    public func resolve(
        _ name: String, requestToken: Token, nowMilliseconds: UInt64, timeoutMilliseconds: UInt64 = 60_000
    ) {
        if let literal = SocketAddress(literal: name, port: 0) {
            complete(requestToken, name, .found([literal]))
            return
        }
        let key = Resolver.key(name)
        if let known = cache.find(key, nowMilliseconds) {
            complete(requestToken, name, known)
            return
        }
        followResolvConf(nowMilliseconds)
        let waiter = Waiter(token: requestToken, deadline: nowMilliseconds + timeoutMilliseconds)
        if let query = queries[key] {
            nextDeadline = min(nextDeadline, waiter.deadline)
            query.waiters.append(waiter)
            return
        }
        guard !key.isEmpty, key.utf8.count <= 255, !key.utf8.contains(0) else {
            complete(requestToken, name, .failed("BADNAME", isTemporary: false))
            return
        }
        guard queries.count < Resolver.queryLimit else {
            complete(requestToken, name, .failed("BUSY", isTemporary: true))
            return
        }
        nextDeadline = min(nextDeadline, waiter.deadline)
        start(Query(self, key, [waiter]))
    }

    private func start(_ query: Query) {
        queries[query.name] = query
        // Unsorted: the order that the name server chose is its load balancing.
        var hints = ares_addrinfo_hints(
            ai_flags: Int32(ARES_AI_NOSORT), ai_family: AF_UNSPEC, ai_socktype: Int32(SOCK_STREAM.rawValue),
            ai_protocol: 0)
        ares_getaddrinfo(
            channel, query.name, nil, &hints,
            { argument, status, _, result in
                let query = Unmanaged<Query>.fromOpaque(argument!).takeRetainedValue()
                defer { if let result { ares_freeaddrinfo(result) } }
                query.resolver?.finish(query, status, result)
            }, Unmanaged.passRetained(query).toOpaque())
    }

    /// Forgets who asked; the query itself goes on and its answer is cached.
    public func cancel(requestToken: Token) {
        for query in queries.values { query.waiters.removeAll { $0.token == requestToken } }
        completions[nextCompletion...].removeAll { $0.requestToken == requestToken }
    }

    /// The next lookup that has ended; nil = none.
    public func popCompletion() -> ResolverCompletion? {
        guard nextCompletion < completions.count else {
            completions.removeAll(keepingCapacity: true)
            nextCompletion = 0
            return nil
        }
        nextCompletion += 1
        return completions[nextCompletion - 1]
    }

    // MARK: the reactor's side

    /// An event for one of the resolver's sockets: the token has `tokenKind`, and the descriptor as its index.
    public func handle(_ token: Token, events: UInt32) {
        let fd = Int32(truncatingIfNeeded: token.index)
        let readable = events & ~PollEvent.writable != 0
        let writable = events & PollEvent.writable != 0
        ares_process_fd(channel, readable ? fd : -1, writable ? fd : -1)
    }

    /// When `processTimeouts` is to be called at the latest; nil = no query is open.
    public func timeoutMilliseconds(now: UInt64) -> Int? {
        let waiting = nextDeadline == .max ? nil : Int(clamping: nextDeadline) - Int(clamping: now)
        var interval = timeval()
        guard ares_timeout(channel, nil, &interval) != nil else { return waiting }
        // Rounded up, so as not to spin through the last millisecond.
        let library = Int(interval.tv_sec) * 1000 + (Int(interval.tv_usec) + 999) / 1000
        return min(library, waiting ?? library)
    }

    /// Repeats or gives up queries that have waited too long. Cheap when there are none.
    public func processTimeouts(now: UInt64) {
        if !queries.isEmpty { ares_process_fd(channel, -1, -1) }
        if now >= nextDeadline { giveUpWaiting(now) }
    }

    /// Those whose time is over get told; the queries go on, and their answers are cached.
    private func giveUpWaiting(_ now: UInt64) {
        nextDeadline = .max
        for query in queries.values {
            for waiter in query.waiters where waiter.deadline <= now {
                complete(waiter.token, query.name, .failed(Resolver.timedOut, isTemporary: true))
            }
            query.waiters.removeAll { $0.deadline <= now }
            for waiter in query.waiters { nextDeadline = min(nextDeadline, waiter.deadline) }
        }
    }

    private static let timedOut = "TIMEOUT"

    private static func watch(_ fd: Int32, readable: Bool, writable: Bool, _ context: SocketContext) {
        guard readable || writable else {
            _ = fg_epoll_remove(context.pollerFD, fd)
            return
        }
        let events = (readable ? PollEvent.readable : 0) | (writable ? PollEvent.writable : 0)
        let token = Token(kind: context.tokenKind, generation: 0, index: UInt32(bitPattern: fd)).rawValue
        if fg_epoll_add(context.pollerFD, fd, events, token) == -EEXIST {
            _ = fg_epoll_modify(context.pollerFD, fd, events, token)
        }
    }

    // MARK: answers

    private func finish(_ query: Query, _ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?) {
        queries[query.name] = nil
        guard status != ARES_EDESTRUCTION else {
            orphans.append(query)
            return
        }
        let (answer, seconds) = Resolver.answer(status, result)
        cache.insert(query.name, answer, seconds: seconds, Clock.monotonicMilliseconds())
        for waiter in query.waiters { complete(waiter.token, query.name, answer) }
    }

    private func complete(_ token: Token, _ name: String, _ answer: ResolverCache.Answer) {
        let completion =
            switch answer {
            case .found(let addresses):
                ResolverCompletion(
                    requestToken: token, name: name, addresses: addresses, error: nil, isTimeout: false,
                    isTemporary: false)
            case .failed(let error, let isTemporary):
                ResolverCompletion(
                    requestToken: token, name: name, addresses: [], error: error,
                    isTimeout: error == Resolver.timedOut, isTemporary: isTemporary)
            }
        completions.append(completion)
    }

    /// The addresses that c-ares found, and for how many seconds they hold.
    private static func answer(
        _ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?
    ) -> (ResolverCache.Answer, seconds: Int) {
        guard status == 0, let result else { return (failure(status), ResolverCache.errorSeconds) }
        var v6: [SocketAddress] = []
        var v4: [SocketAddress] = []
        var seconds = ResolverCache.longestSeconds
        var node = result.pointee.nodes
        while let current = node {
            seconds = min(seconds, Int(current.pointee.ai_ttl))
            if let address = SocketAddress(current.pointee.ai_addr)?.withPort(0) {
                if address.isIPv6 { v6.append(address) } else { v4.append(address) }
            }
            node = current.pointee.ai_next
        }
        var alias = result.pointee.cnames
        while let current = alias {
            seconds = min(seconds, Int(current.pointee.ttl))
            alias = current.pointee.next
        }
        let addresses = interleave(v6, v4)
        guard !addresses.isEmpty else { return (failure(ARES_ENODATA), ResolverCache.errorSeconds) }
        return (.found(addresses), max(seconds, ResolverCache.shortestSeconds))
    }

    static let addressLimit = 32

    /// v6, v4, v6, v4 …, then what is left of the longer list.
    static func interleave(_ v6: [SocketAddress], _ v4: [SocketAddress]) -> [SocketAddress] {
        var mixed: [SocketAddress] = []
        for index in 0..<max(v6.count, v4.count) {
            for list in [v6, v4] where index < list.count && !mixed.contains(list[index]) { mixed.append(list[index]) }
            if mixed.count >= addressLimit { break }
        }
        return mixed
    }

    private static func failure(_ status: Int32) -> ResolverCache.Answer {
        switch status {
        case ARES_ENOTFOUND: .failed("NXDOMAIN", isTemporary: false)
        case ARES_ENODATA: .failed("NODATA", isTemporary: false)
        case ARES_EBADNAME: .failed("BADNAME", isTemporary: false)
        case ARES_ETIMEOUT: .failed(timedOut, isTemporary: true)
        case ARES_ESERVFAIL: .failed("SERVFAIL", isTemporary: true)
        case ARES_EREFUSED: .failed("REFUSED", isTemporary: true)
        // Also what c-ares says when every server has answered SERVFAIL or REFUSED: it has gone on to the next one.
        case ARES_ECONNREFUSED: .failed("NOSERVER", isTemporary: true)
        default: .failed(text(status), isTemporary: true)
        }
    }

    private static func text(_ status: Int32) -> String { String(cString: ares_strerror(status)) }

    /// Names compare without regard to case (RFC 4343).
    private static func key(_ name: String) -> String {
        name.utf8.contains { $0 >= 0x41 && $0 <= 0x5a } ? name.lowercased() : name
    }
}
