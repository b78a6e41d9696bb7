"""The proxies that are compared: how each is configured, started and asked what it recorded.

Each is set up the way somebody who knows it would for this work: nginx streams (proxy_buffering off) over a pool of
kept-alive upstream connections, HAProxy reuses connections always and does not hold small writes back.
"""

import dataclasses
import hashlib
import http.client
import json
import sqlite3
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from .machine import PROXY_CORE, Failure, Process, find_command, free_port, memory_kib, most_proxied_connections

FOR_EVER = 1_000_000_000


@dataclass
class Setup:
    """What a scenario asks of every proxy."""

    folder: Path
    binaries: dict
    upstream_port: int
    model: str = "gpt-4o"
    certificate: Path | None = None      # with `private_key` beside it: speak TLS to clients
    private_key: Path | None = None
    keys: list = field(default_factory=list)     # callers' keys that the proxy has to look up, if any
    prefixes: list = field(default_factory=list)  # path prefixes, each a route, if any
    largest_body: int = 1000

    @property
    def tls(self):
        return self.certificate is not None


class Proxy:
    name = "?"
    note = ""
    keeps_audit = False
    single = False  # has one of each in a scenario of many routes and keys
    most_connections = None  # it gets no more at once, however many the scenario has
    keeps_answers = True     # passes an answer's bytes on as they are, so that their number can be checked
    start_seconds = 15
    usage_rows = None        # records of usage that `settle` found, where some are kept

    def __init__(self, setup):
        self.setup = setup
        self.port = free_port()
        self.key = setup.keys[0] if setup.keys else "sk-bench-0000000000000000000000000000000"
        self.keys = setup.keys or [self.key]
        self.folder = (setup.folder / self.name).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None

    def start(self):
        self.configure()
        self.process = Process(self.command(), PROXY_CORE, self.folder / "output.log", cwd=self.folder,
                               environment=self.environment())
        self.process.wait_for_port(self.port, self.start_seconds)

    def configure(self):
        pass

    def command(self):
        raise NotImplementedError

    def environment(self):
        return None

    def configuration(self):
        """The text of its configuration, for the record."""
        return ""

    def description(self):
        """What it does and does not do, to be printed with its figures."""
        if self.setup.keys and not self.keeps_audit:
            return "key looked up, route by path; no audit"
        return self.note

    def pids(self):
        return self.process.pids()

    def memory_kib(self):
        return memory_kib(self.pids())

    def mark(self):
        """A place in the audit, to count rows from."""

    def settle(self, mark, least, seconds):
        """Waits until what was recorded since `mark` is `least` rows; returns their number, None without an audit."""

    def stop(self):
        if self.process:
            self.process.stop()

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path


class Direct(Proxy):
    """No proxy at all: what the load generator and the mock take between themselves."""

    name = "direct"
    note = "no proxy: the mock itself"

    def start(self):
        self.port = self.setup.upstream_port

    def pids(self):
        return []


class Relay(Proxy):
    name = "relay"
    note = "bare epoll relay in C, no features: the floor"

    def command(self):
        return [self.setup.binaries["relay"], "--port", self.port, "--upstream-port", self.setup.upstream_port]


class Nginx(Proxy):
    name = "nginx"
    note = "plain proxy: no key check, no model routing, no audit"
    buffer_size = None

    def command(self):
        return [find_command("nginx"), "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", "error.log"]

    def configuration(self):
        return (self.folder / "nginx.conf").read_text()

    def configure(self):
        s = self.setup
        known, check, locations = "", "", "    location / { proxy_pass http://llm; }\n"
        if s.keys:
            # A map is nginx's way to look a key up, a location its way to route.
            self.write("keys.map", "".join(f'"Bearer {key}" 1;\n' for key in s.keys))
            known = ("  map_hash_max_size 131072;\n  map_hash_bucket_size 128;\n"
                     "  map $http_authorization $known { default 0; include keys.map; }\n")
            check = "    if ($known = 0) { return 401; }\n"
        if s.prefixes:
            locations = "".join(f"    location {prefix}/ {{ proxy_pass http://llm; }}\n" for prefix in s.prefixes)
        tls = ""
        if s.tls:
            tls = (f"    ssl_certificate {s.certificate};\n    ssl_certificate_key {s.private_key};\n"
                   "    ssl_protocols TLSv1.3;\n")
        buffer_size = ""
        if self.buffer_size:
            size = self.buffer_size
            buffer_size = f"  proxy_buffer_size {size};\n  proxy_buffers 4 {size};\n  proxy_busy_buffers_size {size};\n"
        self.write("nginx.conf", f"""\
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log error.log error;
events {{ worker_connections 65536; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  keepalive_timeout 300s;
  keepalive_requests {FOR_EVER};
  client_max_body_size 0;
  client_body_buffer_size 1m;
{known}  upstream llm {{
    server 127.0.0.1:{s.upstream_port};
    keepalive 2048;
    keepalive_requests {FOR_EVER};
    keepalive_timeout 300s;
  }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_buffering off;
  proxy_read_timeout 3600s;
{buffer_size}  server {{
    listen 127.0.0.1:{self.port}{" ssl" if s.tls else ""} backlog=16384;
{tls}{check}{locations}  }}
}}
""")


class NginxWideBuffer(Nginx):
    name = "nginx-64k"
    note = "the same with proxy_buffer_size 64k: fewer reads of a large body, more memory a connection"
    buffer_size = "64k"


class HAProxy(Proxy):
    name = "haproxy"
    note = "plain proxy: no key check, no model routing, no audit"
    routes_by_model = False

    def command(self):
        return [find_command("haproxy"), "-db", "-f", self.folder / "haproxy.cfg"]

    def configuration(self):
        return (self.folder / "haproxy.cfg").read_text()

    def configure(self):
        s = self.setup
        tune, rules = "", "  default_backend llm\n"
        if self.routes_by_model or s.keys:
            self.write("keys.map", "".join(f"{key} known\n" for key in self.keys))
            rules = ("  http-request deny deny_status 401 unless "
                     f"{{ req.hdr(authorization),word(2,' '),map_str({self.folder}/keys.map) -m found }}\n")
            if s.prefixes:
                self.write("routes.map", "".join(f"{prefix}/ llm\n" for prefix in s.prefixes))
                rules += f"  use_backend %[path,map_beg({self.folder}/routes.map,unrouted)]\n"
            elif self.routes_by_model:
                # json_query sees the body as far as a buffer reaches.
                if s.largest_body > 12000:
                    tune = f"  tune.bufsize {1 << (s.largest_body + 16384).bit_length()}\n"
                self.write("models.map", f"{s.model} llm\n")
                rules = ("  option http-buffer-request\n" + rules +
                         "  http-request set-var(txn.model) req.body,json_query('$.model')\n"
                         f"  use_backend %[var(txn.model),map_str({self.folder}/models.map,unrouted)]\n")
            else:
                rules += "  default_backend llm\n"
        tls = ""
        if s.tls:
            both = self.write("both.pem", s.certificate.read_text() + s.private_key.read_text())
            tls = f" ssl crt {both} alpn http/1.1 ssl-min-ver TLSv1.3"
        most = min(60000, most_proxied_connections() + 64)
        self.write("haproxy.cfg", f"""\
global
  nbthread 1
  maxconn {most}
{tune}defaults
  mode http
  option http-no-delay
  http-reuse always
  maxconn {most}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-request 30s
frontend in
  bind 127.0.0.1:{self.port}{tls} backlog 16384
{rules}backend llm
  server mock 127.0.0.1:{s.upstream_port}
backend unrouted
  http-request deny deny_status 404
""")


class HAProxyRouting(HAProxy):
    name = "haproxy-llm"
    note = "key looked up in a map, backend by json_query of the model: the gateway's work, without an audit"
    routes_by_model = True


class FastGate(Proxy):
    name = "fastgate"
    note = "key check, rate limit, routing by the body's model, rewriting, audit in SQLite"
    keeps_audit = True
    records_bodies = False
    workers = 1

    def command(self):
        return [self.setup.binaries["fastgate"], "serve", "--config", "config.yaml"]

    def environment(self):
        return {"PATH": "/usr/bin:/bin", "FASTGATE_ADMIN_TOKEN": self.token}

    def configuration(self):
        return (self.folder / "config.yaml").read_text()

    def configure(self):
        s = self.setup
        self.token = hashlib.sha256(self.folder.as_posix().encode()).hexdigest()
        self.admin_port = free_port()
        tls = f'tls: {{ cert: "{s.certificate}", key: "{s.private_key}", min_version: "1.3" }}\n' if s.tls else ""
        self.write("config.yaml", f"""\
app: {{ host: 127.0.0.1, port: {self.port}, workers: {self.workers} }}
admin: {{ host: 127.0.0.1, port: {self.admin_port} }}
logging: {{ level: WARNING }}
proxy: {{ default_timeout: 3600, max_idle_upstream: 2048, audit_include_body: {str(self.records_bodies).lower()} }}
audit: {{ enabled: {str(self.keeps_audit).lower()} }}
{tls}""")

    @property
    def database(self):
        return self.folder / "data" / "fastgate.db"

    def start(self):
        super().start()
        self.process.wait_for_port(self.admin_port)
        created = self.admin("POST", "/admin/keys", {"source_path": "/bench", "rate_limit": 1_000_000_000})
        self.make_routes()
        if self.setup.keys:
            self.fill_database(created["key_value"])
        else:
            self.key = created["key_value"]
            self.keys = [self.key]

    def make_routes(self):
        s = self.setup
        route = {"target_host": f"127.0.0.1:{s.upstream_port}", "target_protocol": "http"}
        if s.prefixes:
            self.admin("POST", "/admin/routes", route | {"route_name": "bench", "match_path": f"{s.prefixes[0]}/*"})
        else:
            self.admin("POST", "/admin/routes", route | {
                "route_name": "bench", "match_path": "/v1/*", "match_method": "POST",
                "match_body_schema": {"model": s.model}})
            self.admin("POST", "/admin/routes", route | {
                "route_name": "blob", "match_path": "/blob*", "match_method": "GET"})

    def admin(self, method, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body), {
                "authorization": f"Bearer {self.token}", "content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status not in (200, 201):
            raise Failure(f"fastgate: {method} {path} answered {answer.status}: {text.decode(errors='replace')}")
        return json.loads(text)

    def fill_database(self, sample_key):
        """Thousands of keys and routes: copies of the rows that the admin API made, written while it is stopped."""
        self.process.stop()
        s = self.setup
        with sqlite3.connect(self.database) as db:
            db.row_factory = sqlite3.Row
            key = dict(db.execute("SELECT * FROM api_keys").fetchone())
            if key["key_value"] != hashlib.sha256(sample_key.encode()).hexdigest():
                raise Failure("fastgate: api_keys.key_value is not the SHA-256 of the key")
            insert(db, "api_keys", [
                key | {"key_id": f"key_bench{i:06}", "key_value": hashlib.sha256(k.encode()).hexdigest(),
                       "key_hint": f"{k[:3]}…{k[-4:]}"} for i, k in enumerate(s.keys)])
            route = dict(db.execute("SELECT * FROM proxy_routes").fetchone())
            insert(db, "proxy_routes", [
                route | {"route_id": f"route_bench{i:05}", "route_name": f"bench {i}", "match_path": f"{prefix}/*"}
                for i, prefix in enumerate(s.prefixes) if i])
        db.close()
        self.process = Process(self.command(), PROXY_CORE, self.folder / "output.log", cwd=self.folder,
                               environment=self.environment())
        self.process.wait_for_port(self.port)

    # Audit

    def query(self, text, *values):
        db = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        try:
            return db.execute(text, values).fetchone()
        finally:
            db.close()

    def mark(self):
        return self.query("SELECT coalesce(max(id), '') FROM audit_logs")[0]

    def settle(self, mark, least, seconds):
        deadline = time.monotonic() + seconds
        rows, open_rows, before = 0, 1, -1
        # Until all are there, none is in flight any more and a further look finds no more.
        while time.monotonic() < deadline and not (rows >= least and open_rows == 0 and rows == before):
            before = rows
            if rows or before < 0:
                time.sleep(0.3)
            rows, open_rows = self.query(
                "SELECT count(*), coalesce(sum(status_code IS NULL), 0) FROM audit_logs WHERE id > ?", mark)
        return rows - open_rows


class FastGateBodies(FastGate):
    name = "fastgate-bodies"
    note = "the same, request and response bodies recorded"
    records_bodies = True


class FastGateWithoutAudit(FastGate):
    name = "fastgate-no-audit"
    note = "the same without an audit: what the audit costs"
    keeps_audit = False

    def mark(self):
        return None

    def settle(self, mark, least, seconds):
        return None


class FastGateProvider(FastGate):
    name = "fastgate-provider"
    note = "the same request to a provider instead of a route: provider and key chosen, usage read, priced and recorded"

    def configure(self):
        super().configure()
        s = self.setup
        prices = self.write("prices.json", json.dumps({s.model: {
            "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06,
            "output_cost_per_token": 1e-05, "max_output_tokens": 16384}}))
        self.command_line("providers", "add", "bench", "--base-url", f"http://127.0.0.1:{s.upstream_port}",
                          "--models", s.model)
        self.command_line("providers", "keys", "add", "bench", stdin="sk-bench-upstream-000000000000000000000000\n")
        self.command_line("prices", "import", prices)

    def command_line(self, *words, stdin=""):
        """A command of the gateway's own, on its database, while it does not run."""
        done = subprocess.run([str(part) for part in (self.setup.binaries["fastgate"], *words)] +
                              ["--config", "config.yaml"], input=stdin, capture_output=True, text=True, timeout=30,
                              cwd=self.folder, env=self.environment())
        if done.returncode:
            raise Failure(f"fastgate {' '.join(map(str, words[:3]))} failed: {done.stderr.strip()}")

    def make_routes(self):
        """None: what no route takes goes to the provider."""

    def mark(self):
        return super().mark(), self.query("SELECT coalesce(max(rowid), 0) FROM usage_records")[0]

    def settle(self, mark, least, seconds):
        audit, usage = mark
        deadline = time.monotonic() + seconds
        rows = super().settle(audit, least, seconds)
        while True:
            self.usage_rows = self.query("SELECT count(*) FROM usage_records WHERE rowid > ?", usage)[0]
            if self.usage_rows >= least or time.monotonic() > deadline:
                return rows
            time.sleep(0.1)


class FastGateTwoWorkers(FastGate):
    name = "fastgate-2"
    note = "the same with two workers, on the one core that every proxy has"
    workers = 2


class FastGateSingle(FastGate):
    name = "fastgate-single"
    note = "the same with one route and one key: what their number costs"
    single = True

    def __init__(self, setup):
        super().__init__(dataclasses.replace(setup, keys=setup.keys[:1], prefixes=setup.prefixes[:1]))


class LiteLLM(Proxy):
    name = "litellm"
    note = ("LiteLLM's proxy, one worker, master key as the caller's key, model by name, no database, logging off; "
            "16 connections at most, sizes of answers not checked since it writes them anew")
    most_connections = 16
    keeps_answers = False
    start_seconds = 180

    def command(self):
        return [self.setup.binaries["litellm"], "--config", "config.yaml", "--host", "127.0.0.1",
                "--port", self.port, "--num_workers", 1, "--telemetry", "False"]

    def environment(self):
        # No map of prices from the network, no .env of whoever runs this.
        return {"PATH": f"{Path(self.setup.binaries['litellm']).parent}:/usr/bin:/bin", "HOME": str(self.folder),
                "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "NO_DOCS": "True"}

    def configuration(self):
        return (self.folder / "config.yaml").read_text()

    def configure(self):
        s = self.setup
        self.write("config.yaml", f"""\
model_list:
  - model_name: {s.model}
    litellm_params:
      model: openai/{s.model}
      api_base: http://127.0.0.1:{s.upstream_port}/v1
      api_key: none
litellm_settings: {{ telemetry: false, set_verbose: false, num_retries: 0, request_timeout: 600 }}
general_settings: {{ master_key: {self.key}, disable_spend_logs: true }}
""")


def insert(db, table, rows):
    if not rows:
        return
    columns = list(rows[0])
    places = ", ".join("?" * len(columns))
    db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})",
                   [list(row.values()) for row in rows])


ALL = {proxy.name: proxy for proxy in (
    Direct, Relay, Nginx, NginxWideBuffer, HAProxy, HAProxyRouting, FastGate, FastGateBodies,
    FastGateWithoutAudit, FastGateProvider, FastGateTwoWorkers, FastGateSingle, LiteLLM)}
