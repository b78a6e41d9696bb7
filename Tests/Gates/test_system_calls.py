"""Four system calls carry an exchange: two receives, two sends. epoll_wait is shared by all that is ready."""

import re
import signal
import subprocess

import pytest
from harness.gateway import wait_until

REQUESTS = 4_000
LIMIT = 4.2


class Trace:
    """Counts the system calls of one thread."""

    def __init__(self, thread: int, out):
        self.out = out
        self.process = subprocess.Popen(
            ["strace", "-c", "-U", "name,calls", "-o", out, "-p", str(thread)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
        line = self.process.stderr.readline()
        if "attached" not in line:
            self.process.wait()
            pytest.skip(f"strace may not attach here: {line.strip()}")

    def stop(self) -> dict[str, int]:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.process.stderr.close()
        rows = re.findall(r"^\s*(\w+)\s+(\d+)\s*$", self.out.read_text(), re.MULTILINE)
        return {name: int(count) for name, count in rows if name != "total"}


@pytest.mark.needs("strace")
def test_json_exchange(make_rig, tmp_path, figure):
    rig = make_rig()
    rig.load(500, connections=64)
    rig.settle(500)
    [worker] = rig.workers
    writer = next(thread for thread, name in rig.threads().items() if name.startswith("fg-writer"))
    traces = [Trace(worker, tmp_path / "worker"), Trace(writer, tmp_path / "writer")]
    try:
        wait_until(lambda: _traced(rig, worker), "strace has the worker")
        rig.load(REQUESTS, connections=64)
        rig.settle(500 + REQUESTS)
    finally:
        calls, others = (trace.stop() for trace in traces)
    # Opening and closing the load's connections is no part of an exchange.
    setup = sum(calls.pop(name, 0) for name in ("accept4", "close", "epoll_ctl", "shutdown", "connect", "socket"))
    setup += calls.pop("setsockopt", 0)
    total = sum(calls.values()) / REQUESTS
    shares = ", ".join(f"{name} {count / REQUESTS:.2f}" for name, count in sorted(calls.items(), key=lambda c: -c[1]))
    figure("worker's system calls an exchange", f"{total:.2f}", f"≤ {LIMIT}  ({shares})")
    figure("writer's system calls an exchange", f"{sum(others.values()) / REQUESTS:.2f}", "reported only")
    assert 4 <= total <= LIMIT, shares
    assert setup <= 64 * 8, f"{setup} system calls for 64 connections"


def _traced(rig, thread: int) -> bool:
    status = open(f"/proc/{rig.gateway.process.pid}/task/{thread}/status").read()
    return "TracerPid:\t0\n" not in status
