"""testssl.sh against the data plane: protocols, ciphers, forward secrecy, server preferences and known weaknesses."""

import json
import shutil
import subprocess

import pytest

from harness.certificates import authority, certificate

TOOL = shutil.which("testssl") or shutil.which("testssl.sh")


@pytest.mark.skipif(TOOL is None, reason="needs testssl.sh (package testssl.sh)")
def test_testssl_finds_no_weakness(make_gateway, tmp_path):
    authority(tmp_path, "ca")
    certificate(tmp_path, "server", "DNS:localhost,IP:127.0.0.1")
    tls = {"cert": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")}
    gateway = make_gateway({"tls": tls})
    report = tmp_path / "report.json"
    # Nothing that would look beyond this machine: no DNS, no revocation lists, and no check of the test certificate.
    command = [TOOL, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1",
               "--add-ca", tmp_path / "ca.pem", "--jsonfile", report, "-p", "-s", "-f", "-P", "-H", "-I",
               "-T", "-R", "-C", "-O", "-W", "-L", "-4", f"localhost:{gateway.port}"]  # fmt: skip
    try:
        subprocess.run(command, cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL, timeout=90)
    except subprocess.TimeoutExpired:
        pytest.skip("testssl.sh needs more than 90 s on this machine just now")
    findings = json.loads(report.read_text())
    found = {finding["id"]: finding for finding in findings}
    for needed in ("TLS1_2", "TLS1_3", "cipherlist_STRONG", "PFS", "heartbleed", "LUCKY13", "RC4", "secure_client_renego"):
        assert any(name.startswith(needed) for name in found), f"testssl did not get to {needed}"
    # WARN is testssl's word for a check that it could not make: about its own openssl, none about ours.
    bad = [finding for finding in findings if finding["severity"] not in ("OK", "INFO", "WARN")]
    assert not bad, bad
    assert {finding["id"] for finding in findings if finding["severity"] == "WARN"} <= {"engine_problem"}
