"""The harness against itself, with no gateway between: what it would report about one must be true."""

import pytest

from harness import Connection, Truncated, Upstream
from harness.client import Malformed, chunked_bytes, request_bytes


def ask(upstream, data, method="GET"):
    with Connection(upstream.port, timeout=5) as connection:
        connection.send(data)
        return connection.read_response(method)


HEADERS = [("Host", "a"), ("X-Case", "Kept")]


def test_bytes_are_recorded_as_sent(upstream):
    data = request_bytes("POST", "/x?y", HEADERS, chunks=[b"ab", b"c"])
    assert ask(upstream, data).body == b'{"ok":true}'
    assert upstream.raw == data
    request = upstream.wait_requests()
    assert (request.target, request.body, request.headers[1]) == ("/x?y", b"abc", ("X-Case", "Kept"))


def test_scripts_are_taken_in_order(upstream):
    upstream.then(lambda e: e.answer(503), lambda e: e.answer(201, b"x"))
    statuses = [ask(upstream, request_bytes("GET", "/", HEADERS)).status for _ in range(3)]
    assert statuses == [503, 201, 200]


def test_all_framings_are_read(upstream):
    def chunked(exchange):
        exchange.head(200, [("Transfer-Encoding", "chunked")])
        exchange.send_slowly(chunked_bytes([b"he", b"llo"], [("X-T", "1")]))

    def closed(exchange):
        exchange.head(200, [])
        exchange.send(b"hello")
        exchange.close()

    upstream.then(chunked, closed, lambda e: e.answer(200, b"hello"))
    for framing in ("chunked", "close", "length"):
        response = ask(upstream, request_bytes("GET", "/", HEADERS))
        assert (response.framing, response.body, response.complete) == (framing, b"hello", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho",
        b"HTTP/1.1 200 OK\r\nContent-",
    ],
)
def test_short_answers_are_noticed(upstream, answer):
    upstream.handler = lambda exchange: (exchange.send(answer), exchange.close())
    with pytest.raises(Truncated):
        ask(upstream, request_bytes("GET", "/", HEADERS))


def test_a_reset_is_noticed(upstream):
    upstream.handler = lambda exchange: (exchange.head(200, []), exchange.send(b"x"), exchange.reset())
    with pytest.raises(Truncated):
        ask(upstream, request_bytes("GET", "/", HEADERS))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n",
    ],
)
def test_malformed_answers_are_noticed(upstream, answer):
    upstream.handler = lambda exchange: (exchange.send(answer), exchange.close())
    with pytest.raises(Malformed):
        ask(upstream, request_bytes("GET", "/", HEADERS))


def test_pipelined_requests_are_told_apart(upstream):
    upstream.handler = lambda exchange: exchange.answer(200, exchange.request.target.encode())
    with Connection(upstream.port) as connection:
        connection.send(b"".join(request_bytes("POST", f"/{i}", HEADERS, b"x" * i) for i in range(5)))
        assert [connection.read_response().body for _ in range(5)] == [b"/%d" % i for i in range(5)]


def test_a_broken_request_is_an_error_of_the_sender():
    upstream = Upstream()
    with Connection(upstream.port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.wait_closed()
    upstream.close()
    assert upstream.errors
