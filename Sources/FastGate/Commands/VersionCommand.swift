import JSON

/// `fastgate version`
enum VersionCommand {
    static let command = Command(
        "version", "print the version", options: [CommonOptions.json],
        action: { (call) throws(CommandFailure) in
            guard call.asJSON else { return call.console.print("fastgate \(fastGateVersion)") }
            let report: JSONValue = [
                "name": "fastgate", "version": .string(fastGateVersion), "platform": .string(platform),
            ]
            call.console.print(report.serialized())
        })

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
