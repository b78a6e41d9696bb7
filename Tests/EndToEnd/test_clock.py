"""The machine's clock is set while the gateway serves: hours ahead, days back. Nothing that waits may notice, and records
stay in an order that can be explained: an exchange's id and its times tell what the clock said when its request came.

The clock is that of `harness/clock.c`, which leaves the monotonic clock alone, as setting a clock does."""

from datetime import datetime

import pytest

from harness import wait_until
from harness.clock import DAY, HOUR
from harness.load import run_loads, total
from harness.providers import USAGE, Providers, chat, failing
from harness.upstream import Signal


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_nothing_that_waits_notices(make_site, clock):
    """A stream in flight, an idle connection and a slow body outlive a clock that runs through days."""
    site = make_site(
        {"proxy": {"default_timeout": 20}, "limits": {"header_timeout": 10, "body_timeout": 10}}, env=clock.env
    )
    site.route()
    step = Signal()

    def script(exchange):
        if exchange.request.target == "/slow":
            exchange.read_body()
            return exchange.answer(200, b"all of it")
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        for i in range(4):
            step.wait()
            exchange.chunk(b"data: %d\n\n" % i)
        exchange.last_chunk()

    site.upstream.handler = script
    idle = site.connect()
    body = site.connect()
    body.send_head("POST", "/slow", site.headers([("Content-Length", "4")]))
    body.send(b"ab")
    streaming = site.connect()
    streaming.send(site.bytes("GET", "/stream"))
    response = streaming.read_head()
    for i, offset in enumerate((5 * HOUR, -30 * DAY, 400 * DAY, 0)):
        clock.set(offset)
        # Each of these makes the workers look at the clock.
        assert site.gateway.health(site.gateway.port)[0] == 200
        step.go()
        assert streaming.read_until(response, b"data: %d\n\n" % i)
    assert streaming.read_piece(response) == b"" and response.complete
    row = site.gateway.audit(response.request_id)
    assert row["status_code"] == 200 and row["error_message"] is None
    assert 0 <= row["response_time_ms"] < 60_000
    assert milliseconds(row["request_time"]) <= milliseconds(row["first_response_time"])
    assert milliseconds(row["first_response_time"]) <= milliseconds(row["response_time"])

    site.upstream.handler = lambda exchange: exchange.answer(200, b"all of it")
    assert idle.request("GET", "/idle", site.headers()).status == 200
    body.send(b"cd")
    assert body.read_response("POST").status == 200


def test_rates_are_measured_by_the_other_clock(make_site, clock):
    site = make_site(env=clock.env)
    key = site.new_key(rate_limit=3)["key_value"]
    site.route()
    headers = [h for h in site.headers() if h[0].lower() != "authorization"] + [("Authorization", f"Bearer {key}")]
    with site.connect() as connection:
        assert [connection.request("GET", "/", headers).status for _ in range(4)] == [200, 200, 200, 429]
        clock.set(2 * HOUR)
        refused = connection.request("GET", "/", headers)
        assert refused.status == 429 and int(refused.header("retry-after")) <= 60
        clock.set(-2 * HOUR)
        assert connection.request("GET", "/", headers).status == 429


def test_records_stay_single_and_in_order(make_site, clock, loads):
    """The same hours pass three times: each exchange has its row, and the order of ids is the order of request times."""
    site = make_site(env=clock.env)
    site.route()
    running = run_loads(loads, site)
    for offset in (3 * HOUR, -3 * HOUR, 3 * HOUR, -30 * DAY, 0):
        now = total(running)
        wait_until(lambda: total(running) >= now + 25, "load runs", 30)
        clock.set(offset)
    now = total(running)
    wait_until(lambda: total(running) >= now + 25, "load runs", 30)
    for load in running:
        load.stop()
    sent = {request_id for load in running for request_id in load.sent}

    def rows():
        found = site.gateway.query("SELECT * FROM audit_logs ORDER BY id")
        return len(found) == len(sent) and all(row["response_time"] for row in found) and found

    found = wait_until(rows, "a row for each", 20)
    assert {row["request_id"] for row in found} == sent
    times = [milliseconds(row["request_time"]) for row in found]
    assert times == sorted(times) and times[0] < times[-1] - 30 * 86_400_000
    assert all(abs(int(row["id"][:12], 16) - at) <= 1 for row, at in zip(found, times))
    assert all(0 <= row["response_time_ms"] < 60_000 for row in found)
    # Page by page it is the same.
    paged, cursor = [], None
    while True:
        page = site.gateway.admin("GET", "/admin/logs", order="asc", limit=50, cursor=cursor)
        paged += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert paged == [row["id"] for row in found]
    hourly = site.gateway.admin("GET", "/admin/metrics", start_time=None)
    assert hourly["total_requests"] == len(sent)


def test_a_clock_that_jumps_ages_nothing(make_site, clock):
    """Rows are not deleted for being old by a clock that was just set, and not by one that is wrong at the start."""
    site = make_site({"audit": {"retention_days": 5}}, env=clock.env)
    site.route()
    for _ in range(5):
        site.gateway.audit(site.call().request_id)

    def rows():
        return site.gateway.query("SELECT count(*) AS n FROM audit_logs")[0]["n"]

    clock.set(100 * DAY)
    # Another retention is looked at without delay.
    site.gateway.write_config({"audit": {"retention_days": 4}})
    site.gateway.reload()
    wait_until(lambda: "clock jumped" in site.gateway.log, "the log says it")
    assert site.gateway.audit(site.call().request_id) and rows() == 6
    # Nor by a process that starts with the wrong clock: it cannot have seen the jump.
    clock.set(300 * DAY)
    site.gateway.stop()
    warned = site.gateway.log.count("clock jumped")
    site.gateway.start()
    wait_until(lambda: site.gateway.log.count("clock jumped") > warned, "the log says it again")
    assert rows() == 6
    clock.set(0)
    site.gateway.stop()
    site.gateway.start()
    assert rows() == 6


def test_keys_expire_by_the_clock_as_it_stands(make_site, clock):
    site = make_site(env=clock.env)
    key = site.new_key(expires_days=2)["key_value"]
    site.route()
    headers = [h for h in site.headers() if h[0].lower() != "authorization"] + [("Authorization", f"Bearer {key}")]
    with site.connect() as connection:
        assert connection.request("GET", "/", headers).status == 200
        clock.set(3 * DAY)
        assert connection.request("GET", "/", headers).status == 401
        clock.set(DAY)
        assert connection.request("GET", "/", headers).status == 200


@pytest.fixture
def providers(tmp_path, clock):
    site = Providers(tmp_path / "providers", env=clock.env)
    yield site
    site.close()


def settled(site, key) -> dict:
    return wait_until(lambda: (b := site.balance(key))["tokens"]["reserved"] == 0 and b, "all is settled")


def test_a_budget_is_not_given_twice(providers, clock):
    """A clock that is ahead begins a new day. Set right, it does not bring the old day's budget back with it."""
    site = providers
    site.provider("one", models="m")
    site.prices({("one", "m"): (1, 10)})
    site.start()
    each = USAGE["total_tokens"]
    key = site.new_key(max_tokens=400, budget_period="daily")["key_value"]
    assert site.ask("m", key=key, max_tokens=50).status == 200
    assert settled(site, key)["tokens"]["spent"] == each
    clock.set(DAY)
    assert settled(site, key)["tokens"]["spent"] == 0
    for _ in range(3):
        assert site.ask("m", key=key, max_tokens=50).status == 200
    assert settled(site, key)["tokens"]["spent"] == 3 * each
    clock.set(0)
    for n in range(4, 7):
        assert site.ask("m", key=key, max_tokens=50).status == 200
        assert settled(site, key)["tokens"]["spent"] == n * each
    assert site.ask("m", key=key, max_tokens=400).status == 429

    def tokens():
        rows = site.gateway.query("SELECT count(*) AS n, sum(total_tokens) AS t FROM usage_records WHERE total_tokens > 0")
        return rows[0]["n"] == 7 and rows[0]["t"]

    assert wait_until(tokens, "a record for each") == 7 * each

    # The database counts as the workers do, so that a restart changes nothing.
    def stored():
        return site.gateway.query("SELECT tokens_spent AS t FROM api_keys WHERE max_tokens = 400")[0]["t"] == 6 * each

    wait_until(stored, "the budget is stored")
    site.gateway.stop()
    site.gateway.start()
    assert settled(site, key)["tokens"]["spent"] == 6 * each
    assert site.ask("m", key=key, max_tokens=50).status == 200
    assert settled(site, key)["tokens"]["spent"] == 7 * each


def test_a_key_rests_as_long_as_it_was_told(providers, clock):
    """How long a provider's key rests is measured by the clock that does not jump."""
    site = providers
    site.provider("one", failing(429, "rate_limit_exceeded", [("Retry-After", "600")]), models="m")
    site.start()
    assert site.ask("m").status == 429
    wait_until(lambda: site.key_states("one") == ["cooling"], "the key rests")
    asked = len(site.upstreams["one"].requests)
    site.upstreams["one"].handler = chat
    clock.set(9 * HOUR)
    for _ in range(3):
        assert site.ask("m").status in (429, 503)
    assert len(site.upstreams["one"].requests) == asked, "it was asked although it rests"
