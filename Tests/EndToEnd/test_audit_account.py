"""The audit's account holds at every moment, whatever the disk, the database or the process does meanwhile."""

import os
import random
import sqlite3
import subprocess
import time

import pytest

from harness import wait_until
from harness.load import assert_all_are_there, run_loads, total


def account(metrics) -> dict[str, int]:
    found = {k: int(metrics[f'fastgate_audit_events_total{{result="{k}"}}']) for k in ("accepted", "committed", "dropped")}
    found["pending"] = int(metrics["fastgate_audit_events_pending"])
    return found


def test_the_account_holds_under_load(make_site, loads):
    site = make_site()
    site.route()
    running = run_loads(loads, site)
    last = None
    for _ in range(100):
        now = account(site.gateway.metrics())
        assert now["accepted"] == now["committed"] + now["dropped"] + now["pending"], now
        assert now["pending"] >= 0 and now["dropped"] == 0
        if last:
            assert now["accepted"] >= last["accepted"] and now["committed"] >= last["committed"]
        last = now
    wait_until(lambda: total(running) >= 100, "load runs", 20)
    for load in running:
        load.stop()
    answered = total(running)
    assert answered == sum(len(load.sent) for load in running)

    # Independent of the account: rows and what clients have seen.
    def complete():
        rows = site.gateway.query("SELECT count(*) AS n FROM audit_logs WHERE response_time IS NOT NULL")[0]["n"]
        assert rows <= answered
        return rows == answered

    wait_until(complete, "each answered request has its row")
    wait_until(lambda: account(site.gateway.metrics())["pending"] == 0, "all is committed")
    now = account(site.gateway.metrics())
    assert now["accepted"] == now["committed"] >= answered


def test_rows_appear_on_a_core_that_others_want_too(make_site, loads):
    """The writer gives way, but is not forgotten: a core that never idles, as other programs can see to, starves no row."""
    site = make_site({"audit": {"ring_size": "1MB", "flush_interval_ms": 100}})
    site.route()
    core = min(os.sched_getaffinity(0))
    for thread in os.listdir(f"/proc/{site.gateway.process.pid}/task"):
        os.sched_setaffinity(int(thread), {core})
    spinners = [subprocess.Popen(["taskset", "-c", str(core), "sh", "-c", "while :; do :; done"]) for _ in range(2)]
    try:
        running = run_loads(loads, site)
        wait_until(lambda: total(running) >= 300, "load runs", 60)
        for load in running:
            load.stop()
        answered = total(running)
        count = "SELECT count(*) AS n FROM audit_logs WHERE response_time IS NOT NULL"
        wait_until(lambda: site.gateway.query(count)[0]["n"] == answered, "each answered request has its row", 30)
        now = account(site.gateway.metrics())
        assert now["accepted"] == now["committed"] and now["dropped"] == 0
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def test_kill_9_again_and_again(make_site, loads):
    """Killed at any moment of its work, also of its start, it loses and doubles nothing."""
    site = make_site(workers=2)
    site.route()
    running = run_loads(loads, site)
    chance = random.Random(7)
    for turn in range(6):
        before = total(running)
        wait_until(lambda: total(running) >= before + 30, "load goes on", 30)
        time.sleep(chance.random() * 0.05)
        site.gateway.kill()
        if turn % 2:
            site.gateway.launch()
            time.sleep(chance.random() * 0.2)
            site.gateway.kill()
        site.gateway.start()
    before = total(running)
    wait_until(lambda: total(running) >= before + 30, "load goes on", 30)
    for load in running:
        load.stop()
    assert_all_are_there(site, running)
    # The last rows may be there without their ends yet.
    wait_until(lambda: account(site.gateway.metrics())["pending"] == 0, "all is committed")
    unfinished = site.gateway.query("SELECT error_message FROM audit_logs WHERE status_code IS NULL")
    assert all(row["error_message"] for row in unfinished), "one that was in flight says so"


def test_a_database_that_is_locked_is_told_and_waited_for(make_site, loads):
    site = make_site({"audit": {"ring_size": "4MB"}})
    site.route()
    running = run_loads(loads, site, 2)
    wait_until(lambda: total(running) >= 20, "load runs")
    blocker = sqlite3.connect(site.gateway.database_file, isolation_level=None, timeout=20)
    try:
        blocker.execute("BEGIN IMMEDIATE")
        wait_until(
            lambda: site.gateway.metrics()["fastgate_audit_healthy"] == 0, "the metrics say that it cannot be written", 30
        )
        metrics = site.gateway.metrics()
        assert metrics["fastgate_audit_flush_failures_total"] >= 1
        assert account(metrics)["pending"] > 0 and account(metrics)["dropped"] == 0
        wait_until(lambda: "database" in site.gateway.log and "locked" in site.gateway.log, "the log says why")
        before = total(running)
        wait_until(lambda: total(running) > before, "requests go on meanwhile")
        blocker.execute("ROLLBACK")
    finally:
        blocker.close()
    wait_until(lambda: site.gateway.metrics()["fastgate_audit_healthy"] == 1, "it recovers by itself", 30)
    for load in running:
        load.stop()
    assert_all_are_there(site, running)


def fill(path):
    """Writes until the disk is full, to the last page."""
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass


@pytest.mark.parametrize("on_full", ["wait", "drop"])
def test_a_full_disk_is_told_and_outlived(make_gateway, make_site, tmp_path, loads, on_full):
    """The database's folder is full: the ring takes what it can, then nothing is taken (wait) or counted as lost (drop)."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk to fill")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.decode().strip()}")
    try:
        config = {
            "database": {"url": f"sqlite:///{disk}/data/fastgate.db"},
            "audit": {"ring_size": "64KB", "on_full": on_full},
            "limits": {"max_header_bytes": 8192},
            "proxy": {"audit_body_max_size": 1024},
        }
        site = make_site(config, workers=1)
        site.route()
        site.key
        filler = disk / "filler"
        fill(filler)
        running = run_loads(loads, site, 2)
        wait_until(lambda: site.gateway.metrics()["fastgate_audit_healthy"] == 0, "the metrics say it", 30)
        wait_until(lambda: "full" in site.gateway.log, "the log says why")
        if on_full == "drop":
            wait_until(lambda: account(site.gateway.metrics())["dropped"] > 0, "what is lost is counted", 30)
        else:
            last = -1
            while last != total(running):
                last = total(running)
                time.sleep(0.3)
        filler.unlink()
        wait_until(lambda: site.gateway.metrics()["fastgate_audit_healthy"] == 1, "it recovers by itself", 30)
        before = total(running)
        wait_until(lambda: total(running) > before + 10, "and takes work again", 30)
        for load in running:
            load.stop()
        now = wait_until(
            lambda: (a := account(site.gateway.metrics()))["pending"] == 0 and a, "all is committed", 20
        )
        assert now["accepted"] == now["committed"] + now["dropped"]
        with sqlite3.connect(f"file:{disk}/data/fastgate.db?mode=ro", uri=True) as database:
            rows = [row[0] for row in database.execute("SELECT request_id FROM audit_logs")]
        assert len(rows) == len(set(rows))
        answered = {request_id for load in running for request_id in load.answered}
        if on_full == "wait":
            assert now["dropped"] == 0 and answered <= set(rows), f"{len(answered - set(rows))} rows are missing"
        else:
            assert answered - set(rows), "some were dropped"
            assert now["dropped"] >= len(answered - set(rows)), "and each of them was counted"
        site.close()
        site.gateway.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def test_a_damaged_ring_is_set_aside_and_told(make_site):
    """Of a ring's file nothing is believed that does not prove itself; what is whole in it is recovered."""
    site = make_site()
    site.route()
    ids = [site.call().request_id for _ in range(20)]
    for request_id in ids:
        site.gateway.audit(request_id)
    data = site.gateway.database_file.parent
    rings = sorted(data.glob("audit-*.ring"))
    assert len(rings) == 2

    def damaged(position: int, junk: bytes):
        site.gateway.kill()
        with open(rings[0], "r+b") as file:
            file.seek(position)
            file.write(junk)
        site.gateway.start()

    # Its name: it is no ring at all.
    damaged(0, b"NORING")
    assert "damaged" in site.gateway.log and list(data.glob("audit-0.ring.damaged*"))
    # Its indices: they contradict each other.
    damaged(128, b"\xff" * 8)
    assert len(list(data.glob("audit-0.ring.damaged*"))) == 2
    # What is between the indices: junk, which is counted and passed over.
    damaged(128, (4096).to_bytes(8, "little") + b"\0" * 120 + (0).to_bytes(8, "little"))
    assert site.gateway.metrics()['fastgate_audit_faulty_records_total{reason="corrupt"}'] >= 1
    # And it goes on: each of these has its row, and those before are still there once.
    ids += [site.call().request_id for _ in range(20)]
    for request_id in ids:
        assert site.gateway.audit(request_id)["status_code"] == 200
    assert len(site.gateway.query("SELECT 1 FROM audit_logs")) == len(ids)
