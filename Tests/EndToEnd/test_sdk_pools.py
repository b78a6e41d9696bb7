"""The official SDKs against pools of keys over two providers, with faults put in on purpose: a client never sees an error that
a healthy key could have avoided, every attempt is written down with its reason, and nothing of a failed one is paid."""

import asyncio
import collections
import concurrent.futures
import json
import random
import threading
import time

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from harness import Upstream, free_port, wait_until
from harness.patience import PATIENCE
from harness.providers import EVENT_STREAM, USAGE, Providers, chat, delta, event
from test_providers import MESSAGE, messages

# What each API's healthy upstream answers with.

GEMINI_USAGE = {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9}


def gemini_part(text, finish=None, **fields):
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], "modelVersion": "g", **fields}


def gemini(exchange):
    exchange.read_body()
    if "streamGenerateContent" not in exchange.request.target:
        return exchange.answer(200, json.dumps(gemini_part("Hello", usageMetadata=GEMINI_USAGE)).encode())
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(gemini_part("Hel")))
    exchange.chunk(event(gemini_part("lo", "STOP", usageMetadata=GEMINI_USAGE)))
    exchange.last_chunk()


HEALTHY = {"openai": chat, "anthropic": messages, "gemini": gemini}
TOKENS = {"openai": USAGE["total_tokens"], "anthropic": 11, "gemini": 9}
PATH = {"openai": "/v1", "anthropic": "", "gemini": ""}
KEY_HEADER = {"openai": "authorization", "anthropic": "x-api-key", "gemini": "x-goog-api-key"}

# What goes wrong, and what is written down of it.


def error(status, code, *headers):
    body = json.dumps({"error": {"message": "no", "type": code, "code": code, "status": code.upper()}}).encode()
    return lambda exchange, api: exchange.answer(status, body, [("Content-Type", "application/json"), *headers])


def silence(exchange, api):
    exchange.read_body()
    exchange.wait_gone(20)


def reset(exchange, api):
    exchange.read_body()
    exchange.reset()


FIRST = {
    "openai": event(delta("m", role="assistant", content="")),
    "anthropic": b"event: message_start\n" + event({"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 1}}}),
    "gemini": event(gemini_part("")),
}
OOPS = {
    "openai": event({"error": {"message": "overloaded", "type": "server_error", "code": "server_error"}}),
    "anthropic": b"event: error\n" + event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "gemini": event({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
}


def cut_before_content(exchange, api):
    exchange.read_body()
    if not is_stream(exchange, api):
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", "500")])
        exchange.send(b'{"id":')
        return exchange.reset()
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(FIRST[api])
    exchange.reset()


def error_first(exchange, api):
    exchange.read_body()
    if not is_stream(exchange, api):
        return exchange.answer(200, OOPS[api].rsplit(b"data: ")[-1].strip())
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(OOPS[api])
    exchange.last_chunk()


def slow(exchange, api):
    exchange.read_body()
    time.sleep(0.3)
    HEALTHY[api](exchange)


FAULTS = {
    "429": (error(429, "rate_limit_exceeded"), "rate_limited", 429),
    "429-retry-after": (error(429, "rate_limit_exceeded", ("Retry-After", "30")), "rate_limited", 429),
    "401": (error(401, "invalid_api_key"), "key_invalid", 401),
    "402": (error(402, "insufficient_credits"), "key_quota", 402),
    "403": (error(403, "forbidden"), "key_forbidden", 403),
    "500": (error(500, "server_error"), "server_error", 500),
    "503": (error(503, "overloaded"), "overloaded", 503),
    "refused": (None, "connect", None),
    "silence": (silence, "timeout", None),
    "reset": (reset, "cut_off", None),
    "cut-before-content": (cut_before_content, "cut_off", 200),
    "error-first": (error_first, "error_in_answer", 200),
    "slow": (slow, None, None),
}
# How long, in seconds, a provider may be silent: what is only slow must not be taken for that.
TIMEOUT = max(1, round(PATIENCE))
RESENT = 'fastgate_resent_requests_total{idempotent="no"}'
# The key's fault, not the provider's.
OF_KEY = {"429", "429-retry-after", "401", "402", "403"}


def told(fault, api) -> str:
    """The reason that is written down: Anthropic's and Gemini's error in a stream says what it is."""
    return "overloaded" if fault == "error-first" and api != "openai" else FAULTS[fault][1]


def is_stream(exchange, api) -> bool:
    return "streamGenerateContent" in exchange.request.target if api == "gemini" else bool(exchange.request.json().get("stream"))


class Pools:
    """A gateway, and pools of providers made through its API."""

    def __init__(self, folder):
        self.site = Providers(folder, {"providers": {"strategy": "round_robin"}})
        self.site.start()
        self.seen = collections.defaultdict(list)
        self.lock = threading.Lock()

    def provider(self, name, api, model, script, keys, **fields):
        """`script` gets the exchange and the last part of the key it came with; None: nobody listens."""
        if script is None:
            host = f"127.0.0.1:{free_port()}"
        else:
            def handler(exchange):
                key = exchange.request.header(KEY_HEADER[api]).removeprefix("Bearer ").rsplit("-", 1)[1]
                script(exchange, api, key)
            upstream = self.site.upstreams[name] = Upstream(handler)
            host = upstream.host
        admin = self.site.gateway.admin
        admin("POST", "/admin/providers", {
            "name": name, "api_type": api, "base_url": f"http://{host}{PATH[api]}", "models": [model],
            "key_strategy": "round_robin", "timeout": TIMEOUT, **fields}, expect=201)
        ids = {}
        for key in keys:
            made = admin("POST", f"/admin/providers/{name}/keys", {"key": f"sk-key-of-a-pool-{name}-{key}"}, expect=201)
            ids[key] = made["key_id"]
        return ids

    def price(self, name, model):
        self.site.gateway.admin("PUT", f"/admin/prices/{name}/{model}", {"input": "1", "output": "1"})


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    pools = Pools(tmp_path_factory.mktemp("pools"))
    yield pools
    pools.site.close()


# Clients: each asks once under an id of its own, and returns the text.


def base(site, api):
    return f"http://127.0.0.1:{site.gateway.port}" + ("/v1" if api == "openai" else "")


SAY = [{"role": "user", "content": "Hi"}]


def clients(site, key):
    """By API and kind; those whose names begin with async are coroutines."""
    sync_openai = openai.OpenAI(api_key=key, base_url=base(site, "openai"), max_retries=0)
    sync_anthropic = anthropic.Anthropic(api_key=key, base_url=base(site, "anthropic"), max_retries=0)
    google = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base(site, "gemini")))

    # An asynchronous client belongs to one event loop.
    def async_openai():
        return openai.AsyncOpenAI(api_key=key, base_url=base(site, "openai"), max_retries=0)

    def async_anthropic():
        return anthropic.AsyncAnthropic(api_key=key, base_url=base(site, "anthropic"), max_retries=0)

    def headers(id):
        return {"extra_headers": {"x-request-id": id}}

    def config(id):
        return types.GenerateContentConfig(http_options=types.HttpOptions(headers={"x-request-id": id}))

    def openai_json(model, id):
        return sync_openai.chat.completions.create(model=model, messages=SAY, **headers(id)).choices[0].message.content

    def openai_stream(model, id):
        stream = sync_openai.chat.completions.create(model=model, messages=SAY, stream=True, **headers(id))
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    async def openai_async_json(model, id):
        answer = await async_openai().chat.completions.create(model=model, messages=SAY, **headers(id))
        return answer.choices[0].message.content

    async def openai_async_stream(model, id):
        stream = await async_openai().chat.completions.create(model=model, messages=SAY, stream=True, **headers(id))
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    def anthropic_json(model, id):
        return sync_anthropic.messages.create(model=model, max_tokens=9, messages=SAY, **headers(id)).content[0].text

    def anthropic_stream(model, id):
        with sync_anthropic.messages.stream(model=model, max_tokens=9, messages=SAY, **headers(id)) as stream:
            return "".join(stream.text_stream)

    async def anthropic_async_json(model, id):
        answer = await async_anthropic().messages.create(model=model, max_tokens=9, messages=SAY, **headers(id))
        return answer.content[0].text

    async def anthropic_async_stream(model, id):
        async with async_anthropic().messages.stream(model=model, max_tokens=9, messages=SAY, **headers(id)) as stream:
            return "".join([text async for text in stream.text_stream])

    def gemini_json(model, id):
        return google.models.generate_content(model=model, contents="Hi", config=config(id)).text

    def gemini_stream(model, id):
        return "".join(part.text or "" for part in google.models.generate_content_stream(model=model, contents="Hi", config=config(id)))

    async def gemini_async_json(model, id):
        return (await google.aio.models.generate_content(model=model, contents="Hi", config=config(id))).text

    async def gemini_async_stream(model, id):
        stream = await google.aio.models.generate_content_stream(model=model, contents="Hi", config=config(id))
        return "".join([part.text or "" async for part in stream])

    found = {
        "openai": [openai_json, openai_stream, openai_async_json, openai_async_stream],
        "anthropic": [anthropic_json, anthropic_stream, anthropic_async_json, anthropic_async_stream],
        "gemini": [gemini_json, gemini_stream, gemini_async_json, gemini_async_stream],
    }
    return found


@pytest.mark.parametrize("api", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_client_notices_what_another_key_can_mend(pools, api, fault):
    """The first provider has a faulty key and a good one, the second one a good one: four clients, each of which meets the
    fault if that is possible at all."""
    site, name = pools.site, f"{fault}-{api}"
    script, _, status = FAULTS[fault]
    met = []

    def first(exchange, api, key):
        if key != "faulty" and fault in OF_KEY:
            return HEALTHY[api](exchange)
        met.append(exchange.request.header("x-request-id"))
        script(exchange, api)

    keys = pools.provider(
        f"{name}-a", api, f"m-{name}", first if script else None, ["faulty", "good"], priority=1,
        key_strategy="first_available")
    pools.provider(f"{name}-b", api, f"m-{name}", lambda e, api, key: HEALTHY[api](e), ["good"], priority=2)
    for provider in "ab":
        pools.price(f"{name}-{provider}", f"m-{name}")
    made = site.gateway.make_key()
    ids = []
    for client in clients(site, made["key_value"])[api]:
        ids.append(f"{name}-{client.__name__}")
        text = client(f"m-{name}", ids[-1])
        assert (asyncio.run(text) if asyncio.iscoroutine(text) else text) == "Hello", ids[-1]
        if fault in OF_KEY:
            # So that the next one meets it, too.
            wait_until(lambda: site.key_states(f"{name}-a")[0] != "ok", "what was learned of the key is stored")
            site.gateway.admin("PATCH", f"/admin/providers/{name}-a/keys/{keys['faulty']}", {"state": "ok"})
    for id in ids:
        record = site.usage(id)
        assert (record["outcome"], record["total_tokens"], record["estimated"]) == ("completed", TOKENS[api], 0)
        # One million tokens cost one dollar: so many millionths.
        assert record["cost_micros"] == TOKENS[api], "nothing of the failed attempt is paid"
        assert record["provider"] == (f"{name}-a" if fault in OF_KEY or fault == "slow" else f"{name}-b")
        rows = site.gateway.query("SELECT * FROM usage_attempts WHERE id = ? ORDER BY position", record["id"])
        if fault == "slow":
            assert rows == []
            continue
        assert [(row["provider"], row["reason"], row["status_code"]) for row in rows] == [(f"{name}-a", told(fault, api), status)]
        assert rows[0]["duration_ms"] >= (900 * TIMEOUT if fault == "silence" else 0)
        assert rows[0]["duration_ms"] < 5000 * TIMEOUT
    if fault != "refused":
        assert len(met) == 4, "all of them met the fault"
    assert site.balance(made["key_value"])["tokens"]["spent"] == TOKENS[api] * 4


STRATEGIES = ["first_available", "round_robin", "random", "weighted", "least_busy", "fastest", "healthiest"]
# Per provider: which of its keys fail, and how; the others are well.
CROWDS = {
    "500": [{"bad": "500", "good": None}],
    "cut": [{"bad": "cut-before-content", "good": None}],
    "error": [{"bad": "error-first", "good": None}],
    "three": [{"bad1": "500", "bad2": "cut-before-content", "bad3": "error-first", "good": None}],
    "both": [{"bad": "500", "good": None}, {"bad": "503", "good": None}],
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("crowd", CROWDS)
def test_bad_keys_do_not_keep_a_crowd_from_the_good_one(pools, crowd, strategy):
    """Twenty requests are under way at once when the first of them meets a bad key: all of them get to the good one."""
    site, name, count = pools.site, f"crowd-{crowd}-{strategy}", 20
    all_are_here = threading.Barrier(count)
    begun, lock = set(), threading.Lock()

    def script(faults):
        def answer(exchange, api, key):
            id = exchange.request.header("x-request-id")
            with lock:
                is_first = id not in begun
                begun.add(id)
            if is_first:
                all_are_here.wait(30)
            if faults[key]:
                return FAULTS[faults[key]][0](exchange, api)
            HEALTHY[api](exchange)
        return answer

    for number, faults in enumerate(CROWDS[crowd]):
        pools.provider(f"{name}-{number}", "openai", name, script(faults), list(faults), key_strategy=strategy)
    client = openai.OpenAI(api_key=site.key, base_url=base(site, "openai"), max_retries=0)

    def one(number):
        stream = client.chat.completions.create(
            model=name, messages=SAY, stream=True, extra_headers={"x-request-id": f"{name}-{number}"})
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        assert list(pool.map(one, range(count))) == ["Hello"] * count
    for number in range(len(CROWDS[crowd])):
        status = site.gateway.admin("GET", f"/admin/providers/{name}-{number}")
        assert status["health"]["breaker"] == "closed", "its good key was never found wanting"


def test_a_provider_all_of_whose_keys_fail_is_shut_out_as_before(pools):
    """Others serve meanwhile; the failing keys take turns, whatever the strategy, until it is plain that it is the provider."""
    site = pools.site
    pools.provider("down", "openai", "m-down", lambda e, api, key: FAULTS["500"][0](e, api), ["a", "b"], priority=1,
                   key_strategy="first_available")
    pools.provider("up", "openai", "m-down", lambda e, api, key: HEALTHY[api](e), ["c"], priority=2)
    client = openai.OpenAI(api_key=site.key, base_url=base(site, "openai"), max_retries=0)
    for _ in range(8):
        assert client.chat.completions.create(model="m-down", messages=SAY).choices[0].message.content == "Hello"
    used = [request.header("authorization")[-1] for request in site.upstreams["down"].requests]
    assert sorted(set(used)) == ["a", "b"] and len(used) == 5
    assert site.gateway.admin("GET", "/admin/providers/down")["health"]["breaker"] == "open"


def test_hundreds_of_requests_through_a_storm(pools):
    """Three keys over two providers, and a third provider where nobody listens. Two keys misbehave in all ways at random,
    one is well: then nobody may notice anything. Afterwards what rested and what was shut out comes back."""
    site = pools.site
    dice, lock = random.Random(7), threading.Lock()
    faults = [name for name in FAULTS if FAULTS[name][0] and name not in OF_KEY | {"silence"}]
    healed = threading.Event()
    served = collections.defaultdict(list)

    def stormy(exchange, api, key):
        with lock:
            # Not much more than this, or the breaker opens and the storm is over at once.
            fault = dice.choice(faults) if key != "good" and not healed.is_set() and dice.random() < 0.45 else None
            served[exchange.request.header("x-request-id")].append(fault)
            if key == "bad2" and fault and dice.random() < 0.2:
                # Its rest is over soon.
                fault = served[exchange.request.header("x-request-id")][-1] = "429"
        if fault:
            return FAULTS[fault][0](exchange, api)
        HEALTHY[api](exchange)

    for api in ("openai", "anthropic"):
        model = f"storm-{api}"
        pools.provider(f"storm-{api}-a", api, model, stormy, ["bad1", "bad2"])
        pools.provider(f"storm-{api}-b", api, model, stormy, ["good"])
        pools.provider(f"storm-{api}-dead", api, model, None, ["never"])
        for provider in ("a", "b"):
            pools.price(f"storm-{api}-{provider}", model)
        site.gateway.admin("POST", "/admin/aliases", {"name": f"alias-{api}", "targets": [f"storm-{api}-a/{model}", model]}, expect=201)
    before_storm = site.gateway.metrics()[RESENT]
    made = site.gateway.make_key()
    kinds = clients(site, made["key_value"])
    jobs = []
    for number in range(320):
        api = ("openai", "anthropic")[number % 2]
        model = [f"storm-{api}", f"alias-{api}", f"storm-{api}"][number % 3]
        jobs.append((api, kinds[api][number // 2 % 4], model, f"storm-{number}"))

    async def coroutines():
        gate = asyncio.Semaphore(6)

        async def one(client, model, id):
            async with gate:
                return id, await client(model, id)

        return await asyncio.gather(*(
            one(client, model, id) for _, client, model, id in jobs if "async" in client.__name__), return_exceptions=True)

    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        background = pool.submit(lambda: asyncio.run(coroutines()))
        plain = [(id, pool.submit(client, model, id)) for _, client, model, id in jobs if "async" not in client.__name__]
        answers = {id: result.result() for id, result in plain}
        for result in background.result():
            assert not isinstance(result, BaseException), repr(result)
            answers[result[0]] = result[1]
    assert answers == {id: "Hello" for _, _, _, id in jobs}

    # What was written down is what happened.
    failures = resent = 0
    for api, _, _, id in jobs:
        record = site.usage(id)
        assert (record["outcome"], record["total_tokens"], record["cost_micros"]) == ("completed", TOKENS[api], TOKENS[api])
        rows = site.gateway.query("SELECT * FROM usage_attempts WHERE id = ? ORDER BY position", record["id"])
        reasons = [row["reason"] for row in rows if not row["provider"].endswith("-dead")]
        happened = [fault for fault in served[id] if fault and fault != "slow"]
        # A kept-alive connection that ends before the first byte may have died of age: the same is sent again at once.
        missing = len(happened) - len(reasons)
        assert 0 <= missing <= happened.count("reset"), (id, served[id], reasons)
        expected = collections.Counter(told(fault, api) for fault in happened)
        expected["cut_off"] -= missing
        assert collections.Counter(reasons) == +expected, (id, served[id], reasons)
        resent += missing
        assert all(row["reason"] == "connect" for row in rows if row["provider"].endswith("-dead"))
        failures += len(rows)
    assert failures > 40, "there was no storm"
    assert site.gateway.metrics()[RESENT] - before_storm == resent, "what is sent again without a word is counted"
    spent = sum(TOKENS[api] for api, *_ in jobs)
    account = wait_until(lambda: (site.balance(made["key_value"])["tokens"]["spent"] == spent) and site.balance(made["key_value"]), "all is settled")
    assert account["tokens"]["reserved"] == 0 and account["amount"]["spent_micros"] == spent

    # The storm is over: the breaker's probe and the keys' rest end, and both keys serve again.
    healed.set()
    asked = iter(range(100_000))
    for api in ("openai", "anthropic"):
        before = len(site.upstreams[f"storm-{api}-a"].requests)

        def back():
            assert kinds[api][0](f"storm-{api}", f"after-{api}-{next(asked)}") == "Hello"
            used = {request.header(KEY_HEADER[api])[-4:] for request in site.upstreams[f"storm-{api}-a"].requests[before:]}
            return used == {"bad1", "bad2"}

        wait_until(back, "both keys of the first provider serve again", 30)
        status = site.gateway.admin("GET", f"/admin/providers/storm-{api}-a")
        assert status["health"]["breaker"] == "closed" and status["keys"]["usable"] == 2


def test_where_no_key_is_healthy_the_sdk_gets_one_clear_error(pools):
    """The first answer is the provider's own; after it the gateway says when to come back, and the SDK understands."""
    site = pools.site
    pools.provider("all-limited", "openai", "limited", lambda e, api, key: FAULTS["429-retry-after"][0](e, api), ["a", "b", "c"])
    client = openai.OpenAI(api_key=site.key, base_url=base(site, "openai"), max_retries=0)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="limited", messages=SAY)
    assert caught.value.status_code == 429
    assert len(site.upstreams["all-limited"].requests) == 3, "every key was tried once"
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="limited", messages=SAY)
    assert caught.value.code == "no_healthy_key" and 1 <= int(caught.value.response.headers["retry-after"]) <= 30
    assert len(site.upstreams["all-limited"].requests) == 3, "while they rest none is asked"


def test_a_pool_of_more_keys_than_fifty(pools):
    """More keys than one would look at by hand: all but the last are refused, one after the other, and the pool serves."""
    site = pools.site
    count = 56

    def script(exchange, api, key):
        if key == f"{count - 1:03d}":
            return HEALTHY[api](exchange)
        FAULTS["401"][0](exchange, api)

    pools.provider(
        "crowd", "openai", "crowded", script, [f"{n:03d}" for n in range(count)], key_strategy="first_available")
    client = openai.OpenAI(api_key=site.key, base_url=base(site, "openai"), max_retries=0)
    failed = 0
    while True:
        try:
            answer = client.chat.completions.create(model="crowded", messages=SAY)
            break
        except openai.APIStatusError:
            failed += 1
            assert failed < count
    assert answer.choices[0].message.content == "Hello"
    used = [request.header("authorization")[-3:] for request in site.upstreams["crowd"].requests]
    assert used == [f"{n:03d}" for n in range(count)], "in order, each once"
    assert client.chat.completions.create(model="crowded", messages=SAY).choices[0].message.content == "Hello"
    assert len(site.upstreams["crowd"].requests) == count + 1
