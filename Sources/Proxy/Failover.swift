/// Why an attempt to get a response from an upstream failed before a byte of it went to the client.
enum AttemptFailure: BitwiseCopyable, Equatable {
    /// The name did not resolve; `isTemporary` if asking again may help.
    case dns(isTemporary: Bool)
    /// Refused, unreachable, or no answer in time.
    case connect
    case connectTimeout
    /// The TLS handshake or the certificate's verification failed: asking again cannot help.
    case tls
    /// Closed before the first byte of a response. A kept-alive connection may have been closed while idle.
    case closed(wasReused: Bool)
    /// No byte within the route's timeout.
    case responseTimeout
    /// What came back is no HTTP response.
    case malformedResponse
    /// A whole head came back, with a status that asks for another try.
    case status(UInt16, retryAfterMilliseconds: UInt64?)
}

/// What to do after a failed attempt.
enum FailoverAction: BitwiseCopyable, Equatable {
    /// Try the same route again at once, on a fresh connection.
    case retryNow
    /// Try the same route again after a pause of at most this long (full jitter: the caller draws from 0… this).
    case retryAfter(upToMilliseconds: UInt64)
    /// Try the same route again after exactly this long, as the upstream asked.
    case retryAfterExactly(milliseconds: UInt64)
    /// Take the next matching route; if there is none, `giveUp`.
    case nextRoute
    /// Answer the client: pass on the upstream's response if there is one, else an error of our own.
    case giveUp
}

/// Decides, for one exchange, whether a failed attempt is repeated, moved to the next route or given up (SPEC: retries
/// happen only while no response byte went to the client and the request can be sent again). Pure: failures in,
/// actions out.
struct Failover: BitwiseCopyable, Equatable {
    /// Retries of the current route so far.
    private(set) var retriesOnRoute: UInt8 = 0
    /// Retries and route changes so far, over all routes.
    private(set) var retriesInAll: UInt8 = 0
    /// Reused connections that were found dead: each costs the upstream nothing and is not counted as a retry.
    private(set) var deadConnections: UInt8 = 0

    /// Whatever the settings say, an exchange makes no more attempts than this.
    static let maxRetriesInAll: UInt8 = 12
    static let maxDeadConnections: UInt8 = 3
    static let backoffBaseMilliseconds: UInt64 = 100
    static let backoffCapMilliseconds: UInt64 = 5_000
    static let retryAfterCapMilliseconds: UInt64 = 10_000

    /// Statuses that are tried again on a route with retries (RFC 9110 §15.6, RFC 6585 §4).
    static func isRetryable(status: UInt16) -> Bool {
        status == 429 || status == 502 || status == 503 || status == 504
    }

    /// - Parameters:
    ///   - retryCount: the route's retry_count.
    ///   - maxRetries: `proxy.max_retries`, a ceiling over it.
    ///   - canReplay: the whole request is still held.
    ///   - hasBudget: the target may have another retry (``RetryBudget``). Without, it is as if all had been made.
    mutating func decide(
        _ failure: AttemptFailure, retryCount: Int32, maxRetries: Int32, canReplay: Bool, hasBudget: Bool = true
    ) -> FailoverAction {
        guard canReplay else { return .giveUp }
        if case .closed(wasReused: true) = failure, deadConnections < Self.maxDeadConnections {
            deadConnections += 1
            return .retryNow
        }
        guard retriesInAll < Self.maxRetriesInAll else { return .giveUp }
        let allowed = min(max(retryCount, 0), max(maxRetries, 0))
        switch failure {
        case .dns(isTemporary: false), .tls:
            return takeNextRoute()
        case .dns(isTemporary: true), .connect:
            // A refused connection costs nobody anything: even a route without retries gets a second try.
            return retry(upTo: hasBudget ? min(max(allowed, 1), max(maxRetries, 0)) : 0)
        case .connectTimeout:
            return retry(upTo: hasBudget ? allowed : 0)
        case .closed, .malformedResponse:
            guard allowed > 0 else { return .giveUp }
            return retry(upTo: hasBudget ? allowed : 0)
        case .responseTimeout:
            // The upstream may be working on it: asking the same again would double the work.
            return allowed > 0 ? takeNextRoute() : .giveUp
        case .status(_, let retryAfter):
            guard allowed > 0 else { return .giveUp }
            guard hasBudget else { return takeNextRoute() }
            guard let wait = retryAfter else { return retry(upTo: allowed) }
            guard wait <= Self.retryAfterCapMilliseconds, Int32(retriesOnRoute) < allowed else {
                return takeNextRoute()
            }
            count()
            return .retryAfterExactly(milliseconds: wait)
        }
    }

    /// No attempt has been made on this route.
    var isFirstOnRoute: Bool { retriesOnRoute == 0 && deadConnections == 0 }

    /// The exchange moved to another route.
    mutating func routeChanged() { retriesOnRoute = 0 }

    private mutating func count() {
        retriesOnRoute += 1
        retriesInAll += 1
    }

    private mutating func retry(upTo allowed: Int32) -> FailoverAction {
        guard Int32(retriesOnRoute) < allowed else { return takeNextRoute() }
        let shift = UInt64(min(retriesOnRoute, 6))
        count()
        return .retryAfter(upToMilliseconds: min(Self.backoffBaseMilliseconds << shift, Self.backoffCapMilliseconds))
    }

    private mutating func takeNextRoute() -> FailoverAction {
        retriesInAll += 1
        return .nextRoute
    }
}
