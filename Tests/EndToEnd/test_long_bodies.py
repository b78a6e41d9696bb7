"""Long request bodies that go from socket to socket: whole, in pieces, sent again, refused, and what comes behind them.

Each test has an idle upstream connection first, for only then does a body go on at once.
"""

import fcntl
import hashlib
import json
import os
import struct
import termios
import threading

import pytest
from harness.gateway import wait_until

LENGTH = 200_000
STREAMED = 3 << 20  # too long to be held
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


def digest(data):
    return hashlib.sha256(data).hexdigest()


def prompt(length=LENGTH, model_first=False):
    text = os.urandom(length // 2).hex()
    return json.dumps({"model": "m", "prompt": text} if model_first else {"prompt": text, "model": "m"}).encode()


def warm(site, **fields):
    """A route, and a connection whose worker has one to the upstream that waits for the next request."""
    site.route(**fields)
    connection = site.connect(timeout=30)
    assert connection.request("POST", "/warm", site.headers(), b'{"model":"m"}').status == 200
    site.upstream.wait_requests()
    site.upstream.clear()
    return connection


READS = [{}, {"match_body_schema": {"model": "m"}}]


@pytest.mark.parametrize("fields", READS, ids=["any", "model"])
@pytest.mark.parametrize("length", [33_000, LENGTH, 900_000, STREAMED])
def test_one_after_another(site, fields, length):
    with warm(site, **fields) as connection:
        for model_first in (False, True, False):
            # A body that is too long to be held is decided by what comes first, or not until its end.
            body = prompt(length, model_first)
            response = connection.request("POST", "/long", site.headers(), body)
            assert response.status == 200
            request = site.upstream.requests[-1]
            assert digest(request.body) == digest(body)
            assert site.gateway.audit(response.request_id)["request_size"] == len(body)
    assert len(site.upstream.connections) == 1


@pytest.mark.parametrize("fields", READS, ids=["any", "model"])
def test_decided_in_the_middle(site, fields):
    """More than is held has come when the route is known: what is here goes on, what comes streams."""
    body = json.dumps({"a": os.urandom(650_000).hex(), "model": "m", "z": os.urandom(1 << 20).hex()}).encode()
    with warm(site, **fields) as connection:
        assert connection.request("POST", "/", site.headers(), body).status == 200
    assert digest(site.upstream.requests[-1].body) == digest(body)


def test_another_request_behind_it(site):
    """What stands in the socket behind a long body is the next request, no more and no less."""
    bodies = [prompt(), prompt(50_000), b'{"model":"m"}', prompt(120_000, True)]
    with warm(site, match_body_schema={"model": "m"}) as connection:
        sender = threading.Thread(
            target=connection.send, args=[b"".join(site.bytes("POST", "/", body=body) for body in bodies)])
        sender.start()
        assert [connection.read_response("POST").status for _ in bodies] == [200] * 4
        sender.join()
    assert [digest(request.body) for request in site.upstream.requests] == [digest(body) for body in bodies]


@pytest.mark.parametrize("length", [LENGTH, STREAMED])
@pytest.mark.parametrize("fields", READS, ids=["any", "model"])
def test_in_pieces(site, fields, length):
    """Each piece is with the upstream before the next is sent, the last of a single byte."""
    body = prompt(length, model_first=True)
    sizes = [100, 40_000, 1, 70_000]
    with warm(site, **fields) as connection:
        seen = site.upstream.bytes_received
        connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body)))]))
        at = 0
        for size in sizes:
            connection.send(body[at : at + size])
            at += size
            if fields or length == STREAMED:
                site.upstream.wait(lambda u, least=seen + at: u.bytes_received >= least)
        connection.send(body[at:-1])
        connection.send(body[-1:])
        assert connection.read_response("POST").status == 200
    assert digest(site.upstream.wait_requests().body) == digest(body)


def test_sent_again(site):
    """The idle connection turns out to be closed: the body goes again, whole, though it went out of the socket before."""
    with warm(site, match_body_schema={"model": "m"}) as connection:
        site.upstream.then(lambda exchange: exchange.close())
        body = prompt()
        assert connection.request("POST", "/", site.headers(), body).status == 200
    assert digest(site.upstream.requests[-1].body) == digest(body)
    assert len(site.upstream.connections) == 2


@pytest.mark.parametrize("fields", READS, ids=["any", "model"])
def test_an_upstream_that_reads_late(site, fields):
    """More than the sockets hold: what the upstream does not take waits, in order."""
    go = threading.Event()
    body = prompt(24 << 20, model_first=True)
    with warm(site, **fields) as connection:
        site.upstream.then(lambda e: (go.wait(10), e.read_body(), e.answer(200)))
        sender = threading.Thread(target=connection.send, args=[site.bytes("POST", "/", body=body)])
        sender.start()
        site.upstream.wait(lambda u: u.requests)
        sender.join(0.2)
        go.set()
        assert connection.read_response("POST").status == 200
        sender.join()
    assert digest(site.upstream.wait_requests().body) == digest(body)


@pytest.mark.parametrize("length", [LENGTH, STREAMED])
def test_a_body_that_contradicts_itself(site, length):
    """The model that decided the route is another at the body's end."""
    body = prompt(length, model_first=True)[:-1] + b',"model":"other"}'
    with warm(site, match_body_schema={"model": "m"}) as connection:
        connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body)))]))
        connection.send_if_open(body)
        response = connection.read_response("POST")
        assert response.status == 400 and response.json()["error"]["code"] == "conflicting_members"
    assert not [request for request in site.upstream.requests if request.complete]
    assert site.call("POST", "/", prompt()).status == 200


@pytest.mark.parametrize("fields, status", [({"match_body_schema": {"model": "m"}}, 404), (None, 401)])
def test_refused_whole(site, fields, status):
    """Nothing of a body that went nowhere is taken for a request."""
    body = json.dumps({"prompt": SMUGGLED.decode() * 3000, "model": "other"}).encode()
    key = "fg_unknown" if status == 401 else ""
    with warm(site, **(fields or {})) as connection:
        response = connection.request("POST", "/", site.headers(key=key), body)
        assert response.status == status
        if status == 404:
            assert connection.request("POST", "/", site.headers(), b'{"model":"m"}').status == 200
    assert all(request.target != "/smuggled" for request in site.upstream.requests)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("length", [LENGTH, STREAMED])
def test_a_client_that_leaves_in_the_middle(site, length, how):
    connection = warm(site, match_body_schema={"model": "m"})
    body = prompt(length, model_first=True)
    request_id = site.new_id()
    seen = site.upstream.bytes_received
    connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body))), ("x-request-id", request_id)]))
    connection.send(body[:150_000])
    site.upstream.wait(lambda u: u.bytes_received >= seen + 150_000)
    getattr(connection, how)()
    site.upstream.wait(lambda u: u.connections[0].ended)
    assert not [request for request in site.upstream.requests if request.complete]
    assert site.gateway.audit(request_id)["status_code"] == 499


def test_recorded(make_site):
    site = make_site({"proxy": {"audit_include_body": True, "audit_body_max_size": 1000}})
    connection = warm(site, match_body_schema={"model": "m"})
    for length in (LENGTH, STREAMED):
        body = prompt(length, model_first=True)
        response = connection.request("POST", "/", site.headers(), body)
        assert response.status == 200
        assert site.gateway.audit(response.request_id)["request_body"].startswith(body[:900].decode())


def arrived(connection):
    """True once the gateway's kernel has all that was sent."""
    return struct.unpack("i", fcntl.ioctl(connection.socket, termios.TIOCOUTQ, b"\0" * 4))[0] == 0


@pytest.mark.parametrize("missing", [1, 40_000])
def test_a_tail_that_comes_later(site, missing):
    """However much more than this one is waited for otherwise."""
    with warm(site, match_body_schema={"model": "m"}) as connection:
        body = prompt()
        connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body)))]))
        for piece in (body[:5000], body[5000:-missing], body[-missing:]):
            connection.send(piece)
            wait_until(lambda: arrived(connection), "all of it is there")
        assert connection.read_response("POST").status == 200
        assert digest(site.upstream.wait_requests().body) == digest(body)
        # The connection reports a single byte again.
        assert connection.request("POST", "/", site.headers(), b'{"model":"m"}').status == 200


def test_a_slow_body_is_not_late(make_site):
    """Its bytes come one after another within the time that each has, but are not enough to be reported."""
    site = make_site({"limits": {"body_timeout": 1}})
    with warm(site, match_body_schema={"model": "m"}) as connection:
        body = prompt()
        connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body)))]))
        at = 0
        for _ in range(10):
            connection.send(body[at : at + 700])
            at += 700
            assert connection.is_silent(0.25)
        connection.send(body[at:])
        assert connection.read_response("POST").status == 200
        assert digest(site.upstream.wait_requests().body) == digest(body)


@pytest.mark.parametrize("length", [LENGTH, STREAMED])
def test_a_body_that_stops(make_site, length):
    site = make_site({"limits": {"body_timeout": 1}})
    with warm(site, match_body_schema={"model": "m"}) as connection:
        body = prompt(length, model_first=True)
        connection.send_head("POST", "/", site.headers([("Content-Length", str(len(body)))]))
        connection.send(body[:90_000])
        assert connection.read_response("POST").status == 408
        assert connection.wait_closed()
    assert not [request for request in site.upstream.requests if request.complete]
