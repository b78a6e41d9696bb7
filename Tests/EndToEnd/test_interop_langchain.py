"""LangChain's ChatOpenAI through the gateway."""

import openai
import pytest
from langchain_openai import ChatOpenAI

from harness.llm import CHAT, CHAT_WITH_CALL, TOOL, WORDS, answers, chat_call_stream, openai_stream


@pytest.fixture
def make_model(site):
    def make(**kw):
        options = {"api_key": site.key, "max_retries": 0, "default_headers": {"x-test": site.name}, **kw}
        return ChatOpenAI(model="gpt-4o", base_url=f"http://127.0.0.1:{site.gateway.port}/v1", **options)

    return make


def test_invoke(site, make_model):
    site.route()
    site.upstream.handler = answers(CHAT)
    answer = make_model().invoke("hi")
    assert answer.content == "Hello" and answer.usage_metadata["total_tokens"] == 4
    assert site.upstream.wait_requests().target == "/v1/chat/completions"


def test_stream(site, make_model):
    site.route()
    site.upstream.handler = openai_stream
    assert "".join(chunk.content for chunk in make_model().stream("hi")) == "".join(WORDS)


@pytest.mark.parametrize("streaming", [False, True])
def test_tools(site, make_model, streaming):
    site.route()
    site.upstream.handler = chat_call_stream() if streaming else answers(CHAT_WITH_CALL)
    answer = make_model(streaming=streaming).bind_tools([TOOL]).invoke("hi")
    assert answer.tool_calls[0]["name"] == "weather" and answer.tool_calls[0]["args"] == {"city": "北京"}


def test_errors(site, make_model):
    with pytest.raises(openai.NotFoundError):
        make_model().invoke("hi")
    with pytest.raises(openai.AuthenticationError):
        make_model(api_key="fg_wrong").invoke("hi")


def test_retries(site, make_model):
    site.route()
    site.upstream.then(answers({"error": {"message": "later"}}, 503, [("retry-after-ms", "1")]))
    site.upstream.handler = answers(CHAT)
    assert make_model(max_retries=2).invoke("hi").content == "Hello"
    assert len(site.upstream.requests) == 2
