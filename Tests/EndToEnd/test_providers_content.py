"""What a provider has said is its own, in whatever kind it was said, and is paid for; what breaks off after it says so."""

import gzip
import json
import threading

import pytest

from harness import wait_until
from harness.client import Connection, request_bytes
from harness.providers import EVENT_STREAM, Providers, chat, chunk_of, completion, delta, event

MARK = "QUJDREVG"
PATHS = {
    "openai": "/v1/chat/completions", "responses": "/v1/responses", "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{}:streamGenerateContent?alt=sse",
}
ROLE = delta("m", role="assistant", content="")
CREATED = {"type": "response.created", "response": {"id": "r", "object": "response", "status": "in_progress", "output": []}}
START = {"type": "message_start", "message": {
    "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
    "usage": {"input_tokens": 25, "output_tokens": 1}}}


def part(**fields):
    return {"candidates": [{"content": {"parts": [fields], "role": "model"}, "index": 0}]}


def block(**fields):
    return {"type": "content_block_start", "index": 0, "content_block": fields}


#: name: API, what it opens with, what is content, the tokens that this is estimated at
SAID = {
    "audio": ("openai", [ROLE], delta("m", audio={"id": "a", "data": MARK * 1000}), 8),
    "transcript": ("openai", [ROLE], delta("m", audio={"id": "a", "transcript": MARK}), 2),
    "pictures": ("openai", [ROLE], delta("m", content="", images=[{"type": "image_url", "image_url": {"url": MARK}}]), 1),
    "encrypted reasoning": (
        "openai", [ROLE], delta("m", content="", reasoning=None, reasoning_details=[{"type": "reasoning.encrypted", "data": MARK}]), 1),
    "nobody knows": ("openai", [ROLE], delta("m", brand_new={"of": [MARK]}), 1),
    "inline data": ("gemini", [part(text="")], part(inlineData={"mimeType": "image/png", "data": MARK * 20_000}), 160),
    "code's result": ("gemini", [part(text="")], part(codeExecutionResult={"outcome": "OUTCOME_OK", "output": MARK}), 1),
    "partial picture": (
        "responses", [CREATED], {"type": "response.image_generation_call.partial_image", "partial_image_b64": MARK * 20_000}, 160),
    "spoken": ("responses", [CREATED], {"type": "response.output_audio.delta", "delta": MARK * 1000}, 8),
    "a call begins": (
        "responses", [CREATED],
        {"type": "response.output_item.added", "item": {"id": "f", "type": "function_call", "name": MARK, "arguments": ""}}, 1),
    "redacted": ("anthropic", [START], block(type="redacted_thinking", data=MARK), 1),
    "advice": (
        "anthropic", [START],
        block(type="advisor_tool_result", tool_use_id="s", content={"type": "x", "text": MARK, "stop_reason": "end_turn"}), 2),
    "search results": (
        "anthropic", [START],
        block(type="web_search_tool_result", tool_use_id="s", content=[{"type": "x", "encrypted_content": MARK * 20_000}]), 160),
}
USAGE = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}


def model(name: str) -> str:
    return "m-" + name.replace(" ", "-").replace("'", "")


def encoded(item) -> bytes:
    named = isinstance(item, dict) and "type" in item
    return (f"event: {item['type']}\n".encode() if named else b"") + event(item)


def unwanted(exchange):
    exchange.read_body()
    exchange.answer(500, b'{"error":{"message":"another provider was asked after content"}}')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Providers that break off, or go on for ever, after content; another is left for each of them."""
    site = Providers(tmp_path_factory.mktemp("content"), {"providers": {"strategy": "first_available"}})
    for api in PATHS:
        kind = "openai" if api == "responses" else api
        here = {name: case for name, case in SAID.items() if case[0] == api}

        def script(exchange, here=here):
            exchange.read_body()
            path = exchange.request.target.split("?")[0]
            asked = path.split("/")[-1].split(":")[0] if "models/" in path else exchange.request.json()["model"]
            name = next(n for n in here if asked.startswith(model(n)))
            _, opening, content, _ = here[name]
            exchange.head(200, EVENT_STREAM)
            for each in [*opening, content]:
                exchange.chunk(encoded(each))
            exchange.wait_gone() if asked.endswith("-left") else exchange.close()

        names = ",".join(model(name) + end for name in here for end in ("", "-left"))
        path = "/v1" if kind == "openai" else ""
        site.provider(f"first-{api}", script, type=kind, models=names, priority=1, path=path)
        site.provider(f"second-{api}", unwanted, type=kind, models=names, priority=2, path=path)
    site.start()
    yield site
    site.close()


def ask(site, api, name, request_id):
    body = {"model": name, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi" * 100}], "input": "Hi", "stream": True}
    connection = Connection(site.gateway.port, timeout=15)
    connection.send(request_bytes(
        "POST", PATHS[api].format(name), site.headers(extra=[("x-request-id", request_id)]), json.dumps(body).encode()))
    return connection


def until(connection, wanted: bytes) -> bytes:
    while wanted not in connection.received:
        assert connection._fill(), f"{wanted} does not come: {bytes(connection.received)[-500:]}"
    return bytes(connection.received)


def rest(connection) -> bytes:
    try:
        while connection._fill():
            pass
    except OSError:
        pass
    connection.close()
    return bytes(connection.received)


@pytest.mark.parametrize("name", SAID)
def test_nobody_goes_on_after_content_of_any_kind(site, name):
    api, _, _, tokens = SAID[name]
    request_id = site.new_id()
    text = rest(ask(site, api, model(name), request_id))
    assert MARK.encode() in text and b"another provider" not in text and b"goes on with" not in text
    assert b"The upstream broke off its answer." in text and not text.endswith(b"0\r\n\r\n")
    record = site.usage(request_id)
    assert (record["provider"], record["outcome"]) == (f"first-{api}", "interrupted")
    assert (record["completion_tokens"], record["estimated"]) == (tokens, 1) and record["prompt_tokens"] > 20


@pytest.mark.parametrize("name", SAID)
def test_whoever_leaves_after_content_of_any_kind_pays_for_it(site, name):
    api, _, _, tokens = SAID[name]
    request_id = site.new_id()
    connection = ask(site, api, model(name) + "-left", request_id)
    until(connection, MARK.encode())
    # All of it: it may be long.
    wanted = json.dumps(SAID[name][2])[-40:].encode() + b"\n\n"
    until(connection, wanted)
    connection.reset()
    record = site.usage(request_id)
    assert (record["provider"], record["outcome"]) == (f"first-{api}", "cancelled")
    assert (record["completion_tokens"], record["estimated"]) == (tokens, 1) and record["prompt_tokens"] > 20


# Clients who leave before anything came


def test_whoever_leaves_before_the_answer_pays_for_what_was_asked(make_providers):
    """The provider has all of the request and reads it: that costs, whether anybody waits for the answer or not."""
    site = make_providers(workers=1)
    paths = {"chat": "/v1/chat/completions", "stream": "/v1/chat/completions", "embed": "/v1/embeddings",
             "picture": "/v1/images/generations"}
    site.provider("one", lambda e: (e.read_body(), e.wait_gone()), models=",".join(paths))
    site.prices({("one", name): (100, 100) for name in paths})
    site.start()
    made = site.new_key(max_tokens=10**6, max_amount=10**9)
    key, spent, cost = made["key_value"], 0, 0
    for number, (name, path) in enumerate(paths.items()):
        request_id = site.new_id()
        body = {"model": name, "messages": [{"role": "user", "content": "x" * 20_000}], "input": "x" * 20_000,
                "prompt": "x", "max_tokens": 20, "stream": name == "stream"}
        connection = Connection(site.gateway.port, timeout=15)
        connection.send(request_bytes(
            "POST", path, site.headers(key, [("x-request-id", request_id)]), json.dumps(body).encode()))
        site.upstreams["one"].wait(lambda u: len(u.requests) == number + 1 and u.requests[-1].body)
        connection.reset()
        record = site.usage(request_id)
        assert record["outcome"] == "cancelled" and site.attempts(request_id) == [], name
        if name == "picture":
            assert (record["total_tokens"], record["cost_micros"]) == (0, None)
            continue
        assert 10_000 <= record["prompt_tokens"] < 10_100 and record["estimated"] == 1, name
        assert (record["completion_tokens"], record["total_tokens"]) == (0, record["prompt_tokens"])
        assert record["cost_micros"] == record["prompt_tokens"] * 100
        spent, cost = spent + record["total_tokens"], cost + record["cost_micros"]
    wait_until(lambda: site.balance(key)["tokens"]["reserved"] == 0, "all is settled")
    balance = site.balance(key)
    assert (balance["tokens"]["spent"], balance["tokens"]["reserved"]) == (spent, 0)
    assert (balance["amount"]["spent_micros"], balance["amount"]["reserved_micros"]) == (cost, 0)


def test_whoever_leaves_while_the_request_is_sent_pays_nothing(make_providers):
    site = make_providers({"providers": {"max_attempts": 5}}, workers=1)
    # Reads the head and nothing more: the request is longer than what the sockets hold.
    done = threading.Event()
    site.provider("one", lambda e: done.wait(30), models="m")
    site.start()
    request_id = site.new_id()
    connection = Connection(site.gateway.port, timeout=15)
    data = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 30_000_000}]}).encode()
    connection.send(request_bytes("POST", PATHS["openai"], site.headers(extra=[("x-request-id", request_id)]), data))
    site.upstreams["one"].wait(lambda u: u.requests)
    connection.reset()
    record = site.usage(request_id)
    assert record["outcome"] in ("cancelled", "failed")
    assert (record["total_tokens"], record["cost_micros"]) == (0, None)
    done.set()


# What cannot be read


def answering(body: bytes, coding: str | None, asked: list, kind="application/json"):
    def script(exchange):
        exchange.read_body()
        asked.append(exchange.request.header("accept-encoding"))
        exchange.answer(200, body, [("Content-Type", kind)] + ([("Content-Encoding", coding)] if coding else []))
    return script


ANSWER = completion("m", "Hello", USAGE)
#: name: body, content-encoding; prompt and completion, None for an estimate
CODED = {
    "plain": (ANSWER, None, (100, 40)),
    "gzip": (gzip.compress(ANSWER), "gzip", (100, 40)),
    "gzip, identity": (gzip.compress(ANSWER), "gzip, identity", (100, 40)),
    "br": (b"\x0b\x02\x80" + bytes(range(256)), "br", None),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(range(200)), "zstd", None),
    "gzip, br": (b"\x28\xb5\x2f\xfd" * 80, "gzip, br", None),
    "bomb": (gzip.compress(b" " * 20_000_000 + ANSWER), "gzip", None),
    "no gzip": (b"x" * 333, "gzip", None),
    "utf-16": (completion("m", "Hello", USAGE).decode().encode("utf-16"), None, None),
}


@pytest.mark.parametrize("keys", [1, 2])
def test_an_answer_that_cannot_be_read_is_an_answer(make_providers, keys):
    site, asked = make_providers(workers=1), []
    for number, (body, coding, _) in enumerate(CODED.values()):
        site.provider(f"p{number}", answering(body, coding, asked), models=f"m{number}",
                      keys=[f"sk-upstream-key-000{k}" for k in range(keys)])
    site.start()
    for number, (name, (body, _, usage)) in enumerate(CODED.items()):
        request_id = site.new_id()
        response = site.ask(f"m{number}", headers=[("x-request-id", request_id), ("accept-encoding", "gzip, deflate, br, zstd")])
        assert response.status == 200 and response.body == body, name
        record = site.usage(request_id)
        assert record["outcome"] == "completed" and site.attempts(request_id) == [], name
        found = (record["prompt_tokens"], record["completion_tokens"])
        if usage:
            assert found == usage and record["estimated"] == 0, name
        else:
            # Four bytes as they came for a token.
            assert found[0] > 10 and found[1] == (len(body) + 3) // 4 and record["estimated"] == 1, name
    assert asked == ["gzip, deflate"] * len(CODED), "only what can be read is asked for"


@pytest.mark.parametrize("path, body", [
    ("/v1/chat/completions", {"messages": [], "stream": True}), ("/v1/embeddings", {"input": "x"}), ("/v1/responses", {"input": "x"})])
@pytest.mark.parametrize("accepted, wanted", [
    ("br, zstd", "identity"), ("gzip, deflate, br, zstd", "gzip, deflate"), ("br;q=1.0, gzip;q=0.8", "gzip"), ("identity", "identity")])
def test_a_provider_is_asked_for_what_can_be_read(make_providers, path, body, accepted, wanted):
    site, asked = make_providers(workers=1), []
    site.provider("one", answering(ANSWER, None, asked), models="m")
    site.start()
    assert site.call({"model": "m", **body}, path, headers=[("accept-encoding", accepted)]).status == 200
    assert asked == ["identity" if body.get("stream") else wanted]


# What a client asks for in a form that nobody knows


@pytest.mark.parametrize("value", [None, "yes", 1, [], {"a": "}"}])
def test_usage_is_asked_for_unless_it_was_asked_for_already(make_providers, value):
    site = make_providers(workers=1)
    site.provider("one", models="m")
    site.start()
    request_id = site.new_id()
    response = site.ask(
        "m", stream=True, stream_options={"include_obfuscation": False, "include_usage": value},
        headers=[("x-request-id", request_id)])
    assert b'"choices": []' not in response.body and response.body.endswith(event(b"[DONE]"))
    record = site.usage(request_id)
    assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (9, 4, 0)
    sent = site.upstreams["one"].requests[0].json()["stream_options"]
    assert sent == {"include_obfuscation": False, "include_usage": True}


def until_closed(exchange):
    """A stream that ends with its connection, and without the empty line behind its last event."""
    exchange.read_body()
    exchange.head(200, [("Content-Type", "text/event-stream"), ("Connection", "close")])
    exchange.send(event(ROLE) + event(delta("m", content="Hi")))
    exchange.send(event(chunk_of("m", choices=[], usage=USAGE)))
    exchange.send(b"data: [DONE]\n")
    exchange.close()


@pytest.mark.parametrize("script, tokens", [(chat, 13), (until_closed, 140)])
def test_a_client_of_http_1_0_does_not_get_the_chunk_that_only_we_asked_for(make_providers, script, tokens):
    """As a proxy before the gateway may be: nginx speaks HTTP/1.0 to what is behind it unless it is told otherwise."""
    site = make_providers()
    site.provider("p", script, models="m")
    site.start()
    body = json.dumps({"model": "m", "messages": [], "stream": True}).encode()
    with Connection(site.gateway.port) as connection:
        connection.send(request_bytes(
            "POST", "/v1/chat/completions", site.headers(extra=[("X-Request-Id", "old")]), body, version="HTTP/1.0"))
        answer = connection.read_response()
    assert (answer.status, answer.header("transfer-encoding")) == (200, None)
    events = answer.body.replace(b"\n\n", b"\n").splitlines()
    assert events[-1] == b"data: [DONE]" and b'"choices": []' not in answer.body and b"usage" not in answer.body
    assert (site.usage("old")["total_tokens"], site.usage("old")["estimated"]) == (tokens, 0)


# Streams that break off


WORD = event(delta("m", content="Hello"))
STOP = event(chunk_of("m", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
#: name: what comes after the first content; whether an error event can follow it
BROKEN = {
    "between events": (b"", True),
    "after a reason to finish": (STOP, True),
    "no empty line": (WORD[:-2], True),
    "one line feed": (WORD[:-1], True),
    "a comment": (b": keep-al", True),
    "a field's name": (b"da", True),
    "after the reason, in a comment": (STOP + b": x", True),
    "in its text": (WORD[:40], False),
    "an empty field": (b"data", False),
    "before its text": (b"data: ", False),
    "after the last": (STOP + event(b"[DONE]"), False),
}
HELD = {"in its text", "an empty field", "before its text"}


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("name", BROKEN)
def test_a_stream_that_breaks_off_ends_with_an_error_wherever_one_fits(make_providers, name, asks):
    end, fits = BROKEN[name]

    def script(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        exchange.chunk(event(ROLE) + WORD)
        if end:
            exchange.chunk(end)
        exchange.close()

    site = make_providers(workers=1)
    site.provider("one", script, models="m")
    site.start()
    request_id = site.new_id()
    body = {"model": "m", "messages": [], "n": 2, "stream": True, **({"stream_options": {"include_usage": True}} if asks else {})}
    connection = Connection(site.gateway.port, timeout=15)
    connection.send(request_bytes(
        "POST", PATHS["openai"], site.headers(extra=[("x-request-id", request_id)]), json.dumps(body).encode()))
    text = rest(connection)
    assert not text.endswith(b"0\r\n\r\n") and site.usage(request_id)["outcome"] == "interrupted"
    last = text.split(b"\r\n")[-2] if text.endswith(b"\r\n") else text
    # What is held back because it may be the chunk that only the gateway asked for has not gone out.
    fits = fits or (not asks and name in HELD)
    assert (b"upstream_interrupted" in last) == fits, text
    if fits:
        # Every event before it is whole, and it stands by itself.
        events = [line for line in b"".join(text.split(b"\r\n\r\n", 1)[1].split(b"\r\n")[1::2]).split(b"\n") if line.startswith(b"data:")]
        assert "error" in json.loads(events[-1][5:])
        for each in events[:-1]:
            json.loads(each[5:])


# What nobody knows the price of


def test_what_has_no_price_has_no_sum_of_costs(make_providers):
    site = make_providers(workers=1)
    site.provider("one", models="unpriced,free")
    site.prices({("one", "free"): (0, 0)})
    site.start()
    for name in ("unpriced", "free"):
        assert site.ask(name).status == 200
    metrics = site.gateway.metrics()
    assert metrics['fastgate_unpriced_requests_total{provider="one",model="unpriced"}'] == 1
    assert metrics['fastgate_cost_micros_total{provider="one",model="free",currency="USD"}'] == 0
    assert not [name for name in metrics if name.startswith("fastgate_cost_micros_total") and '"unpriced"' in name]
