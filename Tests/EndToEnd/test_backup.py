"""The database copied under load, and a gateway that begins with the copy, as docs/operations.md has it."""

import json
import shutil
import threading

from harness import wait_until

SECRET = "sk-proj-in-the-backup-0001"


def test_a_copy_taken_while_requests_run_serves(make_providers):
    site, restored = make_providers(), make_providers()
    upstream = site.provider("one", models="m", keys=(SECRET,))
    site.prices({("one", "m"): (1, 2)})
    site.start()
    assert site.ask("m").status == 200
    wait_until(lambda: site.gateway.admin("GET", "/admin/usage")["totals"]["requests"] == 1, "it is in the database")
    done = threading.Event()
    answers = []

    def ask():
        while not done.is_set():
            answers.append(site.ask("m").status)

    asking = threading.Thread(target=ask)
    asking.start()
    data = restored.gateway.database_file.parent
    data.mkdir(mode=0o700)
    said = site.command("backup", str(restored.gateway.database_file))
    size = restored.gateway.database_file.stat().st_size
    assert said == f"{restored.gateway.database_file}: {size} bytes\n"
    assert restored.gateway.database_file.stat().st_mode & 0o777 == 0o600
    done.set()
    asking.join()
    assert set(answers) <= {200}

    shutil.copy(site.gateway.database_file.parent / "master_key", data)
    restored.gateway.start()
    before = restored.gateway.admin("GET", "/admin/usage")["totals"]["requests"]
    assert 1 <= before <= 1 + len(answers) and restored.gateway.admin("GET", "/admin/logs")["total"] >= before
    asked = len(upstream.requests)
    assert restored.ask("m", key=site.key).status == 200, "the caller's key"
    assert upstream.requests[asked].header("authorization") == f"Bearer {SECRET}", "the provider's key"
    wait_until(lambda: restored.gateway.admin("GET", "/admin/usage")["totals"]["requests"] == before + 1, "it goes on counting")


def test_what_cannot_be_copied_is_said_and_nothing_is_written_over(make_providers, tmp_path):
    site = make_providers()
    target = tmp_path / "copy.db"
    assert "data/fastgate.db" in site.command("backup", str(target), fails=True), "there is no database yet"
    assert not target.exists() and not site.gateway.database_file.exists()
    site.provider("one", models="m")
    assert json.loads(site.command("backup", str(target), "--json")) == {
        "file": str(target), "bytes": target.stat().st_size,
    }  # fmt: skip
    kept = target.read_bytes()
    assert f"{target}: File exists" in site.command("backup", str(target), fails=True)
    assert target.read_bytes() == kept
    assert "No such file or directory" in site.command("backup", str(tmp_path / "none" / "copy.db"), fails=True)
    assert "FILE" in site.command("backup", fails=True)
    site.gateway.database_file.write_bytes(b"this is no database at all, whatever its name says " * 100)
    assert "not a SQLite database" in site.command("backup", str(tmp_path / "other.db"), fails=True)
    assert [path.name for path in tmp_path.glob("*.part")] == [] and not (tmp_path / "other.db").exists()
