"""A day of traffic that lies behind: a database such as an older version left, which the first start migrates."""

import json
import random
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

TABLES = """
CREATE TABLE api_keys (
    key_id TEXT PRIMARY KEY, key_value TEXT, source_path TEXT, permissions TEXT, created_at TEXT, expires_at TEXT,
    is_active INTEGER, usage_count INTEGER, rate_limit INTEGER, last_used_at TEXT);
CREATE TABLE audit_logs (
    id TEXT PRIMARY KEY, request_id TEXT, api_key TEXT, source_path TEXT, method TEXT, path TEXT, target_url TEXT,
    status_code INTEGER, request_time TEXT, first_response_time TEXT, response_time TEXT, response_time_ms REAL,
    request_size INTEGER, response_size INTEGER, user_agent TEXT, ip_address TEXT, is_stream INTEGER,
    stream_chunks INTEGER, error_message TEXT, request_headers TEXT, request_body TEXT, response_headers TEXT,
    response_body TEXT, created_at TEXT);
CREATE TABLE proxy_routes (route_id TEXT PRIMARY KEY, route_name TEXT, match_path TEXT, target_host TEXT);
"""

SOURCES = ["search/assistant", "support/chatbot", "research/notebooks", "billing/summaries"]
PATHS = [
    ("/v1/chat/completions", "POST", 70), ("/v1/embeddings", "POST", 16), ("/v1/messages", "POST", 9),
    ("/v1/models", "GET", 4), ("/v1/images/generations", "POST", 1),
]


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def write(database: Path, target: str, hours: int = 24, seed: int = 7):
    """Some 900 exchanges over the last hours, none in the future, each run alike but for the time."""
    chance = random.Random(seed)
    now = datetime.now(timezone(timedelta(hours=8)))
    database.parent.mkdir(mode=0o700, parents=True)
    with sqlite3.connect(database) as connection:
        connection.executescript(TABLES)
        for index, source in enumerate(SOURCES):
            value = f"fg_{'%020x' % chance.getrandbits(80)}"
            connection.execute(
                "INSERT INTO api_keys VALUES (?,?,?,?,?,?,?,?,?,?)",
                (f"key_{index:016x}", value, source, json.dumps([[], ["chat", "messages"], ["embeddings"], ["/v1/*"]][index]),
                 text(now - timedelta(days=40 - index)), text(now + timedelta(days=325 + index)), index != 3,
                 [18342, 9127, 611, 40][index], [None, 600, 60, 0][index],
                 text(now - timedelta(minutes=[2, 9, 47, 4000][index]))))
        for number in range(38 * hours):
            hour = number % hours
            # More by day than by night.
            if chance.random() > 0.35 + 0.65 * abs(hour - hours / 2) / (hours / 2):
                continue
            begin = now - timedelta(hours=hour, seconds=chance.uniform(30, 3500))
            path, method, _ = chance.choices(PATHS, [weight for _, _, weight in PATHS])[0]
            stream = path in ("/v1/chat/completions", "/v1/messages") and chance.random() < 0.6
            first = chance.lognormvariate(5.3, 0.5) if method == "POST" else chance.uniform(3, 9)
            whole = first + (chance.lognormvariate(7.4, 0.6) if stream else chance.uniform(1, 40))
            status = chance.choices([200, 429, 502, 400], [96, 2, 1, 1])[0]
            source = chance.choices(range(3), [6, 3, 1])[0]
            connection.execute(
                "INSERT INTO audit_logs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (f"{number:032x}", f"req_{'%012x' % chance.getrandbits(48)}", f"key_{source:016x}", SOURCES[source], method,
                 path, f"http://{target}{path}", status, text(begin), text(begin + timedelta(milliseconds=first)),
                 text(begin + timedelta(milliseconds=whole)), whole, chance.randrange(200, 9000), chance.randrange(300, 24000),
                 "openai-python/1.40", "10.0.3.17", int(stream), chance.randrange(20, 300) if stream else 0,
                 "the upstream reset the connection" if status == 502 else None, '{"content-type":"application/json"}', None,
                 '{"content-type":"application/json"}', None, text(begin)))
