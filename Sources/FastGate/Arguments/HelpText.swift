extension HelpTopic {
    private static let configOption = """
          -c, --config FILE   the configuration; without it ./config.yaml, and without that
                              the defaults
        """

    private static let access = """
        HOW IT WORKS
          If a gateway runs on this database, the command asks its admin API, and what it
          changes counts at once. If none runs, it works on the database itself. The admin
          token is taken from the configuration or the environment (FASTGATE_ADMIN_TOKEN,
          ADMIN_TOKEN), or else from the file admin_token beside the database.
        """

    private static let exitCodes = """
        EXIT CODES
          0  done    1  failed    2  wrong usage    78  bad configuration
        """

    /// The whole help text, without a line feed at its end.
    var text: String {
        switch self {
        case .program: Self.programText
        case .serve: Self.serveText
        case .check: Self.checkText
        case .version: Self.versionText
        case .keys: Self.keysText
        case .keysCreate: Self.keysCreateText
        case .keysList: Self.keysListText
        case .keysRevoke: Self.keysRevokeText
        case .routes: Self.routesText
        case .routesList: Self.routesListText
        case .routesImport: Self.routesImportText
        case .routesExport: Self.routesExportText
        case .logs: Self.logsText
        case .logsTail: Self.logsTailText
        case .logsExport: Self.logsExportText
        }
    }

    private static let programText = """
        fastgate - a gateway in front of LLM and other HTTP services

        USAGE
          fastgate COMMAND [OPTIONS]

        COMMANDS
          serve                       run the gateway
          check                       say whether a configuration is good
          keys create|list|revoke     manage API keys
          routes list|import|export   manage routes
          logs tail|export            read the audit
          version                     print the version
          help COMMAND                explain a command; so does COMMAND --help

        FIRST STEPS
          fastgate serve &
          fastgate routes import routes.json
          fastgate keys create team-a
          curl -H "Authorization: Bearer fg_..." http://127.0.0.1:8514/v1/models

        FILES
          ./config.yaml         read unless --config names another; may be missing
          ./data/fastgate.db    keys, routes and audit (database.url); its folder also holds
                                the audit rings and, if one was made, the admin token

        \(exitCodes)
        """

    private static let serveText = """
        fastgate serve - run the gateway

        USAGE
          fastgate serve [--config FILE]

        Runs in the foreground until it is told to stop. The first start makes the database
        and, if none is configured, an admin token in the file admin_token beside it.

        OPTIONS
        \(configOption)

        SIGNALS
          TERM, INT   take no new requests, finish the open ones (at most app.drain_timeout),
                      write the audit, end
          HUP         read the configuration again; a bad one is refused, the old one stays
          USR1        open the log file anew

        ENVIRONMENT
          DATABASE_URL, FASTGATE_ADMIN_TOKEN (or ADMIN_TOKEN), APP_HOST, APP_PORT,
          ADMIN_HOST, ADMIN_PORT and LOG_LEVEL override their keys of the configuration.

        \(exitCodes)
        """

    private static let checkText = """
        fastgate check - say whether a configuration is good

        USAGE
          fastgate check [--config FILE] [--show]

        Reads the configuration as serve would, with the environment, and the files that it
        names (certificates, keys). Starts and changes nothing. Warnings go to standard error.

        OPTIONS
        \(configOption)
              --show          print the effective settings, secrets masked

        EXIT CODES
          0  good    2  wrong usage    78  bad
        """

    private static let versionText = """
        fastgate version - print the version

        USAGE
          fastgate version [--json]

        OPTIONS
              --json          as a JSON object
        """

    private static let keysText = """
        fastgate keys - manage API keys

        USAGE
          fastgate keys create SOURCE [OPTIONS]    make a key
          fastgate keys list [OPTIONS]             list keys
          fastgate keys revoke KEY_ID...           make keys invalid

        fastgate keys COMMAND --help says more.

        \(access)
        """

    private static let keysCreateText = """
        fastgate keys create - make an API key

        USAGE
          fastgate keys create SOURCE [OPTIONS]

        Makes a key for SOURCE (a team, a service: whoever uses it; the audit names it) and
        prints it. This is the only time it can be seen: the database holds its hash.

        OPTIONS
          -p, --permission P  what the key may do; repeat it, or separate by commas. A family
                              (chat, completions, embeddings, models, responses, messages,
                              images, audio, files, moderations), a path pattern that begins
                              with "/" ("/v1/*"), or "*". Without any: everything
              --rate-limit N  requests per minute; 0 is unlimited. Without it the gateway's
                              default (rate_limiting.default_requests_per_minute)
              --expires-days N    days until it expires
              --expires-at TIME   when it expires: a date (its last moment) or ISO-8601
              --never-expires     it does not. Without any of the three: after
                                  security.default_expiry_days
              --json          print the key as a JSON object, key_value included
        \(configOption)

        EXAMPLES
          fastgate keys create team-a
          fastgate keys create ci -p chat,models --rate-limit 60 --expires-days 30
          KEY=$(fastgate keys create bot --json | jq -r .key_value)

        \(access)
        """

    private static let keysListText = """
        fastgate keys list - list API keys

        USAGE
          fastgate keys list [OPTIONS]

        Newest first. Keys themselves are not shown, only their prefix and last four
        characters.

        OPTIONS
              --source SOURCE     only the keys of SOURCE
              --active            only keys that are accepted
              --inactive          only keys that were revoked
              --json              print a JSON array
        \(configOption)

        \(access)
        """

    private static let keysRevokeText = """
        fastgate keys revoke - make API keys invalid

        USAGE
          fastgate keys revoke KEY_ID... [OPTIONS]

        From then on requests with these keys are refused (401). A revoked key stays in the
        list, so that the audit can be read; requests that are already under way are finished.

        OPTIONS
              --delete        delete the keys instead; the audit keeps their ids
              --json          print the changed keys as a JSON array
        \(configOption)

        \(access)
        """

    private static let routesText = """
        fastgate routes - manage routes

        USAGE
          fastgate routes list [OPTIONS]           list routes in the order they are tried
          fastgate routes import FILE [OPTIONS]    create and replace routes from a JSON file
          fastgate routes export [OPTIONS]         print all routes as JSON

        fastgate routes COMMAND --help says more.

        \(access)
        """

    private static let routesListText = """
        fastgate routes list - list routes

        USAGE
          fastgate routes list [OPTIONS]

        In the order in which they are tried: by priority, then by id.

        OPTIONS
              --json          print a JSON array with all members
        \(configOption)

        \(access)
        """

    private static let routesImportText = """
        fastgate routes import - create and replace routes from a JSON file

        USAGE
          fastgate routes import FILE [OPTIONS]

        FILE ("-" is standard input) holds a JSON array of routes, or an object with the
        array as "items" or "routes", as routes export prints it. A route with the route_id
        of an existing one replaces it; so does one without route_id but with the route_name
        of exactly one existing route. All others are new. Members that are left out get
        their defaults. The routes are taken one by one; the first that is refused ends the
        import, and those before it stay.

        OPTIONS
          -n, --dry-run       say what would be done, and do nothing
              --replace       then delete all routes that FILE does not have
              --json          print what was done as a JSON array
        \(configOption)

        EXAMPLE
          [{"route_name": "openai", "match_path": "/v1/*", "target_host": "api.openai.com:443",
            "target_protocol": "https",
            "add_headers": {"Authorization": "Bearer ${OPENAI_API_KEY}"}}]

        \(access)
        """

    private static let routesExportText = """
        fastgate routes export - print all routes as JSON

        USAGE
          fastgate routes export [OPTIONS]

        Prints a JSON array that routes import takes. Header values appear as they are stored:
        keep secrets in the environment and name them as ${NAME}.

        OPTIONS
          -o, --output FILE   write to FILE (mode 0600) instead of standard output
        \(configOption)

        \(access)
        """

    private static let filterOptions = """
              --status S      200, a class (4xx), a range (400-499), none (in flight), or
                              several with commas
              --errors        only failures: a status from 400 up, or an error message
              --error TEXT    only rows with TEXT in the error message
              --key KEY_ID    only requests with this key
              --source SOURCE only requests of this source
              --method M      only this method
              --path P        only paths that begin with P, or match it if it holds a "*"
              --min-ms N      only what took at least N milliseconds
              --stream, --no-stream   only streams, or none
        """

    private static let logsText = """
        fastgate logs - read the audit

        USAGE
          fastgate logs tail [OPTIONS]      show the last exchanges, and go on with --follow
          fastgate logs export [OPTIONS]    write all that match as CSV or JSON

        fastgate logs COMMAND --help says more.

        \(access)
        """

    private static let logsTailText = """
        fastgate logs tail - show the last exchanges

        USAGE
          fastgate logs tail [OPTIONS]

        One line for each exchange: when it began, status, method and path, how long it took,
        bytes of the answer, whose key it was, and what went wrong. Oldest first.

        OPTIONS
          -n, --lines N       how many to begin with, at most 1000; 20 unless given
          -f, --follow        go on showing exchanges as they end, until interrupted
              --json          print each row as a JSON object on a line of its own
              --start TIME    only from TIME on: a date, or ISO-8601
        \(filterOptions)
        \(configOption)

        EXAMPLE
          fastgate logs tail -f --errors

        \(access)
        """

    private static let logsExportText = """
        fastgate logs export - write the audit as CSV or JSON

        USAGE
          fastgate logs export [OPTIONS]

        Writes every row that matches, of any number. An export that breaks off ends with
        exit code 1.

        OPTIONS
              --format F      csv (unless given), json (an array) or ndjson (an object a line)
              --fields LIST   columns with commas, in this order; all unless given
              --order O       desc, the newest first (unless given), or asc
          -o, --output FILE   write to FILE (mode 0600) instead of standard output
              --start TIME    only from TIME on: a date, or ISO-8601 (without an offset:
                              app.timezone)
              --end TIME      only up to and including TIME; a date is its whole day
        \(filterOptions)
        \(configOption)

        EXAMPLE
          fastgate logs export --start 2026-06-01 --end 2026-06-30 \\
            --fields request_time,source_path,path,status_code -o june.csv

        \(access)
        """
}
