import JSON

/// One route as the database holds it. Nothing here is compiled: patterns and schemas are the proxy's business.
public struct RouteRecord: Sendable, Equatable {
    public var routeID: String
    public var routeName: String
    public var description: String?
    public var matchPath: String
    /// `ANY`, one method, or a comma list.
    public var matchMethod: String
    /// Object: name to value.
    public var matchHeaders: JSONValue?
    public var matchBodySchema: JSONValue?
    /// `host:port`.
    public var targetHost: String
    /// Empty keeps the request's path.
    public var targetPath: String
    /// `http` or `https`.
    public var targetProtocol: String
    public var stripPathPrefix: Bool
    /// Object: name to value, in order.
    public var addHeaders: JSONValue?
    /// Object: member to value.
    public var addBodyFields: JSONValue?
    public var removeHeaders: [String]
    /// Nil: the gateway's default.
    public var timeoutSeconds: Int?
    public var retryCount: Int
    public var isActive: Bool
    /// Smaller goes first.
    public var priority: Int
    public var weight: Int
    public var createdAtMilliseconds: Int64
    public var updatedAtMilliseconds: Int64

    /// - Parameter routeID: empty: the store makes one when the route is created.
    public init(
        routeID: String = "", routeName: String, description: String? = nil, matchPath: String,
        matchMethod: String = "ANY", matchHeaders: JSONValue? = nil, matchBodySchema: JSONValue? = nil,
        targetHost: String, targetPath: String = "", targetProtocol: String = "http", stripPathPrefix: Bool = false,
        addHeaders: JSONValue? = nil, addBodyFields: JSONValue? = nil, removeHeaders: [String] = [],
        timeoutSeconds: Int? = nil, retryCount: Int = 0, isActive: Bool = true, priority: Int = 100, weight: Int = 1,
        createdAtMilliseconds: Int64 = 0, updatedAtMilliseconds: Int64 = 0
    ) {
        self.routeID = routeID
        self.routeName = routeName
        self.description = description
        self.matchPath = matchPath
        self.matchMethod = matchMethod
        self.matchHeaders = matchHeaders
        self.matchBodySchema = matchBodySchema
        self.targetHost = targetHost
        self.targetPath = targetPath
        self.targetProtocol = targetProtocol
        self.stripPathPrefix = stripPathPrefix
        self.addHeaders = addHeaders
        self.addBodyFields = addBodyFields
        self.removeHeaders = removeHeaders
        self.timeoutSeconds = timeoutSeconds
        self.retryCount = retryCount
        self.isActive = isActive
        self.priority = priority
        self.weight = weight
        self.createdAtMilliseconds = createdAtMilliseconds
        self.updatedAtMilliseconds = updatedAtMilliseconds
    }
}

/// Which routes a list shows.
public struct RouteFilter: Sendable, Equatable {
    /// Part of the name, upper and lower case alike.
    public var nameContains: String?
    public var matchPath: String?
    public var targetHost: String?
    public var isActive: Bool?

    public init(
        nameContains: String? = nil, matchPath: String? = nil, targetHost: String? = nil, isActive: Bool? = nil
    ) {
        self.nameContains = nameContains
        self.matchPath = matchPath
        self.targetHost = targetHost
        self.isActive = isActive
    }
}
