"""SPEC: errors made by the gateway: OpenAI's shape, on Anthropic's paths Anthropic's."""

import pytest

from harness import Connection, free_port

ANTHROPIC = ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages?beta=true"]
OPENAI = ["/v1/chat/completions", "/v1/embeddings", "/anything", "/v1/messagesx"]


def check_openai(response):
    body = response.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"message", "type", "code", "param"}
    assert body["error"]["message"] and body["error"]["type"] and body["error"]["code"]
    assert body["error"]["param"] is None
    assert body["request_id"] == response.request_id


def check_anthropic(response, kind):
    body = response.json()
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert set(body["error"]) == {"type", "message"}
    assert body["error"]["type"] == kind and body["error"]["message"]
    assert body["request_id"] == response.request_id


def failing(site, status):
    """Makes a request that the gateway answers with this status; (keyword arguments of call)."""
    if status == 401:
        return {"key": None}
    if status == 403:
        return {"key": site.new_key(permissions=["/never"])["key_value"]}
    if status == 429:
        key = site.new_key(rate_limit=1)["key_value"]
        assert site.call("POST", "/ok", b"{}", key=key).status == 200
        return {"key": key}
    if status == 502:
        site.route(target_host=f"127.0.0.1:{free_port()}", priority=1, match_path="/v1/*")
        site.route(target_host=f"127.0.0.1:{free_port()}", priority=2, match_path="/anything")
    return {}


KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    502: "api_error",
}


@pytest.mark.parametrize("status", KINDS)
def test_shapes(site, status):
    site.route(match_path="/ok")
    how = failing(site, status)
    for path in OPENAI if status not in (502,) else OPENAI[:3]:
        response = site.call("POST", path, b"{}", **how)
        assert response.status == status
        assert response.header("content-type").startswith("application/json")
        check_openai(response)
    for path in ANTHROPIC:
        response = site.call("POST", path, b"{}", **how)
        assert response.status == status
        check_anthropic(response, KINDS[status])


LONG = "a" * 70_000
REFUSED_HEADS = {
    "GET @ HTTP/1.1\r\nHost : a\r\n\r\n": (400, "invalid_request_error"),
    "GET @ HTTP/1.1\r\n\r\n": (400, "invalid_request_error"),
    "POST @ HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n": (400, "invalid_request_error"),
    f"POST @ HTTP/1.1\r\nHost: a\r\nContent-Length: {10**19}\r\n\r\n": (413, "request_too_large"),
    f"GET @?{LONG} HTTP/1.1\r\nHost: a\r\n\r\n": (414, "invalid_request_error"),
    "POST @ HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\n": (417, "invalid_request_error"),
    f"GET @ HTTP/1.1\r\nHost: a\r\nX: {LONG}\r\n\r\n": (431, "invalid_request_error"),
    "POST @ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n": (501, "api_error"),
    "TRACE @ HTTP/1.1\r\nHost: a\r\n\r\n": (501, "api_error"),
    "GET @ HTTP/2.0\r\nHost: a\r\n\r\n": (505, "api_error"),
}


@pytest.mark.parametrize("head", REFUSED_HEADS, ids=[head[:60] for head in REFUSED_HEADS])
def test_shapes_of_refused_heads(site, head):
    """The path is told by what there is of the head."""
    status, kind = REFUSED_HEADS[head]
    for target, is_anthropic in [
        ("/v1/messages", True),
        ("/v1/messages/batches", True),
        ("http://a.test/v1/messages", True),
        ("/v1/messagesx", False),
        ("/v1/chat/completions", False),
    ]:
        with site.connect() as connection:
            connection.send_if_open(head.replace("@", target).encode())
            response = connection.read_response()
        assert response.status == status
        if is_anthropic:
            check_anthropic(response, kind)
        else:
            check_openai(response)


def test_head_gets_no_body(site):
    connection = site.connect()
    response = connection.request("HEAD", "/none", site.headers())
    assert response.status == 404 and int(response.header("content-length")) > 0
    assert connection.request("HEAD", "/none", site.headers()).status == 404


@pytest.mark.parametrize("head", [head.replace("GET", "HEAD") for head in REFUSED_HEADS if head.startswith("GET")])
@pytest.mark.parametrize("is_admin", [False, True])
def test_refused_head_requests_get_no_body(site, head, is_admin):
    """RFC 9110 9.3.2: not even from a head that is no valid one."""
    gateway = site.gateway
    with Connection(gateway.admin_port if is_admin else gateway.port) as connection:
        connection.send_if_open(head.replace("@", "/").encode())
        response = connection.read_response("HEAD")
        assert response.status >= 400 and int(response.header("content-length")) > 0
        assert connection.wait_closed()


def test_messages_do_not_echo_raw_input(site):
    """What the client sent comes back, if at all, only as valid JSON."""
    response = site.call(target='/none?"<script>\\'.replace("\\", "%5C").replace('"', "%22"))
    assert response.status == 404
    assert b"<script>" not in response.body


def test_upstream_errors_are_left_as_they_are(site):
    site.route()
    theirs = b'{"error": {"message":"theirs"}}\n'
    site.upstream.handler = lambda exchange: exchange.answer(404, theirs)
    response = site.call("POST", "/v1/messages", b"{}")
    assert (response.status, response.body) == (404, theirs)


@pytest.mark.parametrize("start", [b"", b"\r\n"])
@pytest.mark.parametrize("path", [b"/", b"/v1/messages"])
def test_a_refused_head_request_gets_no_content(site, start, path):
    """RFC 9110 section 9.3.2, also where the head is no valid one."""
    with site.connect() as connection:
        connection.send(start + b"HEAD " + path + b" HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        response = connection.read_response("HEAD")
        assert response.status == 400 and int(response.header("content-length")) > 0
        assert connection.wait_closed()
