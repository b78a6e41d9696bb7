import Glibc

/// The names that providers give to their errors, in `code`, `type`, `status` or a detail's `reason`. `rate_limit_exceeded`,
/// `RATE_LIMIT_EXCEEDED`, `RateLimitExceeded` and `Rate.Limit-Exceeded` are one name.
enum FaultNames {
    /// What a name says; `.none` if it says nothing more than the status does.
    static func fault(_ p: UnsafePointer<UInt8>, _ n: Int) -> Fault {
        func isName(_ name: StaticString) -> Bool { isSame(p, n, name.utf8Start, name.utf8CodeUnitCount) }
        if isName("insufficient_quota") || isName("billing_hard_limit_reached") || isName("billing_error")
            || isName("billing_not_active") || isName("insufficient_balance") || isName("insufficient_credits")
            || isName("exceeded_current_quota_error") || isName("access_terminated") || isName("payment_required")
            || isName("quota_exceeded") || isName("insufficient_funds") || isName("insufficient_balance_error")
            || isName("budget_exceeded") || isName("Arrearage") || isName("PrepaidBillOverdue")
            || isName("PostpaidBillOverdue") || isName("AccountOverdueError")
        {
            return .keyQuota
        }
        if isName("invalid_api_key") || isName("authentication_error") || isName("API_KEY_INVALID")
            || isName("invalid_authentication_error") || isName("UNAUTHENTICATED") || isName("account_deactivated")
            || isName("invalid_authentication") || isName("unauthorized") || isName("API_KEY_EXPIRED")
            || isName("incorrect_api_key") || isName("expired_api_key") || isName("token_not_found_in_db")
            || isName("expired_key")
        {
            return .keyInvalid
        }
        if isName("permission_error") || isName("PERMISSION_DENIED") || isName("permission_denied_error")
            || isName("SERVICE_DISABLED") || isName("unsupported_country_region_territory")
            || isName("API_KEY_SERVICE_BLOCKED") || isName("CONSUMER_SUSPENDED")
            || isName("API_KEY_HTTP_REFERRER_BLOCKED") || isName("API_KEY_IP_ADDRESS_BLOCKED")
            || isName("AccessDeniedException")
        {
            return .keyForbidden
        }
        if isName("rate_limit_exceeded") || isName("rate_limit_error") || isName("rate_limit_reached_error")
            || isName("RESOURCE_EXHAUSTED") || isName("rate_limited") || isName("too_many_requests")
            || isName("tokens") || isName("requests") || isName("RateLimitReached") || isName("ThrottlingException")
            || isName("throttling_error") || isName("Throttling") || isName("Throttling.RateQuota")
            || isName("Throttling.AllocationQuota") || isName("limit_requests") || isName("limit_burst_rate")
            || isName("ServiceQuotaExceededException")
        {
            return .rateLimited
        }
        if isName("overloaded_error") || isName("UNAVAILABLE") || isName("service_unavailable")
            || isName("engine_overloaded") || isName("overloaded") || isName("engine_overloaded_error")
            || isName("service_unavailable_error") || isName("capacity_exceeded") || isName("server_overloaded")
            || isName("slow_down") || isName("ServiceUnavailableException") || isName("ModelNotReadyException")
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
            || isName("invalid_model") || isName("model_decommissioned") || isName("model_not_supported")
            || isName("ModelNotOpen") || isName("model_access_denied") || isName("key_model_access_denied")
            || isName("team_model_access_denied") || isName("model_permission_blocked_org")
            || isName("model_permission_blocked_project")
        {
            return .modelNotFound
        }
        if isName("timeout_error") || isName("DEADLINE_EXCEEDED") || isName("timeout") || isName("request_timeout")
            || isName("ModelTimeoutException")
        {
            return .timeout
        }
        if isName("server_error") || isName("api_error") || isName("INTERNAL") || isName("internal_error")
            || isName("internal_server_error") || isName("upstream_error") || isName("vector_store_timeout")
            || isName("InternalServerException") || isName("ModelStreamErrorException") || isName("ModelErrorException")
        {
            return .serverError
        }
        if isName("invalid_request_error") || isName("content_filter") || isName("INVALID_ARGUMENT")
            || isName("FAILED_PRECONDITION") || isName("invalid_prompt") || isName("tool_use_failed")
            || isName("content_policy_violation") || isName("invalid_value") || isName("OUT_OF_RANGE")
            || isName("bad_request") || isName("image_content_policy_violation") || isName("json_validate_failed")
            || isName("unsupported_parameter") || isName("unsupported_value") || isName("ValidationException")
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

    /// MiniMax answers 200 whatever has happened; `base_resp.status_code` tells, 0 being well.
    static func fault(baseCode: Int64) -> Fault {
        switch baseCode {
        case 0: .none
        case 1001: .timeout
        case 1002, 1039, 2056: .rateLimited
        case 1004, 2049: .keyInvalid
        case 1008: .keyQuota
        // What was asked for, or what came of it, is not wanted; a parameter is wrong.
        case 1026, 1027, 1042, 2000..<2049: .callerError
        default: .serverError
        }
    }

    /// A reason to finish that is a failure (Mistral, OpenRouter, Cohere; Zhipu; DeepSeek); `.none` if it is not.
    static func fault(finish p: UnsafePointer<UInt8>, _ n: Int) -> Fault {
        func isName(_ name: StaticString) -> Bool {
            n == name.utf8CodeUnitCount && equalsIgnoringCase(p, name.utf8Start, n)
        }
        switch n {
        case 5: return isName("error") ? .serverError : .none
        case 7: return isName("timeout") ? .timeout : .none
        case 13: return isName("network_error") ? .serverError : .none
        case 28: return isName("insufficient_system_resource") ? .overloaded : .none
        default: return .none
        }
    }

    /// Whether two names are the same but for case and for what stands between their words.
    private static func isSame(_ p: UnsafePointer<UInt8>, _ n: Int, _ q: UnsafePointer<UInt8>, _ m: Int) -> Bool {
        var (i, k) = (0, 0)
        while true {
            while i < n, separates(p[i]) { i &+= 1 }
            while k < m, separates(q[k]) { k &+= 1 }
            if i == n || k == m { return i == n && k == m }
            if folded(p[i]) != folded(q[k]) { return false }
            i &+= 1
            k &+= 1
        }
    }

    private static func separates(_ c: UInt8) -> Bool {
        c == UInt8(ascii: "_") || c == UInt8(ascii: "-") || c == UInt8(ascii: ".") || c == 0x20
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
