"""SPEC: WebSocket and other Upgrade requests are tunnelled after the upstream's 101."""

import os
import socket
import threading
import time

from harness.patience import PATIENCE

UPGRADE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "realtime"),
]
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def echo(exchange):
    exchange.send(SWITCH)
    while data := exchange.receive():
        exchange.send(data)
    exchange.keep = False


def opened(site, handler=echo, headers=()):
    site.route()
    site.upstream.handler = handler
    connection = site.connect()
    connection.send(site.bytes("GET", "/v1/realtime?model=m", [*UPGRADE, *headers]))
    return connection


def test_tunnel_echoes(site):
    connection = opened(site)
    response = connection.read_head()
    assert response.status == 101
    assert response.header("upgrade") == "websocket"
    assert response.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    request = site.upstream.requests[0]
    assert request.header("upgrade") == "websocket"
    assert "upgrade" in request.header("connection").lower()
    assert request.header("sec-websocket-protocol") == "realtime"
    for message in (b"\x81\x05hello", b"GET / HTTP/1.1\r\n\r\n", b"\0\r\n\n", os.urandom(1000)):
        connection.send(message)
        while len(connection.buffer) < len(message):
            assert connection._fill()
        assert bytes(connection.buffer) == message
        connection.buffer.clear()


def test_tunnel_carries_a_lot_both_ways(site):
    connection = opened(site)
    connection.read_head()
    data = os.urandom(2 << 20)
    thread = threading.Thread(target=connection.send, args=(data,))
    thread.start()
    while len(connection.buffer) < len(data):
        assert connection._fill()
    thread.join()
    assert bytes(connection.buffer) == data


def test_upstream_may_speak_first(site):
    def script(exchange):
        exchange.send(SWITCH + b"first words")
        exchange.wait_gone()
        exchange.keep = False

    connection = opened(site, script)
    assert connection.read_head().status == 101
    while len(connection.buffer) < 11:
        assert connection._fill()
    assert bytes(connection.buffer) == b"first words"


def test_upstream_that_closes_ends_the_tunnel(site):
    def script(exchange):
        exchange.send(SWITCH + b"bye")
        exchange.close()

    connection = opened(site, script)
    connection.read_head()
    while connection._fill():
        pass
    assert bytes(connection.buffer) == b"bye"


def test_client_that_closes_ends_the_tunnel_and_it_is_in_the_audit(site):
    request_id = site.new_id()
    connection = opened(site, headers=[("x-request-id", request_id)])
    assert connection.read_head().status == 101
    connection.send(b"hello")
    while len(connection.buffer) < 5:
        assert connection._fill()
    connection.close()
    site.upstream.wait(lambda u: u.connections[0].ended)
    row = site.gateway.audit(request_id)
    assert row["status_code"] == 101
    assert row["response_size"] == 5


def test_refused_upgrade_is_an_ordinary_answer(site):
    connection = opened(site, lambda exchange: exchange.answer(400, b"no"))
    response = connection.read_response()
    assert (response.status, response.body) == (400, b"no")
    site.upstream.handler = lambda exchange: exchange.answer(200, b"plain")
    assert connection.request("GET", "/", site.headers()).body == b"plain"


def test_upgrade_needs_a_key(site):
    site.route()
    response = site.call(headers=UPGRADE, key=None)
    assert response.status == 401
    assert not site.upstream.requests


def test_h2c_upgrade_is_not_forwarded(site):
    """HTTP/2 would let a client speak past every check made here."""
    site.route()
    upgrade = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]
    response = site.call(headers=upgrade)
    assert response.status in (200, 400, 501)
    for request in site.upstream.requests:
        assert "h2c" not in (request.header("upgrade") or "")
        assert "http2-settings" not in request.names


def read(connection, count):
    while len(connection.buffer) < count:
        assert connection._fill()
    data = bytes(connection.buffer[:count])
    del connection.buffer[:count]
    return data


def test_the_audit_has_both_directions_and_the_duration(site):
    request_id = site.new_id()
    connection = opened(site, headers=[("x-request-id", request_id)])
    connection.read_head()
    for _ in range(3):
        connection.send(b"x" * 1000)
        read(connection, 1000)
    time.sleep(0.05)
    connection.close()
    row = site.gateway.audit(request_id)
    assert (row["status_code"], row["request_size"], row["response_size"]) == (101, 3000, 3000)
    assert row["response_time_ms"] >= 50 and not row["error_message"]
    assert row["target_url"].endswith("/v1/realtime?model=m")


def test_client_that_has_said_all_still_gets_the_answer(site):
    """Half-close: the upstream sees the end, and what it says after that arrives."""

    def script(exchange):
        exchange.send(SWITCH)
        said = b""
        while data := exchange.receive():
            said += data
        exchange.send(b"you said " + said)
        exchange.close()

    request_id = site.new_id()
    connection = opened(site, script, headers=[("x-request-id", request_id)])
    assert connection.read_head().status == 101
    connection.send(b"all I have")
    connection.socket.shutdown(socket.SHUT_WR)
    assert read(connection, 19) == b"you said all I have"
    assert connection.wait_closed()
    row = site.gateway.audit(request_id)
    assert (row["request_size"], row["response_size"], row["error_message"] or "") == (10, 19, "")


def test_upstream_that_has_said_all_still_hears_the_client(site):
    heard = bytearray()

    def script(exchange):
        exchange.send(SWITCH + b"over to you")
        exchange.connection.socket.shutdown(socket.SHUT_WR)
        while data := exchange.receive():
            heard.extend(data)
        exchange.keep = False

    request_id = site.new_id()
    connection = opened(site, script, headers=[("x-request-id", request_id)])
    connection.read_head()
    assert read(connection, 11) == b"over to you"
    assert not connection._fill() and not connection.was_reset, "the end arrives as an end"
    connection.send(b"thank you")
    connection.close()
    row = site.gateway.audit(request_id)
    assert (row["request_size"], row["response_size"], row["error_message"] or "") == (9, 11, "")
    site.upstream.wait(lambda u: bytes(heard) == b"thank you")


def test_upstream_that_breaks_off_is_seen_to_break_off(site):
    go = threading.Event()

    def script(exchange):
        exchange.send(SWITCH + b"half a mess")
        go.wait(10)
        exchange.reset()
        exchange.keep = False

    request_id = site.new_id()
    connection = opened(site, script, headers=[("x-request-id", request_id)])
    connection.read_head()
    assert read(connection, 11) == b"half a mess"
    go.set()
    assert not connection._fill() and connection.was_reset
    assert site.gateway.audit(request_id)["error_message"]


def test_idle_tunnels_are_closed_and_busy_ones_are_not(make_site):
    site = make_site({"proxy": {"tunnel_idle_timeout": PATIENCE}})
    request_id = site.new_id()
    connection = opened(site, headers=[("x-request-id", request_id)])
    connection.read_head()
    started = time.monotonic()
    while time.monotonic() - started < 1.5 * PATIENCE:
        connection.send(b"tick")
        assert read(connection, 4) == b"tick"
        time.sleep(0.05)
    assert not connection._fill()
    assert "tunnel" in site.gateway.audit(request_id)["error_message"]


def test_half_closed_tunnels_do_not_stay(make_site):
    """The upstream neither answers nor closes after the client has said all: limits.send_timeout ends it."""
    site = make_site({"limits": {"send_timeout": 0.3}})
    stay = threading.Event()

    def script(exchange):
        exchange.send(SWITCH)
        stay.wait(10)
        exchange.keep = False

    connection = opened(site, script)
    connection.read_head()
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.wait_closed()
    stay.set()


def test_a_reader_that_stops_holds_the_other_side_and_no_memory(make_site):
    """Neither direction is buffered beyond a few reads when its receiver stops reading; afterwards all arrives."""
    site = make_site(workers=1)
    total = 64 << 20
    sent = [0]
    go = threading.Event()

    def script(exchange):
        exchange.send(SWITCH)
        block = bytes(1 << 16)
        while sent[0] < total:
            exchange.send(block)
            sent[0] += len(block)
        go.wait(20)
        got = 0
        while got < total:
            got += len(exchange.receive())
        exchange.send(b"got it all")
        exchange.close()

    connection = opened(site, script)
    connection.read_head()

    def stuck():
        before = sent[0]
        time.sleep(0.2)
        return before == sent[0] > 0

    from harness import wait_until

    before = site.gateway.memory()
    wait_until(stuck, "the upstream cannot send on")
    assert sent[0] < total
    assert site.gateway.memory() - before < 4 << 20
    got = len(connection.buffer)
    connection.buffer.clear()
    while got < total:
        assert connection._fill()
        got += len(connection.buffer)
        connection.buffer.clear()
    # The other way round.
    pushed = [0]

    def push():
        block = bytes(1 << 16)
        while pushed[0] < total:
            connection.send(block)
            pushed[0] += len(block)

    thread = threading.Thread(target=push, daemon=True)
    thread.start()
    wait_until(lambda: pushed[0] > 0 and (b := pushed[0]) and not time.sleep(0.2) and b == pushed[0], "the client is held")
    assert pushed[0] < total
    assert site.gateway.memory() - before < 4 << 20
    go.set()
    thread.join(20)
    assert read(connection, 10) == b"got it all"


def test_connect_is_refused(site):
    """The gateway is no forward proxy: nothing is tunnelled to where the client likes."""
    site.route()
    with site.connect() as connection:
        connection.send(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
        assert connection.read_response("CONNECT").status == 501
        assert connection.wait_closed()
    assert not site.upstream.requests


def test_tunnels_are_open_exchanges_when_the_gateway_stops(make_site):
    site = make_site({"app": {"drain_timeout": 1.5 * PATIENCE}})
    request_id = site.new_id()
    connection = opened(site, headers=[("x-request-id", request_id)])
    connection.read_head()
    site.gateway.terminate()
    connection.send(b"still here")
    assert read(connection, 10) == b"still here"
    assert connection.wait_closed()
    assert site.gateway.wait_exit() == 0
    rows = site.gateway.query("SELECT * FROM audit_logs WHERE request_id = ?", request_id)
    assert len(rows) == 1 and rows[0]["status_code"] == 101 and rows[0]["error_message"]
