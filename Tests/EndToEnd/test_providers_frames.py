"""Streams in frames or lines whose words stand in the events themselves (Bedrock's models, Cohere's first API), and the
exceptions that Bedrock puts into frames' heads."""

import base64
import json
import struct
import threading
import zlib

import pytest

from harness.streams import Streaming

FRAMES = [("Content-Type", "application/vnd.amazon.eventstream"), ("Transfer-Encoding", "chunked")]
LINES = [("Content-Type", "application/stream+json"), ("Transfer-Encoding", "chunked")]
CONVERSE = "/model/m/converse-stream"
INVOKE = "/model/m/invoke-with-response-stream"
MARK = "Mirabelle"
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 30, "outputTokenCount": 7}}


def frame(payload: dict, **headers) -> bytes:
    head = b""
    for name, value in headers.items():
        name = ":" + name.replace("_", "-")
        head += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    data = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(head) + len(data), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + data
    return message + struct.pack(">I", zlib.crc32(message))


def event(kind: str, payload: dict) -> bytes:
    return frame(payload, event_type=kind, content_type="application/json", message_type="event")


def failed(name: str) -> bytes:
    return frame({"message": "no"}, exception_type=name, content_type="application/json", message_type="exception")


def chunk(payload: dict) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(payload).encode()).decode(), "p": "abc"})


def line(payload: dict) -> bytes:
    return json.dumps(payload).encode() + b"\n"


START = event("messageStart", {"role": "assistant"})
SAID = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "four"}})
WELL = [START, SAID, event("metadata", {"usage": {"inputTokens": 30, "outputTokens": 7, "totalTokens": 37}})]


def streaming(head, *pieces, go=None, first=0):
    """All of them; with `go`, `first` of them before it."""
    def script(exchange):
        exchange.read_body()
        exchange.head(200, head)
        for at, piece in enumerate(pieces):
            if go and at == first:
                assert go.wait(20)
            exchange.chunk(piece)
        exchange.last_chunk()
    return script


def pools(make_providers, script, other=streaming(FRAMES, *WELL)):
    site = make_providers({"providers": {"hold_timeout": 60}}, workers=1)
    site.provider("one", script, models="m", priority=1, path="")
    site.provider("two", other, models="m", priority=2, path="")
    return site.start()


def asked(site, path=CONVERSE):
    request_id = site.new_id()
    answer = site.call({"messages": []}, path, headers=[("x-request-id", request_id)])
    return answer, site.usage(request_id), site.attempts(request_id)


@pytest.mark.parametrize("name, reason", [
    ("throttlingException", "rate_limited"), ("internalServerException", "error_in_answer"),
    ("serviceUnavailableException", "overloaded"), ("modelStreamErrorException", "error_in_answer"),
])
@pytest.mark.parametrize("opening", [[], [START]])
def test_an_exception_before_content_leads_to_another_provider(make_providers, name, reason, opening):
    site = pools(make_providers, streaming(FRAMES, *opening, failed(name)))
    answer, record, attempts = asked(site)
    assert answer.status == 200 and answer.body == b"".join(WELL)
    assert (record["provider"], record["total_tokens"], record["estimated"]) == ("two", 37, 0)
    assert attempts == [("one", reason, 200)]


def test_the_callers_own_mistake_is_told_and_costs_nothing(make_providers):
    site = pools(make_providers, streaming(FRAMES, failed("validationException")))
    answer, record, _ = asked(site)
    assert answer.body == failed("validationException") and not site.upstreams["two"].requests
    assert (record["provider"], record["total_tokens"], record["estimated"]) == ("one", 0, 0)


def test_an_exception_after_content_is_told_and_the_content_paid_for(make_providers):
    site = pools(make_providers, streaming(FRAMES, START, SAID, failed("modelStreamErrorException")))
    answer, record, _ = asked(site)
    assert answer.body == START + SAID + failed("modelStreamErrorException") and not site.upstreams["two"].requests
    assert (record["outcome"], record["completion_tokens"], record["estimated"]) == ("interrupted", 1, 1)


def test_a_path_that_amazon_does_not_know_is_no_answer(make_providers):
    def script(exchange):
        exchange.read_body()
        exchange.answer(200, b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}')

    right = json.dumps({"output": {}, "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}).encode()

    def other(exchange):
        exchange.read_body()
        exchange.answer(200, right)

    answer, record, _ = asked(pools(make_providers, script, other), "/model/m/converse")
    assert answer.body == right and (record["provider"], record["total_tokens"]) == ("two", 7)


@pytest.mark.parametrize("first, last", [
    ({"generation": MARK, "prompt_token_count": 30, "stop_reason": None}, METRICS),
    ({"outputText": MARK, "index": 0, "completionReason": None}, METRICS),
    ({"type": "completion", "completion": MARK, "stop_reason": None}, METRICS),
    ({"generations": [{"id": "g", "text": MARK}]}, METRICS),
    ({"event_type": "text-generation", "text": MARK, "is_finished": False}, METRICS),
    ({"contentBlockDelta": {"delta": {"text": MARK}, "contentBlockIndex": 0}}, METRICS),
])
def test_bedrocks_models_are_heard_at_their_first_word(make_providers, first, last):
    go = threading.Event()
    site = pools(make_providers, streaming(FRAMES, chunk(first), chunk(last), go=go, first=1))
    request_id = site.new_id()
    stream = Streaming(site, {"messages": []}, INVOKE, [("x-request-id", request_id)])
    stream.until(chunk(first))
    go.set()
    assert chunk(last) in stream.until(b"0\r\n\r\n")
    stream.connection.close()
    record = site.usage(request_id)
    assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (30, 7, 0)


def test_coheres_first_api_is_heard_at_its_first_word(make_providers):
    go = threading.Event()
    events = [
        line({"is_finished": False, "event_type": "stream-start", "generation_id": "g"}),
        line({"is_finished": False, "event_type": "text-generation", "text": MARK}),
        line({"is_finished": True, "event_type": "stream-end", "response": {
            "text": MARK, "meta": {"billed_units": {"input_tokens": 3, "output_tokens": 2},
                                   "tokens": {"input_tokens": 30, "output_tokens": 7}}}}),
    ]
    site = pools(make_providers, streaming(LINES, *events, go=go, first=2))
    request_id = site.new_id()
    body = {"model": "m", "message": "Hi", "stream": True}
    stream = Streaming(site, body, "/v1/chat", [("x-request-id", request_id)])
    stream.until(MARK.encode())
    go.set()
    stream.until(b"0\r\n\r\n")
    stream.connection.close()
    record = site.usage(request_id)
    assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (30, 7, 0)
