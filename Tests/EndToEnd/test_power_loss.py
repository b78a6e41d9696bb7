"""The machine loses power. What a disk then holds is made up here: of what was written since a moment at which all was on
the disk, any part may be missing, block by block, and a file may end anywhere. The gateway has to start from that, with
a sound database whose accounts agree, and without a row that nobody asked for or one that is there twice.

Nothing more is promised for the last moments (docs/architecture.md); what was there before them has to be there.
"""

import os
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path

from harness import Site, wait_until
from harness.gateway import Gateway
from harness.load import run_loads, total

BLOCK = 4096
FILES = ("fastgate.db", "fastgate.db-wal", "audit-0.ring", "audit-1.ring", "audit-0.open", "audit-1.open")


def frozen(gateway) -> dict[str, bytes]:
    """The files as the kernel has them at one moment, the mapped rings too."""
    os.kill(gateway.process.pid, signal.SIGSTOP)
    try:
        status = Path(f"/proc/{gateway.process.pid}/status")
        wait_until(lambda: "State:\tT" in status.read_text(), "all threads stand still")
        folder = gateway.database_file.parent
        return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
    finally:
        os.kill(gateway.process.pid, signal.SIGCONT)


def is_checkpointed(before: dict[str, bytes], after: dict[str, bytes]) -> bool:
    """Pages went into the database in between: before that the log was synced, and what is in it is certain."""
    name = "fastgate.db-wal"
    return before["fastgate.db"] != after["fastgate.db"] or before[name][:32] != after[name][:32]


def mixed(chance: random.Random, old: bytes, new: bytes, share: float) -> bytes:
    """Each block as it was or as it is; beyond the old end as it is or never written."""
    out = bytearray()
    for at in range(0, len(new), BLOCK):
        if chance.random() < share:
            out += new[at : at + BLOCK]
        else:
            out += old[at : at + BLOCK].ljust(len(new[at : at + BLOCK]), b"\0")
    return bytes(out)


def images(chance, before, after):
    """What the disk may hold, from little written to all but the tail."""
    wal = "fastgate.db-wal"
    for share in (0.0, 0.5, 0.95):
        image = dict(after)
        for name in FILES[1:]:
            image[name] = mixed(chance, before[name], after[name], share)
        yield image
    # The log ends in the middle of a page; the rings are newer than it.
    image = dict(after)
    if len(after[wal]) > len(before[wal]):
        image[wal] = after[wal][: chance.randrange(len(before[wal]), len(after[wal]))]
    yield image
    # The log is as new as can be, the rings are old: what they hold was stored long ago.
    yield after | {name: before[name] for name in ("audit-0.ring", "audit-1.ring")}


def rows_of(image: dict[str, bytes], folder: Path) -> set[str]:
    """The ids that a plain reader finds in the database as it lay on the disk."""
    folder.mkdir()
    for name in ("fastgate.db", "fastgate.db-wal"):
        (folder / name).write_bytes(image[name])
    with sqlite3.connect(folder / "fastgate.db") as database:
        return {row[0] for row in database.execute("SELECT request_id FROM audit_logs")}


def commits(wal: bytes) -> int:
    """Transactions that stand in the log since the last checkpoint."""
    size, salts = int.from_bytes(wal[8:12]), wal[16:24]
    frames = (wal[at : at + 24] for at in range(32, len(wal) - 23, 24 + size))
    return sum(frame[8:16] == salts and frame[4:8] != bytes(4) for frame in frames)


def stored(gateway) -> int:
    """Rows in the database. The writer comes last where there is other work: what is answered is not yet stored."""
    return gateway.query("SELECT count(*) AS n FROM audit_logs")[0]["n"]


def write(image: dict[str, bytes], source: Gateway, folder: Path, config: dict) -> Gateway:
    """A machine that comes up with that disk."""
    gateway = Gateway(folder, config)
    data = folder / "data"
    shutil.copytree(source.database_file.parent, data, ignore=shutil.ignore_patterns("*.db-shm", "*.lock", *FILES))
    for name, contents in image.items():
        (data / name).write_bytes(contents)
        (data / name).chmod(0o600)
    return gateway


def check(gateway: Gateway, certain: set[str], sent: set[str]):
    query = gateway.query
    assert query("PRAGMA integrity_check")[0]["integrity_check"] == "ok"
    rows = query("SELECT request_id, api_key FROM audit_logs")
    # Of an exchange whose beginning is lost only the end is known: when, and with which status.
    headless = sum(1 for row in rows if row["request_id"] == "")
    found = [row["request_id"] for row in rows if row["request_id"]]
    assert len(found) == len(set(found)), "a row is there twice"
    assert set(found) <= sent, "a row that nobody asked for"
    assert certain <= set(found), f"{len(certain - set(found))} rows are lost that were on the disk"
    counter = query("SELECT value FROM store_counters WHERE name = 'audit_rows'")[0]["value"]
    assert counter == len(found) + headless
    ended = query("SELECT count(*) AS n FROM audit_logs WHERE status_code IS NOT NULL")[0]["n"]
    assert query("SELECT sum(requests) AS n FROM audit_rollups WHERE bucket >= 0")[0]["n"] == ended
    assert query("SELECT sum(requests) AS n FROM audit_rollups WHERE bucket < 0")[0]["n"] == ended
    assert query("SELECT sum(usage_count) AS n FROM api_keys")[0]["n"] == len(found)
    open_rows = query("SELECT error_message FROM audit_logs WHERE status_code IS NULL")
    assert all(row["error_message"] for row in open_rows), "one that was in flight says so"


def test_a_machine_that_loses_power_comes_up_with_a_sound_audit(make_gateway, make_site, tmp_path, loads):
    config = {"audit": {"ring_size": "256KB", "flush_interval_ms": 5}, "limits": {"max_header_bytes": 8192}}
    site = make_site(config)
    site.route()
    running = run_loads(loads, site, 4)
    chance = random.Random(11)
    tried = 0
    for turn in range(3):
        done = stored(site.gateway)
        wait_until(lambda: stored(site.gateway) >= done + 200, "rows are written", 30)
        while True:
            before = frozen(site.gateway)
            certain = {request_id for load in running for request_id in load.answered}
            certain &= rows_of(before, tmp_path / f"before-{turn}-{tried}-{time.monotonic_ns()}")
            now = total(running)
            wait_until(lambda: total(running) >= now + 60, "load runs", 30)
            after = frozen(site.gateway)
            if not is_checkpointed(before, after):
                break
        for image in images(chance, before, after):
            tried += 1
            gateway = write(image, site.gateway, tmp_path / f"after{tried}", config)
            try:
                gateway.start()
                # Asked for after the image was made: what it holds had been sent by then.
                check(gateway, certain, {request_id for load in running for request_id in load.sent})
                # And it takes work.
                other = Site(gateway)
                other._key, other.name = site._key, site.name
                response = other.call(target="/v1/chat/completions", method="POST", body=b"{}")
                assert response.status == 200 and gateway.audit(response.request_id)["status_code"] == 200
                gateway.stop()
            finally:
                gateway.kill()
    assert tried == 15
    for load in running:
        load.stop()


def test_a_log_that_is_torn_anywhere_costs_its_tail_only(make_site, tmp_path, loads):
    """The database's log is cut or damaged at a random byte: rows up to there, in their order, and no others."""
    site = make_site({"audit": {"flush_interval_ms": 5}}, workers=1)
    site.route()
    running = run_loads(loads, site, 2)
    wait_until(lambda: stored(site.gateway) >= 300, "rows are written", 30)
    log = site.gateway.database_file.with_name("fastgate.db-wal")
    wait_until(lambda: commits(log.read_bytes()) >= 20, "the log has many transactions", 60)
    whole = frozen(site.gateway)
    for load in running:
        load.stop()
    sent = {request_id for load in running for request_id in load.sent}
    everything = rows_of(whole, tmp_path / "whole")
    chance = random.Random(5)
    sizes = []
    for turn in range(12):
        wal = bytearray(whole["fastgate.db-wal"])
        at = chance.randrange(len(wal))
        if turn % 3 == 0:
            del wal[at:]
        elif turn % 3 == 1:
            wal[at] ^= 1 << chance.randrange(8)
        else:
            wal[at : at + BLOCK] = chance.randbytes(len(wal[at : at + BLOCK]))
        image = {"fastgate.db": whole["fastgate.db"], "fastgate.db-wal": bytes(wal)}
        gateway = Gateway(tmp_path / f"torn{turn}")
        data = gateway.folder / "data"
        data.mkdir(mode=0o700)
        for name, contents in image.items():
            (data / name).write_bytes(contents)
        try:
            gateway.start()
            assert gateway.query("PRAGMA integrity_check")[0]["integrity_check"] == "ok"
            found = {row["request_id"] for row in gateway.query("SELECT request_id FROM audit_logs")}
            assert found <= sent and found <= everything
            counter = gateway.query("SELECT value FROM store_counters WHERE name = 'audit_rows'")[0]["value"]
            assert counter == len(found)
            sizes.append(len(found))
            gateway.stop()
        finally:
            gateway.kill()
    assert len(set(sizes)) > 1, "the damage was always the same"
