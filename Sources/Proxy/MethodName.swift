import HTTP

extension Method {
    /// The method's name as it stands in a request line (RFC 9110 §9.1); "OTHER" for what has no case here.
    var name: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .connect: "CONNECT"
        case .trace: "TRACE"
        case .other: "OTHER"
        }
    }

    /// The method of this name, `.other` if it is none of RFC 9110's.
    init(name: String) {
        let known: [Method] = [.get, .head, .post, .put, .patch, .delete, .options, .connect, .trace]
        self = known.first { $0.name == name } ?? .other
    }
}
