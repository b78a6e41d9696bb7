/// One key of the configuration: its place, how its value is read, and how it is shown.
///
/// The table of all keys is `SettingKey.all`; loading, masking, suggestions and the documentation's tests go by it, so
/// that a key is added in one place.
struct SettingKey: Sendable {
    /// A value as the file or the environment has it, expanded.
    enum RawValue: Sendable {
        case scalar(String)
        case list([String])
        /// A list of sections.
        case entries([[(name: String, value: RawValue)]])
    }

    /// What is wrong with a value.
    struct Problem: Error {
        /// What is allowed: `must be an integer from 0 to 100`.
        let rule: String
        /// What is there instead: `not "x"`. Left out where the value is a secret.
        let found: String
    }

    typealias Path<Value> = WritableKeyPath<Settings, Value> & Sendable
    typealias Write = @Sendable (RawValue, inout Settings) throws(Problem) -> Void

    let section: String
    let name: String
    let write: Write
    let read: @Sendable (Settings) -> SettingsValue
    /// Gives the second settings the first one's value.
    let copy: @Sendable (Settings, inout Settings) -> Void
    /// Never shown, neither in messages nor over the admin API.
    var isSecret = false
    /// Whether a running gateway has to be restarted for a new value to count.
    var needsRestart = false
    /// The value is a list of sections with these keys.
    var memberNames: [String] = []

    /// `proxy.max_retries`.
    var path: String { "\(section).\(name)" }

    /// The same key, whose value is kept out of messages.
    var secret: SettingKey {
        var key = self
        key.isSecret = true
        return key
    }

    /// The same key, read only when the gateway starts.
    var atStart: SettingKey {
        var key = self
        key.needsRestart = true
        return key
    }

    /// Text that `check` accepts; `check` may also put it into its canonical form.
    static func text(
        _ section: String, _ name: String, _ path: Path<String>, _ allowed: String,
        _ check: @escaping @Sendable (String) -> String?
    ) -> SettingKey {
        scalar(section, name, path, allowed, show: { .text($0) }, parse: check)
    }

    static func flag(_ section: String, _ name: String, _ path: Path<Bool>) -> SettingKey {
        scalar(section, name, path, "true or false", show: { .bool($0) }, parse: ScalarParsing.bool)
    }

    static func integer(
        _ section: String, _ name: String, _ path: Path<Int>, _ range: ClosedRange<Int>
    ) -> SettingKey {
        let allowed = "an integer from \(range.lowerBound) to \(range.upperBound)"
        return scalar(
            section, name, path, allowed, show: { .integer($0) },
            parse: { text in
                ScalarParsing.integer(text).flatMap { range.contains($0) ? $0 : nil }
            })
    }

    static func port(_ section: String, _ name: String, _ path: Path<UInt16>) -> SettingKey {
        scalar(
            section, name, path, "a port from 0 to 65535 (0 = any free one)", show: { .integer(Int($0)) },
            parse: { text in
                ScalarParsing.integer(text).flatMap { UInt16(exactly: $0) }
            })
    }

    static func size(_ section: String, _ name: String, _ path: Path<Int>, _ range: ClosedRange<Int>) -> SettingKey {
        let allowed = "a size from \(sizeText(range.lowerBound)) to \(sizeText(range.upperBound)), such as 64MB"
        return scalar(
            section, name, path, allowed, show: { .integer($0) },
            parse: { text in
                ScalarParsing.size(text).flatMap { range.contains($0) ? $0 : nil }
            })
    }

    static func seconds(
        _ section: String, _ name: String, _ path: Path<Double>, _ range: ClosedRange<Double>
    ) -> SettingKey {
        let allowed =
            "a time from \(secondsText(range.lowerBound)) to \(secondsText(range.upperBound)) seconds,"
            + " such as 30, 0.5, 500ms or 5m"
        return scalar(
            section, name, path, allowed, show: { .number($0) },
            parse: { text in
                ScalarParsing.seconds(text).flatMap { range.contains($0) ? $0 : nil }
            })
    }

    static func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ section: String, _ name: String, _ path: Path<Choice>
    ) -> SettingKey where Choice.RawValue == String {
        let names = Choice.allCases.map(\.rawValue)
        let allowed = names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
        return scalar(
            section, name, path, allowed, show: { .text($0.rawValue) },
            parse: { text in
                Choice.allCases.first { $0.rawValue.lowercased() == text.lowercased() }
            })
    }

    /// A list of texts that `check` accepts; a single value stands for a list separated by commas.
    static func list(
        _ section: String, _ name: String, _ path: Path<[String]>, _ allowed: String,
        _ check: @escaping @Sendable (String) -> String?
    ) -> SettingKey {
        SettingKey(section: section, name: name) { (raw, settings) throws(Problem) in
            let entries: [String]
            switch raw {
            case .list(let list): entries = list
            case .scalar(let text): entries = text.split(separator: ",").map { String($0) }
            case .entries: throw Problem(rule: "must be a list of \(allowed)", found: "not of sections")
            }
            settings[keyPath: path] = try checked(entries, allowed, check)
        } read: { settings in
            .list(settings[keyPath: path])
        } copy: {
            $1[keyPath: path] = $0[keyPath: path]
        }
    }

    static func checked(
        _ entries: [String], _ allowed: String, _ check: (String) -> String?
    ) throws(Problem) -> [String] {
        var values: [String] = []
        for entry in entries {
            guard let value = check(trimmed(entry)) else {
                throw Problem(rule: "must be a list of \(allowed)", found: "without \"\(shortened(entry))\"")
            }
            if !values.contains(value) { values.append(value) }
        }
        return values
    }

    static func scalar<Value: Sendable>(
        _ section: String, _ name: String, _ path: Path<Value>, _ allowed: String,
        show: @escaping @Sendable (Value) -> SettingsValue, parse: @escaping @Sendable (String) -> Value?
    ) -> SettingKey {
        SettingKey(section: section, name: name) { (raw, settings) throws(Problem) in
            guard case .scalar(let text) = raw else { throw Problem(rule: "must be \(allowed)", found: "not a list") }
            guard let value = parse(text) else {
                throw Problem(rule: "must be \(allowed)", found: "not \"\(shortened(text))\"")
            }
            settings[keyPath: path] = value
        } read: { settings in
            show(settings[keyPath: path])
        } copy: {
            $1[keyPath: path] = $0[keyPath: path]
        }
    }

    private static func sizeText(_ bytes: Int) -> String {
        for (unit, shift) in [("GB", 30), ("MB", 20), ("KB", 10)] where bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }

    private static func secondsText(_ seconds: Double) -> String {
        seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)"
    }

    private static func trimmed(_ text: String) -> String {
        String(String(text.drop { $0 == " " }.reversed()).drop { $0 == " " }.reversed())
    }

    /// A URL's user and password are not repeated: `postgres://user:password@host` is a mistake, but no reason to tell.
    static func withoutUserInfo(_ text: String) -> String {
        let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return text }
        let authority = parts[1].prefix { $0 != "/" }
        guard let at = authority.lastIndex(of: "@") else { return text }
        return "\(parts[0])://***\(parts[1][at...])"
    }

    /// Values are quoted in messages, never at any length, and never with control characters that a terminal obeys.
    static func shortened(_ text: String) -> String {
        let text = withoutUserInfo(text)
        var shown = ""
        for scalar in text.unicodeScalars.prefix(60) {
            shown.unicodeScalars.append(scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "?" : scalar)
        }
        return text.unicodeScalars.count > 60 ? shown + "…" : shown
    }
}
