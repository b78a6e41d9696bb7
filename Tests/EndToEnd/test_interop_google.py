"""Google's GenAI SDK with its base URL on the gateway: the key in x-goog-api-key, the model in the path."""

import threading

import pytest
from google import genai
from google.genai import errors, types

from harness import free_port
from harness.llm import answers, endless, events, silent, sse

CONTENT = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
           "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}}  # fmt: skip
WORDS = ["Hel", "lo ", "世界"]


def part(text):
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}]}


@pytest.fixture
def make_client(site):
    def make(key=None, port=None, **kw):
        options = types.HttpOptions(
            base_url=f"http://127.0.0.1:{port or site.gateway.port}", api_version="v1beta", headers={"x-test": site.name}, **kw
        )
        return genai.Client(api_key=key or site.key, http_options=options)

    return make


def ask(client, **kw):
    return client.models.generate_content(model="gemini-2.5-flash", contents="hi", **kw)


def test_json(site, make_client):
    site.route(match_path="/v1beta/**", add_headers={"x-goog-api-key": "upstream-key"})
    site.upstream.handler = answers(CONTENT)
    answer = ask(make_client())
    assert answer.text == "Hello" and answer.usage_metadata.total_token_count == 4
    request = site.upstream.wait_requests()
    assert request.target == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert request.header("x-goog-api-key") == "upstream-key" and site.key.encode() not in site.upstream.raw


def test_stream(site, make_client):
    site.route()
    site.upstream.handler = sse(*events(*(part(word) for word in WORDS)))
    # Whoever lets go of the client closes it.
    client = make_client()
    stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi")
    assert [chunk.text for chunk in stream] == WORDS
    assert site.upstream.wait_requests().target == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"


def test_tools(site, make_client):
    site.route()
    call = {"functionCall": {"name": "weather", "args": {"city": "北京"}}}
    site.upstream.handler = answers({"candidates": [{"content": {"role": "model", "parts": [call]}}]})
    declaration = types.FunctionDeclaration(name="weather", parameters={"type": "OBJECT", "properties": {"city": {"type": "STRING"}}})
    answer = ask(make_client(), config=types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])]))
    assert answer.function_calls[0].args == {"city": "北京"}


@pytest.mark.parametrize("status, error", [(401, errors.ClientError), (403, errors.ClientError), (404, errors.ClientError),
                                           (429, errors.ClientError), (502, errors.ServerError)])  # fmt: skip
def test_errors(site, make_client, status, error):
    key = None
    if status != 404:
        site.route(**({"target_host": f"127.0.0.1:{free_port()}"} if status == 502 else {}))
    site.upstream.handler = answers(CONTENT)
    if status == 401:
        key = "fg_wrong"
    elif status == 403:
        key = site.new_key(permissions=["/never"])["key_value"]
    elif status == 429:
        key = site.new_key(rate_limit=1)["key_value"]
        ask(make_client(key))
    with pytest.raises(error) as caught:
        ask(make_client(key))
    assert caught.value.response.status_code == status


def test_upstream_errors_pass(site, make_client):
    site.route()
    body = {"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}
    site.upstream.handler = answers(body, 400)
    with pytest.raises(errors.ClientError, match="API key not valid") as caught:
        ask(make_client())
    assert caught.value.code == 400 and caught.value.status == "INVALID_ARGUMENT"


def test_a_timeout_cancels_upstream(site, make_client):
    site.route()
    gone = threading.Event()
    site.upstream.handler = silent(gone)
    with pytest.raises(Exception, match="(?i)time"):
        ask(make_client(timeout=500))
    assert gone.wait(10)


def test_a_closed_stream_cancels_upstream(site, make_client):
    site.route()
    gone = threading.Event()
    site.upstream.handler = endless(events(part("x"))[0], gone)
    client = make_client()
    stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi")
    assert next(stream).text == "x"
    stream.close()
    client.close()
    assert gone.wait(10)
