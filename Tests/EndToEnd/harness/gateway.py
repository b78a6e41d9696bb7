"""Starts, watches and stops the real `fastgate` binary in a folder of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import time
import urllib.parse
import warnings
from collections.abc import Callable
from pathlib import Path

from .patience import PATIENCE, SANITIZER, patient

ROOT = Path(__file__).resolve().parents[3]
ADMIN_TOKEN = "e2e-admin-token-4d1c6a"
START_SECONDS = patient(20.0)
STOP_SECONDS = 20.0


def binary() -> Path:
    return Path(os.environ.get("FASTGATE_BIN", ROOT / ".build/release/fastgate")).resolve()


_held_ports: list[socket.socket] = []


def free_port() -> int:
    """A loopback port nobody listens on, and which nobody gets by chance while this run lives: other runs and their
    connections choose ports too. Whoever is told of it may listen there with SO_REUSEADDR, as servers do."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    _held_ports.append(probe)
    return probe.getsockname()[1]


def wait_until(condition: Callable[[], object], what: str = "condition", seconds: float = 10.0):
    """Polls until the condition is truthy and returns its value."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def merge(base: dict, extra: dict) -> dict:
    merged = dict(base)
    for key, value in extra.items():
        merged[key] = merge(merged[key], value) if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
    return merged


class Adopted:
    """A process that is nobody's child here, with as much of Popen as is needed."""

    def __init__(self, pid: int):
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
            # Its first thread may be gone before the others, which hold the database's lock until they are.
            has_ended = fields[0] in "ZX" and int(fields[17]) <= 1
        except OSError:
            has_ended = True
        if has_ended:
            self.returncode = 0  # how it ended only its parent gets to know
        return self.returncode

    def wait(self, seconds: float | None = None) -> int:
        deadline = time.monotonic() + (seconds or 60)
        while self.poll() is None:
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(str(self.pid), seconds)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number: int):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class AdminError(AssertionError):
    pass


class Gateway:
    """One gateway process. `config` is laid over the test defaults, section by section."""

    def __init__(self, folder: Path, config: dict | None = None, env: dict | None = None, workers: int = 2):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.admin_port = free_port()
        self.env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.folder),
            "FASTGATE_ADMIN_TOKEN": ADMIN_TOKEN,
            **(env or {}),
        }
        self.config = merge(
            {
                "app": {"host": "127.0.0.1", "port": self.port, "workers": workers, "drain_timeout": 5},
                "admin": {"host": "127.0.0.1", "port": self.admin_port},
                "database": {"url": f"sqlite:///{self.folder}/data/fastgate.db"},
                "audit": {"ring_size": "4MB", "flush_interval_ms": 20},
                # Tests set what they need, and count on everything else having none.
                "providers": {"default_prices": False},
            },
            config or {},
        )
        self.config_file = self.folder / "config.yaml"
        self.log_file = self.folder / "log"
        self.process: subprocess.Popen | None = None
        self._database: sqlite3.Connection | None = None

    # Life

    def write_config(self, config: dict | None = None):
        """JSON is YAML: one generator less to trust."""
        if config is not None:
            self.config = merge(self.config, config)
        self.config_file.write_text(json.dumps(self.config, indent=2))

    def launch(self) -> "Gateway":
        """Starts the process without waiting for it."""
        self.write_config()
        log = open(self.log_file, "ab")
        self.process = subprocess.Popen(
            [str(binary()), "serve", "--config", str(self.config_file)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        return self

    def start(self) -> "Gateway":
        self.launch()
        wait_until(self._is_ready, "gateway answers /health on both ports", 20)
        return self

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"gateway exited {self.process.returncode}:\n{self.log}"
        try:
            return self.health(self.port)[0] == 200 and self.health(self.admin_port)[0] == 200
        except OSError:
            return False

    def health(self, port: int) -> tuple[int, dict]:
        # Never through TLS: tests that give the data plane a certificate look at the admin port.
        if port == self.port and self.config.get("tls", {}).get("cert"):
            port = self.admin_port
        connection = self._http(port, timeout=patient(5))
        try:
            connection.request("GET", "/health")
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def _http(self, port: int, **kw) -> http.client.HTTPConnection:
        if port == self.admin_port and self.config["admin"].get("tls", {}).get("cert"):
            return http.client.HTTPSConnection("127.0.0.1", port, context=ssl._create_unverified_context(), **kw)
        return http.client.HTTPConnection("127.0.0.1", port, **kw)

    def reload(self):
        """SIGHUP, and waits until the log says what came of it."""
        seen = self.log.count("reloaded")
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log.count("reloaded") > seen, "the configuration is read again")

    @property
    def lock_pid(self) -> int:
        """Whose the database is now."""
        return int((self.folder / "data" / "fastgate.lock").read_text().split()[1])

    def replace(self):
        """SIGUSR2: from here on `process` is the successor. Returns the one before, which may live on for a while."""
        before = self.process
        ready = self.log.count(" serves address=")
        before.send_signal(signal.SIGUSR2)
        wait_until(
            lambda: self.lock_pid != before.pid and self.log.count(" serves address=") > ready,
            "a successor serves", 20,
        )  # fmt: skip
        self.process = Adopted(self.lock_pid)
        return before

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait_exit(self, seconds: float = STOP_SECONDS) -> int:
        try:
            return self.process.wait(patient(seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"gateway did not exit within {seconds} s:\n{self.log[-4000:]}") from None

    def stop(self):
        """SIGTERM must end it with exit code 0."""
        if self._database:
            self._database.close()
            self._database = None
        if self.process is None or self.process.poll() is not None:
            return
        self.terminate()
        code = self.wait_exit()
        assert code == 0, f"exit code {code}:\n{self.log[-4000:]}"

    def kill(self):
        if self._database:
            self._database.close()
            self._database = None
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def memory(self) -> int:
        """Resident bytes that are the process's own: the mapped audit rings are shared pages and not counted. With a
        sanitizer it is mostly that one's, and nothing can be said: 0, and a warning."""
        if SANITIZER:
            warnings.warn(f"memory is not looked at with the {SANITIZER} sanitizer", stacklevel=2)
            return 0
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no RssAnon in /proc")

    # Admin

    def admin_raw(
        self,
        method: str,
        path: str,
        body=None,
        headers: dict | None = None,
        token: str | None = ADMIN_TOKEN,
        source: str | None = None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._http(self.admin_port, timeout=patient(20), source_address=(source, 0) if source else None)
        try:
            sent = dict(headers or {})
            if token is not None:
                sent["Authorization"] = f"Bearer {token}"
            data = None
            if body is not None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                sent.setdefault("Content-Type", "application/json")
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def admin(self, method: str, path: str, body=None, /, *, expect: int | tuple[int, ...] = (200, 201, 204), **query):
        """Calls the admin API and returns the decoded answer; any other status fails the test."""
        if query:
            path += "?" + urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        status, _, data = self.admin_raw(method, path, body)
        expected = (expect,) if isinstance(expect, int) else expect
        if status not in expected:
            raise AdminError(f"{method} {path}: {status}, not {expected}: {data[:500]!r}")
        return json.loads(data) if data else None

    def refusal(self, method: str, path: str, body=None, expect: int | tuple[int, ...] = (400, 422)) -> dict:
        """A refused call to the admin API: its error object."""
        answer = self.admin(method, path, body, expect=expect)
        assert set(answer["error"]) >= {"message", "type", "code", "param"}, answer
        assert answer["error"]["message"]
        return answer["error"]

    def make_key(self, source_path: str = "/e2e", **fields) -> dict:
        return self.admin("POST", "/admin/keys", {"source_path": source_path, **fields}, expect=201)

    def make_route(self, **fields) -> dict:
        return self.admin("POST", "/admin/routes", {"route_name": "e2e", **fields}, expect=201)

    def metrics(self) -> dict[str, float]:
        """The Prometheus text as {"name{labels}": value}."""
        status, _, data = self.admin_raw("GET", "/metrics")
        assert status == 200, data[:300]
        values = {}
        for line in data.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def open_clients(self) -> int:
        """How many clients the gateway believes to have."""
        return int(self.metrics()['fastgate_open_connections{side="client"}'])

    def client_sockets(self, port: int | None = None) -> int:
        """How many it has: its own connected sockets with the data plane's port, or another."""
        port = self.port if port is None else port
        inodes = set()
        for fd in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(fd).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue  # closed meanwhile
        listening = "0A"
        lines = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        sockets = [line.split() for line in lines]
        return sum(
            s[1].endswith(f":{port:04X}") and s[3] != listening and s[9] in inodes for s in sockets)

    # Audit

    @property
    def database_file(self) -> Path:
        return self.folder / "data" / "fastgate.db"

    def query(self, sql: str, *values) -> list[dict]:
        """Reads the database as any other tool would: from outside, read-only."""
        if self._database is None:
            self._database = sqlite3.connect(f"file:{self.database_file}?mode=ro", uri=True, timeout=10)
            self._database.row_factory = sqlite3.Row
        return [dict(row) for row in self._database.execute(sql, values)]

    def audit(self, request_id: str) -> dict:
        """The finished audit row of a request; waits until it is there, and there must be just one."""

        def finished():
            rows = self.query("SELECT * FROM audit_logs WHERE request_id = ?", request_id)
            assert len(rows) <= 1, f"{len(rows)} audit rows for {request_id}"
            return rows and rows[0]["response_time"] is not None and rows

        return wait_until(finished, f"audit row of {request_id}")[0]
