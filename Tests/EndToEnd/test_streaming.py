"""SPEC: streaming. Lock-step: the upstream sends the next piece only after the client has shown it has the last."""

import hashlib
import selectors
import socket
import threading
import time

import pytest

from harness import Truncated
from harness.upstream import Signal

EVENTS = [b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % i for i in range(20)] + [b"data: [DONE]\n\n"]
SSE = ("Content-Type", "text/event-stream")
CHUNKED = ("Transfer-Encoding", "chunked")


def lock_step(site, headers, send, end=lambda exchange: None, pieces=EVENTS):
    """Streams the pieces one by one; returns the response read by the client."""
    step = Signal()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, headers)
        for piece in pieces:
            step.wait()
            send(exchange, piece)
        step.wait()
        end(exchange)

    site.upstream.handler = script
    connection = site.connect()
    body = b'{"model":"m","stream":true}'
    connection.send(site.bytes("POST", "/v1/chat/completions", body=body))
    response = connection.read_head("POST")
    for piece in pieces:
        step.go()
        assert connection.read_until(response, piece) == piece
    step.go()
    assert connection.read_piece(response) == b""
    assert response.complete and response.body == b"".join(pieces)
    return response


def test_chunked_events_arrive_one_by_one(site):
    site.route()
    response = lock_step(site, [SSE, CHUNKED], lambda e, p: e.chunk(p), lambda e: e.last_chunk())
    assert response.header("content-type") == "text/event-stream"


def test_close_delimited_events_arrive_one_by_one(site):
    site.route()
    lock_step(site, [SSE, ("Connection", "close")], lambda e, p: e.send(p), lambda e: e.close())


def test_events_with_length_arrive_one_by_one(site):
    site.route()
    step = Signal()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [SSE, ("Content-Length", str(sum(map(len, EVENTS))))])
        for event in EVENTS:
            step.wait()
            exchange.send(event)

    site.upstream.handler = script
    connection = site.connect()
    connection.send(site.bytes("GET", "/s"))
    response = connection.read_head()
    for event in EVENTS:
        step.go()
        assert connection.read_until(response, event) == event
    assert response.complete


def test_single_bytes_arrive_one_by_one(site):
    site.route()
    pieces = [b"%c" % c for c in b"data: hello\r\n\r\n"]
    lock_step(site, [SSE, CHUNKED], lambda e, p: e.chunk(p), lambda e: e.last_chunk(), pieces)


def test_request_body_arrives_piece_by_piece(site):
    site.route()
    pieces = [b"piece-%03d" % i for i in range(20)]
    connection = site.connect()
    connection.send_head("POST", "/up", site.headers([("Content-Length", str(sum(map(len, pieces))))]))
    sent = b""
    for piece in pieces:
        connection.send(piece)
        sent += piece
        site.upstream.wait(lambda u: u.raw.endswith(sent))
    assert connection.read_response("POST").status == 200
    assert site.upstream.wait_requests().body == sent


def test_chunked_request_body_arrives_piece_by_piece(site):
    site.route()
    seen = Signal()

    def script(exchange):
        while exchange.read_piece():
            seen.go()
        exchange.answer()

    site.upstream.handler = script
    connection = site.connect()
    connection.send_head("POST", "/up", site.headers([CHUNKED]))
    for i in range(20):
        connection.send(b"7\r\nchunk%02d\r\n" % i)
        seen.wait()
    connection.send(b"0\r\n\r\n")
    assert connection.read_response("POST").status == 200
    assert site.upstream.wait_requests().body == b"".join(b"chunk%02d" % i for i in range(20))


def test_upstream_may_answer_byte_by_byte(site):
    site.route()
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\ndata:\r\n4\r\n a\n\n\r\n0\r\nX-T: 1\r\n\r\n"
    )
    site.upstream.handler = lambda exchange: (exchange.read_body(), exchange.send_slowly(answer))
    connection = site.connect()
    for _ in range(2):
        response = connection.request("GET", "/slow", site.headers())
        assert response.body == b"data: a\n\n"
    assert len(site.upstream.connections) == 1


def test_client_may_send_byte_by_byte(site):
    site.route()
    connection = site.connect()
    for byte in site.bytes("POST", "/slow", body=b'{"a":1}'):
        connection.send(bytes([byte]))
    assert connection.read_response("POST").status == 200
    assert site.upstream.wait_requests().body == b'{"a":1}'


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_events_are_counted(site, newline):
    site.route()
    body = b": comment\n\nevent: x\ndata: 1\ndata: 2\n\ndata: 3\n\n: ping\n\ndata: [DONE]\n\n".replace(b"\n", newline)

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [SSE, CHUNKED])
        for i in range(0, len(body), 3):
            exchange.chunk(body[i : i + 3])
        exchange.last_chunk()

    site.upstream.handler = script
    response = site.call("POST", "/v1/chat/completions", b'{"stream":true}')
    assert response.body == body
    row = site.gateway.audit(response.request_id)
    assert (row["is_stream"], row["stream_chunks"]) == (1, 3)
    assert row["response_size"] == len(body)


def test_ndjson_lines_are_counted(site):
    site.route()
    body = b'{"a":1}\n{"a":2}\n\n{"a":3}\n'
    site.upstream.handler = lambda e: e.answer(200, body, headers=[("Content-Type", "application/x-ndjson")])
    response = site.call()
    assert response.body == body
    row = site.gateway.audit(response.request_id)
    assert (row["is_stream"], row["stream_chunks"]) == (1, 3)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("ending, lines", [(b"", 3), (b"\n", 3), (b"\n \t", 3), (b"\n{", 4)])
def test_last_ndjson_line_needs_no_newline(site, framing, ending, lines):
    site.route()
    body = b'{"a":1}\n{"a":2}\n{"a":3}' + ending

    def script(exchange):
        headers = {"length": [("Content-Length", str(len(body)))], "chunked": [CHUNKED], "close": []}[framing]
        exchange.head(200, [("Content-Type", "application/x-ndjson"), *headers])
        if framing == "chunked":
            exchange.chunk(body[:20])
            exchange.chunk(body[20:])
            exchange.last_chunk()
        else:
            exchange.send(body)
        if framing == "close":
            exchange.close()

    site.upstream.handler = script
    response = site.call()
    assert response.body == body
    assert site.gateway.audit(response.request_id)["stream_chunks"] == lines


def test_half_an_ndjson_line_of_a_cut_answer_is_none(site):
    site.route()

    def script(exchange):
        exchange.head(200, [("Content-Type", "application/x-ndjson"), CHUNKED])
        exchange.chunk(b'{"a":1}\n{"a":')
        exchange.close()

    site.upstream.handler = script
    request_id = site.new_id()
    with pytest.raises(Truncated):
        site.call(headers=[("x-request-id", request_id)])
    row = site.gateway.audit(request_id)
    assert row["stream_chunks"] == 1 and row["error_message"]


def test_what_went_out_before_broken_framing_is_counted(site):
    """The chunks and what breaks their framing come at once: the client gets the former, and the row says so."""
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "text/event-stream"), CHUNKED])
        exchange.send(b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\nnonsense\r\n")

    site.upstream.handler = script
    request_id = site.new_id()
    with pytest.raises(Truncated):
        site.call(headers=[("x-request-id", request_id)])
    row = site.gateway.audit(request_id)
    assert (row["response_size"], row["stream_chunks"]) == (18, 2)
    assert row["error_message"] == "the upstream's answer is not valid HTTP"


@pytest.mark.parametrize(
    "body, headers, is_stream",
    [
        (b'{"stream":true}', [], 1),
        (b'{"stream" : true}', [], 1),
        (b'{"str\\u0065am":true}', [], 1),
        (b'{"stream":false}', [], 0),
        (b'{"x":{"stream":true}}', [], 0),
        (b"{}", [("Accept", "text/event-stream")], 1),
        (b"{}", [("Accept", "application/x-ndjson")], 1),
        (b"{}", [("Accept", "application/json")], 0),
    ],
)
def test_what_a_stream_is(site, body, headers, is_stream):
    site.route()
    response = site.call("POST", "/v1/chat/completions", body, headers)
    assert site.gateway.audit(response.request_id)["is_stream"] == is_stream


def test_stream_headers_are_set(site):
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(200, b"data: 1\n\n", headers=[SSE])
    response = site.call()
    assert response.header("x-accel-buffering") == "no"
    assert response.header("cache-control") == "no-cache"


def test_cache_control_of_the_upstream_stays(site):
    site.route()
    headers = [SSE, ("Cache-Control", "private, max-age=3")]
    site.upstream.handler = lambda exchange: exchange.answer(200, b"data: 1\n\n", headers=headers)
    assert site.call().header("cache-control") == "private, max-age=3"


def test_plain_answers_get_no_stream_headers(site):
    site.route()
    response = site.call()
    assert not response.all("x-accel-buffering") and not response.all("cache-control")


# Memory: a slow side must stop the other, not fill the gateway.

PUSH_LIMIT = 24 << 20
TOTAL = 64 << 20
BLOCK = b"0123456789abcdef" * 4096


def push_until_blocked(sock: socket.socket, total: int) -> int:
    """Sends until nothing has been taken for a second: what the path holds."""
    sock.setblocking(False)
    sent, last = 0, time.monotonic()
    while time.monotonic() - last < 1.0 and sent < total:
        try:
            offset = sent % len(BLOCK)
            sent += sock.send(BLOCK[offset : offset + min(len(BLOCK) - offset, total - sent)])
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.005)
    sock.settimeout(20)
    return sent


def push_rest(sock: socket.socket, sent: int, total: int):
    while sent < total:
        offset = sent % len(BLOCK)
        sent += sock.send(BLOCK[offset : offset + min(len(BLOCK) - offset, total - sent)])


def expected_digest() -> str:
    digest = hashlib.sha256()
    for _ in range(TOTAL // len(BLOCK)):
        digest.update(BLOCK)
    return digest.hexdigest()


def test_slow_reader_pauses_the_upstream(site):
    site.route()
    blocked, pushed = threading.Event(), []

    def script(exchange):
        exchange.head(200, [("Content-Length", str(TOTAL))])
        pushed.append(push_until_blocked(exchange.connection.socket, TOTAL))
        blocked.set()
        push_rest(exchange.connection.socket, pushed[0], TOTAL)

    site.upstream.handler = script
    site.call  # the first use of the key and route is not part of the measurement
    before = site.gateway.memory()
    connection = site.connect(receive_buffer=65536, timeout=30)
    connection.send(site.bytes("GET", "/flood"))
    assert blocked.wait(20)
    assert 0 < pushed[0] < PUSH_LIMIT
    assert site.gateway.memory() - before < 4 << 20
    response, digest, size = connection.read_head(), hashlib.sha256(), 0
    while not response.complete:
        response.body = b""
        digest.update(piece := connection.read_piece(response))
        size += len(piece)
    assert size == TOTAL and digest.hexdigest() == expected_digest()


def test_slow_upstream_pauses_the_client(site):
    site.route()
    go, digest = threading.Event(), hashlib.sha256()

    def script(exchange):
        assert go.wait(20)
        while piece := exchange.read_piece():
            digest.update(piece)
            exchange.request.body = b""
        exchange.answer(200, b"done")

    site.upstream.handler = script
    before = site.gateway.memory()
    connection = site.connect(timeout=30)
    connection.send_head("POST", "/flood", site.headers([("Content-Length", str(TOTAL))]))
    pushed = push_until_blocked(connection.socket, TOTAL)
    assert 0 < pushed < PUSH_LIMIT
    assert site.gateway.memory() - before < 4 << 20
    go.set()
    push_rest(connection.socket, pushed, TOTAL)
    assert connection.read_response("POST").body == b"done"
    assert digest.hexdigest() == expected_digest()


STREAMS = 1000


class StreamFarm:
    """An upstream that holds any number of streams open in one thread and sends to all of them when told."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4096)
        self.host = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.streams = []

    def accept(self, count):
        """Accepts streams until `count` are open; each has its head answered."""
        self.listener.settimeout(20)
        while len(self.streams) < count:
            sock, _ = self.listener.accept()
            sock.settimeout(20)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.streams.append(sock)

    def send(self, data):
        for sock in self.streams:
            sock.sendall(data)

    def close(self):
        for sock in self.streams:
            sock.close()
        self.listener.close()


def read_all(connections, wanted):
    """Reads until every connection has sent something ending in `wanted`."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        left, deadline = len(connections), time.monotonic() + 20
        while left:
            assert time.monotonic() < deadline, f"{left} of {len(connections)} streams wait for {wanted!r}"
            for key, _ in selector.select(1):
                data = key.data.socket.recv(65536)
                assert data, "a stream ended early"
                key.data.buffer += data
                if key.data.buffer.endswith(wanted):
                    key.data.buffer.clear()
                    selector.unregister(key.fileobj)
                    left -= 1


def test_a_thousand_streams_on_one_worker(make_site):
    site = make_site(workers=1)
    farm = StreamFarm()
    try:
        route = site.route(site.upstream, target_host=farm.host)
        assert route["target_host"] == farm.host
        before = site.gateway.memory()
        request = site.bytes("GET", "/s")
        connections = []
        for start in range(0, STREAMS, 100):
            batch = [site.connect(timeout=20) for _ in range(100)]
            for connection in batch:
                connection.send(request)
            connections += batch
            farm.accept(start + 100)
        read_all(connections, b"\r\n\r\n")
        opened = site.gateway.memory()
        for i in range(30):
            event = b"data: %06d\n\n" % i
            farm.send(b"%x\r\n%b\r\n" % (len(event), event))
            read_all(connections, event + b"\r\n")
        streamed = site.gateway.memory()
        assert (opened - before) / STREAMS < 16 << 10, f"{(opened - before) / STREAMS:.0f} bytes a stream"
        assert streamed - opened < 4 << 20, f"{streamed - opened} bytes grown while streaming"
        farm.send(b"0\r\n\r\n")
        read_all(connections, b"0\r\n\r\n")
    finally:
        farm.close()
