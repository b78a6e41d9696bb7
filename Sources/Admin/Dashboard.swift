/// A plain overview page. It holds no data itself: its script asks the API with the token that the visitor gives.
enum Dashboard {
    static func page(status: UInt16, headers: [HeaderLine] = []) -> AdminResponse {
        // Everything is in the one page; nothing may be loaded from or sent to anywhere else.
        let policy =
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        return AdminResponse(
            status: status,
            headers: [
                HeaderLine("content-type", "text/html; charset=utf-8"), HeaderLine("content-security-policy", policy),
            ] + headers, body: .bytes(Array(html.utf8)))
    }

    private static let html = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>FastGate</title>
        <style>
        :root { color-scheme: light dark; }
        body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
        table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
        th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
        td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
        td { overflow-wrap: anywhere; }
        dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; }
        dt { opacity: .7; } dd { margin: 0; font-size: 1.4rem; }
        .error { color: #c33; }
        [hidden] { display: none; }
        </style>
        </head>
        <body>
        <h1>FastGate</h1>
        <form id="sign-in" hidden>
        <label>Admin token <input id="token" type="password" autocomplete="current-password" required></label>
        <button>Show</button>
        </form>
        <p id="message" role="status"></p>
        <main hidden>
        <dl id="totals"></dl>
        <h2>Routes</h2><table id="routes"></table>
        <h2>Keys</h2><table id="keys"></table>
        <h2>Latest requests</h2><table id="logs"></table>
        </main>
        <script>
        "use strict";
        const $ = id => document.getElementById(id);
        const main = document.querySelector("main");
        const parameters = new URLSearchParams(location.search);
        if (parameters.get("token")) {
          sessionStorage.setItem("token", parameters.get("token"));
          history.replaceState(null, "", location.pathname);
        }
        async function get(path) {
          const response = await fetch(path, {
            headers: { authorization: "Bearer " + sessionStorage.getItem("token") }
          });
          const body = await response.json();
          if (!response.ok) throw Object.assign(new Error(body.error.message), { status: response.status });
          return body;
        }
        function fill(table, columns, items) {
          table.replaceChildren();
          const row = (tag, texts) => {
            const tr = table.insertRow();
            texts.forEach((text, i) => {
              const cell = document.createElement(tag);
              cell.textContent = text ?? "–";
              if (columns[i][2]) cell.className = "n";
              tr.append(cell);
            });
          };
          row("th", columns.map(c => c[0]));
          items.forEach(item => row("td", columns.map(c => c[1](item))));
        }
        async function show() {
          try {
            const [m, routes, keys, logs] = await Promise.all([
              get("/admin/metrics"), get("/admin/routes?limit=50"), get("/admin/keys?limit=50"),
              get("/admin/logs?limit=25")]);
            $("totals").replaceChildren(...[
              ["requests", m.total_requests], ["in the last hour", m.last_hour_requests], ["errors", m.total_errors],
              ["success", (m.success_rate * 100).toFixed(2) + " %"], ["median", m.p50_ms + " ms"],
              ["p99", m.p99_ms + " ms"], ["streams open", m.active_streams],
              ["active keys", m.active_api_keys], ["active routes", m.active_routes]].map(([name, value]) => {
                const div = document.createElement("div");
                const dt = document.createElement("dt"), dd = document.createElement("dd");
                dt.textContent = name; dd.textContent = value; div.append(dt, dd);
                return div;
              }));
            fill($("routes"), [["name", r => r.route_name], ["path", r => r.match_path],
              ["method", r => r.match_method], ["target", r => r.target_protocol + "://" + r.target_host + r.target_path],
              ["priority", r => r.priority, 1], ["active", r => r.is_active ? "yes" : "no"]], routes.items);
            fill($("keys"), [["key", k => k.key_hint], ["source", k => k.source_path],
              ["requests", k => k.usage_count, 1], ["last used", k => k.last_used_at],
              ["expires", k => k.expires_at], ["active", k => k.is_active ? "yes" : "no"]], keys.items);
            fill($("logs"), [["time", l => l.request_time], ["source", l => l.source_path], ["method", l => l.method],
              ["path", l => l.path], ["status", l => l.status_code, 1], ["ms", l => l.response_time_ms, 1],
              ["error", l => l.error_message]], logs.items);
            $("message").textContent = ""; $("message").className = "";
            $("sign-in").hidden = true; main.hidden = false;
          } catch (error) {
            $("message").textContent = error.message; $("message").className = "error";
            if (error.status === 401) {
              sessionStorage.removeItem("token");
              $("sign-in").hidden = false; main.hidden = true;
            }
          }
        }
        $("sign-in").addEventListener("submit", event => {
          event.preventDefault();
          sessionStorage.setItem("token", $("token").value);
          $("token").value = "";
          show();
        });
        if (sessionStorage.getItem("token")) show(); else $("sign-in").hidden = false;
        setInterval(() => { if (!main.hidden && !document.hidden) show(); }, 5000);
        </script>
        </body>
        </html>
        """#
}
