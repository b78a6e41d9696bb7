"""The official SDKs through the gateway: JSON, streams, and the right exception for every error."""

import json

import anthropic
import openai
import pytest

from harness import free_port
from harness.llm import CHAT, MESSAGE, WORDS, anthropic_stream, events, openai_stream

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
    assert caught.value.request_id if sdk is openai else caught.value.body["request_id"]
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
    # Which class it is depends on the SDK's HTTP library; what matters is that the end is not taken for one.
    with pytest.raises(Exception, match="(?i)incomplete|closed|connection"):
        list(stream)


def test_sdk_retries_obey_retry_after(site, openai_client):
    site.route()
    site.upstream.then(lambda e: e.answer(429, b'{"error":{"message":"slow"}}', headers=[("retry-after-ms", "10")]))
    site.upstream.handler = lambda exchange: exchange.answer(200, json.dumps(CHAT).encode())
    answer = openai_client(max_retries=2).chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Hello"
    assert len(site.upstream.requests) == 2
