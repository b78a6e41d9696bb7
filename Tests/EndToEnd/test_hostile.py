"""SPEC: hostile input. Refused with the right status, the connection closed, and no byte of it upstream."""

import pytest

from harness.client import Malformed, Truncated

HOST = b"Host: gateway.test\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST


def lines(*extra: bytes, start: bytes = b"GET / HTTP/1.1\r\n" + HOST) -> bytes:
    return start + b"".join(line + b"\r\n" for line in extra) + b"@@\r\n"


# name, bytes (@@: this test's own headers, key included), statuses that are right
CASES = [
    # Framing
    ("duplicate CL, same", POST + b"Content-Length: 5\r\nContent-Length: 5\r\n@@\r\nhello", {400}),
    ("duplicate CL, different", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n@@\r\nhello", {400}),
    ("CL list", POST + b"Content-Length: 5, 5\r\n@@\r\nhello", {400}),
    ("CL negative", POST + b"Content-Length: -5\r\n@@\r\nhello", {400}),
    ("CL plus", POST + b"Content-Length: +5\r\n@@\r\nhello", {400}),
    ("CL hex", POST + b"Content-Length: 0x5\r\n@@\r\nhello", {400}),
    ("CL empty", POST + b"Content-Length: \r\n@@\r\nhello", {400}),
    ("CL with inner space", POST + b"Content-Length: 1 5\r\n@@\r\nhello", {400}),
    ("CL overflow", POST + b"Content-Length: 99999999999999999999999\r\n@@\r\nhello", {400, 413}),
    ("CL wraps 2^64", POST + b"Content-Length: 18446744073709551621\r\n@@\r\nhello", {400, 413}),
    ("CL and TE", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n@@\r\n0\r\n\r\n", {400}),
    ("TE and CL", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n@@\r\n0\r\n\r\n", {400}),
    ("TE unknown", POST + b"Transfer-Encoding: xchunked\r\n@@\r\n0\r\n\r\n", {400, 501}),
    ("TE gzip", POST + b"Transfer-Encoding: gzip\r\n@@\r\n0\r\n\r\n", {400, 501}),
    ("TE chunked not last", POST + b"Transfer-Encoding: chunked, gzip\r\n@@\r\n0\r\n\r\n", {400, 501}),
    ("TE gzip, chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n@@\r\n0\r\n\r\n", {400, 501}),
    ("TE chunked twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n@@\r\n0\r\n\r\n", {400}),
    ("TE chunked, identity", POST + b"Transfer-Encoding: chunked, identity\r\n@@\r\n0\r\n\r\n", {400, 501}),
    ("TE quoted", POST + b'Transfer-Encoding: "chunked"\r\n@@\r\n0\r\n\r\n', {400, 501}),
    ("TE vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n@@\r\n0\r\n\r\n", {400, 501}),
    ("TE empty", POST + b"Transfer-Encoding: \r\n@@\r\n0\r\n\r\n", {400, 501}),
    ("TE in HTTP/1.0", POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n@@\r\n0\r\n\r\n", {400}),
    # Head syntax
    ("obs-fold", lines(b"X-A: 1", b" folded"), {400}),
    ("obs-fold with tab", lines(b"X-A: 1", b"\tfolded"), {400}),
    ("fold before the first header", b"GET / HTTP/1.1\r\n " + HOST + b"@@\r\n", {400}),
    ("space before colon", lines(b"X-A : 1"), {400}),
    ("tab before colon", lines(b"X-A\t: 1"), {400}),
    ("no colon", lines(b"X-A"), {400}),
    ("empty name", lines(b": 1"), {400}),
    ("name with a control byte", lines(b"X-\x01A: 1"), {400}),
    ("name with an umlaut", lines(b"X-\xc3\xa4: 1"), {400}),
    ("name with a parenthesis", lines(b"X(A): 1"), {400}),
    ("NUL in value", lines(b"X-A: a\0b"), {400}),
    ("control byte in value", lines(b"X-A: a\x01b"), {400}),
    ("DEL in value", lines(b"X-A: a\x7fb"), {400}),
    ("bare CR in value", lines(b"X-A: a\rX-B: b"), {400}),
    ("bare CR at the end", lines(b"X-A: a\r"), {400}),
    ("bare LF", b"GET / HTTP/1.1\n" + HOST + b"@@\r\n", {400}),
    ("bare LF between headers", b"GET / HTTP/1.1\r\nX-A: 1\n" + HOST + b"@@\r\n", {400}),
    ("bare LF ends the head", POST + b"@@\n", {400}),
    ("NUL in the request line", b"GET /\0 HTTP/1.1\r\n" + HOST + b"@@\r\n", {400}),
    # Host
    ("no Host", b"GET / HTTP/1.1\r\n@@\r\n", {400}),
    ("two Host", lines(HOST[:-2]), {400}),
    ("Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n@@\r\n", {400}),
    ("Host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n@@\r\n", {400}),
    ("Host with userinfo", b"GET / HTTP/1.1\r\nHost: u@a\r\n@@\r\n", {400}),
    ("Host list", b"GET / HTTP/1.1\r\nHost: a, b\r\n@@\r\n", {400}),
    # Request line
    ("no version", lines(start=b"GET /\r\n" + HOST), {400}),
    ("lower-case version", lines(start=b"GET / http/1.1\r\n" + HOST), {400}),
    ("HTTP/2.0", lines(start=b"GET / HTTP/2.0\r\n" + HOST), {505}),
    ("HTTP/1.10", lines(start=b"GET / HTTP/1.10\r\n" + HOST), {400, 505}),
    ("two spaces", lines(start=b"GET  / HTTP/1.1\r\n" + HOST), {400}),
    ("tab as separator", lines(start=b"GET\t/ HTTP/1.1\r\n" + HOST), {400}),
    ("space in the target", lines(start=b"GET /a b HTTP/1.1\r\n" + HOST), {400}),
    ("trailing space", lines(start=b"GET / HTTP/1.1 \r\n" + HOST), {400}),
    ("bad method", lines(start=b"G(ET / HTTP/1.1\r\n" + HOST), {400}),
    ("relative target", lines(start=b"GET v1 HTTP/1.1\r\n" + HOST), {400}),
    ("fragment", lines(start=b"GET /a#b HTTP/1.1\r\n" + HOST), {400}),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400}),
    # Path: what is matched is what is forwarded, so nothing may mean something else upstream
    ("dot segment", lines(start=b"GET /a/../b HTTP/1.1\r\n" + HOST), {400}),
    ("dot segment at the end", lines(start=b"GET /a/.. HTTP/1.1\r\n" + HOST), {400}),
    ("single dot segment", lines(start=b"GET /a/./b HTTP/1.1\r\n" + HOST), {400}),
    ("encoded dot segment", lines(start=b"GET /a/%2e%2e/b HTTP/1.1\r\n" + HOST), {400}),
    ("half encoded dot segment", lines(start=b"GET /a/.%2E/b HTTP/1.1\r\n" + HOST), {400}),
    ("encoded slashes", lines(start=b"GET /a%2f..%2fb HTTP/1.1\r\n" + HOST), {400}),
    ("encoded backslash", lines(start=b"GET /a%5c..%5cb HTTP/1.1\r\n" + HOST), {400}),
    ("backslash", lines(start=b"GET /a\\..\\b HTTP/1.1\r\n" + HOST), {400}),
    ("encoded NUL", lines(start=b"GET /a%00 HTTP/1.1\r\n" + HOST), {400}),
    ("bad escape", lines(start=b"GET /a%zz HTTP/1.1\r\n" + HOST), {400}),
    ("cut escape", lines(start=b"GET /a%4 HTTP/1.1\r\n" + HOST), {400}),
    # Chunks
    ("chunk size not hex", POST + b"Transfer-Encoding: chunked\r\n@@\r\nxyz\r\nhello\r\n0\r\n\r\n", {400}),
    ("chunk size negative", POST + b"Transfer-Encoding: chunked\r\n@@\r\n-5\r\nhello\r\n0\r\n\r\n", {400}),
    ("chunk size 0x", POST + b"Transfer-Encoding: chunked\r\n@@\r\n0x5\r\nhello\r\n0\r\n\r\n", {400}),
    ("chunk size overflow", POST + b"Transfer-Encoding: chunked\r\n@@\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n", {400, 413}),
    ("chunk size empty", POST + b"Transfer-Encoding: chunked\r\n@@\r\n\r\nhello\r\n0\r\n\r\n", {400}),
    ("chunk bare LF", POST + b"Transfer-Encoding: chunked\r\n@@\r\n5\nhello\r\n0\r\n\r\n", {400}),
    ("chunk without CRLF after data", POST + b"Transfer-Encoding: chunked\r\n@@\r\n5\r\nhelloX\r\n0\r\n\r\n", {400}),
    ("chunk space before size", POST + b"Transfer-Encoding: chunked\r\n@@\r\n 5\r\nhello\r\n0\r\n\r\n", {400}),
    ("chunk bare CR in the extension", POST + b"Transfer-Encoding: chunked\r\n@@\r\n5;a\rb\r\nhello\r\n0\r\n\r\n", {400}),
    ("trailer with CL", POST + b"Transfer-Encoding: chunked\r\n@@\r\n5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n", {400}),
    ("trailer malformed", POST + b"Transfer-Encoding: chunked\r\n@@\r\n5\r\nhello\r\n0\r\nX : 1\r\n\r\n", {400}),
    # Too much
    ("long target", lines(start=b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST), {414, 431}),
    ("long header", lines(b"X-A: " + b"a" * 70_000), {431}),
    ("many headers", lines(*[b"X-%d: 1" % i for i in range(200)]), {431}),
    ("endless head", b"GET / HTTP/1.1\r\n" + HOST + b"X-A: 1\r\n" * 12_000, {431}),
    ("endless method", b"A" * 100_000, {400, 414, 431, 501}),
    ("endless chunk extension", POST + b"Transfer-Encoding: chunked\r\n@@\r\n5;" + b"a" * 100_000, {400, 413, 431}),
    (
        "endless trailer",
        POST + b"Transfer-Encoding: chunked\r\n@@\r\n5\r\nhello\r\n0\r\n" + b"X-A: 1\r\n" * 12_000,
        {400, 413, 431},
    ),
]

BODY_CASES = ("chunk", "trailer", "endless chunk", "endless trailer")


@pytest.mark.parametrize("name, data, statuses", CASES, ids=[case[0] for case in CASES])
def test_refused_closed_and_nothing_upstream(site, name, data, statuses):
    site.route()
    own = b"x-test: %b\r\nAuthorization: Bearer %b\r\n" % (site.name.encode(), site.key.encode())
    with site.connect() as connection:
        connection.send_if_open(data.replace(b"@@", own))
        response = connection.read_response()
        assert response.status in statuses, response
        assert connection.wait_closed(), f"more after the refusal: {bytes(connection.buffer[:200])!r}"
    if name.startswith(BODY_CASES):
        # A head that is right may be on its way already; the broken body must never look whole.
        assert not any(request.complete for request in site.upstream.requests)
    else:
        assert not site.upstream.requests and not site.upstream.bytes_received
    # The gateway is as it was.
    site.upstream.handler = lambda exchange: exchange.answer(200, b"fine")
    assert site.call().body == b"fine"


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n@@\r\n"


@pytest.mark.parametrize(
    "front",
    [
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n@@\r\n0\r\n\r\nG",
        POST + b"Content-Length: 3\r\nContent-Length: 0\r\n@@\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n@@\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n@@\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\n\r\n@@\r\n",
    ],
    ids=["CL and TE", "two CL", "two TE", "space before colon", "bare LF"],
)
def test_nothing_is_smuggled_behind_a_refusal(site, front):
    site.route()
    own = b"x-test: %b\r\nAuthorization: Bearer %b\r\n" % (site.name.encode(), site.key.encode())
    with site.connect() as connection:
        connection.send_if_open((front + SMUGGLED).replace(b"@@", own))
        assert connection.read_response().status in (400, 501)
        assert connection.wait_closed()
    assert b"smuggled" not in site.upstream.raw


def test_one_empty_line_before_a_request_is_fine(site):
    site.route()
    connection = site.connect()
    connection.send(b"\r\n" + site.bytes("GET", "/"))
    assert connection.read_response().status == 200


def test_a_post_with_neither_length_nor_coding_has_no_body(site):
    """RFC 9112 section 6.3: it is forwarded so."""
    site.route()
    assert site.call("POST", "/").status == 200
    request = site.upstream.wait_requests()
    assert request.body == b"" and not {"content-length", "transfer-encoding"} & set(request.names)


def test_refusals_of_a_parsed_head_are_json(site):
    with site.connect() as connection:
        connection.send(POST + b"Content-Length: x\r\n\r\n")
        response = connection.read_response()
    assert response.header("content-type").startswith("application/json")
    assert response.json()["error"]["message"]


# The other side: what a broken upstream sends must not pass for an answer.

BROKEN_HEADS = [
    b"garbage\r\n\r\n",
    b"HTTP/1.1 OK\r\n\r\n",
    b"HTTP/1.1 99 Low\r\n\r\n",
    b"HTTP/3.0 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
]


@pytest.mark.parametrize("head", BROKEN_HEADS, ids=range(len(BROKEN_HEADS)))
def test_broken_upstream_heads_are_502(site, head):
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.send(head)
        exchange.close()

    site.upstream.handler = script
    response = site.call()
    assert response.status == 502, response
    row = site.gateway.audit(response.request_id)
    assert row["status_code"] == 502 and row["error_message"]


@pytest.mark.parametrize("rest", [b"zz\r\nabc", b"5\r\nhelloXX0\r\n\r\n", b"-1\r\n", b"fffffffffffffffff\r\n"])
def test_broken_upstream_chunks_are_cut_short(site, rest):
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Transfer-Encoding", "chunked")])
        exchange.chunk(b"data")
        exchange.send(rest)
        exchange.close()

    site.upstream.handler = script
    request_id = site.new_id()
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
        # Seen in the same read as the head, it may be a whole 502 instead.
        response = connection.read_head()
        if response.status != 502:
            with pytest.raises((Truncated, Malformed)):
                while connection.read_piece(response):
                    pass
            assert not response.complete
    assert site.gateway.audit(request_id)["error_message"]


def test_extra_bytes_after_an_answer_poison_nothing(site):
    site.route()
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    site.upstream.then(lambda exchange: (exchange.read_body(), exchange.send(evil)))
    connection = site.connect()
    assert connection.request("GET", "/1", site.headers()).body == b"ok"
    for _ in range(3):
        assert connection.request("GET", "/2", site.headers()).body == b'{"ok":true}'


def test_a_key_is_allowed_both_readings_of_a_path(site):
    site.route()
    key = site.new_key(permissions=["/a/*/c"])["key_value"]
    for target, status in (("/a/b/c", 200), ("/a/b%2Fd/c", 200), ("/a//c", 403), ("/a;x/b/c", 403)):
        with site.connect() as connection:
            headers = [("Host", "gateway.test"), ("x-test", site.name), ("Authorization", f"Bearer {key}")]
            assert connection.request("GET", target, headers).status == status, target


def test_both_readings_lead_to_the_same_route_or_nowhere(site):
    """As written the path is forwarded, byte for byte, or it is not forwarded at all."""
    site.route(match_path="/admin/*", target_path="/secret", priority=1)
    site.route(priority=2)
    for target in ("/files//a", "/files/%61", "/files/a%2Fb", "/files;v=1/a", "/files/a%20b", "/files/%C3%A4"):
        site.upstream.clear()
        assert site.call(target=target).status == 200, target
        assert [request.target for request in site.upstream.requests] == [target]
    site.upstream.clear()
    for target in ("//admin/a", "/%61dmin/a", "/admin%2fa", "/admin;v=1/a", "/admin%252fa", "/x%2f..%2fadmin/a"):
        assert site.call(target=target).status == 400, target
    assert site.call(target="/admin//a").status == 200
    assert [request.target for request in site.upstream.requests] == ["/secret"]


def test_explaining_a_route_says_the_same(site):
    site.route(match_path="/admin/*", priority=1)
    site.route(priority=2)
    body = {"method": "GET", "path": "//admin/a", "headers": {"x-test": site.name}}
    assert "two ways" in str(site.gateway.admin("POST", "/admin/routes/match", body))
