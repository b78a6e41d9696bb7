"""Everything is bounded: connections, memory, rates, descriptors; what meets a bound says so, and what is open is served."""

import os
import re
import resource
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from harness import Truncated, wait_until
from harness.client import Connection
from harness.gateway import ROOT
from harness.patience import PATIENCE

ALONE = "127.0.0.7"  # an address of the test's own, which no health check uses


def count(gateway, name: str) -> float:
    return sum(value for key, value in gateway.metrics().items() if key.startswith(name))


def connect(site, **kw) -> Connection:
    return Connection(site.gateway.port, source=ALONE, **kw)


# Slow bodies


def test_a_body_that_trickles_is_408(make_site):
    """Each byte comes in time, all of them too slowly."""
    site = make_site({"limits": {"body_timeout": 0.5, "rate_grace": 0.5, "min_body_rate": 1000}})
    site.route(match_body_schema={"a": 1})
    stop = threading.Event()
    with site.connect() as connection:
        connection.send_head("POST", "/", site.headers([("Content-Length", "10000")]))

        def trickle():
            while not stop.wait(0.05) and connection.send_if_open(b" "):
                pass

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert connection.read_response().status == 408
        finally:
            stop.set()
            thread.join()


def test_a_body_at_the_rate_is_taken(make_site):
    site = make_site({"limits": {"body_timeout": 10, "rate_grace": 0.5, "min_body_rate": 1000}})
    site.route()
    with site.connect() as connection:
        connection.send_head("POST", "/", site.headers([("Content-Length", "12000")]))
        for _ in range(30):
            connection.send(b"x" * 400)
            time.sleep(0.05)
        assert connection.read_response("POST").status == 200


# Slow readers


def endless(exchange):
    exchange.read_body()
    exchange.head(200, [("Content-Length", str(100 << 20))])
    exchange.connection.socket.settimeout(30)
    for _ in range(100 << 4):
        exchange.send(b"x" * 65536)


def test_a_reader_below_the_rate_is_cut_off(make_site):
    site = make_site({"limits": {"send_timeout": 0.5, "rate_grace": 0.5, "min_send_rate": "4MB"}})
    site.route()
    site.upstream.handler = endless
    request_id = site.new_id()
    with site.connect(receive_buffer=65536) as connection:
        connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
        with pytest.raises((Truncated, ConnectionResetError)):
            response = connection.read_head()
            while True:
                assert connection.socket.recv(20_000) or connection.read_piece(response)
                time.sleep(0.05)
    row = site.gateway.audit(request_id)
    assert row["status_code"] == 499 and row["error_message"]


def test_a_slow_reader_above_the_rate_is_served_and_holds_one_buffer(make_site):
    """The kernel's buffers are so large that a slow reader makes no room in them for long: reading counts, not that."""
    short = 0.6 * PATIENCE
    site = make_site({"limits": {"send_timeout": short, "rate_grace": short, "min_send_rate": 100}})
    site.route()
    site.upstream.handler = endless
    connection = site.connect(receive_buffer=16384)
    connection.send(site.bytes("GET", "/"))
    response = connection.read_head()
    before = site.gateway.memory()
    deadline = time.monotonic() + 5 * short
    while time.monotonic() < deadline:
        assert connection.socket.recv(8192)
        time.sleep(0.05)
        assert count(site.gateway, "fastgate_buffered_bytes") <= 1 << 20
    assert site.gateway.memory() - before < 8 << 20
    taken = site.upstream.connections[0]
    assert not taken.ended and not response.complete
    connection.close()
    site.upstream.wait(lambda u: u.connections[0].ended)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_an_upload_that_nobody_takes(make_site, how):
    """The upstream reads nothing, so nothing is read from the client either: the hang-up alone tells that it is gone."""
    site = make_site(workers=1)
    site.route()
    over = threading.Event()
    site.upstream.handler = lambda exchange: (over.wait(20), exchange.wait_gone())
    request_id = site.new_id()
    with site.connect() as connection:
        connection.send_head("POST", "/", site.headers([("Content-Length", str(64 << 20)), ("x-request-id", request_id)]))
        # Until the upstream's side is full: then another buffer waits beside the head's. What is sent behind that stays
        # in the kernel.
        while count(site.gateway, "fastgate_buffered_bytes") <= 4096:
            connection.send(b"x" * 65536)
        connection.send(b"x" * 4096)
        getattr(connection, how)()
        try:
            row = site.gateway.audit(request_id)
        finally:
            over.set()
    assert row["status_code"] == 499 and row["error_message"]


# Many of them


def test_slow_heads_cost_little_and_nobody_waits_for_them(make_site):
    site = make_site({"limits": {"header_timeout": 30}})
    site.route()
    assert site.call().status == 200
    before = site.gateway.memory()
    slow = [site.connect() for _ in range(400)]
    try:
        for connection in slow:
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        for _ in range(20):
            assert site.call().status == 200
        assert site.gateway.memory() - before < 400 * 8192 + (4 << 20)
    finally:
        for connection in slow:
            connection.close()


def test_claimed_lengths_cost_nothing(make_site):
    """A body's room comes as its bytes do."""
    site = make_site(workers=1)
    site.route(match_body_schema={"a": 1})
    claims = [site.connect() for _ in range(200)]
    try:
        for connection in claims:
            connection.send_head("POST", "/", site.headers([("Content-Length", "1000000")]))
            connection.send(b"{")
        assert site.call("POST", "/", b'{"a":1}').status == 200
        assert 200 * 1024 < count(site.gateway, "fastgate_buffered_bytes") <= 200 * (72 << 10)
    finally:
        for connection in claims:
            connection.close()


def test_pipelined_requests_wait_in_the_kernel(make_site):
    site = make_site()
    site.route()
    gate = threading.Event()
    site.upstream.handler = lambda exchange: (gate.wait(10), exchange.answer(200, b"ok"))
    before = site.gateway.memory()
    with site.connect(timeout=1) as connection:
        request = site.bytes("GET", "/")
        with pytest.raises(TimeoutError):
            while True:
                connection.send(request * 500)
        assert site.gateway.memory() - before < 4 << 20
        gate.set()
        connection.socket.settimeout(10)
        for _ in range(50):
            assert connection.read_response().body == b"ok"


def test_full_buffers_turn_new_requests_away(make_site):
    site = make_site({"limits": {"max_buffered_bytes": "1MB"}}, workers=1)
    site.route(match_body_schema={"a": 1})
    uploads = []
    for _ in range(4):
        connection = site.connect()
        connection.send_head("POST", "/", site.headers([("Content-Length", "900000")]))
        connection.send(b" " * 400_000)
        uploads.append(connection)
    refused = wait_until(lambda: count(site.gateway, 'fastgate_limits_met_total{limit="memory"}'), "somebody is refused")
    assert refused >= 1
    assert count(site.gateway, "fastgate_buffered_bytes") < 4 << 20
    wait_until(lambda: "max_buffered_bytes" in site.gateway.log, "the log says so")
    for connection in uploads:
        connection.close()
    wait_until(lambda: count(site.gateway, "fastgate_buffered_bytes") < 1 << 20, "the buffers are free again")
    assert site.call("POST", "/", b'{"a":1}').status == 200


def test_full_buffers_answer_nobody_who_asks_for_nothing(make_site):
    """A connection of which the gateway has to look whether there is more gets no 503 if there is not."""
    site = make_site({"limits": {"max_buffered_bytes": "1200KB"}}, workers=1)
    site.route(match_path="/passed-on")
    flood = site.new_upstream()
    flood.handler = endless
    site.route(flood, match_path="/flood")
    connection, body = site.connect(), b"x" * (2 << 20)
    connection.send_head("POST", "/passed-on", site.headers([("Content-Length", str(len(body)))]))
    connection.send(body[:-1])
    site.upstream.wait(lambda upstream: upstream.requests and len(upstream.requests[0].body) == len(body) - 1)
    readers = []

    def is_full():
        readers.append(site.connect(receive_buffer=4096))
        readers[-1].send(site.bytes("GET", "/flood"))
        return site.call("GET", "/passed-on").status == 503

    wait_until(is_full, "the buffers are full of answers that nobody reads")
    connection.send(body[-1:])
    assert connection.read_response().status == 200
    assert site.call("GET", "/passed-on").status == 503
    # Of a request that is turned away no more is read than what shape its answer has.
    for method, target in (("HEAD", "/"), ("GET", "/v1/messages")):
        with site.connect() as turned_away:
            turned_away.send_if_open(site.bytes(method, target))
            response = turned_away.read_response(method)
            assert response.status == 503 and int(response.header("content-length")) > 0
            assert method == "HEAD" or response.json()["type"] == "error"
            assert turned_away.wait_closed()
    connection.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.socket.recv(1)
    connection.socket.setblocking(True)
    for reader in readers:
        reader.close()
    wait_until(lambda: count(site.gateway, "fastgate_buffered_bytes") < 1200 << 10, "the buffers are free again")
    assert connection.request("GET", "/passed-on", site.headers()).status == 200


# Connections


def test_connections_of_one_address(make_site):
    site = make_site({"limits": {"max_connections_per_address": 3}})
    site.route()
    own = [connect(site) for _ in range(3)]
    for connection in own:
        assert connection.request("GET", "/", site.headers()).status == 200
    try:
        with connect(site) as further:
            further.send_if_open(site.bytes("GET", "/"))
            assert further.wait_closed() and not further.received
    except ConnectionResetError:
        pass  # turned away before the client's connect returned
    assert site.call().status == 200, "other addresses are served"
    assert count(site.gateway, 'fastgate_limits_met_total{limit="address"}') == 1
    own.pop().close()

    def served():
        try:
            with connect(site) as again:
                again.send_if_open(site.bytes("GET", "/"))
                return again.read_response().status == 200
        except (Truncated, ConnectionResetError):
            return False

    wait_until(served, "one has left, another is let in")
    for connection in own:
        connection.close()


def test_more_connections_than_may_be(make_site):
    site = make_site({"limits": {"max_connections": 3}})
    site.route()
    open_ones = [site.connect() for _ in range(3)]
    for connection in open_ones:
        assert connection.request("GET", "/", site.headers()).status == 200
    with site.connect() as waiting:
        waiting.send(site.bytes("GET", "/"))
        wait_until(lambda: count(site.gateway, 'fastgate_limits_met_total{limit="connections"}'), "the metric says so")
        assert "as many connections as may be" in site.gateway.log
        for connection in open_ones:
            assert connection.request("GET", "/", site.headers()).status == 200
        open_ones.pop().close()
        assert waiting.read_response().status == 200
    for connection in open_ones:
        connection.close()


def test_the_limit_of_descriptors_is_raised_and_connections_fit_it(make_gateway):
    gateway = make_gateway()
    line = next(
        line for line in open(f"/proc/{gateway.process.pid}/limits").read().splitlines() if line.startswith("Max open files")
    )
    soft, hard = line.split()[3:5]
    assert soft == hard
    assert count(gateway, "fastgate_connections_limit") == min(65536, (int(hard) - 64 - 8 * 2) // 2)


def allow_no_more(site) -> list:
    """Lets the process open no descriptor beside those it has now: idle clients, which are returned, take the numbers
    between them, and those of the test's questions are closed."""
    gateway = site.gateway
    wait_until(lambda: gateway.client_sockets(gateway.admin_port) == 0, "it is asked nothing")

    def numbers():
        return [int(name) for name in os.listdir(f"/proc/{gateway.process.pid}/fd")]

    idle = []
    while len(before := numbers()) <= max(before):
        idle.append(site.connect())
        wait_until(lambda: len(numbers()) > len(before), "it is accepted")
    _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (len(before), hard))
    return idle


def test_out_of_descriptors_what_is_open_is_served(make_site):
    site = make_site(workers=1)
    site.route()
    connection = site.connect()
    assert connection.request("GET", "/", site.headers()).status == 200
    before = resource.prlimit(site.gateway.process.pid, resource.RLIMIT_NOFILE)
    # Lower than what is open: not one more. The idle upstream connection is given up for the first newcomer.
    resource.prlimit(site.gateway.process.pid, resource.RLIMIT_NOFILE, (8, before[1]))
    newcomers = []
    try:
        for _ in range(4):
            newcomer = site.connect()
            newcomer.send(site.bytes("GET", "/"))
            newcomers.append(newcomer)
        wait_until(lambda: "no file descriptor is left" in site.gateway.log, "the log says so")
        response = connection.request("GET", "/", site.headers())
        assert response.status in (200, 503)
        if response.status == 503:
            assert response.json()["error"]["code"] == "no_capacity"
    finally:
        resource.prlimit(site.gateway.process.pid, resource.RLIMIT_NOFILE, before)
    for newcomer in newcomers:
        assert newcomer.read_response().status == 200, "accepting goes on"
        newcomer.close()
    assert connection.request("GET", "/", site.headers()).status == 200
    assert count(site.gateway, 'fastgate_limits_met_total{limit="descriptors"}') >= 1


def test_idle_upstreams_are_given_up_for_newcomers(make_site):
    site = make_site(workers=1)
    site.route()
    gate = threading.Event()
    site.upstream.handler = lambda exchange: (gate.wait(10), exchange.answer(200, b"ok"))
    first = [site.connect() for _ in range(6)]
    for connection in first:
        connection.send(site.bytes("GET", "/"))
    site.upstream.wait(lambda u: len(u.requests) == 6)
    gate.set()
    for connection in first:
        assert connection.read_response().status == 200
    wait_until(lambda: count(site.gateway, 'fastgate_open_connections{side="upstream"}') == 6, "six idle upstreams")
    before = resource.prlimit(site.gateway.process.pid, resource.RLIMIT_NOFILE)
    idle = allow_no_more(site)
    try:
        with site.connect() as newcomer:
            newcomer.send(site.bytes("GET", "/"))
            assert newcomer.read_response().status == 200
    finally:
        resource.prlimit(site.gateway.process.pid, resource.RLIMIT_NOFILE, before)
    assert count(site.gateway, 'fastgate_open_connections{side="upstream"}') < 6
    for connection in first + idle:
        connection.close()


# Idle upstream connections


EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def test_bytes_on_an_idle_connection_are_no_answer(make_site):
    site = make_site(workers=1)
    site.route()
    with site.connect() as connection:
        assert connection.request("GET", "/", site.headers()).status == 200
        idle = site.upstream.connections[0]
        idle.socket.sendall(EVIL)
        site.upstream.wait(lambda u: idle.ended)
        assert connection.request("GET", "/", site.headers()).body == b'{"ok":true}'
    assert count(site.gateway, "fastgate_upstream_unsolicited_total") == 1


def is_stopped(pid):
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return states and set(states) == {"T"}


@pytest.mark.parametrize("evil", [EVIL, b""], ids=["bytes", "end"])
def test_bytes_that_came_before_the_request_are_no_answer(make_site, evil):
    """Request and unasked-for bytes are both waiting when the worker looks: the order of its events must not matter."""
    site = make_site(workers=1)
    site.route()
    spoiled = []
    for first in ("request", "bytes"):
        with site.connect() as connection:
            assert connection.request("GET", "/", site.headers()).status == 200
            # What was spoiled before may not have been seen to end yet.
            idle = next(c for c in site.upstream.connections if not c.ended and c not in spoiled)
            spoiled.append(idle)
            site.gateway.process.send_signal(signal.SIGSTOP)
            try:
                wait_until(lambda: is_stopped(site.gateway.process.pid), "every thread stands still")
                steps = [
                    lambda: connection.send(site.bytes("POST", "/", body=b"{}")),
                    lambda: idle.socket.sendall(evil) if evil else idle.socket.shutdown(socket.SHUT_WR),
                ]
                for step in steps if first == "request" else reversed(steps):
                    step()
                    time.sleep(0.02)
            finally:
                site.gateway.process.send_signal(signal.SIGCONT)
            assert connection.read_response("POST").body == b'{"ok":true}', first


# Time


def test_first_byte_timeout(make_site):
    short = 0.5 * PATIENCE
    site = make_site({"limits": {"first_byte_timeout": short}, "proxy": {"default_timeout": 20}})
    site.route()
    site.upstream.then(lambda exchange: exchange.wait_gone())
    response = site.call()
    assert response.status == 504 and response.json()["error"]["code"] == "upstream_timeout"

    def pausing(exchange):
        exchange.head(200, [("Content-Length", "4")])
        exchange.send(b"ab")
        time.sleep(short * 1.6)
        exchange.send(b"cd")

    site.upstream.then(pausing)
    assert site.call().body == b"abcd", "between bytes the route's timeout counts"


def test_between_bytes_may_be_shorter_than_before_the_first(make_site):
    site = make_site({"limits": {"first_byte_timeout": 30}, "proxy": {"default_timeout": 0.3}})
    site.route()

    def stalling(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Length", "4")])
        exchange.send(b"ab")
        exchange.wait_gone()

    site.upstream.then(stalling)
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/"))
        connection.read_truncated()


def test_idle_upstreams_are_closed_in_time(make_site):
    site = make_site({"limits": {"idle_upstream_timeout": 0.2}})
    site.route()
    assert site.call().status == 200
    site.upstream.wait(lambda u: u.connections[0].ended)


def test_every_limit_has_a_test():
    """Each key of `limits`, and each timeout, is named in some test's configuration or beside its test here."""
    elsewhere = {
        "max_trailer_bytes": "test_hostile_table.py",  # trailer-long, at the default
        "max_chunk_extension_bytes": "test_hostile_table.py",
        "max_target_bytes": "test_hostile_table.py",
        "max_header_bytes": "test_hostile_table.py",
        "max_headers": "test_hostile_table.py",
    }
    text = (ROOT / "config.yaml").read_text()
    limits = re.findall(r"^  (\w+):", text.split("\nlimits:\n", 1)[1], re.M)
    assert len(limits) > 15
    timeouts = ["drain_timeout", "replace_timeout", "connect_timeout", "default_timeout", "tunnel_idle_timeout"]
    tests = "".join(file.read_text() for file in (ROOT / "Tests" / "EndToEnd").glob("test_*.py"))
    for key in limits + timeouts:
        assert f'"{key}": ' in tests or key in elsewhere, f"no test sets {key}"
