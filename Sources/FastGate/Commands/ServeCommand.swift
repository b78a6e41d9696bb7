/// `fastgate serve`
enum ServeCommand {
    static let command = Command(
        "serve", "run the gateway",
        details: [
            """
            Runs in the foreground until it is told to stop. The first start makes the database and, if none is \
            configured, an admin token in the file admin_token beside it.
            """
        ],
        options: [CommonOptions.config],
        sections: [
            HelpSection(
                title: "SIGNALS", paragraphs: [],
                terms: [
                    (
                        "TERM, INT",
                        "take no new requests, finish the open ones (at most app.drain_timeout), write the audit, end"
                    ),
                    ("HUP", "read the configuration again; a bad one is refused, the old one stays"),
                    ("USR1", "open the log file anew"),
                ]),
            HelpSection(
                title: "ENVIRONMENT",
                paragraphs: [
                    """
                    DATABASE_URL, FASTGATE_ADMIN_TOKEN (or ADMIN_TOKEN), APP_HOST, APP_PORT, ADMIN_HOST, ADMIN_PORT \
                    and LOG_LEVEL override their keys of the configuration.
                    """
                ]),
            CommandTree.exitCodes,
        ], action: run)

    private static func run(_ call: Call) throws(CommandFailure) {
        let code = serve(try call.load())
        // What went wrong is in the log.
        if code != ExitCode.ok { throw CommandFailure(message: "", exitCode: code) }
    }
}
