"""Requests that no route takes go to a provider of the model they name: with official SDKs, and byte by byte."""

import gzip
import json

import anthropic
import openai
import pytest

from harness import wait_until
from harness.client import chunked_bytes
from harness.providers import EVENT_STREAM, USAGE, Providers, chat, completion, delta, event

MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
    "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 5},
}


def messages(exchange):
    exchange.read_body()
    if not exchange.request.json().get("stream"):
        return exchange.answer(200, json.dumps(MESSAGE).encode())
    exchange.head(200, EVENT_STREAM)
    started = {"type": "message_start", "message": {**MESSAGE, "content": [], "usage": {**MESSAGE["usage"], "output_tokens": 1}}}
    items = [
        started,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    for item in items:
        exchange.chunk(f"event: {item['type']}\n".encode() + event(item))
    exchange.last_chunk()


def gemini(exchange):
    body = {"candidates": [{"content": {"parts": [{"text": "Hello"}]}}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9}}
    exchange.answer(200, json.dumps(body).encode())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("providers"))
    site.provider("openai", models="gpt-4o,gpt-4o-mini,shared", header="x-org: acme")
    site.provider("second", models="shared,qwen/qwen3:free", priority=200, path="/api", keys=("sk-second-key-00001",))
    site.provider("claude", messages, type="anthropic", path="", models="claude-x", keys=("sk-ant-key-00000001",))
    site.provider("google", gemini, type="gemini", path="", models="gemini-x", keys=("AIza-key-0000000001",))
    site.provider("azure", type="azure", path="", models="az-4o", keys=("azure-key-000000001",))
    site.provider("home", models="llama", keys=())
    site.alias("gpt-4", "openai/gpt-4o")
    site.alias("smart", "claude/claude-x", "gpt-4o-mini")
    site.prices({("openai", "gpt-4o"): (2.5, 10), ("anthropic", "claude-x"): (3, 15)})
    site.start()
    yield site
    site.close()


def sent_to(site, name):
    return site.upstreams[name].requests[-1]


# SDKs


@pytest.mark.parametrize("model", ["openai/gpt-4o", "gpt-4o", "gpt-4"])
def test_the_openai_sdk_by_provider_name_plain_name_and_alias(site, model):
    client = openai.OpenAI(api_key=site.key, base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0)
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "Hello"
    assert answer.usage.total_tokens == 13
    sent = sent_to(site, "openai")
    assert sent.target == "/v1/chat/completions"
    assert sent.json()["model"] == "gpt-4o"
    assert sent.all("authorization") == ["Bearer sk-upstream-key-0001"]
    assert sent.header("x-org") == "acme"
    assert site.key not in sent.head.decode()


def test_the_openai_sdk_streams_without_the_chunk_it_did_not_ask_for(site):
    client = openai.OpenAI(api_key=site.key, base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0)
    chunks = list(client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "Hi"}], stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello"
    assert all(c.usage is None for c in chunks)
    sent = sent_to(site, "openai")
    assert sent.json()["stream_options"] == {"include_usage": True}
    assert sent.header("accept-encoding") == "identity"


def test_the_openai_sdk_gets_the_usage_chunk_it_asked_for(site):
    client = openai.OpenAI(api_key=site.key, base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0)
    chunks = list(client.chat.completions.create(
        model="gpt-4", messages=[{"role": "user", "content": "Hi"}], stream=True,
        stream_options={"include_usage": True}))
    assert chunks[-1].usage.total_tokens == 13 and not chunks[-1].choices


@pytest.mark.parametrize("model", ["claude-x", "claude/claude-x", "smart"])
def test_the_anthropic_sdk(site, model):
    client = anthropic.Anthropic(api_key=site.key, base_url=f"http://127.0.0.1:{site.gateway.port}", max_retries=0)
    answer = client.messages.create(model=model, max_tokens=20, messages=[{"role": "user", "content": "Hi"}])
    assert answer.content[0].text == "Hello"
    with client.messages.stream(model=model, max_tokens=20, messages=[{"role": "user", "content": "Hi"}]) as stream:
        assert "".join(stream.text_stream) == "Hello"
    sent = sent_to(site, "claude")
    assert sent.target == "/v1/messages"
    assert sent.all("x-api-key") == ["sk-ant-key-00000001"]
    assert sent.header("anthropic-version")
    assert not sent.all("authorization") and site.key not in sent.head.decode()


def test_anthropic_without_a_version_gets_one(site):
    body = {"model": "claude-x", "max_tokens": 5, "messages": []}
    assert site.call(body, "/v1/messages").status == 200
    assert sent_to(site, "claude").all("anthropic-version") == ["2023-06-01"]


def test_the_sdks_list_the_models(site):
    client = openai.OpenAI(api_key=site.key, base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0)
    names = {model.id for model in client.models.list()}
    assert {"gpt-4", "gpt-4o", "shared", "qwen/qwen3:free", "openai/gpt-4o", "second/shared", "claude-x"} <= names
    assert client.models.retrieve("gpt-4o").owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


# What a provider is sent


def test_only_the_model_changes_in_a_body(site):
    body = b'{ "messages" : [ {"role":"user","content":"\\u00e9 \\/"} ],\n "mod\\u0065l":"gpt-4" , "n":1 }'
    assert site.call(body).status == 200
    assert sent_to(site, "openai").body == body.replace(b'"gpt-4"', b'"gpt-4o"')


def test_a_body_that_needs_no_change_has_none(site):
    body = b'{"messages":[],  "model":"gpt-4o"}'
    assert site.call(body).status == 200
    assert sent_to(site, "openai").body == body


def test_a_chunked_request_reaches_the_provider_whole(site):
    from harness.client import Connection

    with Connection(site.gateway.port) as connection:
        response = connection.request(
            "POST", "/v1/chat/completions", site.headers(), None, [b'{"model":"openai/gpt', b'-4o","messages":[]}'])
    assert response.status == 200
    assert sent_to(site, "openai").body == b'{"model":"gpt-4o","messages":[]}'


def test_an_expectation_is_met_where_a_provider_takes_the_request(site):
    from harness.client import Connection

    body = b'{"model":"gpt-4o","messages":[]}'
    with Connection(site.gateway.port) as connection:
        connection.send_head("POST", "/v1/chat/completions", [
            *site.headers(), ("Expect", "100-continue"), ("Content-Length", str(len(body)))])
        wait_until(lambda: connection._fill() and b"100 Continue" in connection.buffer, "100 Continue")
        connection.send(body)
        assert connection.read_response("POST").status in (100, 200)


@pytest.mark.parametrize("accepted, sent", [
    ("gzip, deflate, br, zstd", "gzip, deflate"), ("br", "identity"), ("gzip;q=0, deflate", "deflate"), ("*", "gzip")])
def test_only_codings_that_can_be_read_are_asked_for(site, accepted, sent):
    assert site.ask("gpt-4o", headers=[("Accept-Encoding", accepted)]).status == 200
    assert sent_to(site, "openai").header("accept-encoding") == sent


def test_names_with_slashes_and_colons_are_whole_unless_a_provider_is_called_so(site):
    assert site.ask("qwen/qwen3:free").status == 200
    assert sent_to(site, "second").json()["model"] == "qwen/qwen3:free"
    assert site.ask("second/qwen/qwen3:free").status == 200
    assert sent_to(site, "second").json()["model"] == "qwen/qwen3:free"
    assert sent_to(site, "second").target == "/api/v1/chat/completions"


def test_the_smaller_priority_takes_a_shared_model(site):
    for _ in range(4):
        assert site.ask("shared").header("x-fastgate-provider") == "openai"


def test_a_provider_without_keys_is_asked_without_one(site):
    assert site.ask("llama").status == 200
    assert not sent_to(site, "home").all("authorization")


def test_gemini_names_the_model_in_the_path(site):
    for path in ["/v1beta/models/gemini-x:generateContent", "/v1beta/models/google%2Fgemini-x:generateContent"]:
        request_id = site.new_id()
        response = site.call(
            {"contents": []}, path + "?alt=json", headers=[("x-request-id", request_id)])
        assert response.status == 200
        sent = sent_to(site, "google")
        assert sent.target == "/v1beta/models/gemini-x:generateContent?alt=json"
        assert sent.header("x-goog-api-key") == "AIza-key-0000000001"
        record = site.usage(request_id)
        assert (record["prompt_tokens"], record["completion_tokens"]) == (7, 2)


def test_azure_has_its_paths_and_its_header(site):
    assert site.ask("az-4o").status == 200
    sent = sent_to(site, "azure")
    assert sent.target == "/openai/v1/chat/completions"
    assert sent.header("api-key") == "azure-key-000000001"
    path = "/openai/deployments/az-4o/chat/completions?api-version=2024-10-21"
    assert site.call({"model": "az-4o", "messages": []}, path).status == 200
    assert sent_to(site, "azure").target == path


# What comes back, and what is kept


def test_answers_say_who_gave_them_and_what_they_cost(site):
    request_id = site.new_id()
    response = site.ask("gpt-4", headers=[("x-request-id", request_id)])
    assert response.header("x-fastgate-provider") == "openai"
    assert response.header("x-fastgate-model") == "gpt-4o"
    assert response.header("x-fastgate-cost") == "0.000063"
    assert "provider;dur=" in response.header("server-timing")
    record = site.usage(request_id)
    assert record["cost_micros"] == 63 and record["currency"] == "USD"
    assert (record["provider"], record["model_requested"], record["model_served"]) == ("openai", "gpt-4", "gpt-4o")
    assert (record["prompt_tokens"], record["completion_tokens"], record["total_tokens"]) == (9, 4, 13)
    assert record["estimated"] == 0 and record["outcome"] == "completed"


def test_a_model_without_a_price_costs_null(site):
    request_id = site.new_id()
    response = site.ask("gpt-4o-mini", headers=[("x-request-id", request_id)])
    assert not response.all("x-fastgate-cost")
    assert site.usage(request_id)["cost_micros"] is None
    wait_until(
        lambda: any(name.startswith("fastgate_unpriced_requests_total") for name in site.gateway.metrics()),
        "it is counted as one without a price",
    )


def test_a_streams_usage_is_exact(site):
    request_id = site.new_id()
    response = site.ask("gpt-4o", stream=True, headers=[("x-request-id", request_id)])
    assert b"usage" not in response.body and response.body.endswith(b"data: [DONE]\n\n")
    assert not response.all("x-fastgate-cost")
    record = site.usage(request_id)
    assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (9, 4, 0)


def test_anthropics_cached_tokens_are_part_of_the_prompt(site):
    request_id = site.new_id()
    body = {"model": "claude-x", "max_tokens": 5, "messages": [], "stream": True}
    assert site.call(body, "/v1/messages", headers=[("x-request-id", request_id)]).status == 200
    record = site.usage(request_id)
    assert (record["prompt_tokens"], record["cached_tokens"], record["cache_write_tokens"]) == (6, 2, 1)
    assert record["completion_tokens"] == 5


def test_usage_is_read_from_compressed_answers(site):
    packed = gzip.compress(completion("gpt-4o"))
    site.upstreams["openai"].then(lambda e: e.answer(
        200, packed, [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]))
    request_id = site.new_id()
    response = site.ask("gpt-4o", headers=[("Accept-Encoding", "gzip"), ("x-request-id", request_id)])
    assert response.body == packed
    assert site.usage(request_id)["total_tokens"] == 13


def test_an_answer_of_any_length_passes_as_it_is(site):
    body = completion("gpt-4o", "x" * 700_000)
    site.upstreams["openai"].then(lambda e: e.answer(200, body))
    request_id = site.new_id()
    response = site.ask("gpt-4o", headers=[("x-request-id", request_id)])
    assert response.body == body
    assert site.usage(request_id)["total_tokens"] == 13


def test_the_audit_row_is_there_and_knows_no_model(site):
    request_id = site.new_id()
    site.ask("gpt-4", headers=[("x-request-id", request_id)])
    row = site.gateway.audit(request_id)
    assert row["status_code"] == 200
    assert row["target_url"].endswith("/v1/chat/completions")
    assert "sk-upstream" not in json.dumps(row, default=str)


def test_metrics_count_tokens_and_money(site):
    site.ask("gpt-4")
    def counted():
        metrics = site.gateway.metrics()
        return metrics.get('fastgate_tokens_total{provider="openai",model="gpt-4o",type="prompt"}', 0) >= 9 and metrics
    metrics = wait_until(counted, "tokens are counted")
    assert metrics['fastgate_cost_micros_total{provider="openai",model="gpt-4o",currency="USD"}'] >= 63
    assert metrics['fastgate_provider_up{provider="openai"}'] == 1
    assert any(name.startswith("fastgate_provider_key_state{") for name in metrics)
    assert any(name.startswith("gen_ai_client_token_usage_bucket{") for name in metrics)
    assert any(name.startswith("gen_ai_server_time_to_first_token_bucket{") for name in metrics)


def test_metrics_name_what_an_operator_has_named(site):
    """Models that no provider lists are asked for by provider/model: those with a price or an alias count for themselves,
    in the price's currency, all others together."""
    admin = site.gateway.admin
    price = {"input": "1", "output": "2", "currency": "EUR"}
    admin("PUT", "/admin/prices/openai/priced", price)
    admin("PUT", "/admin/prices/*/priced-anywhere", price)
    admin("POST", "/admin/aliases", {"name": "nick", "targets": ["openai/nicked"]})
    for model in ["openai/priced", "openai/priced-anywhere", "nick", "openai/whatever"]:
        assert site.ask(model).status == 200
    at = 'provider="openai",model="{}"'.format

    def counted():
        metrics = site.gateway.metrics()
        models = ["priced", "priced-anywhere", "nicked", "other"]
        return all(metrics.get(f'fastgate_tokens_total{{{at(model)},type="prompt"}}') == 9 for model in models) and metrics

    metrics = wait_until(counted, "tokens are counted")
    for model in ["priced", "priced-anywhere"]:
        assert metrics[f'fastgate_cost_micros_total{{{at(model)},currency="EUR"}}'] == 17, model
    assert metrics[f'fastgate_unpriced_requests_total{{{at("nicked")}}}'] == 1
    for path in ["prices/openai/priced", "prices/*/priced-anywhere", "aliases/nick"]:
        admin("DELETE", f"/admin/{path}")


# What no provider takes


def test_routes_go_first(site):
    from harness import Site

    corner = Site(site.gateway)
    try:
        corner.route(match_path="/v1/chat/*")
        corner.upstream.then(lambda e: e.answer(200, b'{"from":"route"}'))
        response = corner.call("POST", body=b'{"model":"gpt-4o","messages":[]}')
        assert response.json() == {"from": "route"} and not response.all("x-fastgate-provider")
    finally:
        corner.close()


@pytest.mark.parametrize("body, status, code", [
    ({"model": "unknown", "messages": []}, 404, "model_not_found"),
    ({"model": "nobody/gpt-4o", "messages": []}, 404, "model_not_found"),
    ({"model": "m" * 300, "messages": []}, 404, "model_not_found"),
    ({"messages": []}, 400, "missing_model"),
    ({"model": 7, "messages": []}, 400, "missing_model"),
    (b"no json", 400, "missing_model"),
    (b'{"model":"gpt-4o","model":"llama"}', 400, "conflicting_members"),
    ({"model": "claude-x", "messages": []}, 404, "model_not_found"),
])
def test_what_cannot_be_sent_on_is_refused(site, body, status, code):
    response = site.call(body)
    assert response.status == status, response.body
    assert response.json()["error"]["code"] == code


def test_other_paths_stay_unknown(site):
    assert site.call({"model": "gpt-4o"}, "/v1/other").json()["error"]["code"] == "route_not_found"
    assert site.call(None, "/v1/files", method="GET").status == 404


def test_errors_on_anthropics_paths_have_its_shape(site):
    response = site.call({"model": "nothing", "max_tokens": 1, "messages": []}, "/v1/messages")
    assert response.status == 404 and response.json()["type"] == "error"


# Permissions


@pytest.mark.parametrize("member, value", [
    ("models", ["shared"]), ("fallbacks", ["shared"]), ("fallbacks", [{"model": "shared"}]), ("fallbacks", "shared"),
    ("tools", [{"type": "advisor_20260301", "name": "advisor", "model": "shared"}]),
    ("tools", [{"type": "function", "function": {"name": "f"}}, {"type": "image_generation", "model": "shared"}]),
])
def test_other_models_are_refused_where_models_are_limited(site, member, value):
    """OpenRouter's, LiteLLM's and Anthropic's ways of naming who is to answer instead, or to help."""
    key = site.new_key(allowed_models=json.dumps(["gpt-4o*"]))["key_value"]
    body = {"model": "gpt-4o", "messages": [], member: value}
    refused = site.call(body, "/v1/chat/completions", key=key)
    assert refused.status == 403 and refused.json()["error"]["code"] == "model_not_allowed"
    assert site.call(body, "/v1/chat/completions").status == 200
    assert site.call({**body, member: None}, "/v1/chat/completions", key=key).status == 200
    # What callers' own functions are called says nothing.
    tool = {"name": "f", "input_schema": {"properties": {"model": {"type": "string"}}}}
    assert site.call({**body, member: None, "tools": [tool]}, "/v1/chat/completions", key=key).status == 200


def test_allowed_models_are_enforced_and_listed(site):
    key = site.new_key(allowed_models=json.dumps(["gpt-4o*", "claude/*"]))["key_value"]
    assert site.ask("gpt-4o", key=key).status == 200
    assert site.ask("gpt-4", key=key).status == 200, "an alias of an allowed model"
    assert site.ask("openai/gpt-4o-mini", key=key).status == 200
    refused = site.ask("shared", key=key)
    assert refused.status == 403 and refused.json()["error"]["code"] == "model_not_allowed"
    # Whether anybody has it or takes it in this format is for those to know who may ask for it.
    for model, status in [("nobody-has-it", 403), ("gpt-4o-nobody", 404), ("claude-x", 404), ("gemini-x", 403)]:
        refused = site.ask(model, key=key)
        code = "model_not_allowed" if status == 403 else "model_not_found"
        assert (refused.status, refused.json()["error"]["code"]) == (status, code), model
    listed = {model["id"] for model in site.call(None, "/v1/models", key=key, method="GET").json()["data"]}
    assert {"gpt-4", "gpt-4o", "gpt-4o-mini", "claude-x"} <= listed
    assert not listed & {"shared", "llama", "gemini-x"}


# Lists that providers keep themselves


def test_a_provider_without_models_is_asked_for_them(tmp_path):
    def lists(exchange):
        if exchange.request.method == "GET":
            return exchange.answer(200, b'{"object":"list","data":[{"id":"found-1"},{"id":"org/found-2"}]}')
        chat(exchange)

    site = Providers(tmp_path)
    site.provider("one", lists)
    site.start()
    try:
        wait_until(lambda: site.ask("org/found-2").status == 200, "the listed model is served")
        asked = site.upstreams["one"].requests[0]
        assert asked.target == "/v1/models"
        assert asked.header("authorization") == "Bearer sk-upstream-key-0001"
        explained = site.gateway.admin(
            "POST", "/admin/routes/match", {"method": "POST", "path": "/v1/chat/completions", "body": {"model": "found-1"}})
        assert explained["provider"]["candidates"][0]["provider"] == "one"
        assert explained["provider"]["candidates"][0]["usable"] is True
        none = site.gateway.admin(
            "POST", "/admin/routes/match", {"method": "POST", "path": "/v1/chat/completions", "body": {"model": "x"}})
        assert none["provider"]["error"] == "no provider has this model"
    finally:
        site.close()


# What an upstream may not say


@pytest.mark.parametrize("how", ["provider", "provider stream", "route"])
def test_nobody_can_say_what_only_the_gateway_says(site, how):
    from harness import Site

    spoofed = [("X-FastGate-Cost", "0.000000"), ("x-fastgate-provider", "elsewhere"), ("x-fastgate-anything", "x"),
               ("x-fastgatex", "stays")]

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [*(EVENT_STREAM if "stream" in how else [
            ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]), *spoofed])
        # At once: what an answer costs is told where all of it is there before its head goes out.
        body = event(delta("gpt-4o", content="Hi")) if "stream" in how else completion("gpt-4o")
        exchange.send(chunked_bytes([body], [("x-fastgate-cost", "0.000001")]))

    if how == "route":
        corner = Site(site.gateway)
        try:
            corner.route(match_path="/v1/chat/*")
            corner.upstream.then(script)
            response = corner.call("POST", body=b'{"model":"gpt-4o","messages":[]}')
            wanted = [], []
        finally:
            corner.close()
    else:
        site.upstreams["openai"].then(script)
        response = site.ask("gpt-4o", stream="stream" in how)
        wanted = ["openai"], [] if "stream" in how else ["0.000063"]
    assert response.status == 200
    assert (response.all("x-fastgate-provider"), response.all("x-fastgate-cost")) == wanted
    assert not response.all("x-fastgate-anything") and response.header("x-fastgatex") == "stays"
    assert not response.trailers


def test_bytes_that_are_no_json_pass_unread(site):
    """Speech, images: from socket to socket, and nothing is billed that nobody reported."""
    sound = bytes(range(256)) * 8192
    site.upstreams["openai"].then(lambda e: e.answer(200, sound, [("Content-Type", "audio/mpeg")]))
    request_id = site.new_id()
    response = site.call(
        {"model": "gpt-4o", "input": "Hi", "voice": "alloy"}, "/v1/audio/speech", headers=[("x-request-id", request_id)])
    assert response.body == sound and response.header("content-type") == "audio/mpeg"
    assert response.header("x-fastgate-provider") == "openai"
    record = site.usage(request_id)
    assert (record["total_tokens"], record["cost_micros"]) == (0, None)
