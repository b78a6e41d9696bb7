"""What callers may spend: reserved before, settled after, exactly, whichever way an exchange ends."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import wait_until
from harness.client import Connection, request_bytes
from harness.providers import EVENT_STREAM, USAGE, Providers, chat, completion, delta, event, failing

# A request like `ask` makes, with max_tokens 100: what FastGate reckons for it at most.
MAX_TOKENS = 100


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("budget"), {"limits": {"send_timeout": 1}})
    site.provider("one", models="m,free", key_strategy="round_robin", timeout=2)
    # One provider for each way to end: what one has done to its breaker is nothing to the others.
    for number in range(len(ENDINGS)):
        site.provider(f"end{number}", host=site.upstreams["one"].host, models=f"m{number}", timeout=2)
    site.prices({("one", "m"): (1, 10), **{(f"end{n}", f"m{n}"): (1, 10) for n in range(len(ENDINGS))}})
    site.start()
    yield site
    site.close()


@pytest.fixture(autouse=True)
def fresh(site):
    site.upstreams["one"].handler = chat
    site.upstreams["one"].clear()


def settled(site, key) -> dict:
    """The balance once nothing is open: an exchange is settled right after its last byte went out, not before."""
    return wait_until(lambda: (b := site.balance(key))["tokens"]["reserved"] == 0 and b, "all is settled")


def worst(site) -> int:
    """Reserved tokens of one request, seen while it is open."""
    key = site.new_key(max_tokens=10**9)["key_value"]
    release, seen = threading.Event(), threading.Event()

    def wait(exchange):
        exchange.read_body()
        seen.set()
        release.wait(10)
        exchange.answer(200, completion("m"))

    site.upstreams["one"].handler = wait
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(site.ask, "m", key=key, max_tokens=MAX_TOKENS)
        assert seen.wait(10)
        reserved = site.balance(key)["tokens"]["reserved"]
        release.set()
        assert asked.result().status == 200
    site.upstreams["one"].handler = chat
    return reserved


def test_the_worst_case_is_reserved_and_the_actual_use_settled(site):
    reserved = worst(site)
    assert MAX_TOKENS < reserved < MAX_TOKENS + 200
    key = site.new_key(max_tokens=reserved)["key_value"]
    assert site.ask("m", key=key, max_tokens=MAX_TOKENS).status == 200
    assert settled(site, key)["tokens"] == {
        "limit": reserved, "spent": 13, "reserved": 0, "remaining": reserved - 13}
    refused = site.ask("m", key=key, max_tokens=MAX_TOKENS)
    assert refused.status == 429
    assert (refused.json()["error"]["code"], refused.json()["error"]["type"]) == ("insufficient_quota", "insufficient_quota")
    assert site.ask("m", key=key, max_tokens=MAX_TOKENS - 20).status == 200
    settled(site, key)
    usage = site.call(None, "/v1/token/usage", key=key, method="GET").json()
    assert usage["total_tokens"] == 26 and usage["cost_micros"] == 2 * 49


def test_a_refused_request_reaches_no_provider_and_costs_nothing(site):
    made = site.new_key(max_tokens=10)
    request_id = site.new_id()
    assert site.ask("m", key=made["key_value"], headers=[("x-request-id", request_id)]).status == 429
    assert site.gateway.audit(request_id)["status_code"] == 429
    assert not site.upstreams["one"].requests
    assert not site.gateway.query("SELECT 1 FROM usage_records WHERE request_id = ?", request_id)
    assert site.balance(made["key_value"])["tokens"]["reserved"] == 0


@pytest.mark.parametrize("column", ["max_tokens", "max_amount"])
def test_200_at_once_against_a_budget_for_50(site, column):
    unit = worst(site)
    site.upstreams["one"].clear()
    if column == "max_amount":
        unit = (unit - MAX_TOKENS) * 1 + MAX_TOKENS * 10
    key = site.new_key(**{column: unit * 50})["key_value"]
    release = threading.Event()

    def wait(exchange):
        exchange.read_body()
        release.wait(30)
        exchange.answer(200, completion("m"))

    site.upstreams["one"].handler = wait
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": MAX_TOKENS}).encode()
    connections = [Connection(site.gateway.port, timeout=30) for _ in range(200)]
    for connection in connections:
        connection.send(request_bytes("POST", "/v1/chat/completions", site.headers(key), body))
    # Those that are refused are told at once; the others wait for the provider, which waits for us.
    with ThreadPoolExecutor(200) as pool:
        answers = [pool.submit(connection.read_response, "POST") for connection in connections]
        wait_until(lambda: sum(a.done() for a in answers) == 150, "150 are refused", 20)
        site.upstreams["one"].wait(lambda u: len(u.requests) >= 50)
        balance = site.balance(key)
        part = balance["tokens" if column == "max_tokens" else "amount"]
        assert part["remaining" if column == "max_tokens" else "remaining_micros"] == 0
        release.set()
        statuses = [a.result().status for a in answers]
    assert len(site.upstreams["one"].requests) == 50
    assert (statuses.count(200), statuses.count(429)) == (50, 150)
    for connection in connections:
        connection.close()
    assert settled(site, key)["tokens"] | {"limit": 0, "remaining": 0} == {
        "limit": 0, "remaining": 0, "spent": 50 * 13, "reserved": 0}


def test_the_database_has_what_was_spent(site):
    made = site.new_key(max_tokens=10**6)
    for _ in range(3):
        site.ask("m", key=made["key_value"], max_tokens=5)
    def spent():
        row = site.gateway.query("SELECT tokens_spent, amount_spent FROM api_keys WHERE key_id = ?", made["key_id"])[0]
        return row["tokens_spent"] == 39 and row["amount_spent"] == 3 * 49
    wait_until(spent, "the writer has counted")


def test_publishing_a_change_refills_nobodys_budget(site):
    made = site.new_key(max_tokens=300)
    site.ask("m", key=made["key_value"], max_tokens=5)
    site.gateway.make_key("/unused")
    assert settled(site, made["key_value"])["tokens"]["spent"] == 13


# Places


def reset_before_answer(exchange):
    exchange.read_body()
    exchange.reset()


def cut_stream(exchange):
    exchange.read_body()
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(delta("m", content="Hel")))
    exchange.reset()


def stall(exchange):
    exchange.read_body()
    exchange.wait_gone(10)


def stall_in_stream(exchange):
    exchange.read_body()
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(delta("m", content="Hel")))
    exchange.wait_gone(10)


def open_stream(exchange):
    """What a stream opens with, before any content."""
    exchange.read_body()
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(delta("m", role="assistant", content="")))


def cut_opening(exchange):
    open_stream(exchange)
    exchange.reset()


def stall_in_opening(exchange):
    open_stream(exchange)
    exchange.wait_gone(10)


def error_in_opening(exchange):
    open_stream(exchange)
    exchange.chunk(event({"error": {"message": "no", "type": "server_error", "code": 500}}))
    exchange.last_chunk()


def cut_json(exchange):
    exchange.read_body()
    exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", "4000")])
    exchange.send(completion("m"))
    exchange.reset()


def flood(exchange):
    exchange.read_body()
    exchange.head(200, EVENT_STREAM)
    try:
        for _ in range(400):
            exchange.chunk(event(delta("m", content="x" * 60_000)))
    except Exception:
        pass


def cancel(connection):
    """The client leaves once the request is with the provider."""
    connection.close()


def reset(connection):
    connection.reset()


def read_all(connection):
    try:
        while connection._fill():
            pass
    except Exception:
        pass
    connection.close()


def stop_reading(connection):
    time.sleep(2.5)
    connection.reset()


ENDINGS = {
    "whole": (chat, read_all), "error": (failing(400), read_all), "server error": (failing(500), read_all),
    "bad key": (failing(429, "slow_down", [("Retry-After", "0")]), read_all), "reset": (reset_before_answer, read_all),
    "cut stream": (cut_stream, read_all), "timeout": (stall, read_all), "timeout in stream": (stall_in_stream, read_all),
    "client cancels": (stall, cancel), "client resets": (stall, reset), "client cancels stream": (stall_in_stream, cancel),
    "client resets stream": (stall_in_stream, reset), "cut opening": (cut_opening, read_all),
    "timeout in opening": (stall_in_opening, read_all), "error in opening": (error_in_opening, read_all),
    "client cancels opening": (stall_in_opening, cancel), "client resets opening": (stall_in_opening, reset),
    "cut json": (cut_json, read_all), "client stops reading": (flood, stop_reading),
}


def test_places_and_reservations_never_leak(site):
    made = site.new_key(max_tokens=10**9, max_amount=10**12, max_concurrent=2)
    key = made["key_value"]
    for number, (name, (script, ending)) in enumerate(ENDINGS.items()):
        model = f"m{number}"
        body = json.dumps({"model": model, "messages": [], "stream": True, "max_tokens": 50}).encode()
        site.upstreams["one"].handler = script
        seen = len(site.upstreams["one"].requests)
        connections = []
        for _ in range(2):
            connection = Connection(site.gateway.port, timeout=10, receive_buffer=4096)
            connection.send(request_bytes(
                "POST", "/v1/chat/completions", site.headers(key, [("Connection", "close")]), body))
            connections.append(connection)
        site.upstreams["one"].wait(lambda u: len(u.requests) >= seen + 2)
        if ending in (cancel, reset):
            assert site.ask(model, key=key, stream=True).status == 429, name
        for connection in connections:
            ending(connection)
        def free():
            balance = site.balance(key)
            return balance["concurrency"]["open"] == 0 and balance["tokens"]["reserved"] == 0 and (
                balance["amount"]["reserved_micros"] == 0)
        wait_until(free, f"all is given back after: {name}", 15)
    assert site.balance(key)["concurrency"] == {"limit": 2, "open": 0}


def test_over_the_limit_of_places_is_told(tmp_path):
    site = Providers(tmp_path)
    release = threading.Event()
    site.provider("one", lambda e: (e.read_body(), release.wait(20), e.answer(200, completion("m"))), models="m")
    site.start()
    try:
        key = site.new_key(max_concurrent=3)["key_value"]
        with ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(site.ask, "m", key=key) for _ in range(20)]
            wait_until(lambda: sum(a.done() for a in asked) == 17, "17 are refused")
            refused = [a.result() for a in asked if a.done()]
            assert {r.json()["error"]["code"] for r in refused} == {"concurrency_limit_exceeded"}
            assert refused[0].header("retry-after") == "1"
            release.set()
            assert [a.result().status for a in asked].count(200) == 3
    finally:
        release.set()
        site.close()


def test_a_drain_finishes_and_settles_what_is_open(tmp_path):
    site = Providers(tmp_path)
    release, seen = threading.Event(), threading.Event()

    def wait(exchange):
        exchange.read_body()
        seen.set()
        release.wait(20)
        exchange.answer(200, completion("m"))

    site.provider("one", wait, models="m")
    site.start()
    try:
        made = site.new_key(max_tokens=10**6)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(site.ask, "m", key=made["key_value"])
            assert seen.wait(10)
            site.gateway.terminate()
            release.set()
            assert asked.result().status == 200
        site.gateway.wait_exit()
        rows = site.gateway.query("SELECT tokens_spent FROM api_keys WHERE key_id = ?", made["key_id"])
        assert rows[0]["tokens_spent"] == 13
    finally:
        release.set()
        site.close()


def test_a_killed_gateway_has_counted_what_was_finished_and_what_was_under_way(tmp_path):
    site = Providers(tmp_path, {"audit": {"flush_interval_ms": 60000}})
    seen = threading.Event()

    def script(exchange):
        exchange.read_body()
        if exchange.request.json().get("stream"):
            exchange.head(200, EVENT_STREAM)
            exchange.chunk(event(delta("m", content="Hel")))
            seen.set()
            return exchange.wait_gone(20)
        exchange.answer(200, completion("m"))

    site.provider("one", script, models="m")
    site.start()
    try:
        made = site.new_key(max_tokens=10**6)
        key = made["key_value"]
        for _ in range(4):
            assert site.ask("m", key=key).status == 200
        settled(site, key)
        connection = Connection(site.gateway.port)
        body = json.dumps({"model": "m", "messages": [], "stream": True}).encode()
        headers = site.headers(key, [("x-request-id", "open")])
        connection.send(request_bytes("POST", "/v1/chat/completions", headers, body))
        assert seen.wait(10)
        site.gateway.kill()
        connection.close()
        site.gateway.start()
        estimated = site.usage("open")["total_tokens"]
        assert estimated > 0
        balance = site.balance(key)
        assert (balance["tokens"]["spent"], balance["tokens"]["reserved"]) == (4 * 13 + estimated, 0)
        assert site.ask("m", key=key).status == 200
        assert settled(site, key)["tokens"]["spent"] == 5 * 13 + estimated
    finally:
        site.close()
