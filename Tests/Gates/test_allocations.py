"""Nothing is allocated on a worker's thread per request or per chunk."""

import struct
import subprocess

import pytest
from conftest import GATES

REQUESTS = 20_000
LIMIT = 0.001
ROW = struct.Struct("=QQQQ")


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    path = tmp_path_factory.mktemp("shim") / "allocations.so"
    subprocess.run(
        ["cc", "-std=gnu11", "-O2", "-Wall", "-Werror", "-fPIC", "-shared", "-fno-builtin", GATES / "allocations.c",
         "-o", path], check=True)  # fmt: skip
    return path


@pytest.fixture
def counted(make_rig, shim, tmp_path):
    """A rig whose allocations are counted; `counted.worker()` is (allocated, freed) so far on the worker's thread."""
    counts = tmp_path / "counts"

    def make(**kw):
        rig = make_rig(env={"LD_PRELOAD": str(shim), "FG_ALLOCATIONS": str(counts)}, **kw)

        def worker() -> tuple[int, int]:
            rows = {row[0]: row for row in ROW.iter_unpack(counts.read_bytes()) if row[0]}
            threads = [rows[thread] for thread in rig.workers if thread in rows]
            assert threads, "the worker has no counters: is the shim preloaded?"
            return sum(row[1] for row in threads), sum(row[2] for row in threads)

        rig.worker = worker
        return rig

    return make


@pytest.mark.needs("cc")
def test_json_requests(counted, figure):
    rig = counted()
    # With more connections than are measured: whatever they need besides is there by then.
    rig.load(4_000, connections=64)
    before = rig.worker()
    rig.load(REQUESTS)
    allocated, freed = (now - then for now, then in zip(rig.worker(), before))
    figure("allocations a JSON request", f"{allocated / REQUESTS:.4f}", f"< {LIMIT}")
    assert allocated / REQUESTS < LIMIT, f"{allocated} allocations, {freed} frees for {REQUESTS} requests"
    assert freed / REQUESTS < LIMIT, f"{freed} frees for {REQUESTS} requests"


@pytest.mark.needs("cc")
def test_stream_chunks(counted, figure):
    rig = counted(mock=("--chunks", 400, "--gap-ms", 1))
    rig.load(64, "--stream", "--ramp-ms", 0, connections=64)
    before = rig.worker()
    events = rig.load(96, "--stream", "--ramp-ms", 0)["events"]
    allocated, freed = (now - then for now, then in zip(rig.worker(), before))
    assert events > 30_000
    figure("allocations a stream's chunk", f"{allocated / events:.4f}", f"< {LIMIT}")
    assert allocated / events < LIMIT, f"{allocated} allocations, {freed} frees for {events} events"
