"""SPEC: the way of a request, step 6: what the upstream gets to see."""

import re

import pytest

VERSION = re.compile(r"FastGate/\d+\.\d+\.\d+")


def forwarded(site, *args, **kw):
    response = site.call(*args, **kw)
    assert response.status == 200, response
    return site.upstream.wait_requests(len(site.upstream.requests))


def test_default_strip_list(site):
    site.route()
    stripped = ["x-api-key", "x-forwarded-for", "x-real-ip", "x-source-path"]
    request = forwarded(site, headers=[(name, "secret-identity") for name in stripped] + [("User-Agent", "me/1.0")])
    assert not set(stripped + ["authorization"]) & set(request.names)
    assert request.header("host") == site.upstream.host
    assert VERSION.fullmatch(request.header("user-agent"))
    assert b"secret-identity" not in site.upstream.raw and b"me/1.0" not in site.upstream.raw


def test_order_case_and_values_of_other_headers_stay(site):
    site.route()
    sent = [
        ("X-First", "1"),
        ("aCCept", "*/*"),
        ("x-Empty", ""),
        ("X-Twice", "a"),
        ("Cookie", "a=b; c=d"),
        ("X-Twice", "b"),
        ("X-Quoted", '"a, b"; q=0.5'),
        ("Accept-Encoding", "gzip, deflate"),
    ]
    request = forwarded(site, headers=sent)
    names = {name for name, _ in sent}
    assert [(name, value) for name, value in request.headers if name in names] == sent


def test_hop_by_hop_headers_stay_here(site):
    site.route()
    request = forwarded(
        site,
        headers=[
            ("Connection", "keep-alive, X-Hop, x-OTHER"),
            ("X-Hop", "1"),
            ("X-Other", "2"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("TE", "trailers, deflate"),
            ("Proxy-Authorization", "Basic eDp5"),
            ("X-Stays", "3"),
        ],
    )
    gone = {"x-hop", "x-other", "keep-alive", "proxy-connection", "proxy-authorization"}
    assert not gone & set(request.names)
    assert request.header("x-stays") == "3"
    assert "deflate" not in (request.header("te") or "")
    assert "x-hop" not in (request.header("connection") or "").lower()


def test_connection_cannot_name_headers_the_gateway_needs(site):
    """`Connection: host` or `content-length` must not strip what frames or routes the request."""
    site.route()
    request = forwarded(
        site, "POST", "/p", b"hello", headers=[("Connection", "close, host, content-length, content-type")]
    )
    assert request.header("host") == site.upstream.host
    assert request.body == b"hello"


def test_remove_headers(site):
    site.route(remove_headers=["X-Secret", "cookie"])
    request = forwarded(site, headers=[("x-secret", "1"), ("Cookie", "a=b"), ("X-Kept", "2")])
    assert not {"x-secret", "cookie"} & set(request.names)
    assert request.header("x-kept") == "2"


def test_add_headers_set_and_replace(site):
    site.route(add_headers={"X-New": "one", "X-There": "mine", "Authorization": "Bearer ${E2E_UPSTREAM_SECRET}"})
    request = forwarded(site, headers=[("x-there", "theirs")])
    assert request.header("x-new") == "one"
    assert request.header("x-there") == "mine"
    assert request.header("authorization") == "Bearer upstream-secret-77aa"


def test_user_agent_of_a_route_wins(site):
    site.route(add_headers={"User-Agent": "custom/2"})
    assert forwarded(site, headers=[("User-Agent", "me/1.0")]).header("user-agent") == "custom/2"


def test_nothing_of_the_client_goes_upstream(site):
    site.route()
    request = forwarded(site, source="127.0.0.77", headers=[("X-Forwarded-For", "1.2.3.4")])
    raw = site.upstream.raw
    for secret in (b"127.0.0.77", b"1.2.3.4", site.key.encode(), b"gateway.test", b"127.0.0.1:%d" % site.gateway.port):
        assert secret not in raw, secret
    assert not {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"} & set(request.names)


def test_host_passes_if_it_is_not_stripped(make_site):
    """Once, whatever way the client named it."""
    site = make_site({"proxy": {"strip_headers": ["authorization"]}})
    site.route()
    assert site.call().status == 200
    assert site.upstream.requests[-1].header("host") == "gateway.test"
    assert site.call(target="http://absolute.test/x").status == 200
    assert site.upstream.requests[-1].header("host") == "absolute.test"
    with site.connect() as connection:
        assert connection.request("GET", "/", site.headers(without=("host",)), version="HTTP/1.0").status == 200
    assert site.upstream.requests[-1].header("host") == site.upstream.host


def test_a_route_can_take_the_clients_host_away(make_site):
    """A request has a Host in any case (RFC 9112 section 3.2): then the target's."""
    site = make_site({"proxy": {"strip_headers": ["authorization"]}})
    site.route(remove_headers=["Host"])
    assert site.call().status == 200
    request = site.upstream.requests[-1]
    assert request.header("host") == site.upstream.host and request.names.count("host") == 1


def test_forward_client_ip(make_site):
    site = make_site({"proxy": {"forward_client_ip": True}})
    site.route()
    request = forwarded(site, source="127.0.0.77", headers=[("X-Forwarded-For", "1.2.3.4")])
    assert request.header("x-forwarded-for").split(", ")[-1] == "127.0.0.77"
    assert request.header("x-forwarded-proto") == "http"
    assert request.header("x-forwarded-host") == "gateway.test"


@pytest.mark.parametrize(
    "fields, path, expected",
    [
        ({}, "/v1/chat/completions", "/v1/chat/completions"),
        ({}, "/a%20b/%c3%A9?x=%2F&y", "/a%20b/%c3%A9?x=%2F&y"),
        ({}, "/a//b", "/a//b"),
        ({"target_path": "/fixed"}, "/v1/x?a=1", "/fixed?a=1"),
        ({"match_path": "/u/{id}/p/{post}", "target_path": "/posts/{post}/of/{id}"}, "/u/7/p/9?q", "/posts/9/of/7?q"),
        ({"match_path": "/in/*", "target_path": "/out/*"}, "/in/a/b", "/out/a/b"),
        ({"match_path": "/in/*/x/*", "target_path": "/out/*/y/*"}, "/in/a/x/b/c", "/out/a/y/b/c"),
        (
            {"match_path": "/openai/*", "target_path": "/v1", "strip_path_prefix": True},
            "/openai/chat/completions?a=b",
            "/v1/chat/completions?a=b",
        ),
        (
            {"match_path": "/openai/*", "target_path": "/v1/", "strip_path_prefix": True},
            "/openai/chat/completions",
            "/v1/chat/completions",
        ),
        ({"match_path": "/openai/*", "strip_path_prefix": True}, "/openai/chat/completions", "/chat/completions"),
        ({"match_path": "/openai*", "strip_path_prefix": True}, "/openai/chat", "/chat"),
        ({"match_path": "/openai*", "strip_path_prefix": True}, "/openai", "/"),
    ],
)
def test_target_path(site, fields, path, expected):
    site.route(**fields)
    assert forwarded(site, target=path).target == expected


def test_method_is_kept(site):
    site.route()
    for method in ("GET", "PUT", "PATCH", "DELETE", "QUERY"):
        assert forwarded(site, method, "/m").method == method


BODY_FIELDS = [
    ({"a": 1}, b"{}", b'{"a":1}'),
    ({"a": 1}, b'{"x":1}', b'{"x":1,"a":1}'),
    ({"x": "new"}, b'{"x":1}', b'{"x":"new"}'),
    ({"x": 2}, b'{ "x" :  1 ,\n "y": [ 1.50, 1e3 ] }', b'{ "x" :  2 ,\n "y": [ 1.50, 1e3 ] }'),
    ({"x": 3}, b'{"x":1,"x":2}', b'{"x":1,"x":3}'),
    ({"x": 3}, b'{"x":1,"\\u0078":2}', b'{"x":1,"\\u0078":3}'),
    ({"x": 2}, b'{"y":{"x":1},"x":1}', b'{"y":{"x":1},"x":2}'),
    ({"o": {"deep": [1, None, True]}}, b'{"k":"\\u00e9\\/"}', b'{"k":"\\u00e9\\/","o":{"deep":[1,null,true]}}'),
]


@pytest.mark.parametrize("fields, sent, expected", BODY_FIELDS)
@pytest.mark.parametrize("chunked", [False, True])
def test_add_body_fields_leaves_other_bytes_alone(site, fields, sent, expected, chunked):
    site.route(add_body_fields=fields)
    half = len(sent) // 2
    how = {"chunks": [sent[:half], sent[half:]]} if chunked else {"body": sent}
    request = forwarded(site, "POST", "/v1/chat/completions", headers=[("Content-Type", "application/json")], **how)
    assert re.sub(rb'("(?:a|o)":)\s+', rb"\1", request.body) == expected
    assert request.header("content-type") == "application/json"


def test_add_body_fields_of_a_long_body(site):
    site.route(add_body_fields={"z": 1})
    sent = b'{"messages":"' + b"m" * 700_000 + b'"}'
    request = forwarded(site, "POST", "/v1/chat/completions", sent)
    assert request.body == sent[:-1] + b',"z":1}'


@pytest.mark.parametrize("body", [b"[1,2]", b"plain text", b'"x"'])
def test_add_body_fields_leaves_other_bodies_alone(site, body):
    site.route(add_body_fields={"z": 1})
    assert forwarded(site, "POST", "/p", body).body == body


def test_add_body_fields_and_body_match_together(site):
    site.route(match_body_schema={"model": "a"}, add_body_fields={"model": "b"})
    assert forwarded(site, "POST", "/p", b'{"model": "a", "n": 1}').body == b'{"model": "b", "n": 1}'


def test_response_headers_keep_order_and_case(site):
    site.route()
    sent = [("X-First", "1"), ("sEcond", "2"), ("Set-Cookie", "a=1"), ("X-Mid", ""), ("set-cookie", "b=2"), ("ETag", '"x"')]
    site.upstream.handler = lambda exchange: exchange.answer(200, b"ok", headers=sent)
    response = site.call()
    names = {name for name, _ in sent}
    assert [(name, value) for name, value in response.headers if name in names] == sent


def test_hop_by_hop_response_headers_stay_here(site):
    site.route()
    hop = [("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=9"), ("Proxy-Authenticate", "Basic")]
    site.upstream.handler = lambda exchange: exchange.answer(200, b"ok", headers=[*hop, ("X-Kept", "2")])
    response = site.call()
    assert not response.all("x-hop") and not response.all("proxy-authenticate")
    assert "timeout=9" not in (response.header("keep-alive") or "")
    assert response.header("x-kept") == "2"


@pytest.mark.parametrize("status", [200, 201, 202, 206, 301, 400, 404, 418, 422, 500, 529, 599])
def test_status_is_kept(site, status):
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(status, b'{"error":"theirs"}')
    response = site.call()
    assert (response.status, response.body) == (status, b'{"error":"theirs"}')
