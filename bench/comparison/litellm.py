"""LiteLLM's proxy as it comes from PyPI, in an environment of its own that is made once."""

import os
import subprocess
import sys
from pathlib import Path

from .machine import Failure

PACKAGE = "litellm[proxy]"


def command():
    """The path of its command; it is installed if it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "fastgate-bench" / "litellm"
    found = folder / "bin" / "litellm"
    if found.exists():
        return found
    print(f"installing {PACKAGE} in {folder}", flush=True)
    for step in ([sys.executable, "-m", "venv", "--clear", folder],
                 [folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", PACKAGE]):
        done = subprocess.run([str(part) for part in step], capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"{' '.join(map(str, step))} failed:\n{done.stderr.strip()[-2000:]}")
    if not found.exists():
        raise Failure(f"{PACKAGE} has brought no {found}")
    return found


def version(path):
    """Its version, without starting it, which takes seconds; None if its environment does not say."""
    python = Path(path).parent / "python"
    try:
        done = subprocess.run([str(python), "-c", "import importlib.metadata as m; print(m.version('litellm'))"],
                              capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None
