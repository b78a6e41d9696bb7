"""LiteLLM as a client library. It needs an older openai than the other tests and has an environment of its own."""

import json
import os
import subprocess

import pytest

from harness.gateway import ROOT
from harness.llm import CALL, CHAT, CHAT_WITH_CALL, MESSAGE, TOOL, WORDS, anthropic_stream, answers, openai_stream

PYTHON = ROOT / ".venv-litellm" / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="no .venv-litellm: ./test makes it from Tests/EndToEnd/requirements-litellm.txt"
)

# Takes one call a line, answers with one line each: the import is the slow part.
WORKER = """
import json, sys
import litellm
litellm.suppress_debug_info = True
litellm.telemetry = False
print("ready", flush=True)
for line in sys.stdin:
    options = json.loads(line)
    try:
        answer = litellm.completion(**options)
        if options.get("stream"):
            result = {"words": [c.choices[0].delta.content for c in answer if c.choices and c.choices[0].delta.content]}
        else:
            message = answer.choices[0].message
            calls = [call.function.arguments for call in message.tool_calls or []]
            result = {"content": message.content, "calls": calls, "tokens": answer.usage.total_tokens}
    except Exception as error:
        result = {"error": type(error).__name__, "status": getattr(error, "status_code", None)}
    print("result " + json.dumps(result), flush=True)
"""


@pytest.fixture(scope="module")
def worker():
    environment = {"PATH": os.environ["PATH"], "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": "/nonexistent"}
    process = subprocess.Popen(
        [str(PYTHON), "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip
    for line in process.stdout:
        if line.strip() == "ready":
            break
    else:
        raise AssertionError(process.stderr.read()[-3000:])
    yield process
    process.stdin.close()
    process.wait(20)


@pytest.fixture
def complete(worker, site):
    def call(model="openai/gpt-4o", **kw):
        suffix = "/v1" if model.startswith("openai/") else ""
        options = {
            "model": model,
            "messages": [{"role": "user", "content": "hi"}],
            "api_base": f"http://127.0.0.1:{site.gateway.port}{suffix}",
            "api_key": site.key,
            "num_retries": 0,
            "max_retries": 0,
            "extra_headers": {"x-test": site.name},
            **kw,
        }
        worker.stdin.write(json.dumps(options) + "\n")
        worker.stdin.flush()
        for line in worker.stdout:
            if line.startswith("result "):
                return json.loads(line[7:])
        raise AssertionError(worker.stderr.read()[-3000:])

    return call


def test_json(site, complete):
    site.route()
    site.upstream.handler = answers(CHAT)
    assert complete() == {"content": "Hello", "calls": [], "tokens": 4}
    assert site.upstream.wait_requests().target == "/v1/chat/completions"
    assert site.key.encode() not in site.upstream.raw


def test_stream(site, complete):
    site.route()
    site.upstream.handler = openai_stream
    assert complete(stream=True) == {"words": WORDS}


def test_tools(site, complete):
    site.route()
    site.upstream.handler = answers(CHAT_WITH_CALL)
    assert complete(tools=[TOOL])["calls"] == [CALL["function"]["arguments"]]


@pytest.mark.parametrize("streams", [False, True])
def test_anthropic(site, complete, streams):
    site.route()
    site.upstream.handler = anthropic_stream if streams else answers(MESSAGE)
    result = complete("anthropic/claude-sonnet-4-5", stream=streams)
    assert "".join(result["words"]) == "".join(WORDS) if streams else result["content"] == "Hello"
    assert site.upstream.wait_requests().target == "/v1/messages"


@pytest.mark.parametrize("status, name", [(401, "AuthenticationError"), (404, "NotFoundError"), (429, "RateLimitError")])
def test_errors(site, complete, status, name):
    options = {}
    if status != 404:
        site.route()
    if status == 401:
        options["api_key"] = "fg_wrong"
    elif status == 429:
        options["api_key"] = site.new_key(rate_limit=1)["key_value"]
        site.upstream.handler = answers(CHAT)
        complete(**options)
    assert complete(**options) == {"error": name, "status": status}


def test_timeout(site, complete):
    site.route()
    site.upstream.handler = lambda exchange: (exchange.read_body(), exchange.wait_gone())
    assert complete(timeout=0.5)["error"] == "Timeout"
