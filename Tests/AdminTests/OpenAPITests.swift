import JSON
import Testing

@testable import Admin

@Suite struct OpenAPITests {
    private let document = OpenAPI.document(version: "1.2.3")

    /// "GET /admin/keys" of every operation that the document lists.
    private var listed: Set<String> {
        var operations: Set<String> = []
        for path in document["paths"]?.objectValue ?? JSONObject() {
            for operation in path.value.objectValue ?? JSONObject() {
                operations.insert(operation.name.uppercased() + " " + path.name)
            }
        }
        return operations
    }

    @Test func listsEveryRoutedEndpointAndNothingElse() {
        #expect(listed == Set(AdminAPI.endpoints.map { $0.method + " " + $0.path }))
        for operation in listed {
            let parts = operation.split(separator: " ")
            let path = String(parts[1].filter { $0 != "{" && $0 != "}" })
            guard case .endpoint(let endpoint, _) = AdminAPI.router.match(method: String(parts[0]), path: path) else {
                Issue.record("\(operation) is not routed")
                continue
            }
            #expect(endpoint.method + " " + endpoint.path == operation)
        }
    }

    @Test func listsTheContract() {
        let contract = """
            POST /admin/keys|GET /admin/keys|GET /admin/keys/{key_id}|PATCH /admin/keys/{key_id}|\
            DELETE /admin/keys/{key_id}|POST /admin/keys/{key_id}/toggle|POST /admin/keys/{key_id}/rotate|\
            POST /admin/routes|GET /admin/routes|GET /admin/routes/{route_id}|PUT /admin/routes/{route_id}|\
            PATCH /admin/routes/{route_id}|DELETE /admin/routes/{route_id}|POST /admin/routes/{route_id}/toggle|\
            POST /admin/routes/{route_id}/test|POST /admin/routes/match|GET /admin/logs|GET /admin/logs/{log_id}|\
            GET /admin/logs/export|GET /admin/metrics|GET /admin/metrics/hourly|GET /admin/metrics/daily|\
            GET /admin/config|GET /openapi.json|GET /admin/dashboard|GET /|GET /health|GET /metrics|\
            POST /admin/session|GET /admin/session|DELETE /admin/session|GET /admin/assets/{version}/{file}|\
            GET /admin/assets/{version}/{folder}/{file}|POST /admin/keys/{key_id}/reset-budget|\
            POST /admin/providers|GET /admin/providers|GET /admin/providers/{name}|PATCH /admin/providers/{name}|\
            DELETE /admin/providers/{name}|POST /admin/providers/{name}/toggle|POST /admin/providers/{name}/test|\
            POST /admin/providers/{name}/keys|GET /admin/master-key|POST /admin/master-key/rotate|\
            POST /admin/master-key/replace-lost|\
            GET /admin/providers/{name}/keys|GET /admin/providers/{name}/keys/{key_id}|\
            PATCH /admin/providers/{name}/keys/{key_id}|DELETE /admin/providers/{name}/keys/{key_id}|\
            POST /admin/providers/{name}/keys/{key_id}/toggle|POST /admin/providers/{name}/keys/{key_id}/test|\
            GET /admin/models|POST /admin/aliases|GET /admin/aliases|GET /admin/aliases/{alias}|\
            PATCH /admin/aliases/{alias}|DELETE /admin/aliases/{alias}|GET /admin/prices|POST /admin/prices/import|\
            POST /admin/prices/import-built-in|GET /admin/prices/{provider}/{model}|PUT /admin/prices/{provider}/{model}|\
            DELETE /admin/prices/{provider}/{model}|GET /admin/usage|GET /admin/usage/records|\
            GET /admin/usage/records/{id}|GET /admin/metrics/summary|GET /admin/metrics/models-distribution
            """
        #expect(listed == Set(contract.split(separator: "|").map(String.init)))
    }

    @Test func everyReferenceLeadsSomewhere() {
        var references: Set<String> = []
        collect(document, &references)
        #expect(!references.isEmpty)
        for reference in references {
            var value: JSONValue? = document
            for step in reference.dropFirst(2).split(separator: "/") { value = value?[String(step)] }
            #expect(value != nil, "\(reference)")
        }
    }

    @Test func operationIDsAreUniqueAndBodiesAreDescribed() {
        let ids = AdminAPI.endpoints.map(\.operationID)
        #expect(Set(ids).count == ids.count)
        for endpoint in AdminAPI.endpoints {
            let operation = document["paths"]?[endpoint.path]?[endpoint.method.lowercased()]
            #expect(
                (operation?["requestBody"] != nil) == ["PUT", "PATCH"].contains(endpoint.method)
                    || endpoint.method == "POST")
            #expect(operation?["responses"]?.objectValue?.isEmpty == false)
        }
    }

    @Test func fieldsOfBodiesAreThoseTheDecoderTakes() {
        for shape in [
            ObjectShape.newKey, .keyPatch, .route, .routePatch, .matchRequest, .signIn, .provider, .providerPatch,
            .newProviderKey, .providerKeyPatch, .alias, .aliasPatch, .price,
        ] {
            let schema = document["components"]?["schemas"]?[shape.name]
            #expect(schema?["properties"]?.objectValue?.names == shape.fields.map(\.name) + shape.ignored)
            #expect(schema?["additionalProperties"] == false)
        }
    }

    @Test func headersOfAnswersAreDescribed() {
        func headers(_ path: String, _ method: String, _ status: String) -> [String]? {
            document["paths"]?[path]?[method]?["responses"]?[status]?["headers"]?.objectValue?.names
        }
        #expect(headers("/admin/keys", "post", "201") == ["ETag", "Location"])
        #expect(headers("/admin/routes/{route_id}", "put", "200") == ["ETag"])
        #expect(headers("/admin/keys", "get", "200") == nil && headers("/admin/session", "post", "201") == nil)
        #expect(document["components"]?["responses"]?["Error"]?["headers"]?["Retry-After"] != nil)
    }

    private func collect(_ value: JSONValue, _ references: inout Set<String>) {
        switch value {
        case .object(let object):
            for member in object {
                if member.name == "$ref", let text = member.value.stringValue { references.insert(text) }
                collect(member.value, &references)
            }
        case .array(let elements): for element in elements { collect(element, &references) }
        default: break
        }
    }
}
