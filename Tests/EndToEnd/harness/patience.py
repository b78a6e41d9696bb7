"""How long tests wait for what must come. Where everything is slow (a sanitizer, a machine with other work), the
environment's E2E_PATIENCE multiplies it; a test that passes never waits longer for that."""

import os

PATIENCE = float(os.environ.get("E2E_PATIENCE", "1"))

# What the gateway was built with: "address", "thread" or nothing. See scripts/sanitize.
SANITIZER = os.environ.get("E2E_SANITIZER", "")


def patient(seconds: float) -> float:
    """The limit of a wait. Short ones are meant to run out, and stay as they are."""
    return seconds * PATIENCE if seconds >= 5 else seconds
