extension SettingKey {
    /// Every key, in the order of config.yaml.
    static let all: [SettingKey] = [
        app, admin, database, security, rateLimiting, logging, proxy, providers, audit, cors, tls, upstreamTLS, limits,
    ].flatMap { $0 }

    /// The names of all sections, in the order of config.yaml.
    static let sections: [String] = {
        var names: [String] = []
        for key in all where names.last != key.section { names.append(key.section) }
        return names
    }()

    /// The key called `name` in `section`.
    static func find(_ section: String, _ name: String) -> SettingKey? {
        all.first { $0.name == name && $0.section == section }
    }

    private static let app: [SettingKey] = [
        .text("app", "name", \.app.name, "1 to 64 printable characters") { text in
            isPrintable(text) && (1...64).contains(text.unicodeScalars.count) ? text : nil
        },
        .text("app", "host", \.app.host, addressAllowed, ScalarParsing.address).atStart,
        .port("app", "port", \.app.port).atStart,
        .integer("app", "workers", \.app.workers, 0...256).atStart,
        .scalar(
            "app", "timezone", \.app.timezone, "an offset from UTC such as \"+08:00\", or UTC",
            show: { .text($0.text) }, parse: { TimeZoneOffset($0) }),
        .seconds("app", "drain_timeout", \.app.drainTimeoutSeconds, 0...86400),
        .seconds("app", "replace_timeout", \.app.replaceTimeoutSeconds, 0...604_800),
        .flag("app", "debug", \.app.debug),
    ]

    private static let admin: [SettingKey] = [
        .text("admin", "host", \.admin.host, addressAllowed, ScalarParsing.address).atStart,
        .port("admin", "port", \.admin.port).atStart,
        .flag("admin", "allow_query_token", \.admin.allowQueryToken),
        .list("admin", "hosts", \.admin.hosts, "names, without a port", plainName),
        .text("admin", "tls.cert", \.admin.certificateFile, pathAllowed, filePath),
        .text("admin", "tls.key", \.admin.keyFile, pathAllowed, filePath),
    ]

    private static let database: [SettingKey] = [
        .text("database", "url", \.database.url, "sqlite:///PATH (an absolute PATH makes four slashes)", databaseURL)
            .atStart
    ]

    private static let security: [SettingKey] = [
        .text("security", "admin_token", \.security.adminToken, "printable ASCII characters without blanks") { text in
            text.utf8.count <= 512 && text.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? text : nil
        }.secret.atStart,
        .flag("security", "require_api_key", \.security.requireAPIKey),
        .text("security", "key_prefix", \.security.keyPrefix, "at most 32 of the characters A-Z a-z 0-9 _ -") { text in
            text.utf8.count <= 32 && text.utf8.allSatisfy(isKeyCharacter) ? text : nil
        },
        .integer("security", "default_expiry_days", \.security.defaultExpiryDays, 0...36500),
    ]

    private static let rateLimiting: [SettingKey] = [
        .flag("rate_limiting", "enabled", \.rateLimiting.enabled),
        .integer(
            "rate_limiting", "default_requests_per_minute", \.rateLimiting.defaultRequestsPerMinute, 0...100_000_000),
    ]

    private static let logging: [SettingKey] = [
        .scalar(
            "logging", "level", \.logging.level, "DEBUG, INFO, WARNING or ERROR", show: { .text($0.rawValue) },
            parse: logLevel),
        .choice("logging", "format", \.logging.format),
        .flag("logging", "access", \.logging.access),
        .text("logging", "file", \.logging.file, pathAllowed, filePath),
        .size("logging", "max_size", \.logging.maxSizeBytes, 0...(1 << 40)),
        .integer("logging", "backup_count", \.logging.backupCount, 0...1000),
    ]

    private static let proxy: [SettingKey] = [
        .seconds("proxy", "connect_timeout", \.proxy.connectTimeoutSeconds, 0.01...3600),
        .seconds("proxy", "default_timeout", \.proxy.defaultTimeoutSeconds, 0.01...86400),
        .seconds("proxy", "tunnel_idle_timeout", \.proxy.tunnelIdleTimeoutSeconds, 0.01...86400),
        .integer("proxy", "max_retries", \.proxy.maxRetries, 0...100),
        .integer("proxy", "retry_budget", \.proxy.retryBudgetPercent, 0...1000),
        .integer("proxy", "retry_budget_floor", \.proxy.retryBudgetFloor, 0...100_000),
        .text("proxy", "resolv_conf", \.proxy.resolvConf, "a file's path") { text in
            text.isEmpty ? nil : filePath(text)
        }.atStart,
        .size("proxy", "max_body_size", \.proxy.maxBodyBytes, 1...(1 << 30)),
        .integer("proxy", "max_idle_upstream", \.proxy.maxIdleUpstream, 0...65536),
        .flag("proxy", "forward_client_ip", \.proxy.forwardClientIP),
        .list("proxy", "strip_headers", \.proxy.stripHeaders, "header names") { text in
            isToken(text) ? text.lowercased() : nil
        },
        .flag("proxy", "audit_include_headers", \.proxy.auditIncludeHeaders),
        .flag("proxy", "audit_include_body", \.proxy.auditIncludeBody),
        .size("proxy", "audit_body_max_size", \.proxy.auditBodyMaxBytes, 0...(16 << 20)),
    ]

    private static let providers: [SettingKey] = [
        .choice("providers", "strategy", \.providers.strategy),
        .integer("providers", "max_attempts", \.providers.maxAttempts, 1...16),
        .seconds("providers", "hold_timeout", \.providers.holdTimeoutSeconds, 0...3600),
        .choice("providers", "unpriced_models", \.providers.unpriced),
        .flag("providers", "default_prices", \.providers.defaultPrices).atStart,
        .seconds("providers", "models_refresh", \.providers.modelsRefreshSeconds, 60...604_800),
    ]

    private static let audit: [SettingKey] = [
        .flag("audit", "enabled", \.audit.isEnabled),
        .scalar(
            "audit", "ring_size", \.audit.ringBytes, "a power of two from 64KB to 16GB, such as 64MB",
            show: { .integer($0) }, parse: ringSize
        ).atStart,
        .integer("audit", "flush_interval_ms", \.audit.flushIntervalMilliseconds, 1...60000),
        .choice("audit", "on_full", \.audit.onFull),
        .integer("audit", "retention_days", \.audit.retentionDays, 0...36500),
        .integer("audit", "usage_retention_days", \.audit.usageRetentionDays, 0...36500),
    ]

    private static let cors: [SettingKey] = [
        .list("cors", "allow_origins", \.cors.allowOrigins, "origins such as https://example.org, or \"*\"") { text in
            isPrintableASCII(text) && (text == "*" || text == "null" || text.contains("://")) ? text : nil
        },
        .list("cors", "allow_methods", \.cors.allowMethods, "method names, or \"*\"") { isToken($0) ? $0 : nil },
        .list("cors", "allow_headers", \.cors.allowHeaders, "header names, or \"*\"") { isToken($0) ? $0 : nil },
        .flag("cors", "allow_credentials", \.cors.allowCredentials),
    ]

    private static let tls: [SettingKey] = [
        .text("tls", "cert", \.tls.certificateFile, pathAllowed, filePath),
        .text("tls", "key", \.tls.keyFile, pathAllowed, filePath),
        .text("tls", "ocsp_response", \.tls.ocspFile, pathAllowed, filePath),
        .entries(
            "tls", "certificates", \.tls.certificates,
            [
                .text("cert", \.certificateFile, "a file's path", requiredPath).required,
                .text("key", \.keyFile, "a file's path", requiredPath).required,
                .list("names", \.names, "DNS names; *.example.org stands for one label", serverName),
                .text("ocsp_response", \.ocspFile, pathAllowed, filePath),
            ], Settings.Certificate()),
        .text("tls", "min_version", \.tls.minimumVersion, "\"1.2\" or \"1.3\"") { text in
            text == "1.2" || text == "1.3" ? text : nil
        },
        .text("tls", "client_ca", \.tls.clientAuthorityFile, pathAllowed, filePath),
        .choice("tls", "client_auth", \.tls.clientAuthentication),
        .flag("tls", "forward_client_subject", \.tls.forwardsClientSubject),
        .seconds("tls", "check_interval", \.tls.checkIntervalSeconds, 0...86400),
    ]

    private static let upstreamTLS: [SettingKey] = [
        .flag("upstream_tls", "verify", \.upstreamTLS.verify),
        .text("upstream_tls", "ca_file", \.upstreamTLS.caFile, pathAllowed, filePath),
        .entries(
            "upstream_tls", "hosts", \.upstreamTLS.hosts,
            [
                .text("host", \.host, "a name or an IP address, without a port", hostName).required,
                .text("ca_file", \.caFile, pathAllowed, filePath),
                .text("cert", \.certificateFile, pathAllowed, filePath),
                .text("key", \.keyFile, pathAllowed, filePath),
            ], Settings.UpstreamHost()),
    ]

    private static let limits: [SettingKey] = [
        .integer("limits", "max_connections", \.limits.maxConnections, 1...4_000_000).atStart,
        .integer("limits", "max_connections_per_address", \.limits.maxConnectionsPerAddress, 0...4_000_000),
        .size("limits", "max_buffered_bytes", \.limits.maxBufferedBytes, (1 << 20)...(1 << 40)),
        .size("limits", "max_header_bytes", \.limits.maxHeaderBytes, 1024...(1 << 20)),
        .integer("limits", "max_headers", \.limits.maxHeaders, 8...1024),
        .size("limits", "max_target_bytes", \.limits.maxTargetBytes, 256...65536),
        .size("limits", "max_chunk_extension_bytes", \.limits.maxChunkExtensionBytes, 0...65536),
        .size("limits", "max_trailer_bytes", \.limits.maxTrailerBytes, 2...65536),
        .seconds("limits", "header_timeout", \.limits.headerTimeoutSeconds, 0.01...86400),
        .seconds("limits", "body_timeout", \.limits.bodyTimeoutSeconds, 0.01...86400),
        .size("limits", "min_body_rate", \.limits.minBodyRate, 0...(1 << 30)),
        .seconds("limits", "first_byte_timeout", \.limits.firstByteTimeoutSeconds, 0...86400),
        .seconds("limits", "keepalive_timeout", \.limits.keepaliveTimeoutSeconds, 0.01...86400),
        .seconds("limits", "send_timeout", \.limits.sendTimeoutSeconds, 0.01...86400),
        .size("limits", "min_send_rate", \.limits.minSendRate, 0...(1 << 30)),
        .seconds("limits", "rate_grace", \.limits.rateGraceSeconds, 0.01...86400),
        .seconds("limits", "idle_upstream_timeout", \.limits.idleUpstreamTimeoutSeconds, 0.01...86400),
    ]
}

// What single values may be.
extension SettingKey {
    private static let addressAllowed = "an IP address (0.0.0.0 or :: for every interface) or localhost"
    private static let pathAllowed = "a file's path, or empty"

    @Sendable private static func databaseURL(_ text: String) -> String? {
        let scheme = Settings.Database.scheme
        guard text.hasPrefix(scheme), filePath(text) != nil else { return nil }
        let path = text.dropFirst(scheme.count)
        // ":memory:" would lose everything, "?" would be an option that nobody reads.
        let isFile = !path.isEmpty && !path.hasSuffix("/") && path != ":memory:" && !path.contains("?")
        return isFile ? text : nil
    }

    @Sendable private static func filePath(_ text: String) -> String? {
        text.utf8.count < 4096 && isPrintable(text) ? text : nil
    }

    @Sendable private static func requiredPath(_ text: String) -> String? { text.isEmpty ? nil : filePath(text) }

    /// Lower-cased; the first label may be `*`.
    @Sendable private static func serverName(_ text: String) -> String? {
        hostName(text.hasPrefix("*.") ? String(text.dropFirst(2)) : text) == nil ? nil : text.lowercased()
    }

    @Sendable private static func plainName(_ text: String) -> String? {
        text.contains(":") ? nil : hostName(text)
    }

    @Sendable private static func hostName(_ text: String) -> String? {
        let isHost = { (byte: UInt8) in isKeyCharacter(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":") }
        return (1...253).contains(text.utf8.count) && text.utf8.allSatisfy(isHost) ? text.lowercased() : nil
    }

    @Sendable private static func logLevel(_ text: String) -> Settings.Logging.Level? {
        text.lowercased() == "warn" ? .warning : Settings.Logging.Level(rawValue: text.uppercased())
    }

    @Sendable private static func ringSize(_ text: String) -> Int? {
        guard let bytes = ScalarParsing.size(text), ((1 << 16)...(1 << 34)).contains(bytes) else { return nil }
        return bytes.nonzeroBitCount == 1 ? bytes : nil
    }

    private static func isPrintable(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
    }

    private static func isPrintableASCII(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    @Sendable private static func isKeyCharacter(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }

    /// A token of RFC 9110 §5.6.2: what names of headers and methods are made of.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 256
            && text.utf8.allSatisfy { isAlphanumeric($0) || "!#$%&'*+-.^_`|~".utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
