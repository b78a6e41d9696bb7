"""An open stream holds little: its slots, a timer, and no buffer. What opening it took is given back."""

import json
import re
import signal
import subprocess
from pathlib import Path

from harness.gateway import wait_until
from rig import product

STREAMS = 2_000
LIMIT = 1024


def resident(pid: int) -> int:
    """Bytes of the process that are in memory, mapped files among them."""
    return int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]) * 1024


def test_idle_streams(make_rig, figure):
    rig = make_rig(mock=("--chunks", 1000, "--gap-ms", 600_000))
    pid = rig.gateway.process.pid
    before = resident(pid)
    load = subprocess.Popen(
        [product("loadgen"), "--port", str(rig.gateway.port), "--key", rig.key, "--hold", "--ramp-ms", "1000",
         "--connections", str(STREAMS), "--duration", "120"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)  # fmt: skip
    seen = []

    def a_stream() -> float:
        seen.append((resident(pid) - before) / STREAMS)
        return seen[-1]

    try:
        assert load.stdout.readline().startswith("holding")
        # The writer gives back what the rush has made grow once it has been quiet for a second.
        wait_until(lambda: a_stream() <= LIMIT, f"no more than {LIMIT} bytes a stream", 30)
        load.send_signal(signal.SIGTERM)
        result = json.loads(load.stdout.readline())
    finally:
        load.kill()
        load.wait()
        load.stdout.close()
    assert result["held"] == STREAMS, result
    figure("resident bytes an idle stream", f"{seen[-1]:.0f}", f"≤ {LIMIT}  (right after opening {max(seen):.0f})")
