"""SPEC: the way of a request, step 5, and the patterns of section 7."""

import json

import pytest

from harness import Upstream

PATTERNS = [
    ("/exact/path", "/exact/path", True),
    ("/exact/path", "/exact/path/", False),
    ("/exact/path", "/exact", False),
    ("/exact/path", "/exact/path?q=1", True),
    ("/exact/path", "/Exact/path", False),
    ("/v1/*", "/v1/chat/completions", True),
    ("/v1/*", "/v1/", True),
    ("/v1/*", "/v1", False),
    ("/v1/*", "/v10/x", False),
    ("/api/v2/**", "/api/v2/a/b/c", True),
    ("/api/v2/**", "/api/v1/a", False),
    ("/v2*", "/v2", True),
    ("/v2*", "/v2/chat/completions", True),
    ("/v2*", "/v20", True),
    ("/v2*", "/v1", False),
    ("/user/{id}", "/user/7", True),
    ("/user/{id}", "/user/7/", False),
    ("/user/{id}", "/user/7/posts", False),
    ("/user/{id}", "/user/", False),
    ("/user/{id}/posts/{post}", "/user/7/posts/9", True),
    ("*.json", "/a/b/c.json", True),
    ("*.json", "/a/b/c.jsonx", False),
    ("/file/*.json", "/file/x/y.json", True),
    ("/file/*.json", "/file/.json", True),
    ("/file/*.json", "/other/x.json", False),
    ("/a/*/c/*/e", "/a/b/c/d/e", True),
    ("/a/*/c/*/e", "/a/b/c/d", False),
    ("*", "/", True),
    ("*", "/anything/at/all", True),
    ("/a.b", "/axb", False),
    ("/a+b(c)[d]", "/a+b(c)[d]", True),
    ("/sp%20ce", "/sp%20ce", True),
    ("/*a*a*a*a*a*a*b", "/" + "a" * 200, False),
]


def test_path_patterns(site):
    names = {pattern: f"pattern-{i}" for i, pattern in enumerate(dict.fromkeys(p for p, _, _ in PATTERNS))}
    for pattern, name in names.items():
        site.route(match_path=pattern, match_headers={"x-pattern": name})
    for pattern, path, matches in PATTERNS:
        response = site.call(target=path, headers=[("x-pattern", names[pattern])])
        assert response.status == (200 if matches else 404), f"{pattern} and {path}: {response.status}"


def test_no_route_is_404(site):
    site.route(match_path="/only")
    response = site.call(target="/other")
    assert response.status == 404
    assert response.json()["error"]["code"]
    assert response.json()["request_id"] == response.request_id


@pytest.mark.parametrize(
    "pattern, allowed, refused",
    [
        ("ANY", ["GET", "POST", "DELETE", "PROPFIND"], []),
        ("POST", ["POST"], ["GET", "PUT"]),
        ("GET,POST", ["GET", "POST"], ["DELETE"]),
        ("GET, PUT", ["GET", "PUT"], ["POST"]),
    ],
)
def test_methods(site, pattern, allowed, refused):
    site.route(match_method=pattern)
    for method in allowed:
        assert site.call(method, "/m").status == 200, method
    for method in refused:
        assert site.call(method, "/m").status == 404, method
    assert [r.method for r in site.upstream.requests] == allowed


@pytest.mark.parametrize(
    "wanted, sent, matches",
    [
        ({"x-tenant": "a"}, [("x-tenant", "a")], True),
        ({"x-tenant": "a"}, [("X-Tenant", "a")], True),
        ({"X-Tenant": "a"}, [("x-tenant", "a")], True),
        ({"x-tenant": "a"}, [("x-tenant", "b")], False),
        ({"x-tenant": "a"}, [("x-tenant", "ab")], False),
        ({"x-tenant": "a"}, [], False),
        ({"x-tenant": "a*"}, [("x-tenant", "abc")], True),
        ({"x-tenant": "*c"}, [("x-tenant", "abc")], True),
        ({"x-tenant": "a*c"}, [("x-tenant", "ab")], False),
        ({"x-tenant": True}, [("x-tenant", "anything")], True),
        ({"x-tenant": True}, [], False),
        ({"x-tenant": False}, [], True),
        ({"x-tenant": False}, [("x-tenant", "a")], False),
        ({"x-tenant": "a", "x-more": "b"}, [("x-tenant", "a"), ("x-more", "b")], True),
        ({"x-tenant": "a", "x-more": "b"}, [("x-tenant", "a")], False),
    ],
)
def test_headers(site, wanted, sent, matches):
    site.route(match_headers=wanted)
    assert site.call(headers=sent).status == (200 if matches else 404)


def by(name: str):
    """An upstream script that says which upstream it is."""
    return lambda exchange: exchange.answer(200, name.encode())


def two(site) -> tuple[Upstream, Upstream]:
    return site.new_upstream(by("a")), site.new_upstream(by("b"))


def test_smaller_priority_goes_first(site):
    a, b = two(site)
    site.route(b, priority=20)
    site.route(a, priority=10)
    assert {site.call().body for _ in range(6)} == {b"a"}


def test_inactive_route_is_passed_over(site):
    a, b = two(site)
    route = site.route(a, priority=1)
    site.route(b, priority=2)
    toggle = f"/admin/routes/{route['route_id']}/toggle"
    assert site.call().body == b"a"
    site.gateway.admin("POST", toggle)
    assert {site.call().body for _ in range(6)} == {b"b"}
    site.gateway.admin("POST", toggle)
    assert {site.call().body for _ in range(6)} == {b"a"}


MEMBERS = [
    ({"model": "gpt-4o"}, b'{"model":"gpt-4o"}', True),
    ({"model": "gpt-4o"}, b'{"messages":[{"model":"gpt-4o"}],"model":"other"}', False),
    ({"model": "gpt-4o"}, b'{"messages":[{"content":"\\"model\\":\\"gpt-4o\\""}]}', False),
    ({"model": "gpt-4o"}, b' \n{ "x" : [1,{"y":"}"}] , "model" :\t"gpt-4o" } ', True),
    ({"model": "gpt-4o"}, b'{"mod\\u0065l":"gpt-4o"}', True),
    ({"model": "gpt-4o"}, b'{"model":"gpt\\u002d4o"}', True),
    ({"model": "gpt-4o"}, b'{"MODEL":"gpt-4o"}', False),
    ({"model": "gpt-4o"}, b'{"model":"gpt-4o-mini"}', False),
    ({"model": "gpt-4o"}, b'{"model":null}', False),
    ({"model": "gpt-4o"}, b'["model","gpt-4o"]', False),
    ({"model": "gpt-4o"}, b"model=gpt-4o", False),
    ({"model": "gpt-4o"}, b"", False),
    ({"model": "a", "stream": True}, b'{"stream":true,"model":"a"}', True),
    ({"model": "a", "stream": True}, b'{"stream":false,"model":"a"}', False),
    ({"model": "a", "stream": True}, b'{"stream":"true","model":"a"}', False),
    ({"n": 1}, b'{"n":1.0}', True),
    ({"n": 1}, b'{"n":2}', False),
    ({"user": {"id": 7}}, b'{"user":{ "id": 7 }}', True),
    ({"user": {"id": 7}}, b'{"user":{"id":8}}', False),
    ({"model": "\u00e9\U0001f600"}, '{"model":"\u00e9\U0001f600"}'.encode(), True),
    ({"model": "\u00e9\U0001f600"}, b'{"model":"\\u00e9\\ud83d\\ude00"}', True),
]

SCHEMAS = [
    ({"type": "object", "required": ["model"]}, {"model": "x"}, True),
    ({"type": "object", "required": ["model"]}, {"m": "x"}, False),
    ({"properties": {"model": {"pattern": "^claude-"}}, "required": ["model"]}, {"model": "claude-3"}, True),
    ({"properties": {"model": {"pattern": "^claude-"}}, "required": ["model"]}, {"model": "gpt"}, False),
    ({"properties": {"model": {"enum": ["a", "b"]}}, "required": ["model"]}, {"model": "b"}, True),
    ({"properties": {"model": {"enum": ["a", "b"]}}, "required": ["model"]}, {"model": "c"}, False),
    ({"properties": {"max_tokens": {"type": "integer", "maximum": 100}}}, {"max_tokens": 50}, True),
    ({"properties": {"max_tokens": {"type": "integer", "maximum": 100}}}, {"max_tokens": 500}, False),
    ({"properties": {"messages": {"type": "array", "minItems": 2}}}, {"messages": [1, 2]}, True),
    ({"properties": {"messages": {"type": "array", "minItems": 2}}}, {"messages": [1]}, False),
    ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"b": 1}, True),
    ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"c": 1}, False),
    ({"not": {"required": ["tools"]}, "type": "object"}, {"tools": []}, False),
    (
        {"$defs": {"n": {"const": 1}}, "properties": {"x": {"$ref": "#/$defs/n"}}, "required": ["x"]},
        {"x": 1},
        True,
    ),
]


@pytest.mark.parametrize("wanted, body, matches", MEMBERS)
def test_body_members(site, wanted, body, matches):
    site.route(match_body_schema=wanted)
    assert site.call("POST", "/v1/chat/completions", body).status == (200 if matches else 404)
    assert [r.body for r in site.upstream.requests] == ([body] if matches else [])


@pytest.mark.parametrize("schema, body, matches", SCHEMAS)
def test_body_schema(site, schema, body, matches):
    site.route(match_body_schema=schema)
    status = site.call("POST", "/v1/chat/completions", json.dumps(body).encode()).status
    assert status == (200 if matches else 404)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": 5},
        {"type": "object", "required": "model"},
        {"properties": {"a": {"pattern": "("}}},
        {"$ref": "http://example.com/schema.json"},
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/missing"}}},
    ],
)
def test_schema_that_does_not_compile_is_refused(site, schema):
    before = site.gateway.admin("GET", "/admin/routes")["total"]
    body = {"route_name": "bad", "match_path": "*", "target_host": "127.0.0.1:1", "match_body_schema": schema}
    answer = site.gateway.admin("POST", "/admin/routes", body, expect=(400, 422))
    assert "match_body_schema" in answer["error"]["param"]
    assert site.gateway.admin("GET", "/admin/routes")["total"] == before


@pytest.mark.parametrize("chunked", [False, True])
def test_body_decides_between_routes(site, chunked):
    a, b = two(site)
    site.route(a, match_body_schema={"model": "a"}, priority=1)
    site.route(b, match_body_schema={"model": "b"}, priority=2)

    def call(body):
        return site.call("POST", "/v1/chat/completions", *((None, (), "", [body[:9], body[9:]]) if chunked else (body,)))

    assert call(b'{"model":"a","x":1}').body == b"a"
    assert call(b'{"model":"b","x":1}').body == b"b"
    assert call(b'{"model":"c","x":1}').status == 404


DUPLICATES = [
    (b'{"model":"a","model":"b"}', 400),
    (b'{"model":"b","model":"a"}', 400),
    (b'{"model":"a","mod\\u0065l":"b"}', 400),
    (b'{"model":"a","x":{"model":"b"}}', b"a"),
    (b'{"model":"b","model":"b"}', b"b"),
    (b'{"model":"b","mod\\u0065l":"b"}', b"b"),
    (b'{"x":1,"model":"a","x":2}', b"a"),
]


@pytest.mark.parametrize("body, expected", DUPLICATES)
def test_duplicates_that_disagree_about_the_route_are_refused(site, body, expected):
    a, b = two(site)
    site.route(a, match_body_schema={"model": "a"}, priority=1)
    site.route(b, match_body_schema={"model": "b"}, priority=2)
    response = site.call("POST", "/v1/chat/completions", body)
    if isinstance(expected, int):
        assert response.status == expected
        assert not a.requests and not b.requests
    else:
        assert (response.status, response.body) == (200, expected)


WITHIN = {"properties": {"meta": {"properties": {"team": {"const": "a"}}, "required": ["team"]}}, "required": ["meta"]}
BY_REFERENCE = {"$defs": {"m": {"properties": {"model": {"const": "a"}}, "required": ["model"]}}, "$ref": "#/$defs/m"}
LISTED = {"properties": {"tools": {"type": "array"}}, "required": ["tools"]}
DUPLICATES_WITHIN = [
    ({"meta": {"team": "a"}}, b'{"meta":{"team":"b","team":"a"}}', 400),
    ({"meta": {"team": "a"}}, b'{"meta":{"team":"a","te\\u0061m":"b"}}', 400),
    ({"meta": {"team": "a"}}, b'{"meta":{"team":"a","team":"\\u0061"}}', 200),
    ({"meta": {"team": "a"}}, b'{"meta":{"team":"a"},"x":{"y":1,"y":2}}', 200),
    ({"meta": [{"n": 1}]}, b'{"meta":[{"n":2,"n":1}]}', 400),
    (WITHIN, b'{"meta":{"team":"b","team":"a"}}', 400),
    (WITHIN, b'{"meta":{"team":"a","team":"a"}}', 200),
    (WITHIN, b'{"meta":{"team":"a"},"x":{"y":1,"y":2},"z":1,"z":2}', 200),
    (BY_REFERENCE, b'{"model":"b","model":"a"}', 400),
    (BY_REFERENCE, b'{"model":"a","x":1,"x":2}', 200),
    ({"anyOf": [BY_REFERENCE["$defs"]["m"]]}, b'{"model":"b","model":"a"}', 400),
    ({"patternProperties": {"^mod": {"const": "a"}}}, b'{"model":"b","model":"a"}', 400),
    # Only that it is an array decides, not what is in it.
    (LISTED, b'{"tools":[{"a":1,"a":2}]}', 200),
]


@pytest.mark.parametrize("schema, body, expected", DUPLICATES_WITHIN)
def test_duplicates_within_members_that_decide(site, schema, body, expected):
    """What decides may lie deeper, or be named by a part of the schema."""
    site.route(match_body_schema=schema, match_path="/within")
    response = site.call("POST", "/within", body)
    assert response.status == expected
    if expected == 400:
        assert response.json()["error"]["code"] == "conflicting_members"
        assert not site.upstream.requests
        headers = {"x-test": site.name}
        answer = site.gateway.admin(
            "POST", "/admin/routes/match",
            {"method": "POST", "path": "/within", "headers": headers, "body": body.decode()},
        )  # fmt: skip
        assert not answer["matched"] and "twice" in answer["error"]
    # Elsewhere nobody looks at the body.
    site.route(match_path="/elsewhere")
    assert site.call("POST", "/elsewhere", body).status == 200


def test_late_duplicate_never_reaches_an_upstream_whole(site):
    """Once the members that decide are known forwarding may begin, but a disagreeing duplicate later on is refused."""
    site.route(match_body_schema={"model": "a"})
    body = b'{"model":"a","pad":"' + b"x" * 300_000 + b'","model":"b"}'
    with site.connect() as connection:
        connection.send(site.bytes("POST", "/v1/chat/completions", body=body))
        response = connection.read_head("POST")
    assert response.status == 400
    assert not any(request.complete for request in site.upstream.requests)


def test_body_is_read_only_if_a_route_needs_it(site):
    """The upstream has the head before the client has sent any of the body."""
    site.route()
    connection = site.connect()
    connection.send_head("POST", "/upload", site.headers([("Content-Length", "5")]))
    site.upstream.wait(lambda u: u.requests)
    connection.send(b"hello")
    assert connection.read_response("POST").status == 200
    assert site.upstream.wait_requests().body == b"hello"


def test_forwarding_goes_on_while_the_body_is_still_coming(site):
    """A body route that decided the request does not hold the rest of a long body back for ever."""
    site.route(match_path="/with-body", match_body_schema={"model": "a"}, priority=1)
    site.route(priority=2)
    connection = site.connect()
    connection.send_head("POST", "/other", site.headers([("Content-Length", "10")]))
    connection.send(b"first")
    site.upstream.wait(lambda u: u.requests and u.bytes_received > len(u.requests[0].head))
    connection.send(b"secnd")
    assert connection.read_response("POST").status == 200
    assert site.upstream.wait_requests().body == b"firstsecnd"


def test_route_of_another_path_does_not_see_the_body(site):
    """Body conditions only count once path, method and headers match."""
    site.route(match_path="/a", match_body_schema={"model": "a"})
    site.route(match_path="/b")
    assert site.call("POST", "/b", b"not json at all").status == 200


def test_weights_share_the_load(site):
    a, b = two(site)
    site.route(a, weight=3, priority=5)
    site.route(b, weight=1, priority=5)
    connection = site.connect()
    bodies = [connection.request("GET", "/w", site.headers()).body for _ in range(400)]
    share = bodies.count(b"a") / len(bodies)
    assert 0.62 < share < 0.88, share
    assert set(bodies) == {b"a", b"b"}


def test_equal_priority_without_weights_uses_both(site):
    a, b = two(site)
    site.route(a)
    site.route(b)
    assert {site.call().body for _ in range(60)} == {b"a", b"b"}
