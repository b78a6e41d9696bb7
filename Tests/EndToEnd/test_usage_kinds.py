"""Usage that is not plain text in JSON, the model in forms and paths, prices by tier and kind, and who may use what has none."""

import base64
import json
import struct
import zlib

import pytest

from harness.providers import EVENT_STREAM, Providers, chat, chunk_of, completion, delta, event

PRICES = {
    "one/plain": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5, "max_output_tokens": 1000},
    "one/tiers": {
        "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5, "max_output_tokens": 1000,
        "input_cost_per_token_flex": 5e-7, "output_cost_per_token_flex": 5e-6,
        "input_cost_per_token_above_1k_tokens": 2e-6, "output_cost_per_token_above_1k_tokens": 2e-5,
        "cache_creation_input_token_cost": 1.25e-6, "cache_creation_input_token_cost_above_1hr": 2e-6,
    },
    "one/decider": {
        "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5, "input_cost_per_token_decisions": 2e-6,
        "output_cost_per_token_decisions": 0,
    },
    "one/whisper": {"mode": "audio_transcription", "input_cost_per_second": 0.0001},
    "one/painter": {"mode": "image_generation", "output_cost_per_image": 0.04},
    "one/deployed": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5},
    "one/claude": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5, "max_input_tokens": 200000},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("kinds"))
    site.provider("one", path="", models="plain,tiers,whisper,painter,deployed,claude,unpriced")
    site.import_prices(PRICES)
    site.start()
    yield site
    site.close()


@pytest.fixture(autouse=True)
def fresh(site):
    site.upstreams["one"].handler = chat
    site.upstreams["one"].clear()


def answering(body, content_type="application/json", headers=()):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def handler(exchange):
        exchange.read_body()
        exchange.answer(200, data, [("Content-Type", content_type), *headers])

    return handler


def asked(site, body, path="/v1/chat/completions", *, headers=(), key=None):
    request_id = site.new_id()
    answer = site.call(body, path, key=key, headers=[("x-request-id", request_id), *headers])
    assert answer.status == 200, answer.body
    return site.usage(request_id), site.upstreams["one"].requests[-1]


def form(*parts) -> bytes:
    lines = b""
    for disposition, value in parts:
        lines += b"--frontier\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + value + b"\r\n"
    return lines + b"--frontier--\r\n"


def sent_as_form(site, body, path="/v1/audio/transcriptions", key=None):
    headers = [("Host", "gateway.test"), ("Authorization", f"Bearer {key or site.key}"),
               ("Content-Type", "multipart/form-data; boundary=frontier"), ("x-request-id", site.new_id())]
    from harness.client import Connection

    connection = Connection(site.gateway.port, timeout=20)
    try:
        return connection.request("POST", path, headers, body), headers[-1][1]
    finally:
        connection.close()


SOUND = ('name="file"; filename="a.mp3"', bytes(range(256)) * 40)


def test_a_transcription_goes_where_its_forms_model_is(site):
    site.upstreams["one"].handler = answering({"text": "hi", "usage": {"type": "duration", "seconds": 9}})
    for parts in [[("name=\"model\"", b"one/whisper"), SOUND], [SOUND, ("name=\"model\"", b"one/whisper")]]:
        answer, request_id = sent_as_form(site, form(*parts))
        assert answer.status == 200, answer.body
        # Nothing but the provider's name is taken off.
        wanted = form(*[(name, b"whisper" if "model" in name else value) for name, value in parts])
        assert site.upstreams["one"].requests[-1].body == wanted
        record = site.usage(request_id)
        assert (record["cost_micros"], record["duration_ms"], record["total_tokens"]) == (900, 9000, 0)
    # Mistral says it beside its tokens, which have no price here.
    site.upstreams["one"].handler = answering({"text": "hi", "usage": {
        "prompt_audio_seconds": 36, "prompt_tokens": 13, "completion_tokens": 151, "total_tokens": 164}})
    record = site.usage(sent_as_form(site, form(("name=\"model\"", b"whisper"), SOUND))[1])
    assert (record["cost_micros"], record["duration_ms"], record["total_tokens"]) == (3600, 36_000, 164)
    plain = form(("name=\"model\"", b"whisper"), SOUND)
    assert sent_as_form(site, plain)[0].status == 200
    assert site.upstreams["one"].requests[-1].body == plain


@pytest.mark.parametrize("body, code", [
    (form(SOUND), "missing_model"), (b"", "missing_model"), (b"--frontier\r\n", "missing_model"),
    (form(("name=\"model\"", b"whisper"))[:-6], "missing_model"),
    (form(("name=\"model\"", b"whisper"), ("name=\"model\"", b"painter")), "conflicting_members"),
    (form(("name=\"model\"", b"nobody")), "model_not_found"),
])
def test_forms_that_name_no_one_model_are_refused(site, body, code):
    answer, _ = sent_as_form(site, body)
    assert answer.status in (400, 404) and answer.json()["error"]["code"] == code
    assert not site.upstreams["one"].requests


def test_the_deployment_in_the_path_decides(site):
    path = "/openai/deployments/deployed/chat/completions?api-version=2024-10-21"
    site.upstreams["one"].handler = answering(completion("deployed"))
    record, sent = asked(site, {"messages": []}, path)
    assert record["model_requested"] == "deployed" and record["cost_micros"] == 49
    assert sent.target.endswith(path)
    # What the body says besides changes neither way nor permission.
    key = site.gateway.make_key(allowed_models=["plain"])["key_value"]
    assert site.call({"model": "plain", "messages": []}, path, key=key).status == 403
    site.upstreams["one"].handler = chat
    # A deployment that nobody lists goes where the body's model is, as it is; both have to be allowed.
    other = path.replace("deployed", "mine")
    record, sent = asked(site, {"model": "plain", "messages": []}, other)
    assert record["model_requested"] == "plain" and sent.target.endswith(other)
    assert site.call({"model": "plain", "messages": []}, other, key=key).status == 403
    record, sent = asked(site, {"model": "plain", "messages": [], "stream": True}, path)
    assert record["model_requested"] == "deployed" and not record["estimated"]
    assert sent.json()["stream_options"] == {"include_usage": True}


def test_service_tiers_cost_what_they_cost(site):
    def tier(name, **usage):
        body = json.loads(completion("tiers", usage=usage or None))
        site.upstreams["one"].handler = answering({**body, "service_tier": name})
        return asked(site, {"model": "tiers", "messages": []})[0]

    assert (tier("default")["cost_micros"], tier("flex")["cost_micros"]) == (49, 25)
    unknown = tier("priority")
    assert unknown["cost_micros"] is None and unknown["service_tier"] == "priority"
    assert tier("default", prompt_tokens=1000, completion_tokens=1)["cost_micros"] == 1010
    assert tier("default", prompt_tokens=1001, completion_tokens=1)["cost_micros"] == 2022
    site.upstreams["one"].handler = answering({
        "type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": {
            "input_tokens": 10, "cache_creation_input_tokens": 100, "output_tokens": 1,
            "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60}}})
    record = asked(site, {"model": "one/tiers", "messages": [], "max_tokens": 5}, "/v1/messages")[0]
    assert (record["cost_micros"], record["cache_write_1h_tokens"]) == (10 + 50 + 120 + 10, 60)


def test_pictures_are_priced_by_the_piece(site):
    site.upstreams["one"].handler = answering({"created": 1, "data": [{"url": "a"}, {"url": "b"}]})
    record, _ = asked(site, {"model": "painter", "prompt": "x", "n": 2}, "/v1/images/generations")
    assert (record["cost_micros"], record["images"]) == (80_000, 2)
    poor = site.new_key(max_amount=79_999)["key_value"]
    refused = site.call({"model": "painter", "prompt": "x", "n": 2}, "/v1/images/generations", key=poor)
    assert refused.status == 429 and refused.json()["error"]["code"] == "insufficient_quota"


def frame(kind: str, payload: bytes) -> bytes:
    headers = b""
    for name, value in [(":event-type", kind), (":message-type", "event")]:
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def streaming(frames, cut=None):
    def handler(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "application/vnd.amazon.eventstream"), ("Transfer-Encoding", "chunked")])
        for each in frames[:cut]:
            for at in range(0, len(each), 7):
                exchange.chunk(each[at:at + 7])
        if cut is None:
            exchange.last_chunk()
        else:
            exchange.reset()

    return handler


def test_bedrocks_streams(site):
    usage = {"inputTokens": 30, "outputTokens": 7, "totalTokens": 37}
    frames = [
        frame("messageStart", b'{"role":"assistant"}'),
        frame("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hello"},"p":"abc"}'),
        frame("messageStop", b'{"stopReason":"end_turn"}'),
        frame("metadata", json.dumps({"usage": usage, "metrics": {"latencyMs": 1}}).encode()),
    ]
    site.upstreams["one"].handler = streaming(frames)
    record, sent = asked(site, {"messages": [], "inferenceConfig": {"maxTokens": 5}}, "/model/claude/converse-stream")
    assert sent.target == "/model/claude/converse-stream"
    assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (30, 7, 0)
    wrapped = [
        frame("chunk", json.dumps({"bytes": base64.b64encode(json.dumps(each).encode()).decode(), "p": "x"}).encode())
        for each in [
            {"type": "message_start", "message": {"usage": {"input_tokens": 20, "output_tokens": 1}}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hello"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
            {"type": "message_stop"},
        ]
    ]
    site.upstreams["one"].handler = streaming(wrapped)
    record, _ = asked(site, {"messages": []}, "/model/claude/invoke-with-response-stream")
    assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (20, 9, 0)


def test_bedrocks_head_tells_what_its_body_does_not(site):
    counts = [("x-amzn-bedrock-input-token-count", "12"), ("X-Amzn-Bedrock-Output-Token-Count", "3")]
    site.upstreams["one"].handler = answering({"outputs": [{"text": "x"}]}, headers=counts)
    record, _ = asked(site, {"prompt": "x"}, "/model/claude/invoke")
    assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (12, 3, 0)


def test_ollamas_own_paths(site):
    lines = b'{"message":{"content":"a"},"done":false}\n{"done":true,"prompt_eval_count":26,"eval_count":5}\n'
    site.upstreams["one"].handler = answering(lines, "application/x-ndjson")
    record, sent = asked(site, {"model": "one/plain", "messages": []}, "/api/chat")
    assert sent.target == "/api/chat" and sent.json()["model"] == "plain"
    assert (record["prompt_tokens"], record["completion_tokens"]) == (26, 5)


def test_what_has_no_price_is_nothing_for_a_budget_of_money(site):
    site.upstreams["one"].handler = answering(completion("unpriced"))
    record, _ = asked(site, {"model": "unpriced", "messages": []})
    assert record["cost_micros"] is None and record["total_tokens"] == 13
    key = site.new_key(max_amount=10**9)["key_value"]
    site.upstreams["one"].clear()
    for fields in [{"model": "unpriced"}, {"model": "tiers", "service_tier": "priority"}, {"model": "tiers", "speed": "fast"}]:
        refused = site.call({**fields, "messages": []}, key=key)
        assert refused.status == 403 and refused.json()["error"]["code"] == "model_not_priced", fields
    # Nor is it known what models cost that it names besides.
    for fields in [{"models": ["plain"]}, {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "plain"}]}]:
        refused = site.call({"model": "plain", "messages": [], **fields}, key=key)
        assert refused.status == 403 and refused.json()["error"]["code"] == "model_not_priced", fields
    assert not site.upstreams["one"].requests
    assert site.call({"model": "tiers", "service_tier": "flex", "messages": []}, key=key).status == 200
    # A budget of tokens does not ask what they cost.
    tokens = site.new_key(max_tokens=10**9)["key_value"]
    assert site.call({"model": "unpriced", "messages": []}, key=tokens).status == 200


def test_a_setting_lets_them_through(tmp_path):
    site = Providers(tmp_path, {"providers": {"unpriced_models": "allow"}})
    site.provider("one", models="unpriced")
    site.start()
    try:
        key = site.new_key(max_amount=1000)["key_value"]
        assert site.ask("unpriced", key=key).status == 200
        assert site.call({"model": "unpriced", "messages": [], "fallbacks": ["unpriced"]}, key=key).status == 200
    finally:
        site.close()


def test_what_the_provider_says_goes_before_a_file_and_behind_an_operator(site):
    stated = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cost": 0.000123}
    site.upstreams["one"].handler = answering(completion("x", usage=stated))
    assert asked(site, {"model": "unpriced", "messages": []})[0]["cost_micros"] == 123
    assert asked(site, {"model": "plain", "messages": []})[0]["cost_micros"] == 123
    site.gateway.admin("PUT", "/admin/prices/one/deployed", {"input": "1", "output": "10"})
    assert asked(site, {"model": "deployed", "messages": []})[0]["cost_micros"] == 49


def test_rates_can_be_set_by_hand(site):
    admin = site.gateway.admin
    rates = {"cache_write_1h": "6", "search": "10000",
             "variants": [{"tier": "priority", "above": 0, "input": "2", "output": "20"}], "regional": 1100}
    admin("PUT", "/admin/prices/one/plain", {"input": "1", "output": "10", "rates": rates})
    assert admin("GET", "/admin/prices/one/plain")["rates"] == {
        **rates, "variants": [{"tier": "priority", "above": 0, "input": "2", "output": "20"}]}
    body = json.loads(completion("plain"))
    site.upstreams["one"].handler = answering({**body, "service_tier": "priority"})
    record, _ = asked(site, {"model": "plain", "messages": []})
    assert record["cost_micros"] == 98


def test_media_do_not_empty_a_budget(site):
    """A picture of a megabyte is reserved as a picture, text as its bytes."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    body = {"model": "plain", "max_tokens": 10, "messages": [{"role": "user", "content": [picture]}]}
    key = site.new_key(max_tokens=7000)["key_value"]
    assert site.call(body, key=key).status == 200
    text = {"model": "plain", "max_tokens": 10, "messages": [{"role": "user", "content": "汉" * 3000}]}
    assert site.call(text, key=site.new_key(max_tokens=7000)["key_value"]).status == 429
    assert site.call(text, key=site.new_key(max_tokens=20000)["key_value"]).status == 200


def test_usage_in_every_chunk_is_not_added_up(site):
    def handler(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        for n in range(1, 4):
            usage = {"prompt_tokens": 5, "completion_tokens": n, "total_tokens": 5 + n}
            exchange.chunk(event({**delta("plain", content="x"), "usage": usage}))
        exchange.chunk(event(chunk_of("plain", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])))
        exchange.chunk(event(b"[DONE]"))
        exchange.last_chunk()

    site.upstreams["one"].handler = handler
    record, _ = asked(site, {"model": "plain", "messages": [], "stream": True})
    assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (5, 3, 0)


def test_what_a_provider_says_that_its_pictures_cost_is_believed(site):
    answer = {"data": [{"url": "a"}], "usage": {"cost_in_usd_ticks": 200_000_000}}
    site.upstreams["one"].handler = answering(answer)
    for model in ("unpriced", "painter"):
        record, _ = asked(site, {"model": model, "prompt": "x"}, "/v1/images/generations")
        assert (record["cost_micros"], record["currency"], record["images"]) == (20_000, "USD", 1)
        assert (record["outcome"], record["estimated"], record["total_tokens"]) == ("completed", 0, 0)


def test_good_answers_that_tell_no_usage_are_no_failures(site):
    site.upstreams["one"].handler = answering({"id": "m", "results": [{"flagged": False}]})
    record, _ = asked(site, {"model": "plain", "input": "x"}, "/v1/moderations")
    assert (record["outcome"], record["total_tokens"], record["cost_micros"]) == ("completed", 0, None)
    site.upstreams["one"].handler = answering({"input_tokens": 9})
    for path in ("/v1/messages/count_tokens", "/v1/responses/input_tokens", "/v1/chat/completions/input_tokens"):
        record, _ = asked(site, {"model": "one/claude", "messages": [], "input": "x"}, path)
        assert (record["outcome"], record["total_tokens"], record["estimated"]) == ("completed", 0, 0)
        assert (record["cost_micros"], record["currency"]) == (0, "USD"), "counting is free"
    # Nothing at all is no good answer, nor is an error.
    site.upstreams["one"].handler = answering(b"")
    assert asked(site, {"model": "plain", "input": "x"}, "/v1/moderations")[0]["outcome"] == "failed"
    site.upstreams["one"].handler = answering({"error": {"message": "no", "type": "server_error"}})
    request_id = site.new_id()
    site.call({"model": "plain", "input": "x"}, "/v1/moderations", headers=[("x-request-id", request_id)])
    assert site.usage(request_id)["outcome"] == "failed"


def test_decisions_cost_what_they_read(site):
    answer = {"model": "m", "answers": [{"type": "predicate", "probability": 0.9}], "usage": {
        "input_tokens": 1000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 7, "total_tokens": 1007}}
    site.upstreams["one"].handler = answering(answer)
    body = {"input": "x", "questions": [{"type": "predicate", "instructions": "?"}]}
    record, sent = asked(site, {**body, "model": "one/decider"}, "/v1/decisions")
    assert sent.target == "/v1/decisions" and sent.json()["model"] == "decider"
    assert (record["total_tokens"], record["cost_micros"], record["service_tier"]) == (1007, 2000, "decisions")
    # Without a price for them they cost what the model costs.
    record, _ = asked(site, {**body, "model": "one/plain"}, "/v1/decisions")
    assert record["cost_micros"] == 1000 + 70


def test_compactions_are_paid_for_beside_the_answer(site):
    """Anthropic bills them, and leaves them out of the other figures; a model that stood in has another price."""
    passes = [
        {"type": "compaction", "input_tokens": 1800, "output_tokens": 35, "cache_read_input_tokens": 0,
         "cache_creation_input_tokens": 0},
        {"type": "message", "input_tokens": 230, "output_tokens": 10, "cache_read_input_tokens": 0,
         "cache_creation_input_tokens": 0},
    ]
    whole = {"type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": "hi"}],
             "stop_reason": "end_turn", "usage": {"input_tokens": 230, "output_tokens": 10, "iterations": passes}}
    request = {"model": "one/claude", "max_tokens": 50, "messages": [{"role": "user", "content": "x"}]}
    site.upstreams["one"].handler = answering(whole)
    row, _ = asked(site, request, "/v1/messages")
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (2030, 45, 2075)
    assert (row["cost_micros"], row["outcome"], row["estimated"]) == (2030 + 450, "completed", 0)

    events = [
        {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 230, "output_tokens": 1}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
         "usage": {"output_tokens": 10, "iterations": passes}},
        {"type": "message_stop"},
    ]
    stream = "".join(f"event: {item['type']}\ndata: {json.dumps(item)}\n\n" for item in events).encode()
    site.upstreams["one"].handler = answering(stream, "text/event-stream")
    row, _ = asked(site, {**request, "stream": True}, "/v1/messages")
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost_micros"]) == (2030, 45, 2480)

    passes[0]["type"] = "advisor_message"
    site.upstreams["one"].handler = answering(whole)
    row, _ = asked(site, request, "/v1/messages")
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost_micros"]) == (230, 10, None)
