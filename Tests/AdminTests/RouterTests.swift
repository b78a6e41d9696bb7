import Testing

@testable import Admin

@Suite struct RouterTests {
    private func find(_ method: String, _ path: String) -> String {
        switch AdminAPI.router.match(method: method, path: path) {
        case .endpoint(let endpoint, let values): ([endpoint.operationID] + values).joined(separator: " ")
        case .wrongMethod(let allowed): "405 " + allowed.joined(separator: ",")
        case .unknownPath: "404"
        }
    }

    @Test(arguments: [
        ("GET", "/admin/keys", "listKeys"), ("GET", "/admin/keys/", "listKeys"), ("HEAD", "/admin/keys", "listKeys"),
        ("GET", "/admin/keys/key_1", "getKey key_1"), ("POST", "/admin/keys/key_1/toggle", "toggleKey key_1"),
        ("GET", "/admin/logs/export", "exportLogs"), ("GET", "/admin/logs/0af", "getLog 0af"),
        ("POST", "/admin/routes/match", "matchRoute"), ("GET", "/admin/routes/match", "405 POST"),
        ("PUT", "/admin/routes/r%2F1%20x", "replaceRoute r/1 x"), ("GET", "/admin/routes/%zz", "404"),
        ("DELETE", "/admin/keys", "405 GET,HEAD,POST"),
        ("POST", "/admin/keys/a", "405 DELETE,GET,HEAD,PATCH"), ("OPTIONS", "/admin/config", "405 GET,HEAD"),
        ("GET", "/", "getDashboardAtRoot"), ("GET", "/admin", "404"), ("GET", "/admin/keys/a/b/c", "404"),
        ("GET", "/admin//keys", "404"), ("GET", "/ADMIN/KEYS", "404"), ("GET", "*", "404"), ("GET", "", "404"),
    ])
    func routes(_ method: String, _ path: String, _ expected: String) {
        #expect(find(method, path) == expected)
    }
}
