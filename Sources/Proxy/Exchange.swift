import HTTP
import JSON
import Reactor
import Store

/// One request and its response: everything a worker knows about it until it ends, as plain values in the client's slot.
///
/// An open stream holds this and no more. What is over once the response has begun stands apart, in `RequestState`.
struct Exchange: BitwiseCopyable {
    /// The way of an exchange; see docs/architecture.md.
    enum Phase: UInt8 {
        /// No exchange is open.
        case none
        /// The request's head is accepted, more of its body is needed to decide or to be able to send it again.
        case readingBody
        /// Waiting for a name, a connection or a TLS handshake.
        case connecting
        /// Waiting before another attempt.
        case backingOff
        /// The request is on its way, no response yet.
        case awaitingResponse
        /// The response's head went to the client.
        case relaying
        /// The response is complete, bytes of it still wait for the client.
        case flushing
        /// Bytes go both ways after a 101.
        case tunnel
    }

    var phase: Phase = .none
    var method: Method = .get
    var clientMinorVersion: UInt8 = 1
    var error: ExchangeError = .none
    var informationalCount: UInt8 = 0
    /// What the client asked for; what becomes of it is decided with the response.
    var keepsAlive = false
    var isAudited = false
    /// The ring has the first byte's record, and with it the target's URL and the response's head.
    var firstByteIsAudited = false
    /// It is among the streams that the metrics count as open.
    var isCountedStream = false
    var isStream = false
    var wantsUpgrade = false
    /// Its time in the gateway is measured, see `Worker.noteTime`.
    var isTimed = false
    /// A stream in a coding: its events cannot be counted in passing.
    var hidesChunks = false
    /// The query holds a `key` parameter that goes no further.
    var hidesQueryKey = false
    /// The path can be read in another way than it is written.
    var pathIsAmbiguous = false
    var expectsContinue = false
    /// The body was found to be no JSON object.
    var bodyIsNoObject = false
    /// All of the request's body has been received.
    var requestIsComplete = false
    /// The whole request is held, so that it can be sent again.
    var canReplay = true
    /// The request's body goes on as it comes in.
    var streamsRequest = false
    /// More of the body is waited for than is here.
    var awaitsMore = false
    /// The body comes too slowly to be waited for.
    var readsAsItComes = false
    var requestIsChunked = false
    var hasOrigin = false
    var usesDecodedBody = false
    var responseStarted = false
    var sendsChunked = false
    /// Of a tunnel: who has finished sending, and who was told that the other has.
    var clientHasEnded = false
    var upstreamHasEnded = false
    var clientWasToldTheEnd = false
    var upstreamWasToldTheEnd = false
    var countsEvents = false
    var countsLines = false
    /// One of the key's places is taken.
    var holdsPlace = false
    var status: UInt16 = 0

    var snapshot: UnsafePointer<SnapshotView>?
    /// One of the worker's `requests`; nil once an exchange goes on without it.
    var request: UnsafeMutablePointer<RequestState>?
    /// The key's place in the snapshot's table; -1 = none.
    var keyIndex: Int32 = -1
    var routeIndex: Int32 = -1
    /// The worker's slot for what an exchange with a provider needs besides; -1 = a route takes it.
    var provider: Int32 = -1
    /// The connection that this exchange uses or is making; `noUpstream` if none.
    var upstream: UInt32 = Exchange.noUpstream
    static let noUpstream = UInt32.max

    var auditID = AuditID(high: 0, low: 0)
    /// Unix nanoseconds.
    var requestTime: UInt64 = 0
    var firstResponseTime: UInt64 = 0
    /// Monotonic nanoseconds.
    var startedAt: UInt64 = 0
    /// Body bytes received, decoded.
    var requestReceived: UInt64 = 0
    /// Length of the request's head in the client's inbound buffer; 0 once it is not needed any more.
    var headLength: UInt32 = 0

    var lines = LineCounter()
    var events = SSECounter()
    /// The worker's holder of `snapshot`.
    var snapshotHolder: UInt32 = 0
    var responseBytes: UInt64 = 0
    var responseRemaining: UInt64 = 0
    var responseDecoder = ChunkedDecoder()
    var responseFraming: BodyFraming = .none
}

/// What went wrong in an exchange, as the audit and the metrics name it.
enum ExchangeError: UInt8, BitwiseCopyable, CaseIterable {
    case none, clientGone, connectRefused, connectTimeout, dnsFailed, dnsTemporary, tlsExpired, tlsWrongName
    case tlsNotYetValid, tlsSelfSigned, tlsInvalidCertificate, tlsVersion, tlsRefused
    case tlsUnknownCA, tlsFailed, closedBeforeResponse, responseTimeout, malformedResponse, cutShort
    case readTimeout, requestTimeout, bodyTooLarge, malformedBody, conflictingMembers, sendTimeout, gatewayStopping
    case missingKey, invalidKey, inactiveKey, expiredKey, notPermitted, rateLimited, noRoute, malformedRequest
    case notImplemented, noCapacity, tunnelIdle, bodyNotObject
    case missingModel, modelNotFound, modelNotAllowed, modelNotPriced, outOfTokens, outOfMoney, tooManyOpen,
        noHealthyKey, outOfAttempts
    case providerFailed, errorInAnswer
    case connectUnreachable, dnsTimeout, ambiguousPath, noMemory, trailersTooLarge

    /// The audit's error_message; empty for none.
    var message: StaticString {
        switch self {
        case .none: ""
        case .clientGone: "the client closed the connection before the response was complete"
        case .connectRefused: "could not connect to the upstream"
        case .connectTimeout: "timed out while connecting to the upstream"
        case .dnsFailed: "the upstream's name does not resolve"
        case .dnsTemporary: "the upstream's name could not be resolved for now"
        case .tlsExpired: "the upstream's certificate has expired"
        case .tlsNotYetValid: "the upstream's certificate is not yet valid"
        case .tlsSelfSigned: "the upstream's certificate is signed by nobody but itself"
        case .tlsInvalidCertificate: "the upstream's certificate is revoked or not valid for a server"
        case .tlsVersion: "the upstream speaks no TLS, or no version of it that is allowed"
        case .tlsRefused: "the upstream refused the TLS handshake"
        case .tlsWrongName: "the upstream's certificate is for another name"
        case .tlsUnknownCA: "the upstream's certificate is signed by no trusted authority"
        case .tlsFailed: "the TLS handshake with the upstream failed"
        case .closedBeforeResponse: "the upstream closed the connection before it answered"
        case .responseTimeout: "the upstream did not answer in time"
        case .malformedResponse: "the upstream's answer is not valid HTTP"
        case .cutShort: "the upstream's answer was cut short"
        case .readTimeout: "the upstream stopped sending in the middle of its answer"
        case .requestTimeout: "the request did not arrive in time"
        case .bodyTooLarge: "the request body is too large"
        case .malformedBody: "the request body's chunked framing is malformed"
        case .conflictingMembers: "the request body holds a deciding member twice, with different values"
        case .sendTimeout: "the client stopped reading"
        case .gatewayStopping: "the gateway was stopped before the exchange was complete"
        case .missingKey: "no API key was sent"
        case .invalidKey: "the API key is not valid"
        case .inactiveKey: "the API key is not active"
        case .expiredKey: "the API key has expired"
        case .notPermitted: "the API key is not allowed to use this endpoint"
        case .rateLimited: "the API key's request rate limit is reached"
        case .noRoute: "no route takes this request"
        case .malformedRequest: "the request is not valid HTTP"
        case .notImplemented: "the gateway does not implement this method"
        case .tunnelIdle: "nothing moved in the tunnel for too long"
        case .noCapacity: "the gateway can open no more connections"
        case .bodyNotObject: "the route sets members of a JSON body, but the body is not a JSON object"
        case .missingModel: "the request names no model that can be read"
        case .modelNotFound: "no provider has this model"
        case .modelNotAllowed: "the API key is not allowed to use this model, or others that the request names"
        case .modelNotPriced:
            """
            the API key has a money budget, and it is not known what this model costs at this service tier, or what other \
            models cost that the request names
            """
        case .outOfTokens: "the API key's token budget does not cover this request"
        case .outOfMoney: "the API key's money budget does not cover this request"
        case .tooManyOpen: "the API key has as many requests open as it may"
        case .noHealthyKey: "no provider of this model has a usable key at the moment"
        case .outOfAttempts: "the keys that were tried are no good, and a request may not try more (max_attempts)"
        case .providerFailed: "every provider that was tried has failed"
        case .errorInAnswer: "the provider reported an error in the middle of its answer"
        case .connectUnreachable: "the upstream's network or host cannot be reached"
        case .dnsTimeout: "timed out while looking up the upstream's name"
        case .ambiguousPath: "the path can be read in two ways that lead to different routes"
        case .noMemory: "the gateway has no room for more buffers"
        case .trailersTooLarge: "the request's trailers are too large"
        }
    }

    /// The error body's `code`.
    var code: StaticString {
        switch self {
        case .none: "internal_error"
        case .clientGone: "client_closed_request"
        case .connectRefused: "upstream_connect_failed"
        case .connectTimeout: "upstream_connect_timeout"
        case .dnsFailed: "upstream_dns_failed"
        case .dnsTemporary: "upstream_dns_temporary"
        case .tlsExpired: "upstream_tls_expired"
        case .tlsNotYetValid: "upstream_tls_not_yet_valid"
        case .tlsSelfSigned: "upstream_tls_self_signed"
        case .tlsInvalidCertificate: "upstream_tls_invalid_certificate"
        case .tlsVersion: "upstream_tls_version_mismatch"
        case .tlsRefused: "upstream_tls_refused"
        case .tlsWrongName: "upstream_tls_wrong_name"
        case .tlsUnknownCA: "upstream_tls_unknown_ca"
        case .tlsFailed: "upstream_tls_failed"
        case .closedBeforeResponse: "upstream_closed"
        case .responseTimeout, .readTimeout: "upstream_timeout"
        case .malformedResponse: "upstream_malformed_response"
        case .cutShort: "upstream_cut_short"
        case .requestTimeout: "request_timeout"
        case .bodyTooLarge: "request_too_large"
        case .malformedBody: "malformed_body"
        case .conflictingMembers: "conflicting_members"
        case .sendTimeout: "client_read_timeout"
        case .gatewayStopping: "gateway_stopping"
        case .missingKey: "missing_api_key"
        case .invalidKey: "invalid_api_key"
        case .inactiveKey: "inactive_api_key"
        case .expiredKey: "expired_api_key"
        case .notPermitted: "permission_denied"
        case .rateLimited: "rate_limit_exceeded"
        case .noRoute: "route_not_found"
        case .malformedRequest: "malformed_request"
        case .notImplemented: "not_implemented"
        case .tunnelIdle: "tunnel_idle"
        case .noCapacity: "no_capacity"
        case .bodyNotObject: "body_not_object"
        case .missingModel: "missing_model"
        case .modelNotFound: "model_not_found"
        case .modelNotAllowed: "model_not_allowed"
        case .modelNotPriced: "model_not_priced"
        case .outOfTokens, .outOfMoney: "insufficient_quota"
        case .tooManyOpen: "concurrency_limit_exceeded"
        case .noHealthyKey, .outOfAttempts: "no_healthy_key"
        case .providerFailed: "provider_failed"
        case .errorInAnswer: "provider_error"
        case .connectUnreachable: "upstream_unreachable"
        case .dnsTimeout: "upstream_dns_timeout"
        case .ambiguousPath: "ambiguous_path"
        case .noMemory: "no_memory"
        case .trailersTooLarge: "trailers_too_large"
        }
    }

    /// The status of the gateway's own answer; 499 is for the audit only.
    var status: UInt16 {
        switch self {
        case .none: 500
        case .clientGone: 499
        case .connectRefused, .connectUnreachable, .dnsFailed, .dnsTemporary, .tlsExpired, .tlsWrongName, .tlsUnknownCA,
            .tlsFailed, .tlsNotYetValid, .tlsSelfSigned, .tlsInvalidCertificate, .tlsVersion, .tlsRefused,
            .closedBeforeResponse, .malformedResponse, .cutShort, .providerFailed, .errorInAnswer:
            502
        case .connectTimeout, .dnsTimeout, .responseTimeout, .readTimeout, .tunnelIdle: 504
        case .requestTimeout: 408
        case .bodyTooLarge: 413
        case .malformedBody, .conflictingMembers, .malformedRequest, .bodyNotObject, .ambiguousPath, .missingModel: 400
        case .sendTimeout: 499
        case .gatewayStopping, .noCapacity, .noMemory, .noHealthyKey, .outOfAttempts: 503
        case .missingKey, .invalidKey, .inactiveKey, .expiredKey: 401
        case .notPermitted, .modelNotAllowed, .modelNotPriced: 403
        case .rateLimited, .outOfTokens, .outOfMoney, .tooManyOpen: 429
        case .noRoute, .modelNotFound: 404
        case .notImplemented: 501
        case .trailersTooLarge: 431
        }
    }

    /// What a fault in a request body's chunks comes to.
    init(body failure: HTTPFailure) {
        switch failure.status {
        case 413: self = .bodyTooLarge
        case 431: self = .trailersTooLarge
        default: self = .malformedBody
        }
    }

    /// True where what the client sent cannot be trusted to be framed as it seems: nothing more of it is read.
    var endsConnection: Bool {
        switch self {
        case .malformedRequest, .malformedBody, .conflictingMembers, .notImplemented, .trailersTooLarge:
            true
        default: false
        }
    }

    /// The word that `fastgate_upstream_errors_total` counts it under; nil if it is not the upstream's doing.
    var upstreamReason: UpstreamReason? {
        switch self {
        case .connectRefused, .connectUnreachable: .connect
        case .connectTimeout, .responseTimeout, .readTimeout: .timeout
        case .dnsFailed, .dnsTemporary, .dnsTimeout: .dns
        case .tlsExpired, .tlsWrongName, .tlsUnknownCA, .tlsFailed, .tlsNotYetValid, .tlsSelfSigned,
            .tlsInvalidCertificate, .tlsVersion, .tlsRefused:
            .tls
        case .closedBeforeResponse, .cutShort: .reset
        case .malformedResponse: .protocol
        default: nil
        }
    }
}

/// Reasons of `fastgate_upstream_errors_total`.
enum UpstreamReason: UInt8, CaseIterable {
    case connect, dns, timeout, reset, tls, `protocol`, status
}
