import JSON
import Testing

@testable import Admin

/// The server over real sockets.
@Suite struct ServerTests {
    /// Runs a server with its own store and stops it at the end.
    private func withServer(_ change: (TestBed) -> Void = { _ in }, _ body: (AdminServer, TestBed) throws -> Void)
        throws
    {
        let bed = try TestBed()
        change(bed)
        let server = try bed.startServer()
        defer { server.stop() }
        try body(server, bed)
    }

    @Test func oneConnectionServesManyRequests() throws {
        try withServer { server, _ in
            let client = try TestClient(port: server.boundPort)
            let made = try client.request("POST", "/admin/keys", #"{"source_path":"a"}"#)
            #expect(made.status == 201)
            for _ in 0..<20 {
                let answer = try client.request("GET", "/admin/keys")
                #expect(answer.status == 200)
                #expect(answer.json["total"] == 1)
                #expect(answer["connection"] == nil)
                #expect(answer["content-type"] == "application/json")
                #expect(answer["cache-control"] == "no-store")
                #expect(answer["x-request-id"]?.hasPrefix("req_") == true)
            }
            // Requests in a row are answered in order.
            let get = "GET /health HTTP/1.1\r\nHost: a\r\nX-Request-ID: "
            client.write(get + "one\r\n\r\n" + get + "two\r\n\r\n" + get + "three\r\nConnection: close\r\n\r\n")
            for name in ["one", "two", "three"] { #expect(try client.response()["x-request-id"] == name) }
            #expect(client.isClosed())
        }
    }

    @Test func tokensAreAskedForInHeaderOrQuery() throws {
        try withServer { server, _ in
            let client = try TestClient(port: server.boundPort)
            let missing = try client.request("GET", "/admin/keys", token: nil)
            #expect(missing.status == 401)
            #expect(missing["www-authenticate"] == #"Bearer realm="FastGate admin""#)
            #expect(
                missing.text
                    == #"{"error":{"message":"an admin token is required: authorization: Bearer <token>","#
                    + #""type":"authentication_error","code":"missing_token","param":null}}"#)
            let wrong = try client.request("GET", "/admin/keys", token: "wrong")
            #expect(wrong.status == 401)
            #expect(
                wrong.text
                    == #"{"error":{"message":"the admin token is not right","type":"authentication_error","#
                    + #""code":"invalid_token","param":null}}"#)
            #expect(try client.request("GET", "/admin/keys?token=\(TestBed.token)", token: nil).status == 200)
            #expect(try client.request("GET", "/admin/keys?token=wrong").status == 200)
            #expect(try client.request("GET", "/admin/keys?token=\(TestBed.token)", token: "wrong").status == 401)
            let twice = try client.request("GET", "/admin/keys?token=\(TestBed.token)&token=x", token: nil)
            #expect(twice.status == 400 && twice.json["error"]?["param"] == "token")
            let basic = ["Authorization: Basic \(TestBed.token)"]
            #expect(try client.request("GET", "/admin/keys", token: nil, headers: basic).status == 401)
            // What does not exist tells nothing to strangers.
            #expect(try client.request("GET", "/admin/nothing", token: nil).status == 401)
            for path in ["/health", "/metrics", "/health?probe=1", "/metrics?name%5B%5D=x"] {
                #expect(try client.request("GET", path, token: nil).status == 200, "\(path)")
            }
            let page = try client.request("GET", "/", token: nil)
            #expect(page.status == 200 && page.text.contains("<script"))
            #expect(try client.request("GET", "/admin/dashboard").status == 200)
        }
    }

    @Test func compressedBodiesAreRefused() throws {
        try withServer { server, _ in
            let client = try TestClient(port: server.boundPort)
            let body = #"{"source_path":"a"}"#
            let gzip = try client.request("POST", "/admin/keys", body, headers: ["Content-Encoding: gzip"])
            #expect(gzip.status == 415 && gzip.json["error"]?["param"] == "content-encoding")
            #expect(gzip["accept-encoding"] == "identity")
            let plain = try client.request("POST", "/admin/keys", body, headers: ["Content-Encoding: Identity"])
            #expect(plain.status == 201)
        }
    }

    @Test(arguments: ["HEAD / HTTP/3.0\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n", "HEAD /\u{1} HTTP/1.1\r\n\r\n"])
    func refusedHeadRequestsGetNoBody(_ head: String) throws {
        try withServer { server, _ in
            let client = try TestClient(port: server.boundPort)
            client.write(head)
            let answer = try client.response(isHead: true)
            #expect(answer.status >= 400 && answer["content-length"] != "0")
            #expect(client.isClosed())
        }
    }

    @Test func queryTokensCanBeSwitchedOff() throws {
        func change(_ bed: TestBed) { bed.settings.admin.allowQueryToken = false }
        try withServer(change) { server, _ in
            let client = try TestClient(port: server.boundPort)
            let answer = try client.request("GET", "/admin/keys?token=\(TestBed.token)", token: nil)
            #expect(answer.status == 401)
            #expect(answer.text.contains("admin.allow_query_token"))
            #expect(try client.request("GET", "/admin/keys").status == 200)
        }
    }

    @Test func guessingIsSlowedAndThenTurnedAway() throws {
        try withServer { server, _ in
            // More attempts at a time than answers may wait: some are refused unseen, and be it the right token.
            let count = LoginThrottle.freeFailures + LoginThrottle.heldLimit
            let clients = try (0..<count).map { _ in try TestClient(port: server.boundPort) }
            for client in clients {
                client.write("GET /admin/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer guess\r\n\r\n")
            }
            let early = try clients.prefix(1).map { try $0.response().status }
            #expect(early == [401])
            let owner = try TestClient(port: server.boundPort)
            let answer = try owner.request("GET", "/admin/keys")
            // The machine may be so slow that an answer was due by now.
            #expect([200, 429].contains(answer.status))
            if answer.status == 429 {
                #expect(answer["retry-after"] != nil)
                #expect(answer.json["error"]?["code"] == "too_many_failed_logins")
            }
        }
    }

    @Test func methodsAndPathsThatDoNotExist() throws {
        try withServer { server, _ in
            let client = try TestClient(port: server.boundPort)
            let wrong = try client.request("PATCH", "/admin/keys")
            #expect(wrong.status == 405)
            #expect(wrong["allow"] == "GET, HEAD, POST")
            #expect(
                wrong.text
                    == #"{"error":{"message":"PATCH is not allowed here; allowed: GET, HEAD, POST","#
                    + #""type":"invalid_request_error","code":"method_not_allowed","param":null}}"#)
            let unknown = try client.request("GET", "/admin/nothing")
            #expect(unknown.status == 404)
            #expect(
                unknown.text
                    == #"{"error":{"message":"there is no endpoint \"/admin/nothing\"","type":"not_found_error","#
                    + #""code":"not_found","param":null}}"#)
            let parameter = try client.request("GET", "/admin/keys?sauce=a")
            #expect(parameter.status == 400)
            #expect(parameter.json["error"]?["param"] == "sauce")
            #expect(try client.request("GET", "/admin/keys?a=%zz").json["error"]?["code"] == "invalid_query")
            let member = try client.request("POST", "/admin/keys", #"{"source_path":"a","sauce":1}"#)
            #expect(member.status == 422)
            #expect(
                member.text
                    == #"{"error":{"message":"unknown field \"sauce\"; known are source_path, permissions, "#
                    + #"rate_limit, expires_days, expires_at, is_active, allowed_models, max_tokens, max_amount, "#
                    + #"currency, budget_period, max_concurrent","type":"invalid_request_error","#
                    + #""code":"unknown_field","param":"sauce"}}"#)
        }
    }

    @Test func headHasTheHeadOfGetAndNoBody() throws {
        try withServer { server, _ in
            let client = try TestClient(port: server.boundPort)
            for path in ["/admin/keys", "/health", "/openapi.json", "/admin/nothing", "/admin/logs/export"] {
                let head = try client.request("HEAD", path)
                let get = try client.request("GET", path)
                #expect(head.status == get.status)
                for name in ["content-type", "content-length", "transfer-encoding"] where path != "/health" {
                    #expect(head[name] == get[name], "\(path) \(name)")
                }
            }
        }
    }

    @Test func bodiesThatAreTooLargeAreRefused() throws {
        try withServer { server, _ in
            let announced = try TestClient(port: server.boundPort)
            let head = "POST /admin/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(TestBed.token)\r\n"
            announced.write(head + "Content-Length: 1048577\r\n\r\n")
            let answer = try announced.response()
            #expect(answer.status == 413)
            #expect(answer.json["error"]?["code"] == "body_too_large")
            #expect(answer["connection"] == "close")
            let chunked = try TestClient(port: server.boundPort)
            chunked.write(head + "Transfer-Encoding: chunked\r\n\r\n")
            let piece = "40000\r\n" + String(repeating: "a", count: 0x40000) + "\r\n"
            for _ in 0..<5 { chunked.write(piece) }
            #expect(try chunked.response().status == 413)
        }
    }

    @Test func bodiesOfAnyFramingAreTaken() throws {
        try withServer { server, _ in
            let client = try TestClient(port: server.boundPort)
            let head = "POST /admin/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(TestBed.token)\r\n"
            client.write(head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"sou\r\n")
            client.write("e\r\nrce_path\":\"a\"}\r\n0\r\n\r\n")
            #expect(try client.response().status == 201)
            client.write(head + "Expect: 100-continue\r\nContent-Length: 19\r\n\r\n")
            #expect(try client.response().status == 100)
            client.write(#"{"source_path":"b"}"#)
            #expect(try client.response().status == 201)
        }
    }

    @Test func slowHeadsAndBodiesTimeOut() throws {
        func change(_ bed: TestBed) {
            bed.settings.limits.headerTimeoutSeconds = 0.05
            bed.settings.limits.bodyTimeoutSeconds = 0.05
        }
        try withServer(change) { server, _ in
            let silent = try TestClient(port: server.boundPort)
            #expect(silent.isClosed())
            let slow = try TestClient(port: server.boundPort)
            slow.write("GET /health HT")
            let answer = try slow.response()
            #expect(answer.status == 408)
            #expect(answer["connection"] == "close")
            #expect(
                answer.text
                    == #"{"error":{"message":"the request's head took too long","type":"invalid_request_error","#
                    + #""code":"timeout","param":null}}"#)
            #expect(slow.isClosed())
            let half = try TestClient(port: server.boundPort)
            half.write("POST /admin/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(TestBed.token)\r\n")
            half.write("Content-Length: 9\r\n\r\n{")
            #expect(try half.response().status == 408)
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505), ("\u{16}\u{3}\u{1}\u{0}\r\n\r\n", 400),
    ])
    func whatIsNoHTTPIsRefusedAndClosed(_ text: String, _ status: Int) throws {
        try withServer { server, _ in
            let client = try TestClient(port: server.boundPort)
            client.write(text)
            let answer = try client.response()
            #expect(answer.status == status)
            #expect(answer.json["error"]?["code"] == "malformed_request")
            #expect(client.isClosed())
        }
    }

    @Test func olderClientsGetNoChunks() throws {
        try withServer { server, bed in
            bed.store(3) { _ in TestExchange() }
            let client = try TestClient(port: server.boundPort)
            client.write("GET /admin/logs/export?fields=method&token=\(TestBed.token) HTTP/1.0\r\nHost: a\r\n\r\n")
            let answer = try client.response()
            #expect(answer["transfer-encoding"] == nil)
            #expect(answer["content-disposition"] == #"attachment; filename="fastgate-logs.csv""#)
            #expect(answer.text == "method\r\nPOST\r\nPOST\r\nPOST\r\n")
        }
    }

    @Test func healthTellsOfDraining() throws {
        try withServer { server, bed in
            let client = try TestClient(port: server.boundPort)
            #expect(try client.request("GET", "/health", token: nil).json["status"] == "ok")
            bed.gateway.state.withLock { $0.isDraining = true }
            let answer = try client.request("GET", "/health", token: nil)
            #expect(answer.status == 503)
            #expect(answer.json["status"] == "draining")
            #expect(answer.json["version"] == "9.9.9")
        }
    }

    @Test func healthTellsItsNameAndWhatIsNotServed() throws {
        try withServer { server, bed in
            let client = try TestClient(port: server.boundPort)
            let sound = try client.request("GET", "/health", token: nil)
            #expect(sound.json["name"] == "FastGate" && sound.json["problems"] == [])
            bed.gateway.state.withLock { $0.servesAllRoutes = false }
            #expect(try client.request("GET", "/health", token: nil).json["problems"] == ["routes_not_served"])
            bed.gateway.state.withLock { $0.servesAllProviders = false }
            let answer = try client.request("GET", "/health", token: nil)
            #expect(answer.status == 200)
            #expect(answer.json["problems"] == ["routes_not_served", "providers_not_served"])
        }
    }

    @Test func aClientThatLeavesAnExportFreesItsThread() throws {
        try withServer { server, bed in
            bed.store(2000) { _ in
                var exchange = TestExchange()
                exchange.responseBody = String(repeating: "b", count: 4000)
                return exchange
            }
            for _ in 0..<ExecutorPool.threadsPerLane * 3 {
                let leaver = try TestClient(port: server.boundPort)
                leaver.write("GET /admin/logs/export?token=\(TestBed.token) HTTP/1.1\r\nHost: a\r\n\r\n")
            }
            let client = try TestClient(port: server.boundPort)
            let answer = try client.request("GET", "/admin/logs/export?fields=method&format=ndjson")
            #expect(answer.status == 200)
            #expect(answer.text.utf8.filter { $0 == 10 }.count == 2000)
        }
    }

    @Test func startRefusesWhatCannotWork() throws {
        let bed = try TestBed()
        bed.settings.admin.host = "localhost.example"
        #expect(throws: AdminServerError.self) { try bed.startServer() }
        bed.settings.admin.host = "127.0.0.1"
        let first = try bed.startServer()
        defer { first.stop() }
        bed.settings.admin.port = first.boundPort
        #expect(throws: AdminServerError.self) { try bed.startServer() }
    }
}
