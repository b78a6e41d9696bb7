/// Turns a document's tree and the environment into checked settings.
struct SettingsLoader {
    let file: String
    let environment: [String: String]

    private(set) var settings = Settings()
    private(set) var warnings: [String] = []
    /// What is wrong, in the order of the file.
    private(set) var problems: [ConfigError] = []
    private static let maxProblems = 50
    /// Where each key was set, for the checks that look at several keys.
    private(set) var lines: [String: Int] = [:]

    init(file: String, environment: [String: String]) {
        self.file = file
        self.environment = environment
    }

    /// The variables that override a key, the stronger later.
    static let overrides: [(variable: String, section: String, name: String)] = [
        ("DATABASE_URL", "database", "url"),
        ("ADMIN_TOKEN", "security", "admin_token"),
        ("FASTGATE_ADMIN_TOKEN", "security", "admin_token"),
        ("APP_HOST", "app", "host"),
        ("APP_PORT", "app", "port"),
        ("ADMIN_HOST", "admin", "host"),
        ("ADMIN_PORT", "admin", "port"),
        ("LOG_LEVEL", "logging", "level"),
    ]

    mutating func apply(_ text: [UInt8]) throws(ConfigError) {
        let root: YAMLNode?
        do {
            root = try YAMLReader.read(text)
        } catch {
            throw ConfigError(file: file, line: error.line, key: "", message: error.message)
        }
        guard let root, !root.isNull else { return }
        guard case .mapping(let sections) = root.content else {
            throw problem(root.line, "", "the file must consist of sections such as \"app:\", not \(root.kindName)")
        }
        for section in sections {
            collecting { loader throws(ConfigError) in try loader.apply(section: section) }
        }
    }

    /// Notes what goes wrong, and goes on: an operator wants to know all of it.
    private mutating func collecting(_ body: (inout SettingsLoader) throws(ConfigError) -> Void) {
        do throws(ConfigError) {
            try body(&self)
        } catch {
            if problems.count < Self.maxProblems { problems.append(error) }
        }
    }

    mutating func applyOverrides() {
        for (variable, section, name) in Self.overrides {
            guard let value = environment[variable], !value.isEmpty else { continue }
            guard let key = SettingKey.find(section, name) else {
                preconditionFailure("override of a key that does not exist")
            }
            do throws(SettingKey.Problem) {
                try key.write(.scalar(value), &settings)
            } catch {
                problems.append(ConfigError(file: "", line: 0, key: variable, message: message(error, of: key)))
            }
            lines[key.path] = nil
        }
    }

    // MARK: - One section, one key

    private mutating func apply(section: YAMLMember) throws(ConfigError) {
        guard SettingKey.sections.contains(section.key) else {
            throw problem(section.line, section.key, unknownSection(section.key))
        }
        if section.value.isNull { return }
        guard case .mapping(let members) = section.value.content else {
            throw problem(section.line, section.key, "must be a section of keys, not \(section.value.kindName)")
        }
        for member in members {
            collecting { loader throws(ConfigError) in
                try loader.apply(member: member, of: section.key, siblings: members)
            }
        }
    }

    private mutating func apply(
        member: YAMLMember, of section: String, siblings members: [YAMLMember]
    ) throws(ConfigError) {
        if let key = SettingKey.find(section, member.key) {
            try apply(member, to: key)
        } else if let meaning = LegacyKeys.meaning(section, member.key) {
            try apply(legacy: member, meaning, section: section, siblings: members)
        } else if SettingKey.all.contains(where: { $0.section == section && $0.name.hasPrefix(member.key + ".") }) {
            try apply(inner: member, of: section)
        } else {
            throw problem(member.line, "\(section).\(member.key)", unknownKey(member.key, in: section))
        }
    }

    /// A section within a section: `admin.tls`.
    private mutating func apply(inner section: YAMLMember, of outer: String) throws(ConfigError) {
        if section.value.isNull { return }
        guard case .mapping(let members) = section.value.content else {
            throw problem(
                section.line, "\(outer).\(section.key)", "must be a section of keys, not \(section.value.kindName)")
        }
        for member in members {
            let name = "\(section.key).\(member.key)"
            guard let key = SettingKey.find(outer, name) else {
                throw problem(member.line, "\(outer).\(name)", unknownKey(name, in: outer))
            }
            try apply(member, to: key)
        }
    }

    private mutating func apply(_ member: YAMLMember, to key: SettingKey) throws(ConfigError) {
        guard let raw = try rawValue(of: member, key) else { return }
        if key.path == "logging.format", case .scalar(let text) = raw, LegacyKeys.isFormatPattern(text) {
            warn(member.line, key.path, "format patterns no longer mean anything and are ignored: text is used")
            return
        }
        do throws(SettingKey.Problem) {
            try key.write(raw, &settings)
        } catch {
            throw problem(member.line, key.path, message(error, of: key))
        }
        lines[key.path] = member.line
    }

    private mutating func apply(
        legacy member: YAMLMember, _ meaning: LegacyKeys.Meaning, section: String, siblings: [YAMLMember]
    ) throws(ConfigError) {
        let path = "\(section).\(member.key)"
        switch meaning {
        case .ignored(let advice):
            warn(member.line, path, "no longer means anything and is ignored: \(advice)")
        case .renamed(let name):
            if siblings.contains(where: { $0.key == name }) {
                warn(member.line, path, "is an old name of \(section).\(name), which is set too: this one is ignored")
            } else if let key = SettingKey.find(section, name) {
                warn(member.line, path, "is an old name of \(section).\(name)")
                do {
                    try apply(member, to: key)
                } catch {
                    // By the name that the file has.
                    throw problem(error.line, path, error.message)
                }
            }
        }
    }

    /// The expanded value; nil when the key is there without one and keeps its default.
    private func rawValue(
        of member: YAMLMember, _ key: SettingKey, isMember: Bool = false
    ) throws(ConfigError) -> SettingKey.RawValue? {
        switch member.value.content {
        case .scalar(let text, let isPlain):
            if member.value.isNull { return nil }
            let expanded = try expand(text, member.value.line, key)
            // An unquoted ${NAME:-} that comes to nothing is the same as nothing.
            return isPlain && expanded.isEmpty ? nil : .scalar(expanded)
        case .sequence(let elements) where !key.memberNames.isEmpty && !isMember && !elements.isEmpty:
            var entries: [[(name: String, value: SettingKey.RawValue)]] = []
            for element in elements { entries.append(try rawMembers(of: element, key)) }
            return .entries(entries)
        case .sequence(let elements):
            var list: [String] = []
            for element in elements {
                guard case .scalar(let text, _) = element.content, !element.isNull else {
                    throw problem(
                        element.line, key.path,
                        "must be a list of single values, without \(element.isNull ? "empty ones" : element.kindName)")
                }
                list.append(try expand(text, element.line, key))
            }
            return .list(list)
        case .mapping:
            throw problem(member.line, key.path, "must be a single value or a list, not a section")
        }
    }

    /// One section of a list of them.
    private func rawMembers(
        of element: YAMLNode, _ key: SettingKey
    ) throws(ConfigError) -> [(name: String, value: SettingKey.RawValue)] {
        guard case .mapping(let members) = element.content else {
            throw problem(
                element.line, key.path,
                "must be a list of sections with \(key.memberNames.joined(separator: ", ")), not \(element.kindName)")
        }
        var values: [(name: String, value: SettingKey.RawValue)] = []
        for member in members {
            guard key.memberNames.contains(member.key) else {
                throw problem(
                    member.line, "\(key.path).\(member.key)",
                    "unknown key; its sections have \(key.memberNames.joined(separator: ", "))")
            }
            guard let value = try rawValue(of: member, key, isMember: true) else { continue }
            values.append((member.key, value))
        }
        return values
    }

    private func expand(_ text: String, _ line: Int, _ key: SettingKey) throws(ConfigError) -> String {
        let result: Expansion.Result
        do {
            result = try Expansion.expand(text, environment)
        } catch {
            throw problem(line, key.path, key.isSecret ? "holds a \"${\" that is not ${NAME}" : error.message)
        }
        if let name = result.unset.first {
            // Without a token the first start makes one; anything else without its value would be a guess, a token that
            // lacks its secret part too.
            if key.path == "security.admin_token" { return "" }
            throw problem(
                line, key.path, "the environment variable \(name) is not set (${\(name):-default} gives a default)")
        }
        return result.text
    }

    // MARK: - Messages

    private mutating func warn(_ line: Int, _ key: String, _ message: String) {
        warnings.append(problem(line, key, message).description)
    }

    private func problem(_ line: Int, _ key: String, _ message: String) -> ConfigError {
        // Keys come from the file: no control characters on the operator's terminal.
        let shown = String(
            String.UnicodeScalarView(
                key.unicodeScalars.prefix(100).map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "?" : $0 }))
        return ConfigError(file: file, line: line, key: shown, message: message)
    }

    private func message(_ problem: SettingKey.Problem, of key: SettingKey) -> String {
        key.isSecret ? problem.rule : "\(problem.rule), \(problem.found)"
    }

    private func unknownSection(_ name: String) -> String {
        if let near = Suggestion.nearest(to: name, among: SettingKey.sections) {
            return "unknown section; did you mean \(near)?"
        }
        let homes = SettingKey.all.filter { $0.name == name }.map(\.path)
        if !homes.isEmpty { return "unknown section; did you mean \(homes.joined(separator: " or "))?" }
        return "unknown section; the sections are \(SettingKey.sections.joined(separator: ", "))"
    }

    private func unknownKey(_ name: String, in section: String) -> String {
        let siblings = SettingKey.all.filter { $0.section == section }.map(\.name)
        if let near = Suggestion.nearest(to: name, among: siblings) {
            return "unknown key; did you mean \(section).\(near)?"
        }
        let homes = SettingKey.all.filter { $0.name == name }.map(\.path)
        if !homes.isEmpty { return "unknown key; did you mean \(homes.joined(separator: " or "))?" }
        return "unknown key; \(section) has \(siblings.joined(separator: ", "))"
    }
}

// What holds between keys.
extension SettingsLoader {
    /// Refuses settings that contradict each other, and warns of those that are allowed but hardly meant.
    mutating func checkTogether() throws(ConfigError) {
        let s = settings
        if s.app.debug { settings.logging.level = .debug }
        if s.app.port != 0, s.app.port == s.admin.port, overlap(s.app.host, s.admin.host) {
            throw lines["admin.port"] != nil
                ? at("admin.port", "is the same address as app.port; the two must differ")
                : at("app.port", "is the same address as admin.port (\(s.admin.port)); the two must differ")
        }
        if s.tls.certificateFile.isEmpty != s.tls.keyFile.isEmpty {
            let (present, absent) = s.tls.keyFile.isEmpty ? ("tls.cert", "tls.key") : ("tls.key", "tls.cert")
            throw at(present, "is set without \(absent); TLS needs both")
        }
        if s.tls.certificateFile.isEmpty, !s.tls.ocspFile.isEmpty {
            throw at("tls.ocsp_response", "is set without tls.cert; it is a response about that certificate")
        }
        if s.admin.certificateFile.isEmpty != s.admin.keyFile.isEmpty {
            let (present, absent) =
                s.admin.keyFile.isEmpty
                ? ("admin.tls.cert", "admin.tls.key") : ("admin.tls.key", "admin.tls.cert")
            throw at(present, "is set without \(absent); TLS needs both")
        }
        if s.tls.clientAuthentication != .none, s.tls.clientAuthorityFile.isEmpty {
            throw at("tls.client_auth", "asks clients for certificates, but tls.client_ca does not say who signs them")
        }
        if let host = s.upstreamTLS.hosts.first(where: { $0.certificateFile.isEmpty != $0.keyFile.isEmpty }) {
            throw at("upstream_tls.hosts", "\(host.host) has one of cert and key; a certificate needs both")
        }
        // A record that does not fit into its ring would block its worker for ever.
        let body = s.proxy.auditIncludeBody ? s.proxy.auditBodyMaxBytes : 0
        let needed = 4 * (s.limits.maxHeaderBytes + body)
        if s.audit.ringBytes < needed {
            throw at(
                "audit.ring_size",
                "must be at least \(needed) bytes: four times limits.max_header_bytes"
                    + (body > 0 ? " and proxy.audit_body_max_size together" : ""))
        }
        if s.cors.allowCredentials, s.cors.allowOrigins.contains("*") {
            warnAt("cors.allow_credentials", "with any origin allowed, every web site may act for its visitors")
        }
        let token = s.security.adminToken
        if !token.isEmpty, token.utf8.count < 16 || token.hasPrefix("admin_secret_token") {
            warnAt("security.admin_token", "is easy to guess; 16 random characters or more are advised")
        }
        if !s.security.requireAPIKey {
            warnAt("security.require_api_key", "is false: whoever reaches the port may use the routes")
        }
        if !s.admin.isTLS, !isLoopback(s.admin.host) {
            warnAt(
                "admin.host",
                "lets other machines in, and without admin.tls the admin token crosses the network in clear")
        }
        if !s.upstreamTLS.verify {
            warnAt("upstream_tls.verify", "is false: nobody checks who answers for an https upstream")
        }
    }

    private func overlap(_ a: String, _ b: String) -> Bool {
        a == b || a == "0.0.0.0" || a == "::" || b == "0.0.0.0" || b == "::"
    }

    private func isLoopback(_ host: String) -> Bool { host.hasPrefix("127.") || host == "::1" }

    private func at(_ key: String, _ message: String) -> ConfigError {
        ConfigError(file: file, line: lines[key] ?? 0, key: key, message: message)
    }

    private mutating func warnAt(_ key: String, _ message: String) {
        warnings.append(at(key, message).description)
    }
}
