/// Keys that files of M-FastGate carry and that no longer mean anything here. Each is accepted with one warning.
enum LegacyKeys {
    enum Meaning: Equatable {
        /// Nothing; the text says what to do instead.
        case ignored(advice: String)
        /// The key that took its place; used unless the file has that one too.
        case renamed(to: String)
    }

    static func meaning(_ section: String, _ name: String) -> Meaning? {
        switch "\(section).\(name)" {
        case "app.version": .ignored(advice: "the version is the program's own")
        case "database.echo": .ignored(advice: "statements are not logged")
        case "database.pool_size": .ignored(advice: "connections are not pooled")
        case "security.rate_limit_enabled": .ignored(advice: "use rate_limiting.enabled")
        case "proxy.stream_chunk_size": .ignored(advice: "bytes are passed on as they arrive")
        case "proxy.audit_async", "proxy.async_audit": .ignored(advice: "the audit never holds up a request")
        case "proxy.enable_streaming": .ignored(advice: "answers are always streamed")
        case "proxy.audit_full_request", "proxy.audit_full_response":
            .ignored(advice: "use proxy.audit_include_body and proxy.audit_body_max_size")
        case "proxy.timeout": .renamed(to: "default_timeout")
        default: nil
        }
    }

    /// Whether a `logging.format` is a pattern for Python's logging, as `%(asctime)s %(message)s`.
    static func isFormatPattern(_ text: String) -> Bool { text.contains("%(") || text.contains("{message}") }
}
