"""SPEC: the admin API. Everything it changes counts at once, on every worker."""

import gzip
import json
import re
from pathlib import Path

import pytest

from harness import ADMIN_TOKEN, Connection, wait_until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")


# Who may call


# Failed logins are slowed down by address, so these come from addresses of their own.


@pytest.mark.parametrize("token", [None, "wrong", ADMIN_TOKEN[:-1], ADMIN_TOKEN + "x", ""])
def test_token_is_needed(gateway, token):
    paths = ["/admin/keys", "/admin/routes", "/admin/logs", "/admin/config", "/admin/metrics"]
    source = f"127.0.1.{len(token or '')}"
    for path in paths:
        status, _, body = gateway.admin_raw("GET", path, token=token, source=source)
        assert status == 401, path
        assert json.loads(body)["error"]["message"]
        assert gateway.admin_raw("GET", path)[0] == 200


def test_guessing_is_slowed_down_only_for_the_guesser(gateway):
    for _ in range(8):
        assert gateway.admin_raw("GET", "/admin/keys", token="guess", source="127.0.2.1")[0] in (401, 429)
    assert gateway.admin_raw("GET", "/admin/keys", source="127.0.2.2")[0] == 200


def test_token_in_query(gateway):
    assert gateway.admin_raw("GET", f"/admin/keys?token={ADMIN_TOKEN}", token=None)[0] == 200
    assert gateway.admin_raw("GET", "/admin/keys?token=wrong", token=None, source="127.0.2.3")[0] == 401


def test_one_token_in_the_query_is_enough(gateway):
    assert gateway.refusal("GET", f"/admin/keys?token={ADMIN_TOKEN}&token=x", expect=400)["param"] == "token"


def test_token_in_query_can_be_turned_off(make_gateway):
    gateway = make_gateway({"admin": {"allow_query_token": False}})
    assert gateway.admin_raw("GET", f"/admin/keys?token={ADMIN_TOKEN}", token=None)[0] == 401
    assert gateway.admin_raw("GET", "/admin/keys")[0] == 200


def test_a_data_plane_key_is_no_admin_token(site):
    assert site.gateway.admin_raw("GET", "/admin/keys", token=site.key)[0] == 401


def test_admin_api_is_not_on_the_data_plane(site):
    site.route(match_path="/ok")
    assert site.call(target="/admin/keys").status == 404
    assert site.call(target="/metrics").status == 404


def test_unknown_paths_and_methods(gateway):
    assert gateway.admin_raw("GET", "/admin/nothing")[0] == 404
    assert gateway.admin_raw("PUT", "/admin/keys")[0] == 405
    assert gateway.admin_raw("GET", "/admin/keys/no-such-key")[0] == 404
    assert gateway.admin_raw("GET", "/admin/routes/no-such-route")[0] == 404
    assert gateway.admin_raw("GET", "/admin/logs/no-such-row")[0] == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"source_path":1}'])
def test_bad_bodies(gateway, body):
    status, _, answer = gateway.admin_raw("POST", "/admin/keys", body)
    assert status in (400, 422)
    assert json.loads(answer)["error"]["message"]


# Keys


def test_key_life(site):
    gateway = site.gateway
    key = site.new_key(permissions=["chat"], rate_limit=7, expires_days=3)
    assert key["source_path"] == f"/{site.name}"
    assert key["permissions"] == ["chat"] and key["rate_limit"] == 7
    assert key["is_active"] in (True, 1) and key["usage_count"] == 0
    assert TIME.fullmatch(key["created_at"]) and TIME.fullmatch(key["expires_at"])
    path = f"/admin/keys/{key['key_id']}"
    assert gateway.admin("GET", path)["key_id"] == key["key_id"]
    changed = gateway.admin("PATCH", path, {"rate_limit": None, "permissions": [], "source_path": f"/{site.name}/2"})
    assert changed["rate_limit"] is None and changed["permissions"] == []
    assert gateway.admin("GET", path)["source_path"] == f"/{site.name}/2"
    gateway.admin("DELETE", path)
    gateway.admin("GET", path, expect=404)
    gateway.admin("DELETE", path, expect=404)


def test_keys_are_stored_hashed(site):
    import hashlib

    key = site.new_key()
    rows = site.gateway.query("SELECT * FROM api_keys WHERE key_id = ?", key["key_id"])
    assert rows[0]["key_value"] == hashlib.sha256(key["key_value"].encode()).hexdigest()
    assert key["key_value"] not in repr(rows)


def test_key_lists(site):
    source = f"/{site.name}"
    keys = [site.new_key()["key_id"] for _ in range(5)]
    site.gateway.admin("POST", f"/admin/keys/{keys[0]}/toggle")
    listed = site.gateway.admin("GET", "/admin/keys", source_path=source)
    assert listed["total"] == 5 and {k["key_id"] for k in listed["items"]} == set(keys)
    assert not any("key_value" in k and k["key_value"] for k in listed["items"])
    assert site.gateway.admin("GET", "/admin/keys", source_path=source, is_active="false")["total"] == 1
    pages = [site.gateway.admin("GET", "/admin/keys", source_path=source, limit=2, offset=o) for o in (0, 2, 4)]
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert {k["key_id"] for page in pages for k in page["items"]} == set(keys)
    found = site.gateway.admin("GET", "/admin/keys", search=source[1:].upper())
    assert found["total"] == 5 and {k["key_id"] for k in found["items"]} == set(keys)
    for part in (keys[1], keys[1][4:], next(k["key_hint"] for k in listed["items"] if k["key_id"] == keys[1])[-4:]):
        assert keys[1] in {k["key_id"] for k in site.gateway.admin("GET", "/admin/keys", search=part)["items"]}
    assert site.gateway.admin("GET", "/admin/keys", source_path=source, search="%")["total"] == 0


@pytest.mark.parametrize(
    "fields, param",
    [
        ({}, "source_path"),
        ({"source_path": ""}, "source_path"),
        ({"source_path": "/x", "permissions": "chat"}, "permissions"),
        ({"source_path": "/x", "rate_limit": -1}, "rate_limit"),
        ({"source_path": "/x", "rate_limit": "many"}, "rate_limit"),
        ({"source_path": "/x", "expires_at": "tomorrow"}, "expires_at"),
        ({"source_path": "/x", "expires_days": -3}, "expires_days"),
        ({"source_path": "/x", "unknown_field": 1}, "unknown_field"),
    ],
)
def test_bad_keys_name_the_field(gateway, fields, param):
    assert gateway.refusal("POST", "/admin/keys", fields)["param"] == param


def test_a_key_may_be_given_with_every_member_that_is_optional_null(gateway):
    fields = {"source_path": "/x", "permissions": None, "rate_limit": None, "expires_days": None, "expires_at": None}
    key = gateway.admin("POST", "/admin/keys", fields, expect=201)
    assert key["permissions"] == [] and key["rate_limit"] is None and key["expires_at"] is None
    dated = gateway.admin("POST", "/admin/keys", {**fields, "expires_at": "9999-12-31"}, expect=201)
    assert dated["expires_at"] == "9999-12-31T23:59:59.999+08:00"
    assert gateway.admin("GET", f"/admin/keys/{dated['key_id']}")["expires_at"] == dated["expires_at"]
    assert gateway.refusal("POST", "/admin/keys", {**fields, "expires_days": 1, "expires_at": "2030-01-01"})["param"] == "expires_at"


def test_a_compressed_body_is_not_read(gateway):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    status, answer, body = gateway.admin_raw("POST", "/admin/keys", gzip.compress(b'{"source_path":"/x"}'), headers)
    assert status == 415 and json.loads(body)["error"]["param"] == "content-encoding"
    assert answer["accept-encoding"] == "identity"


# Routes


def test_route_life(site):
    gateway = site.gateway
    fields = {
        "route_name": "life",
        "description": "d",
        "match_path": "/life/*",
        "match_method": "POST",
        "match_headers": {"x-test": site.name},
        "match_body_schema": {"model": "m"},
        "target_host": site.upstream.host,
        "target_path": "/v1",
        "target_protocol": "http",
        "strip_path_prefix": True,
        "add_headers": {"x-a": "1"},
        "add_body_fields": {"b": 2},
        "remove_headers": ["x-c"],
        "timeout": 9,
        "retry_count": 2,
        "is_active": True,
        "priority": 7,
        "weight": 3,
    }
    route = site.route(**fields)
    for name, value in fields.items():
        assert route[name] == value, name
    assert TIME.fullmatch(route["created_at"])
    path = f"/admin/routes/{route['route_id']}"
    assert gateway.admin("GET", path) == route
    assert gateway.admin("PATCH", path, {"priority": 8})["priority"] == 8
    assert gateway.admin("GET", path)["add_body_fields"] == {"b": 2}
    replaced = gateway.admin(
        "PUT", path, {"route_name": "new", "match_path": "/new", "target_host": "127.0.0.1:1", "is_active": False}
    )
    assert replaced["route_name"] == "new" and not replaced["match_body_schema"] and replaced["priority"] == 100
    gateway.admin("DELETE", path)
    gateway.admin("GET", path, expect=404)
    gateway.admin("PATCH", path, {"priority": 1}, expect=404)


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"match_path": "*", "target_host": "127.0.0.1:1", "route_name": 5}, "route_name"),
        ({"route_name": "x", "target_host": "127.0.0.1:1"}, "match_path"),
        ({"route_name": "x", "match_path": "*"}, "target_host"),
        ({"route_name": "x", "match_path": "*", "target_host": "http://a/b"}, "target_host"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:99999"}, "target_host"),
        ({"route_name": "x", "match_path": "/{", "target_host": "127.0.0.1:1"}, "match_path"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "target_protocol": "ftp"}, "target_protocol"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "timeout": -1}, "timeout"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "retry_count": "x"}, "retry_count"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "weight": -1}, "weight"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "add_headers": {"a b": "1"}}, "add_headers"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "add_headers": {"a": "1\r\nb: 2"}}, "add_headers"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "match_headers": []}, "match_headers"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "match_headers": {"a": "1\n2"}}, "match_headers"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "target_path": "/ä"}, "target_path"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "add_body_fields": [1]}, "add_body_fields"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "match_method": "G ET"}, "match_method"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "target_path": "/{nope}"}, "target_path"),
        ({"route_name": "x", "match_path": "*", "target_host": "a:1", "unknown_field": 1}, "unknown_field"),
        ({"route_id": "..", "route_name": "x", "match_path": "*", "target_host": "a:1"}, "route_id"),
    ],
)
def test_bad_routes_name_the_field(gateway, fields, param):
    before = gateway.admin("GET", "/admin/routes")["total"]
    assert gateway.refusal("POST", "/admin/routes", fields)["param"].startswith(param)
    assert gateway.admin("GET", "/admin/routes")["total"] == before


def test_bad_change_leaves_the_route_as_it_was(site):
    route = site.route()
    path = f"/admin/routes/{route['route_id']}"
    site.gateway.refusal("PATCH", path, {"match_body_schema": {"type": "object", "pattern": "("}})
    assert site.gateway.admin("GET", path) == route
    assert site.call().status == 200


def test_changes_count_at_once_on_all_workers(site):
    route = site.route(add_headers={"x-turn": "0"})
    path = f"/admin/routes/{route['route_id']}"
    for turn in range(1, 15):
        site.gateway.admin("PATCH", path, {"add_headers": {"x-turn": str(turn)}})
        # New connections, so that every worker is met.
        for _ in range(4):
            assert site.call().status == 200
        assert {r.header("x-turn") for r in site.upstream.requests} == {str(turn)}
        site.upstream.clear()
    site.gateway.admin("DELETE", path)
    assert {site.call().status for _ in range(6)} == {404}


def test_a_request_sees_one_snapshot(site):
    """A route that is deleted while its request runs still finishes that request."""
    import threading

    go = threading.Event()
    site.upstream.handler = lambda exchange: (go.wait(10), exchange.answer(200, b"done"))
    route = site.route()
    connection = site.connect()
    connection.send(site.bytes("GET", "/"))
    site.upstream.wait(lambda u: u.requests)
    site.gateway.admin("DELETE", f"/admin/routes/{route['route_id']}")
    assert site.call().status == 404
    go.set()
    assert connection.read_response().body == b"done"


def test_route_match_explains(site):
    one = site.route(match_path="/x/*", match_method="POST", match_body_schema={"model": "a"}, priority=1)
    two = site.route(match_path="/x/*", priority=2)
    question = {"method": "POST", "path": "/x/1", "headers": {"x-test": site.name}, "body": {"model": "a"}}

    def ask(**changes):
        return site.gateway.admin("POST", "/admin/routes/match", {**question, **changes})

    assert one["route_id"] in json.dumps(ask())
    answers = [ask(), ask(body={"model": "b"}), ask(method="GET"), ask(path="/y")]
    taken = [next((v for k, v in a.items() if "route_id" in k), None) or (a.get("route") or {}).get("route_id") for a in answers]
    assert taken == [one["route_id"], two["route_id"], two["route_id"], None]
    # Why the others did not take it is said for each of them.
    assert one["route_id"] in json.dumps(answers[3]) and two["route_id"] in json.dumps(answers[3])
    assert not site.upstream.requests


def test_route_test_tries_the_target(site):
    route = site.route()
    answer = site.gateway.admin("POST", f"/admin/routes/{route['route_id']}/test")
    assert answer["ok"] is True and answer["error"] in (None, "")
    assert set(answer) >= {"ok", "resolved", "connect_ms", "tls", "status", "first_byte_ms", "error"}
    site.upstream.close()
    answer = site.gateway.admin("POST", f"/admin/routes/{route['route_id']}/test")
    assert answer["ok"] is False and answer["error"]


# Metrics, config, pages

PROMETHEUS_NAMES = [
    "fastgate_requests_total",
    "fastgate_request_duration_seconds_bucket",
    "fastgate_first_byte_seconds_bucket",
    "fastgate_gateway_overhead_seconds_bucket",
    "fastgate_open_connections",
    "fastgate_active_streams",
    "fastgate_upstream_errors_total",
    "fastgate_retries_total",
    "fastgate_rate_limited_total",
    "fastgate_audit_events_total",
    "fastgate_audit_ring_used_bytes",
    "fastgate_audit_flush_seconds",
    "fastgate_build_info",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_start_time_seconds",
]


def test_prometheus_text(site):
    site.route(retry_count=1)
    site.upstream.then(lambda exchange: exchange.answer(503))
    assert site.call().status == 200
    key = site.new_key(rate_limit=1)["key_value"]
    assert [site.call(key=key).status for _ in range(2)] == [200, 429]
    from harness import free_port

    site.route(match_path="/dead", target_host=f"127.0.0.1:{free_port()}", priority=1)
    site.call(target="/dead")
    status, headers, data = site.gateway.admin_raw("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    text = data.decode()
    for name in PROMETHEUS_NAMES:
        assert re.search(rf"^{name}[{{ _]", text, re.M), name
    line = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="(\\.|[^"\\])*",?)*\})? [-+0-9.eE]+(Inf|NaN)?')
    for one in text.splitlines():
        assert one.startswith("#") or line.fullmatch(one), one
    assert "# TYPE fastgate_requests_total counter" in text
    assert "# TYPE fastgate_request_duration_seconds histogram" in text
    limit = Path(f"/proc/{site.gateway.process.pid}/limits").read_text()
    open_files = re.search(r"Max open files +(\d+)", limit)
    assert open_files is None or f"process_max_fds {open_files[1]}" in text.splitlines()


def test_prometheus_counts(site):
    site.route()

    def requests():
        return sum(v for k, v in site.gateway.metrics().items() if k.startswith("fastgate_requests_total"))

    before = requests()
    for _ in range(5):
        assert site.call().status == 200
    wait_until(lambda: requests() == before + 5, "fastgate_requests_total grows by five")


def test_config_is_masked(gateway):
    answer = gateway.admin("GET", "/admin/config")
    assert answer["app"]["port"] == gateway.port
    assert ADMIN_TOKEN not in json.dumps(answer)


def test_openapi(gateway):
    status, _, data = gateway.admin_raw("GET", "/openapi.json", token=None)
    if status == 401:
        status, _, data = gateway.admin_raw("GET", "/openapi.json")
    assert status == 200
    document = json.loads(data)
    assert document["openapi"].startswith("3.")
    for path in ("/admin/keys", "/admin/routes", "/admin/logs", "/admin/metrics", "/admin/config"):
        assert path in document["paths"], path


@pytest.mark.parametrize("path", ["/", "/admin/dashboard"])
def test_dashboard(gateway, path):
    """How it looks and works is for the browser's tests (Tests/Browser)."""
    status, headers, data = gateway.admin_raw("GET", path, token=None)
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "unsafe" not in headers["Content-Security-Policy"]
    places = re.findall(r'(?:href|src)="([^"]+)"', data.decode())
    assert places and all(place.startswith("/admin/assets/") for place in places), "it loads nothing from elsewhere"
    for place in places:
        status, headers, content = gateway.admin_raw("GET", place, token=None)
        assert status == 200 and "immutable" in headers["Cache-Control"] and content
        # Names of namespaces, and addresses shown as examples in forms, load nothing.
        content = re.sub(rb'http://www\.w3\.org/|placeholder: "https://', b"", content)
        assert b"http://" not in content and b"https://" not in content
        again, _, nothing = gateway.admin_raw("GET", place, headers={"If-None-Match": headers["ETag"]}, token=None)
        assert again == 304 and not nothing


@pytest.mark.parametrize(
    "schema",
    [{"type": "strin"}, {"type": 123}, {"required": [1]}, {"allOf": []}, {"$ref": 5}, {"if": 5}, {"properties": ["model"]},
     {"model": "x", "type": "chat"}],
)  # fmt: skip
def test_a_schema_that_does_not_compile_is_refused(site, schema):
    route = {"match_path": "/x", "target_host": "127.0.0.1:1", "match_body_schema": schema}
    error = site.gateway.refusal("POST", "/admin/routes", route, expect=422)
    assert error["param"] == "match_body_schema" and '{"properties":{"type":{"const":"x"}}}' in error["message"]


def test_members_called_like_keywords_are_compared_by_a_schema(site):
    site.route(match_body_schema={"properties": {"type": {"const": "chat"}}, "required": ["type"]})
    assert site.call("POST", "/", b'{"type":"chat"}').status == 200
    assert site.call("POST", "/", b'{"type":"talk"}').status == 404


def test_patterns_that_no_path_matches_are_refused(site):
    gateway = site.gateway
    error = gateway.refusal("POST", "/admin/routes", {"match_path": "/ä/*", "target_host": "127.0.0.1:1"}, expect=422)
    assert error["param"] == "match_path" and "/%C3%A4/*" in error["message"]
    for pattern in ("/a/{", "/ä", "/a}"):
        error = gateway.refusal("POST", "/admin/keys", {"source_path": "/x", "permissions": [pattern]}, expect=422)
        assert error["param"] == "permissions"
    site.route(match_path="/%C3%A4/*")
    assert site.call(target="/%C3%A4/1").status == 200


def test_what_get_has_given_can_be_sent_back(site):
    """Members that only answers have change nothing."""
    gateway = site.gateway
    key = site.new_key(permissions=["/v1/{x}"], max_amount="2.5")
    route = site.route()
    for path, methods in ((f"/admin/keys/{key['key_id']}", ["PATCH"]), (f"/admin/routes/{route['route_id']}", ["PUT", "PATCH"])):
        for method in methods:
            shown = gateway.admin("GET", path)
            again = gateway.admin(method, path, shown)
            assert {**again, "updated_at": None} == {**shown, "updated_at": None}
            assert gateway.admin(method, path, {**shown, "created_at": "2001-01-01"})["created_at"] == shown["created_at"]
    assert gateway.refusal("PATCH", f"/admin/keys/{key['key_id']}", {"key_id": "other"}, expect=409)["param"] == "key_id"
    assert gateway.refusal("PATCH", f"/admin/keys/{key['key_id']}", {"key_value": "fg_mine"})["param"] == "key_value"


def test_health(gateway):
    status, body = gateway.health(gateway.admin_port)
    assert status == 200 and body["status"] == "ok"


def test_health_tells_the_name(make_gateway):
    gateway = make_gateway({"app": {"name": 'Gate "7" ü'}})
    for port in (gateway.port, gateway.admin_port):
        assert gateway.health(port)[1]["name"] == 'Gate "7" ü'


@pytest.mark.parametrize("path", ["/metrics", "/", "/admin/dashboard", "/admin/session"])
def test_a_page_that_rebinds_its_name_reads_nothing(make_gateway, path):
    """Under a name of its own a page from anywhere would reach a loopback address, and read what needs no token."""
    gateway = make_gateway({"admin": {"hosts": ["gate.example.org"]}})

    def status(host, **more):
        return gateway.admin_raw("GET", path, headers={"Host": host}, token=None, **more)[0]

    for host in ("evil.example", f"evil.example:{gateway.admin_port}", "127.0.0.1.evil.example", "localhost.evil.example", "a.b."):
        assert status(host) == 421, host
    for host in ("127.0.0.1", f"127.0.0.1:{gateway.admin_port}", "localhost", "LOCALHOST:1", "a.localhost", "[::1]:8515", "gateway",
                 "gate.example.org", "GATE.example.org:80"):  # fmt: skip
        assert status(host) == 200, host
    # What asks for the token needs no such check, and neither does health.
    assert gateway.admin_raw("GET", "/admin/keys", headers={"Host": "evil.example"})[0] == 200
    assert gateway.admin_raw("GET", "/health", headers={"Host": "evil.example"}, token=None)[0] == 200


def test_heads_that_trickle_do_not_keep_the_operator_out(make_gateway):
    gateway = make_gateway({"limits": {"header_timeout": 60}})
    slow = []
    try:
        for _ in range(300):  # there is room for 256
            connection = Connection(gateway.admin_port)
            connection.send(b"GET /admin/keys HTTP/1.1\r\nX-")
            slow.append(connection)
        assert gateway.admin("GET", "/admin/keys")["total"] == 0
    finally:
        for connection in slow:
            connection.close()


def test_a_new_session_is_a_new_secret(gateway):
    """A cookie that somebody planted before the sign-in is worth nothing after it."""
    name = f"fastgate_session_{gateway.admin_port}"
    headers = {"x-fastgate-dashboard": "1", "Cookie": f"{name}={'0' * 64}"}
    status, answer, _ = gateway.admin_raw("POST", "/admin/session", {"token": ADMIN_TOKEN}, headers, token=None)
    assert status == 201
    cookie = answer["set-cookie"].split(";")[0]
    assert cookie != f"{name}={'0' * 64}" and len(cookie.split("=")[1]) == 64
    assert gateway.admin_raw("GET", "/admin/keys", headers=headers, token=None)[0] == 401
    assert gateway.admin_raw("GET", "/admin/keys", headers={"Cookie": cookie}, token=None)[0] == 200
    # Signing in again ends the session that came with it.
    headers["Cookie"] = cookie
    assert gateway.admin_raw("POST", "/admin/session", {"token": ADMIN_TOKEN}, headers, token=None)[0] == 201
    assert gateway.admin_raw("GET", "/admin/keys", headers={"Cookie": cookie}, token=None)[0] == 401


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_other_sites_get_no_answer_to_read(gateway, origin):
    """The admin port gives no other origin leave to anything (CORS)."""
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        _, answer, _ = gateway.admin_raw(method, "/admin/keys", headers=headers, token=None)
        assert not [name for name in answer if name.lower().startswith("access-control-")]
