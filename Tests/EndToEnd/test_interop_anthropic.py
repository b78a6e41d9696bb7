"""Anthropic's SDK beyond test_sdks.py: tools, counting, timeouts, retries, cancelling."""

import json
import threading

import anthropic
import pytest

from harness.llm import MESSAGE, answers, endless, events, silent, sse

ASK = {"model": "claude", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "北京"}}
START = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}


@pytest.fixture
def options(site):
    return {
        "base_url": f"http://127.0.0.1:{site.gateway.port}",
        "api_key": site.key,
        "max_retries": 0,
        "default_headers": {"x-test": site.name},
    }


@pytest.fixture
def client(options):
    return anthropic.Anthropic(**options)


def test_tools(site, client):
    site.route()
    site.upstream.handler = answers({**MESSAGE, "content": [USE], "stop_reason": "tool_use"})
    answer = client.messages.create(**ASK, tools=[TOOL])
    assert answer.content[0].input == USE["input"]
    request = site.upstream.wait_requests()
    assert request.json()["tools"] == [TOOL] and request.header("anthropic-version")


def test_tools_streamed(site, client):
    site.route()
    text = json.dumps(USE["input"])
    pieces = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": part}}
        for part in (text[:5], text[5:])
    ]
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 9}}
    block = {"type": "content_block_start", "index": 0, "content_block": {**USE, "input": {}}}
    stop = {"type": "content_block_stop", "index": 0}
    site.upstream.handler = sse(*events(START, block, {"type": "ping"}, *pieces, stop, end, {"type": "message_stop"}, names=True))
    with client.messages.stream(**ASK, tools=[TOOL]) as stream:
        message = stream.get_final_message()
    assert message.content[0].input == USE["input"] and message.usage.output_tokens == 9


def test_tokens_are_counted(site, client):
    site.route()
    site.upstream.handler = answers({"input_tokens": 7})
    assert client.messages.count_tokens(model="claude", messages=ASK["messages"]).input_tokens == 7
    assert site.upstream.wait_requests().target == "/v1/messages/count_tokens"


def test_a_bearer_token_is_a_key_too(site, options):
    site.route()
    site.upstream.handler = answers(MESSAGE)
    key = options.pop("api_key")
    client = anthropic.Anthropic(**options, api_key=None, auth_token=key)
    assert client.messages.create(**ASK).content[0].text == "Hello"
    assert key.encode() not in site.upstream.raw


def test_an_overload_is_retried_by_the_sdk(site, options):
    site.route()
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    site.upstream.then(answers(overloaded, 529, [("retry-after-ms", "1")]))
    site.upstream.handler = answers(MESSAGE)
    assert anthropic.Anthropic(**{**options, "max_retries": 2}).messages.create(**ASK).content[0].text == "Hello"
    assert len(site.upstream.requests) == 2


def test_an_error_within_a_stream_raises(site, client):
    site.route()
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    site.upstream.handler = sse(*events(START, error, names=True))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        with client.messages.stream(**ASK) as stream:
            list(stream.text_stream)


def test_a_timeout_cancels_upstream(site, client):
    site.route()
    gone = threading.Event()
    site.upstream.handler = silent(gone)
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=0.5).messages.create(**ASK)
    assert gone.wait(10)


def test_a_closed_stream_cancels_upstream(site, client):
    site.route()
    gone = threading.Event()
    site.upstream.handler = endless(events(START, names=True)[0], gone)
    stream = client.messages.create(**ASK, stream=True)
    assert next(iter(stream)).type == "message_start"
    stream.close()
    assert gone.wait(10)


def test_a_cut_stream_raises(site, client):
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(events(START, names=True)[0])
        exchange.close()

    site.upstream.handler = script
    with pytest.raises(Exception, match="(?i)incomplete|closed|connection"):
        with client.messages.stream(**ASK) as stream:
            stream.get_final_message()
