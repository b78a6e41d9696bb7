import CDashboard
import Inflate
import Reactor

/// The dashboard's files out of the binary, compressed once. They lie under a path that names their content, so that a
/// browser keeps them for good and never mixes two versions: modules refer to each other by relative URLs.
struct DashboardAssets: Sendable {
    struct Asset: Sendable {
        /// Relative to the folder of all assets.
        var name: String
        var contentType: String
        var plain: [UInt8]
        var gzip: [UInt8]?
    }

    static let shared = DashboardAssets()

    let assets: [Asset]
    /// Names the content of all assets: 16 hexadecimal digits.
    let version: String
    private let indices: [String: Int]

    private init() {
        let files = (0..<fg_asset_count()).map { fg_asset_at($0) }
        assets = files.map { file in
            let name = String(cString: file.name)
            return Asset(
                name: name, contentType: Self.contentType(name),
                bytes: Array(UnsafeBufferPointer(start: file.bytes, count: file.count)))
        }
        // Names and lengths too: bytes that move from one file to another make another version.
        let everything = assets.flatMap { Array("\($0.name) \($0.plain.count)\n".utf8) + $0.plain }
        version = String(Hex.text(SHA256.digest(everything)).prefix(16))
        indices = Dictionary(uniqueKeysWithValues: assets.enumerated().map { ($1.name, $0) })
    }

    subscript(name: String) -> Asset? { indices[name].map { assets[$0] } }

    func url(_ name: String) -> String { "/admin/assets/\(version)/\(name)" }

    private static func contentType(_ name: String) -> String {
        if name.hasSuffix(".js") { return "text/javascript; charset=utf-8" }
        if name.hasSuffix(".css") { return "text/css; charset=utf-8" }
        precondition(name.hasSuffix(".svg"), "an asset of unknown type: \(name)")
        return "image/svg+xml"
    }
}

extension DashboardAssets.Asset {
    init(name: String, contentType: String, bytes: [UInt8]) {
        self.name = name
        self.contentType = contentType
        plain = bytes
        gzip = Gzip.compress(bytes)
    }

    /// The answer in the form that the client takes, or 304 if it has it.
    func response(to headers: RequestHeaders, tag: String, cacheControl: String, more: [HeaderLine] = [])
        -> AdminResponse
    {
        // Weak: plain and compressed have one tag.
        let entityTag = "W/\"\(tag)\""
        var lines = [
            HeaderLine("cache-control", cacheControl), HeaderLine("etag", entityTag),
            HeaderLine("vary", "accept-encoding"),
        ]
        if let known = headers["if-none-match"], Self.names(entityTag, in: known) {
            return AdminResponse(status: 304, headers: lines)
        }
        lines += [HeaderLine("content-type", contentType), HeaderLine("cross-origin-resource-policy", "same-origin")]
        lines += more
        if let gzip, Self.accepts("gzip", headers["accept-encoding"]) {
            return AdminResponse(headers: lines + [HeaderLine("content-encoding", "gzip")], body: .bytes(gzip))
        }
        return AdminResponse(headers: lines, body: .bytes(plain))
    }

    /// RFC 9110 §13.1.2.
    private static func names(_ tag: String, in list: String) -> Bool {
        list.split(separator: ",").contains { element in
            let element = element.filter { $0 != " " && $0 != "\t" }
            return element == tag || element == "*" || "W/" + element == tag
        }
    }

    /// RFC 9110 §12.5.3, for a coding that is named; `*` counts as not asking for it.
    static func accepts(_ coding: String, _ header: String?) -> Bool {
        (header ?? "").lowercased().split(separator: ",").contains { element in
            let parts = element.filter { $0 != " " && $0 != "\t" }.split(separator: ";")
            guard parts.first.map({ $0 == coding }) == true else { return false }
            return !parts.dropFirst().contains { ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains($0) }
        }
    }
}
