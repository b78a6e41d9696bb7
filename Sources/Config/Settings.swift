/// Everything `config.yaml` can say, decoded and checked. `Settings()` is the defaults.
///
/// A value of this type is always complete: what a file leaves out has its default. Units are in the names.
public struct Settings: Sendable, Equatable {
    public var app = App()
    public var admin = Admin()
    public var database = Database()
    public var security = Security()
    public var rateLimiting = RateLimiting()
    public var logging = Logging()
    public var proxy = Proxy()
    public var providers = Providers()
    public var audit = Audit()
    public var cors = CORS()
    public var tls = TLS()
    public var upstreamTLS = UpstreamTLS()
    public var limits = Limits()

    public init() {}

    /// `app`: the data plane's address and the process as a whole.
    public struct App: Sendable, Equatable {
        /// Shown in the dashboard and in /health.
        public var name = "FastGate"
        /// The IP literal the data plane listens on, without brackets.
        public var host = "0.0.0.0"
        /// 0 lets the kernel choose.
        public var port: UInt16 = 8514
        /// Reactor threads; 0 means one for each CPU the process may use.
        public var workers = 0
        /// The zone in which times are written.
        public var timezone = TimeZoneOffset(minutes: 480) ?? .utc
        /// How long open exchanges may go on after SIGTERM.
        public var drainTimeoutSeconds = 30.0
        /// How long open exchanges may go on after a successor has taken over (SIGUSR2).
        public var replaceTimeoutSeconds = 3600.0
        /// Lowers the log level to debug.
        public var debug = false
    }

    /// `admin`: the port of the REST API, the metrics and the dashboard.
    public struct Admin: Sendable, Equatable {
        /// The IP literal the admin port listens on, without brackets.
        public var host = "127.0.0.1"
        /// 0 lets the kernel choose.
        public var port: UInt16 = 8515
        /// Whether `?token=` is taken beside the bearer token.
        public var allowQueryToken = true
        /// Names beside addresses and localhost under which browsers may reach an admin port on a loopback address.
        public var hosts: [String] = []
        /// PEM chain, leaf first; with its key set too the admin port speaks TLS.
        public var certificateFile = ""
        /// PEM private key.
        public var keyFile = ""
        /// Whether the admin port speaks TLS.
        public var isTLS: Bool { !certificateFile.isEmpty && !keyFile.isEmpty }
    }

    /// `database`: where state lives.
    public struct Database: Sendable, Equatable {
        /// `sqlite:///` and a path; one more slash makes the path absolute.
        public var url = "sqlite:///./data/fastgate.db"
        /// What follows `sqlite:///`; relative to the working directory unless it begins with a slash.
        public var path: String { String(url.dropFirst(Self.scheme.count)) }
        /// The folder of `path`, which also holds the audit rings and the generated admin token.
        public var folder: String {
            guard let slash = path.lastIndex(of: "/") else { return "." }
            return slash == path.startIndex ? "/" : String(path[..<slash])
        }
        static let scheme = "sqlite:///"
    }

    /// `security`: the admin token and how keys are made and asked for.
    public struct Security: Sendable, Equatable {
        /// Empty: the first start makes one and keeps it beside the database.
        public var adminToken = ""
        /// Whether a request without a valid key is refused.
        public var requireAPIKey = true
        /// What a newly made key begins with.
        public var keyPrefix = "fg_"
        /// The life of a key that was made without saying; 0 = it does not expire.
        public var defaultExpiryDays = 365
    }

    /// `rate_limiting`: requests per minute and key.
    public struct RateLimiting: Sendable, Equatable {
        public var enabled = true
        /// For keys that carry no limit of their own; 0 = unlimited.
        public var defaultRequestsPerMinute = 0
    }

    /// `logging`: the gateway's own log, not the audit.
    public struct Logging: Sendable, Equatable {
        public enum Level: String, Sendable, CaseIterable {
            case debug = "DEBUG"
            case info = "INFO"
            case warning = "WARNING"
            case error = "ERROR"
        }
        public enum Format: String, Sendable, CaseIterable {
            case text, json
        }
        public var level = Level.info
        public var format = Format.text
        /// Whether each exchange that ends gets a line.
        public var access = false
        /// Empty = standard error.
        public var file = ""
        /// The log file is rotated before it grows beyond this; 0 = never.
        public var maxSizeBytes = 100 << 20
        /// Rotated files that are kept: `file.1` is the newest.
        public var backupCount = 5
    }

    /// `proxy`: forwarding and what of an exchange is kept.
    public struct Proxy: Sendable, Equatable {
        /// For one address of an upstream, TLS handshake included.
        public var connectTimeoutSeconds = 5.0
        /// The wait for the next byte of an upstream, where the route sets none.
        public var defaultTimeoutSeconds = 300.0
        /// A tunnel (WebSocket) in which nothing moves for this long is closed.
        public var tunnelIdleTimeoutSeconds = 600.0
        /// A ceiling over every route's retry_count.
        public var maxRetries = 3
        /// Retries as a share of a target's requests, in percent, beside the floor.
        public var retryBudgetPercent = 20
        /// Retries a second that a target may always have, per worker.
        public var retryBudgetFloor = 10
        /// The file that names the name servers.
        public var resolvConf = "/etc/resolv.conf"
        /// A longer request body is refused with 413.
        public var maxBodyBytes = 64 << 20
        /// Kept-alive connections per upstream and worker; 0 = none is kept.
        public var maxIdleUpstream = 64
        /// Whether X-Forwarded-For, -Proto and -Host are set.
        public var forwardClientIP = false
        /// Lower-cased names of request headers that are never forwarded.
        public var stripHeaders = [
            "host", "x-api-key", "authorization", "x-forwarded-for", "x-real-ip", "x-source-path", "user-agent",
            "content-length",
        ]
        public var auditIncludeHeaders = true
        public var auditIncludeBody = false
        /// How much of each body the audit keeps.
        public var auditBodyMaxBytes = 10240
    }

    /// `providers`: requests that no route takes.
    public struct Providers: Sendable, Equatable {
        public enum Strategy: String, Sendable, CaseIterable {
            case firstAvailable = "first_available"
            case roundRobin = "round_robin"
            case random
            case weighted
            case leastBusy = "least_busy"
            case fastest
            case healthiest
        }

        /// How one is chosen among providers of equal priority that have a model.
        public var strategy = Strategy.weighted
        /// Over all providers and keys, the first included.
        public var maxAttempts = 6
        /// How long the beginning of an answer may be held back, so that another provider can take over; 0 = not at all.
        public var holdTimeoutSeconds = 10.0
        /// How often providers are asked which models they have.
        public var modelsRefreshSeconds = 3600.0

        /// What becomes of a request whose cost nobody would know, of a key with a budget of money.
        public enum Unpriced: String, Sendable, CaseIterable {
            case refuse, allow
        }

        public var unpriced = Unpriced.refuse
        /// Whether a new database begins with the built-in prices.
        public var defaultPrices = true
    }

    /// `audit`: the rings between workers and database.
    public struct Audit: Sendable, Equatable {
        /// Whether exchanges are recorded at all. Without it keys' usage counts stand still, too.
        public var isEnabled = true
        /// What a worker does when its ring is full.
        public enum OnFull: String, Sendable, CaseIterable {
            /// Takes no new requests until there is room: nothing is lost.
            case wait
            /// Goes on, and counts what it drops.
            case drop
        }
        /// Per worker; a power of two.
        public var ringBytes = 64 << 20
        public var flushIntervalMilliseconds = 100
        public var onFull = OnFull.wait
        /// Rows older than this are deleted; 0 = kept for ever.
        public var retentionDays = 0
        /// The same for usage records; sums over them stay.
        public var usageRetentionDays = 0
    }

    /// `cors`: what browsers of other origins may do on the data plane. `*` = any.
    public struct CORS: Sendable, Equatable {
        public var allowOrigins = ["*"]
        public var allowMethods = ["*"]
        public var allowHeaders = ["*"]
        public var allowCredentials = false
    }

    /// A certificate with its key, as files.
    public struct Certificate: Sendable, Equatable {
        /// PEM chain, leaf first.
        public var certificateFile = ""
        /// PEM private key.
        public var keyFile = ""
        /// The names it is for; empty = those in it.
        public var names: [String] = []
        /// DER file with an OCSP response about it, to be stapled; empty = none.
        public var ocspFile = ""

        public init(certificateFile: String = "", keyFile: String = "", names: [String] = [], ocspFile: String = "") {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.names = names
            self.ocspFile = ocspFile
        }
    }

    /// `tls`: with a certificate the data plane speaks TLS.
    public struct TLS: Sendable, Equatable {
        public enum ClientAuthentication: String, Sendable, CaseIterable {
            case none, optional, required
        }
        /// PEM chain, leaf first.
        public var certificateFile = ""
        /// PEM private key.
        public var keyFile = ""
        /// DER file with an OCSP response about the certificate, to be stapled; empty = none.
        public var ocspFile = ""
        /// Further ones, chosen by the name that the client asks for.
        public var certificates: [Certificate] = []
        /// `1.2` or `1.3`.
        public var minimumVersion = "1.2"
        /// PEM file of the authorities that may have signed clients' certificates.
        public var clientAuthorityFile = ""
        /// Whether clients are asked for a certificate.
        public var clientAuthentication = ClientAuthentication.none
        /// Whether upstreams are told a client's certificate's subject.
        public var forwardsClientSubject = false
        /// How often the files are looked at for renewed certificates; 0 = only on SIGHUP.
        public var checkIntervalSeconds = 60.0
        /// Whether the data plane speaks TLS.
        public var isEnabled: Bool { !allCertificates.isEmpty }
        /// All certificates, the one for clients that name no server first.
        public var allCertificates: [Certificate] {
            let first = Certificate(certificateFile: certificateFile, keyFile: keyFile, ocspFile: ocspFile)
            return (certificateFile.isEmpty || keyFile.isEmpty ? [] : [first]) + certificates
        }
    }

    /// `upstream_tls`: how https upstreams are verified.
    public struct UpstreamTLS: Sendable, Equatable {
        public var verify = true
        /// PEM file of the authorities to trust instead of the system's; empty = the system's.
        public var caFile = ""
        /// What is different for single hosts.
        public var hosts: [UpstreamHost] = []
    }

    /// TLS to one upstream host.
    public struct UpstreamHost: Sendable, Equatable {
        /// As routes name it, without the port.
        public var host = ""
        /// The authorities to trust for it; empty = as for all.
        public var caFile = ""
        /// Our certificate and key, shown to this host if it asks; empty = none.
        public var certificateFile = ""
        public var keyFile = ""

        public init(host: String = "", caFile: String = "", certificateFile: String = "", keyFile: String = "") {
            self.host = host
            self.caFile = caFile
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    /// `limits`: what one client can hold of the gateway.
    public struct Limits: Sendable, Equatable {
        /// Client connections of the whole process.
        public var maxConnections = 65536
        /// Client connections of one IPv4 address or IPv6 /64; 0 = as many as there may be.
        public var maxConnectionsPerAddress = 0
        /// Bytes of bodies, heads and answers that wait in buffers of the whole process.
        public var maxBufferedBytes = 1 << 30
        public var maxHeaderBytes = 65536
        public var maxHeaders = 128
        /// A request's target: path and query.
        public var maxTargetBytes = 16384
        /// Of one chunk, and (less the data carried meanwhile) of a body.
        public var maxChunkExtensionBytes = 4096
        public var maxTrailerBytes = 16384
        public var headerTimeoutSeconds = 10.0
        public var bodyTimeoutSeconds = 30.0
        /// Bytes a second that a request's body has to come in with, on average; 0 = any.
        public var minBodyRate = 100
        /// The wait for an answer's first byte; 0 = the route's timeout.
        public var firstByteTimeoutSeconds = 0.0
        public var keepaliveTimeoutSeconds = 75.0
        public var sendTimeoutSeconds = 60.0
        /// Bytes a second that a client that is behind has to take, on average; 0 = any.
        public var minSendRate = 100
        /// How far back the two averages look.
        public var rateGraceSeconds = 30.0
        /// How long an upstream connection without work is kept.
        public var idleUpstreamTimeoutSeconds = 60.0
    }
}
