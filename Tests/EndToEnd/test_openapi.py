"""/openapi.json is true: schemathesis makes requests of it, well formed and not, and holds the answers to it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from harness import ADMIN_TOKEN

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
]


def test_the_description_is_true(make_gateway, tmp_path):
    gateway = make_gateway(workers=1)
    command = [
        Path(sys.executable).parent / "schemathesis",
        f"--config-file={Path(__file__).parent / 'schemathesis.toml'}",
        "run",
        f"http://127.0.0.1:{gateway.admin_port}/openapi.json",
        f"--header=Authorization: Bearer {ADMIN_TOKEN}",
        f"--checks={','.join(CHECKS)}",
        # It would look up and call hosts that nobody knows.
        "--exclude-operation-id=testRoute",
        "--exclude-operation-id=testProviderKey",
        "--max-examples=5",
        "--seed=1",
        "--no-shrink",
        "--continue-on-failure",
        "--request-timeout=20",
        "--workers=1",
        "--warnings=off",
    ]
    # Nothing of it is kept, and no settings of this folder's count.
    hooks = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, cwd=tmp_path, env=hooks, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"\d+ generated", done.stdout), done.stdout[-3000:]
    assert gateway.health(gateway.admin_port)[0] == 200
