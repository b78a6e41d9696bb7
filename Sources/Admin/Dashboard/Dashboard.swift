import Reactor

/// The web dashboard's page: an empty shell that loads the scripts. Neither it nor they hold any data.
enum Dashboard {
    /// Nothing may be loaded from or sent to anywhere else, and no script or style stands in the page itself.
    static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

    static func page(_ request: AdminRequest) -> AdminResponse {
        shell.response(
            to: request.headers, tag: DashboardAssets.shared.version, cacheControl: "no-cache",
            more: [
                HeaderLine("content-security-policy", policy), HeaderLine("cross-origin-opener-policy", "same-origin"),
            ])
    }

    static func asset(_ request: AdminRequest) -> AdminResponse {
        let assets = DashboardAssets.shared
        guard request.pathValues.first == assets.version,
            let asset = assets[request.pathValues.dropFirst().joined(separator: "/")]
        else { return AdminFailure.notFound("asset", request.path).response }
        return asset.response(
            to: request.headers, tag: assets.version, cacheControl: "public, max-age=31536000, immutable")
    }

    private static let shell = DashboardAssets.Asset(
        name: "index.html", contentType: "text/html; charset=utf-8", bytes: Array(html.utf8))

    /// Modules are named here although main.js imports them, so that they load side by side. Each of `pages/` says
    /// that it is one: main.js makes the menu of them.
    private static let html: String = {
        let assets = DashboardAssets.shared
        let modules = assets.assets.map(\.name).filter { $0.hasSuffix(".js") && $0 != "theme.js" }.map { name in
            let page = name.hasPrefix("pages/") ? " data-page" : ""
            return #"<link rel="modulepreload" href="\#(assets.url(name))"\#(page)>"#
        }
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>FastGate</title>
            <link rel="icon" type="image/svg+xml" href="\(assets.url("icon.svg"))">
            <link rel="stylesheet" href="\(assets.url("app.css"))">
            <script src="\(assets.url("theme.js"))"></script>
            \(modules.joined(separator: "\n"))
            <script type="module" src="\(assets.url("main.js"))"></script>
            </head>
            <body>
            <noscript><p>The dashboard needs JavaScript. The admin API works without: see /openapi.json.</p></noscript>
            </body>
            </html>

            """
    }()
}
