import Config
import HTTP
import Reactor

/// The settings that workers read while serving, as plain values.
struct Policy: BitwiseCopyable, Sendable {
    var requiresKey: Bool
    var limitsRates: Bool
    var connectTimeoutMilliseconds: UInt64
    var maxRetries: Int32
    var maxBodyBytes: UInt64
    var maxIdleUpstream: Int32
    var forwardsClientIP: Bool
    var forwardsClientSubject: Bool
    var audits: Bool
    var auditsHeaders: Bool
    var auditsBody: Bool
    var auditBodyMaxBytes: Int
    var waitsForAudit: Bool
    var headerTimeoutMilliseconds: UInt64
    var bodyTimeoutMilliseconds: UInt64
    var keepaliveTimeoutMilliseconds: UInt64
    var sendTimeoutMilliseconds: UInt64
    var tunnelIdleTimeoutMilliseconds: UInt64
    var messageLimits: MessageLimits
    var retryBudgetPercent: Int32
    var retryBudgetFloor: Int32
    var maxConnectionsPerAddress: Int32
    var maxBufferedBytes: Int
    /// Bytes a second; 0 = any.
    var minBodyRate: UInt64
    var minSendRate: UInt64
    var rateGraceMilliseconds: UInt64
    /// 0 = the route's timeout.
    var firstByteTimeoutMilliseconds: UInt64
    var idleUpstreamMilliseconds: UInt64

    init(_ settings: Settings) {
        func milliseconds(_ seconds: Double) -> UInt64 { UInt64(seconds * 1000) }
        requiresKey = settings.security.requireAPIKey
        limitsRates = settings.rateLimiting.enabled
        connectTimeoutMilliseconds = milliseconds(settings.proxy.connectTimeoutSeconds)
        maxRetries = Int32(clamping: settings.proxy.maxRetries)
        maxBodyBytes = UInt64(settings.proxy.maxBodyBytes)
        maxIdleUpstream = Int32(clamping: settings.proxy.maxIdleUpstream)
        forwardsClientIP = settings.proxy.forwardClientIP
        forwardsClientSubject = settings.tls.forwardsClientSubject
        audits = settings.audit.isEnabled
        auditsHeaders = settings.proxy.auditIncludeHeaders
        auditsBody = settings.audit.isEnabled && settings.proxy.auditIncludeBody
        auditBodyMaxBytes = settings.proxy.auditBodyMaxBytes
        waitsForAudit = settings.audit.isEnabled && settings.audit.onFull == .wait
        headerTimeoutMilliseconds = milliseconds(settings.limits.headerTimeoutSeconds)
        bodyTimeoutMilliseconds = milliseconds(settings.limits.bodyTimeoutSeconds)
        keepaliveTimeoutMilliseconds = milliseconds(settings.limits.keepaliveTimeoutSeconds)
        sendTimeoutMilliseconds = milliseconds(settings.limits.sendTimeoutSeconds)
        tunnelIdleTimeoutMilliseconds = milliseconds(settings.proxy.tunnelIdleTimeoutSeconds)
        // An absolute-form target wins over Host (RFC 9112 §3.2.2): the upstream gets a Host of ours either way.
        messageLimits = MessageLimits(
            maxHeadBytes: UInt32(clamping: settings.limits.maxHeaderBytes),
            maxFields: UInt32(clamping: min(settings.limits.maxHeaders, Worker.maxFields)),
            maxTargetBytes: UInt32(clamping: settings.limits.maxTargetBytes),
            maxChunkExtensionBytes: UInt32(clamping: settings.limits.maxChunkExtensionBytes),
            maxTrailerBytes: UInt32(clamping: settings.limits.maxTrailerBytes), refusesHostMismatch: false)
        retryBudgetPercent = Int32(clamping: settings.proxy.retryBudgetPercent)
        retryBudgetFloor = Int32(clamping: settings.proxy.retryBudgetFloor)
        maxConnectionsPerAddress = Int32(clamping: settings.limits.maxConnectionsPerAddress)
        maxBufferedBytes = settings.limits.maxBufferedBytes
        minBodyRate = UInt64(settings.limits.minBodyRate)
        minSendRate = UInt64(settings.limits.minSendRate)
        rateGraceMilliseconds = milliseconds(settings.limits.rateGraceSeconds)
        firstByteTimeoutMilliseconds = milliseconds(settings.limits.firstByteTimeoutSeconds)
        idleUpstreamMilliseconds = milliseconds(settings.limits.idleUpstreamTimeoutSeconds)
    }
}

extension Settings {
    /// Request headers that are never forwarded: those configured, and those that only we may set. Forwarded (RFC 7239)
    /// says what X-Forwarded-For does.
    var headersToStrip: [String] {
        var names = proxy.stripHeaders + ["forwarded"]
        if proxy.forwardClientIP { names += ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] }
        if tls.clientAuthentication != .none { names.append(ClientSubject.headerName) }
        return names
    }
}

/// Whom a client's certificate names.
enum ClientSubject {
    static let headerName = "x-client-cert-subject"
    /// Longer ones are cut.
    static let maxBytes = 512
}

/// The cross-origin rules (Fetch standard), with everything that can be rendered once rendered.
struct CORSPolicy: BitwiseCopyable, @unchecked Sendable {
    let allowsAnyOrigin: Bool
    let origins: List<Bytes>
    let allowsCredentials: Bool
    /// Values of Access-Control-Allow-Methods and -Headers; empty = what the client asked for is repeated.
    let methods: Bytes
    let headers: Bytes

    init(_ cors: Settings.CORS, in arena: Arena) {
        allowsAnyOrigin = cors.allowOrigins.contains("*")
        origins = arena.store(cors.allowOrigins.map { arena.store($0) })
        allowsCredentials = cors.allowCredentials
        methods = cors.allowMethods.contains("*") ? .empty : arena.store(cors.allowMethods.joined(separator: ", "))
        headers = cors.allowHeaders.contains("*") ? .empty : arena.store(cors.allowHeaders.joined(separator: ", "))
    }

    /// True if a page of this origin may use the data plane.
    func allows(_ origin: Bytes) -> Bool {
        if allowsAnyOrigin { return true }
        for i in 0..<origins.count where origins[i].count == origin.count {
            if bytesEqual(origins[i].pointer, origin.pointer, origin.count) { return true }
        }
        return false
    }
}
