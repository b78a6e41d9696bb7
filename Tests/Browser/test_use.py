"""What an operator does, from signing in to signing out, and what nobody else may do."""

import csv
import io
import json
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from selenium.webdriver.common.keys import Keys

from harness import ADMIN_TOKEN, wait_until
from harness.client import Connection


def send(gateway, key: str, request_id: str, path: str = "/v1/chat/completions", stream: bool = False, body: bytes = b"") -> int:
    body = body or json.dumps({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}).encode()
    headers = [
        ("Host", "gateway.test"), ("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"), ("x-request-id", request_id)]
    with Connection(gateway.port) as connection:
        return connection.request("POST", path, headers, body).status


def test_from_sign_in_to_sign_out(dashboard, gateway, upstream, picture):
    dashboard.open()
    dashboard.type("Admin token", ADMIN_TOKEN)
    picture("sign-in")
    dashboard.press("button", "Sign in")
    dashboard.settle()
    cookie = next(one for one in dashboard.driver.get_cookies() if one["name"].startswith("fastgate_session_"))
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and ADMIN_TOKEN not in cookie["value"]
    assert dashboard.script("return document.cookie") == ""

    # A key: shown once.
    dashboard.press("#menu a", "Keys")
    dashboard.settle("td.row-actions")
    dashboard.press("#new-key")
    dashboard.type("Source", "browser/test", "dialog")
    dashboard.type("Permissions", "chat\nembeddings", "dialog")
    dashboard.press("dialog button", "New key")
    key = dashboard.wait("#key-value").text
    assert key.startswith("fg_")
    picture("new-key")
    dashboard.press("dialog button", "Copy the key")
    dashboard.press("dialog button", "Done")
    dashboard.wait("td", "browser/test")
    assert key not in dashboard.text()

    # A route, whose JSON is checked while it is typed.
    dashboard.press("#menu a", "Routes")
    dashboard.settle("td.row-actions")
    dashboard.press("#new-route")
    dashboard.type("Name", "Made by hand", "dialog")
    dashboard.type("Path", "/v1/chat/*", "dialog")
    dashboard.choose("Protocol", "http", "dialog")
    dashboard.type("Host", upstream.host, "dialog")
    dashboard.type("Body", '{"model": "gpt-4o",}', "dialog")
    dashboard.wait("dialog .problem", "line 1, column 20")
    dashboard.press("dialog button", "Save")
    assert dashboard.driver.switch_to.active_element.get_attribute("name") == "match_body_schema"
    dashboard.type("Body", '{"model": "gpt-4o"}', "dialog")
    dashboard.wait("dialog .json-line", "Valid")
    picture("route-form")
    dashboard.type("Priority", "5", "dialog")
    dashboard.press("dialog button", "Save")
    dashboard.gone("dialog")
    dashboard.wait("td", "Made by hand")
    route = next(one for one in gateway.admin("GET", "/admin/routes")["items"] if one["route_name"] == "Made by hand")
    assert route["match_body_schema"] == {"model": "gpt-4o"} and route["priority"] == 5 and route["target_host"] == upstream.host

    # Its target, and who would take a request.
    dashboard.press(f"tr[data-id={route['route_id']}] button[aria-label^=Test]")
    dashboard.wait("dialog .verdict-line", "The target answers")
    assert "127.0.0.1" in dashboard.wait("dialog .facts").text
    dashboard.press("dialog header button")
    dashboard.gone("dialog")
    dashboard.press("#match-route")
    dashboard.press("dialog button", "Find the route")
    dashboard.wait("dialog .verdict-line", "Made by hand takes it")
    picture("route-match")
    dashboard.press("dialog header button")

    # A request through it, and its row.
    assert send(gateway, key, "req-by-browser", stream=True) == 200
    row = gateway.audit("req-by-browser")["id"]
    dashboard.press("#menu a", "Logs")
    dashboard.settle("table.logs")
    dashboard.press(f"table.logs a[href*='{row}']")
    detail = dashboard.wait("dialog .facts", "browser/test").text
    assert "req-by-browser" in detail and key not in dashboard.text()
    dashboard.wait("dialog pre", "Hello")
    picture("request")
    assert dashboard.driver.current_url.endswith(f"#/logs/{row}")
    dashboard.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    dashboard.gone("dialog")

    # Exported as the filters say.
    dashboard.type("Path", "/v1/chat", "")
    dashboard.driver.switch_to.active_element.send_keys(Keys.TAB)
    wait_until(lambda: "path=%2Fv1%2Fchat" in dashboard.driver.current_url, "the filter is in the address")
    for kind in ("csv", "json", "ndjson"):
        place = dashboard.wait(f"a[data-export={kind}]").get_attribute("href")
        text = dashboard.driver.execute_async_script(
            "fetch(arguments[0]).then(answer => answer.text()).then(arguments[1])", place)
        rows = list(csv.DictReader(io.StringIO(text))) if kind == "csv" else json.loads(text) if kind == "json" else [
            json.loads(line) for line in text.splitlines()]
        assert rows[0]["request_id"] == "req-by-browser" and all(row["path"].startswith("/v1/chat") for row in rows)

    # Taken away again.
    dashboard.press("#menu a", "Routes")
    dashboard.settle("td.row-actions")
    dashboard.press(f"tr[data-id={route['route_id']}] button[aria-label^=Delete]")
    dashboard.press("dialog button", "Delete")
    wait_until(lambda: not dashboard.all(f"tr[data-id={route['route_id']}]"), "the route is gone")

    dashboard.press("#sign-out")
    dashboard.wait(".sign-in")
    assert not [one for one in dashboard.driver.get_cookies() if one["name"].startswith("fastgate_session_")]
    assert call(gateway, "GET", "/admin/keys", cookie)[0] == 401, "the session is over for the server too"


def test_keys_live(dashboard, gateway):
    made = gateway.make_key("keys/live")
    dashboard.sign_in("#/keys?source_path=keys/live")
    row = f"tr[data-id={made['key_id']}]"
    dashboard.wait(f"{row} .badge.good", "on")
    dashboard.press(f"{row} button[aria-label^='Turn off']")
    dashboard.wait(f"{row} .badge", "off")
    assert send(gateway, made["key_value"], "req-off") == 401

    dashboard.press(f"{row} button[aria-label^=Edit]")
    dashboard.type("Limit", "-1", "dialog")
    dashboard.press("dialog button", "Save")
    dashboard.wait("dialog .problem", "Must be from 0 to")
    dashboard.type("Limit", "7", "dialog")
    # What the server refuses is shown at its field.
    dashboard.type("Permissions", "nonsense", "dialog")
    dashboard.expected_console.append("422")
    dashboard.press("dialog button", "Save")
    dashboard.wait("dialog .problem", "nonsense")
    dashboard.type("Permissions", "chat", "dialog")
    dashboard.press("dialog button", "Save")
    dashboard.wait(row, "7/min")

    dashboard.press(f"{row} button[aria-label^='New value']")
    dashboard.press("dialog button", "New value")
    assert dashboard.wait("#key-value").text not in ("", made["key_value"])
    dashboard.press("dialog button", "Done")
    dashboard.press(f"{row} button[aria-label^=Delete]")
    dashboard.press("dialog button", "Cancel")
    dashboard.gone("dialog")
    gateway.admin("GET", f"/admin/keys/{made['key_id']}")
    dashboard.press(f"{row} button[aria-label^=Delete]")
    dashboard.press("dialog button", "Delete")
    dashboard.wait(".state", "No key matches")
    gateway.admin("GET", f"/admin/keys/{made['key_id']}", expect=404)


def test_keys_are_found_by_a_part(dashboard, gateway):
    made = gateway.make_key("found/by part <b>&amp;", permissions=["/v1/" + "x" * 200 + "/*"])
    gateway.make_key("another")
    dashboard.sign_in("#/keys")
    dashboard.settle("td.row-actions")
    for part in ("BY PART <b>", made["key_id"], made["key_hint"][-4:]):
        dashboard.type("Find", part)
        wait_until(lambda: dashboard.script(
            "return [...document.querySelectorAll('tbody tr')].map(row => row.dataset.id)") == [made["key_id"]], f"{part} finds it alone")
    # However long what stands in a row: its buttons can be pressed.
    dashboard.size(768)
    dashboard.check_layout("keys with a long permission")
    dashboard.press(f"tr[data-id={made['key_id']}] button[aria-label^=Edit]")
    assert dashboard.field("Source", "dialog").get_attribute("value") == "found/by part <b>&amp;"
    gateway.admin("DELETE", f"/admin/keys/{made['key_id']}", expect=204)


def test_routes_are_put_in_order(dashboard, gateway):
    dashboard.sign_in("#/routes")
    dashboard.settle("td.row-actions")
    number = dashboard.wait("tr[data-id=rest] input")
    number.clear()
    number.send_keys("15", Keys.ENTER)
    order = "return [...document.querySelectorAll('tbody tr')].map(row => row.dataset.id)"
    wait_until(lambda: dashboard.script(order) == ["chat", "rest", "claude"], "the new order")
    assert gateway.admin("GET", "/admin/routes/rest")["priority"] == 15
    gateway.admin("PATCH", "/admin/routes/rest", {"priority": 100})

    # Where a dragged row lands: the first is the route itself, then who makes room.
    module = dashboard.script("return [...document.querySelectorAll('link[data-page]')].find(one => one.href.endsWith('routes.js')).href")

    def make_room(priorities: list[int], index: int):
        return dashboard.driver.execute_async_script(
            "const [module, priorities, index, done] = arguments;"
            "import(module).then(({makeRoom}) => done(makeRoom({priority: 1}, priorities.map(priority => ({priority})), index)"
            ".map(([, priority]) => priority)))", module, priorities, index)

    assert make_room([10, 20, 30], 0) == [0]
    assert make_room([10, 20, 30], 1) == [15]
    assert make_room([10, 20, 30], 3) == [40]
    assert make_room([10, 10, 30], 1) == [10], "between equals it joins them"
    assert make_room([10, 11, 11, 12, 40], 1) == [11, 12, 12, 13], "equals stay equal, and only who must moves"


def test_request_id_leads_to_its_row(dashboard, gateway):
    key = gateway.make_key("id/test")["key_value"]
    assert send(gateway, key, "req-typed") == 200
    gateway.audit("req-typed")
    dashboard.sign_in("#/logs/req-typed")
    dashboard.wait("dialog .facts", "req-typed")
    dashboard.press("dialog header button")
    dashboard.type("Request id", "req-typed")
    dashboard.press("button", "Open")
    dashboard.wait("dialog .facts", "id/test")
    dashboard.press("dialog header button")
    dashboard.expected_console.append("404")
    dashboard.type("Request id", "req-that-never-was")
    dashboard.press("button", "Open")
    dashboard.wait("dialog .state", "No such request")


def test_a_recorded_body_is_shown_as_it_was_sent(dashboard, gateway):
    key = gateway.make_key("body/test")["key_value"]
    body = rb'{"model":"gpt-4o","seed":12345678901234567890,"a":1.0,"a":[],"text":"\u4f60 <b>{"}'
    assert send(gateway, key, "req-body", "/v1/other", body=body) == 200
    gateway.audit("req-body")
    dashboard.sign_in("#/logs/req-body")
    lines = ["{", '  "model": "gpt-4o",', '  "seed": 12345678901234567890,', '  "a": 1.0,', '  "a": [],', '  "text": "你 <b>{"', "}"]
    assert dashboard.wait("dialog pre").text.splitlines() == lines


def test_of_two_requests_with_one_id_the_one_that_is_pressed_opens(dashboard, gateway):
    key = gateway.make_key("twice/test")["key_value"]
    for path in ("/v1/first", "/v1/second"):
        assert send(gateway, key, "req-twice", path) == 200
    wait_until(lambda: gateway.admin("GET", "/admin/logs", source_path="twice/test")["total"] == 2, "both rows")
    dashboard.sign_in("#/logs?source_path=twice/test")
    dashboard.press("table.logs a", "/v1/first")
    assert "/v1/first" in dashboard.wait("dialog .request-line").text
    dashboard.wait("dialog .facts", "req-twice")


def test_filters_and_pages(dashboard, gateway):
    dashboard.sign_in("#/logs?status_code=4xx,5xx")
    dashboard.settle("table.logs tbody tr")
    badges = [one.text for one in dashboard.all("table.logs .badge:not(:empty)") if one.text.isdigit()]
    assert badges and all(int(code) >= 400 for code in badges)
    dashboard.go("logs?range=day")
    newest = "return document.querySelector('table.logs a').href"
    first = dashboard.script(newest)
    dashboard.press("button", "Older")
    wait_until(lambda: dashboard.script(newest) != first, "the next page")
    dashboard.press("button", "Newest")
    wait_until(lambda: dashboard.script(newest) == first, "the first page")
    dashboard.go("logs?path=/nowhere", ".state")
    dashboard.wait(".state", "No request matches")
    dashboard.expected_console.append("400")
    dashboard.go("logs?status_code=abc", ".state")
    dashboard.wait(".state.error", "status_code")


def test_overview_is_live(dashboard, gateway):
    key = gateway.make_key("live/test")["key_value"]
    dashboard.sign_in()
    dashboard.settle("table.logs tbody tr")
    assert send(gateway, key, "req-live") == 200
    dashboard.wait(f"table.logs a[href*='{gateway.audit('req-live')['id']}']")


def test_keyboard(dashboard):
    dashboard.open()
    dashboard.wait("#token")
    active = lambda: dashboard.driver.switch_to.active_element  # noqa: E731
    assert active().get_attribute("id") == "token", "the field waits for its token"
    active().send_keys(ADMIN_TOKEN, Keys.ENTER)
    dashboard.settle()
    dashboard.script("document.activeElement.blur()")
    press = lambda key: dashboard.driver.switch_to.active_element.send_keys(key)  # noqa: E731
    press(Keys.TAB)
    assert active().text == "Skip to the content" and active().is_displayed()
    assert dashboard.script("return getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus can be seen"
    press(Keys.ENTER)
    assert active().get_attribute("id") == "content"
    dashboard.script("document.querySelector('#menu a[data-page=keys]').focus()")
    press(Keys.ENTER)
    dashboard.settle("td.row-actions")
    new = dashboard.wait("#new-key")
    dashboard.script("arguments[0].focus()", new)
    press(Keys.ENTER)
    dashboard.wait("dialog[open]")
    for _ in range(12):
        press(Keys.TAB)
        assert dashboard.script(
            "return document.activeElement === document.body || document.activeElement.closest('dialog') !== null"), "stays in the dialog"
    press(Keys.ESCAPE)
    dashboard.gone("dialog")
    assert active().get_attribute("id") == "new-key", "the focus is back where it was"


def test_menu_on_a_phone(dashboard):
    dashboard.size(360, 740)
    dashboard.sign_in()
    toggle = dashboard.wait(".menu-toggle")
    assert not dashboard.all("#menu a")[0].is_displayed() and toggle.get_attribute("aria-expanded") == "false"
    toggle.click()
    dashboard.press("#menu a", "Settings")
    dashboard.settle(".config dd")
    assert not dashboard.all("#menu a")[0].is_displayed(), "it folds when a page was chosen"


def test_dialogs_on_a_phone(dashboard, gateway, picture):
    key = gateway.make_key("phone/test")["key_value"]
    assert send(gateway, key, "req-phone", stream=True) == 200
    gateway.audit("req-phone")
    dashboard.prefer("zh", "dark")
    dashboard.size(360, 740)
    dashboard.sign_in()
    for page, button in (("keys", "#new-key"), ("routes", "#new-route"), ("routes", "#match-route"), ("logs/req-phone", "")):
        dashboard.go(page)
        if button:
            dashboard.press(button)
        dashboard.wait("dialog[open] .facts" if not button else "dialog[open] form")
        dashboard.check_layout(f"{page} {button}")
        picture(f"phone-{page.replace('/', '-')}{button}")
        dashboard.press("dialog header button")
        dashboard.gone("dialog")


def test_language_and_theme_are_remembered(dashboard):
    dashboard.open()
    dashboard.wait(".sign-in")
    dashboard.choose_by_label("Language", "中文")
    dashboard.wait("button", "登录")
    dashboard.choose_by_label("主题", "深色")
    assert dashboard.script("return getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 26)"
    dashboard.open()
    dashboard.wait("button", "登录")
    assert dashboard.script("return document.documentElement.dataset.theme") == "dark"


def test_wrong_token(dashboard):
    dashboard.expected_console.append("401")
    dashboard.open()
    dashboard.type("Admin token", "not-the-token")
    dashboard.press("button", "Sign in")
    dashboard.wait("[role=alert]", "This token is not right.")
    assert not dashboard.driver.get_cookies()


def test_token_in_the_address(dashboard):
    for place in (f"#token={ADMIN_TOKEN}", f"?token={ADMIN_TOKEN}#/keys"):
        dashboard.driver.delete_all_cookies()
        dashboard.open(place)
        dashboard.settle()
        assert ADMIN_TOKEN not in dashboard.driver.current_url


def test_session_that_ended(dashboard, gateway):
    dashboard.expected_console.append("401")
    dashboard.sign_in("#/settings")
    dashboard.settle(".config dd")
    cookie = next(one for one in dashboard.driver.get_cookies() if one["name"].startswith("fastgate_session_"))
    assert call(gateway, "DELETE", "/admin/session", cookie, {"x-fastgate-dashboard": "1"})[0] == 204
    dashboard.script("location.hash = '#/keys'")
    dashboard.wait(".sign-in [role=alert]", "Your session has ended")
    dashboard.type("Admin token", ADMIN_TOKEN)
    dashboard.press("button", "Sign in")
    dashboard.settle("td.row-actions")
    assert dashboard.wait("h1").text == "Keys", "back where it was"


def test_unreachable(dashboard, browser):
    dashboard.expected_console.append("ERR_INTERNET_DISCONNECTED")
    dashboard.sign_in("#/keys")
    dashboard.settle("td.row-actions")
    browser.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    try:
        dashboard.script("location.hash = '#/routes'")
        dashboard.wait(".state.error", "cannot be reached")
    finally:
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
    dashboard.press(".state button", "Try again")
    dashboard.settle("td.row-actions")


def call(gateway, method: str, path: str, cookie: dict, headers: dict | None = None, body: bytes | None = None) -> tuple[int, dict]:
    """With the session's cookie and nothing else."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{gateway.admin_port}{path}", body, {"Cookie": f"{cookie['name']}={cookie['value']}", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, {}
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def test_other_sites_cannot_use_the_session(dashboard, gateway):
    dashboard.sign_in()
    dashboard.settle()
    cookie = next(one for one in dashboard.driver.get_cookies() if one["name"].startswith("fastgate_session_"))
    own = f"http://127.0.0.1:{gateway.admin_port}"
    body = b'{"source_path":"evil"}'
    for headers in (
        {},  # a form
        {"Origin": own},
        {"x-fastgate-dashboard": "1", "Origin": "http://evil.test"},
        {"x-fastgate-dashboard": "1", "Origin": "null"},
        {"x-fastgate-dashboard": "1", "Sec-Fetch-Site": "same-site"},
    ):
        status, answer = call(gateway, "POST", "/admin/keys", cookie, {"Content-Type": "application/json", **headers}, body)
        assert status == 403 and answer["error"]["code"] == "cross_site_request", headers
    assert call(gateway, "POST", "/admin/keys", cookie, {"x-fastgate-dashboard": "1", "Origin": own, "Content-Type": "application/json"}, b"{}")[0] == 422

    # A page on another port of this machine: the same site to a browser, so that the cookie does go along.
    seen = []

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"""<form method=post action="{own}/admin/keys/any/toggle"></form>""".encode())

        def log_message(self, *_):
            seen.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        # Each attempt is told in the console, as it should be.
        dashboard.expected_console += ["403", "404", "CORS", "favicon", "ERR_FAILED"]
        dashboard.driver.get(f"http://127.0.0.1:{server.server_port}/")
        dashboard.script("document.forms[0].submit()")
        wait_until(lambda: "cross_site_request" in dashboard.text(), "the form is refused")
        dashboard.driver.get(f"http://127.0.0.1:{server.server_port}/")
        for options in ("{method: 'POST', credentials: 'include', body: '{}'}", "{credentials: 'include'}",
                        "{method: 'POST', credentials: 'include', headers: {'x-fastgate-dashboard': '1'}, body: '{}'}"):
            said = dashboard.driver.execute_async_script(
                f"fetch('{own}/admin/keys', {options}).then(answer => answer.text(), error => String(error)).then(arguments[0])")
            assert "Failed to fetch" in said
    finally:
        server.shutdown()
        server.server_close()
    assert not gateway.admin("GET", "/admin/keys", source_path="evil")["items"]
