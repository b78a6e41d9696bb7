"""HTTP/1.1 as clients and upstreams really speak it: persistence, pipelining, 1.0, bodiless answers, 1xx, trailers."""

import re
import time
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from harness import free_port
from harness.client import chunked_bytes
from harness.upstream import Signal


def echo_target(exchange):
    exchange.answer(200, exchange.request.target.encode())


def test_one_connection_many_requests(site):
    site.route()
    site.upstream.handler = echo_target
    connection = site.connect()
    for i in range(50):
        assert connection.request("GET", f"/{i}", site.headers()).body == b"/%d" % i
    assert len(site.upstream.connections) == 1


def test_pipelined_requests_are_answered_in_order(site):
    site.route()
    site.upstream.handler = echo_target
    connection = site.connect()
    requests = [site.bytes("GET", "/1"), site.bytes("POST", "/2", body=b"abc")]
    requests += [site.bytes("POST", "/3", chunks=[b"d", b"ef"]), site.bytes("HEAD", "/4"), site.bytes("GET", "/5")]
    connection.send(b"".join(requests))
    methods = ["GET", "POST", "POST", "HEAD", "GET"]
    bodies = [connection.read_response(method).body for method in methods]
    assert bodies == [b"/1", b"/2", b"/3", b"", b"/5"]
    assert [r.body for r in site.upstream.requests] == [b"", b"abc", b"def", b"", b""]


def test_pipelined_request_waits_for_a_slow_answer(site):
    site.route()
    step = Signal()
    site.upstream.then(lambda exchange: (step.wait(), echo_target(exchange)))
    site.upstream.handler = echo_target
    connection = site.connect()
    connection.send(site.bytes("GET", "/slow") + site.bytes("GET", "/fast"))
    site.upstream.wait(lambda u: u.requests)
    assert len(site.upstream.requests) == 1
    step.go()
    assert [connection.read_response().body for _ in range(2)] == [b"/slow", b"/fast"]


def test_pipelined_after_an_error(site):
    site.route(match_path="/ok")
    connection = site.connect()
    connection.send(site.bytes("GET", "/none") + site.bytes("GET", "/ok"))
    assert [connection.read_response().status for _ in range(2)] == [404, 200]


def test_a_hundred_pipelined(site):
    site.route()
    site.upstream.handler = echo_target
    connection = site.connect()
    connection.send(b"".join(site.bytes("GET", f"/{i}") for i in range(100)))
    assert [connection.read_response().body for _ in range(100)] == [b"/%d" % i for i in range(100)]


def test_connection_close_is_obeyed(site):
    site.route()
    connection = site.connect()
    response = connection.request("GET", "/", site.headers([("Connection", "close")]))
    assert "close" in (response.header("connection") or "").lower()
    assert connection.wait_closed()


def test_upstream_connections_are_shared_by_clients(site):
    site = site
    site.route()
    # One client after the other: an idle connection of the same worker is used again.
    for _ in range(20):
        assert site.call().status == 200
    assert len(site.upstream.connections) <= 2, "one a worker at most"


def test_upstream_close_is_obeyed(site):
    site.route()

    def script(exchange):
        exchange.answer(200, b"bye", headers=[("Connection", "close")])
        exchange.close()

    site.upstream.handler = script
    connection = site.connect()
    for _ in range(3):
        response = connection.request("GET", "/", site.headers())
        assert (response.status, response.body) == (200, b"bye")
    assert len(site.upstream.connections) == 3


# HTTP/1.0


def test_http10_client(site):
    site.route()
    connection = site.connect()
    response = connection.request("GET", "/", site.headers(), version="HTTP/1.0")
    assert response.status == 200 and response.body == b'{"ok":true}'
    assert connection.wait_closed()
    assert site.upstream.wait_requests().version == "1.1"


def test_http10_client_never_gets_chunks(site):
    site.route()

    def script(exchange):
        exchange.head(200, [("Transfer-Encoding", "chunked")])
        for piece in (b"one", b"two"):
            exchange.chunk(piece)
        exchange.last_chunk()

    site.upstream.handler = script
    connection = site.connect()
    connection.send(site.bytes("GET", "/", version="HTTP/1.0"))
    response = connection.read_response()
    assert response.framing in ("close", "length") and response.body == b"onetwo"
    assert connection.wait_closed()


def test_http10_client_without_host(site):
    site.route()
    connection = site.connect()
    headers = site.headers(without=("host",))
    assert connection.request("GET", "/", headers, version="HTTP/1.0").status == 200
    assert site.upstream.wait_requests().header("host") == site.upstream.host


@pytest.mark.parametrize("length", [True, False])
def test_http10_upstream(site, length):
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Length", "3")] if length else [], version="HTTP/1.0")
        exchange.send(b"old")
        exchange.close()

    site.upstream.handler = script
    connection = site.connect()
    for _ in range(2):
        response = connection.request("GET", "/", site.headers())
        assert response.body == b"old" and response.version == "1.1"
        if response.framing == "close":
            connection = site.connect()
    assert len(site.upstream.connections) == 2, "an HTTP/1.0 connection is not used again"


# Answers without a body


def test_head(site):
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(200, b"12345")
    connection = site.connect()
    response = connection.request("HEAD", "/", site.headers())
    assert response.status == 200 and response.header("content-length") == "5"
    assert connection.request("GET", "/", site.headers()).body == b"12345"


def test_head_of_a_chunked_answer(site):
    site.route()
    site.upstream.handler = lambda exchange: exchange.head(200, [("Transfer-Encoding", "chunked")])
    connection = site.connect()
    for _ in range(2):
        assert connection.request("HEAD", "/", site.headers()).status == 200
    assert len(site.upstream.connections) == 1


@pytest.mark.parametrize("status, headers", [(204, []), (304, []), (304, [("Content-Length", "99"), ("ETag", '"x"')])])
def test_answers_without_body(site, status, headers):
    site.route()
    site.upstream.then(lambda exchange: exchange.head(status, headers, reason="-"))
    connection = site.connect()
    response = connection.request("GET", "/", site.headers())
    assert response.status == status and response.body == b""
    assert not (status == 204 and response.all("content-length"))
    assert connection.request("GET", "/", site.headers()).body == b'{"ok":true}'


# 1xx and Expect


def test_expect_continue(site):
    site.route()
    connection = site.connect()
    connection.send_head("POST", "/", site.headers([("Content-Length", "5"), ("Expect", "100-continue")]))
    assert connection.read_one_head().status == 100
    connection.send(b"hello")
    response = connection.read_response("POST")
    assert response.status == 200 and not response.interim
    assert site.upstream.wait_requests().body == b"hello"


def test_expect_continue_with_a_route_that_reads_the_body(site):
    site.route(match_body_schema={"model": "m"})
    connection = site.connect()
    body = b'{"model":"m"}'
    connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body))), ("Expect", "100-continue")]))
    assert connection.read_one_head().status == 100
    connection.send(body)
    assert connection.read_response("POST").status == 200
    assert site.upstream.wait_requests().body == body


def test_expect_continue_is_refused_without_asking_for_the_body(site):
    site.route(match_path="/ok")
    connection = site.connect()
    for path, key, status in (("/ok", "fg_wrong", 401), ("/none", "", 404)):
        with site.connect() as connection:
            headers = site.headers([("Content-Length", "5"), ("Expect", "100-continue")], key=key)
            connection.send_head("POST", path, headers)
            response = connection.read_response("POST")
            assert response.status == status and not response.interim
    assert not site.upstream.requests


def test_unknown_expectation_is_417(site):
    site.route()
    response = site.call("POST", "/", b"x", [("Expect", "a-miracle")])
    assert response.status == 417
    assert not site.upstream.requests


def test_interim_answers_go_through(site):
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(103, [("Link", "</a.css>; rel=preload")], reason="Early Hints")
        exchange.head(103, [("Link", "</b.css>; rel=preload")], reason="Early Hints")
        exchange.answer(200, b"final")

    site.upstream.handler = script
    response = site.call()
    assert [(i.status, i.header("link")) for i in response.interim] == [
        (103, "</a.css>; rel=preload"),
        (103, "</b.css>; rel=preload"),
    ]
    assert response.body == b"final"


def test_http10_client_gets_no_interim_answers(site):
    site.route()
    site.upstream.handler = lambda e: (e.head(103, [("Link", "<x>")], reason="Early Hints"), e.answer(200, b"final"))
    response = site.connect().request("GET", "/", site.headers(), version="HTTP/1.0")
    assert not response.interim and response.body == b"final"


def test_early_final_answer_to_an_upload(site):
    """The upstream answers before the body is whole: the client gets that answer, and the connection is not reused."""
    site.route()

    def script(exchange):
        exchange.read_piece()
        exchange.head(403, [("Content-Length", "2")])
        exchange.send(b"no")
        exchange.wait_gone()
        exchange.keep = False

    site.upstream.then(script)
    connection = site.connect()
    connection.send_head("POST", "/", site.headers([("Content-Length", "1000000")]))
    connection.send(b"x" * 1000)
    response = connection.read_response("POST")
    assert (response.status, response.body) == (403, b"no")
    assert site.call().status == 200
    assert len(site.upstream.connections) == 2


# Trailers


def test_response_trailers(site):
    site.route()

    def script(exchange):
        exchange.head(200, [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
        exchange.chunk(b"abc")
        exchange.last_chunk([("X-Sum", "900150983cd24fb0")])

    site.upstream.handler = script
    connection = site.connect()
    response = connection.request("GET", "/", site.headers([("TE", "trailers"), ("Connection", "TE")]))
    assert response.trailers == [("X-Sum", "900150983cd24fb0")]
    assert connection.request("GET", "/", site.headers()).body == b"abc"


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("body", [b"abc", b"", b"x" * 200_000])
def test_request_trailers(site, body, whole):
    """They go on whether the request came at once or was on its way before they came."""
    site.route()
    connection = site.connect()
    head = site.bytes("POST", "/", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
    rest = chunked_bytes([body] if body else [], [("X-Sum", "1"), ("X-Api-Token-Note", "a b")])
    if whole:
        connection.send(head + rest)
    else:
        connection.send(head)
        site.upstream.wait(lambda u: u.requests)
        connection.send(rest)
    request_id = connection.read_response("POST").request_id
    request = site.upstream.wait_requests()
    assert request.body == body
    assert request.trailers == [("X-Sum", "1"), ("X-Api-Token-Note", "a b")]
    assert "x-sum" not in request.names and request.header("trailer") == "X-Sum"
    assert site.gateway.audit(request_id)["request_size"] == len(body)
    # What comes next on either connection is a request again.
    assert connection.request("POST", "/next", site.headers(), b"more").status == 200
    assert site.upstream.wait_requests(2).body == b"more"


def test_request_trailers_with_a_changed_body_and_a_second_attempt(site):
    site.route(add_body_fields={"model": "b"}, match_body_schema={"model": "a"}, retry_count=1)
    site.upstream.then(lambda exchange: exchange.answer(503))
    connection = site.connect()
    head = site.bytes("POST", "/", [("Transfer-Encoding", "chunked")])
    connection.send(head + chunked_bytes([b'{"mod', b'el":"a"}'], [("X-Sum", "1")]))
    assert connection.read_response("POST").status == 200
    for request in site.upstream.requests:
        assert (request.body, request.trailers) == (b'{"model":"b"}', [("X-Sum", "1")])
    assert len(site.upstream.requests) == 2


# Names


def test_request_id_of_the_client_is_kept(site):
    site.route()
    response = site.call(headers=[("X-Request-Id", "abc-DEF_123.4")])
    assert response.request_id == "abc-DEF_123.4"


@pytest.mark.parametrize("value", [None, "has space", "x" * 5000, 'quote"', ""])
def test_request_id_is_made_when_there_is_no_valid_one(site, value):
    site.route()
    response = site.call(headers=[("x-request-id", value)] if value is not None else [])
    assert response.status == 200
    assert re.fullmatch(r"req_[0-9a-f]{12}", response.request_id)


def test_request_ids_differ(site):
    site.route()
    connection = site.connect()
    assert len({connection.request("GET", "/", site.headers()).request_id for _ in range(50)}) == 50


def test_names_are_on_every_answer(site):
    site.route(match_path="/ok")
    for target, key in (("/ok", ""), ("/none", ""), ("/ok", None)):
        response = site.call(target=target, key=key)
        assert response.request_id
        assert re.fullmatch(r"FastGate/\d+\.\d+\.\d+", response.header("x-proxied-by"))


def test_own_answers_have_a_date_and_forwarded_ones_their_own(site):
    site.route(match_path="/ok")
    site.route(match_path="/dead", target_host=f"127.0.0.1:{free_port()}")
    theirs = "Sun, 06 Nov 1994 08:49:37 GMT"
    preflight = [("Origin", "https://a.test"), ("Access-Control-Request-Method", "POST")]
    own = {
        200: lambda: site.call(target="/health"),
        204: lambda: site.call("OPTIONS", "/ok", headers=preflight),
        400: lambda: site.call(headers=[("bad name", "x")]),
        401: lambda: site.call(key=None),
        404: lambda: site.call(target="/none"),
        502: lambda: site.call(target="/dead"),
    }
    for status, ask in own.items():
        before = int(time.time())
        response = ask()
        assert response.status == status
        said = parsedate_to_datetime(response.header("date"))
        assert before <= said.timestamp() <= time.time(), (status, said)
        assert format_datetime(said, usegmt=True) == response.header("date")
    site.upstream.then(lambda e: e.answer(200, headers=[("Date", theirs)]), lambda e: e.answer(200))
    assert site.call(target="/ok").header("date") == theirs
    assert site.call(target="/ok").header("date") is None


def test_request_id_of_the_upstream_gives_way(site):
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(200, headers=[("x-request-id", "theirs")])
    response = site.call(headers=[("x-request-id", "mine")])
    assert response.request_id == "mine"


def test_health_needs_no_key(site):
    status, body = site.gateway.health(site.gateway.port)
    assert status == 200 and body == {"status": "ok", "name": "FastGate"}


def test_absolute_form_wins_over_host(site):
    """RFC 9112 section 3.2.2. The upstream gets the route's own host in either case."""
    site.route()
    assert site.call(target="http://other.test/abs").status == 200
    request = site.upstream.wait_requests()
    assert request.target == "/abs" and request.header("host") == site.upstream.host


def test_absolute_form(site):
    site.route()
    assert site.call(target="http://gateway.test/abs?x=1").status == 200
    assert site.upstream.wait_requests().target == "/abs?x=1"


@pytest.mark.parametrize("query", ["", "?x=1"])
def test_absolute_form_without_a_path_means_the_root(site, query):
    """RFC 9112 section 3.2.1: by the route for "/" as well, and in the audit."""
    root = site.new_upstream()
    site.route(root, match_path="/", priority=1)
    site.route(site.new_upstream(), match_path="*", priority=2)
    request_id = site.new_id()
    answer = site.call(target="http://gateway.test" + query, headers=[("x-request-id", request_id)])
    assert answer.status == 200 and [request.target for request in root.requests] == ["/" + query]
    assert site.gateway.audit(request_id)["path"] == "/" + query


def test_connect_and_trace_are_refused(site):
    site.route()
    for method, target in (("CONNECT", "example.com:443"), ("TRACE", "/")):
        with site.connect() as connection:
            connection.send(site.bytes(method, target))
            assert connection.read_response("GET").status in (400, 405, 501)
    assert not site.upstream.requests
