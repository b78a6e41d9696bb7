import Config
import JSON
import Reactor
import Testing

@testable import FastGate

@Suite struct AdminClientTests {
    private func answer(_ text: String, _ request: APIRequest = APIRequest("GET", "/x")) throws -> APIResponse {
        let server = try ScriptedServer([text])
        let client = AdminClient(address: server.address, token: "secret-token")
        defer { _ = server.requests() }
        return try client.send(request)
    }

    private func failure(_ text: String) -> String {
        do {
            return "status \(try answer(text).status)"
        } catch {
            return ((error as? CommandFailure)?.message ?? "\(error)").split(separator: " ").dropFirst(5).joined(
                separator: " ")
        }
    }

    @Test func aRequestIsWhole() throws {
        let server = try ScriptedServer(["HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"])
        let client = AdminClient(address: server.address, token: "secret-token")
        let body: JSONValue = ["a": "é"]
        let value = try client.json(APIRequest("POST", "/admin/keys", query: [QueryParameter("a", "b c")], body: body))
        #expect(value == [:])
        #expect(
            server.requests() == [
                "POST /admin/keys?a=b%20c HTTP/1.1\r\nHost: \(server.address)\r\nAuthorization: Bearer secret-token\r\n"
                    + "User-Agent: fastgate/\(fastGateVersion)\r\nConnection: close\r\n"
                    + "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"a\":\"é\"}"
            ])
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ])
    func bodiesOfEveryFramingArrive(text: String) throws {
        for text in [text, "byte by byte:" + text] {
            #expect(try answer(text) == APIResponse(status: 200, body: Array("hello".utf8)))
        }
    }

    @Test func anErrorSpeaksForItself() throws {
        let body = #"{"error":{"message":"source_path: must not be empty","type":"t","code":"c","param":"p"}}"#
        let text = "HTTP/1.1 422 X\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        let response = try answer(text)
        #expect(response.status == 422)
        #expect(response.refusal.message == "source_path: must not be empty")
        #expect(try answer("HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n").refusal.message.contains("admin token"))
        #expect(try answer("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n").refusal.message.hasSuffix("status 503"))
        #expect(try answer("HTTP/1.1 204 X\r\n\r\n") == APIResponse(status: 204, body: []))
    }

    @Test func brokenAnswersFail() {
        #expect(failure("") == "closed the connection")
        #expect(failure("HTTP/1.1 200 OK\r\nContent-Le") == "closed the connection")
        #expect(failure("SSH-2.0-OpenSSH_9.2\r\n") == "does not speak HTTP")
        #expect(failure("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell") == "cut its answer short")
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        #expect(failure(chunked + "5\r\nhello\r\n") == "cut its answer short")
        #expect(failure(chunked + "x") == "sent a malformed answer")
    }

    @Test func nobodyThereIsSaid() throws {
        let server = try ScriptedServer([])
        _ = server.requests()
        let client = AdminClient(address: server.address, token: "x")
        #expect {
            try client.send(APIRequest("GET", "/"))
        } throws: { error in
            (error as? CommandFailure)?.message
                == "the admin API at \(server.address) cannot be reached: Connection refused"
        }
    }

    @Test func silenceEnds() throws {
        let listener = Socket.listen(SocketAddress(literal: "127.0.0.1", port: 0)!, reusePort: false, backlog: 1)
        defer { Socket.close(listener) }
        let client = AdminClient(address: SocketAddress.local(of: listener)!, token: "x", silenceMilliseconds: 20)
        #expect {
            try client.send(APIRequest("GET", "/"))
        } throws: { error in
            (error as? CommandFailure)?.message.hasSuffix("is silent") == true
        }
    }

    @Test func listsAreReadPageByPage() throws {
        func page(_ items: Int) -> String {
            let body = "{\"items\":[" + [String](repeating: "1", count: items).joined(separator: ",") + "]}"
            return "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        }
        let server = try ScriptedServer([page(1000), page(3)])
        let items = try AdminClient(address: server.address, token: "x").items(
            "/admin/keys", query: [QueryParameter("is_active", "true")])
        #expect(items.count == 1003)
        let lines = server.requests().map { $0.prefix { $0 != "\r\n" } }
        #expect(lines[0] == "GET /admin/keys?is_active=true&limit=1000&offset=0 HTTP/1.1")
        #expect(lines[1] == "GET /admin/keys?is_active=true&limit=1000&offset=1000 HTTP/1.1")
    }

    @Test func addressesAreReachable() {
        #expect(AdminClient.reachable(host: "0.0.0.0", port: 1)?.description == "127.0.0.1:1")
        #expect(AdminClient.reachable(host: "::", port: 1)?.description == "[::1]:1")
        #expect(AccessChoice.parse("[::1]:8515")?.description == "[::1]:8515")
        #expect(AccessChoice.parse("10.0.0.1:80")?.description == "10.0.0.1:80")
        #expect(AccessChoice.parse("nonsense") == nil && AccessChoice.parse("1.2.3.4:99999") == nil)
    }

    @Test func aRunningGatewayIsAsked() throws {
        let folder = TemporaryFolder()
        let lock = try InstanceLock.take(folder: folder.path)
        let body = #"{"items":[{"key_id":"key_1","is_active":true}],"total":1}"#
        let server = try ScriptedServer(["HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"])
        lock.publish(adminAddress: "\(server.address)")
        let console = CatchingConsole()
        let code = FastGateCommand(
            console: console,
            environment: [
                "DATABASE_URL": "sqlite:///\(folder.path)/fastgate.db", "ADMIN_PORT": "0",
                "FASTGATE_ADMIN_TOKEN": "0123456789abcdef",
            ]
        ).run(["keys", "list", "--json"])
        #expect(code == 0 && console.complaints.isEmpty)
        #expect(server.requests().first?.contains("Authorization: Bearer 0123456789abcdef\r\n") == true)
        #expect(try JSONValue(parsing: console.output)[0]?["key_id"] == "key_1")
    }

    @Test func aGatewayWhoseDatabaseIsElsewhereIsAsked() throws {
        let folder = TemporaryFolder()
        var settings = settings(database: folder.path, token: "0123456789abcdef")
        let body = "{\"database\":{\"url\":\"\(settings.database.url)\"}}"
        let server = try ScriptedServer(["HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"])
        settings.admin.port = server.address.port
        #expect(try AccessChoice(settings: settings).access(createsDatabase: false) is AdminClient)
        #expect(server.requests().count == 1)
    }

    @Test func withADatabaseHereNobodyIsToldTheToken() throws {
        let folder = TemporaryFolder()
        var settings = settings(database: folder.path, token: "0123456789abcdef")
        _ = try AccessChoice(settings: settings).access(createsDatabase: true)
        let server = try ScriptedServer([])
        settings.admin.port = server.address.port
        #expect(try AccessChoice(settings: settings).access(createsDatabase: false) is LocalAccess)
        #expect(server.requests().isEmpty)
    }

    @Test func anotherGatewayOnTheSamePortIsLeftAlone() throws {
        let folder = TemporaryFolder()
        let body = #"{"database":{"url":"sqlite:///elsewhere.db"}}"#
        let server = try ScriptedServer(["HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"])
        var settings = settings(database: folder.path, token: "0123456789abcdef")
        settings.admin.port = server.address.port
        let access = try AccessChoice(settings: settings).access(createsDatabase: true)
        #expect(access is LocalAccess)
        #expect(server.requests().first?.hasPrefix("GET /admin/config HTTP/1.1\r\n") == true)
    }
}
