import JSON
import Reactor
import Store

extension ObjectShape {
    static let route = ObjectShape(
        name: "RouteInput", description: "A route. What is left out has its default.",
        fields: [
            .init(
                "route_id", #"{"type":["string","null"],"pattern":"^[A-Za-z0-9._-]{1,64}$"}"#,
                "Made up if left out. Cannot be changed."),
            .init(
                "route_name", #"{"type":"string","maxLength":255,\#(ObjectShape.plainPattern)}"#,
                "The route_id if left out or empty."),
            .init(
                "description", #"{"type":["string","null"],"maxLength":4096,\#(ObjectShape.plainPattern)}"#,
                "For people."),
            .init(
                "match_path", #"{"type":"string","maxLength":2048,"pattern":"^[/*][^\#(notInPath)]*$"}"#,
                "Pattern over the whole path: * and ** match any characters, {name} one segment.", required: true),
            .init(
                "match_method",
                #"{"type":"string","maxLength":255,"pattern":"^ *\#(HeaderNames.token)( *, *\#(HeaderNames.token))* *$","#
                    + #""default":"ANY"}"#, "ANY, a method, or several with commas."),
            .init(
                "match_headers",
                #"{"type":["object","null"],"propertyNames":\#(HeaderNames.schema),"#
                    + #""additionalProperties":{"type":["string","boolean"],\#(HeaderNames.valuePattern)}}"#,
                "Name to value; all must hold. A value may use *; true asks for presence, false for absence."),
            .init(
                "match_body_schema", #"{"type":["object","null"]}"#,
                "Members to compare, or JSON Schema draft 2020-12 if it has any of its keywords."),
            .init(
                "target_host",
                #"{"type":"string","maxLength":512,"pattern":"\#(HostPattern.text)"}"#,
                "host:port; without a port, that of target_protocol.", required: true),
            .init(
                "target_path", #"{"type":["string","null"],"pattern":"^(/[^\#(notInPath)]*)?$","default":""}"#,
                "Empty keeps the path; {name} and * are filled from the match."),
            .init("target_protocol", #"{"type":"string","enum":["http","https"],"default":"http"}"#, "To the target."),
            .init(
                "strip_path_prefix", #"{"type":"boolean","default":false}"#,
                "Takes off the literal part of match_path before its first wildcard; the rest goes behind target_path."),
            .init(
                "add_headers",
                #"{"type":["object","null"],"propertyNames":\#(HeaderNames.schema),"#
                    + #""additionalProperties":{"type":"string",\#(ObjectShape.plainPattern)}}"#,
                "Headers to set; ${NAME} expands from the environment."),
            .init("add_body_fields", #"{"type":["object","null"]}"#, "Top-level members to set in a JSON body."),
            .init(
                "remove_headers", #"{"type":["array","null"],"items":\#(HeaderNames.schema)}"#, "Headers not forwarded."
            ),
            .init(
                "timeout", #"{"type":["integer","null"],"minimum":1,"maximum":86400}"#,
                "Seconds to wait for the target's next byte; null is the gateway's default."),
            .init("retry_count", #"{"type":"integer","minimum":0,"maximum":100,"default":0}"#, "Further attempts."),
            .init("is_active", #"{"type":"boolean","default":true}"#, "Whether the route takes requests."),
            .init(
                "priority", #"{"type":"integer","minimum":-1000000,"maximum":1000000,"default":100}"#,
                "Smaller goes first."),
            .init(
                "weight", #"{"type":"integer","minimum":0,"maximum":1000000,"default":1}"#,
                "Share of the load among routes of equal priority."),
        ])

    static let routeReplacement: ObjectShape = {
        var shape = route.ignoring(["created_at", "updated_at"])
        shape.name = "RouteReplacement"
        return shape
    }()

    static let routePatch = route.partial(
        named: "RoutePatch", description: "Members to change; the others stay as they are."
    ).ignoring(["created_at", "updated_at"])
}

/// The JSON form of routes.
enum RouteJSON {
    static func encode(_ route: RouteRecord, offsetMinutes: Int) -> JSONValue {
        .members([
            ("route_id", .string(route.routeID)),
            ("route_name", .string(route.routeName)),
            ("description", .optional(route.description)),
            ("match_path", .string(route.matchPath)),
            ("match_method", .string(route.matchMethod)),
            ("match_headers", .optional(route.matchHeaders)),
            ("match_body_schema", .optional(route.matchBodySchema)),
            ("target_host", .string(route.targetHost)),
            ("target_path", .string(route.targetPath)),
            ("target_protocol", .string(route.targetProtocol)),
            ("strip_path_prefix", .bool(route.stripPathPrefix)),
            ("add_headers", .optional(route.addHeaders)),
            ("add_body_fields", .optional(route.addBodyFields)),
            ("remove_headers", .strings(route.removeHeaders)),
            ("timeout", .optional(route.timeoutSeconds)),
            ("retry_count", .integer(route.retryCount)),
            ("is_active", .bool(route.isActive)),
            ("priority", .integer(route.priority)),
            ("weight", .integer(route.weight)),
            ("created_at", .time(route.createdAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("updated_at", .time(route.updatedAtMilliseconds, offsetMinutes: offsetMinutes)),
        ])
    }

    /// The record that a whole body describes. `route_id` and `route_name` may come out empty.
    static func decode(_ body: BodyReader) throws(AdminFailure) -> RouteRecord {
        try apply(body, to: RouteRecord(routeName: "", matchPath: "", targetHost: ""))
    }

    /// The record with the members of the body put in; those left out stay. The id is not touched.
    static func apply(_ body: BodyReader, to record: RouteRecord) throws(AdminFailure) -> RouteRecord {
        var route = record
        route.routeName = try body.string("route_name", maxLength: 255).or(route.routeName, "route_name")
        route.description = try body.string("description", maxLength: 4096).orNull(route.description)
        route.matchPath = try nonEmpty(body.string("match_path", maxLength: 2048), "match_path", route.matchPath)
        route.matchMethod = try method(body, route.matchMethod)
        route.matchHeaders = try headerConditions(body, route.matchHeaders)
        route.matchBodySchema = try object(body, "match_body_schema", route.matchBodySchema)
        route.targetHost = try nonEmpty(body.string("target_host", maxLength: 512), "target_host", route.targetHost)
        route.targetPath = try body.string("target_path", maxLength: 2048).orNull(route.targetPath) ?? ""
        route.targetProtocol = try body.string("target_protocol").or(route.targetProtocol, "target_protocol")
        guard ["http", "https"].contains(route.targetProtocol) else {
            throw .badField("target_protocol", "must be http or https")
        }
        route.stripPathPrefix = try body.bool("strip_path_prefix").or(route.stripPathPrefix, "strip_path_prefix")
        route.addHeaders = try addedHeaders(body, route.addHeaders)
        route.addBodyFields = try object(body, "add_body_fields", route.addBodyFields)
        route.removeHeaders = try removedHeaders(body, route.removeHeaders)
        route.timeoutSeconds = try body.int("timeout", in: 1...86_400).orNull(route.timeoutSeconds)
        route.retryCount = try body.int("retry_count", in: 0...100).or(route.retryCount, "retry_count")
        route.isActive = try body.bool("is_active").or(route.isActive, "is_active")
        route.priority = try body.int("priority", in: -1_000_000...1_000_000).or(route.priority, "priority")
        route.weight = try body.int("weight", in: 0...1_000_000).or(route.weight, "weight")
        return route
    }

    /// Gives a member a value that can always be served. False for one that there is no such value of.
    static func reset(_ field: String, _ route: inout RouteRecord) -> Bool {
        switch field {
        case "match_path":
            route.matchPath = "/"
            return reset("target_path", &route)
        case "target_path":
            route.targetPath = ""
            route.stripPathPrefix = false
        case "match_method": route.matchMethod = "ANY"
        case "match_headers": route.matchHeaders = nil
        case "match_body_schema": route.matchBodySchema = nil
        case "target_host": route.targetHost = "localhost"
        case "add_headers": route.addHeaders = nil
        case "add_body_fields": route.addBodyFields = nil
        case "remove_headers": route.removeHeaders = []
        default: return false
        }
        return true
    }

    /// A route without a name is called by its id.
    static func name(_ route: inout RouteRecord) {
        if route.routeName.isEmpty { route.routeName = route.routeID }
    }

    static func newID() -> String { "route_" + SecureRandom.hex(6) }

    /// A new route's id, if the body names one.
    static func id(_ body: BodyReader) throws(AdminFailure) -> String? {
        switch try body.string("route_id") {
        case .absent, .null: return nil
        case .value(let id):
            let isValid = (1...64).contains(id.utf8.count) && id.utf8.allSatisfy(isIDByte)
            guard isValid, id != "match", id != ".", id != ".." else {
                throw .badField(
                    "route_id",
                    "must be 1 to 64 letters, digits, dots, hyphens or underscores, not \"match\", \".\" or \"..\"")
            }
            return id
        }
    }

    private static func isIDByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func nonEmpty(_ given: Given<String>, _ name: String, _ current: String)
        throws(AdminFailure) -> String
    {
        let text = try given.or(current, name)
        guard !text.isEmpty else { throw .badField(name, "must not be empty") }
        return text
    }

    private static func method(_ body: BodyReader, _ current: String) throws(AdminFailure) -> String {
        let text = try body.string("match_method", maxLength: 255).or(current, "match_method").uppercased()
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map { name in
            String(name.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        guard names.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(HeaderNames.isTokenByte) }) else {
            throw .badField("match_method", "must be ANY, a method, or several methods with commas")
        }
        return names.joined(separator: ",")
    }

    private static func object(_ body: BodyReader, _ name: String, _ current: JSONValue?)
        throws(AdminFailure) -> JSONValue?
    {
        switch try body.object(name) {
        case .absent: current
        case .null: nil
        case .value(let object): .object(object)
        }
    }

    private static func headerConditions(_ body: BodyReader, _ current: JSONValue?) throws(AdminFailure) -> JSONValue? {
        guard case .value(let object) = try body.object("match_headers") else {
            return body.has("match_headers") ? nil : current
        }
        for member in object {
            guard HeaderNames.isName(member.name) else {
                throw .badField("match_headers", "\"\(member.name)\" is no header name")
            }
            guard member.value.stringValue != nil || member.value.boolValue != nil else {
                throw .badField("match_headers", "\(member.name): must be a string, true or false")
            }
            // No request's header has them (RFC 9110 §5.5).
            guard HeaderNames.isValue(member.value.stringValue ?? "") else {
                throw .badField("match_headers", "\(member.name): must not contain control characters")
            }
        }
        return .object(object)
    }

    private static func addedHeaders(_ body: BodyReader, _ current: JSONValue?) throws(AdminFailure) -> JSONValue? {
        guard case .value(let object) = try body.object("add_headers") else {
            return body.has("add_headers") ? nil : current
        }
        for member in object {
            guard HeaderNames.isName(member.name) else {
                throw .badField("add_headers", "\"\(member.name)\" is no header name")
            }
            guard let value = member.value.stringValue else {
                throw .badField("add_headers", "\(member.name): must be a string")
            }
            // A line break would let a value add headers of its own to every request.
            guard HeaderNames.isValue(value) else {
                throw .badField("add_headers", "\(member.name): must not contain control characters")
            }
        }
        return .object(object)
    }

    private static func removedHeaders(_ body: BodyReader, _ current: [String]) throws(AdminFailure) -> [String] {
        let names = try body.strings("remove_headers").orNull(current) ?? []
        for name in names where !HeaderNames.isName(name) {
            throw .badField("remove_headers", "\"\(name)\" is no header name")
        }
        return names
    }
}

/// What `target_host` may be, as a regular expression inside JSON.
private enum HostPattern {
    static let text = #"^([A-Za-z0-9._-]{1,253}|\\[(\#(v6))\\])(:0*\#(port))?$"#

    private static let port =
        "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

    /// RFC 4291 §2.2, the forms without dots.
    private static let v6: String = {
        let group = "[0-9A-Fa-f]{1,4}"
        var forms = ["(\(group):){7}\(group)", "(\(group):){1,7}:", ":((:\(group)){1,7}|:)"]
        for head in 1...6 { forms.append("(\(group):){1,\(head)}(:\(group)){1,\(7 - head)}") }
        return forms.joined(separator: "|")
    }()
}

enum HeaderNames {
    /// JSON Schema of a name (RFC 9110 §5.1) and of its letters.
    static let token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
    static let namePattern = "\"pattern\":\"^\(token)$\""
    /// Of a value: no control characters but the tab.
    static let valuePattern = #""pattern":"^[^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*$""#
    static let schema = #"{"type":"string","maxLength":256,\#(namePattern)}"#

    /// RFC 9110 §5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// RFC 9110 §5.5.
    static func isValue(_ value: String) -> Bool {
        value.utf8.allSatisfy { $0 == 9 || ($0 >= 0x20 && $0 != 0x7f) }
    }

    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 256 && name.utf8.allSatisfy(isTokenByte)
    }
}
