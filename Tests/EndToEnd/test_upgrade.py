"""SPEC: WebSocket and other Upgrade requests are tunnelled after the upstream's 101."""

import os
import threading

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
