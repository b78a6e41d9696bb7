"""Big bodies both ways, every framing, and the size limit."""

import hashlib
import os

import pytest

SIZE = 3 << 20
BIG = os.urandom(SIZE)
DIGEST = hashlib.sha256(BIG).hexdigest()


def pieces(data, size=70_001):
    return [data[i : i + size] for i in range(0, len(data), size)]


def echo_length(exchange):
    body = exchange.read_body()
    exchange.answer(200, body, headers=[("Content-Type", "application/octet-stream")])


def echo_chunked(exchange):
    body = exchange.read_body()
    exchange.head(200, [("Transfer-Encoding", "chunked")])
    for piece in pieces(body, 33_333):
        exchange.chunk(piece)
    exchange.last_chunk()


def echo_close(exchange):
    body = exchange.read_body()
    exchange.head(200, [("Connection", "close")])
    exchange.send(body)
    exchange.close()


@pytest.mark.parametrize("answer", [echo_length, echo_chunked, echo_close])
@pytest.mark.parametrize("chunked", [False, True])
def test_three_megabytes_both_ways(site, answer, chunked):
    site.route()
    site.upstream.handler = answer
    response = site.call("POST", "/echo", **({"chunks": pieces(BIG)} if chunked else {"body": BIG}))
    assert hashlib.sha256(site.upstream.requests[0].body).hexdigest() == DIGEST
    assert hashlib.sha256(response.body).hexdigest() == DIGEST
    row = site.gateway.audit(response.request_id)
    assert (row["request_size"], row["response_size"]) == (SIZE, SIZE)


def test_big_json_with_a_route_that_reads_it(site):
    site.route(match_body_schema={"model": "m"})
    site.upstream.handler = echo_length
    body = b'{"pad":"' + BIG.hex().encode()[:SIZE] + b'","model":"m"}'
    response = site.call("POST", "/v1/chat/completions", body)
    assert response.status == 200 and response.body == body


def test_many_tiny_chunks(site):
    site.route()
    site.upstream.handler = echo_chunked
    body = os.urandom(5000)
    assert site.call("POST", "/echo", chunks=pieces(body, 1)).body == body


@pytest.mark.parametrize("body", [b"", b"x"])
def test_small_bodies(site, body):
    site.route()
    site.upstream.handler = echo_length
    assert site.call("POST", "/echo", body).body == body
    assert site.call("POST", "/echo", chunks=[body] if body else []).body == body


def test_get_with_a_body(site):
    site.route()
    assert site.call("GET", "/g", b"hello").status == 200
    assert site.upstream.wait_requests().body == b"hello"


@pytest.mark.parametrize("size, status", [(1 << 20, 200), ((1 << 20) + 1, 413)])
def test_max_body_size(make_site, size, status):
    site = make_site({"proxy": {"max_body_size": "1MB"}})
    site.route()
    for how in ("length", "chunked"):
        with site.connect() as connection:
            body = b"x" * size
            if how == "length":
                connection.send_if_open(site.bytes("POST", "/up", body=body))
            else:
                connection.send_if_open(site.bytes("POST", "/up", chunks=pieces(body, 50_000)))
            response = connection.read_response("POST")
            assert response.status == status, how
            if status == 413:
                assert connection.wait_closed()
                assert response.json()["error"]["code"]
    assert not [r for r in site.upstream.requests if r.complete and status == 413]


def test_too_long_is_told_before_it_is_sent(make_site):
    """A Content-Length over the limit is refused on sight: no byte of the body is waited for."""
    site = make_site({"proxy": {"max_body_size": 1000}})
    site.route()
    connection = site.connect()
    connection.send_head("POST", "/up", site.headers([("Content-Length", "1001"), ("Expect", "100-continue")]))
    response = connection.read_response("POST")
    assert response.status == 413 and not response.interim
    assert not site.upstream.requests


def blob(exchange):
    exchange.answer(200, BIG, headers=[("Content-Type", "application/octet-stream")])


def test_a_big_answer_for_a_reader_that_pauses(site):
    """What its socket does not take waits; nothing of it is lost or doubled."""
    site.route()
    site.upstream.handler = blob
    with site.connect() as connection:
        connection.send_head("GET", "/blob", site.headers())
        response = connection.read_head()
        # The upstream has written all it can into both sockets before a byte of the body is read here.
        assert connection.is_silent(0.3) is False
        while connection.read_piece(response):
            pass
        assert hashlib.sha256(response.body).hexdigest() == DIGEST
        assert connection.request("GET", "/blob", site.headers()).body == BIG
    assert site.gateway.audit(response.request_id)["response_size"] == SIZE


def test_a_big_answer_cut_upstream_is_cut_here(site):
    site.route()

    def cut(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Length", str(SIZE))])
        exchange.send(BIG[: SIZE // 2])
        exchange.close()

    site.upstream.handler = cut
    with site.connect() as connection:
        connection.send_head("GET", "/blob", site.headers())
        response = connection.read_truncated()
    assert response.body == BIG[: SIZE // 2]
    row = site.gateway.audit(response.request_id)
    assert row["response_size"] == SIZE // 2 and "cut short" in row["error_message"]


def test_a_client_that_leaves_a_big_answer_leaves_nothing_for_the_next(site):
    site.route()
    site.upstream.handler = blob
    for _ in range(8):  # both workers
        with site.connect() as connection:
            connection.send_head("GET", "/blob", site.headers())
            response = connection.read_head()
            connection.reset()
        assert site.gateway.audit(response.request_id)["status_code"] == 499
    for _ in range(8):
        assert hashlib.sha256(site.call("GET", "/blob").body).hexdigest() == DIGEST
