import Testing

@testable import Proxy

@Suite struct ErrorStyleTests {
    @Test(
        arguments: [
            ("/v1/messages", true), ("/v1/messages/count_tokens", true), ("/v1/messages/", true),
            ("/v1/messagesx", false),
            ("/v1/message", false), ("/v1/Messages", false), ("//v1/messages", false), ("/x/v1/messages", false),
            ("/", false), ("", false),
        ] as [(String, Bool)]) func paths(_ path: String, _ isAnthropic: Bool)
    {
        #expect(ErrorBody.Style(path: kept(path)) == (isAnthropic ? .anthropic : .openAI))
        // The same path in a head that is malformed further on.
        for head in ["GET \(path) HTTP/1.1\r\nHost : a", "\r\nPOST \(path)?a=/b HTTP/9", "GET http://[::1]:80\(path)"] {
            #expect(ErrorBody.Style(malformed: kept(head)) == (isAnthropic ? .anthropic : .openAI), "\(head)")
        }
    }

    @Test(
        arguments: [
            ("GET /v1/messages", true), ("GET /v1/messages?" + String(repeating: "a", count: 20_000), true),
            ("GET /v1/messages\r\n", true), ("BREW /v1/messages HTTP/1.1\r\n", true),
            ("\r\n\r\n\nGET /v1/messages ", true),
            ("GET https://user@a.test/v1/messages/x", true), ("GET http:///v1/messages", true),
            ("GET /v1/messag", false), ("GET", false), ("GET ", false), ("", false), ("\r\n", false),
            ("GET\t/v1/messages", false),
            ("GET  /v1/messages", false), ("/v1/messages", false), ("GET *", false),
            ("CONNECT a.test:443 HTTP/1.1", false),
            ("GET http:", false), ("GET http:/", false), ("GET http://", false), ("GET http://a", false),
            ("GET http://a?/v1/messages", false), ("GET mailto:/v1/messages", false),
            ("GET / HTTP/1.1\r\nReferer: http://a/v1/messages", false), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false),
            ("\u{16}\u{03}\u{01}", false),
        ] as [(String, Bool)]) func brokenHeads(_ head: String, _ isAnthropic: Bool)
    {
        #expect(ErrorBody.Style(malformed: kept(head)) == (isAnthropic ? .anthropic : .openAI))
    }
}
