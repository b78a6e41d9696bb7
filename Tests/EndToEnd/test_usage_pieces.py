"""What is paid for by the character, the page and the search: speech, documents, tools whose use the answer shows."""

import json
import threading

import pytest

from harness import wait_until
from harness.client import Connection, request_bytes
from harness.providers import EVENT_STREAM, Providers, chat, event

PRICES = {
    "one/tts": {"mode": "audio_speech", "input_cost_per_character": 1.5e-05},
    "one/both": {
        "mode": "audio_speech", "input_cost_per_character": 1e-06, "input_cost_per_token": 1e-06,
        "output_cost_per_audio_token": 1e-05,
    },
    "one/tokens": {"mode": "audio_speech", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05},
    "one/reader": {"mode": "ocr", "ocr_cost_per_page": 0.004, "annotation_cost_per_page": 0.005},
    "one/thinker": {
        "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05, "max_output_tokens": 1000,
        "search_context_cost_per_query": {f"search_context_size_{size}": 0.01 for size in ("low", "medium", "high")},
    },
    "gemini/flash": {
        "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
        "search_context_cost_per_query": {"search_context_size_medium": 0.014}, "web_search_billing_unit": "per_query",
    },
    "gemini/old": {
        "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
        "search_context_cost_per_query": {"search_context_size_medium": 0.035},
    },
}
SOUND = bytes(range(256)) * 16
TEXT = "Grüße,\n\t\"汉字\" \U0001F600\u0301"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("pieces"))
    site.provider("one", path="", models="tts,both,tokens,reader,thinker,unpriced", timeout=2)
    site.provider("g", path="", type="gemini", models="flash,old")
    site.import_prices(PRICES)
    site.start()
    yield site
    site.close()


@pytest.fixture(autouse=True)
def fresh(site):
    for upstream in site.upstreams.values():
        upstream.handler = chat
        upstream.clear()


def answering(body, content_type="application/json", status=200):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def handler(exchange):
        exchange.read_body()
        exchange.answer(status, data, [("Content-Type", content_type)])

    return handler


def asked(site, body, path="/v1/audio/speech", *, key=None, status=200):
    request_id = site.new_id()
    answer = site.call(body, path, key=key, headers=[("x-request-id", request_id)])
    assert answer.status == status, answer.body
    return site.usage(request_id), answer


def spoken(site, body, **more):
    site.upstreams["one"].handler = answering(SOUND, "audio/mpeg")
    record, answer = asked(site, body, **more)
    assert answer.body == SOUND
    return record


def spent(site, key):
    def settled():
        amount = site.balance(key["key_value"])["amount"]
        return amount if amount["reserved_micros"] == 0 else None

    return wait_until(settled, "all is settled")["spent_micros"]


def test_long_sound_passes_unread(site):
    """Long bodies are spliced from socket to socket."""
    site.upstreams["one"].handler = answering(SOUND * 256, "audio/mpeg")
    record, answer = asked(site, {"model": "tts", "input": "hello"})
    assert answer.body == SOUND * 256
    assert (record["characters"], record["cost_micros"], record["estimated"]) == (5, 75, 0)


def test_speech_costs_its_characters(site):
    record = spoken(site, {"model": "tts", "input": TEXT, "voice": "alloy"})
    assert (record["characters"], record["cost_micros"], record["currency"]) == (len(TEXT), 15 * len(TEXT), "USD")
    assert (record["estimated"], record["outcome"], record["total_tokens"]) == (0, "completed", 0)
    shown = site.gateway.admin("GET", f"/admin/usage/records/{record['id']}")
    assert (shown["characters"], shown["cost"]) == (len(TEXT), "0.000225")
    # Sound does not say which model spoke: it was the one that was asked, by whatever name the caller knew it.
    name = shown["provider"] + "/tts"
    record = spoken(site, {"model": name, "input": TEXT, "voice": "alloy"})
    assert (record["model_requested"], record["model_served"]) == (name, "tts")
    assert name not in {each["name"] for each in site.gateway.admin("GET", "/admin/usage", group_by="model")["items"]}


@pytest.mark.parametrize("written, count", [
    (json.dumps(TEXT).encode(), len(TEXT)), (json.dumps(TEXT, ensure_ascii=False).encode(), len(TEXT)),
    (rb'"\u00e9\ud83d\ude00"', 2), (rb'"\ud83d"', 1), (b'"' + b"a" * 1_000_000 + b'"', 1_000_000),
    (b'"' + rb"\ud83d\ude00" * 80_000 + b'"', 80_000), (b'"abc","input":"ab"', 2), (b'"abc","in\\u0070ut":"a"', 1),
])
def test_a_character_is_a_code_point(site, written, count):
    record = spoken(site, b'{"model":"tts","voice":"alloy","input":' + written + b"}")
    assert (record["characters"], record["cost_micros"]) == (count, 15 * count)


@pytest.mark.parametrize("written", [b"5", b"null", b'["abc"]', b'{"text":"abc"}', b'"abc","input":null', b'""'])
def test_what_is_no_text_costs_nothing(site, written):
    record = spoken(site, b'{"model":"tts","input":' + written + b"}")
    assert (record["characters"], record["cost_micros"]) == (0, None)


@pytest.mark.parametrize("written", [rb'"\u00g9"', rb'"\ud83d\ude0"', rb'"\x41"', b'"a\nb"', b'"abc'])
def test_broken_json_is_refused(site, written):
    refused = site.call(b'{"model":"tts","input":' + written + b"}", "/v1/audio/speech")
    assert refused.status == 400 and not site.upstreams["one"].requests


def test_errors_cost_nothing(site):
    key = site.new_key(max_amount=10**6)
    for body, kind, status, cost in [
        ({"error": {"message": "x", "type": "invalid_request_error"}}, "application/json", 400, 0),
        (b"nope", "text/plain", 400, 0), ({"error": {"message": "no", "type": "invalid_request_error"}}, "application/json", 200, 0),
        (b"<html>", "text/html", 200, 0), (b"", "audio/mpeg", 200, None),  # a success without a sound: nobody knows
    ]:
        site.upstreams["one"].handler = answering(body, kind, status)
        record, _ = asked(site, {"model": "tts", "input": "hello"}, key=key["key_value"], status=status)
        assert (record["characters"], record["cost_micros"], record["outcome"]) == (0, cost, "failed"), body
    assert spent(site, key) == 0


def test_sound_that_was_cut_is_estimated(site):
    def cut(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "audio/mpeg"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(SOUND)
        exchange.reset()

    site.upstreams["one"].handler = cut
    key = site.new_key(max_amount=10**6)
    request_id = site.new_id()
    try:
        site.call({"model": "tts", "input": "hello"}, "/v1/audio/speech", key=key["key_value"],
                  headers=[("x-request-id", request_id)])
    except Exception:  # the answer ends where the provider's did
        pass
    record = site.usage(request_id)
    assert (record["characters"], record["cost_micros"], record["estimated"]) == (5, 75, 1)
    assert record["outcome"] == "interrupted" and spent(site, key) == 75


def test_a_client_that_leaves_has_had_it_spoken(site):
    """Whoever leaves before the last byte does not get it for nothing."""
    release = threading.Event()

    def wait(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "audio/mpeg"), ("Content-Length", str(2 * len(SOUND)))])
        exchange.send(SOUND)
        release.wait(10)

    site.upstreams["one"].handler = wait
    key = site.new_key(max_amount=10**6)
    request_id = site.new_id()
    connection = Connection(site.gateway.port, timeout=20)
    connection.send(request_bytes(
        "POST", "/v1/audio/speech", site.headers(key["key_value"], [("x-request-id", request_id)]),
        b'{"model":"tts","input":"hello"}'))
    received = b""
    while SOUND[:64] not in received:
        received += connection.socket.recv(65536)
    connection.close()
    record = site.usage(request_id)
    release.set()
    assert (record["characters"], record["cost_micros"], record["estimated"]) == (5, 75, 1)
    assert record["outcome"] == "cancelled" and spent(site, key) == 75


def test_a_budget_of_money_may_speak_and_is_reserved_exactly(site):
    body = {"model": "tts", "input": "x" * 100, "voice": "alloy"}
    key = site.new_key(max_amount=3000)
    assert spoken(site, body, key=key["key_value"])["cost_micros"] == 1500
    assert spoken(site, body, key=key["key_value"])["cost_micros"] == 1500
    refused = site.call({**body, "input": "x"}, "/v1/audio/speech", key=key["key_value"])
    assert refused.status == 429 and refused.json()["error"]["code"] == "insufficient_quota"
    assert spent(site, key) == 3000
    poor = site.new_key(max_amount=1499)
    assert site.call(body, "/v1/audio/speech", key=poor["key_value"]).status == 429
    told = site.gateway.admin("POST", "/admin/routes/match", {
        "method": "POST", "path": "/v1/audio/speech", "body": json.dumps(body), "key_id": poor["key_id"]})
    assert "0.001499 USD left, the request may cost 0.001500" in json.dumps(told)
    unpriced = site.call({**body, "model": "unpriced"}, "/v1/audio/speech", key=key["key_value"])
    assert unpriced.status == 403 and unpriced.json()["error"]["code"] == "model_not_priced"


def test_tokens_go_before_characters(site):
    usage = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}

    def stream(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        exchange.chunk(event({"type": "speech.audio.delta", "audio": "AAAA"}))
        exchange.chunk(event({"type": "speech.audio.done", "usage": usage}))
        exchange.last_chunk()

    body = {"input": "hello", "stream_format": "sse"}
    for model, cost in [("both", 14 + 1010), ("tokens", 14 + 1010), ("tts", 75)]:
        site.upstreams["one"].handler = stream
        record, _ = asked(site, {"model": model, **body})
        assert (record["characters"], record["total_tokens"], record["cost_micros"]) == (5, 115, cost), model
        assert not record["estimated"]
    assert spoken(site, {"model": "both", "input": "hello"})["cost_micros"] == 5
    # What tokens cost is known, but not how many they were.
    assert spoken(site, {"model": "tokens", "input": "hello"})["cost_micros"] is None


def test_speech_in_json(site):
    """Mistral's answer; its head tells the cost."""
    site.upstreams["one"].handler = answering({"audio_data": "AAAA" * 2000})
    record, answer = asked(site, {"model": "tts", "input": "hello"})
    assert (record["characters"], record["cost_micros"], record["outcome"]) == (5, 75, "completed")
    assert answer.header("x-fastgate-cost") == "0.000075"


def test_a_price_by_the_character_can_be_set_by_hand(site):
    rates = {"character": "12.5", "page": "1000", "annotated_page": "2000", "search_prompt": "35000"}
    site.gateway.admin("PUT", "/admin/prices/one/unpriced", {"input": "0", "output": "0", "rates": rates})
    assert site.gateway.admin("GET", "/admin/prices/one/unpriced")["rates"] == rates
    assert spoken(site, {"model": "unpriced", "input": "hello"})["cost_micros"] == 63
    site.gateway.admin("DELETE", "/admin/prices/one/unpriced")
    site.command("prices", "set", "unpriced", "--provider", "one", "--input", "0", "--output", "0", "--rates", '{"character":"2"}')
    assert spoken(site, {"model": "unpriced", "input": "hello"})["cost_micros"] == 10
    site.gateway.admin("DELETE", "/admin/prices/one/unpriced")


def test_documents_cost_their_pages(site):
    answer = {"pages": [], "model": "reader", "usage_info": {"pages_processed": 3, "doc_size_bytes": 18810}}
    site.upstreams["one"].handler = answering(answer)
    body = {"model": "one/reader", "document": {"type": "document_url", "document_url": "https://x.test/a.pdf"}}
    record, _ = asked(site, body, "/v1/ocr")
    assert (record["pages"], record["cost_micros"], record["estimated"]) == (3, 12_000, 0)
    assert site.upstreams["one"].requests[-1].json()["model"] == "reader"
    answer["usage_info"]["pages_processed_annotation"] = 2
    site.upstreams["one"].handler = answering(answer)
    record, _ = asked(site, {**body, "document_annotation_format": {"type": "json_schema"}}, "/v1/ocr")
    assert (record["pages"], record["annotated_pages"], record["cost_micros"]) == (3, 2, 22_000)
    # Reserved are the pages that are asked for; where that is not said, as many as there may be.
    key = site.new_key(max_amount=12_000)["key_value"]
    assert site.call({**body, "pages": [0, 1, 2, 3]}, "/v1/ocr", key=key).status == 429
    assert site.call(body, "/v1/ocr", key=key).status == 429
    assert site.call({**body, "pages": [0]}, "/v1/ocr", key=key).status == 200


def test_searches_that_the_output_shows_are_paid_for(site):
    def call(action, status="completed"):
        return {"id": "ws", "type": "web_search_call", "status": status, "action": {"type": action, "query": "q"}}

    output = [call("search"), call("open_page"), {"type": "reasoning", "summary": []}, call("search"), call("search", "failed"),
              {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}]
    response = {"id": "r", "object": "response", "status": "completed", "model": "thinker", "output": output,
                "usage": {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}}
    site.upstreams["one"].handler = answering(response)
    record, _ = asked(site, {"model": "thinker", "input": "x", "tools": [{"type": "web_search"}]}, "/v1/responses")
    assert (record["searches"], record["cost_micros"]) == (2, 20 + 50 + 20_000)

    def stream(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        exchange.chunk(event({"type": "response.created", "response": {**response, "output": [], "usage": None}}))
        exchange.chunk(event({"type": "response.output_item.done", "item": output[0]}))
        exchange.chunk(event({"type": "response.output_text.delta", "delta": "Hi"}))
        exchange.chunk(event({"type": "response.completed", "response": response}))
        exchange.last_chunk()

    site.upstreams["one"].handler = stream
    record, _ = asked(site, {"model": "thinker", "input": "x", "stream": True}, "/v1/responses")
    assert (record["searches"], record["cost_micros"], record["estimated"]) == (2, 20 + 50 + 20_000, 0)


@pytest.mark.parametrize("model, queries, searches, fee", [
    ("flash", ["", "a", "b", "a"], 2, 28_000), ("flash", [""], 0, 0), ("old", ["a", "b"], 2, 35_000), ("old", [], 0, 0),
])
def test_geminis_searches_are_paid_for(site, model, queries, searches, fee):
    site.upstreams["g"].handler = answering({
        "candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP",
                        "groundingMetadata": {"searchEntryPoint": {"renderedContent": "<a>"}, "webSearchQueries": queries}}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 2, "totalTokenCount": 10}, "modelVersion": model})
    record, _ = asked(site, {"contents": []}, f"/v1beta/models/{model}:generateContent")
    assert (record["searches"], record["cost_micros"]) == (searches, 8 + 20 + fee)


def test_searches_that_the_provider_counts_itself_are_paid_for(site):
    response = {"id": "r", "object": "response", "status": "completed", "model": "thinker",
                "output": [{"type": "web_search_call", "status": "completed", "action": {"type": "search"}}],
                "tool_usage": {"image_gen": {"total_tokens": 0}, "web_search": {"num_requests": 3}},
                "usage": {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}}
    site.upstreams["one"].handler = answering(response)
    record, _ = asked(site, {"model": "thinker", "input": "x", "tools": [{"type": "web_search"}]}, "/v1/responses")
    assert (record["searches"], record["cost_micros"]) == (3, 20 + 50 + 30_000)


@pytest.mark.parametrize("streams", [False, True])
def test_interactions_go_to_a_provider_of_their_model(site, streams):
    interaction = {
        "id": "v1_x", "object": "interaction", "status": "completed", "model": "flash", "usage": {
            "total_tokens": 140, "total_input_tokens": 20, "input_tokens_by_modality": [{"modality": "text", "tokens": 20}],
            "total_cached_tokens": 0, "total_output_tokens": 40, "total_tool_use_tokens": 10, "total_thought_tokens": 70,
            "grounding_tool_count": [{"type": "google_search", "count": 2}, {"type": "google_maps", "count": 1}]}}

    def stream(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        for each in [
            {"event_type": "interaction.created", "interaction": {"id": "v1_x", "status": "in_progress"}},
            {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
            {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "Hi"}},
            {"event_type": "interaction.completed", "interaction": interaction},
        ]:
            exchange.chunk(event(each))
        exchange.last_chunk()

    whole = answering({**interaction, "steps": [{"type": "model_output", "content": [{"type": "text", "text": "Hi"}]}]})
    site.upstreams["g"].handler = stream if streams else whole
    body = {"model": "flash", "input": "x", "stream": streams}
    record, _ = asked(site, body, "/v1beta/interactions")
    assert site.upstreams["g"].requests[-1].target == "/v1beta/interactions"
    assert (record["prompt_tokens"], record["completion_tokens"], record["reasoning_tokens"]) == (20, 110, 70)
    assert (record["total_tokens"], record["searches"], record["estimated"]) == (140, 3, 0)
    assert record["cost_micros"] == 20 + 10 + 1100 + 42_000
    # What a stream that is cut has said is paid for.
    if streams:
        def cut(exchange):
            exchange.read_body()
            exchange.head(200, EVENT_STREAM)
            exchange.chunk(event({"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "Hi there"}}))
            exchange.reset()

        site.upstreams["g"].handler = cut
        request_id = site.new_id()
        with pytest.raises(Exception):
            site.call(body, "/v1beta/interactions", headers=[("x-request-id", request_id)])
        record = site.usage(request_id)
        assert (record["completion_tokens"], record["estimated"], record["outcome"]) == (2, 1, "interrupted")
