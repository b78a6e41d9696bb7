"""A key's budget gets another period or currency, or is counted from nothing, while a request is with its provider: what the
gateway admits by goes on saying what the database says, and nothing that was spent is forgotten."""

import json
import time

import pytest

from harness import wait_until
from harness.client import Connection, request_bytes
from harness.providers import Providers, completion
from harness.upstream import Signal

STEP = Signal()


def answer(exchange):
    exchange.read_body()
    asked = exchange.request.json()
    if asked["metadata"]["waits"]:
        STEP.wait()
    used = asked["metadata"]["tokens"]
    usage = {"prompt_tokens": used, "completion_tokens": 0, "total_tokens": used}
    exchange.answer(200, completion(asked["model"], usage=usage))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("terms"))
    site.provider("first", answer, models="dollars,euros")
    for model, currency in ("dollars", "USD"), ("euros", "EUR"):
        site.command("prices", "set", model, "--provider", "first", "--input", "1", "--output", "1", "--currency", currency)
    yield site.start()
    site.close()


def body(model: str, tokens: int, waits: bool = False) -> dict:
    return {"model": model, "messages": [], "max_tokens": 1, "metadata": {"tokens": tokens, "waits": waits}}


def ask(site, key: str, model: str, tokens: int) -> int:
    return site.call(body(model, tokens), key=key).status


def begin(site, key: str, model: str, tokens: int) -> Connection:
    """A request that its provider has, and does not answer before `STEP` goes on."""
    upstream = site.upstreams["first"]
    there = len(upstream.requests)
    connection = Connection(site.gateway.port, timeout=20)
    data = json.dumps(body(model, tokens, waits=True)).encode()
    connection.send(request_bytes("POST", "/v1/chat/completions", site.headers(key), data))
    upstream.wait(lambda u: len(u.requests) > there and u.requests[-1].complete)
    return connection


def agreed(site, made: dict, tokens: int, micros: int) -> bool:
    """Memory and the database have come to say this."""
    def told():
        memory = site.balance(made["key_value"])
        if memory["tokens"]["reserved"] or memory["amount"]["reserved_micros"]:
            return None
        stored = site.gateway.query("SELECT tokens_spent, amount_spent FROM api_keys WHERE key_id = ?", made["key_id"])[0]
        return (memory["tokens"]["spent"], memory["amount"]["spent_micros"], *stored.values())

    wait_until(lambda: told() == (tokens, micros, tokens, micros), f"{tokens} tokens, {micros} micros in both")
    return True


PERIODS = ("total", "daily", "monthly")


@pytest.mark.parametrize(("before", "after"), [(a, b) for a in PERIODS for b in PERIODS if a != b])
def test_another_period_forgets_nothing(site, before, after):
    made = site.gateway.make_key(budget_period=before, max_tokens=1000)
    key = made["key_value"]
    assert [ask(site, key, "dollars", 100) for _ in range(3)] == [200] * 3
    open_one = begin(site, key, "dollars", 50)
    site.gateway.admin("PATCH", f"/admin/keys/{made['key_id']}", {"budget_period": after})
    STEP.go()
    assert open_one.read_response("POST").status == 200
    assert agreed(site, made, 350, 350)
    # One more that is reckoned at all that is left gets it, one that is reckoned at a token more does not.
    size = len(json.dumps(body("dollars", 1)))
    site.gateway.admin("PATCH", f"/admin/keys/{made['key_id']}", {"max_tokens": 350 + size})
    assert ask(site, key, "dollars", 1) == 429
    site.gateway.admin("PATCH", f"/admin/keys/{made['key_id']}", {"max_tokens": 350 + size + 1})
    assert ask(site, key, "dollars", 1) == 200
    assert agreed(site, made, 351, 351)


@pytest.mark.parametrize("period", PERIODS)
def test_what_was_accepted_before_a_fresh_count_is_not_in_it(site, period):
    made = site.gateway.make_key(budget_period=period, max_tokens=1000)
    key = made["key_value"]
    assert ask(site, key, "dollars", 100) == 200
    open_one = begin(site, key, "dollars", 50)
    # What was accepted in the very millisecond still counts.
    begun = time.time_ns() // 1_000_000
    wait_until(lambda: time.time_ns() // 1_000_000 > begun, "the next millisecond")
    site.gateway.admin("POST", f"/admin/keys/{made['key_id']}/reset-budget")
    STEP.go()
    assert open_one.read_response("POST").status == 200
    assert agreed(site, made, 0, 0)
    assert ask(site, key, "dollars", 7) == 200
    assert agreed(site, made, 7, 7)


@pytest.mark.parametrize("model", ["dollars", "euros"])
@pytest.mark.parametrize(("before", "after"), [("USD", "EUR"), ("EUR", "USD")])
def test_another_currency_counts_what_is_charged_in_it(site, model, before, after):
    made = site.gateway.make_key(currency=before, max_tokens=1000)
    key = made["key_value"]
    assert ask(site, key, "dollars", 100) == ask(site, key, "euros", 30) == 200
    open_one = begin(site, key, model, 50)
    site.gateway.admin("PATCH", f"/admin/keys/{made['key_id']}", {"currency": after})
    STEP.go()
    assert open_one.read_response("POST").status == 200
    spent = {"USD": 100, "EUR": 30}[after] + (50 if model == {"USD": "dollars", "EUR": "euros"}[after] else 0)
    assert agreed(site, made, 180, spent)


def test_what_is_not_in_the_database_yet_counts_as_well(tmp_path):
    """The audit's rings are looked at every second here: the sums are read before that."""
    site = Providers(tmp_path, {"audit": {"flush_interval_ms": 1000}})
    site.provider("first", answer, models="dollars")
    site.start()
    try:
        made = site.gateway.make_key(max_tokens=100_000)
        assert [ask(site, made["key_value"], "dollars", 100) for _ in range(20)] == [200] * 20
        site.gateway.admin("PATCH", f"/admin/keys/{made['key_id']}", {"budget_period": "daily"})
        assert site.balance(made["key_value"])["tokens"]["spent"] == 2000
        site.gateway.admin("PATCH", f"/admin/keys/{made['key_id']}", {"budget_period": "monthly"})
        assert agreed(site, made, 2000, 0)
    finally:
        site.close()


def test_another_time_zone_moves_the_day(tmp_path):
    """Whether the day that had begun goes on there, memory and the database agree on it."""
    site = Providers(tmp_path, {"app": {"timezone": "+00:00"}})
    site.provider("first", answer, models="dollars")
    site.start()
    try:
        made = site.gateway.make_key(max_tokens=100_000, budget_period="daily")

        def agree():
            memory = site.balance(made["key_value"])["tokens"]["spent"]
            return memory == site.gateway.admin("GET", f"/admin/keys/{made['key_id']}")["tokens_spent"] and memory

        for zone in "+12:45", "-09:30", "+00:00", "+14:00", "-12:00", "+08:00":
            assert ask(site, made["key_value"], "dollars", 100) == 200
            # What is stored later belongs to the day that has begun by then.
            wait_until(agree, f"they agree before {zone}")
            site.gateway.write_config({"app": {"timezone": zone}})
            site.gateway.reload()
        assert ask(site, made["key_value"], "dollars", 100) == 200
        wait_until(agree, "they agree")
    finally:
        site.close()


def test_a_successor_counts_what_its_predecessor_finishes(tmp_path):
    """Two processes spend one budget: what the old one had open is in the new one's memory once it has ended."""
    site = Providers(tmp_path)
    site.provider("first", answer, models="dollars")
    site.command("prices", "set", "dollars", "--provider", "first", "--input", "1", "--output", "1")
    site.start()
    try:
        made = site.gateway.make_key(max_tokens=6000)
        assert ask(site, made["key_value"], "dollars", 100) == 200
        open_one = begin(site, made["key_value"], "dollars", 5000)
        site.gateway.replace()
        assert ask(site, made["key_value"], "dollars", 10) == 200
        STEP.go()
        assert open_one.read_response("POST").status == 200
        assert agreed(site, made, 5110, 5110)
        assert ask(site, made["key_value"], "dollars", 880) == 200
        assert agreed(site, made, 5990, 5990)
        assert ask(site, made["key_value"], "dollars", 1) == 429
    finally:
        site.close()
