"""The first request of a connection, which is read before the poller has told of it."""

import threading

import pytest
from harness.gateway import wait_until


def test_all_of_many_at_once(site):
    site.route()
    connections = [site.connect() for _ in range(200)]
    for number, connection in enumerate(connections):
        connection.send(site.bytes("POST", f"/{number}", body=b"{}"))
    for connection in connections:
        assert connection.read_response("POST").status == 200
    assert len({request.target for request in site.upstream.requests}) == 200


@pytest.mark.parametrize("how", ["close", "reset"])
def test_gone_at_once(site, how):
    """The client leaves while its first request waits for an answer."""
    site.route()
    cancelled = threading.Event()
    site.upstream.handler = lambda e: (e.read_body(), e.wait_gone() and cancelled.set())
    request_id = site.new_id()
    connection = site.connect()
    connection.send(site.bytes("POST", "/", [("x-request-id", request_id)], body=b"{}"))
    site.upstream.wait_requests()
    getattr(connection, how)()
    assert cancelled.wait(10)
    assert site.gateway.audit(request_id)["status_code"] == 499


def test_more_requests_behind_the_first(site):
    """One comes with the first request, one while the first waits for its answer, one after that."""
    site.route()
    go = threading.Event()
    site.upstream.then(lambda e: (e.read_body(), go.wait(10), e.answer(200, b"1")))
    site.upstream.handler = lambda e: (e.read_body(), e.answer(200, e.request.target[1:].encode()))
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/1") + site.bytes("GET", "/2"))
        site.upstream.wait_requests()
        connection.send(site.bytes("GET", "/3"))
        go.set()
        assert [connection.read_response().body for _ in range(3)] == [b"1", b"2", b"3"]
        assert connection.request("GET", "/4", site.headers()).body == b"4"


def test_a_head_in_two_pieces(site):
    site.route()
    with site.connect() as connection:
        request = site.bytes("POST", "/", body=b'{"a":1}')
        connection.send(request[:20])
        connection.send(request[20:-3])
        site.upstream.wait(lambda u: u.requests)
        connection.send(request[-3:])
        assert connection.read_response("POST").status == 200
    assert site.upstream.wait_requests().body == b'{"a":1}'


def test_each_is_counted_and_given_back(make_site):
    """On a gateway of its own: the shared one's pooled clients of other tests leave when they please."""
    site = make_site()
    site.route()
    for _ in range(20):
        assert site.call("GET", "/", headers=[("Connection", "close")]).status == 200
    wait_until(lambda: site.gateway.open_clients() == 0, "every client is gone")
