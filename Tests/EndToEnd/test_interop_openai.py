"""OpenAI's SDK beyond test_sdks.py: tools, other endpoints, timeouts, retries, cancelling, many at once."""

import asyncio
import threading

import openai
import pytest

from harness import free_port, wait_until
from harness.llm import CALL, CHAT, CHAT_WITH_CALL, TOOL, WORDS, answers, chat_call_stream, endless, events, openai_stream, silent, sse

ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def options(site):
    return {
        "base_url": f"http://127.0.0.1:{site.gateway.port}/v1",
        "api_key": site.key,
        "max_retries": 0,
        "default_headers": {"x-test": site.name},
    }


@pytest.fixture
def client(options):
    return openai.OpenAI(**options)


def test_tools(site, client):
    site.route()
    site.upstream.handler = answers(CHAT_WITH_CALL)
    answer = client.chat.completions.create(**ASK, tools=[TOOL])
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "weather" and call.function.arguments == CALL["function"]["arguments"]
    assert site.upstream.wait_requests().json()["tools"] == [TOOL]


def test_tools_streamed(site, client):
    site.route()
    site.upstream.handler = chat_call_stream()
    with client.chat.completions.stream(**ASK, tools=[TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls[0].function.arguments == CALL["function"]["arguments"]


def test_responses_streamed(site, client):
    site.route()
    response = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-4o", "status": "completed", "output": [],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    }  # fmt: skip
    deltas = [
        {"type": "response.output_text.delta", "delta": word, "item_id": "m", "output_index": 0, "content_index": 0,
         "logprobs": [], "sequence_number": number}
        for number, word in enumerate(WORDS)
    ]  # fmt: skip
    end = {"type": "response.completed", "response": response, "sequence_number": 9}
    site.upstream.handler = sse(*events(*deltas, end, names=True))
    stream = client.responses.create(model="gpt-4o", input="hi", stream=True)
    seen = list(stream)
    assert [event.delta for event in seen if event.type == "response.output_text.delta"] == WORDS
    assert seen[-1].type == "response.completed"
    assert site.upstream.wait_requests().target == "/v1/responses"


def test_models_and_embeddings(site, client):
    site.route()
    model = {"id": "m/1:free", "object": "model", "created": 1, "owned_by": "x"}
    site.upstream.handler = answers({"object": "list", "data": [model]})
    assert [model.id for model in client.models.list()] == ["m/1:free"]
    embedding = {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}
    site.upstream.handler = answers({"object": "list", "data": [embedding], "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}})
    assert client.embeddings.create(model="e", input="x", encoding_format="float").data[0].embedding == [0.5, -1.0]


def test_a_file_is_uploaded(site, client):
    site.route()
    site.upstream.handler = answers(
        {"id": "file-1", "object": "file", "bytes": 9, "created_at": 1, "filename": "a.jsonl", "purpose": "batch", "status": "processed"}
    )
    content = b'{"a": 1}\n' * 20_000
    assert client.files.create(file=("a.jsonl", content), purpose="batch").id == "file-1"
    assert content in site.upstream.wait_requests().body


@pytest.mark.parametrize("streams", [False, True])
def test_a_timeout_cancels_upstream(site, client, streams):
    site.route()
    gone = threading.Event()
    site.upstream.handler = silent(gone)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(**ASK, stream=streams)
    assert gone.wait(10), "whoever does not wait any more costs nothing any more"
    row = wait_until(lambda: site.gateway.query("SELECT * FROM audit_logs WHERE api_key = ? AND status_code = 499", site.key_id))
    assert len(row) == 1


def test_a_closed_stream_cancels_upstream(site, client):
    site.route()
    gone = threading.Event()
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": "x"}}]}
    site.upstream.handler = endless(events(chunk)[0], gone)
    stream = client.chat.completions.create(**ASK, stream=True)
    assert next(iter(stream)).choices[0].delta.content == "x"
    stream.close()
    assert gone.wait(10)


@pytest.mark.parametrize("status, error", [(500, openai.InternalServerError), (503, openai.InternalServerError), (429, openai.RateLimitError),
                                           (409, openai.ConflictError)])  # fmt: skip
def test_upstream_errors_pass_and_are_retried_by_the_sdk(site, options, status, error):
    site.route()
    body = {"error": {"message": "their words", "type": "t", "code": "c", "param": None}}
    site.upstream.handler = answers(body, status, [("retry-after-ms", "1")])
    with pytest.raises(error, match="their words") as caught:
        openai.OpenAI(**{**options, "max_retries": 2}).chat.completions.create(**ASK)
    assert caught.value.code == "c" and len(site.upstream.requests) == 3


def test_what_the_caller_did_wrong_is_not_retried(site, options):
    site.route()
    body = {"error": {"message": "bad", "type": "invalid_request_error", "code": None, "param": "model"}}
    site.upstream.handler = answers(body, 400)
    with pytest.raises(openai.BadRequestError) as caught:
        openai.OpenAI(**{**options, "max_retries": 2}).chat.completions.create(**ASK)
    assert caught.value.param == "model" and len(site.upstream.requests) == 1


def test_a_rate_limit_of_ours_says_when_to_come_back(site, options):
    site.route()
    site.upstream.handler = answers(CHAT)
    options["api_key"] = site.new_key(rate_limit=1)["key_value"]
    client = openai.OpenAI(**options)
    first = client.chat.completions.with_raw_response.create(**ASK)
    assert first.headers["x-ratelimit-limit-requests"] == "1" and first.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ASK)
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 60


def test_no_gateway_is_a_connection_error(options):
    options["base_url"] = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(openai.APIConnectionError):
        openai.OpenAI(**options).chat.completions.create(**ASK)


def test_many_streams_at_once(site, options):
    site.route()
    site.upstream.handler = openai_stream

    async def one(client):
        stream = await client.chat.completions.create(**ASK, stream=True)
        return [chunk.choices[0].delta.content async for chunk in stream]

    async def all_of_them():
        async with openai.AsyncOpenAI(**options) as client:
            return await asyncio.gather(*(one(client) for _ in range(30)))

    assert asyncio.run(all_of_them()) == [WORDS] * 30
