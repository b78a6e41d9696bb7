"""What lasts: a database of before, rows that are old enough to go, logs that grow, streams that were compressed."""

import gzip
import json
import signal
import sqlite3
import zlib

from harness import Gateway, wait_until

OLD_SCHEMA = """
CREATE TABLE api_keys (key_id VARCHAR(50) NOT NULL PRIMARY KEY, key_value VARCHAR(100) NOT NULL,
    source_path VARCHAR(100) NOT NULL, permissions TEXT, created_at DATETIME, expires_at DATETIME,
    is_active BOOLEAN, usage_count INTEGER, rate_limit INTEGER, last_used_at DATETIME);
CREATE TABLE audit_logs (id VARCHAR(50) NOT NULL PRIMARY KEY, request_id VARCHAR(50) NOT NULL,
    api_key VARCHAR(100), source_path VARCHAR(100), method VARCHAR(10) NOT NULL, path VARCHAR(500) NOT NULL,
    target_url VARCHAR(500), status_code INTEGER, request_time DATETIME NOT NULL, first_response_time DATETIME,
    response_time DATETIME, response_time_ms INTEGER, request_size INTEGER, response_size INTEGER,
    user_agent VARCHAR(500), ip_address VARCHAR(50), error_message TEXT, is_stream BOOLEAN, stream_chunks INTEGER,
    request_headers TEXT, request_body TEXT, response_headers TEXT, response_body TEXT, created_at DATETIME);
CREATE TABLE proxy_routes (route_id VARCHAR(50) NOT NULL PRIMARY KEY, route_name VARCHAR(100) NOT NULL,
    description TEXT, match_path VARCHAR(500) NOT NULL, match_method VARCHAR(20), match_headers TEXT,
    match_body_schema TEXT, target_host VARCHAR(200) NOT NULL, target_path VARCHAR(500) NOT NULL,
    target_protocol VARCHAR(10), strip_path_prefix BOOLEAN, add_headers TEXT, add_body_fields TEXT,
    remove_headers TEXT, timeout INTEGER, retry_count INTEGER, is_active BOOLEAN, priority INTEGER,
    created_at DATETIME, updated_at DATETIME);
"""


def test_a_database_of_before_is_migrated(make_gateway, upstream):
    """Keys go on working, routes go on routing, the audit can be read, and a copy of the old file is kept."""
    gateway = make_gateway(start=False)
    gateway.database_file.parent.mkdir(parents=True)
    old = sqlite3.connect(gateway.database_file)
    old.executescript(OLD_SCHEMA)
    value = "fg_" + "o" * 40 + "wxyz"
    old.execute(
        "INSERT INTO api_keys VALUES ('k1', ?, '/old', '[]', '2025-06-06 11:26:55.1', NULL, 1, 5, NULL, NULL)", (value,)
    )
    old.execute(
        """INSERT INTO proxy_routes VALUES ('r1', 'old', NULL, '/v1/*', 'POST', NULL, '{"model": "m"}', ?, '', 'http', 0,
           NULL, NULL, NULL, 30, 0, 1, 10, '2025-06-06 19:26:55', '2025-06-06 19:26:55')""",
        (upstream.host,),
    )
    for n in range(30):
        old.execute(
            """INSERT INTO audit_logs (id, request_id, api_key, method, path, status_code, request_time, response_time,
               response_time_ms, is_stream, stream_chunks) VALUES (?, ?, ?, 'POST', '/v1/x', ?, ?, ?, 10, 0, 0)""",
            (f"log_{n}", f"old_{n}", value, 500 if n == 3 else 200, *[f"2025-06-06 19:26:{n:02}"] * 2),
        )
    old.commit()
    old.close()
    gateway.start()
    from harness import Connection

    with Connection(gateway.port) as connection:
        headers = [("Host", "gateway.test"), ("Authorization", f"Bearer {value}")]
        assert connection.request("POST", "/v1/x", headers, b'{"model":"m"}').status == 200
        assert connection.request("POST", "/v1/x", headers, b'{"model":"n"}').status == 404
    page = gateway.admin("GET", "/admin/logs", start_time="2025-06-06", end_time="2025-06-06", limit=7)
    assert page["total"] == 30 and [i["request_id"] for i in page["items"]] == [f"old_{n}" for n in range(29, 22, -1)]
    assert gateway.admin("GET", "/admin/logs", status_code=500)["items"][0]["request_id"] == "old_3"
    assert gateway.admin("GET", "/admin/logs/old_3")["api_key"] == "k1"
    assert gateway.admin("GET", "/admin/metrics")["total_requests"] >= 30
    assert value.encode() not in gateway.database_file.read_bytes()
    copies = list(gateway.database_file.parent.glob("*.backup"))
    assert len(copies) == 1 and copies[0].stat().st_mode & 0o777 == 0o600
    assert sqlite3.connect(copies[0]).execute("SELECT count(*) FROM audit_logs").fetchone() == (30,)
    # The second start finds nothing to do.
    gateway.stop()
    gateway.start()
    assert len(list(gateway.database_file.parent.glob("*.backup"))) == 1


def test_rows_that_are_old_enough_go(make_gateway):
    """In small steps, oldest first, while the gateway serves; the totals keep counting them."""
    gateway = make_gateway({"audit": {"retention_days": 30}}, start=False)
    gateway.start()
    gateway.stop()
    day = 86_400_000
    database = sqlite3.connect(gateway.database_file)
    now = int(database.execute("SELECT unixepoch() * 1000").fetchone()[0])
    rows = [(now - 40 * day + n, n) for n in range(1700)] + [(now - 20 * day + n, n) for n in range(30)]
    database.executemany(
        """INSERT INTO audit_logs (id, request_id, method, path, status_code, request_time, response_time, created_at)
           VALUES (?, ?, 'GET', '/', 200, '', '', '')""",
        ((f"{time:012x}{n:020x}", f"r{time}") for time, n in rows),
    )
    database.execute("UPDATE store_counters SET value = ?", (len(rows),))
    database.commit()
    database.close()
    gateway.start()

    def left():
        return gateway.query("SELECT count(*) AS n, min(id) AS oldest FROM audit_logs")[0]

    # 500 a step: three steps and a rest.
    wait_until(lambda: left()["n"] == 30, "old rows are gone", 20)
    assert int(left()["oldest"][:12], 16) >= now - 30 * day
    assert gateway.admin("GET", "/admin/logs", limit=1)["total"] == 30
    gateway.write_config({"audit": {"retention_days": 10}})
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: left()["n"] == 0, "a shorter time counts after a reload", 20)


def test_logs_are_rotated_by_size(make_gateway, tmp_path):
    """file, file.1, file.2 and no more; no line is lost or cut at a seam."""
    log = tmp_path / "fastgate.log"
    gateway = make_gateway({"logging": {"file": str(log), "max_size": "2KB", "backup_count": 2, "format": "json"}})

    def turned():
        gateway.process.send_signal(signal.SIGHUP)
        return log.with_suffix(".log.2").exists()

    wait_until(turned, "the log is rotated twice", 30)
    gateway.stop()
    files = sorted(tmp_path.glob("fastgate.log*"))
    assert [f.name for f in files] == ["fastgate.log", "fastgate.log.1", "fastgate.log.2"]
    for file in files:
        text = file.read_text()
        assert file.stat().st_size <= 2048 and text.endswith("\n")
        for line in text.splitlines():
            assert json.loads(line)


# Compressed streams

EVENTS = b"".join(b"data: {\"n\":%d}\n\n" % n for n in range(5)) + b"data: [DONE]\n\n"


def stream(body, coding, kind="text/event-stream"):
    def script(exchange):
        exchange.head(
            200, [("Content-Type", kind), ("Content-Encoding", coding), ("Content-Length", str(len(body)))]
        )
        exchange.send(body)

    return script


def test_chunks_of_a_compressed_stream(make_site):
    """Counted in the recorded body, if that is there whole; else nobody knows."""
    site = make_site({"proxy": {"audit_include_body": True, "audit_body_max_size": 4096}})
    site.route()
    bare = zlib.compress(b"{}\n" * 3)
    for body, coding, kind, expected in (
        (gzip.compress(EVENTS), "gzip", "text/event-stream", 6),
        (bare, "deflate", "application/x-ndjson", 3),
        (b"\x1b\x00", "br", "text/event-stream", None),
        # Longer than what is recorded of an event stream, 32 times the limit.
        (gzip.compress(bytes(range(256)) * 800, 0), "gzip", "text/event-stream", None),
    ):
        site.upstream.then(stream(body, coding, kind))
        row = site.gateway.audit(site.call("POST", "/", b"{}").request_id)
        assert row["is_stream"] and row["stream_chunks"] == expected, (coding, kind)
        assert site.gateway.admin("GET", f"/admin/logs/{row['id']}")["stream_chunks"] == expected


def test_chunks_are_unknown_without_bodies(site):
    site.route()
    site.upstream.then(stream(gzip.compress(EVENTS), "gzip"))
    assert site.gateway.audit(site.call("POST", "/", b"{}").request_id)["stream_chunks"] is None
