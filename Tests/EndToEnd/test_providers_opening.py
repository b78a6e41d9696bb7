"""Streams begin at once, and are a provider's own only once it has said something: until then another takes over."""

import json
import threading

import anthropic
import openai
import pytest

from harness import wait_until
from harness.client import Connection, request_bytes
from harness.providers import EVENT_STREAM, chat, chunk_of, completion, delta, event
from harness.streams import (
    FORMATS, Streaming, anthropic_events, chat_events, gemini_events, request_of, send, whole)

KEYS = ("sk-pool-key-aaaaaaaa-1", "sk-pool-key-bbbbbbbb-2")


def opened(events, then, *, go=None, opens="start"):
    """Opens, waits for `go`, and fails before any content."""
    def script(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        for item in events("bad", "", opens)[0]:
            send(exchange, item)
        assert go is None or go.wait(10)
        then(exchange)
    return script


def error_event(error):
    def fail(exchange):
        send(exchange, error)
        exchange.last_chunk()
    return fail


def reset(exchange):
    exchange.reset()


def close(exchange):
    exchange.close()


def silence(exchange):
    exchange.wait_gone(10)


def nonsense(exchange):
    exchange.send(b"no chunk\r\n")
    exchange.wait_gone(10)


def end(exchange):
    exchange.last_chunk()


FAILURES = {"error event": None, "reset": reset, "close": close, "end": end, "silence": silence, "broken framing": nonsense}
REASONS = {"error event": {"error_in_answer", "overloaded"}, "reset": {"cut_off"}, "close": {"cut_off"}, "end": {"cut_off"},
           "silence": {"timeout"}, "broken framing": {"malformed_answer"}}


def two(make_providers, kind, bad, good):
    site = make_providers(workers=1)
    site.provider("bad", bad, type=kind, models="m", priority=1, timeout=1, path="" if kind != "openai" else "/v1")
    site.provider("good", good, type=kind, models="m", priority=2, path="" if kind != "openai" else "/v1")
    return site.start()


def read_by_sdk(site, name):
    """What an SDK makes of the stream: the text, and the message put together from it."""
    port = site.gateway.port
    if name == "messages":
        client = anthropic.Anthropic(api_key=site.key, base_url=f"http://127.0.0.1:{port}", max_retries=0)
        with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]) as stream:
            text = "".join(stream.text_stream)
            message = stream.get_final_message()
        assert (message.role, message.stop_reason, len(message.content)) == ("assistant", "end_turn", 1)
        return text
    client = openai.OpenAI(api_key=site.key, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
    if name == "responses":
        with client.responses.stream(model="m", input="Hi") as stream:
            for _ in stream:
                pass
            return stream.get_final_response().output_text
    with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    assert message.role == "assistant"
    return message.content


# Nothing is held


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "responses"])
def test_an_opening_goes_out_at_once_and_another_provider_goes_on(make_providers, name):
    kind, path, events, error = FORMATS[name]
    go = threading.Event()
    site = two(make_providers, kind, opened(events, error_event(error), go=go), whole(events))
    request_id = site.new_id()
    stream = Streaming(site, request_of(name), path, [("x-request-id", request_id)])
    first = json.dumps(events("bad", "", "start")[0][0]).encode()
    stream.until(first + b"\n\n")
    go.set()
    text = stream.until(b"0\r\n\r\n")
    stream.connection.close()
    assert b"Hello" in text and b'"message": "x"' not in text and text.count(b"HTTP/1.1 ") == 1
    # Google's client takes a comment for an event.
    assert (b": fastgate: goes on with good/m\n\n" in text) == (name != "gemini")
    assert text.count(b"message_start\",") == (name == "messages")
    assert [(p, r in REASONS["error event"], s) for p, r, s in site.attempts(request_id)] == [("bad", True, 200)]
    record = site.usage(request_id)
    assert (record["provider"], record["outcome"], record["completion_tokens"], record["estimated"]) == (
        "good", "completed", 5 if name == "messages" else 4, 0)
    row = site.gateway.audit(request_id)
    assert row["status_code"] == 200 and row["error_message"] is None
    assert str(site.upstreams["good"].port) in row["target_url"]


def test_interim_answers_are_no_part_of_a_stream(make_providers):
    """Before the stream they go on and keep nobody from taking over; from a provider that goes on with it they do not."""
    def hinting(script, name):
        def hinted(exchange):
            exchange.send(f"HTTP/1.1 103 Early Hints\r\nLink: <{name}>\r\n\r\n".encode())
            script(exchange)
        return hinted

    site = make_providers(workers=1)
    scripts = {"silent": reset, "bad": opened(chat_events, reset), "good": whole(chat_events)}
    for priority, (name, script) in enumerate(scripts.items(), 1):
        site.provider(name, hinting(script, name), models="m", priority=priority)
    site.start()
    request_id = site.new_id()
    answer = site.call(request_of("chat"), FORMATS["chat"][1], headers=[("x-request-id", request_id)])
    assert answer.complete and b"Hello" in answer.body and b"103" not in answer.body
    assert [hint.header("link") for hint in answer.interim] == ["<silent>", "<bad>"]
    assert [provider for provider, _, _ in site.attempts(request_id)] == ["silent", "bad"]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("opens", ["start", "block"])
@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
def test_the_sdks_read_what_two_providers_said(make_providers, name, opens, failure):
    kind, _, events, error = FORMATS[name]
    then = FAILURES[failure] or error_event(error)
    site = two(make_providers, kind, opened(events, then, opens=opens), whole(events, "joined" if opens == "block" else "start"))
    assert read_by_sdk(site, name) == "Hello"
    rows = wait_until(lambda: site.gateway.query("SELECT * FROM usage_records"), "the record")
    assert len(rows) == 1 and rows[0]["provider"] == "good" and rows[0]["prompt_tokens"] in (9, 3)
    attempts = site.attempts(rows[0]["request_id"])
    assert [(p, r in REASONS[failure]) for p, r, _ in attempts] == [("bad", True)], attempts


# An end without the last event


LAST_EVENTS = {"messages": 2, "responses": 1, "gemini": 1}
ERROR_EVENTS = {
    "messages": b'event: error\ndata: {"type":"error","error":{"type":"api_error"',
    "responses": b'event: error\ndata: {"type":"error","code":"server_error"',
    "gemini": b'data: {"error":{"code":502,',
}


def framed(how, data, exchange):
    """An event stream in one of the three framings."""
    exchange.read_body()
    if how == "chunked":
        exchange.head(200, EVENT_STREAM)
        exchange.chunk(data)
        exchange.last_chunk()
    elif how == "length":
        exchange.answer(200, data, EVENT_STREAM[:1])
    else:
        exchange.head(200, [*EVENT_STREAM[:1], ("Connection", "close")])
        exchange.send(data)
        exchange.close()


def data_of(items):
    return b"".join(
        (f"event: {item['type']}\n".encode() if "type" in item else b"") + event(item) if isinstance(item, dict) else event(item)
        for item in items)


@pytest.mark.parametrize("how", ["chunked", "length", "close"])
@pytest.mark.parametrize("name", LAST_EVENTS)
def test_a_stream_that_ends_before_its_last_event_has_broken_off(make_providers, name, how):
    kind, path, events, _ = FORMATS[name]
    opening, rest = events("m", "Hello", "start")
    items = opening + rest[: -LAST_EVENTS[name]]
    site = make_providers(workers=1)
    site.provider("only", lambda exchange: framed(how, data_of(items), exchange), type=kind, models="m", path="" if kind != "openai" else "/v1")
    site.start()
    request_id = site.new_id()
    text = Streaming(site, request_of(name), path, [("x-request-id", request_id)]).rest()
    assert text.count(b"Hello") > 0 and text.count(ERROR_EVENTS[name]) == 1 and not text.endswith(b"0\r\n\r\n")
    assert text.index(ERROR_EVENTS[name]) > text.rindex(b"Hello")
    record = site.usage(request_id)
    assert (record["outcome"], record["estimated"]) == ("interrupted", 1) and record["completion_tokens"] > 0
    assert site.attempts(request_id) == [("only", "cut_off", 200)]
    assert site.gateway.audit(request_id)["error_message"] == "the upstream's answer was cut short"


@pytest.mark.parametrize("how", ["chunked", "length", "close"])
@pytest.mark.parametrize("name", FORMATS)
def test_whole_streams_stay_whole(make_providers, name, how):
    """Also a chat without [DONE], which some never send."""
    kind, path, events, _ = FORMATS[name]
    opening, rest = events("m", "Hello", "start")
    data = data_of(opening + [item for item in rest if item != b"[DONE]"])
    site = make_providers(workers=1)
    site.provider("only", lambda exchange: framed(how, data, exchange), type=kind, models="m", path="" if kind != "openai" else "/v1")
    site.start()
    request_id = site.new_id()
    answer = site.call(request_of(name), path, headers=[("x-request-id", request_id)])
    assert b"Hello" in answer.body and b"error" not in answer.body
    record = site.usage(request_id)
    assert (record["outcome"], record["estimated"]) == ("completed", 0)
    assert site.attempts(request_id) == []


def test_a_prompt_that_google_blocks_is_answered(make_providers):
    body = data_of([{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}])
    site = two(make_providers, "gemini", lambda exchange: framed("chunked", body, exchange), whole(gemini_events))
    answer = site.call(request_of("gemini"), FORMATS["gemini"][1])
    assert b"blockReason" in answer.body and b"Hello" not in answer.body and b"error" not in answer.body


@pytest.mark.parametrize("opens", ["start", "block"])
@pytest.mark.parametrize("name", LAST_EVENTS)
def test_what_ends_before_it_says_anything_costs_nothing(make_providers, name, opens):
    """Where nobody else is left the same key is asked again, unless what cannot be repeated is out; then the client is told."""
    kind, path, events, _ = FORMATS[name]
    data = data_of(events("m", "", opens)[0])
    site = make_providers(workers=1)
    site.provider("only", lambda exchange: framed("chunked", data, exchange), type=kind, models="m", path="" if kind != "openai" else "/v1")
    site.start()
    request_id = site.new_id()
    text = Streaming(site, request_of(name), path, [("x-request-id", request_id)]).rest()
    assert text.count(ERROR_EVENTS[name]) == 1 or b"upstream_cut_short" in text
    assert not text.endswith(b"0\r\n\r\n")
    record = site.usage(request_id)
    assert (record["outcome"], record["total_tokens"], record["cost_micros"]) == ("failed", 0, None)
    assert set(site.attempts(request_id)) == {("only", "cut_off", 200)}


# Asked for usage


REFUSALS = {
    "openai": (400, {"error": {"message": "Unrecognized request argument supplied: stream_options", "type": "invalid_request_error",
                               "param": None, "code": None}}),
    "pydantic": (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}),
}


def refusing(refusal):
    """Knows no `stream_options`, and reports no usage."""
    status, body = refusal
    def script(exchange):
        exchange.read_body()
        request = exchange.request.json()
        if "stream_options" in request:
            return exchange.answer(status, json.dumps(body).encode(), [("Content-Type", "application/json")])
        framed("chunked", data_of([delta("m", role="assistant", content=""), delta("m", content="Hello"),
               chunk_of("m", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]), b"[DONE]"]), exchange)
    return script


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_provider_that_knows_no_stream_options_is_asked_without(make_providers, refusal):
    site = make_providers(workers=1)
    site.provider("old", refusing(REFUSALS[refusal]), models="m", keys=KEYS)
    site.start()
    for _ in range(3):
        request_id = site.new_id()
        answer = site.ask("m", stream=True, headers=[("x-request-id", request_id)])
        assert answer.status == 200 and b"Hello" in answer.body and answer.body.endswith(b"data: [DONE]\n\n")
        record = site.usage(request_id)
        assert (record["outcome"], record["estimated"]) == ("completed", 1) and record["total_tokens"] > 0
        assert site.attempts(request_id) == []
    asked = ["stream_options" in request.json() for request in site.upstreams["old"].requests]
    assert asked == [True, False, False, False], "once was enough to know"
    assert site.key_states("old") == ["ok", "ok"]


def test_what_the_client_asks_for_itself_is_refused_to_it(make_providers):
    site = make_providers(workers=1)
    site.provider("old", refusing(REFUSALS["openai"]), models="m")
    site.start()
    for options in ({"include_usage": True}, {"include_usage": False}):
        answer = site.ask("m", stream=True, stream_options=options)
        assert answer.status == 400 and b"stream_options" in answer.body
    asked = [request.json().get("stream_options") for request in site.upstreams["old"].requests]
    assert asked == [{"include_usage": True}, {"include_usage": True}, {"include_usage": False}]
    assert site.ask("m", stream=True).status == 200
    assert "stream_options" in site.upstreams["old"].requests[3].json(), "a refusal that may have another reason is not kept in mind"


def test_a_head_and_comments_of_a_single_provider_wait_for_nothing(make_providers):
    go = [threading.Event() for _ in range(3)]

    def script(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        assert go[0].wait(10)
        exchange.chunk(b": thinking\n\n")
        assert go[1].wait(10)
        send(exchange, delta("m", role="assistant", content=""))
        assert go[2].wait(10)
        for item in chat_events("m", "Hello", "start")[1]:
            send(exchange, item)
        exchange.last_chunk()

    site = make_providers()
    site.provider("only", script, models="m")
    site.start()
    stream = Streaming(site, request_of("chat"))
    for wanted, signal in zip([b"\r\n\r\n", b": thinking\n\n", b'"role": "assistant"'], go, strict=True):
        stream.until(wanted)
        signal.set()
    text = stream.until(b"0\r\n\r\n")
    assert b"Hello" in text and b"usage" not in text
    stream.connection.close()


def test_a_block_that_begins_waits_only_where_another_key_is_left(make_providers):
    go = threading.Event()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        opening, rest = anthropic_events("m", "Hello", "block")
        for item in opening:
            send(exchange, item)
        assert go.wait(10)
        for item in rest:
            send(exchange, item)
        exchange.last_chunk()

    site = make_providers()
    site.provider("only", script, type="anthropic", models="one", path="")
    site.provider("pool", script, type="anthropic", models="many", path="", keys=KEYS)
    site.start()
    stream = Streaming(site, {**request_of("messages"), "model": "one"}, "/v1/messages")
    stream.until(b'"type": "ping"')
    go.set()
    assert b"message_stop" in stream.until(b"0\r\n\r\n")
    go.clear()
    stream = Streaming(site, {**request_of("messages"), "model": "many"}, "/v1/messages")
    assert b"content_block_start" not in stream.until(b"message_start")
    go.set()
    assert b"message_stop" in stream.until(b"0\r\n\r\n")


@pytest.mark.parametrize("cut", [1, 7, 40, 200])
def test_openings_in_pieces_of_any_size(make_providers, cut):
    """Chunks and events need not end together."""
    def script(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        key = exchange.request.header("authorization")
        opening, rest = chat_events("m", "Hello", "start")
        items = [b": one\n\n", *map(event, opening)]
        if key.endswith("1"):
            items.append(event(FORMATS["chat"][3]))
        else:
            items += map(event, rest)
        data = b"".join(items)
        for start in range(0, len(data), cut):
            exchange.chunk(data[start : start + cut])
        exchange.last_chunk()

    site = make_providers()
    site.provider("pool", script, models="m", keys=KEYS, key_strategy="first_available")
    site.start()
    response = site.ask("m", stream=True)
    body = response.body
    assert body.count(b"assistant") == 1 and b"Hello" in body and b"error" not in body and body.endswith(b"data: [DONE]\n\n")


def test_a_stream_with_a_length_is_gone_on_with_too(make_providers):
    body = b"".join(map(event, sum(map(list, chat_events("m", "Hello", "start")), [])))
    site = two(make_providers, "openai", opened(chat_events, reset), lambda e: e.answer(200, body, [("Content-Type", "text/event-stream")]))
    response = site.ask("m", stream=True)
    assert response.body.count(b"assistant") == 1 and b"Hello" in response.body
    assert b"usage" not in response.body and response.body.endswith(b"data: [DONE]\n\n")


def test_a_client_of_http_1_0_is_served_by_two_as_well(make_providers):
    site = two(make_providers, "openai", opened(chat_events, reset), whole(chat_events))
    with Connection(site.gateway.port) as connection:
        body = json.dumps(request_of("chat")).encode()
        connection.send(request_bytes("POST", "/v1/chat/completions", site.headers(), body).replace(b"HTTP/1.1", b"HTTP/1.0"))
        while connection._fill():
            pass
        text = bytes(connection.received)
    assert text.count(b"HTTP/1.1 200") == 1 and text.count(b"assistant") == 1 and b"Hello" in text


# When nothing is left


@pytest.mark.parametrize("last", ["server error", "refused", "caller's fault", "json", "same again"])
def test_a_stream_that_nobody_goes_on_with_ends_with_an_error(make_providers, last):
    def good(exchange):
        if last == "server error":
            return exchange.answer(500, b'{"error":{"message":"secret"}}')
        if last == "caller's fault":
            return exchange.answer(400, b'{"error":{"message":"secret","type":"invalid_request_error"}}')
        if last == "json":
            return exchange.answer(200, completion("m", "secret"))
        if last == "refused":
            return exchange.reset()
        opened(chat_events, reset)(exchange)

    site = make_providers({"providers": {"max_attempts": 2}})
    site.provider("bad", opened(chat_events, reset), models="m", priority=1)
    site.provider("good", good, models="m", priority=2)
    site.start()
    made = site.new_key(max_tokens=10**6, max_concurrent=1)
    request_id = site.new_id()
    stream = Streaming(site, request_of("chat"), headers=[("x-request-id", request_id)])
    text = stream.rest()
    assert text.count(b"assistant") == 1 and b"secret" not in text
    assert b'data: {"error":' in text and b"[DONE]" not in text and not text.endswith(b"0\r\n\r\n")
    record = site.usage(request_id)
    assert (record["outcome"], record["total_tokens"], record["cost_micros"]) == ("failed", 0, None)
    assert site.gateway.audit(request_id)["error_message"]
    client = openai.OpenAI(api_key=made["key_value"], base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="m", messages=[], stream=True))
    wait_until(lambda: site.balance(made["key_value"])["concurrency"]["open"] == 0, "the place is free")
    assert site.balance(made["key_value"])["tokens"]["spent"] == 0


def test_a_single_provider_that_fails_early_is_asked_again_in_the_same_stream(make_providers):
    asked = []

    def script(exchange):
        asked.append(1)
        (opened(chat_events, reset) if len(asked) < 2 else whole(chat_events))(exchange)

    site = make_providers()
    site.provider("only", script, models="m")
    site.start()
    response = site.ask("m", stream=True)
    assert b"Hello" in response.body and response.body.count(b"assistant") == 1 and len(asked) == 2


def test_a_client_that_leaves_during_an_opening_cancels_it(make_providers):
    site = make_providers()
    site.provider("one", opened(chat_events, silence), models="m", keys=KEYS)
    site.start()
    request_id = site.new_id()
    stream = Streaming(site, request_of("chat"), headers=[("x-request-id", request_id)])
    stream.until(b"assistant")
    stream.connection.close()
    record = site.usage(request_id)
    # The provider had begun: what went in is estimated.
    assert record["outcome"] == "cancelled" and record["prompt_tokens"] > 0
    assert (record["completion_tokens"], record["estimated"]) == (0, 1)
    assert site.gateway.audit(request_id)["status_code"] == 499
    assert len(site.upstreams["one"].requests) == 1


# Answers in JSON


def test_a_json_answer_goes_on_as_it_comes(make_providers):
    go = threading.Event()
    body = completion("m", "x" * 3000)

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        exchange.send(body[:1000])
        assert go.wait(10)
        exchange.send(body[1000:])

    site = make_providers()
    site.provider("one", script, models="m", keys=KEYS)
    site.start()
    request_id = site.new_id()
    stream = Streaming(site, {"model": "m", "messages": []}, headers=[("x-request-id", request_id)])
    stream.until(b"x" * 500)
    go.set()
    stream.until(body)
    assert b"x-fastgate-cost" not in stream.received
    stream.connection.close()
    assert site.usage(request_id)["total_tokens"] == 13


def test_embeddings_are_not_held(make_providers):
    go = threading.Event()
    vectors = b",".join(b'{"object":"embedding","index":%d,"embedding":[0.25,0.5]}' % i for i in range(200))
    body = b'{"object":"list","data":[' + vectors + b'],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}'

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        exchange.send(body[:6000])
        assert go.wait(10)
        exchange.send(body[6000:])

    site = make_providers()
    site.provider("one", script, models="m", keys=KEYS)
    site.start()
    request_id = site.new_id()
    stream = Streaming(site, {"model": "m", "input": "Hi"}, "/v1/embeddings", [("x-request-id", request_id)])
    stream.until(body[:6000])
    go.set()
    stream.until(body)
    stream.connection.close()
    assert site.usage(request_id)["prompt_tokens"] == 7


@pytest.mark.parametrize("cut", [3, 30, 80])
def test_an_error_in_a_200_is_known_in_pieces_too(make_providers, cut):
    error = b'{"error":{"message":"The server had an error","type":"server_error","code":"server_error"}}'
    go = threading.Event()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", str(len(error)))])
        exchange.send(error[:cut])
        go.wait(0.2)
        exchange.send(error[cut:])

    site = two(make_providers, "openai", script, chat)
    response = site.ask("m")
    assert response.status == 200 and response.header("x-fastgate-provider") == "good"
