/// Options that many commands share. They may also stand before the command's name.
enum CommonOptions {
    static let config = OptionSpec(
        "config", "c", "FILE", .file,
        help: "the configuration; without it ./config.yaml, and without that the defaults (FASTGATE_CONFIG)")
    static let url = OptionSpec(
        "url", nil, "URL",
        help: "ask the admin API at URL, such as http://127.0.0.1:8515, whatever the configuration says (FASTGATE_URL)")
    static let tokenFile = OptionSpec(
        "token-file", nil, "FILE", .file, help: "the file that holds the admin token (FASTGATE_TOKEN_FILE)")
    static let caFile = OptionSpec(
        "ca-file", nil, "FILE", .file,
        help: "who may have signed the certificate of an https URL, as PEM; else the system's authorities"
            + " (FASTGATE_CA_FILE)")
    static let json = OptionSpec(flag: "json", help: "print JSON")
    static let color = OptionSpec(
        "color", nil, "WHEN", .choice(["auto", "always", "never"]),
        help: "colours: auto (on a terminal, unless NO_COLOR is set), always or never")

    /// Of every command that works on a gateway or its database, and prints something.
    static let tool = [json, config, url, tokenFile, caFile, color]
    /// The same for commands that print nothing that could be JSON.
    static let quiet = [config, url, tokenFile, caFile, color]

    static let all = [json, config, url, tokenFile, caFile, color]
    static func contains(_ name: String) -> Bool { all.contains { $0.name == name } }

    /// How commands of this kind find whom to ask.
    static let access = HelpSection(
        title: "HOW IT WORKS",
        paragraphs: [
            """
            If a gateway runs on the configured database, the command asks its admin API, and what it changes counts at \
            once. If none runs, it works on the database itself. --url asks the admin API there and nothing else.
            """,
            """
            The admin token is taken from --token-file, from the environment (FASTGATE_ADMIN_TOKEN, ADMIN_TOKEN), from \
            the configuration, or else from the file admin_token beside the database. A token of the configuration or of \
            that file is never sent to an address of --url that is not this machine's.
            """,
        ])
}
