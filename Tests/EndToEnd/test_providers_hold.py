"""What is held back, so that another provider can take over, goes on after a while whether more comes or not."""

import json
import socket
import threading

import pytest
from test_tls import certificates, server_context  # noqa: F401

from harness.providers import EVENT_STREAM, Providers, chat, completion
from harness.streams import FORMATS, Streaming, anthropic_events, request_of, responses_events, send, whole


@pytest.fixture
def site(make_providers):
    site = make_providers({"providers": {"hold_timeout": 0.3}}, workers=1)
    yield site


def beginning(first, go, rest=lambda exchange: None):
    """Says `first`, nothing until `go`, then the rest."""
    def script(exchange):
        exchange.read_body()
        first(exchange)
        assert go.wait(20)
        rest(exchange)
    return script


def pools(site, script, kind="openai", timeout=30):
    """Two providers: as long as nothing has gone out, another one is left."""
    path = "" if kind != "openai" else "/v1"
    site.provider("one", script, type=kind, models="m", priority=1, timeout=timeout, path=path)
    site.provider("two", whole(FORMATS[{"anthropic": "messages", "gemini": "gemini"}.get(kind, "chat")][2]), type=kind,
                  models="m", priority=2, path=path)
    site.start()


def stream_of(items):
    def write(exchange):
        exchange.head(200, EVENT_STREAM)
        for item in items:
            send(exchange, item)
    return write


def rest_of(items):
    def write(exchange):
        for item in items:
            send(exchange, item)
        exchange.last_chunk()
    return write


def test_a_response_that_thinks_for_long_is_seen_to_have_begun(site):
    opening, rest = responses_events("m", "Hello", "start")
    go = threading.Event()
    pools(site, beginning(stream_of(opening), go, rest_of(rest)))
    request_id = site.new_id()
    stream = Streaming(site, request_of("responses"), "/v1/responses", [("x-request-id", request_id)])
    text = stream.until(b'"response.in_progress"')
    assert b"x-fastgate-provider: one" in text and b"Hello" not in text
    go.set()
    text = stream.until(b"0\r\n\r\n")
    assert text.count(b'"response.created"') == 1 and b'"response.completed"' in text
    stream.connection.close()
    assert site.usage(request_id)["total_tokens"] == 13 and site.attempts(request_id) == []


def test_a_head_alone_goes_on_and_another_provider_can_still_take_over(site):
    go = threading.Event()
    pools(site, beginning(lambda exchange: exchange.head(200, EVENT_STREAM), go, lambda exchange: exchange.reset()))
    request_id = site.new_id()
    stream = Streaming(site, request_of("chat"), headers=[("x-request-id", request_id)])
    assert stream.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    go.set()
    text = stream.until(b"0\r\n\r\n")
    assert b": fastgate: goes on with two/m" in text and b"Hello" in text and b"[DONE]" in text
    stream.connection.close()
    assert site.attempts(request_id) == [("one", "cut_off", 200)]


def test_a_block_that_has_begun_goes_on_behind_what_is_out(site):
    opening, rest = anthropic_events("m", "Hello", "block")
    go = threading.Event()
    pools(site, beginning(stream_of(opening), go, rest_of(rest)), "anthropic")
    stream = Streaming(site, request_of("messages"), "/v1/messages")
    text = stream.until(b'"type": "ping"')
    assert text.count(b"content_block_start") >= 1
    go.set()
    assert b"message_stop" in stream.until(b"0\r\n\r\n")
    stream.connection.close()


def test_json_that_stops_in_its_first_words_goes_on(site):
    body, go = completion("m", "Hello"), threading.Event()

    def first(exchange):
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        exchange.send(body[:10])

    pools(site, beginning(first, go, lambda exchange: exchange.send(body[10:])))
    stream = Streaming(site, {"model": "m", "messages": []})
    stream.until(body[:10])
    go.set()
    assert stream.until(body).count(b"HTTP/1.1") == 1
    stream.connection.close()


def test_an_error_that_does_not_end_is_judged_by_what_is_here(site):
    error, go = json.dumps({"error": {"message": "overloaded", "type": "server_error"}}).encode(), threading.Event()

    def first(exchange):
        exchange.head(500, [("Content-Type", "application/json"), ("Content-Length", str(len(error) + 100))])
        exchange.send(error)

    pools(site, beginning(first, go))
    request_id = site.new_id()
    response = site.ask("m", stream=True, headers=[("x-request-id", request_id)])
    go.set()
    assert response.status == 200 and response.header("x-fastgate-provider") == "two"
    assert [(name, status) for name, _, status in site.attempts(request_id)] == [("one", 500)]


def test_whoever_stays_silent_after_that_is_timed_out_as_ever(site):
    """The provider's own timeout is counted from its last byte, not from when it was let through."""
    opening, _ = responses_events("m", "Hello", "start")
    go = threading.Event()
    pools(site, beginning(stream_of(opening), go), timeout=1)
    request_id = site.new_id()
    text = Streaming(site, request_of("responses"), "/v1/responses", [("x-request-id", request_id)]).rest()
    go.set()
    assert b'"response.created"' in text and b'"type":"error"' in text and b"[DONE]" not in text
    record = site.usage(request_id)
    assert site.attempts(request_id) == [("one", "timeout", 200)] and record["outcome"] in ("failed", "interrupted")


def test_a_timeout_that_is_shorter_than_the_hold_leads_on(make_providers):
    site = make_providers({"providers": {"hold_timeout": 60}}, workers=1)
    opening, _ = responses_events("m", "", "start")
    go = threading.Event()
    site.provider("one", beginning(stream_of(opening), go), models="m", priority=1, timeout=1)
    site.provider("two", whole(responses_events), models="m", priority=2)
    site.start()
    text = Streaming(site, request_of("responses"), "/v1/responses").until(b"0\r\n\r\n")
    go.set()
    assert text.count(b'"response.created"') == 1 and b"resp_good" in text and b"resp_m" not in text


def test_without_a_hold_everything_goes_on_at_once(make_providers):
    site = make_providers({"providers": {"hold_timeout": 0}}, workers=1)
    opening, rest = responses_events("m", "Hello", "start")
    go = threading.Event()
    pools(site, beginning(stream_of(opening), go, rest_of(rest)))
    stream = Streaming(site, request_of("responses"), "/v1/responses")
    stream.until(b'"response.in_progress"')
    go.set()
    assert b'"response.completed"' in stream.until(b"0\r\n\r\n")
    stream.connection.close()
    site.upstreams["one"].handler = chat
    assert site.ask("m").status == 200


def test_over_tls_too_where_records_arrive_together(tmp_path, certificates):  # noqa: F811
    """What was received stands in TLS's own buffer then, and no event tells of it any more."""
    config = {"providers": {"hold_timeout": 0.3}, "upstream_tls": {"ca_file": str(certificates / "ca.pem")}}
    site = Providers(tmp_path, config, workers=1)
    opening, rest = responses_events("m", "Hello", "start")
    go = threading.Event()

    def first(exchange):
        plain = exchange.connection.socket
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        stream_of(opening)(exchange)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    try:
        context = server_context(certificates, "good")
        site.provider("one", beginning(first, go, rest_of(rest)), models="m", priority=1, tls=context)
        site.provider("two", models="m", priority=2)
        site.start()
        for _ in range(3):
            go.clear()
            stream = Streaming(site, request_of("responses"), "/v1/responses")
            stream.until(b'"response.in_progress"')
            go.set()
            assert b'"response.completed"' in stream.until(b"0\r\n\r\n")
            stream.connection.close()
    finally:
        site.close()
