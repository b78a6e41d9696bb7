"""What the database keeps of providers and money survives crashes, migrations and a lost master key."""

import os
import sqlite3
import threading

from harness import Truncated, wait_until
from harness.providers import USAGE, Providers, chat

#: As FastGate 0.1 made it.
VERSION_1 = """
CREATE TABLE api_keys (key_id TEXT PRIMARY KEY NOT NULL, key_value TEXT UNIQUE NOT NULL,
    key_hint TEXT NOT NULL DEFAULT '', source_path TEXT NOT NULL, permissions TEXT NOT NULL DEFAULT '[]',
    created_at TEXT NOT NULL, expires_at TEXT, is_active INTEGER NOT NULL DEFAULT 1,
    usage_count INTEGER NOT NULL DEFAULT 0, rate_limit INTEGER, last_used_at TEXT);
CREATE TABLE audit_logs (id TEXT PRIMARY KEY NOT NULL, request_id TEXT NOT NULL, api_key TEXT, source_path TEXT,
    method TEXT NOT NULL, path TEXT NOT NULL, target_url TEXT, status_code INTEGER, request_time TEXT NOT NULL,
    first_response_time TEXT, response_time TEXT, response_time_ms REAL, request_size INTEGER NOT NULL DEFAULT 0,
    response_size INTEGER NOT NULL DEFAULT 0, user_agent TEXT, ip_address TEXT, is_stream INTEGER NOT NULL DEFAULT 0,
    stream_chunks INTEGER NOT NULL DEFAULT 0, error_message TEXT, request_headers TEXT, request_body TEXT,
    response_headers TEXT, response_body TEXT, created_at TEXT NOT NULL);
CREATE INDEX audit_logs_in_flight ON audit_logs (id) WHERE status_code IS NULL;
CREATE TABLE proxy_routes (route_id TEXT PRIMARY KEY NOT NULL, route_name TEXT NOT NULL, description TEXT,
    match_path TEXT NOT NULL, match_method TEXT NOT NULL DEFAULT 'ANY', match_headers TEXT, match_body_schema TEXT,
    target_host TEXT NOT NULL, target_path TEXT NOT NULL DEFAULT '', target_protocol TEXT NOT NULL DEFAULT 'http',
    strip_path_prefix INTEGER NOT NULL DEFAULT 0, add_headers TEXT, add_body_fields TEXT, remove_headers TEXT,
    timeout INTEGER, retry_count INTEGER NOT NULL DEFAULT 0, is_active INTEGER NOT NULL DEFAULT 1,
    priority INTEGER NOT NULL DEFAULT 100, weight INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL);
CREATE TABLE audit_rollups (bucket INTEGER NOT NULL, status_code INTEGER NOT NULL, latency_class INTEGER NOT NULL,
    is_error INTEGER NOT NULL, requests INTEGER NOT NULL, streams INTEGER NOT NULL, response_ms REAL NOT NULL,
    first_byte_ms REAL NOT NULL, first_byte_requests INTEGER NOT NULL, request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL, PRIMARY KEY (bucket, status_code, latency_class, is_error)) WITHOUT ROWID;
CREATE TABLE store_counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO store_counters VALUES ('audit_rows', 0);
PRAGMA application_id = 1179074900;
PRAGMA user_version = 1;
"""


def test_kill_9_under_load_settles_everything_once(tmp_path):
    """Whatever the moment, what keys have spent and what reports sum up is what the records say."""
    site = Providers(tmp_path)
    site.provider("one", models="m")
    site.prices({("one", "m"): (2.5, 10)})
    site.start()
    try:
        keys = [site.new_key() for _ in range(3)]
        answered = []

        def load(key):
            try:
                while True:
                    answer = site.ask("m", key=key)
                    assert answer.status == 200
                    answered.append(answer.header("x-request-id"))
            except (OSError, Truncated):
                pass  # the gateway was killed

        for _ in range(4):
            before = len(answered)
            threads = [threading.Thread(target=load, args=(key["key_value"],)) for key in keys]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(answered) >= before + 60, "load runs", 20)
            site.gateway.kill()
            for thread in threads:
                thread.join(20)
                assert not thread.is_alive()
            site.gateway.start()

        records = site.gateway.query("SELECT * FROM usage_records")
        found = [row["request_id"] for row in records]
        assert len(found) == len(set(found))
        assert set(answered) <= set(found)
        # The event is written when the answer has gone: at most the exchange at hand of each caller is an estimate.
        estimated = [row for row in records if row["estimated"]]
        assert len(estimated) <= 4 * len(keys) and {row["outcome"] for row in estimated} <= {"interrupted"}
        tokens, micros = USAGE["total_tokens"], (9 * 2_500_000 + 4 * 10_000_000) // 1_000_000
        for key in keys:
            own = [row for row in records if row["key_id"] == key["key_id"]]
            spent = site.gateway.query("SELECT * FROM api_keys WHERE key_id = ?", key["key_id"])[0]
            assert spent["tokens_spent"] == sum(row["total_tokens"] for row in own)
            assert spent["amount_spent"] == sum(row["cost_micros"] for row in own)
            ended = [row for row in own if not row["estimated"]]
            assert all(row["total_tokens"] == tokens and abs(row["cost_micros"] - micros) <= 1 for row in ended)
            balance = site.balance(key["key_value"])
            assert (balance["tokens"]["spent"], balance["tokens"]["reserved"]) == (spent["tokens_spent"], 0)
        for table in ["usage_hours", "usage_days"]:
            sums = site.gateway.query(
                f"SELECT sum(requests) AS n, sum(total_tokens) AS tokens, sum(cost_micros) AS micros FROM {table}")[0]
            assert sums["n"] == len(records) and sums["tokens"] == sum(row["total_tokens"] for row in records)
            assert sums["micros"] == sum(row["cost_micros"] for row in records)
    finally:
        site.close()


def test_a_database_of_version_1_is_migrated(tmp_path):
    site = Providers(tmp_path)
    file = site.gateway.database_file
    file.parent.mkdir(parents=True)
    old = sqlite3.connect(file)
    old.executescript(VERSION_1)
    old.commit()
    old.close()
    site.provider("one", models="m")
    site.start()
    try:
        assert site.ask("m").status == 200
        assert site.gateway.query("PRAGMA user_version")[0]["user_version"] == 4
        backups = list(file.parent.glob("*.v1-*.backup"))
        assert len(backups) == 1 and backups[0].stat().st_mode & 0o777 == 0o600
        backup = sqlite3.connect(backups[0])
        assert backup.execute("PRAGMA user_version").fetchone()[0] == 1
        backup.close()
    finally:
        site.close()


def test_without_its_master_key_the_gateway_starts_and_says_so(tmp_path):
    """Provider keys are unreadable then, and are there again once the master key is."""
    sent = []

    def script(exchange):
        sent.append(exchange.request.header("authorization"))
        chat(exchange)

    site = Providers(tmp_path)
    site.provider("one", script, models="m", keys=("sk-secret-0123456789abcdef",))
    site.start()
    try:
        file = site.gateway.database_file.parent / "master_key"
        assert file.stat().st_mode & 0o777 == 0o600
        assert site.ask("m").status == 200 and sent == ["Bearer sk-secret-0123456789abcdef"]
        site.gateway.stop()
        kept = file.with_name("kept")
        os.rename(file, kept)
        site.gateway.start()
        assert "master_key is missing" in site.gateway.log
        assert not file.exists(), "a new master key in the old one's place would look as if all were well"
        assert site.ask("m").status == 503
        assert len(sent) == 1, "a request went to the provider without its key"
        site.gateway.stop()
        os.rename(kept, file)
        site.gateway.start()
        assert site.ask("m").status == 200 and sent[1:] == ["Bearer sk-secret-0123456789abcdef"]
        for path in site.gateway.folder.rglob("*"):
            if path.is_file():
                assert b"sk-secret-0123456789" not in path.read_bytes(), f"the key is in {path}"
    finally:
        site.close()


def test_a_malformed_master_key_is_a_bad_configuration(tmp_path):
    site = Providers(tmp_path, env={"FASTGATE_MASTER_KEY": "short"})
    site.gateway.launch()
    assert site.gateway.process.wait(20) == 78
    assert "FASTGATE_MASTER_KEY" in site.gateway.log and "short" not in site.gateway.log
