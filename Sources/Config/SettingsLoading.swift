import Glibc

extension Settings {
    /// The file that is read when none is named, if it is there.
    public static let defaultPath = "config.yaml"

    /// Reads `path`, expands the environment, applies its overrides and checks the whole. The error names all that is
    /// wrong, as far as it can be told at once.
    ///
    /// - Parameters:
    ///   - path: a file that must exist; nil stands for `config.yaml` in the working directory, which may be missing.
    ///   - environment: the variables that values and overrides are taken from.
    public static func load(path: String?, environment: [String: String]) throws(ConfigError) -> LoadedConfig {
        let file = path ?? defaultPath
        let text: [UInt8]
        switch readFile(file, atMost: YAMLReader.maxBytes + 1) {
        case .success(let bytes):
            text = bytes
        case .failure(let failure):
            guard path == nil, failure.errno == ENOENT else {
                let reason = String(cString: strerror(failure.errno))
                throw ConfigError(file: file, line: 0, key: "", message: "cannot be read: \(reason)")
            }
            return try load(text: [], file: "", environment: environment, sourcePath: nil)
        }
        return try load(text: text, file: file, environment: environment, sourcePath: file)
    }

    /// The same for a text that is already there; `file` is what messages call it.
    public static func load(
        text: String, file: String = defaultPath, environment: [String: String] = [:]
    ) throws(ConfigError) -> LoadedConfig {
        try load(text: Array(text.utf8), file: file, environment: environment, sourcePath: file)
    }

    private static func load(
        text: [UInt8], file: String, environment: [String: String], sourcePath: String?
    ) throws(ConfigError) -> LoadedConfig {
        var loader = SettingsLoader(file: file, environment: environment)
        try loader.apply(text)
        loader.applyOverrides()
        // What holds between keys is looked at only when each of them is good.
        if loader.problems.isEmpty { try loader.checkTogether() }
        if var first = loader.problems.first {
            first.others = Array(loader.problems.dropFirst())
            throw first
        }
        return LoadedConfig(
            settings: loader.settings, warnings: loader.warnings, sourcePath: sourcePath, lines: loader.lines)
    }

    private struct ReadFailure: Error {
        let errno: Int32
    }

    private static func readFile(_ path: String, atMost limit: Int) -> Result<[UInt8], ReadFailure> {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return .failure(ReadFailure(errno: errno)) }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < limit {
            let count = chunk.withUnsafeMutableBytes { read(fd, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .failure(ReadFailure(errno: errno)) }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return .success(bytes)
    }
}
