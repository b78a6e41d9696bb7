"""Runs one scenario: starts the mock and the proxies, gives each its load in alternating rounds, keeps every figure."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from . import machine
from .machine import CPU, LOAD_CORE, PROXY_CORE, Failure, Process
from .proxies import ALL, Setup

WRK_SCRIPT = """\
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer {key}"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{{"requests":%d,"seconds":%.3f,"bytes_in":%d,"errors":%d,' ..
    '"error_kinds":{{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}},' ..
    '"latency_us":{{"p50":%.1f,"p90":%.1f,"p99":%.1f,"p99.9":%.1f,"max":%.1f}}}}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9), latency.max))
end
"""


class Measurement:
    """One scenario with its processes. Use as a context: leaving it ends every process it started."""

    def __init__(self, scenario, names, binaries, folder, quick, seconds, settle_seconds=30):
        self.scenario = scenario
        self.names = names
        self.binaries = binaries
        self.folder = folder
        self.seconds = seconds or (scenario.quick_seconds if quick else scenario.seconds)
        if scenario.hold and not quick:
            # Streams are idle when they have been so for a while, however short the rounds of the others are.
            self.seconds = max(self.seconds, scenario.seconds)
        self.connections = scenario.quick_connections if quick and scenario.quick_connections else scenario.connections
        self.settle_seconds = settle_seconds
        self.proxies = {}
        self.notes = []
        self.absent, self.descriptions, self.configurations = {}, {}, {}
        most = machine.most_proxied_connections()
        if self.connections > most:
            self.notes.append(f"{most:,} connections instead of {self.connections:,}: the limit of descriptors allows "
                              "a proxy no more")
            self.connections = most
        self.expected_bytes = None

    def __enter__(self):
        s = self.scenario
        self.folder.mkdir(parents=True)
        self.mock = Process([self.binaries["mock-llm"], "--port", 0, "--quiet", *s.mock], LOAD_CORE,
                            self.folder / "mock.log")
        self.mock_port = self._mock_port()
        self.setup = Setup(self.folder, self.binaries, self.mock_port, largest_body=s.body_bytes)
        if s.tool == "wrk":
            self._make_certificate()
        self.setup.keys = [f"fg_bench{i:032}" for i in range(s.keys)]
        self.setup.prefixes = [f"/r{i:04}" for i in range(s.routes)]
        if s.routes:
            (self.folder / "routes.txt").write_text("\n".join(p[1:] for p in self.setup.prefixes))
            (self.folder / "keys.txt").write_text("\n".join(self.setup.keys))
        if not s.hold and "--stream" not in s.load:
            direct = machine.run_loadgen(
                self.binaries["loadgen"], [*self._request(self.mock_port, "none"), "--requests", 1], 5)
            if direct["errors"]:
                raise Failure(f"the mock does not answer: {direct}")
            self.expected_bytes = direct["body_bytes"]
        return self

    def __exit__(self, *_):
        for proxy in self.proxies.values():
            proxy.stop()
        self.mock.stop()

    def _mock_port(self):
        for _ in range(500):
            found = re.search(r"listening on \S+:(\d+)", self.mock.log.read_text())
            if found:
                return int(found[1])
            time.sleep(0.01)
        raise Failure(f"mock-llm does not start:\n{self.mock.tail()}")

    def _make_certificate(self):
        self.setup.certificate = self.folder / "cert.pem"
        self.setup.private_key = self.folder / "key.pem"
        done = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-keyout", self.setup.private_key, "-out", self.setup.certificate],
            capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"openssl req: {done.stderr}")

    # Proxies

    def start(self, name):
        """Starts a proxy and sees that one request goes through it. False: it cannot take part, a note says why."""
        proxy = ALL[name](self.setup)
        self.proxies[name] = proxy
        try:
            proxy.start()
            self._try_out(proxy)
        except (Failure, OSError, KeyError) as e:
            self.absent[name] = str(e)
            self.notes.append(f"{name} takes no part: {e}")
            del self.proxies[name]
            proxy.stop()
            return False
        self.descriptions[name] = proxy.description()
        self.configurations[name] = proxy.configuration()
        return True

    def _try_out(self, proxy):
        if self.setup.tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", proxy.port), 5) as plain, context.wrap_socket(plain) as s:
                self.notes.append(f"{proxy.name}: {s.version()} {s.cipher()[0]}")
            self._unmeasured(proxy, lambda: self._run_wrk(proxy, 1))
            return
        hold = ["--duration", 0.3] if self.scenario.hold else []
        result = self._unmeasured(proxy, lambda: machine.run_loadgen(
            self.binaries["loadgen"],
            [*self._load(proxy, 1, 1), *hold, "--requests", 1, "--ramp-ms", 0, "--grace", 30], 5))
        if result["errors"] or (not self.scenario.hold and result["requests"] != 1):
            said = proxy.process.tail() if proxy.process else ""
            raise Failure(f"a first request failed: {result['error_kinds']} {result['statuses']} {said}")

    def _unmeasured(self, proxy, run):
        """A run whose audit rows are awaited, lest they be counted in the next."""
        mark = proxy.mark()
        result = run()
        proxy.settle(mark, result.get("issued", result["requests"]), self.settle_seconds)
        return result

    # Load

    def _request(self, port, key, single=False):
        """The part of loadgen's arguments that says what is asked and where."""
        s = self.scenario
        path = s.path.replace("/{{route}}", self.setup.prefixes[0]) if s.routes and single else s.path
        arguments = ["--port", port, "--path", path, "--body-bytes", s.body_bytes]
        if s.routes and not single:
            arguments += ["--key", "{{key}}", "--var", f"key={self.folder}/keys.txt",
                          "--var", f"route={self.folder}/routes.txt"]
        else:
            arguments += ["--key", key]
        return arguments

    def _load(self, proxy, seconds, connections):
        if proxy.most_connections:
            connections = min(connections, proxy.most_connections)
        arguments = [*self._request(proxy.port, proxy.key, proxy.single), *self.scenario.load, "--duration", seconds,
                     "--connections", connections]
        if proxy.most_connections:
            arguments += ["--grace", 50]  # slow, not dead
        if self.expected_bytes is not None and proxy.keeps_answers:
            arguments += ["--expect-bytes", self.expected_bytes]
        if self.scenario.hold:
            arguments += ["--ramp-ms", 3000]
        return arguments

    def _run_wrk(self, proxy, seconds):
        body = self.folder / "body.json"
        if not body.exists():
            prompt = "Please summarise the notes of our weekly meeting for those who could not be there. " * 20
            text = json.dumps({"messages": [{"role": "user", "content": ""}], "model": self.setup.model})
            room = self.scenario.body_bytes - len(text)
            body.write_text(text.replace('"content": ""', f'"content": "{prompt[:room]}"'))
        script = self.folder / f"{proxy.name}.lua"
        script.write_text(WRK_SCRIPT.format(key=proxy.key, body=body))
        out = machine.run_on_load_core(
            [machine.find_command("wrk"), "-t1", f"-c{self.connections}", f"-d{seconds}s", "-s", script,
             f"https://127.0.0.1:{proxy.port}{self.scenario.path}"], seconds)
        result = json.loads(out.strip().splitlines()[-1])
        result["rate"] = result["requests"] / result["seconds"]
        return result

    def warm_up(self, name):
        """A short run nobody counts: connections are opened, caches and pools filled."""
        proxy = self.proxies[name]
        if self.scenario.tool == "wrk":
            self._unmeasured(proxy, lambda: self._run_wrk(proxy, 1))
        elif not self.scenario.hold:
            self._unmeasured(proxy, lambda: machine.run_loadgen(
                self.binaries["loadgen"], self._load(proxy, 0.5, self.connections), 30))

    def round(self, name):
        """One measured run. Returns its figures; `problems` says why they must not be compared, if so."""
        proxy = self.proxies[name]
        mark = proxy.mark()
        pids = proxy.pids()
        ticks, began = machine.core_ticks(PROXY_CORE), time.monotonic()
        cpu = CPU(pids)
        held = {}
        if self.scenario.tool == "wrk":
            result = self._run_wrk(proxy, max(1, round(self.seconds)))
        elif self.scenario.hold:
            result, held = self._hold(proxy, pids)
        else:
            result = machine.run_loadgen(
                self.binaries["loadgen"], self._load(proxy, self.seconds, self.connections), self.seconds)
        issued = result.get("issued", result["requests"])
        rows = proxy.settle(mark, issued, self.settle_seconds)
        cpu_then = CPU(proxy.pids())
        cpu_ns, threads_ns = cpu_then.since(cpu), cpu_then.of_threads_since(cpu)
        seconds = time.monotonic() - began
        busy, stolen = machine.core_ticks(PROXY_CORE)
        per_second = os.sysconf("SC_CLK_TCK")
        resident, private = proxy.memory_kib()
        units = (self.connections if self.scenario.hold else result["requests"]) * self.scenario.units_per_request

        problems = []
        if result["errors"]:
            problems.append(f"{result['errors']} errors {result['error_kinds']}")
        if units == 0:
            problems.append("nothing was answered")
        if cpu_then.lost(cpu):
            problems.append("a process ended, and its CPU time with it")
        if self.scenario.gap_ms and result.get("chunk_delay_us", {}).get("p50", 0) > self.scenario.gap_ms * 1000:
            # Then several chunks are passed on at once, and each seems cheap.
            problems.append("chunks came later than the next was due: proxy or machine could not keep up")
        if rows is not None:
            # wrk hangs up on the requests that are open at its end: they are recorded but it does not count them.
            most = issued + (self.connections if self.scenario.tool == "wrk" else 0)
            if not issued <= rows <= most:
                problems.append(f"{rows} audit rows for {issued} requests")
        if proxy.usage_rows is not None and proxy.usage_rows != issued:
            problems.append(f"{proxy.usage_rows} records of usage for {issued} requests")
        figures = {
            "proxy": name, "connections": min(self.connections, proxy.most_connections or self.connections),
            "requests": result["requests"], "units": units, "errors": result["errors"],
            "cpu_us": cpu_ns / 1e3 / units if units and pids else None,
            "schedstat_us": threads_ns / 1e3 / units if units and pids else None, "rate": result["rate"],
            "resident_kib": resident, "private_kib": private, "audit_rows": rows, "problems": problems,
            "other_load": max(0.0, (busy - ticks[0]) / per_second - cpu_ns / 1e9) / seconds,
            "stolen": (stolen - ticks[1]) / per_second / seconds,
            "load": result,
        }
        return figures | held

    def _hold(self, proxy, pids):
        """Opens the streams, looks at the proxy while they wait, closes them."""
        resident, private = proxy.memory_kib()
        load = machine.start_on_load_core(
            [self.binaries["loadgen"], *self._load(proxy, 120, self.connections)])
        try:
            first = load.stdout.readline()
            if not first.startswith("holding"):
                return json.loads(first or '{"requests":0,"errors":1,"error_kinds":{"loadgen":1}}'), {}
            time.sleep(0.5)
            cpu, began = CPU(pids), time.monotonic()
            time.sleep(self.seconds)
            idle_ns = CPU(pids).since(cpu)
            idle_share = idle_ns / 1e9 / (time.monotonic() - began)
            resident_then, private_then = proxy.memory_kib()
            load.send_signal(signal.SIGTERM)
            result = json.loads(load.stdout.readline())
        finally:
            try:
                load.wait(10)
            except subprocess.TimeoutExpired:
                load.kill()
                load.wait()
        result["requests"] = result["held"]
        return result, {
            "kib_per_stream": (resident_then - resident) / self.connections,
            "private_kib_per_stream": (private_then - private) / self.connections,
            "idle_cpu_share": idle_share,
        }

    def count_system_calls(self, name):
        """A short run under strace. Returns system calls a unit, the most frequent first."""
        proxy = self.proxies[name]
        out = self.folder / f"{name}.strace"
        attach = [part for pid in proxy.pids() for part in ("-p", str(pid))]
        trace = subprocess.Popen(["strace", "-c", "-f", "-o", str(out), *attach], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            # It says "attached" for each thread on stderr once it is.
            trace.stderr.readline()
            time.sleep(0.3)
            if self.scenario.tool == "wrk":
                result = self._unmeasured(proxy, lambda: self._run_wrk(proxy, 2))
            else:
                # By number, not by time: strace slows some proxies down a hundredfold.
                most = 200 if proxy.most_connections else 4000
                requests = max(64, most // self.scenario.units_per_request)
                result = self._unmeasured(proxy, lambda: machine.run_loadgen(
                    self.binaries["loadgen"],
                    [*self._load(proxy, 30, min(self.connections, 64)), "--requests", requests], 60))
        finally:
            trace.send_signal(signal.SIGINT)
            trace.wait(20)
        units = result["requests"] * self.scenario.units_per_request
        calls = {}
        for line in Path(out).read_text().splitlines():
            fields = line.split()
            if len(fields) >= 5 and fields[0].replace(".", "").isdigit() and fields[-1] != "total":
                calls[fields[-1]] = int(fields[3])
        if not units or not calls:
            return None
        per_unit = {call: count / units for call, count in sorted(calls.items(), key=lambda item: -item[1])}
        return {"total": sum(per_unit.values()), "calls": {c: n for c, n in per_unit.items() if n >= 0.005}}
