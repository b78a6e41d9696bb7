"""Fees for searches that an answer does not count: chat completions of models that always search, and searches in files."""

import json

import pytest

from harness import wait_until
from harness.providers import EVENT_STREAM, Providers, chat, event

FEES = dict(zip(("low", "medium", "high"), (0.005, 0.008, 0.012)))


def sized(low, medium, high):
    return {f"search_context_size_{name}": cost for name, cost in zip(("low", "medium", "high"), (low, medium, high))}


TOKENS = {"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05, "max_output_tokens": 100}
PRICES = {
    "one/gpt-4o-search-preview": {**TOKENS, "search_context_cost_per_query": sized(0.025, 0.025, 0.025)},
    "one/gpt-4o": {
        **TOKENS, "search_context_cost_per_query": sized(0.025, 0.025, 0.025), "file_search_cost_per_1k_calls": 2.5,
    },
    "one/sonar": {**TOKENS, "search_context_cost_per_query": sized(*FEES.values())},
}
USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
TOKENS_COST = 20 + 50
CITED = {"type": "url_citation", "url_citation": {"url": "https://a.test/", "title": "A", "start_index": 0, "end_index": 2}}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("searches"))
    site.provider("one", path="/v1", models="gpt-4o-search-preview,gpt-4o,sonar", timeout=2)
    site.alias("news", "one/gpt-4o-search-preview")
    site.import_prices(PRICES)
    site.start()
    yield site
    site.close()


@pytest.fixture(autouse=True)
def fresh(site):
    upstream = site.upstreams["one"]
    upstream.handler = chat
    upstream.clear()


def answering(site, body):
    def handler(exchange):
        exchange.read_body()
        exchange.answer(200, json.dumps(body).encode(), [("Content-Type", "application/json")])

    site.upstreams["one"].handler = handler


def streaming(site, *chunks, cut=False):
    def handler(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        for chunk in chunks:
            exchange.chunk(event(chunk))
        if cut:
            return exchange.reset()
        exchange.chunk(b"data: [DONE]\n\n")
        return exchange.last_chunk()

    site.upstreams["one"].handler = handler


def completion(model, usage=None, **message):
    return {"id": "c", "object": "chat.completion", "model": model, "usage": usage or USAGE,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi", **message}, "finish_reason": "stop"}]}


def delta(content, usage=None, finish=None, **more):
    return {"object": "chat.completion.chunk", "model": "m", "choices": [
        {"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}], "usage": usage}


def asked(site, model, path="/v1/chat/completions", *, breaks=False, key=None, **fields):
    request_id = site.new_id()
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
    try:
        answer = site.call(body, path, key=key, headers=[("x-request-id", request_id)])
        assert answer.status == 200 and not breaks, answer.body
    except Exception:
        if not breaks:
            raise
    return site.usage(request_id)


@pytest.mark.parametrize("options", [{}, {"web_search_options": {}}, {"web_search_options": {"search_context_size": "high"}}])
@pytest.mark.parametrize("name", ["gpt-4o-search-preview", "news"])
def test_a_model_that_always_searches_is_paid_for_it(site, name, options):
    answering(site, completion("gpt-4o-search-preview-2025-03-11"))
    record = asked(site, name, **options)
    assert (record["searches"], record["cost_micros"], record["estimated"]) == (1, TOKENS_COST + 25_000, 0)
    shown = site.gateway.admin("GET", f"/admin/usage/records/{record['id']}")
    assert (shown["searches"], shown["cost"]) == (1, "0.02507")


def test_so_is_its_stream_also_if_it_breaks_off(site):
    model = "gpt-4o-search-preview"
    streaming(site, delta("Hi"), delta("", finish="stop"), {"object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    record = asked(site, model, stream=True)
    assert (record["searches"], record["cost_micros"], record["estimated"]) == (1, TOKENS_COST + 25_000, 0)
    streaming(site, delta("Hi there"), cut=True)
    record = asked(site, model, stream=True, breaks=True)
    assert (record["searches"], record["estimated"], record["completion_tokens"]) == (1, 1, 2)
    assert record["cost_micros"] == 25_000 + record["prompt_tokens"] + 20


def test_other_models_are_paid_for_a_search_that_they_cite(site):
    answering(site, completion("gpt-4o"))
    record = asked(site, "gpt-4o")
    assert (record["searches"], record["cost_micros"]) == (0, TOKENS_COST)
    answering(site, completion("gpt-4o", annotations=[CITED, CITED]))
    record = asked(site, "gpt-4o")
    assert (record["searches"], record["cost_micros"]) == (1, TOKENS_COST + 25_000)
    streaming(site, delta("Hi", annotations=[CITED]), delta("", usage=USAGE, finish="stop"))
    record = asked(site, "gpt-4o", stream=True)
    assert (record["searches"], record["cost_micros"]) == (1, TOKENS_COST + 25_000)


def test_an_error_has_searched_for_nothing(site):
    def refuse(exchange):
        exchange.read_body()
        exchange.answer(400, b'{"error":{"message":"no","type":"invalid_request_error"}}', [("Content-Type", "application/json")])

    site.upstreams["one"].handler = refuse
    request_id = site.new_id()
    answer = site.ask("gpt-4o-search-preview", headers=[("x-request-id", request_id)])
    record = site.usage(request_id)
    assert (answer.status, record["searches"], record["cost_micros"], record["outcome"]) == (400, 0, 0, "failed")


@pytest.mark.parametrize("wanted, told, size", [
    (None, None, "low"), (None, "high", "high"), ("high", None, "high"), ("high", "medium", "medium"), ("medium", None, "medium"),
])
def test_the_size_of_a_search_decides_what_it_costs(site, wanted, told, size):
    usage = {**USAGE, "search_context_size": told} if told else USAGE
    answering(site, completion("sonar", usage))
    options = {"web_search_options": {"search_context_size": wanted}} if wanted else {}
    record = asked(site, "sonar", **options)
    assert (record["searches"], record["cost_micros"]) == (1, TOKENS_COST + round(FEES[size] * 1e6))


def test_what_perplexity_states_is_believed_once_it_is_all(site):
    def usage(tokens, **cost):
        return {**USAGE, "completion_tokens": tokens, "total_tokens": 20 + tokens, "search_context_size": "high",
                "cost": {"input_tokens_cost": 0.0, **cost}}

    first = delta("Hi there", usage(1, total_cost=0))
    streaming(site, first, delta("", usage(5, request_cost=0.02, total_cost=0.0203), finish="stop"))
    record = asked(site, "sonar", stream=True)
    assert (record["searches"], record["cost_micros"], record["estimated"]) == (1, 20_300, 0)
    streaming(site, first, cut=True)
    record = asked(site, "sonar", stream=True, breaks=True)
    assert (record["searches"], record["cost_micros"], record["estimated"]) == (1, 20 + 20 + 12_000, 1)


def test_a_budget_of_money_reserves_the_fee(site):
    answering(site, completion("gpt-4o-search-preview"))
    body = {"model": "gpt-4o-search-preview", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 10}
    size = len(json.dumps(body).encode())
    most = size + 100 + 25_000
    key = site.new_key(max_amount=most - 1)["key_value"]
    assert site.call(body, key=key).status == 429
    key = site.new_key(max_amount=most)["key_value"]
    assert site.call(body, key=key).status == 200

    def settled():
        amount = site.balance(key)["amount"]
        return amount if amount["reserved_micros"] == 0 else None

    assert wait_until(settled, "all is settled")["spent_micros"] == TOKENS_COST + 25_000
    assert site.call(body, key=key).status == 429
    # Asked for by size: Perplexity's largest.
    body = {**body, "model": "sonar", "web_search_options": {"search_context_size": "high"}}
    size = len(json.dumps(body).encode())
    key = site.new_key(max_amount=size + 100 + 12_000 - 1)["key_value"]
    assert site.call(body, key=key).status == 429
    answering(site, completion("sonar"))
    key = site.new_key(max_amount=size + 100 + 12_000)["key_value"]
    assert site.call(body, key=key).status == 200


@pytest.mark.parametrize("streams", [False, True])
def test_searches_in_files_cost_what_they_do(site, streams):
    output = [{"id": "fs_1", "type": "file_search_call", "status": "completed", "queries": ["a", "b"], "results": None},
              {"id": "fs_2", "type": "file_search_call", "status": "failed", "queries": []},
              {"id": "ws", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
              {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
              {"id": "fs_3", "type": "file_search_call", "status": "completed", "queries": ["c"]}]
    response = {"id": "r", "object": "response", "status": "completed", "model": "gpt-4o", "output": output,
                "usage": {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}}
    if streams:
        streaming(
            site, {"type": "response.created", "response": {**response, "output": [], "usage": None}},
            {"type": "response.output_item.done", "item": output[0]}, {"type": "response.output_text.delta", "delta": "Hi"},
            {"type": "response.completed", "response": response})
    else:
        answering(site, response)
    record = asked(site, "gpt-4o", "/v1/responses", input="x", stream=streams, tools=[{"type": "file_search"}])
    # The record counts searches of both kinds; each has its own price.
    assert (record["searches"], record["cost_micros"]) == (3, TOKENS_COST + 25_000 + 2 * 2500)


def test_the_rates_can_be_set_by_hand(site):
    rates = {"search": "8000", "search_low": "5000", "search_high": "12000", "file_search": "2500"}
    site.gateway.admin("PUT", "/admin/prices/one/sonar", {"input": "1", "output": "10", "rates": rates})
    assert site.gateway.admin("GET", "/admin/prices/one/sonar")["rates"] == rates
    usage = {**USAGE, "search_context_size": "high", "cost": {"total_cost": 0.5}}
    answering(site, completion("sonar", usage))
    assert asked(site, "sonar")["cost_micros"] == TOKENS_COST + 12_000
