"""The database copied under load, and a gateway that begins with the copy, as docs/operations.md has it."""

import shutil
import sqlite3
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
    connection = sqlite3.connect(site.gateway.database_file)
    connection.execute("VACUUM INTO ?", (str(restored.gateway.database_file),))
    connection.close()
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
