"""Cases in which one exchange's state could meet another's, or in which an edge, once missed, never comes again."""

import json
import socket
import ssl
import time

import pytest

from harness import Site
from harness.client import Truncated
from test_tls import certificates, server_context  # noqa: F401


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """One worker, so that all connections share its scratch memory."""
    from harness import Gateway

    config = {"proxy": {"audit_include_body": True}, "limits": {"body_timeout": 3}}
    gateway = Gateway(tmp_path_factory.mktemp("single"), config, workers=1).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def site(single):
    site = Site(single)
    yield site
    site.close()


@pytest.mark.parametrize("other", [b"GET /elsewhere HTTP/1.1\r\nHost: b\r\nX-Part", b"GET /else HTTP/1.1\r\nHost : b\r\n\r\n"])
def test_another_clients_head_does_not_become_ours(site, other):
    """While one request waits for its body, an unfinished or malformed head comes in on another connection."""
    site.route(match_body_schema={"model": "m"})
    body = b'{"model":"m"}'
    with site.connect() as ours, site.connect() as theirs:
        ours.send_head("POST", "/v1/ours?x=1", site.headers([("Content-Length", str(len(body))), ("X-Mine", "yes")]))
        ours.send(body[:5])
        time.sleep(0.1)
        theirs.send(other)
        time.sleep(0.1)
        ours.send(body[5:])
        assert ours.read_response().status == 200
    request = site.upstream.requests[0]
    assert (request.method, request.target, request.header("x-mine")) == ("POST", "/v1/ours?x=1", "yes")
    assert request.body == body


def test_answer_before_the_body_was_taken_does_not_leave_a_dirty_connection(site):
    """The upstream answers and keeps the connection, but has not taken the whole body: the rest must not be read as
    the beginning of the next request, nor the next request as the rest of the body."""
    site.route(match_path="/upload", match_body_schema={"model": "m"}, priority=1)
    site.route(priority=2)
    body = b'{"pad":"' + b"GET /smuggled HTTP/1.1 Host: x " * 300_000 + b'","model":"m"}'

    def early(exchange):
        # Until the gateway holds all of it.
        time.sleep(0.5)
        exchange.head(413, [("Content-Length", "2")])
        exchange.send(b"no")
        exchange.connection.socket.settimeout(3)
        try:
            exchange.read_body()
        except TimeoutError:
            pass
        exchange.keep = False

    site.upstream._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    site.upstream.raw_limit = 64 << 20
    site.upstream.then(early)
    with site.connect() as connection:
        connection.send(site.bytes("POST", "/upload", body=body))
        assert connection.read_response().status == 413
    for _ in range(3):
        assert site.call("GET", "/next").status == 200
    assert [r.target for r in site.upstream.requests] == ["/upload"] + ["/next"] * 3
    raw = bytes(site.upstream.connections[0].raw)
    assert b"GET /next" not in raw or raw.index(b"GET /next") == raw.index(b"\r\n\r\n") + 4 + len(body)


def test_retry_happens_although_the_body_arrives_in_the_pause(site):
    """A body that is complete during the pause before a retry must not stop the pause's clock."""
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        port = dead.getsockname()[1]
        site.route(target_host=f"127.0.0.1:{port}", retry_count=3, priority=1)
        site.route(priority=2)
        for _ in range(3):
            with site.connect() as connection:
                connection.send_head("POST", "/", site.headers([("Content-Length", "10")]))
                time.sleep(0.02)
                connection.send(b"01234")
                time.sleep(0.02)
                connection.send(b"56789")
                assert connection.read_response().status == 200
    assert all(r.body == b"0123456789" for r in site.upstream.requests)


def test_body_that_comes_after_its_head_is_recorded(site):
    site.route()
    request_id = site.new_id()
    with site.connect() as connection:
        connection.send_head("POST", "/", site.headers([("Content-Length", "10"), ("x-request-id", request_id)]))
        time.sleep(0.1)
        connection.send(b"01234")
        time.sleep(0.1)
        connection.send(b"56789")
        assert connection.read_response().status == 200
    row = site.gateway.audit(request_id)
    assert row["request_body"] in ("0123456789", b"0123456789")


@pytest.mark.parametrize("size", [20_000, 60_000, 900_000, 3_000_000])
@pytest.mark.parametrize("way", ["plain", "chunked", "late", "late chunked"])
def test_bodies_to_a_tls_upstream(make_gateway, certificates, size, way):  # noqa: F811
    """TLS takes one record at a time: what is left must go out without any event to say so."""
    gateway = make_gateway({"upstream_tls": {"verify": False}, "proxy": {"default_timeout": 3}}, workers=1)
    site = Site(gateway)
    try:
        upstream = site.new_upstream(tls=server_context(certificates, "good"))
        site.route(upstream, target_protocol="https")
        body = bytes(range(251)) * (size // 251)
        for _ in range(2):
            with site.connect() as connection:
                if way == "plain":
                    response = connection.request("POST", "/", site.headers(), body)
                elif way == "chunked":
                    response = connection.request("POST", "/", site.headers(), chunks=[body])
                else:
                    wire = site.bytes("POST", "/", **({"chunks": [body]} if "chunked" in way else {"body": body}))
                    end = wire.index(b"\r\n\r\n") + 4
                    connection.send(wire[:end])
                    time.sleep(0.2)
                    connection.send(wire[end:])
                    response = connection.read_response()
            assert response.status == 200
        assert [len(r.body) for r in upstream.requests] == [len(body)] * 2
    finally:
        site.close()


def test_long_own_answer_over_tls(make_gateway, certificates):  # noqa: F811
    """An answer of the gateway's own that is longer than a TLS record ends its exchange once."""
    files = {"cert": str(certificates / "good.pem"), "key": str(certificates / "good.key")}
    gateway = make_gateway({"tls": files, "limits": {"max_header_bytes": "64KB"}}, workers=1)
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    names = ", ".join(f"x-name-{i}" for i in range(1700))
    request = (
        "OPTIONS /v1/x HTTP/1.1\r\nHost: a\r\nOrigin: https://page.example\r\nAccess-Control-Request-Method: POST\r\n"
        f"Access-Control-Request-Headers: {names}\r\n\r\n"
    ).encode()
    with context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port)), server_hostname="localhost") as s:
        s.settimeout(5)
        for _ in range(3):
            s.sendall(request)
            got = b""
            while not got.endswith(b"\r\n\r\n"):
                piece = s.recv(65536)
                assert piece
                got += piece
            assert got.startswith(b"HTTP/1.1 204 ") and got.count(b"HTTP/1.1") == 1
        # The fourth exchange's row is written after those of the three before it.
        s.sendall(request.replace(b"Host: a\r\n", b"Host: a\r\nx-request-id: the-fourth\r\n"))
        assert s.recv(65536)
        gateway.audit("the-fourth")
    assert gateway.query("SELECT count(*) AS n FROM audit_logs")[0]["n"] == 4


@pytest.mark.parametrize("chunked", [False, True])
def test_long_upload_is_sent_elsewhere_if_nobody_listens(site, chunked):
    """An upload that is too long to hold has not begun to go out while connections are refused: it can be moved."""
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        site.route(target_host=f"127.0.0.1:{dead.getsockname()[1]}", priority=1)
        site.route(priority=2)
        body = bytes(range(256)) * 8192
        wire = site.bytes("POST", "/", **({"chunks": [body]} if chunked else {"body": body}))
        with site.connect() as connection:
            end = wire.index(b"\r\n\r\n") + 4
            connection.send(wire[:end])
            time.sleep(0.05)
            connection.send(wire[end:])
            assert connection.read_response().status == 200
    assert site.upstream.requests[0].body == body


@pytest.mark.parametrize("chunked", [False, True])
def test_long_upload_meets_a_dead_kept_alive_connection(site, chunked):
    site.route()
    site.upstream.then(lambda exchange: exchange.answer(200, b"{}"))
    assert site.call("GET", "/").status == 200
    # It dies while idle and the gateway may not have noticed: stop it from noticing by asking at once.
    body = bytes(range(256)) * 8192
    wire = site.bytes("POST", "/", **({"chunks": [body]} if chunked else {"body": body}))
    for connection in list(site.upstream.connections):
        connection.socket.shutdown(socket.SHUT_RDWR)
    with site.connect() as connection:
        end = wire.index(b"\r\n\r\n") + 4
        connection.send(wire[:end])
        time.sleep(0.05)
        connection.send(wire[end:])
        assert connection.read_response().status == 200
    assert site.upstream.requests[-1].body == body


def test_a_probe_that_says_nothing_does_not_lock_a_target_out(site):
    """A target in its trial after a cool-down answers 429, and the request moves on: the trial is over all the same."""
    first = site.new_upstream()
    second = site.new_upstream()
    site.route(first, priority=1, retry_count=1)
    site.route(second, priority=2)
    first.handler = lambda exchange: exchange.answer(503)
    for _ in range(4):
        assert site.call().status == 200
    first.handler = lambda exchange: exchange.answer(429)
    seen = len(first.requests)
    deadline = time.monotonic() + 8
    while len(first.requests) == seen and time.monotonic() < deadline:
        assert site.call().status == 200
        time.sleep(0.1)
    assert len(first.requests) > seen, "never probed"
    first.handler = lambda exchange: exchange.answer(200)
    seen = len(first.requests)
    assert site.call().status == 200
    assert site.call().status == 200
    assert len(first.requests) > seen, "locked out for good"


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_heads_and_bodies_longer_than_the_workers_memory(make_gateway, framing):
    """With the largest heads the settings allow, a head and the body's beginning come in one read."""
    gateway = make_gateway({"limits": {"max_header_bytes": "1MB"}, "audit": {"ring_size": "16MB"}}, workers=1)
    site = Site(gateway)
    try:
        site.route()
        body = bytes(range(256)) * 8192

        def script(exchange):
            exchange.read_body()
            fields = [(f"x-long-{i}", "v" * 60_000) for i in range(5)] + [("x-request-id", "d" * 60_000)] * 6
            if framing == "length":
                fields.append(("Content-Length", str(len(body))))
            elif framing == "chunked":
                fields.append(("Transfer-Encoding", "chunked"))
            lines = ["HTTP/1.1 200 OK"] + [f"{name}: {value}" for name, value in fields]
            wire = "\r\n".join(lines).encode() + b"\r\n\r\n"
            wire += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if framing == "chunked" else body
            exchange.send(wire)
            if framing == "close":
                exchange.close()

        site.upstream.handler = script
        for _ in range(5):
            response = site.call("GET", "/")
            assert response.status == 200 and response.body == body
    finally:
        site.close()


def test_the_longest_heads_that_can_be_allowed(make_gateway):
    """limits.max_header_bytes at its upper end holds for requests and answers, on the way and in the audit."""
    most = 1 << 20
    limits = {"max_header_bytes": most, "max_headers": 128}
    site = Site(make_gateway({"limits": limits, "audit": {"ring_size": "16MB"}}, workers=1))
    long = [(f"x-long-{i:02}", "v" * 8000) for i in range(120)]
    rest = most - 20_000 - sum(len(name) + len(value) + 4 for name, value in long)
    long.append(("x-rest", "w" * rest))

    def script(exchange):
        exchange.answer(200, b"x" * 100_000, headers=long)

    try:
        site.route(add_headers={f"x-added-{i}": "a" * 4000 for i in range(10)})
        site.upstream.handler = script
        with site.connect() as connection:
            for body in [None, b"y" * 100_000]:
                request_id = site.new_id()
                headers = site.headers([*long, ("x-request-id", request_id)])
                response = connection.request("POST", "/", headers, body)
                assert response.status == 200 and response.body == b"x" * 100_000
                assert [h for h in response.headers if h in long] == long
                request = site.upstream.requests[-1]
                assert [h for h in request.headers if h in long] == long and request.header("x-added-9")
                assert request.body == (body or b"")
                row = site.gateway.audit(request_id)
                assert json.loads(row["request_headers"])["x-rest"] == long[-1][1]
                assert json.loads(row["response_headers"])["x-rest"] == long[-1][1]
        assert not site.upstream.errors
    finally:
        site.close()


def test_draining_serves_what_has_arrived(make_gateway):
    """Connections that wait in the queue with their request when draining begins are served, not reset; idle ones end."""
    import os
    import signal

    site = Site(make_gateway(workers=1))
    try:
        site.route()
        idle = site.connect()
        assert idle.request("GET", "/", site.headers()).status == 200
        kept = site.connect()
        assert kept.request("GET", "/", site.headers()).status == 200
        pid = site.gateway.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            queued = [site.connect() for _ in range(5)]
            for connection in [*queued, kept]:
                connection.send(site.bytes("GET", "/"))
            silent = site.connect()
            os.kill(pid, signal.SIGTERM)
        finally:
            os.kill(pid, signal.SIGCONT)
        for connection in [*queued, kept]:
            assert connection.read_response().status == 200
        # Whether the worker hears of the signal or of a request first is open: either way the connection ends.
        for connection in [idle, silent, kept, *queued]:
            assert connection.wait_closed()
        assert site.gateway.wait_exit() == 0
    finally:
        site.close()


@pytest.mark.parametrize("size", [100, 2_000_000])
@pytest.mark.parametrize("value", ["a", "c"])
def test_a_later_member_that_another_route_asks_for(site, size, value):
    """The catch-all took the request because `model` was not "a"; a second `model` behind it says otherwise."""
    special = site.new_upstream()
    other = site.new_upstream()
    site.route(special, priority=1, match_body_schema={"model": "a"})
    site.route(other, priority=2)
    body = b'{"model":"b","pad":"' + b"p" * size + b'","model":"' + value.encode() + b'"}'
    with site.connect() as connection:
        connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body)))]))
        connection.send(body[: len(body) // 2])
        time.sleep(0.2)
        connection.send(body[len(body) // 2 :])
        response = connection.read_response()
    assert response.status == 400
    assert not any(request.complete for upstream in (special, other) for request in upstream.requests)


def test_malformed_chunks_to_a_client_that_knows_none(site):
    site.route()

    def script(exchange):
        exchange.head(200, [("Transfer-Encoding", "chunked")])
        exchange.send(b"5\r\nhello\r\nzz\r\n")
        exchange.wait_gone()

    site.upstream.handler = script
    with site.connect() as connection:
        connection.send(site.bytes(version="HTTP/1.0"))
        with pytest.raises(Truncated):
            connection.read_response()
        assert connection.received.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("name", ["Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method"])
def test_preflight_longer_than_an_answer(site, name):
    fields = {"Host": "a", "Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    fields[name] = "x" * 40_000
    with site.connect() as connection:
        for _ in range(2):
            connection.send_head("OPTIONS", "/v1/x", list(fields.items()))
            assert connection.read_response("OPTIONS").status == 204
