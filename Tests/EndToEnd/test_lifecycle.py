"""SPEC: draining, and the audit's promise: after kill -9 every answered request is found exactly once."""

import os
import threading
import time
from pathlib import Path

import pytest

from harness import Connection, Truncated, wait_until
from harness.upstream import Signal


def test_sigterm_finishes_an_open_stream(make_site):
    site = make_site()
    site.route()
    step = Signal()

    def script(exchange):
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        for i in range(3):
            step.wait()
            exchange.chunk(b"data: %d\n\n" % i)
        exchange.last_chunk()

    site.upstream.handler = script
    connection = site.connect()
    connection.send(site.bytes("GET", "/"))
    response = connection.read_head()
    step.go()
    connection.read_until(response, b"data: 0\n\n")
    site.gateway.terminate()
    wait_until(lambda: _refuses(site.gateway), "new connections are refused or told to go away")
    for i in (1, 2):
        assert site.gateway.process.poll() is None
        step.go()
        connection.read_until(response, b"data: %d\n\n" % i)
    assert connection.read_piece(response) == b"" and response.complete
    assert site.gateway.wait_exit() == 0
    assert connection.wait_closed()
    rows = site.gateway.query("SELECT * FROM audit_logs")
    assert [(row["status_code"], row["stream_chunks"], row["error_message"] or "") for row in rows] == [(200, 3, "")]


def _refuses(gateway) -> bool:
    """While draining: no listener, or /health says 503."""
    try:
        return gateway.health(gateway.port)[0] == 503
    except OSError:
        return True


def test_drain_timeout_ends_what_does_not_end(make_site):
    site = make_site({"app": {"drain_timeout": 0.5}})
    site.route()
    gone = threading.Event()
    site.upstream.handler = lambda exchange: exchange.wait_gone(15) and gone.set()
    request_id = site.new_id()
    connection = site.connect(timeout=15)
    connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
    site.upstream.wait(lambda u: u.requests)
    site.gateway.terminate()
    assert site.gateway.wait_exit() == 0
    assert gone.wait(5)
    rows = site.gateway.query("SELECT * FROM audit_logs WHERE request_id = ?", request_id)
    assert len(rows) == 1 and rows[0]["error_message"]


def test_idle_connections_do_not_hold_the_exit(make_site):
    site = make_site({"app": {"drain_timeout": 30}})
    site.route()
    connection = site.connect()
    assert connection.request("GET", "/", site.headers()).status == 200
    site.gateway.terminate()
    assert site.gateway.wait_exit(10) == 0
    assert connection.wait_closed()


class Load(threading.Thread):
    """One client in a loop; notes what was sent and what was answered whole."""

    def __init__(self, site, number):
        super().__init__(daemon=True)
        self.site, self.number = site, number
        self.sent, self.answered = [], []

    def run(self):
        try:
            connection = Connection(self.site.gateway.port)
            body = b'{"model":"m"}'
            for i in range(100_000):
                request_id = f"{self.site.name}-{self.number}-{i}"
                self.sent.append(request_id)
                headers = [("x-request-id", request_id)]
                connection.send(self.site.bytes("POST", "/v1/chat/completions", headers, body))
                response = connection.read_response("POST")
                assert response.status == 200 and response.request_id == request_id
                self.answered.append(request_id)
        except (OSError, Truncated):
            pass  # the gateway was killed


def test_kill_9_under_load_loses_and_doubles_nothing(make_site):
    site = make_site()
    site.route()
    site.key
    sent, answered = [], []
    for round in range(5):
        loads = [Load(site, f"{round}-{n}") for n in range(4)]
        for load in loads:
            load.start()
        wait_until(lambda: all(len(load.answered) >= 40 for load in loads), "load runs", 20)
        site.gateway.kill()
        for load in loads:
            load.join(10)
            assert not load.is_alive()
            sent += load.sent
            answered += load.answered
        site.gateway.start()
    # A start recovers the rings before it serves, but rows may still be on their way: ask for the last one.
    site.gateway.audit(site.call().request_id)
    rows = site.gateway.query("SELECT request_id, status_code, response_time, error_message FROM audit_logs")
    found = {}
    for row in rows:
        assert row["request_id"] not in found, f"{row['request_id']} is there twice"
        found[row["request_id"]] = row
    missing = [request_id for request_id in answered if request_id not in found]
    assert not missing, f"{len(missing)} of {len(answered)} answered requests are not in the audit: {missing[:5]}"
    for request_id in answered:
        assert found[request_id]["status_code"] in (200, None)
    for row in rows:
        if row["status_code"] is None:
            assert row["error_message"], "one that was in flight says so"
    unanswered = set(sent) - set(answered)
    assert len(unanswered) <= 20
    assert set(found) - set(sent) == set(found) - set(sent) - unanswered


def test_usage_counts_survive_kill_9(make_site):
    """A key's use is counted with its rows, in one transaction: never twice by a replay."""
    site = make_site()
    site.route()
    for _ in range(3):
        for _ in range(20):
            assert site.call().status == 200
        site.gateway.kill()
        site.gateway.start()

    def counted():
        key = site.gateway.admin("GET", f"/admin/keys/{site.key_id}")
        complete = site.gateway.query("SELECT count(*) AS n FROM audit_logs")[0]["n"]
        assert key["usage_count"] <= 60
        return complete == 60 and key["usage_count"] >= 57

    wait_until(counted, "usage_count equals the requests made")


def test_locked_database_delays_the_audit_but_nothing_else(make_site):
    """Another process holds the write lock: requests go on, rows follow once it lets go."""
    import sqlite3

    site = make_site()
    site.route()
    site.gateway.audit(site.call().request_id)
    blocker = sqlite3.connect(site.gateway.database_file, isolation_level=None, timeout=20)
    try:
        blocker.execute("BEGIN IMMEDIATE")
        ids = [site.call().request_id for _ in range(20)]
        assert site.gateway.health(site.gateway.port)[0] in (200, 503)
        blocker.execute("ROLLBACK")
    finally:
        blocker.close()
    for request_id in ids:
        assert site.gateway.audit(request_id)["status_code"] == 200


def test_full_ring_waits_and_loses_nothing(make_site):
    """With a ring that holds little and a database that is locked, requests wait; none is lost."""
    import sqlite3

    config = {"audit": {"ring_size": "64KB", "on_full": "wait"}, "limits": {"max_header_bytes": 8192}}
    config["proxy"] = {"audit_body_max_size": 1024}
    site = make_site(config, workers=1)
    site.route()
    site.gateway.audit(site.call().request_id)
    blocker = sqlite3.connect(site.gateway.database_file, isolation_level=None, timeout=20)
    answered = []

    def load():
        connection = Connection(site.gateway.port, timeout=30)
        for _ in range(400):
            answered.append(connection.request("GET", "/" + "x" * 300, site.headers()).request_id)

    thread = threading.Thread(target=load, daemon=True)
    try:
        blocker.execute("BEGIN IMMEDIATE")
        thread.start()
        # Until no more are answered: the ring is full (or all of them went through).
        last = -1
        while last != len(answered):
            last = len(answered)
            time.sleep(0.3)
        assert site.gateway.process.poll() is None
        assert last < 400, "a 64 KB ring cannot hold 400 such requests: they should wait"
        blocker.execute("ROLLBACK")
    finally:
        blocker.close()
    thread.join(30)
    assert len(answered) == 400
    site.gateway.audit(answered[-1])
    assert len(site.gateway.query("SELECT 1 FROM audit_logs")) == 401


@pytest.mark.parametrize("usable", [1, 2])
def test_one_worker_for_each_cpu_that_may_be_used(make_gateway, usable):
    cpus = os.sched_getaffinity(0)
    if len(cpus) < usable:
        pytest.skip(f"this machine lets us use {len(cpus)} CPU")
    gateway = make_gateway(workers=0, start=False)
    # A child inherits it.
    os.sched_setaffinity(0, set(sorted(cpus)[:usable]))
    try:
        gateway.start()
    finally:
        os.sched_setaffinity(0, cpus)
    tasks = Path(f"/proc/{gateway.process.pid}/task").glob("*/comm")
    assert sum(task.read_text().startswith("fg-worker-") for task in tasks) == usable
