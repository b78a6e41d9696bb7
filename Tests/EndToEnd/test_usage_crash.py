"""kill -9 while exchanges are under way with providers: each has one usage record after the next start, and what it comes to
is what its key is charged."""

import json
import signal
import sqlite3
import threading
import time

import pytest

from harness import wait_until
from harness.client import Connection, request_bytes
from harness.providers import EVENT_STREAM, Providers, chat, delta, event, failing
from harness.upstream import stalled_port

PRICES = {("a", "m"): (2, 10), ("b", "m"): (3, 30)}
SUMS = ("total_tokens", "prompt_tokens", "completion_tokens", "cost_micros")


class Waiting:
    """A provider's handler that takes requests, says what it is told to, and then nothing."""

    def __init__(self, *pieces: bytes):
        self.pieces, self.count, self.lock = pieces, 0, threading.Lock()

    def __call__(self, exchange):
        exchange.read_body()
        if self.pieces:
            exchange.head(200, EVENT_STREAM)
            for piece in self.pieces:
                exchange.chunk(piece)
        with self.lock:
            self.count += 1
        exchange.wait_gone(60)

    def wait(self, count: int = 1):
        wait_until(lambda: self.count >= count, f"{count} requests are at the provider", 20)


@pytest.fixture
def make_providers(tmp_path):
    made = []

    def make(**providers):
        site = Providers(tmp_path / f"site{len(made)}")
        made.append(site)
        for number, (name, handler) in enumerate(providers.items()):
            site.provider(name, handler, models="m", priority=100 + number)
        site.prices(PRICES)
        return site.start()

    yield make
    for site in made:
        site.close()


def send(site, request_id: str, key: str, **fields) -> tuple[Connection, bytes]:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}).encode()
    connection = Connection(site.gateway.port)
    headers = site.headers(key, [("x-request-id", request_id)])
    connection.send(request_bytes("POST", "/v1/chat/completions", headers, body))
    return connection, body


def restart(site):
    site.gateway.kill()
    site.gateway.start()


def records(site) -> list[dict]:
    return site.gateway.query("SELECT * FROM usage_records ORDER BY id")


def spent(site, key_id: str) -> tuple[int, int]:
    row = site.gateway.query("SELECT tokens_spent, amount_spent FROM api_keys WHERE key_id = ?", key_id)[0]
    return row["tokens_spent"], row["amount_spent"]


def check(site):
    """Whatever happened, every sum is that of the records."""
    query = site.gateway.query
    for column in SUMS:
        total = query(f"SELECT ifnull(sum({column}), 0) AS n FROM usage_records")[0]["n"]
        for table in ("usage_hours", "usage_days"):
            assert query(f"SELECT ifnull(sum({column}), 0) AS n FROM {table}")[0]["n"] == total, (table, column)
    tokens = "SELECT key_id, sum(total_tokens) AS tokens, sum(cost_micros) AS amount FROM usage_records GROUP BY key_id"
    for row in query(tokens):
        assert spent(site, row["key_id"]) == (row["tokens"], row["amount"] or 0)
    requests = query("SELECT ifnull(sum(requests), 0) AS n FROM provider_keys")[0]["n"]
    assert requests == len(records(site))


def prompt(body: bytes) -> int:
    """Tokens that a request without a report is reckoned at."""
    return (len(body) + 3) // 4


def cost(provider: str, taken: int, given: int = 0) -> int:
    rates = PRICES[provider, "m"]
    return taken * rates[0] + given * rates[1]


def test_an_answer_that_is_waited_for(make_providers):
    waiting = Waiting()
    site = make_providers(a=waiting)
    made = site.new_key(max_tokens=10**6)
    connection, body = send(site, "out", made["key_value"])
    waiting.wait()
    restart(site)
    connection.close()
    (row,) = records(site)
    assert (row["request_id"], row["provider"], row["key_id"]) == ("out", "a", made["key_id"])
    assert (row["model_requested"], row["model_served"]) == ("m", "m")
    assert (row["outcome"], row["estimated"]) == ("interrupted", 1)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (row["total_tokens"], 0)
    assert abs(row["prompt_tokens"] - prompt(body)) <= 1 and row["cost_micros"] == cost("a", row["prompt_tokens"])
    assert row["provider_key_id"] and site.attempts("out") == []
    check(site)
    balance = site.balance(made["key_value"])
    assert (balance["tokens"]["spent"], balance["tokens"]["reserved"]) == (row["total_tokens"], 0)
    audit = site.gateway.query("SELECT * FROM audit_logs WHERE request_id = 'out'")
    assert len(audit) == 1 and audit[0]["id"] == row["id"] and audit[0]["status_code"] is None
    assert "settled as far as it is known" in site.gateway.log
    assert site.gateway.metrics()["fastgate_usage_recovered_records_total"] == 1
    # Nothing is settled twice, however often it is started, and the slots are free for others.
    for turn in range(2):
        restart(site)
        assert records(site) == [row]
        check(site)
    assert site.gateway.metrics()["fastgate_usage_recovered_records_total"] == 0
    connection, _ = send(site, "out-again", made["key_value"])
    waiting.wait(2)
    restart(site)
    connection.close()
    assert [each["request_id"] for each in records(site)] == ["out", "out-again"]
    check(site)


def test_an_orderly_stop_that_waits_no_longer(tmp_path):
    """As after a kill, and the record is made by the gateway that stops."""
    waiting = Waiting()
    site = Providers(tmp_path / "stop", {"app": {"drain_timeout": 0.1}})
    try:
        site.provider("a", waiting, models="m")
        site.prices(PRICES)
        site.start()
        made = site.new_key(max_tokens=10**6)
        connection, body = send(site, "out", made["key_value"])
        waiting.wait()
        site.gateway.stop()
        connection.close()
        site.gateway.start()
        (row,) = records(site)
        assert (row["request_id"], row["outcome"], row["estimated"]) == ("out", "interrupted", 1)
        assert abs(row["prompt_tokens"] - prompt(body)) <= 1 and row["cost_micros"] == cost("a", row["prompt_tokens"])
        assert site.gateway.metrics()["fastgate_usage_recovered_records_total"] == 0
        check(site)
    finally:
        site.close()


def test_a_stream_under_way(make_providers):
    """What was known of it a second before counts."""
    gone = threading.Event()

    def stream(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        text = "word " * 40
        exchange.chunk(event(delta("m-2026", role="assistant", content="")))
        while not gone.wait(0.02):
            exchange.chunk(event(delta("m-2026", content=text)))

    site = make_providers(a=stream)
    made = site.new_key()
    connection, body = send(site, "stream", made["key_value"], stream=True)
    response = connection.read_head()
    read = b""
    while read.count(b"word") < 40 * 100:
        read += connection.read_piece(response)
    restart(site)
    gone.set()
    connection.close()
    (row,) = records(site)
    assert (row["outcome"], row["estimated"], row["model_served"]) == ("interrupted", 1, "m-2026")
    # At least of its first second, which brings fewer than the hundred chunks that were waited for.
    assert 50 <= row["completion_tokens"]
    assert row["cost_micros"] == cost("a", row["prompt_tokens"], row["completion_tokens"])
    check(site)
    assert spent(site, made["key_id"])[0] == row["total_tokens"]


def test_what_has_not_gone_out_has_no_record(make_providers):
    """One waits for its connection, one for the rest of its own body."""
    site = make_providers(a=Waiting())
    listener, held, port = stalled_port()
    try:
        site.provider("slow", host=f"127.0.0.1:{port}", models="n")
        site.gateway.admin("GET", "/admin/providers/slow")
        connection, _ = send(site, "connecting", site.key, model="n")
        upload = Connection(site.gateway.port)
        headers = site.headers(None, [("x-request-id", "uploading")])
        whole = request_bytes("POST", "/v1/chat/completions", headers, b'{"model":"m","messages":[]}')
        upload.send(whole[:-5])
        wait_until(lambda: site.gateway.metrics()['fastgate_open_connections{side="upstream"}'] >= 1, "it connects")
        restart(site)
        connection.close()
        upload.close()
        assert records(site) == []
        check(site)
    finally:
        for each in [listener, *held]:
            each.close()


def test_failover(make_providers):
    """The one that it went to last counts, and those before are its attempts."""
    waiting = Waiting()
    site = make_providers(a=failing(500), b=waiting)
    connection, _ = send(site, "second", site.key)
    waiting.wait()
    restart(site)
    connection.close()
    (row,) = records(site)
    assert (row["provider"], row["outcome"], row["estimated"]) == ("b", "interrupted", 1)
    assert row["cost_micros"] == cost("b", row["prompt_tokens"]) > 0
    assert site.attempts("second") == [("a", "server_error", 500)]
    check(site)


def test_between_two_attempts(make_providers):
    """A failed attempt costs nothing: its exchange has a record all the same, for it had reached a provider."""
    listener, held, port = stalled_port()
    try:
        site = make_providers(a=failing(500))
        site.provider("b", host=f"127.0.0.1:{port}", models="m", priority=200)
        site.gateway.admin("GET", "/admin/providers/b")
        connection, _ = send(site, "between", site.key)
        site.upstreams["a"].wait_requests()
        wait_until(lambda: site.gateway.metrics()['fastgate_provider_open_exchanges{provider="b"}'] == 1, "b's turn")
        restart(site)
        connection.close()
        (row,) = records(site)
        assert (row["provider"], row["outcome"], row["total_tokens"]) == ("a", "failed", 0)
        assert (row["cost_micros"], row["estimated"]) == (0, 0)
        assert site.attempts("between") == [("a", "server_error", 500)]
        check(site)
    finally:
        for each in [listener, *held]:
            each.close()


def test_long_names(make_providers):
    """As long as they may be, they have room in a slot."""
    waiting = Waiting()
    site = make_providers(a=failing(500), b=waiting)
    made = site.gateway.make_key("/" + "s" * 254)
    connection, _ = send(site, "r" * 64, made["key_value"])
    waiting.wait()
    restart(site)
    connection.close()
    (row,) = records(site)
    assert (row["request_id"], row["key_id"], row["provider"]) == ("r" * 64, made["key_id"], "b")
    assert row["source_path"] == made["source_path"] and site.attempts("r" * 64) == [("a", "server_error", 500)]
    assert row["cost_micros"] == cost("b", row["prompt_tokens"]) > 0
    check(site)


def test_twenty_at_once_over_two_workers(make_providers):
    """Those that had ended keep what they came to; those under way have their estimates; none is there twice."""
    waiting = Waiting()

    def handler(exchange):
        exchange.read_body()
        if exchange.request.json().get("user") == "wait":
            return waiting(exchange)
        chat(exchange)

    site = make_providers(a=handler)
    keys = [site.new_key() for _ in range(3)]
    for turn in range(3):
        ended = [site.ask("m", key=keys[n % 3]["key_value"]).request_id for n in range(5)]
        open_ = [send(site, f"open-{turn}-{n}", keys[n % 3]["key_value"], user="wait")[0] for n in range(20)]
        waiting.wait(20 * (turn + 1))
        restart(site)
        for connection in open_:
            connection.close()
        rows = {row["request_id"]: row for row in records(site)}
        assert len(rows) == len(records(site)) == 25 * (turn + 1)
        for n in range(20):
            row = rows[f"open-{turn}-{n}"]
            assert (row["outcome"], row["estimated"]) == ("interrupted", 1) and row["total_tokens"] > 0
            assert row["key_id"] == keys[n % 3]["key_id"]
        for request_id in ended:
            assert (rows[request_id]["outcome"], rows[request_id]["total_tokens"]) == ("completed", 13)
        check(site)


def test_killed_under_load(make_providers):
    """At whatever moment it is killed: nobody has two records, whoever was answered has one, sums agree."""
    site = make_providers(a=chat)
    answered, sent, stop = [], [], threading.Event()

    def load(number):
        n = 0
        while not stop.is_set():
            n += 1
            request_id = f"load-{number}-{n}"
            try:
                sent.append(request_id)
                headers = [("x-request-id", request_id)]
                if site.ask("m", stream=n % 2 == 0, headers=headers).status == 200:
                    answered.append(request_id)
            except Exception:  # whatever the kill has done to it
                time.sleep(0.01)

    loads = [threading.Thread(target=load, args=(n,), daemon=True) for n in range(4)]
    for each in loads:
        each.start()
    for turn in range(4):
        before = len(answered)
        wait_until(lambda: len(answered) >= before + 25, "load goes on", 30)
        restart(site)
    stop.set()
    for each in loads:
        each.join(30)
    wait_until(lambda: set(answered) <= {row["request_id"] for row in records(site)}, "each has its record")
    found = [row["request_id"] for row in records(site)]
    assert len(found) == len(set(found)) and set(found) <= set(sent)
    check(site)


def test_a_replacement_leaves_it_to_the_old_process(make_providers):
    """The new process settles what the old one has under way only once that is gone."""
    waiting = Waiting(event(delta("m", content="Hello")))
    site = make_providers(a=waiting)
    made = site.new_key()
    lost, _ = send(site, "lost", made["key_value"], stream=True)
    done, _ = send(site, "left", made["key_value"], stream=True)
    waiting.wait(2)
    before = site.gateway.replace()
    mine, _ = send(site, "mine", made["key_value"], stream=True)
    waiting.wait(3)
    assert records(site) == []
    # One ends in the old process as ever.
    done.read_head()
    done.close()
    assert site.usage("left")["outcome"] == "cancelled"
    before.send_signal(signal.SIGKILL)
    before.wait(20)
    row = site.usage("lost")
    assert (row["outcome"], row["estimated"]) == ("interrupted", 1) and row["total_tokens"] > 0
    assert {each["request_id"] for each in records(site)} == {"lost", "left"} and len(records(site)) == 2
    check(site)
    # And what the new one has under way is its own.
    restart(site)
    assert {each["request_id"] for each in records(site)} == {"lost", "left", "mine"} and len(records(site)) == 3
    check(site)
    for connection in (lost, mine):
        connection.close()
    wait_until(lambda: len(list((site.gateway.folder / "data").rglob("*.open"))) == 2, "one set of files is left")


def test_a_damaged_file_is_set_aside(make_providers):
    site = make_providers(a=chat)
    site.gateway.kill()
    (site.gateway.folder / "data" / "audit-0.open").write_bytes(b"nonsense")
    site.gateway.start()
    assert "damaged" in site.gateway.log and list((site.gateway.folder / "data").glob("audit-0.open.damaged*"))
    assert site.ask("m").status == 200


def test_a_full_ring_loses_no_record(make_providers, tmp_path):
    """While the database cannot be written and the ring is full, records wait in memory: there they outlive nothing, but
    their slots do."""
    site = Providers(tmp_path / "full", {"audit": {"ring_size": "1MB", "on_full": "drop"}}, workers=1)
    try:
        site.provider("a", models="m")
        site.prices(PRICES)
        site.start()
        with sqlite3.connect(site.gateway.database_file, timeout=20, isolation_level=None) as database:
            database.execute("BEGIN IMMEDIATE")
            padding = [("x-padding", "p" * 6000)]
            answered = [site.ask("m", headers=padding).request_id for _ in range(300)]
            # Once the worker answers again it is done with the last one.
            assert site.gateway.health(site.gateway.port)[0] == 200
            site.gateway.kill()
            database.execute("ROLLBACK")
        site.gateway.start()
        rows = {row["request_id"]: row for row in records(site)}
        assert set(rows) == set(answered) and len(records(site)) == 300
        # And not as estimates: they had ended.
        assert {(row["outcome"], row["total_tokens"], row["estimated"]) for row in rows.values()} == {("completed", 13, 0)}
        assert site.gateway.metrics()["fastgate_usage_recovered_records_total"] > 100
        check(site)
    finally:
        site.close()
