/// A setting as it is shown: sizes in bytes, times in seconds.
public indirect enum SettingsValue: Sendable, Equatable {
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([String])
    case section([SettingsEntry])
    /// A list of sections.
    case entries([[SettingsEntry]])
}

/// One named value of a shown configuration.
public struct SettingsEntry: Sendable, Equatable {
    public let name: String
    public let value: SettingsValue

    public init(name: String, value: SettingsValue) {
        self.name = name
        self.value = value
    }
}

extension Settings {
    /// What a secret that is set is shown as.
    public static let mask = "********"

    /// The effective settings in the order of config.yaml, one section each; a secret that is set is masked.
    public func maskedEntries() -> [SettingsEntry] {
        SettingKey.sections.map { section in
            var entries: [SettingsEntry] = []
            for key in SettingKey.all where key.section == section {
                let value = key.read(self)
                let isHidden = key.isSecret && value != .text("")
                let shown = isHidden ? .text(Self.mask) : value
                // `tls.cert` of `admin` is `cert` in a section `tls` of it.
                let names = key.name.split(separator: ".", maxSplits: 1).map { String($0) }
                guard names.count == 2 else {
                    entries.append(SettingsEntry(name: key.name, value: shown))
                    continue
                }
                let inner = SettingsEntry(name: names[1], value: shown)
                if case .section(let members) = entries.last?.value, entries.last?.name == names[0] {
                    entries[entries.count - 1] = SettingsEntry(name: names[0], value: .section(members + [inner]))
                } else {
                    entries.append(SettingsEntry(name: names[0], value: .section([inner])))
                }
            }
            return SettingsEntry(name: section, value: .section(entries))
        }
    }

    /// The keys in which `self` and `running` differ and which a running gateway cannot take over.
    public func keysNeedingRestart(comparedTo running: Settings) -> [String] {
        SettingKey.all.filter { $0.needsRestart && $0.read(self) != $0.read(running) }.map(\.path)
    }

    /// These settings as far as they count without a restart: what is read at the start only is as the running ones have it.
    public func keepingStartValues(of running: Settings) -> Settings {
        var settings = self
        for key in SettingKey.all where key.needsRestart { key.copy(running, &settings) }
        return settings
    }
}
