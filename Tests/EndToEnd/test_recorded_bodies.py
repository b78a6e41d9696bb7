"""SPEC section 8: what the audit makes of recorded answers: decoded, merged, cut at what is stored; and streams that run."""

import gzip
import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Gateway, Site, wait_until
from harness.upstream import Signal

SSE = ("Content-Type", "text/event-stream")
GZIP = ("Content-Encoding", "gzip")
CHUNKED = ("Transfer-Encoding", "chunked")
LIMIT = 2048


@pytest.fixture(scope="module", params=[True, False], ids=["headers", "no headers"])
def recording(request, tmp_path_factory):
    """A gateway that keeps bodies, with and without headers: what a body is must not hang on that."""
    config = {"proxy": {"audit_include_body": True, "audit_include_headers": request.param, "audit_body_max_size": LIMIT}}
    gateway = Gateway(tmp_path_factory.mktemp("recording"), config).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def site(recording):
    site = Site(recording)
    yield site
    site.close()


def event(**fields):
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": "fp_0"}
    return b"data: " + json.dumps(base | fields).encode() + b"\n\n"


def chat(words):
    """An OpenAI stream of so many words, with its end, usage and `[DONE]`: some 200 bytes a word."""
    deltas = [{"role": "assistant", "content": ""}] + [{"content": word} for word in words]
    pieces = [event(choices=[{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    pieces.append(event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    pieces.append(event(choices=[], usage={"prompt_tokens": 9, "completion_tokens": len(words)}))
    return pieces + [b"data: [DONE]\n\n"]


def answer_with(site, body, *headers):
    site.upstream.handler = lambda exchange: exchange.answer(200, body, headers=list(headers))
    response = site.call("POST", "/v1/chat/completions", b'{"stream":true}')
    assert response.body == body
    return site.gateway.audit(response.request_id)


def test_compressed_answers_are_decoded(site):
    site.route()
    for coding in ("gzip", "GZIP", "x-gzip"):
        row = answer_with(site, gzip.compress(b'{"answer":42}'), ("Content-Encoding", coding))
        assert row["response_body"] == '{"answer":42}'
    # The limit is one of what is stored: here the compressed body alone is longer, there the decoded one.
    noise = os.urandom(LIMIT).hex()[:LIMIT]
    for body in (gzip.compress(noise.encode(), 0), gzip.compress(noise.encode() * 50)):
        assert answer_with(site, body, GZIP)["response_body"] == noise
    raw = b"\x1f\x8b no gzip at all"
    assert answer_with(site, raw, ("Content-Encoding", "br"))["response_body"] == raw
    # Two codings, one after the other: neither alone gives the answer.
    row = answer_with(site, gzip.compress(b"{}"), GZIP, ("Content-Encoding", "br"))
    assert isinstance(row["response_body"], bytes)


@pytest.mark.parametrize("coded", [False, True])
def test_a_stream_is_merged_before_it_is_cut(site, coded):
    """A hundred tokens are twenty kilobytes of events: ten times what may be stored, of which the answer needs a part."""
    site.route()
    words = [f"w{i} " for i in range(100)]
    body = b"".join(chat(words))
    assert len(body) > 8 * LIMIT
    row = answer_with(site, gzip.compress(body) if coded else body, SSE, *([GZIP] if coded else []))
    stored = json.loads(row["response_body"])
    assert stored["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "".join(words)}, "finish_reason": "stop"}
    ]
    assert stored["usage"]["completion_tokens"] == 100 and "truncated" not in stored
    assert row["stream_chunks"] == len(words) + 4 and len(row["response_body"]) <= LIMIT


def test_a_long_answer_is_shortened_and_says_so(site):
    """What comes behind the text stays: finish_reason and usage."""
    site.route()
    body = b"".join(chat(["é漢😀\n"] * 250))
    assert len(body) < 32 * LIMIT
    row = answer_with(site, body, SSE)
    stored = json.loads(row["response_body"])
    assert list(stored)[0] == "truncated" and stored["truncated"] is True
    assert stored["choices"][0]["finish_reason"] == "stop" and stored["usage"]["completion_tokens"] == 250
    text = stored["choices"][0]["message"]["content"]
    assert len(text) > 100 and ("é漢😀\n" * 250).startswith(text)
    assert LIMIT - 12 < len(row["response_body"].encode()) <= LIMIT


def test_a_stream_beyond_what_is_recorded_says_so(site):
    site.route()
    words = ["x"] * 800
    body = b"".join(chat(words))
    assert len(body) > 32 * LIMIT
    row = answer_with(site, body, SSE)
    stored = json.loads(row["response_body"])
    assert list(stored)[0] == "truncated" and stored["choices"][0]["finish_reason"] is None
    assert 100 < len(stored["choices"][0]["message"]["content"]) < 800
    assert row["response_size"] == len(body) and row["stream_chunks"] == 804


def test_other_bodies_are_cut_at_the_limit(site):
    site.route()
    anthropic = b'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n' * 400
    for body, headers in [(anthropic, [SSE]), (b"y" * 50_000, []), (b'{"n":1}\n' * 9000, [("Content-Type", "application/x-ndjson")])]:  # fmt: skip
        row = answer_with(site, body, *headers)
        assert row["response_body"] == body[:LIMIT].decode() and row["response_size"] == len(body)


def test_a_stream_that_is_merged_comes_in_any_pieces(site):
    site.route()
    body = b"".join(chat([f"w{i} " for i in range(60)]))

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [SSE, CHUNKED])
        for i in range(0, len(body), 611):
            exchange.chunk(body[i : i + 611])
        exchange.last_chunk()

    site.upstream.handler = script
    response = site.call("POST", "/v1/chat/completions", b'{"stream":true}')
    stored = json.loads(site.gateway.audit(response.request_id)["response_body"])
    assert stored["choices"][0]["finish_reason"] == "stop" and "truncated" not in stored


def test_long_records_that_the_ring_has_no_room_for_are_shortened(make_site):
    """The database is locked and the ring full: what then waits in memory is no more than what is stored."""
    site = make_site({"proxy": {"audit_include_body": True}, "audit": {"ring_size": "1MB"}}, workers=1)
    site.route()
    body = b"".join(chat(["word "] * 500))
    step = Signal()

    def script(exchange):
        exchange.read_body()
        step.wait()
        exchange.answer(200, body, headers=[SSE])

    site.upstream.handler = script
    site.key
    blocker = sqlite3.connect(site.gateway.database_file, isolation_level=None, timeout=20)
    try:
        blocker.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(20) as pool:
            calls = [pool.submit(site.call, "POST", "/v1/chat/completions", b"{}") for _ in range(20)]
            # All are accepted before the first of them fills the ring, which has room for ten or so.
            site.upstream.wait_requests(20)
            for _ in calls:
                step.go()
            ids = [call.result().request_id for call in calls]
        blocker.execute("ROLLBACK")
    finally:
        blocker.close()
    stored = [json.loads(site.gateway.audit(request_id)["response_body"]) for request_id in ids]
    whole = [answer for answer in stored if "truncated" not in answer]
    short = [answer for answer in stored if "truncated" in answer]
    assert whole and short and all(answer["usage"]["completion_tokens"] == 500 for answer in whole)
    assert all(answer["choices"][0]["finish_reason"] is None for answer in short)


# Streams that run


def open_row(site, request_id, began=True):
    def found():
        rows = site.gateway.query("SELECT * FROM audit_logs WHERE request_id = ?", request_id)
        return rows and (not began or rows[0]["first_response_time"]) and rows[0]

    return wait_until(found, f"row of {request_id}")


@pytest.mark.parametrize(
    "body, headers, answer, is_stream",
    [
        (b'{"stream":true}', [], [CHUNKED], 1),
        (b"{}", [("Accept", "text/event-stream")], [CHUNKED], 1),
        (b"{}", [], [SSE, CHUNKED], 1),
        (b"{}", [], [CHUNKED], 0),
    ],
)  # fmt: skip
def test_an_open_stream_says_that_it_is_one(make_site, body, headers, answer, is_stream):
    """While it runs, and after the process was killed in the middle of it."""
    site = make_site()
    site.route()
    step = Signal()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, answer)
        exchange.chunk(b"data: 1\n\n")
        step.wait()

    site.upstream.handler = script
    request_id = site.new_id()
    try:
        with site.connect() as connection:
            connection.send(site.bytes("POST", "/v1/x", [*headers, ("x-request-id", request_id)], body))
            connection.read_head("POST")
            row = open_row(site, request_id)
            assert (row["status_code"], row["is_stream"]) == (None, is_stream)
            listed = site.gateway.admin("GET", "/admin/logs", is_stream="true")["items"]
            assert [item["request_id"] for item in listed] == [request_id] * is_stream
            site.gateway.kill()
        site.gateway.start()
        row = open_row(site, request_id)
        assert row["error_message"] and (row["status_code"], row["is_stream"]) == (None, is_stream)
    finally:
        step.go()


def test_a_request_that_asks_for_a_stream_says_so_before_any_answer(make_site):
    site = make_site()
    site.route()
    step = Signal()
    site.upstream.handler = lambda exchange: step.wait()
    request_id = site.new_id()
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/v1/x", [("Accept", "text/event-stream"), ("x-request-id", request_id)]))
        row = open_row(site, request_id, began=False)
        assert (row["first_response_time"], row["is_stream"]) == (None, 1)
    step.go()
