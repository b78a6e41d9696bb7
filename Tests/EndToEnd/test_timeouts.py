"""SPEC: limits and timeouts, with small configured values. That something is not too early is never asserted by the clock."""

import socket
import threading

import pytest

from harness import Site, Upstream
from harness.patience import PATIENCE
from harness.upstream import stalled_port

SHORT = 0.5 * PATIENCE
CONFIG = {
    "proxy": {"connect_timeout": SHORT, "default_timeout": SHORT},
    "limits": {"header_timeout": SHORT, "body_timeout": SHORT, "keepalive_timeout": SHORT, "send_timeout": SHORT},
}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    from harness import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("quick"), CONFIG).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def site(quick):
    site = Site(quick)
    yield site
    site.close()


def test_slow_head_is_408(site):
    with site.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        response = connection.read_response()
        assert response.status == 408 and set(response.json()["error"]) == {"message", "type", "code", "param"}
        assert connection.wait_closed()


def test_slow_head_on_an_anthropic_path_is_408_in_its_shape(site):
    with site.connect() as connection:
        connection.send(b"GET /v1/messages?beta=true HT")
        response = connection.read_response()
        assert response.status == 408
        assert response.json()["type"] == "error" and response.json()["error"]["type"] == "timeout_error"


def test_trickled_head_is_408(site):
    """The head as a whole has a deadline: a byte now and then does not extend it."""
    stop = threading.Event()
    with site.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")

        def trickle():
            while not stop.wait(0.05) and connection.send_if_open(b"a"):
                pass

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert connection.read_response().status == 408
        finally:
            stop.set()
            thread.join()


def test_silent_connection_is_closed(site):
    with site.connect() as connection:
        assert connection.wait_closed() or connection.received.startswith(b"HTTP/1.1 408 ")


def test_idle_kept_alive_connection_is_closed_silently(site):
    site.route(timeout=20)
    with site.connect() as connection:
        assert connection.request("GET", "/", site.headers()).status == 200
        assert connection.wait_closed()


@pytest.mark.parametrize("reads", [False, True])
def test_slow_body_is_408(site, reads):
    """Whether the gateway needs the body for a route or only passes it on."""
    site.route(**({"match_body_schema": {"model": "m"}} if reads else {}))
    request_id = site.new_id()
    with site.connect() as connection:
        headers = site.headers([("Content-Length", "100"), ("x-request-id", request_id)])
        connection.send_head("POST", "/", headers)
        connection.send(b'{"a":')
        assert connection.read_response("POST").status == 408
        assert connection.wait_closed()
    assert site.gateway.audit(request_id)["status_code"] == 408
    assert not any(request.complete for request in site.upstream.requests)


def test_upstream_that_never_answers_is_504(site):
    site.route()
    gone = threading.Event()
    site.upstream.handler = lambda exchange: (exchange.read_body(), exchange.wait_gone() and gone.set())
    response = site.call()
    assert response.status == 504
    assert gone.wait(10), "the upstream connection is closed"
    assert site.gateway.audit(response.request_id)["status_code"] == 504


def test_route_timeout_overrides_the_default(site):
    """Longer than the default: an answer after the default's time still comes."""
    site.route(timeout=10)
    go = threading.Event()
    site.upstream.handler = lambda exchange: (exchange.read_body(), go.wait(10), exchange.answer(200, b"late"))
    default = Upstream(lambda exchange: (exchange.read_body(), exchange.wait_gone()))
    try:
        site.route(default, match_path="/default", priority=1)
        connection = site.connect()
        connection.send(site.bytes("GET", "/patient"))
        site.upstream.wait(lambda u: u.requests)
        # The default has run out once this one has failed, and it was sent later.
        assert site.call(target="/default").status == 504
        go.set()
        assert connection.read_response().body == b"late"
    finally:
        default.close()


def test_stalled_stream_is_cut_short(site):
    site.route()

    def script(exchange):
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(b"data: 1\n\n")
        exchange.wait_gone()

    site.upstream.handler = script
    request_id = site.new_id()
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
        assert connection.read_truncated().body == b"data: 1\n\n"
    row = site.gateway.audit(request_id)
    assert row["status_code"] == 200 and row["error_message"]


def test_a_stream_that_goes_on_is_not_cut(site):
    """default_timeout is for the next byte, not for the whole answer."""
    site.route()
    step = threading.Semaphore(0)

    def script(exchange):
        exchange.head(200, [("Transfer-Encoding", "chunked")])
        # Each pause is a tenth of the timeout, so that it may well take longer; together they are two of it.
        for i in range(20):
            step.acquire(timeout=SHORT / 10)  # never released
            exchange.chunk(b"%d," % i)
        exchange.last_chunk()

    site.upstream.handler = script
    assert site.call().body == b"".join(b"%d," % i for i in range(20))


def test_connect_that_hangs_is_504(site):
    listener, fillers, port = stalled_port()
    try:
        site.route(target_host=f"127.0.0.1:{port}")
        response = site.call()
        assert response.status in (502, 504)
        assert site.gateway.audit(response.request_id)["error_message"]
    finally:
        for sock in [listener, *fillers]:
            sock.close()


def test_stuck_reader_is_given_up(site):
    """A client that takes nothing for send_timeout loses its connection, and the upstream with it."""
    site.route()
    gone = threading.Event()

    def script(exchange):
        exchange.head(200, [("Content-Length", str(1 << 30))])
        exchange.connection.socket.settimeout(10)
        try:
            while True:
                exchange.connection.socket.sendall(b"x" * 65536)
        except TimeoutError:
            pass
        except OSError:
            gone.set()

    site.upstream.handler = script
    request_id = site.new_id()
    connection = site.connect(receive_buffer=16384)
    connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
    assert gone.wait(15)
    row = site.gateway.audit(request_id)
    assert row["error_message"]
    assert row["response_size"] < 1 << 30
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)


def test_stuck_upstream_reader_is_given_up(site):
    """An upstream that takes no more of the request has default_timeout to go on."""
    site.route()
    site.upstream.handler = lambda exchange: threading.Event().wait(5)
    with site.connect(timeout=15) as connection:
        connection.send_head("POST", "/", site.headers([("Content-Length", str(64 << 20))]))
        for _ in range(1024):
            if not connection.send_if_open(b"x" * 65536):
                break
        else:
            raise AssertionError("64 MiB were taken though the upstream reads nothing")
