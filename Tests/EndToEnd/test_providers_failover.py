"""Faults of providers and keys: who is blamed, who takes over, what the client gets and what is written down."""

import json
import re
import threading
import time

import openai
import pytest

from harness import wait_until
from harness.client import Connection
from harness.names import NameServer
from harness.providers import EVENT_STREAM, chat, chunk_of, completion, delta, event, failing


def by_key(scripts):
    """Answers by the key that the request carries."""
    def handler(exchange):
        key = exchange.request.header("authorization").removeprefix("Bearer ")
        scripts.get(key, chat)(exchange)
    return handler


KEYS = ("sk-pool-key-aaaaaaaa-1", "sk-pool-key-bbbbbbbb-2", "sk-pool-key-cccccccc-3")


# Keys


@pytest.mark.parametrize("status, code, state, reason", [
    (401, "invalid_api_key", "disabled", "key_invalid"),
    (402, "insufficient_credits", "disabled", "key_quota"),
    (403, "forbidden", "disabled", "key_forbidden"),
    (429, "insufficient_quota", "disabled", "key_quota"),
    (429, "rate_limit_exceeded", "cooling", "rate_limited"),
])
def test_a_bad_key_gives_way_to_the_next_one(make_providers, status, code, state, reason):
    site = make_providers()
    # Longer than the test takes, on whatever machine.
    rest = [("Retry-After", "600")] if state == "cooling" else []
    site.provider("pool", by_key({KEYS[0]: failing(status, code, rest)}), keys=KEYS, models="m")
    site.start()
    request_id = site.new_id()
    assert site.ask("m", headers=[("x-request-id", request_id)]).status == 200
    assert site.attempts(request_id) == [("pool", reason, status)]
    assert site.usage(request_id)["outcome"] == "completed"
    wait_until(lambda: sorted(site.key_states("pool")) == sorted([state, "ok", "ok"]), "the key's state is stored")
    before = len(site.upstreams["pool"].requests)
    assert site.ask("m").status == 200
    assert len(site.upstreams["pool"].requests) == before + 1, "the bad key is left alone"


def test_one_good_key_among_bad_ones_serves(make_providers):
    site = make_providers()
    site.provider("pool", by_key({KEYS[0]: failing(401, "invalid_api_key"), KEYS[1]: failing(429, "rate_limit_exceeded")}),
                  keys=KEYS, models="m")
    site.start()
    assert [site.ask("m").status for _ in range(5)] == [200] * 5
    assert len(site.upstreams["pool"].requests) == 7


def test_a_key_cools_as_long_as_the_provider_asks(make_providers):
    site = make_providers()
    site.provider("pool", failing(429, "rate_limit_exceeded", [("Retry-After", "1")]), keys=KEYS[:1], models="m")
    site.start()
    first = site.ask("m")
    assert first.status == 429, "the provider's own answer"
    assert first.json()["error"]["code"] == "rate_limit_exceeded"
    second = site.ask("m")
    assert second.status == 503 and second.json()["error"]["code"] == "no_healthy_key"
    assert second.header("retry-after") == "1"
    site.upstreams["pool"].handler = chat
    wait_until(lambda: site.ask("m").status == 200, "the key is back")


def test_what_a_provider_says_of_our_key_is_not_the_clients_to_see(make_providers):
    site = make_providers()
    site.provider("pool", failing(401, "invalid_api_key", message="Incorrect API key provided: sk-pool"),
                  keys=KEYS[:1], models="m")
    site.start()
    response = site.ask("m")
    assert response.status == 503 and b"sk-pool" not in response.body
    assert response.json()["error"]["code"] == "no_healthy_key"


def test_that_the_attempts_are_used_up_is_said(make_providers):
    site = make_providers(config={"providers": {"max_attempts": 2}})
    site.provider("pool", by_key({KEYS[0]: failing(401, "invalid_api_key"), KEYS[1]: failing(401, "invalid_api_key")}),
                  keys=KEYS, models="m")
    site.start()
    error = site.ask("m").json()["error"]
    assert error["code"] == "no_healthy_key" and "max_attempts" in error["message"]
    assert site.ask("m").status == 200, "the third key was never tried"


@pytest.mark.parametrize("strategy, expected", [("round_robin", {3}), ("first_available", {9, 0})])
def test_keys_take_turns_by_the_providers_strategy(make_providers, strategy, expected):
    site = make_providers(workers=1)
    site.provider("pool", keys=KEYS, models="m", key_strategy=strategy)
    site.start()
    for _ in range(9):
        site.ask("m")
    used = [r.header("authorization").removeprefix("Bearer ") for r in site.upstreams["pool"].requests]
    assert {used.count(key) for key in KEYS} == expected


# Providers


def refused(exchange):
    exchange.reset()


def cut_before_answer(exchange):
    exchange.read_body()
    exchange.close()


def cut_before_content(exchange):
    exchange.read_body()
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(delta("m", role="assistant", content="")))
    exchange.reset()


def error_after_empty_event(exchange):
    exchange.read_body()
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(delta("m", role="assistant", content="")))
    exchange.chunk(event({"error": {"message": "overloaded", "type": "server_error", "code": 503}}))
    exchange.last_chunk()


def error_in_a_200(exchange):
    exchange.answer(200, b'{"error":{"message":"The server had an error","type":"server_error","code":"server_error"}}')


def malformed(exchange):
    exchange.read_body()
    exchange.send(b"nonsense\r\n\r\n")
    exchange.close()


FAULTS = {
    "500": failing(500), "503": failing(503), "529": failing(529), "refused": refused,
    "cut_before_answer": cut_before_answer, "cut_before_content": cut_before_content,
    "error_after_empty_event": error_after_empty_event, "error_in_a_200": error_in_a_200, "malformed": malformed,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_another_provider_takes_over(make_providers, fault, stream):
    site = make_providers()
    site.provider("bad", FAULTS[fault], models="m", priority=1)
    site.provider("good", models="m", priority=2)
    site.start()
    request_id = site.new_id()
    response = site.ask("m", stream=stream, headers=[("x-request-id", request_id)])
    assert response.status == 200 and b"lo" in response.body and b"error" not in response.body
    # The head may have gone out already with a stream's first, empty event.
    assert response.header("x-fastgate-provider") == "good" or b": fastgate: goes on with good/m\n\n" in response.body
    attempts = site.attempts(request_id)
    assert attempts and {provider for provider, _, _ in attempts} == {"bad"}
    record = site.usage(request_id)
    assert (record["provider"], record["outcome"], record["total_tokens"]) == ("good", "completed", 13)


def test_a_name_without_an_address_is_told_apart_from_a_port_where_nobody_listens(make_providers, tmp_path):
    try:
        server = NameServer()
    except PermissionError:
        pytest.skip("port 53 is not for us")
    (tmp_path / "resolv.conf").write_text(server.line)
    site = make_providers(config={"proxy": {"resolv_conf": str(tmp_path / "resolv.conf")}})
    site.provider("lost", host="lost.example:80", models="m", priority=1)
    site.provider("good", models="m", priority=2)
    site.start()
    request_id = site.new_id()
    response = site.ask("m", headers=[("x-request-id", request_id)])
    server.close()
    assert response.status == 200 and response.header("x-fastgate-provider") == "good"
    assert site.attempts(request_id) == [("lost", "dns", None)]


def test_a_port_where_nobody_listens_and_silence_are_faults_too(make_providers):
    from harness import free_port

    site = make_providers()
    site.provider("nobody", host=f"127.0.0.1:{free_port()}", models="m", priority=1)
    release = threading.Event()
    site.provider("silent", lambda e: (e.read_body(), release.wait(20)), models="m", priority=2, timeout=1)
    site.provider("good", models="m", priority=3)
    site.start()
    request_id = site.new_id()
    response = site.ask("m", headers=[("x-request-id", request_id)])
    release.set()
    assert response.header("x-fastgate-provider") == "good"
    assert [(p, r) for p, r, _ in site.attempts(request_id)] == [("nobody", "connect"), ("silent", "timeout")]


def test_an_alias_is_a_chain_in_its_own_order(make_providers):
    site = make_providers()
    site.provider("one", failing(500), models="a")
    site.provider("two", failing(503), models="b")
    site.provider("three", models="c")
    site.alias("chain", "one/a", "b", "three/c")
    site.start()
    request_id = site.new_id()
    response = site.ask("chain", headers=[("x-request-id", request_id)])
    assert response.header("x-fastgate-model") == "c"
    assert [p for p, _, _ in site.attempts(request_id)] == ["one", "two"]
    assert [site.upstreams[n].requests[0].json()["model"] for n in ("one", "two", "three")] == ["a", "b", "c"]


def test_one_budget_of_attempts_spans_keys_and_providers(make_providers):
    site = make_providers({"providers": {"max_attempts": 3}})
    site.provider("one", failing(401, "invalid_api_key"), keys=KEYS, models="m", priority=1)
    site.provider("two", models="m", priority=2)
    site.start()
    assert site.ask("m").status == 503
    assert len(site.upstreams["one"].requests) == 3 and not site.upstreams["two"].requests


def test_a_single_provider_is_asked_again_and_its_last_word_passed_on(make_providers):
    site = make_providers()
    site.provider("only", failing(500, "server_error"), models="m")
    site.start()
    request_id = site.new_id()
    response = site.ask("m", headers=[("x-request-id", request_id)])
    assert response.status == 500 and response.json()["error"]["code"] == "server_error"
    assert len(site.upstreams["only"].requests) == 3
    record = site.usage(request_id)
    assert (record["outcome"], record["total_tokens"], record["cost_micros"]) == ("failed", 0, None)
    assert len(site.attempts(request_id)) == 3


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_the_callers_own_fault_is_the_callers_to_see(make_providers, status):
    site = make_providers()
    site.provider("one", failing(status, "invalid_request_error", message="bad temperature"), keys=KEYS[:2], models="m")
    site.start()
    for _ in range(7):
        response = site.ask("m")
        assert response.status == status and response.json()["error"]["message"] == "bad temperature"
    assert len(site.upstreams["one"].requests) == 7
    assert site.key_states("one") == ["ok", "ok"]


def test_the_breaker_opens_and_one_probe_closes_it(make_providers):
    site = make_providers(workers=1)
    site.provider("bad", failing(500), models="m", priority=1)
    site.provider("good", models="m", priority=2)
    site.start()
    for _ in range(8):
        assert site.ask("m").status == 200
    assert len(site.upstreams["bad"].requests) == 5, "five in a row open it"
    assert site.gateway.metrics()['fastgate_provider_up{provider="bad"}'] == 0
    site.upstreams["bad"].handler = chat
    wait_until(lambda: site.ask("m").header("x-fastgate-provider") == "bad", "the probe closes it", 15)
    wait_until(lambda: site.gateway.metrics()['fastgate_provider_up{provider="bad"}'] == 1, "the breaker is closed")


# Whose account it is on


ACCOUNT = ["openai-organization", "openai-project", "x-goog-user-project", "cookie"]


def test_callers_do_not_say_on_whose_account_a_request_is(make_providers):
    def picky(exchange):
        if any(exchange.request.header(name) for name in ACCOUNT):
            return failing(401, "mismatched_organization")(exchange)
        chat(exchange)

    site = make_providers()
    site.provider("pool", picky, keys=KEYS, models="m")
    site.provider("own", keys=KEYS[:1], models="n", header="OpenAI-Organization: org-ours")
    site.start()
    client = openai.OpenAI(
        api_key=site.key, base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0, organization="org-x", project="proj-x",
        default_headers={"x-goog-user-project": "foo", "Cookie": "a=b", "openai-beta": "assistants=v2"})
    for model in "mn":
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
        assert answer.choices[0].message.content == "Hello"
    request = site.upstreams["pool"].requests[0]
    assert request.header("openai-beta") == "assistants=v2" and request.header("x-stainless-lang") == "python"
    request = site.upstreams["own"].requests[0]
    assert [request.header(name) for name in ACCOUNT] == ["org-ours", None, None, None]
    assert site.ask("m", headers=[("OpenAI_Organization", "org-x")]).status == 200


@pytest.mark.parametrize("status, code", [
    (401, "mismatched_organization"), (401, "invalid_organization"), (401, "mismatched_project"), (403, "USER_PROJECT_DENIED")])
def test_a_key_of_another_account_is_not_disabled(make_providers, status, code):
    site = make_providers()
    site.provider("pool", by_key({KEYS[0]: failing(status, code)}), keys=KEYS[:2], models="m")
    site.start()
    for _ in range(3):
        request_id = site.new_id()
        assert site.ask("m", headers=[("x-request-id", request_id)]).status == 200
        assert site.attempts(request_id) == [("pool", "model_not_found", status)]
    assert site.key_states("pool") == ["ok", "ok"]


# What is measured


def test_the_pause_before_an_attempt_is_not_the_providers_time(make_providers):
    """The last attempt's time is less than the pause that the provider saw before it."""
    seen = []

    def script(exchange):
        exchange.read_body()
        turn = {"came": time.monotonic(), "left": None}
        seen.append(turn)
        (failing(500) if len(seen) % 3 else chat)(exchange)
        turn["left"] = time.monotonic()

    site = make_providers()
    site.provider("only", script, keys=KEYS[:1], models="m")
    site.start()

    def after_a_long_pause():
        response = site.ask("m")
        assert response.status == 200
        pause = (seen[-1]["came"] - (seen[-2]["left"] or seen[-1]["came"])) * 1000
        return pause > 300 and (pause, response.header("server-timing"))

    pause, timing = wait_until(after_a_long_pause, "an attempt after a pause of some length", 30)
    provider, total = re.fullmatch(r"provider;dur=([0-9.]+), total;dur=([0-9.]+)", timing).groups()
    assert float(provider) < pause <= float(total) + 100


# After content


def cut_after_content(exchange):
    exchange.read_body()
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(delta("m", role="assistant", content="")))
    exchange.chunk(event(delta("m", content="Hel")))
    exchange.reset()


def stall_after_content(exchange):
    exchange.read_body()
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(delta("m", content="Hel")))
    exchange.wait_gone(20)


@pytest.mark.parametrize("script", [cut_after_content, stall_after_content])
def test_a_stream_that_breaks_after_content_says_so(make_providers, script):
    site = make_providers()
    site.provider("bad", script, models="m", timeout=1, priority=1)
    site.provider("good", models="m", priority=2)
    site.start()
    request_id = site.new_id()
    body = json.dumps({"model": "m", "messages": [], "stream": True}).encode()
    with Connection(site.gateway.port) as connection:
        connection.send(b"")
        from harness.client import request_bytes
        connection.send(request_bytes(
            "POST", "/v1/chat/completions", site.headers(extra=[("x-request-id", request_id)]), body))
        while connection._fill():
            pass
        raw = bytes(connection.received)
    assert b"Hel" in raw and b'"error"' in raw and b"[DONE]" not in raw
    assert not raw.endswith(b"0\r\n\r\n"), "not made to look whole"
    assert not site.upstreams["good"].requests
    record = site.usage(request_id)
    assert record["outcome"] == "interrupted" and record["estimated"] == 1 and record["completion_tokens"] > 0


def test_the_sdk_raises_where_a_stream_breaks(make_providers):
    site = make_providers()
    site.provider("bad", cut_after_content, models="m")
    site.start()
    client = openai.OpenAI(api_key=site.key, base_url=f"http://127.0.0.1:{site.gateway.port}/v1", max_retries=0)
    seen = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model="m", messages=[], stream=True):
            seen.append(chunk.choices[0].delta.content)
    assert "Hel" in seen


def test_an_error_event_after_content_is_recorded(make_providers):
    def script(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        exchange.chunk(event(delta("m", content="Hel")))
        exchange.chunk(event({"error": {"message": "boom", "type": "server_error", "code": 500}}))
        exchange.last_chunk()

    site = make_providers()
    site.provider("bad", script, models="m")
    site.start()
    request_id = site.new_id()
    response = site.ask("m", stream=True, headers=[("x-request-id", request_id)])
    assert b"boom" in response.body
    assert site.usage(request_id)["outcome"] == "interrupted"
    assert "error" in site.gateway.audit(request_id)["error_message"]


# Bytes on time


def test_nothing_after_the_first_content_is_held_back(make_providers):
    go = [threading.Event() for _ in range(4)]

    def script(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        exchange.chunk(event(delta("m", content="0")))
        for number, signal in enumerate(go[:3], 1):
            assert signal.wait(10)
            exchange.chunk(event(delta("m", content=str(number))))
        assert go[3].wait(10)
        exchange.chunk(event(chunk_of("m", choices=[], usage={"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5})))
        exchange.chunk(event(b"[DONE]"))
        exchange.last_chunk()

    site = make_providers()
    site.provider("one", script, models="m")
    site.start()
    from harness.client import request_bytes

    body = json.dumps({"model": "m", "messages": [], "stream": True}).encode()
    with Connection(site.gateway.port) as connection:
        connection.send(request_bytes("POST", "/v1/chat/completions", site.headers(), body))
        for number in range(4):
            wanted = b'"content": "%d"' % number
            while wanted not in connection.received:
                assert connection._fill(), "each event comes before the next is sent"
            go[number].set()
        while b"0\r\n\r\n" not in connection.received:
            assert connection._fill()
        assert b"usage" not in connection.received and b"[DONE]" in connection.received
