"""Processes, cores and counters of the machine the comparison runs on."""

import json
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROXY_CORE = 0
LOAD_CORE = 1
DESCRIPTORS = 200_000


class Failure(Exception):
    """Something the comparison cannot go on without; the message is for the operator."""


def install_missing(tools):
    """Installs Debian's packages for the commands that are not there. `tools` maps command to package."""
    missing = [package for command, package in tools.items() if not find_command(command)]
    if not missing:
        return
    print(f"installing {', '.join(missing)}", flush=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["apt-get", "update", "-q"],
                    ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"{' '.join(command)} failed:\n{done.stderr.strip()}")


def find_command(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def build(root, products):
    """Builds release binaries; returns product -> path, leaving out those that do not build."""
    command = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--package-path", str(root)]
    shown = subprocess.run(command + ["--show-bin-path"], capture_output=True, text=True)
    if shown.returncode:
        raise Failure(f"swift build --show-bin-path failed:\n{shown.stderr.strip()}")
    folder = Path(shown.stdout.strip())
    found = {}
    for product in products:
        print(f"building {product}", flush=True)
        done = subprocess.run(command + ["--product", product], capture_output=True, text=True)
        if done.returncode == 0:
            found[product] = folder / product
        else:
            print("\n".join((done.stdout + done.stderr).strip().splitlines()[-15:]))
            print(f"{product} does not build", flush=True)
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def raise_descriptor_limit():
    """As many descriptors a process as the system grants; what this script starts inherits it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, DESCRIPTORS), max(hard, DESCRIPTORS)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_proxied_connections():
    """How many connections a proxy can serve at once, each with one of its own upstream."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 512) // 2


def _pin(core):
    return lambda: os.sched_setaffinity(0, {core})


class Process:
    """A process pinned to a core, ended by its own handle. Output goes to a file."""

    def __init__(self, command, core, log, cwd=None, environment=None):
        self.command = [str(part) for part in command]
        self.log = Path(log)
        self._file = open(self.log, "wb")
        self.handle = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self._file, stderr=subprocess.STDOUT, cwd=cwd,
            env=environment, preexec_fn=_pin(core))

    @property
    def pid(self):
        return self.handle.pid

    def pids(self):
        """The process and what it started."""
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in _listing(f"/proc/{pid}/task"):
                queue += [int(child) for child in _read(f"/proc/{pid}/task/{task}/children").split()]
        return found

    def wait_for_port(self, port, seconds=15):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.handle.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failure(f"{self.command[0]} does not listen on port {port}:\n{self.tail()}")

    def tail(self, lines=15):
        self._file.flush()
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, seconds=20):
        if self.handle.poll() is None:
            self.handle.send_signal(signal.SIGTERM)
            try:
                self.handle.wait(seconds)
            except subprocess.TimeoutExpired:
                self.handle.kill()
                self.handle.wait()
        self._file.close()
        return self.handle.returncode


def run_on_load_core(command, seconds, allowed=(0,)):
    """Runs a load generator to its end and returns what it printed."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=seconds + 60,
        preexec_fn=_pin(LOAD_CORE))
    if done.returncode not in allowed:
        raise Failure(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout


def start_on_load_core(command):
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, text=True, preexec_fn=_pin(LOAD_CORE))


def run_loadgen(binary, arguments, seconds):
    """One run of loadgen. Errors in it are in the result, not an exception."""
    return json.loads(run_on_load_core([binary, *arguments], seconds, allowed=(0, 1)).splitlines()[-1])


# Counters


def _read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def _listing(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


class CPU:
    """Time on a CPU that some processes used, in nanoseconds.

    The process clock counts threads that ended meanwhile too; schedstat of the threads that are there is kept beside
    it, since it is what can be looked at by hand.
    """

    def __init__(self, pids):
        self.processes, self.threads = {}, {}
        for pid in pids:
            try:
                self.processes[pid] = time.clock_gettime_ns(~pid << 3 | 2)  # clock_getcpuclockid(3)
            except OSError:
                continue
            for task in _listing(f"/proc/{pid}/task"):
                fields = _read(f"/proc/{pid}/task/{task}/schedstat").split()
                if fields:
                    self.threads[int(task)] = int(fields[0])

    def since(self, earlier):
        return sum(ns - earlier.processes.get(pid, 0) for pid, ns in self.processes.items())

    def of_threads_since(self, earlier):
        return sum(ns - earlier.threads.get(task, 0) for task, ns in self.threads.items())

    def lost(self, earlier):
        """Whether a process that was counted then is gone, and its time with it."""
        return not earlier.processes.keys() <= self.processes.keys()


def memory_kib(pids):
    """(resident, resident and private) memory in KiB. The second leaves mapped files and shared pages out."""
    resident = private = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/status").splitlines():
            name, _, value = line.partition(":")
            if name == "VmRSS":
                resident += int(value.split()[0])
            elif name == "RssAnon":
                private += int(value.split()[0])
    return resident, private


def core_ticks(core):
    """(busy, stolen) clock ticks of a core since boot."""
    for line in _read("/proc/stat").splitlines():
        fields = line.split()
        if fields[0] == f"cpu{core}":
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, fields[1:9])
            return user + nice + system + irq + softirq, steal
    return 0, 0


def foreign_load(seconds=0.5):
    """How busy each core is before the comparison begins, 0…1."""
    before = {core: core_ticks(core)[0] for core in (PROXY_CORE, LOAD_CORE)}
    time.sleep(seconds)
    per_second = os.sysconf("SC_CLK_TCK")
    return {core: (core_ticks(core)[0] - ticks) / per_second / seconds for core, ticks in before.items()}


def describe(root, binaries):
    model = next((line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines()
                  if line.startswith("model name")), "?")

    def first_line(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return (done.stdout or done.stderr).strip().split("\n")[0] or None

    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "commit": first_line("git", "-C", str(root), "describe", "--always", "--dirty"),
        "fastgate": first_line(str(binaries["fastgate"]), "version") if "fastgate" in binaries else None,
        "nginx": first_line(find_command("nginx") or "nginx", "-v"),
        "haproxy": first_line(find_command("haproxy") or "haproxy", "-v"),
        "wrk": (first_line(find_command("wrk") or "wrk", "-v") or "").split(" [")[0],
    }
