import Glibc

/// The names that providers give to their errors, in `code`, `type`, `status` or a detail's `reason`.
enum FaultNames {
    /// What a name says; `.none` if it says nothing more than the status does.
    static func fault(_ p: UnsafePointer<UInt8>, _ n: Int) -> Fault {
        func isName(_ name: StaticString) -> Bool {
            n == name.utf8CodeUnitCount && equalsIgnoringCase(p, name.utf8Start, n)
        }
        if isName("insufficient_quota") || isName("billing_hard_limit_reached") || isName("billing_error")
            || isName("billing_not_active") || isName("insufficient_balance") || isName("insufficient_credits")
            || isName("exceeded_current_quota_error") || isName("access_terminated") || isName("payment_required")
            || isName("quota_exceeded") || isName("insufficient_funds")
        {
            return .keyQuota
        }
        if isName("invalid_api_key") || isName("authentication_error") || isName("API_KEY_INVALID")
            || isName("invalid_authentication_error") || isName("UNAUTHENTICATED") || isName("account_deactivated")
            || isName("invalid_authentication") || isName("unauthorized") || isName("API_KEY_EXPIRED")
            || isName("incorrect_api_key") || isName("expired_api_key") || isName("AuthenticationError")
        {
            return .keyInvalid
        }
        if isName("permission_error") || isName("PERMISSION_DENIED") || isName("permission_denied_error")
            || isName("SERVICE_DISABLED") || isName("unsupported_country_region_territory")
            || isName("API_KEY_SERVICE_BLOCKED") || isName("CONSUMER_SUSPENDED")
            || isName("API_KEY_HTTP_REFERRER_BLOCKED") || isName("API_KEY_IP_ADDRESS_BLOCKED")
        {
            return .keyForbidden
        }
        if isName("rate_limit_exceeded") || isName("rate_limit_error") || isName("rate_limit_reached_error")
            || isName("RESOURCE_EXHAUSTED") || isName("rate_limited") || isName("too_many_requests")
            || isName("tokens") || isName("requests") || isName("RATE_LIMIT_EXCEEDED")
            || isName("RateLimitReached") || isName("ThrottlingException")
        {
            return .rateLimited
        }
        if isName("overloaded_error") || isName("UNAVAILABLE") || isName("service_unavailable")
            || isName("engine_overloaded") || isName("overloaded") || isName("engine_overloaded_error")
            || isName("service_unavailable_error") || isName("capacity_exceeded") || isName("server_overloaded")
            || isName("slow_down")
        {
            return .overloaded
        }
        if isName("context_length_exceeded") || isName("string_above_max_length") || isName("TOO_MANY_TOKENS")
            || isName("too_many_prompt_tokens") || isName("context_window_exceeded") || isName("request_too_large")
        {
            return .contextTooLong
        }
        if isName("model_not_found") || isName("not_found_error") || isName("DeploymentNotFound")
            || isName("model_not_available") || isName("NOT_FOUND") || isName("unknown_model")
            || isName("invalid_model") || isName("model_decommissioned")
        {
            return .modelNotFound
        }
        if isName("timeout_error") || isName("DEADLINE_EXCEEDED") || isName("timeout") || isName("request_timeout") {
            return .timeout
        }
        if isName("server_error") || isName("api_error") || isName("INTERNAL") || isName("internal_error")
            || isName("internal_server_error") || isName("upstream_error") || isName("vector_store_timeout")
        {
            return .serverError
        }
        if isName("invalid_request_error") || isName("content_filter") || isName("INVALID_ARGUMENT")
            || isName("FAILED_PRECONDITION") || isName("invalid_prompt") || isName("tool_use_failed")
            || isName("content_policy_violation") || isName("invalid_value") || isName("OUT_OF_RANGE")
            || isName("bad_request") || isName("image_content_policy_violation") || isName("json_validate_failed")
            || isName("invalid-argument") || isName("unsupported_parameter") || isName("unsupported_value")
        {
            return .callerError
        }
        return .none
    }

    /// What a status says, of an answer or in the body of one.
    static func fault(status: Int) -> Fault {
        switch status {
        case ..<400: .none
        case 401: .keyInvalid
        case 402: .keyQuota
        case 403: .keyForbidden
        case 404, 410: .modelNotFound
        case 408, 504, 524: .timeout
        case 413: .contextTooLong
        case 429: .rateLimited
        case 498, 503, 529: .overloaded
        case 424, 425: .serverError
        case 400..<500: .callerError
        default: .serverError
        }
    }

    static func equalsIgnoringCase(_ p: UnsafePointer<UInt8>, _ q: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        var i = 0
        while i < n {
            if folded(p[i]) != folded(q[i]) { return false }
            i &+= 1
        }
        return true
    }

    static func folded(_ c: UInt8) -> UInt8 { c &- UInt8(ascii: "A") < 26 ? c | 0x20 : c }
}
