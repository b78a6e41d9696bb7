"""SPEC: broken connections, retry and failover. A broken answer never looks whole and is never quiet in the audit."""

import os
import socket
import threading
import time
from email.utils import formatdate

import pytest

from harness import Truncated, free_port, wait_until
from harness.upstream import Signal

SSE = ("Content-Type", "text/event-stream")
CHUNKED = ("Transfer-Encoding", "chunked")


def refused() -> str:
    return f"127.0.0.1:{free_port()}"


# The client goes away


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_a_stream_cancels_it(site, how):
    site.route()
    cancelled = threading.Event()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [SSE, CHUNKED])
        exchange.chunk(b"data: 1\n\n")
        if exchange.wait_gone():
            cancelled.set()

    site.upstream.handler = script
    request_id = site.new_id()
    connection = site.connect()
    connection.send(site.bytes("POST", "/", [("x-request-id", request_id)], body=b'{"stream":true}'))
    response = connection.read_head("POST")
    connection.read_until(response, b"data: 1\n\n")
    getattr(connection, how)()
    assert cancelled.wait(10), "the upstream request is cancelled though the upstream sends nothing more"
    row = site.gateway.audit(request_id)
    assert row["status_code"] == 499
    assert row["error_message"] and row["stream_chunks"] == 1


def test_client_that_leaves_before_the_answer_cancels_it(site):
    site.route()
    cancelled = threading.Event()
    site.upstream.handler = lambda e: (e.read_body(), e.wait_gone() and cancelled.set())
    request_id = site.new_id()
    connection = site.connect()
    connection.send(site.bytes("POST", "/", [("x-request-id", request_id)], body=b"{}"))
    site.upstream.wait(lambda u: u.requests)
    connection.close()
    assert cancelled.wait(10)
    row = site.gateway.audit(request_id)
    assert row["status_code"] == 499 and row["error_message"]


@pytest.mark.parametrize("last", ["request", "body"])
def test_client_that_leaves_with_its_last_bytes(site, last):
    """One event tells of the request's last bytes and of the FIN behind them; no other follows."""
    site.route()
    site.upstream.handler = lambda e: e.answer(200, b"ok") if e.request.target == "/first" else e.wait_gone()
    connection = site.connect()
    connection.send(site.bytes("GET", "/first"))
    assert connection.read_response().status == 200
    request_id = site.new_id()
    request = site.bytes("POST", "/", [("x-request-id", request_id)], body=b"{}")
    if last == "body":
        connection.send(request[:-2])
        site.upstream.wait(lambda u: len(u.requests) == 2)
        request = request[-2:]
    connection.socket.send(request, socket.MSG_MORE)
    connection.close()
    assert site.gateway.audit(request_id)["status_code"] == 499


def test_client_that_leaves_in_its_upload(site):
    site.route()
    request_id = site.new_id()
    connection = site.connect()
    connection.send_head("POST", "/", site.headers([("Content-Length", "3000000"), ("x-request-id", request_id)]))
    connection.send(b"half")
    site.upstream.wait(lambda u: u.requests and u.bytes_received > len(u.requests[0].head))
    connection.close()
    site.upstream.wait(lambda u: u.connections[0].ended)
    assert not site.upstream.requests[0].complete
    assert site.gateway.audit(request_id)["status_code"] in (400, 408, 499)


def test_half_closed_client_counts_as_gone(site):
    """A FIN is all that is ever seen of a client that went away, so it cancels the upstream's work, as in nginx."""
    site.route()
    request_id = site.new_id()
    site.upstream.handler = lambda e: (e.read_body(), e.wait_gone())
    connection = site.connect()
    connection.send(site.bytes("POST", "/", [("x-request-id", request_id)], body=b"{}"))
    site.upstream.wait_requests()
    connection.socket.shutdown(socket.SHUT_WR)
    site.upstream.wait(lambda u: u.connections[0].ended)
    assert site.gateway.audit(request_id)["status_code"] == 499


# The upstream breaks off


def cut_length(exchange):
    exchange.head(200, [("Content-Length", "100")])
    exchange.send(b"only this")
    exchange.close()


def cut_chunked(exchange):
    exchange.head(200, [SSE, CHUNKED])
    exchange.chunk(b"only this")
    exchange.close()


def cut_inside_a_chunk(exchange):
    exchange.head(200, [SSE, CHUNKED])
    exchange.send(b"ff\r\nonly this")
    exchange.close()


def reset_after(step):
    def script(exchange):
        exchange.head(200, [SSE, CHUNKED])
        exchange.chunk(b"only this")
        step.wait()
        exchange.reset()

    return script


@pytest.mark.parametrize("script", [cut_length, cut_chunked, cut_inside_a_chunk, "reset"])
def test_answer_cut_short_is_cut_short(site, script):
    site.route(retry_count=2)
    step = Signal()
    site.upstream.handler = reset_after(step) if script == "reset" else script
    request_id = site.new_id()
    connection = site.connect()
    connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
    response = connection.read_head()
    connection.read_until(response, b"only this")
    step.go()
    with pytest.raises(Truncated):
        while connection.read_piece(response):
            pass
    assert not response.complete and connection.eof
    row = site.gateway.audit(request_id)
    assert row["status_code"] in (200, 502) and row["error_message"]
    assert len(site.upstream.requests) == 1, "nothing is retried once bytes went to the client"


def test_a_cut_answer_takes_nothing_else_with_it(site):
    """The answer before it is still under way to a slow client that has sent its next request already: closing with that
    unread would reset the connection, and the rest of both answers would be lost."""
    site.route()
    step, whole = Signal(), os.urandom(40_000)
    site.upstream.then(lambda exchange: exchange.answer(200, whole), lambda exchange: (step.wait(), cut_length(exchange)))
    connection = site.connect(receive_buffer=4096)
    cut = site.new_id()
    connection.send(site.bytes("GET", "/whole") + site.bytes("GET", "/cut", [("x-request-id", cut)]))
    site.upstream.wait_requests(2)
    connection.send(site.bytes("GET", "/unread"))
    step.go()
    assert site.gateway.audit(cut)["error_message"]
    assert connection.read_response().body == whole
    response = connection.read_head()
    with pytest.raises(Truncated):
        while connection.read_piece(response):
            pass
    assert response.body == b"only this" and not connection.was_reset
    assert [request.target for request in site.upstream.requests] == ["/whole", "/cut"]


def test_a_refused_upload_takes_nothing_else_with_it(site):
    """What comes behind a refused head is thrown away for a while instead of answered with a reset."""
    site.route()
    whole = os.urandom(40_000)
    site.upstream.handler = lambda exchange: exchange.answer(200, whole)
    connection = site.connect(receive_buffer=4096)
    upload = site.headers([("Content-Length", str(64 << 20))], key="wrong")
    connection.send(site.bytes("GET", "/whole"))
    connection.send_head("POST", "/refused", upload)
    connection.send(b"x" * (8 << 20))
    assert connection.read_response().body == whole
    assert connection.read_response().status == 401 and connection.wait_closed() and not connection.was_reset


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_client_that_has_finished_sending_sees_that_an_answer_is_cut(site, version):
    """It counts as gone, but it may still read: what it got must not look whole."""
    site.route()
    over = threading.Event()

    def script(exchange):
        exchange.head(200, [SSE, CHUNKED])
        exchange.chunk(b"only this")
        over.wait(10)

    site.upstream.handler = script
    connection = site.connect()
    connection.send(site.bytes("GET", "/", version=version))
    response = connection.read_head()
    connection.read_until(response, b"only this")
    connection.socket.shutdown(socket.SHUT_WR)
    with pytest.raises(Truncated):
        while connection.read_piece(response):
            pass
    assert not response.complete
    over.set()


def test_http10_client_sees_a_cut_answer_as_a_reset(site):
    """Without framing only a reset can say that something is missing."""
    site.route()
    step = Signal()
    site.upstream.handler = reset_after(step)
    connection = site.connect()
    connection.send(site.bytes("GET", "/", version="HTTP/1.0"))
    response = connection.read_head()
    assert response.framing == "close"
    connection.read_until(response, b"only this")
    step.go()
    with pytest.raises(Truncated):
        while connection.read_piece(response):
            pass
    assert connection.was_reset


@pytest.mark.parametrize("how", ["close", "reset"])
def test_upstream_that_breaks_off_before_its_answer_is_502(site, how):
    site.route()
    site.upstream.handler = lambda exchange: (exchange.read_body(), getattr(exchange, how)())
    response = site.call("POST", "/v1/chat/completions", b"{}")
    assert response.status == 502
    assert response.json()["error"]["code"]
    row = site.gateway.audit(response.request_id)
    assert row["status_code"] == 502 and row["error_message"]


def test_nobody_listens_is_502(site):
    site.route(target_host=refused())
    response = site.call()
    assert response.status == 502
    row = site.gateway.audit(response.request_id)
    assert row["status_code"] == 502 and row["error_message"] and row["target_url"]


@pytest.mark.parametrize("alive", [False, True])
def test_body_that_comes_while_a_refused_target_is_tried(site, alive):
    """Head and body in segments of their own, as many clients send them: the body comes while attempts fail."""
    site.route(target_host=refused(), priority=1)
    if alive:
        site.route(priority=2)
    body = b'{"model":"m"}'
    for pause in (0, 0.0005, 0.002, 0.02, 0.15):
        with site.connect() as connection:
            connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body)))]))
            time.sleep(pause)
            connection.send(body)
            assert connection.read_response("POST").status == (200 if alive else 502), pause
    assert [r.body for r in site.upstream.requests] == ([body] * 5 if alive else [])


def test_unknown_name_is_502(site):
    site.route(target_host="no-such-host.invalid:80")
    assert site.call().status in (502, 503, 504)


def test_client_connection_survives_a_502(site):
    site.route(match_path="/dead", target_host=refused(), priority=1)
    site.route(match_path="/alive", priority=2)
    connection = site.connect()
    assert connection.request("POST", "/dead", site.headers(), b"{}").status == 502
    assert connection.request("POST", "/alive", site.headers(), b"{}").status == 200


# Retry


@pytest.mark.parametrize("method, body", [("GET", None), ("POST", b'{"a":1}')])
def test_dead_kept_alive_connection_is_replaced(site, method, body):
    """The upstream closes an idle connection; the next request must not suffer."""
    site.route()
    connection = site.connect()
    for i in range(5):
        response = connection.request(method, "/", site.headers(), body)
        assert response.status == 200, f"request {i}"
        site.upstream.close_idle()
    assert len(site.upstream.connections) == 5


def test_kept_alive_connection_that_dies_under_the_request(site):
    """Closed on receipt of the second request, as when the upstream's keep-alive ended just then: replayed once."""
    site.route()
    connection = site.connect()
    assert connection.request("GET", "/1", site.headers()).status == 200
    site.upstream.then(lambda exchange: exchange.reset())
    response = connection.request("GET", "/2", site.headers())
    assert response.status == 200
    assert [r.target for r in site.upstream.requests] == ["/1", "/2", "/2"]


def test_fresh_connection_reset_is_not_retried_without_retry_count(site):
    site.route(retry_count=0)
    site.upstream.handler = lambda exchange: exchange.reset()
    assert site.call().status == 502
    assert len(site.upstream.requests) == 1


@pytest.mark.parametrize("status", [502, 503, 504, 429])
def test_retryable_status_then_success(site, status):
    site.route(retry_count=2)
    site.upstream.then(lambda exchange: exchange.answer(status, b'{"e":1}'))
    response = site.call("POST", "/v1/chat/completions", b'{"model":"m"}')
    assert (response.status, response.body) == (200, b'{"ok":true}')
    assert [r.body for r in site.upstream.requests] == [b'{"model":"m"}'] * 2
    assert len(site.gateway.query("SELECT 1 FROM audit_logs WHERE request_id = ?", response.request_id)) <= 1
    assert site.gateway.audit(response.request_id)["status_code"] == 200


def test_chunked_body_is_replayed_too(site):
    site.route(retry_count=1)
    site.upstream.then(lambda exchange: exchange.answer(503))
    assert site.call("POST", "/", chunks=[b'{"mo', b'del":"m"}']).status == 200
    assert [r.body for r in site.upstream.requests] == [b'{"model":"m"}'] * 2


def test_without_retry_count_errors_go_through(site):
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(503, b'{"theirs":1}')
    response = site.call("POST", "/", b"{}")
    assert (response.status, response.body) == (503, b'{"theirs":1}')
    assert len(site.upstream.requests) == 1


def test_after_the_last_retry_the_upstreams_answer_goes_through(site):
    site.route(retry_count=2)
    site.upstream.handler = lambda exchange: exchange.answer(503, b'{"theirs":1}')
    response = site.call("POST", "/", b"{}")
    assert response.status == 503
    assert len(site.upstream.requests) == 3


def test_other_errors_are_not_retried(site):
    site.route(retry_count=3)
    for status in (400, 401, 404, 500):
        site.upstream.clear()
        site.upstream.handler = lambda exchange: exchange.answer(status)
        assert site.call("POST", "/", b"{}").status == status
        assert len(site.upstream.requests) == 1


def test_max_retries_is_a_ceiling(make_site):
    site = make_site({"proxy": {"max_retries": 1}})
    site.route(retry_count=5)
    site.upstream.handler = lambda exchange: exchange.answer(503)
    assert site.call("POST", "/", b"{}").status == 503
    assert len(site.upstream.requests) == 2


def test_retry_after_is_honoured(site):
    site.route(retry_count=1)
    times = []
    site.upstream.then(lambda e: (times.append(time.monotonic()), e.answer(429, headers=[("Retry-After", "1")])))
    site.upstream.handler = lambda e: (times.append(time.monotonic()), e.answer(200, b"ok"))
    assert site.call("POST", "/", b"{}").status == 200
    assert times[1] - times[0] >= 0.95, "asked again before the upstream said"


def date(seconds: float) -> str:
    return formatdate(784111777 + seconds, usegmt=True)


def test_retry_after_may_be_a_date(site):
    """It is as long as from the answer's own date, whatever either clock says."""
    site.route(retry_count=1)
    times = []
    wait = [("Date", date(0)), ("Retry-After", date(1))]
    site.upstream.then(lambda e: (times.append(time.monotonic()), e.answer(503, headers=wait)))
    site.upstream.handler = lambda e: (times.append(time.monotonic()), e.answer(200, b"ok"))
    assert site.call("POST", "/", b"{}").status == 200
    assert times[1] - times[0] >= 0.95, "asked again before the upstream said"


@pytest.mark.parametrize("value", [date(11), date(86400), "11"])
def test_a_longer_wait_than_ten_seconds_is_not_waited_for(site, value):
    site.route(retry_count=1)
    site.upstream.handler = lambda e: e.answer(503, headers=[("Date", date(0)), ("Retry-After", value)])
    assert site.call().status == 503
    assert len(site.upstream.requests) == 1


@pytest.mark.parametrize("value", [date(0), date(-5), "yesterday", date(5).replace("Nov", "Nox"), "-1", ""])
def test_what_asks_for_no_wait_is_retried_as_usual(site, value):
    site.route(retry_count=1)
    site.upstream.then(lambda e: e.answer(503, headers=[("Date", date(0)), ("Retry-After", value)]))
    assert site.call().status == 200
    assert len(site.upstream.requests) == 2


def test_retries_are_counted(site):
    site.route(retry_count=1, route_name="retried")
    before = sum(v for k, v in site.gateway.metrics().items() if k.startswith("fastgate_retries_total"))
    site.upstream.then(lambda exchange: exchange.answer(503))
    assert site.call().status == 200

    def counted():
        return sum(v for k, v in site.gateway.metrics().items() if k.startswith("fastgate_retries_total")) == before + 1

    wait_until(counted, "fastgate_retries_total goes up")


def test_what_is_not_tried_again_is_no_retry(make_site):
    """A refused connection is tried once more; that no other route is left is no further attempt, a change of route is."""
    site = make_site(workers=1)

    def counts():
        metrics = site.gateway.metrics()
        names = ("fastgate_upstream_errors_total", "fastgate_retries_total")
        return tuple(sum(v for k, v in metrics.items() if k.startswith(name)) for name in names)

    site.route(target_host=f"127.0.0.1:{free_port()}", priority=1)
    assert site.call().status == 502
    assert counts() == (2, 1)
    site.route(priority=2)
    assert site.call().status == 200
    assert counts() == (4, 3)


# Failover


def test_refused_target_fails_over_to_the_next_route(site):
    site.route(target_host=refused(), priority=1)
    site.route(priority=2)
    for body in (b"{}", b"x" * 100_000):
        response = site.call("POST", "/", body)
        assert response.status == 200
    row = site.gateway.audit(response.request_id)
    assert row["status_code"] == 200 and site.upstream.host in row["target_url"]


def test_exhausted_retries_fail_over(site):
    bad = site.new_upstream(lambda exchange: exchange.answer(503))
    good = site.new_upstream()
    site.route(bad, priority=1, retry_count=1)
    site.route(good, priority=2)
    assert site.call("POST", "/", b"{}").status == 200
    assert len(bad.requests) == 2 and len(good.requests) == 1


def test_failover_rewrites_for_the_new_route(site):
    site.route(target_host=refused(), priority=1, target_path="/first", add_headers={"X-Route": "1"})
    site.route(priority=2, target_path="/second", add_headers={"X-Route": "2"}, add_body_fields={"r": 2})
    assert site.call("POST", "/", b'{"r":1}').status == 200
    request = site.upstream.wait_requests()
    assert (request.target, request.header("x-route"), request.body) == ("/second", "2", b'{"r":2}')


def test_failover_skips_routes_that_do_not_match(site):
    site.route(target_host=refused(), priority=1)
    other = site.new_upstream()
    site.route(other, priority=2, match_path="/elsewhere")
    good = site.new_upstream()
    site.route(good, priority=3)
    assert site.call(target="/here").status == 200
    assert not other.requests and len(good.requests) == 1


def test_all_targets_dead_is_502(site):
    for priority in (1, 2):
        site.route(target_host=refused(), priority=priority)
    assert site.call().status == 502


def test_failing_target_is_left_out_for_a_while(site):
    bad = site.route(target_host=refused(), weight=1, priority=5, route_name="left-out")
    site.route(weight=1, priority=5)
    connection = site.connect()
    for _ in range(200):
        assert connection.request("GET", "/", site.headers()).status == 200
    attempts = sum(
        value
        for name, value in site.gateway.metrics().items()
        if name.startswith("fastgate_upstream_errors_total") and (bad["route_id"] in name or "left-out" in name)
    )
    assert 1 <= attempts < 50, f"{attempts} of 200 requests tried the dead target"


def garble(exchange):
    exchange.head(200, [CHUNKED])
    exchange.send(b"4\r\nonlyXX")
    exchange.wait_gone()
    exchange.keep = False


@pytest.mark.parametrize("script", [cut_length, cut_chunked, cut_inside_a_chunk, garble])
def test_target_that_cuts_its_answers_is_left_out_for_a_while(make_site, script):
    site = make_site(workers=1)
    bad = site.new_upstream(script)
    site.route(bad, weight=1, priority=5)
    site.route(site.new_upstream(), weight=1, priority=5)
    for _ in range(100):
        try:
            site.call()
        except Truncated:
            pass
    assert len(bad.requests) == 5


def test_whole_answers_between_keep_a_target_in(make_site):
    site = make_site(workers=1)
    bad = site.new_upstream()
    site.route(bad, weight=1, priority=5)
    site.route(site.new_upstream(), weight=1, priority=5)
    for _ in range(4):
        bad.then(cut_length, cut_length, lambda e: e.answer(200))
    cut = 0
    while len(bad.requests) < 12:
        try:
            site.call()
        except Truncated:
            cut += 1
    assert cut == 8


def test_clients_that_leave_do_not_count_against_the_target(make_site):
    site = make_site(workers=1)
    slow = site.new_upstream()
    site.route(slow, weight=1, priority=5)
    site.route(site.new_upstream(), weight=1, priority=5)

    def script(exchange):
        exchange.head(200, [SSE, CHUNKED])
        exchange.chunk(b"data: 1\n\n")
        exchange.wait_gone()
        exchange.keep = False

    slow.handler = script
    for _ in range(60):
        connection = site.connect()
        connection.send(site.bytes("GET", "/"))
        connection.read_head()
        connection.close()
    assert len(slow.requests) > 10


def test_target_that_cut_its_answers_is_back_on_trial(make_site):
    """One probe after the cool-down; cut short as well, the target stays out for longer."""
    site = make_site(workers=1)
    bad = site.new_upstream(cut_length)
    site.route(bad, weight=1, priority=5)
    site.route(site.new_upstream(), weight=1, priority=5)
    cut = 0

    def probed():
        nonlocal cut
        try:
            site.call()
        except Truncated:
            cut += 1
        return cut == 6

    wait_until(probed, "the target is probed", 30)
    for _ in range(30):
        assert site.call().status == 200
    assert len(bad.requests) == 6
