"""The strategies that look at what happens, through the real gateway: load, speed, health."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import wait_until
from harness.providers import chat, completion, failing

KEYS = ("sk-pool-key-aaaaaaaa-1", "sk-pool-key-bbbbbbbb-2", "sk-pool-key-cccccccc-3")


@pytest.fixture
def make(make_providers):
    return lambda strategy, **kw: make_providers({"providers": {"strategy": strategy}}, **kw)


def waiting(release):
    def script(exchange):
        exchange.read_body()
        release.wait(20)
        exchange.answer(200, completion("m"))
    return script


def served(site, count, model="m"):
    return Counter(site.ask(model).header("x-fastgate-provider") for _ in range(count))


@pytest.mark.parametrize("workers", [1, 2])
def test_least_busy_avoids_who_has_open_exchanges(make, workers):
    """Over workers too: what is open is counted for all of them."""
    release = threading.Event()
    site = make("least_busy", workers=workers)
    for name in ("a", "b", "c"):
        site.provider(name, models="m")
    site.upstreams["a"].handler = site.upstreams["b"].handler = waiting(release)
    site.start()
    with ThreadPoolExecutor(8) as pool:
        asked = []
        # One is open with each of the slow ones, and then only the third is free.
        while not (site.upstreams["a"].requests and site.upstreams["b"].requests):
            asked.append(pool.submit(site.ask, "m"))
            wait_until(lambda: sum(len(u.requests) for u in site.upstreams.values()) == len(asked), "it is with one")
        assert served(site, 10) == {"c": 10}
        release.set()
        assert all(a.result().status == 200 for a in asked)


def test_least_busy_spreads_over_keys(make):
    release = threading.Event()
    site = make("weighted", workers=2)
    site.provider("pool", waiting(release), models="m", keys=KEYS, key_strategy="least_busy")
    site.start()
    with ThreadPoolExecutor(9) as pool:
        asked = []
        for number in range(1, 10):
            asked.append(pool.submit(site.ask, "m"))
            site.upstreams["pool"].wait(lambda u, n=number: len(u.requests) >= n)
        keys = Counter(r.header("authorization") for r in site.upstreams["pool"].requests)
        release.set()
        assert all(a.result().status == 200 for a in asked)
    assert sorted(keys.values()) == [3, 3, 3]


def test_fastest_takes_who_answered_soonest(make):
    pause = threading.Event()
    site = make("fastest", workers=1)
    site.provider("slow", lambda e: (e.read_body(), pause.wait(0.15), e.answer(200, completion("m"))), models="m")
    site.provider("quick", models="m")
    site.start()
    served(site, 2)  # each is measured once
    found = served(site, 20)
    assert found["quick"] >= 19, found
    assert site.upstreams["slow"].requests, "everybody is measured"


@pytest.mark.parametrize("was_well", [False, True])
def test_what_fails_at_once_is_not_the_fastest(make, was_well):
    site = make("first_available", workers=1)
    pause, sick = threading.Event(), threading.Event()
    asked = Counter()

    def script(exchange):
        key = exchange.request.header("authorization").removeprefix("Bearer ")
        asked[key] += 1
        if key == KEYS[0] and sick.is_set():
            return failing(500)(exchange)
        if key != KEYS[0]:
            pause.wait(0.02)
        chat(exchange)

    site.provider("p", script, models="m", keys=KEYS, key_strategy="fastest")
    site.start()
    if was_well:
        assert served(site, 3) == {"p": 3} and asked == dict.fromkeys(KEYS, 1)  # each is measured
    sick.set()
    asked.clear()
    assert served(site, 40) == {"p": 40}
    # What was never well gives way at once; what was is given up when it costs more than it brings.
    assert 1 <= asked[KEYS[0]] <= (35 if was_well else 2), asked


def test_silence_counts_as_the_wait_that_it_was(make):
    site = make("first_available", workers=1)
    sick = threading.Event()
    silent = []

    def script(exchange):
        if sick.is_set() and exchange.request.header("authorization").endswith(KEYS[0]):
            silent.append(exchange)
            exchange.read_body()
            return exchange.wait_gone(20)
        chat(exchange)

    site.provider("p", script, models="m", keys=KEYS, key_strategy="fastest", timeout=1)
    site.start()
    served(site, 12)
    sick.set()
    # Once it has been, whoever is quick is asked.
    assert served(site, 30) == {"p": 30}
    assert len(silent) <= 2


def test_healthiest_avoids_who_failed_of_late(make):
    site = make("healthiest", workers=1)
    site.provider("shaky", models="m")
    site.provider("sound", models="m")
    site.start()
    shaky = site.upstreams["shaky"]
    shaky.handler = failing(500)
    while not shaky.requests:
        assert site.ask("m").status == 200
    shaky.handler = chat
    before = len(shaky.requests)
    assert served(site, 10) == {"sound": 10} and len(shaky.requests) == before


def test_a_burst_is_spread_by_load_over_two_workers(make):
    release = threading.Event()
    site = make("least_busy", workers=2)
    for name in ("a", "b"):
        site.provider(name, waiting(release), models="m")
    site.start()
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(site.ask, "m") for _ in range(20)]
        wait_until(lambda: sum(len(u.requests) for u in site.upstreams.values()) == 20, "all are open")
        open_ones = [len(u.requests) for u in site.upstreams.values()]
        release.set()
        assert all(a.result().status == 200 for a in asked)
    # Two workers that look in the same moment may choose the same one.
    assert min(open_ones) >= 7, open_ones


@pytest.mark.parametrize("strategy", ["least_busy", "healthiest"])
def test_equals_take_turns_and_the_explanation_says_so(make, strategy):
    release = threading.Event()
    site = make(strategy, workers=1)
    for name in ("a", "b", "c"):
        site.provider(name, models="m")
    site.start()
    request = {"method": "POST", "path": "/v1/chat/completions", "body": {"model": "m"}}

    def shares():
        found = site.gateway.admin("POST", "/admin/routes/match", request)["provider"]["candidates"]
        return {one["provider"]: (round(one["share"], 2), one["reason"]) for one in found}

    # Whatever turn it is.
    for _ in range(4):
        assert shares() == dict.fromkeys("abc", (0.33, "takes 33 % of such requests"))
        site.ask("m")
    assert served(site, 12) == {"a": 4, "b": 4, "c": 4}
    if strategy == "healthiest":
        site.upstreams["b"].then(failing(500))
        assert served(site, 3).total() == 3
    else:
        site.upstreams["b"].then(waiting(release))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(site.ask, "b/m") if strategy == "least_busy" else None
        wait_until(lambda: shares()["b"][0] == 0, "another one is preferred")
        # Of three turns one falls to b, and goes to who comes next.
        assert shares() == {
            "a": (0.33, "takes 33 % of such requests"), "c": (0.67, "takes 67 % of such requests"),
            "b": (0, "can take the request, but another one is preferred")}
        assert served(site, 12) == {"a": 4, "c": 8}
        release.set()
        assert asked is None or asked.result().status == 200
