import JSON
import Proxy
import Testing

@testable import Admin

@Suite struct RouteEndpointTests {
    private let bed: TestBed
    private let context: HandlerContext

    init() throws {
        bed = try TestBed()
        context = try bed.context()
    }

    private let full = """
        {"route_id":"r1","route_name":"Chat","description":"d","match_path":"/v1/*","match_method":"post, put",\
        "match_headers":{"x-a":"b*","x-c":true},"match_body_schema":{"model":"m"},"target_host":"h:1",\
        "target_path":"/t/*","target_protocol":"https","strip_path_prefix":true,"add_headers":{"x-k":"${K}"},\
        "add_body_fields":{"n":[1,{"z":1,"a":2}]},"remove_headers":["x-r"],"timeout":9,"retry_count":2,\
        "is_active":false,"priority":-3,"weight":0}
        """

    @Test func everyMemberComesBack() throws {
        let answer = try context.send("POST", "/admin/routes", full)
        #expect(answer.status == 201)
        #expect(answer.response.headers.contains(HeaderLine("location", "/admin/routes/r1")))
        var expected = try #require(JSONValue(parsing: full).objectValue)
        expected["match_method"] = "POST,PUT"
        let shown = try #require(try context.send("GET", "/admin/routes/r1").body.objectValue)
        #expect(shown.names == expected.names + ["created_at", "updated_at"])
        for member in expected { #expect(shown[member.name] == member.value, "\(member.name)") }
    }

    @Test func whatIsLeftOutHasItsDefault() throws {
        let answer = try context.send("POST", "/admin/routes", #"{"match_path":"/a","target_host":"h:1"}"#)
        let id = try #require(answer.body["route_id"]?.stringValue)
        #expect(id.hasPrefix("route_"))
        let defaults = try JSONValue(
            parsing: """
                {"route_name":"\(id)","description":null,"match_method":"ANY","match_headers":null,\
                "match_body_schema":null,"target_path":"","target_protocol":"http","strip_path_prefix":false,\
                "add_headers":null,"add_body_fields":null,"remove_headers":[],"timeout":null,"retry_count":0,\
                "is_active":true,"priority":100,"weight":1}
                """)
        for member in try #require(defaults.objectValue) {
            #expect(answer.body[member.name] == member.value, "\(member.name)")
        }
        #expect(bed.gateway.state.withLock { $0.routes.map(\.routeID) } == [id])
    }

    @Test func anEmptyNameIsTheID() throws {
        let body = #"{"route_id":"r","route_name":"","match_path":"/a","target_host":"h:1"}"#
        #expect(try context.send("POST", "/admin/routes", body).body["route_name"] == "r")
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"route_name":"n"}"#).body["route_name"] == "n")
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"route_name":""}"#).body["route_name"] == "r")
        #expect(try context.send("PUT", "/admin/routes/r", body).body["route_name"] == "r")
    }

    @Test func putReplacesAndPatchKeeps() throws {
        _ = try context.send("POST", "/admin/routes", full)
        let patched = try context.send("PATCH", "/admin/routes/r1", #"{"priority":7,"timeout":null}"#)
        #expect(patched.status == 200)
        #expect(patched.body["priority"] == 7)
        #expect(patched.body["timeout"] == .null)
        #expect(patched.body["description"] == "d")
        #expect(patched.body["is_active"] == false)
        let put = try context.send("PUT", "/admin/routes/r1", #"{"match_path":"/b","target_host":"h:2"}"#)
        #expect(put.status == 200)
        #expect(put.body["route_name"] == "r1")
        #expect(put.body["description"] == .null)
        #expect(put.body["priority"] == 100)
        #expect(put.body["is_active"] == true)
        #expect(put.body["created_at"] == patched.body["created_at"])
        #expect(try context.send("PUT", "/admin/routes/r1", #"{"match_path":"/b"}"#).status == 422)
        #expect(
            try context.send("PUT", "/admin/routes/none", #"{"match_path":"/b","target_host":"h:2"}"#).status == 404)
        #expect(try context.send("PATCH", "/admin/routes/none", "{}").status == 404)
    }

    @Test func idsAreUniqueAndStay() throws {
        _ = try context.send("POST", "/admin/routes", full)
        let again = try context.send("POST", "/admin/routes", full)
        #expect(again.status == 409)
        #expect(again.body["error"]?["param"] == "route_id")
        #expect(again.body["error"]?["type"] == "conflict_error")
        #expect(try context.send("PATCH", "/admin/routes/r1", #"{"route_id":"r2"}"#).status == 409)
        #expect(try context.send("PATCH", "/admin/routes/r1", #"{"route_id":"r1"}"#).status == 200)
    }

    @Test(arguments: [
        (#"{"match_path":"x","target_host":"h:1"}"#, "match_path"), (#"{"match_path":"/x"}"#, "target_host"),
        (#"{"match_path":"","target_host":"h:1"}"#, "match_path"),
        (#"{"match_path":"/x","target_host":"h:1","route_id":"match"}"#, "route_id"),
        (#"{"match_path":"/x","target_host":"h:1","route_id":"a/b"}"#, "route_id"),
        (#"{"match_path":"/x","target_host":"h:1","match_method":"GET,"}"#, "match_method"),
        (#"{"match_path":"/x","target_host":"h:1","match_headers":{"a b":"c"}}"#, "match_headers"),
        (#"{"match_path":"/x","target_host":"h:1","match_headers":{"a":1}}"#, "match_headers"),
        (#"{"match_path":"/x","target_host":"h:1","match_headers":{"a":"b\nc"}}"#, "match_headers"),
        (#"{"match_path":"/x","target_host":"h:1","match_body_schema":[]}"#, "match_body_schema"),
        (#"{"match_path":"/x","target_host":"h:1","target_protocol":"ftp"}"#, "target_protocol"),
        (#"{"match_path":"/x","target_host":"h:1","add_headers":{"a":"b\r\nc: d"}}"#, "add_headers"),
        (#"{"match_path":"/x","target_host":"h:1","remove_headers":["a:"]}"#, "remove_headers"),
        (#"{"match_path":"/x","target_host":"h:1","timeout":0}"#, "timeout"),
        (#"{"match_path":"/x","target_host":"h:1","retry_count":101}"#, "retry_count"),
        (#"{"match_path":"/x","target_host":"h:1","weight":-1}"#, "weight"),
        (#"{"match_path":"/x","target_host":"h:1","prio":1}"#, "prio"),
    ])
    func refusalsNameTheField(_ body: String, _ param: String) throws {
        let answer = try context.send("POST", "/admin/routes", body)
        #expect(answer.status == 422)
        #expect(answer.body["error"]?["param"]?.stringValue == param)
        #expect(bed.gateway.state.withLock { $0.publications } == 0)
    }

    @Test func toggleAndDeleteArePublished() throws {
        _ = try context.send("POST", "/admin/routes", #"{"route_id":"r","match_path":"/a","target_host":"h:1"}"#)
        #expect(try context.send("POST", "/admin/routes/r/toggle").body["is_active"] == false)
        #expect(bed.gateway.state.withLock { $0.routes.isEmpty })
        #expect(try context.send("POST", "/admin/routes/r/toggle").body["is_active"] == true)
        #expect(bed.gateway.state.withLock { $0.routes.count } == 1)
        #expect(try context.send("DELETE", "/admin/routes/r").status == 204)
        #expect(bed.gateway.state.withLock { $0.routes.isEmpty })
        #expect(try context.send("DELETE", "/admin/routes/r").status == 404)
        #expect(try context.send("POST", "/admin/routes/r/toggle").status == 404)
        #expect(try context.send("POST", "/admin/routes/r/test").status == 404)
    }

    /// The gateway was started again without a variable that a header needs.
    @Test func whatIsWrongAlreadyDoesNotKeepARouteFromBeingTurnedOff() throws {
        let body = #"{"route_id":"r","match_path":"/a","target_host":"h:1","add_headers":{"x":"${K}"}}"#
        try #require(try context.send("POST", "/admin/routes", body).status == 201)
        bed.gateway.state.withLock { $0.routeProblem = ("add_headers", ["x": "${K}"]) }
        let still = try context.send("PATCH", "/admin/routes/r", #"{"priority":1}"#)
        #expect(still.status == 422 && still.body["error"]?["param"] == "add_headers")
        #expect(try context.send("POST", "/admin/routes/r/toggle").body["is_active"] == false)
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"priority":2}"#).body["priority"] == 2)
        let again = try context.send("POST", "/admin/routes/r/toggle")
        #expect(again.status == 422 && again.body["error"]?["param"] == "add_headers")
        // What else is wrong is refused all the same, and so is another way to be wrong.
        let path = try context.send("PATCH", "/admin/routes/r", #"{"match_path":"b"}"#)
        #expect(path.status == 422 && path.body["error"]?["param"] == "match_path")
        bed.gateway.state.withLock { $0.routeProblem = ("add_headers", ["x": "${L}"]) }
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"add_headers":{"x":"${L}"}}"#).status == 422)
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"is_active":true}"#).status == 200)
    }

    /// A database of version 0.1 may hold these; the gateway serves them as that did.
    @Test(arguments: [("match_body_schema", #"{"type":"chat"}"#), ("match_path", #""/ä""#)])
    func whatAnEarlierVersionTookMayStay(_ field: String, _ value: String) throws {
        var body = try #require(
            JSONValue(parsing: #"{"route_id":"r","match_path":"/a","target_host":"h:1"}"#).objectValue)
        body[field] = try JSONValue(parsing: value)
        let text = JSONValue.object(body).serialized()
        try #require(try context.send("POST", "/admin/routes", text).status == 201)
        let stored = try JSONValue(parsing: value)
        bed.gateway.state.withLock { $0.routeProblem = (field, stored) }
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"priority":1}"#).body["priority"] == 1)
        #expect(try context.send("PUT", "/admin/routes/r", text).status == 200)
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"\#(field)":\#(value)}"#).status == 200)
        #expect(try context.send("POST", "/admin/routes", text.replacing("\"r\"", with: "\"s\"")).status == 422)
        #expect(
            try context.send("PATCH", "/admin/routes/r", #"{"match_path":"/b","match_body_schema":null}"#).status == 200
        )
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"\#(field)":\#(value)}"#).status == 422)
    }

    @Test func whatGetHasGivenCanBePut() throws {
        _ = try context.send("POST", "/admin/routes", full)
        let shown = try context.send("GET", "/admin/routes/r1").body
        for method in ["PUT", "PATCH"] {
            var again = try #require(try context.send(method, "/admin/routes/r1", shown.serialized()).body.objectValue)
            again["updated_at"] = shown["updated_at"]
            #expect(.object(again) == shown, "\(method)")
        }
        let times = #"{"created_at":"2001-01-01","updated_at":null}"#
        #expect(try context.send("PATCH", "/admin/routes/r1", times).body["created_at"] == shown["created_at"])
        #expect(try context.send("POST", "/admin/routes", shown.serialized()).body["error"]?["param"] == "created_at")
    }

    @Test func listsAreInTheOrderOfTrialAndFiltered() throws {
        for (id, priority, host) in [("b", 2, "h:1"), ("a", 2, "h:2"), ("c", 1, "h:1")] {
            let body = #"{"route_id":"\#(id)","match_path":"/\#(id)","target_host":"\#(host)","priority":\#(priority)}"#
            #expect(try context.send("POST", "/admin/routes", body).status == 201)
        }
        func ids(_ query: String) throws -> [String?] {
            let answer = try context.send("GET", "/admin/routes" + query)
            #expect(answer.body.objectValue?.names == ["items", "total", "limit", "offset"])
            return answer.body["items"]?.arrayValue?.map { $0["route_id"]?.stringValue } ?? []
        }
        #expect(try ids("") == ["c", "a", "b"])
        #expect(try ids("?target_host=h:1") == ["c", "b"])
        #expect(try ids("?match_path=/a&is_active=true") == ["a"])
        #expect(try ids("?limit=1&offset=1") == ["a"])
        #expect(try ids("?is_active=false") == [])
    }

    @Test func matchAsksTheGatewayAndTellsItsReasons() throws {
        var explanation = RouteExplanation()
        explanation.matchedRouteID = "b"
        explanation.targetURL = "http://h:1/x"
        explanation.candidates = [
            .init(routeID: "a", routeName: "A", matched: false, reason: "method is not POST"),
            .init(routeID: "b", routeName: "B", matched: true, reason: "takes the request"),
        ]
        let answered = explanation
        bed.gateway.state.withLock { $0.explanation = answered }
        let body = #"{"method":"get","path":"/x?q=1","headers":{"a":"1","b":["2","3"]},"body":{"model":"m"}}"#
        let answer = try context.send("POST", "/admin/routes/match", body)
        #expect(answer.status == 200)
        #expect(
            answer.body.serialized()
                == #"{"matched":true,"route_id":"b","route_name":"B","target_url":"http://h:1/x","error":null,"#
                + #""candidates":[{"route_id":"a","route_name":"A","matched":false,"reason":"method is not POST"},"#
                + #"{"route_id":"b","route_name":"B","matched":true,"reason":"takes the request"}],"provider":null}"#)
        let asked = bed.gateway.state.withLock { $0.explained[0] }
        #expect(asked.method == "GET" && asked.path == "/x?q=1")
        #expect(asked.headers.map { "\($0.0)=\($0.1)" } == ["a=1", "b=2", "b=3"])
        #expect(asked.body == Array(#"{"model":"m"}"#.utf8))
        for (body, param) in [
            ("{}", "path"), (#"{"path":"x"}"#, "path"), (#"{"path":"/","headers":{"a":1}}"#, "headers"),
        ] {
            let refused = try context.send("POST", "/admin/routes/match", body)
            #expect(refused.status == 422)
            #expect(refused.body["error"]?["param"]?.stringValue == param)
        }
    }

    @Test func testTellsWhatIsWrongWithATarget() throws {
        // A port that was free a moment ago: nobody listens.
        let body = #"{"route_id":"r","match_path":"/a","target_host":"127.0.0.1:1"}"#
        #expect(try context.send("POST", "/admin/routes", body).status == 201)
        let answer = try context.send("POST", "/admin/routes/r/test")
        #expect(answer.status == 200)
        let names = ["ok", "resolved", "connect_ms", "tls", "status", "first_byte_ms", "error"]
        #expect(answer.body.objectValue?.names == names)
        #expect(answer.body["ok"] == false)
        #expect(answer.body["resolved"] == ["127.0.0.1"])
        #expect(answer.body["connect_ms"] == .null)
        #expect(answer.body["error"]?.stringValue?.hasPrefix("connecting to 127.0.0.1:1: ") == true)
    }
}
