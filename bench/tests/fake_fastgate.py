#!/usr/bin/env python3
"""Stands in for the gateway in tests of bench/run: the admin calls, the key check, the forwarding and the audit rows
that bench/run relies on, and nothing else. Called `lossy-…` it forgets every tenth row."""

import hashlib
import http.client
import json
import os
import re
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if sys.argv[1] == "version":
    sys.exit(print("fastgate 0.0.0 (fake)"))
lossy = os.path.basename(sys.argv[0]).startswith("lossy")
ports = [int(port) for port in re.findall(r"port: (\d+)", open("config.yaml").read())]
os.makedirs("data", exist_ok=True)
db = sqlite3.connect("data/fastgate.db", check_same_thread=False, isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE IF NOT EXISTS api_keys (key_id TEXT, key_value TEXT, key_hint TEXT)")
db.execute("CREATE TABLE IF NOT EXISTS proxy_routes"
           " (route_id TEXT, route_name TEXT, match_path TEXT, target_host TEXT)")
db.execute("CREATE TABLE IF NOT EXISTS audit_logs (id TEXT PRIMARY KEY, status_code INTEGER)")
lock = threading.Lock()
upstreams = threading.local()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def bearer(self):
        return (self.headers["authorization"] or "").removeprefix("Bearer ")

    def body(self):
        return self.rfile.read(int(self.headers["content-length"] or 0))


class Admin(Handler):
    def do_GET(self):
        with lock:
            rows = db.execute("SELECT count(*) FROM audit_logs").fetchone()[0]
        self.answer(200, f"""\
# HELP fastgate_requests_total Finished requests.
fastgate_requests_total{{route="a b"}} {rows}
fastgate_audit_events_total{{result="committed"}} {rows}
fastgate_audit_events_total{{result="dropped"}} 0
fastgate_audit_events_pending 0
fastgate_audit_ring_used_bytes 4096
fastgate_audit_last_flush_seconds 0.01
""".encode())

    def do_POST(self):
        members = json.loads(self.body())
        if self.bearer() != os.environ["FASTGATE_ADMIN_TOKEN"]:
            return self.answer(401, b"{}")
        with lock:
            if self.path == "/admin/keys":
                key = "fg_" + os.urandom(16).hex()
                db.execute("INSERT INTO api_keys VALUES ('key_1', ?, '')", [hashlib.sha256(key.encode()).hexdigest()])
                return self.answer(201, json.dumps({"key_value": key}).encode())
            db.execute("INSERT INTO proxy_routes VALUES ('route_1', ?, ?, ?)",
                       [members["route_name"], members["match_path"], members["target_host"]])
        self.answer(201, b"{}")


class Data(Handler):
    def do_POST(self):
        body = self.body()
        with lock:
            known = db.execute("SELECT 1 FROM api_keys WHERE key_value = ?",
                               [hashlib.sha256(self.bearer().encode()).hexdigest()]).fetchone()
            target = db.execute("SELECT target_host FROM proxy_routes WHERE ? LIKE replace(match_path, '*', '%')",
                                [self.path]).fetchone()
        if not known or not target:
            return self.answer(401 if not known else 404, b"{}")
        if not hasattr(upstreams, "connection"):
            upstreams.connection = http.client.HTTPConnection(target[0])
        upstreams.connection.request("POST", self.path, body)
        text = upstreams.connection.getresponse().read()
        with lock:
            if not lossy or time.time_ns() % 10:
                db.execute("INSERT INTO audit_logs VALUES (?, 200)", [f"{time.time_ns():032x}"])
        self.answer(200, text)


admin = ThreadingHTTPServer(("127.0.0.1", ports[1]), Admin)
threading.Thread(target=admin.serve_forever, daemon=True).start()
ThreadingHTTPServer.request_queue_size = 256
ThreadingHTTPServer(("127.0.0.1", ports[0]), Data).serve_forever()
