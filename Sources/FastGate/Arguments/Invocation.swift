/// What the command line asks for, understood and checked as far as it can be without touching anything.
enum Invocation: Equatable {
    case help(HelpTopic)
    case version(asJSON: Bool)
    case serve(configPath: String?)
    case check(CheckOptions)
    case keysCreate(ToolOptions, NewKeyOptions)
    case keysList(ToolOptions, KeyListOptions)
    case keysRevoke(ToolOptions, keyIDs: [String], deletes: Bool)
    case routesList(ToolOptions)
    case routesImport(ToolOptions, RouteImportOptions)
    case routesExport(ToolOptions, outputPath: String?)
    case logsTail(ToolOptions, LogTailOptions)
    case logsExport(ToolOptions, LogExportOptions)
}

/// Of every command that works on a gateway or its database.
struct ToolOptions: Equatable {
    var configPath: String?
    var asJSON = false
}

struct CheckOptions: Equatable {
    var configPath: String?
    /// Print the effective settings.
    var shows = false
}

struct NewKeyOptions: Equatable {
    var sourcePath: String
    var permissions: [String] = []
    var rateLimitPerMinute: Int?
    var expiry = Expiry.standard

    enum Expiry: Equatable {
        /// As `security.default_expiry_days` has it.
        case standard
        case never
        case days(Int)
        /// A date or an ISO-8601 time.
        case at(String)
    }
}

struct KeyListOptions: Equatable {
    var sourcePath: String?
    var isActive: Bool?
}

struct RouteImportOptions: Equatable {
    /// `-` is standard input.
    var path: String
    /// Delete the routes that the file does not have.
    var replaces = false
    /// Say what would be done, and do nothing.
    var isDryRun = false
}

/// Filters over the audit, as the query parameters of the admin API have them.
struct LogFilter: Equatable {
    /// Names and values in the order of the command's options.
    var parameters: [QueryParameter] = []

    /// Parameters that only a finished exchange can be judged by.
    private static let endNames = ["status_code", "error", "min_ms", "is_stream"]

    /// Whether a row in flight is left out by the filter and may be let through once it is finished.
    var concernsTheEnd: Bool { parameters.contains { Self.endNames.contains($0.name) } }

    /// What rows in flight can be judged by.
    var beforeTheEnd: [QueryParameter] { parameters.filter { !Self.endNames.contains($0.name) } }
}

struct LogTailOptions: Equatable {
    var filter = LogFilter()
    /// How many rows to begin with.
    var count = 20
    /// Go on showing exchanges as they end.
    var follows = false
}

struct LogExportOptions: Equatable {
    var filter = LogFilter()
    var format = "csv"
    var fields: String?
    /// Nil is standard output.
    var outputPath: String?
}

/// A name and its value in a query string.
struct QueryParameter: Equatable {
    var name: String
    var value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}
