import Store

/// Why a route cannot be served: the first field that does not hold and what is wrong with it.
public struct RouteProblem: Sendable, Equatable {
    /// The route's field as the admin API and the database call it (`match_body_schema`).
    public var field: String
    /// What is wrong, fit to be shown to the operator.
    public var message: String

    public init(field: String, message: String) {
        self.field = field
        self.message = message
    }
}

/// What the router decides about a request that is only described, not sent.
public struct RouteExplanation: Sendable, Equatable {
    /// One route that was looked at, in the order in which the router looks.
    public struct Candidate: Sendable, Equatable {
        public var routeID: String
        public var routeName: String
        public var matched: Bool
        /// Which condition failed ("method is not POST"), or that everything held.
        public var reason: String

        public init(routeID: String, routeName: String, matched: Bool, reason: String) {
            self.routeID = routeID
            self.routeName = routeName
            self.matched = matched
            self.reason = reason
        }
    }

    /// One provider that could take a request that no route takes.
    public struct ProviderCandidate: Sendable, Equatable {
        public var provider: String
        /// The name that the provider would be asked for.
        public var model: String
        /// Candidates of one group share the load; a later group comes in when an earlier one cannot serve. Nil: it is
        /// none, for it does not list the model.
        public var group: Int?
        public var isUsable: Bool
        /// Of such requests, what goes to it now: 0…1.
        public var share: Double
        /// What speaks against it, or its part.
        public var reason: String
        /// When what speaks against it is over; nil: not by itself.
        public var backInMilliseconds: UInt64?

        public init(
            provider: String, model: String, group: Int?, isUsable: Bool, share: Double = 0, reason: String,
            backInMilliseconds: UInt64? = nil
        ) {
            self.provider = provider
            self.model = model
            self.group = group
            self.isUsable = isUsable
            self.share = share
            self.reason = reason
            self.backInMilliseconds = backInMilliseconds
        }
    }

    /// Which provider takes the request; nil if a route does, or it names no model on a path where that counts.
    public struct ProviderChoice: Sendable, Equatable {
        public var model: String
        /// The name is an alias.
        public var isAlias: Bool
        public var candidates: [ProviderCandidate]
        /// What decides among several, in words.
        public var rule: String
        /// Why nobody takes it; nil if somebody does.
        public var error: String?
    }

    public var provider: ProviderChoice?
    /// The route that takes the request; nil if none does.
    public var matchedRouteID: String?
    /// Where the request would be sent, query included.
    public var targetURL: String?
    public var candidates: [Candidate]
    /// Why the request would be refused before any route is asked (a path with dot segments, say).
    public var error: String?

    public init(
        matchedRouteID: String? = nil, targetURL: String? = nil, candidates: [Candidate] = [], error: String? = nil
    ) {
        self.matchedRouteID = matchedRouteID
        self.targetURL = targetURL
        self.candidates = candidates
        self.error = error
    }
}

/// The gateway refused or failed to do what the control side asked.
public struct GatewayError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The route or setting at fault, if one is.
    public var field: String?
    public var message: String

    public init(field: String? = nil, message: String) {
        self.field = field
        self.message = message
    }

    public var description: String { field.map { "\($0): \(message)" } ?? message }
}

/// A histogram's state. Counts are per bucket, not cumulative; `counts` has one entry more than
/// `bucketsSeconds`, the last one for what lies above every bound.
public struct Histogram: Sendable, Equatable {
    /// Upper bounds (inclusive), ascending.
    public var bucketsSeconds: [Double]
    public var counts: [UInt64]
    /// Sum of all observations, in seconds.
    public var sum: Double
    public var count: UInt64

    public init(bucketsSeconds: [Double] = [], counts: [UInt64] = [0], sum: Double = 0, count: UInt64 = 0) {
        self.bucketsSeconds = bucketsSeconds
        self.counts = counts
        self.sum = sum
        self.count = count
    }
}

/// What all workers have counted since the start, added up. Label values are bounded: a route is named by
/// its `route_name` or `route_id`, a provider by `provider:name`, what neither took by "none", methods outside RFC 9110 by "OTHER".
public struct GatewayMetrics: Sendable, Equatable {
    public struct RequestCount: Sendable, Equatable {
        public var route: String
        public var method: String
        /// The status that the audit has, 499 included.
        public var code: UInt16
        public var count: UInt64

        public init(route: String, method: String, code: UInt16, count: UInt64) {
            self.route = route
            self.method = method
            self.code = code
            self.count = count
        }
    }

    /// The time from a request's first byte to its response's last, by route.
    public struct RouteHistogram: Sendable, Equatable {
        public var route: String
        public var bucketsSeconds: [Double]
        /// Per bucket, not cumulative; one entry more than `bucketsSeconds`.
        public var counts: [UInt64]
        public var sum: Double
        public var count: UInt64

        public init(route: String, bucketsSeconds: [Double], counts: [UInt64], sum: Double, count: UInt64) {
            self.route = route
            self.bucketsSeconds = bucketsSeconds
            self.counts = counts
            self.sum = sum
            self.count = count
        }
    }

    public struct UpstreamErrorCount: Sendable, Equatable {
        public var route: String
        /// A short fixed word: "connect", "dns", "timeout", "reset", "tls", "protocol", "status".
        public var reason: String
        public var count: UInt64

        public init(route: String, reason: String, count: UInt64) {
            self.route = route
            self.reason = reason
            self.count = count
        }
    }

    public struct RetryCount: Sendable, Equatable {
        public var route: String
        public var count: UInt64

        public init(route: String, count: UInt64) {
            self.route = route
            self.count = count
        }
    }

    public var requestsTotal: [RequestCount] = []
    public var durationHistograms: [RouteHistogram] = []
    public var firstByteHistogram = Histogram()
    /// The time that exchanges spent in the gateway itself.
    public var overheadHistogram = Histogram()
    public var openConnectionsClient = 0
    public var openConnectionsUpstream = 0
    public var activeStreams = 0
    public var upstreamErrors: [UpstreamErrorCount] = []
    public var retries: [RetryCount] = []
    public var rateLimited: UInt64 = 0
    /// Events that exchanges gave rise to: those in the rings, those written since, and the dropped.
    public var auditAccepted: UInt64 = 0
    /// Events for which there was no room.
    public var auditDropped: UInt64 = 0
    public var models: [ModelMetrics] = []
    public var providers: [ProviderStatus] = []
    /// How often a limit of the whole process turned somebody away or made them wait.
    public struct LimitCount: Sendable, Equatable {
        /// `descriptors`, `connections`, `address` or `memory`.
        public var limit: String
        public var count: UInt64

        public init(limit: String, count: UInt64) {
            self.limit = limit
            self.count = count
        }
    }
    public var limitsMet: [LimitCount] = []
    /// Upstream connections on which something came that nobody had asked for.
    public var unsolicitedResponses: UInt64 = 0
    /// Requests sent again at once, since the kept-alive connection they went out on turned out to be closed: those whose
    /// repetition changes nothing (RFC 9110 §9.2.2), and others.
    public var resentIdempotent: UInt64 = 0
    public var resentOther: UInt64 = 0
    /// Records of usage for which there was no room.
    public var usageDropped: UInt64 = 0
    /// Bytes of buffers in use.
    public var bufferedBytes: UInt64 = 0
    /// Client connections that are taken at most.
    public var connectionLimit = 0
    /// Bytes waiting in all workers' rings.
    public var ringUsedBytes: UInt64 = 0

    public init() {}
}

/// What the control side (the admin API, the command line) asks of a running gateway. Every call may block
/// for as long as a worker's loop turn takes, so none of them belongs on a reactor thread.
public protocol GatewayControl: Sendable {
    /// Makes a new snapshot of keys and routes (settings stay) and returns when every worker serves from it.
    func publish(keys: [KeyRecord], routes: [RouteRecord]) throws(GatewayError)
    /// Makes a new snapshot of providers, their keys, models, aliases and prices (all else stays) and returns when every
    /// worker serves from it.
    func publish(providers: ProviderSet) throws(GatewayError)
    /// Whether the provider could be served: its address and headers. Nil if so.
    func validate(_ provider: ProviderRecord) -> RouteProblem?
    /// How the providers and their keys are at the moment.
    func providerStatus() -> [ProviderStatus]
    /// Whether the route could be served: its pattern, schema, target and headers compile. Nil if so.
    func validate(_ route: RouteRecord) -> RouteProblem?
    /// Which route would take this request, and why each other one would not.
    /// - Parameters:
    ///   - path: The request target: path and, after `?`, the query.
    ///   - keyID: whose models, budget and places count; nil: nobody's.
    func explain(method: String, path: String, headers: [(String, String)], body: [UInt8]?, keyID: String?)
        -> RouteExplanation
    func metrics() -> GatewayMetrics
    /// False if an active route cannot be served. Never blocks.
    var servesAllRoutes: Bool { get }
    /// The same for enabled providers.
    var servesAllProviders: Bool { get }
    /// True once the gateway has stopped accepting and only finishes what is open. Never blocks.
    var isDraining: Bool { get }
}
