"""The machine's clock as a gateway sees it (clock.c), set by the test."""

import shutil
import subprocess
from pathlib import Path

import pytest

HOUR, DAY = 3600, 86_400


def compiled(folder: Path) -> Path:
    """The library that is loaded before the gateway; skips the test where there is no C compiler."""
    if shutil.which("cc") is None:
        pytest.skip("the clock is compiled, and there is no C compiler")
    out = folder / "clock.so"
    source = Path(__file__).parent / "clock.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", source, "-o", out, "-ldl"], check=True)
    return out


class Clock:
    """The clock of the gateways that are started with `env`, in seconds ahead of this machine's."""

    def __init__(self, library: Path, folder: Path):
        self.file = folder / "clock"
        self.env = {"LD_PRELOAD": str(library), "FAKE_CLOCK": str(self.file)}
        self.set(0)

    def set(self, seconds: int):
        with open(self.file, "r+b" if self.file.exists() else "wb", buffering=0) as file:
            file.write(seconds.to_bytes(8, "little", signed=True))
