import JSON

/// What `fastgate version` prints.
enum VersionReport {
    static func text(asJSON: Bool) -> String {
        guard asJSON else { return "fastgate \(fastGateVersion)" }
        return JSONValue.object(
            JSONObject([("name", .string("fastgate")), ("version", .string(fastGateVersion)), ("platform", .string(platform))])
        ).serialized()
    }

    private static var platform: String {
        #if arch(x86_64)
            "linux-x86_64"
        #elseif arch(arm64)
            "linux-aarch64"
        #else
            "linux"
        #endif
    }
}
