/// One key of the sections that a list consists of, such as `tls.certificates`.
struct EntryKey<Entry: Sendable>: Sendable {
    let name: String
    let write: @Sendable (SettingKey.RawValue, inout Entry) throws(SettingKey.Problem) -> Void
    let read: @Sendable (Entry) -> SettingsValue
    var isRequired = false

    /// The same key, without which an entry is refused.
    var required: EntryKey {
        var key = self
        key.isRequired = true
        return key
    }

    static func text(
        _ name: String, _ path: WritableKeyPath<Entry, String> & Sendable, _ allowed: String,
        _ check: @escaping @Sendable (String) -> String?
    ) -> EntryKey {
        EntryKey(name: name) { (raw, entry) throws(SettingKey.Problem) in
            guard case .scalar(let text) = raw else {
                throw SettingKey.Problem(rule: "\(name) must be \(allowed)", found: "not a list")
            }
            guard let value = check(text) else {
                throw SettingKey.Problem(
                    rule: "\(name) must be \(allowed)", found: "not \"\(SettingKey.shortened(text))\"")
            }
            entry[keyPath: path] = value
        } read: { entry in
            .text(entry[keyPath: path])
        }
    }

    static func list(
        _ name: String, _ path: WritableKeyPath<Entry, [String]> & Sendable, _ allowed: String,
        _ check: @escaping @Sendable (String) -> String?
    ) -> EntryKey {
        EntryKey(name: name) { (raw, entry) throws(SettingKey.Problem) in
            let texts: [String]
            switch raw {
            case .list(let list): texts = list
            case .scalar(let text): texts = text.split(separator: ",").map { String($0) }
            case .entries:
                throw SettingKey.Problem(rule: "\(name) must be a list of \(allowed)", found: "not of sections")
            }
            entry[keyPath: path] = try SettingKey.checked(texts, allowed, check)
        } read: { entry in
            .list(entry[keyPath: path])
        }
    }
}

extension SettingKey {
    /// A list of sections, each with keys of its own.
    static func entries<Entry: Sendable>(
        _ section: String, _ name: String, _ path: Path<[Entry]>, _ keys: [EntryKey<Entry>], _ empty: Entry
    ) -> SettingKey {
        let allowed = "a list of sections with " + keys.map(\.name).joined(separator: ", ")
        var key = SettingKey(section: section, name: name) { (raw, settings) throws(Problem) in
            switch raw {
            case .list(let list) where list.isEmpty: settings[keyPath: path] = []
            case .scalar, .list: throw Problem(rule: "must be \(allowed)", found: "not of single values")
            case .entries(let entries):
                var values: [Entry] = []
                for members in entries {
                    var entry = empty
                    for (name, value) in members {
                        guard let key = keys.first(where: { $0.name == name }) else { continue }
                        try key.write(value, &entry)
                    }
                    for key in keys where key.isRequired && !members.contains(where: { $0.name == key.name }) {
                        throw Problem(rule: "must have \(key.name) in each of its sections", found: "not one without")
                    }
                    values.append(entry)
                }
                settings[keyPath: path] = values
            }
        } read: { settings in
            .entries(
                settings[keyPath: path].map { entry in
                    keys.map { SettingsEntry(name: $0.name, value: $0.read(entry)) }
                })
        } copy: {
            $1[keyPath: path] = $0[keyPath: path]
        }
        key.memberNames = keys.map(\.name)
        return key
    }
}
