"""The master key that providers' keys are sealed under: rotated, lost, put back, given up."""

import json
import secrets
import signal
import sqlite3
from contextlib import closing

import pytest

from harness import wait_until
from harness.providers import chat

SECRET = "sk-proj-sealed-under-the-master-0001"
OTHER = "sk-proj-sealed-under-the-master-0002"


@pytest.fixture
def make(make_providers):
    def start(env=None, **kw):
        site = make_providers(env=env, **kw)
        site.provider("one", models="m", keys=(SECRET, OTHER))
        return site.start()

    return start


def master_key(site, *words, **kw) -> dict:
    return json.loads(site.command("master-key", *words, "--json", **kw))


def file_of(site):
    return site.gateway.database_file.parent / "master_key"


def sealed(site) -> list[bytes]:
    return [row["sealed_key"] for row in site.gateway.query("SELECT sealed_key FROM provider_keys ORDER BY key_id")]


def test_a_rotation_while_requests_run(make):
    site = make()
    before, old = file_of(site).read_text(), sealed(site)
    _, disabled = [key["key_id"] for key in site.gateway.admin("GET", "/admin/providers/one/keys")["items"]]
    site.gateway.admin("PATCH", f"/admin/providers/one/keys/{disabled}", {"enabled": False})
    found = master_key(site, "rotate")
    assert (found["state"], found["keys"], found["unreadable_keys"]) == ("ready", 2, 0)
    assert file_of(site).read_text() != before and file_of(site).stat().st_mode & 0o777 == 0o600
    assert not set(sealed(site)) & set(old), "every key is sealed anew"
    assert site.ask("m").status == 200
    listed = site.gateway.admin("GET", "/admin/providers/one/keys")["items"]
    assert [key["enabled"] for key in listed] == [True, False] and all(key["readable"] for key in listed)
    # The next start finds the new one.
    site.gateway.stop()
    site.gateway.start()
    assert site.ask("m").status == 200
    used = [request.header("authorization") for request in site.upstreams["one"].requests]
    assert used == [f"Bearer {SECRET}"] * 2
    # And without a gateway the command works on the database itself.
    site.gateway.stop()
    between = file_of(site).read_text()
    assert master_key(site, "rotate")["unreadable_keys"] == 0 and file_of(site).read_text() != between
    site.gateway.start()
    assert site.ask("m").status == 200
    for text in (before, between, file_of(site).read_text()):
        assert text.strip() not in site.gateway.log


def test_what_is_known_of_a_key_survives_a_rotation(make):
    site = make()
    site.upstreams["one"].then(lambda e: e.answer(401, b'{"error":{"code":"invalid_api_key"}}'))
    assert site.ask("m").status == 200
    wait_until(lambda: sorted(site.key_states("one")) == ["disabled", "ok"], "the key is disabled")
    master_key(site, "rotate")
    before = len(site.upstreams["one"].requests)
    assert site.ask("m").status == 200 and len(site.upstreams["one"].requests) == before + 1


def test_a_key_of_the_environment_is_rotated_to_a_given_one(make):
    first, second = secrets.token_hex(32), secrets.token_urlsafe(32)
    site = make(env={"FASTGATE_MASTER_KEY": first})
    assert master_key(site, "show")["source"] == "FASTGATE_MASTER_KEY" and not file_of(site).exists()
    assert "new_key: must be given" in site.command("master-key", "rotate", fails=True)
    assert "32 bytes" in site.command("master-key", "rotate", "--stdin", stdin="too short\n", fails=True)
    found = master_key(site, "rotate", "--stdin", stdin=second + "\n")
    assert found["from_environment"] and found["unreadable_keys"] == 0
    assert site.ask("m").status == 200
    site.gateway.stop()
    site.gateway.start()
    assert site.ask("m").status == 503, "the old key is of no use any more"
    assert "is not the master key" in site.command("master-key", "show", fails=True)
    site.gateway.stop()
    site.gateway.env["FASTGATE_MASTER_KEY"] = second
    site.gateway.start()
    assert site.ask("m").status == 200
    for key in (first, second):
        assert key not in site.gateway.log
        assert not any(key.encode() in path.read_bytes() for path in site.gateway.folder.rglob("*") if path.is_file())


def test_a_lost_key_is_said_everywhere_and_comes_back_by_a_reload(make):
    site = make()
    site.gateway.stop()
    kept = file_of(site).rename(file_of(site).with_name("kept"))
    site.gateway.start()
    assert site.gateway.health(site.gateway.admin_port)[1]["problems"] == ["master_key_locked"]
    assert site.gateway.metrics()["fastgate_master_key_ready"] == 0
    assert "master_key is missing" in site.gateway.log
    assert "master_key is missing" in site.command("master-key", "show", fails=True)
    status, _, data = site.gateway.admin_raw("POST", "/admin/master-key/rotate", {})
    assert status == 503 and json.loads(data)["error"]["code"] == "master_key_locked"
    assert site.ask("m").status == 503 and not site.upstreams["one"].requests
    site.gateway.reload()
    assert site.gateway.metrics()["fastgate_master_key_ready"] == 0
    kept.rename(file_of(site))
    site.gateway.reload()
    wait_until(lambda: site.gateway.metrics()["fastgate_master_key_ready"] == 1, "the key is found")
    assert site.gateway.health(site.gateway.admin_port)[1]["problems"] == []
    assert site.ask("m").status == 200


def test_one_key_that_was_tampered_with_is_named_and_the_others_serve(make):
    site = make()
    bad, good = (row["key_id"] for row in site.gateway.query("SELECT key_id FROM provider_keys ORDER BY key_id"))
    site.gateway.stop()
    with closing(sqlite3.connect(site.gateway.database_file)) as db, db:
        db.execute("UPDATE provider_keys SET sealed_key = (SELECT sealed_key FROM provider_keys WHERE key_id = ?)"
                   " WHERE key_id = ?", (good, bad))  # fmt: skip
    site.gateway.start()
    said = [line for line in site.gateway.log.splitlines() if "cannot be read" in line]
    assert len(said) == 1 and bad in said[0] and "one" in said[0] and good not in said[0]
    keys = site.gateway.admin("GET", "/admin/providers/one")["keys"]
    assert (keys["total"], keys["usable"], keys["unreadable"]) == (2, 1, 1)
    assert site.gateway.admin("GET", "/admin/metrics/summary")["provider_keys"]["unreadable"] == 1
    assert site.ask("m").status == 200


def test_a_key_that_is_lost_for_good_is_given_up_only_on_purpose(make):
    site = make()
    assert "is not lost" in site.command("master-key", "replace-lost", "--yes", fails=True)
    site.gateway.stop()
    file_of(site).unlink()
    site.gateway.start()
    before = sealed(site)
    assert "--yes" in site.command("master-key", "replace-lost", fails=True)
    for body, status in [({}, 422), ({"confirm": False}, 422), ({"confirm": 1}, 422)]:
        assert site.gateway.admin_raw("POST", "/admin/master-key/replace-lost", body)[0] == status
    assert not file_of(site).exists()
    found = master_key(site, "replace-lost", "--yes")
    assert (found["state"], found["keys"], found["unreadable_keys"]) == ("ready", 2, 2)
    assert file_of(site).exists() and sealed(site) == before, "nothing is deleted"
    assert site.ask("m").status == 503
    first, second = [key["key_id"] for key in site.gateway.admin("GET", "/admin/providers/one/keys")["items"]]
    site.gateway.admin("PATCH", f"/admin/providers/one/keys/{first}", {"key": SECRET})
    assert site.ask("m").status == 200
    assert master_key(site, "show")["unreadable_keys"] == 1
    # A rotation leaves alone what it cannot read.
    assert master_key(site, "rotate")["unreadable_keys"] == 1 and site.ask("m").status == 200
    site.command("providers", "keys", "remove", second)
    assert master_key(site, "show")["unreadable_keys"] == 0


def test_killed_while_it_rotates_it_loses_nothing(make):
    """Again and again, at moments of chance: whichever of the two master keys is valid, the next start has it."""
    import threading
    import time

    site = make()
    for round in range(4):
        stop = threading.Event()

        def rotate():
            while not stop.is_set():
                try:
                    site.gateway.admin_raw("POST", "/admin/master-key/rotate", {})
                except OSError:
                    return

        worker = threading.Thread(target=rotate)
        worker.start()
        time.sleep(0.05 + 0.03 * round)
        site.gateway.process.send_signal(signal.SIGKILL)
        site.gateway.process.wait()
        stop.set()
        worker.join()
        site.gateway.start()
        assert site.gateway.metrics()["fastgate_master_key_ready"] == 1
        assert site.ask("m").status == 200
        assert not file_of(site).with_name("master_key.new").exists()
