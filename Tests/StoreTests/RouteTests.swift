import JSON
import Testing

@testable import Store

struct RouteTests {
    private let folder = TestFolder()
    private let database: Database

    init() throws { database = try Database.open(path: folder.database, timeZoneOffsetMinutes: 0) }

    private func create(_ route: RouteRecord) throws -> RouteRecord {
        try database.write { c throws(StoreError) in try c.createRoute(route) }
    }

    private func update(_ route: RouteRecord) throws -> RouteRecord? {
        try database.write { c throws(StoreError) in try c.updateRoute(route) }
    }

    private func toggle(_ id: String) throws -> RouteRecord? {
        try database.write { c throws(StoreError) in try c.toggleRoute(id) }
    }

    private func delete(_ id: String) throws -> Bool {
        try database.write { c throws(StoreError) in try c.deleteRoute(id) }
    }

    private var whole: RouteRecord {
        RouteRecord(
            routeName: "all", description: "d\nd", matchPath: "/v1/*", matchMethod: "GET,POST",
            matchHeaders: ["x-a": "b*"], matchBodySchema: ["model": "gpt-4o"], targetHost: "h:1", targetPath: "/x",
            targetProtocol: "https", stripPathPrefix: true,
            addHeaders: .object(JSONObject([("z", "1"), ("a", "${TOKEN}")])), addBodyFields: ["n": 1.5],
            removeHeaders: ["x-b", "x-c"], timeoutSeconds: 9, retryCount: 2, isActive: false, priority: -5, weight: 7)
    }

    @Test func aRouteComesBackAsItWas() throws {
        let made = try create(whole)
        #expect(made.routeID.hasPrefix("route_") && made.createdAtMilliseconds == made.updatedAtMilliseconds)
        let read = try #require(try database.reader().route(made.routeID))
        #expect(read == made)
        // Order is part of what headers mean.
        #expect(read.addHeaders?.objectValue?.names == ["z", "a"])
        let least = try create(RouteRecord(routeID: "r", routeName: "n", matchPath: "/", targetHost: "h"))
        #expect(try database.reader().route("r") == least)
        #expect(least.matchMethod == "ANY" && least.priority == 100 && least.weight == 1 && least.isActive)
    }

    @Test func updateToggleDelete() throws {
        var route = try create(whole)
        route.routeName = "other"
        route.matchBodySchema = nil
        route.removeHeaders = []
        let changed = try update(route)
        #expect(changed?.routeName == "other" && changed?.createdAtMilliseconds == route.createdAtMilliseconds)
        #expect(try database.reader().route(route.routeID) == changed)
        let id = route.routeID
        #expect(try toggle(id)?.isActive == true)
        #expect(try database.reader().activeRoutes().count == 1)
        #expect(try delete(id))
        #expect(try delete(id) == false)
        #expect(try toggle(id) == nil)
        #expect(try update(route) == nil)
    }

    @Test func routesComeInTheOrderInWhichTheyAreTried() throws {
        for (id, priority) in [("c", 1), ("a", 2), ("b", 1), ("d", 0)] {
            _ = try create(
                RouteRecord(
                    routeID: id, routeName: "Name \(id)", matchPath: "/\(id)", targetHost: "h", isActive: id != "d",
                    priority: priority))
        }
        let reader = try database.reader()
        #expect(try reader.routes().items.map(\.routeID) == ["d", "b", "c", "a"])
        #expect(try reader.activeRoutes().map(\.routeID) == ["b", "c", "a"])
        #expect(try reader.routes(limit: 2, offset: 1).items.map(\.routeID) == ["b", "c"])
        #expect(try reader.routes(RouteFilter(nameContains: "name A")).items.map(\.routeID) == ["a"])
        #expect(try reader.routes(RouteFilter(matchPath: "/b")).total == 1)
        #expect(try reader.routes(RouteFilter(targetHost: "none")).total == 0)
        #expect(try reader.routes(RouteFilter(isActive: false)).items.map(\.routeID) == ["d"])
    }

    @Test func whatIsRefused() throws {
        func refusal(_ change: (inout RouteRecord) -> Void) -> String? {
            var route = whole
            change(&route)
            let error = storeError { _ = try create(route) }
            if case .invalid(let field, _)? = error { return field }
            return nil
        }
        #expect(refusal { $0.routeName = "" } == "route_name")
        #expect(refusal { $0.matchPath = "" } == "match_path")
        #expect(refusal { $0.targetHost = "" } == "target_host")
        #expect(refusal { $0.targetHost = "a\r\nb" } == "target_host")
        #expect(refusal { $0.targetProtocol = "ftp" } == "target_protocol")
        #expect(refusal { $0.addHeaders = [1] } == "add_headers")
        #expect(refusal { $0.matchHeaders = "x" } == "match_headers")
        #expect(refusal { $0.addBodyFields = 1 } == "add_body_fields")
        #expect(refusal { $0.timeoutSeconds = 0 } == "timeout")
        #expect(refusal { $0.retryCount = -1 } == "retry_count")
        #expect(refusal { $0.weight = -1 } == "weight")
        #expect(refusal { $0.removeHeaders = [""] } == "remove_headers")
        #expect(refusal { $0.matchBodySchema = .string(String(repeating: "x", count: 300_000)) } == "match_body_schema")
        _ = try create(RouteRecord(routeID: "r", routeName: "n", matchPath: "/", targetHost: "h"))
        let twice = storeError {
            _ = try create(RouteRecord(routeID: "r", routeName: "n", matchPath: "/", targetHost: "h"))
        }
        guard case .conflict(let field, _)? = twice else {
            Issue.record("the same id twice gave \(String(describing: twice))")
            return
        }
        #expect(field == "route_id")
    }
}
