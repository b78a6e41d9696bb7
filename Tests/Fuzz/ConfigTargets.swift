@testable import Config

/// Any file is settings or an error that names its line; never the end of the process.
func fuzzConfig(_ input: Input) {
    var loader = SettingsLoader(file: "config.yaml", environment: ["HOST": "127.0.0.1", "PORT": "8080", "EMPTY": ""])
    do {
        try loader.apply(input.bytes)
        loader.applyOverrides()
        try loader.checkTogether()
    } catch {
        check(!error.message.isEmpty, "an error without a word")
        let lines = input.bytes.reduce(1) { $0 + ($1 == 0x0A || $1 == 0x0D ? 1 : 0) }
        // U+0085, U+2028 and U+2029 end lines in YAML 1.1 as well.
        check(error.line >= 0 && error.line <= lines + input.bytes.count / 2 + 1, "line \(error.line) of \(lines)")
    }
}
