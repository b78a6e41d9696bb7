"""Instructions an operation, counted by callgrind: the same number every time, however busy the machine is."""

import json
import os
import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import GATES
from rig import product

RECORD = GATES / "instructions.json"
FEWER, MORE = 200, 1200
# The C library and OpenSSL choose code by the processor: the same one everywhere. Swift's hashing draws no seed.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX,-BMI2,-ERMS,-FSRM",
    "OPENSSL_ia32cap": "~0x1000020000000000:~0xffffffff",
    "SWIFT_DETERMINISTIC_HASHING": "1",
}
recorded = json.loads(RECORD.read_text())
anew = os.environ.get("RECORD_INSTRUCTIONS") == "1"

pytestmark = pytest.mark.needs("valgrind", "objcopy")


def run(program: Path, case: str, iterations: int) -> int:
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--case", case,
         "--iterations", str(iterations)],
        env=os.environ | ENVIRONMENT, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Instructions an operation by case: the difference of two runs, so that the start cancels out."""
    # Debian's valgrind stumbles over clang's newer debug information, and needs none.
    program = tmp_path_factory.mktemp("micro") / "micro"
    subprocess.run(["objcopy", "--strip-debug", product("micro"), program], check=True)
    cases = subprocess.run([product("micro"), "--list"], capture_output=True, text=True, check=True).stdout.split()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {case: [pool.submit(run, program, case, n) for n in (FEWER, MORE)] for case in cases}
        figures = {case: (more.result() - fewer.result()) / (MORE - FEWER) for case, (fewer, more) in runs.items()}
    if anew:
        RECORD.write_text(
            json.dumps(
                {
                    "compiler": compiler(), "machine": platform.machine(), "slack_percent": recorded["slack_percent"],
                    "instructions": {case: round(value, 1) for case, value in figures.items()},
                },
                indent=2,
            )
            + "\n")  # fmt: skip
        recorded.update(json.loads(RECORD.read_text()))
    return figures


def compiler() -> str:
    if not shutil.which("swift"):
        return "unknown"
    text = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout
    return (re.search(r"Swift version \S+", text) or ["unknown"])[0]


@pytest.mark.skipif(
    recorded["machine"] != platform.machine() and not anew, reason=f"recorded on {recorded['machine']}")
def test_every_case_is_recorded(measured):
    assert measured.keys() == recorded["instructions"].keys(), "record anew: RECORD_INSTRUCTIONS=1 ./test --gates"


@pytest.mark.skipif(
    recorded["machine"] != platform.machine() and not anew, reason=f"recorded on {recorded['machine']}")
@pytest.mark.parametrize("case", recorded["instructions"])
def test_instructions(case, measured, figure):
    value, was = measured[case], recorded["instructions"][case]
    limit = was * (1 + recorded["slack_percent"] / 100)
    figure(f"instructions, {case}", f"{value:.0f}", f"≤ {limit:.0f}")
    assert value <= limit, (
        f"{case}: {value:.0f} instructions an operation, {was:.0f} when it was recorded with {recorded['compiler']} "
        f"(now {compiler()}). If that is meant: RECORD_INSTRUCTIONS=1 ./test --gates -k instructions")
