import Config
import HTTP
import Testing

@testable import Proxy

@Suite struct PolicyTests {
    @Test func defaults() {
        let policy = Policy(Settings())
        #expect(policy.requiresKey)
        #expect(policy.limitsRates)
        #expect(policy.connectTimeoutMilliseconds == 5000)
        #expect(policy.headerTimeoutMilliseconds == 10_000)
        #expect(policy.bodyTimeoutMilliseconds == 30_000)
        #expect(policy.keepaliveTimeoutMilliseconds == 75_000)
        #expect(policy.sendTimeoutMilliseconds == 60_000)
        #expect(policy.maxRetries == 3)
        #expect(policy.maxBodyBytes == 64 << 20)
        #expect(policy.maxIdleUpstream == 64)
        #expect(!policy.forwardsClientIP)
        #expect(policy.waitsForAudit)
        #expect(policy.messageLimits.maxHeadBytes == 65_536)
        #expect(policy.messageLimits.maxFields == 128)
        #expect(!policy.messageLimits.refusesHostMismatch)
    }

    @Test func settingsArriveAndAreBounded() {
        var settings = Settings()
        settings.security.requireAPIKey = false
        settings.rateLimiting.enabled = false
        settings.proxy.connectTimeoutSeconds = 0.25
        settings.proxy.maxRetries = .max
        settings.audit.onFull = .drop
        settings.limits.maxHeaders = 1_000_000
        settings.limits.maxHeaderBytes = .max
        let policy = Policy(settings)
        #expect(!policy.requiresKey)
        #expect(!policy.limitsRates)
        #expect(policy.connectTimeoutMilliseconds == 250)
        #expect(policy.maxRetries == .max)
        #expect(!policy.waitsForAudit)
        // The worker's array of fields holds no more.
        #expect(policy.messageLimits.maxFields == UInt32(Worker.maxFields))
    }
}

@Suite struct CORSPolicyTests {
    private func policy(_ change: (inout Settings.CORS) -> Void) -> CORSPolicy {
        var cors = Settings().cors
        change(&cors)
        return CORSPolicy(cors, in: kept(Arena()))
    }

    @Test func anyOrigin() {
        let cors = policy { _ in }
        #expect(cors.allowsAnyOrigin)
        #expect(cors.allows(kept("https://anywhere.example")))
        #expect(cors.allows(kept("null")))
        #expect(!cors.allowsCredentials)
        #expect(cors.methods.isEmpty)
        #expect(cors.headers.isEmpty)
    }

    @Test(
        arguments: [
            ("https://a.example", true),
            ("https://b.example:8443", true),
            ("http://a.example", false),
            ("https://a.example:443", false),
            ("https://a.example.evil.example", false),
            ("https://xa.example", false),
            ("HTTPS://A.EXAMPLE", false),
            ("null", false),
            ("", false),
        ] as [(String, Bool)]) func theseOrigins(_ origin: String, _ isAllowed: Bool)
    {
        let cors = policy { $0.allowOrigins = ["https://a.example", "https://b.example:8443"] }
        #expect(!cors.allowsAnyOrigin)
        #expect(cors.allows(kept(origin)) == isAllowed)
    }

    @Test func noOrigin() {
        let cors = policy { $0.allowOrigins = [] }
        #expect(!cors.allows(kept("https://a.example")))
        #expect(!cors.allows(kept("")))
    }

    @Test func listsAreRendered() {
        let cors = policy {
            $0.allowMethods = ["GET", "POST"]
            $0.allowHeaders = ["authorization", "content-type"]
            $0.allowCredentials = true
        }
        #expect(cors.methods.string == "GET, POST")
        #expect(cors.headers.string == "authorization, content-type")
        #expect(cors.allowsCredentials)
    }

    @Test func aStarInAListIsEverything() {
        let cors = policy {
            $0.allowOrigins = ["https://a.example", "*"]
            $0.allowMethods = ["GET", "*"]
            $0.allowHeaders = ["*", "x-a"]
        }
        #expect(cors.allows(kept("https://b.example")))
        #expect(cors.methods.isEmpty)
        #expect(cors.headers.isEmpty)
    }
}
