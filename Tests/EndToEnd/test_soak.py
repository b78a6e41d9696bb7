"""A short run of bench/soak: load, faults and changes at once, and nothing is left over or unaccounted for."""

import json
import os
import shutil
import subprocess

import pytest

from harness.gateway import ROOT, binary


@pytest.mark.skipif(shutil.which("cc") is None, reason="bench/soak compiles its peer, and there is no C compiler")
def test_a_short_soak():
    done = subprocess.run(
        [ROOT / "bench" / "soak", "--minutes", "0.25", "--binary", binary()],
        capture_output=True, text=True, timeout=240, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
    report = json.loads(done.stdout)
    assert report["clients"] == report["rows"] == report["metrics"] > 1000
    assert report["upstream"] == report["clients"] + report["sent_again"] - report["not_forwarded"]
    assert min(report["turns"].values()) > 0
    assert report["provider"]["requests"] > 50 and report["provider"]["cut"] > 0
