/// A setting as it is shown: sizes in bytes, times in seconds.
public indirect enum SettingsValue: Sendable, Equatable {
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([String])
    case section([SettingsEntry])
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
            let entries = SettingKey.all.filter { $0.section == section }.map { key in
                let value = key.read(self)
                let isHidden = key.isSecret && value != .text("")
                return SettingsEntry(name: key.name, value: isHidden ? .text(Self.mask) : value)
            }
            return SettingsEntry(name: section, value: .section(entries))
        }
    }

    /// The keys in which `self` and `running` differ and which a running gateway cannot take over.
    public func keysNeedingRestart(comparedTo running: Settings) -> [String] {
        SettingKey.all.filter { $0.needsRestart && $0.read(self) != $0.read(running) }.map(\.path)
    }
}
