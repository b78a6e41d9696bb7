import HTTP
import Reactor
import Testing

@testable import Proxy

@Suite struct SecretNameTests {
    private func isSecret(_ name: String) -> Bool {
        var bytes = Array(name.utf8)
        return bytes.withUnsafeMutableBufferPointer { SecretName.isSecret($0.baseAddress!, $0.count) }
    }

    @Test(
        arguments: [
            "key", "jwt", "x-key", "X-Custom-Key", "Ocp-Apim-Subscription-Key", "x-api-key-2", "x-apikey", "X_API_KEY",
            "my_api_key_id", "token", "X-Vault-Token", "x-amz-security-token", "X-Goog-Iam-Authorization-Token",
            "x-authorization-context", "X-Original-Authorization", "CF-Access-Client-Secret", "secret", "X-Password",
            "passwd", "x-password-hint", "Cookie2", "x-cookies", "cf-access-jwt-assertion", "X-Auth", "auth",
            "Authentication", "OK-ACCESS-PASSPHRASE", "x-credentials", "tokenkey",
        ]) func namesOfSecrets(_ name: String)
    {
        #expect(isSecret(name))
        #expect(isSecret(name.uppercased()))
    }

    @Test(
        arguments: [
            "a", "te", "dnt", "work", "kind", "Idempotency-Key", "x-idempotency-key", "X-Cache-Key", "Surrogate-Key",
            "x-ratelimit-remaining-tokens", "x-token-count", "sec-websocket-protocol", "sec-websocket-version",
            "x-stainless-package-version", "x-stainless-retry-count", "openai-organization", "openai-processing-ms",
            "anthropic-version", "x-keyboard", "x-author", "x-authority", "strict-transport-security", "cf-ray",
            "x-zone",
            "x-request-start", "content-length", "x-amz-date", "traceparent",
        ]) func otherNames(_ name: String)
    {
        #expect(!isSecret(name))
        #expect(!isSecret(name.uppercased()))
    }

    /// The few letters that are looked for first stand in every word of the rule, wherever in the name it is.
    @Test func noPlaceInANameHidesAWord() {
        for word in ["authorization", "api-key", "apikey", "api_key", "password", "passwd", "cookie", "jwt"] {
            for before in 0..<20 {
                for after in 0..<20 {
                    let name = String(repeating: "x", count: before) + word + String(repeating: "-", count: after)
                    #expect(isSecret(name), "\(name)")
                }
            }
        }
        for word in ["key", "token", "secret", "auth", "authentication", "passphrase", "credentials"] {
            for before in 0..<40 { #expect(isSecret(String(repeating: "x", count: before) + word)) }
        }
    }
}

@Suite struct SubprotocolsTests {
    @Test(
        arguments: [
            ("", ""),
            ("realtime", "realtime"),
            ("realtime, openai-insecure-api-key.sk-proj-1.2", "realtime, openai-insecure-api-key.***"),
            ("OpenAI-Insecure-API-Key.sk-1,realtime", "OpenAI-Insecure-API-Key.***,realtime"),
            ("a.key.s1 ,\tb , c-token.s2", "a.key.***,\tb , c-token.***"),
            (
                "base64url.bearer.authorization.k8s.io.c2VjcmV0, base64.binary.k8s.io",
                "base64url.bearer.***, base64.binary.k8s.io"
            ),
            ("openai-insecure-api-key.", "openai-insecure-api-key.***"),
            (
                "openai-organization.org-1, openai-beta.realtime-v1",
                "openai-organization.org-1, openai-beta.realtime-v1"
            ),
            (",,.", ",,."),
        ]) func keysAreMasked(_ value: String, _ written: String)
    {
        var room = [UInt8](repeating: 0, count: 256)
        let text = room.withUnsafeMutableBufferPointer { room in
            var writer = HeadWriter(room.baseAddress!, capacity: room.count)
            Subprotocols.write(kept(value), &writer)
            return String(decoding: room[..<writer.count], as: UTF8.self)
        }
        #expect(text == written)
    }

    @Test func theHeaderIsFoundInAnyCase() {
        for name in ["Sec-WebSocket-Protocol", "sec-websocket-protocol"] {
            #expect(Subprotocols.isName(kept(name).pointer!, name.utf8.count))
        }
        #expect(!Subprotocols.isName(kept("sec-websocket-protocol2").pointer!, 23))
        #expect(!Subprotocols.isName(kept("sec-websocket-extension").pointer!, 22))
    }
}
