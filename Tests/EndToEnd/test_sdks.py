"""The official SDKs through the gateway: JSON, streams, and the right exception for every error."""

import json

import anthropic
import httpx
import openai
import pytest

from harness import free_port

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
WORDS = ["Hel", "lo ", "wor", "ld \u2713"]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


def events(*items, names=False):
    """SSE bytes, as OpenAI (data only) or Anthropic (with event names) send them."""
    return [
        (f"event: {item['type']}\n" if names else "").encode() + b"data: " + json.dumps(item).encode() + b"\n\n"
        for item in items
    ]


def openai_stream(exchange):
    exchange.read_body()
    exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    for word in WORDS:
        delta = {"index": 0, "delta": {"content": word}, "finish_reason": None}
        for event in events({**chunk, "choices": [delta]}):
            exchange.chunk(event)
    exchange.chunk(b"data: [DONE]\n\n")
    exchange.last_chunk()


def anthropic_stream(exchange):
    exchange.read_body()
    exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    started = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS
    ]
    ended = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    for event in events(started, block, *deltas, *ended, names=True):
        exchange.chunk(event)
    exchange.last_chunk()


@pytest.fixture
def openai_client(site):
    def make(**kw):
        options = {"api_key": site.key, "max_retries": 0, "default_headers": {"x-test": site.name}, **kw}
        return openai.OpenAI(base_url=f"http://127.0.0.1:{site.gateway.port}/v1", **options)

    return make


@pytest.fixture
def anthropic_client(site):
    def make(**kw):
        options = {"api_key": site.key, "max_retries": 0, "default_headers": {"x-test": site.name}, **kw}
        return anthropic.Anthropic(base_url=f"http://127.0.0.1:{site.gateway.port}", **options)

    return make


ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def test_openai_json(site, openai_client):
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(200, json.dumps(CHAT).encode())
    answer = openai_client().chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Hello"
    assert answer._request_id.startswith("req_")
    request = site.upstream.wait_requests()
    assert request.target == "/v1/chat/completions" and request.json() == ASK
    assert site.key.encode() not in site.upstream.raw


def test_openai_stream(site, openai_client):
    site.route()
    site.upstream.handler = openai_stream
    stream = openai_client().chat.completions.create(**ASK, stream=True)
    assert [chunk.choices[0].delta.content for chunk in stream] == WORDS


def test_anthropic_json(site, anthropic_client):
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(200, json.dumps(MESSAGE).encode())
    answer = anthropic_client().messages.create(**ASK, max_tokens=5)
    assert answer.content[0].text == "Hello"
    assert site.upstream.wait_requests().target == "/v1/messages"
    assert site.key.encode() not in site.upstream.raw


def test_anthropic_stream(site, anthropic_client):
    site.route()
    site.upstream.handler = anthropic_stream
    with anthropic_client().messages.stream(**ASK, max_tokens=5) as stream:
        assert list(stream.text_stream) == WORDS
        assert stream.get_final_message().usage.output_tokens == 4


ERRORS = {
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    429: "RateLimitError",
    502: "InternalServerError",
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("sdk", [openai, anthropic], ids=["openai", "anthropic"])
def test_errors_become_the_right_exception(site, openai_client, anthropic_client, sdk, status):
    options = {}
    if status != 404:
        site.route(**({"target_host": f"127.0.0.1:{free_port()}"} if status == 502 else {}))
    if status == 401:
        options["api_key"] = "fg_wrong"
    elif status == 403:
        options["api_key"] = site.new_key(permissions=["/never"])["key_value"]
    elif status == 429:
        options["api_key"] = site.new_key(rate_limit=1)["key_value"]
        site.upstream.handler = lambda e: e.answer(200, json.dumps(CHAT if sdk is openai else MESSAGE).encode())

    def ask():
        if sdk is openai:
            openai_client(**options).chat.completions.create(**ASK)
        else:
            anthropic_client(**options).messages.create(**ASK, max_tokens=5)

    if status == 429:
        ask()
    with pytest.raises(getattr(sdk, ERRORS[status])) as caught:
        ask()
    assert caught.value.status_code == status
    assert caught.value.request_id
    if sdk is openai:
        assert caught.value.code and caught.value.type
    else:
        assert caught.value.body["type"] == "error"


def test_cut_stream_raises(site, openai_client):
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(events({**CHAT, "choices": [{"index": 0, "delta": {"content": "x"}}]})[0])
        exchange.close()

    site.upstream.handler = script
    stream = openai_client().chat.completions.create(**ASK, stream=True)
    with pytest.raises(Exception) as caught:
        list(stream)
    assert isinstance(caught.value, (openai.APIError, httpx.HTTPError)) or "HTTP" in type(caught.value).__mro__[1].__name__


def test_sdk_retries_obey_retry_after(site, openai_client):
    site.route()
    site.upstream.then(lambda e: e.answer(429, b'{"error":{"message":"slow"}}', headers=[("retry-after-ms", "10")]))
    site.upstream.handler = lambda exchange: exchange.answer(200, json.dumps(CHAT).encode())
    answer = openai_client(max_retries=2).chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Hello"
    assert len(site.upstream.requests) == 2
