"""Certificates that are renewed while they are served, and the OCSP responses stapled to them."""

import os
import shutil
import socket
import ssl
import subprocess

import pytest

from harness import Connection, Site, wait_until
from harness.certificates import pair, serial, subject_of, trust
from harness.clock import DAY
from harness.gateway import binary


def test_renewed_certificates_are_served_at_once_and_drop_nothing(make_gateway, certificates, tmp_path):
    for name in ("pem", "key"):
        shutil.copy(certificates / f"first.{name}", tmp_path / f"live.{name}")
    site = Site(make_gateway({"tls": {**pair(tmp_path, "live"), "check_interval": 0.1}}))
    try:
        site.route()
        old = site.connect(tls=trust(certificates))
        assert serial(old) == subject_of(certificates, "first")
        session = old.socket.session

        def put(name):
            for kind in ("key", "pem"):
                shutil.copy(certificates / f"{name}.{kind}", tmp_path / "new")
                (tmp_path / "new").rename(tmp_path / f"live.{kind}")

        def served(name):
            with site.connect(tls=trust(certificates)) as connection:
                return serial(connection) == subject_of(certificates, name)

        put("renewed")
        wait_until(lambda: served("renewed"), "the new certificate is served")
        # The connection that began with the old one goes on, and its session is still good.
        assert old.request("GET", "/", site.headers()).status == 200
        context = trust(certificates)
        del session, context

        # A file that is no key changes nothing, and the log says so.
        (tmp_path / "live.key").write_text("nonsense")
        wait_until(lambda: "cannot be used" in site.gateway.log, "the log names the bad file")
        assert served("renewed") and old.request("GET", "/", site.headers()).status == 200
        put("first")
        wait_until(lambda: served("first"), "the next good pair is served")
        assert old.request("GET", "/", site.headers()).status == 200
    finally:
        site.close()


def test_sighup_reads_certificates_again_and_tickets_outlive_it(make_gateway, certificates, tmp_path):
    site = Site(make_gateway({"tls": {**pair(certificates, "first"), "check_interval": 0}}))
    try:
        site.route()
        context = trust(certificates, version=ssl.TLSVersion.TLSv1_2)
        sock = context.wrap_socket(socket.create_connection(("127.0.0.1", site.gateway.port)), server_hostname="localhost")
        session = sock.session
        site.gateway.write_config({"tls": pair(certificates, "renewed")})
        site.gateway.reload()
        again = context.wrap_socket(
            socket.create_connection(("127.0.0.1", site.gateway.port)), server_hostname="localhost", session=session
        )
        assert again.session_reused, "a renewal costs nobody a full handshake"
        again.close()
        with site.connect(tls=trust(certificates)) as connection:
            assert serial(connection) == subject_of(certificates, "renewed")
        # The old connection was not told of any of it.
        sock.sendall(site.bytes("GET", "/"))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        sock.close()
        # A file that is not there is refused, and the certificate stays.
        site.gateway.write_config({"tls": pair(certificates, "missing")})
        site.gateway.process.send_signal(1)
        wait_until(lambda: "was not reloaded" in site.gateway.log, "the log says so")
        with site.connect(tls=trust(certificates)) as connection:
            assert serial(connection) == subject_of(certificates, "renewed")
        site.gateway.write_config({"tls": pair(certificates, "renewed")})
    finally:
        site.close()


def ocsp_response(folder, name, *, status="V", days="1"):
    """Has the authority say of a certificate what state it is in."""
    number = subject_of(folder, name)
    (folder / "index.txt").write_text(f"{status}\t401231235959Z\t{'250101000000Z' if status == 'R' else ''}\t{number}\tunknown\t/CN={name}\n")
    file = folder / f"{name}-{status}-{days}.der"
    command = ["openssl", "ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem",
               "-issuer", "ca.pem", "-cert", f"{name}.pem", "-respout", file.name, "-ndays", days]  # fmt: skip
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return file


def stapled(gateway, name):
    """What a client that asks for the certificate's state is told."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-servername", name, "-status"]
    text = subprocess.run(command, input="", capture_output=True, text=True, timeout=20).stdout
    if "OCSP response: no response sent" in text:
        return None
    assert "OCSP Response Status: successful" in text, text[:3000]
    return text.split("Cert Status: ")[1].split()[0]


def test_ocsp_responses_are_stapled_and_renewed(make_gateway, certificates, tmp_path):
    for file in ("ca.pem", "ca.key", "first.pem", "first.key", "second.pem", "second.key"):
        shutil.copy(certificates / file, tmp_path)
    response = ocsp_response(tmp_path, "second")
    tls = pair(tmp_path, "first", check_interval=0.1)
    tls["certificates"] = [pair(tmp_path, "second", ocsp_response=str(response))]
    gateway = make_gateway({"tls": tls})
    assert stapled(gateway, "second.test") == "good"
    assert stapled(gateway, "first.test") is None, "each certificate has its own"
    # A renewed file counts; one that says something else is refused, and what was there stays.
    shutil.copy(ocsp_response(tmp_path, "second", days="2"), tmp_path / "new")
    os.replace(tmp_path / "new", response)
    wait_until(lambda: "the certificates were read again" in gateway.log, "the renewal is noticed")
    assert stapled(gateway, "second.test") == "good"
    shutil.copy(ocsp_response(tmp_path, "second", status="R"), tmp_path / "new")
    os.replace(tmp_path / "new", response)
    wait_until(lambda: "does not call the certificate good" in gateway.log, "the refusal is logged")
    assert stapled(gateway, "second.test") == "good"


def test_an_ocsp_response_that_is_out_of_date_is_not_stapled(make_gateway, certificates, tmp_path, clock):
    """Its nextUpdate passes while it is served; until it is renewed, clients get none, and the connection all the same."""
    for file in ("ca.pem", "ca.key", "first.pem", "first.key"):
        shutil.copy(certificates / file, tmp_path)
    response = ocsp_response(tmp_path, "first", days="2")
    gateway = make_gateway({"tls": pair(tmp_path, "first", ocsp_response=str(response), check_interval=0.1)}, env=clock.env)
    assert stapled(gateway, "first.test") == "good"
    clock.set(2 * DAY - 600)
    assert stapled(gateway, "first.test") == "good"
    clock.set(2 * DAY + 1)
    assert stapled(gateway, "first.test") is None
    with Connection(gateway.port, tls=trust(certificates)) as connection:
        assert connection.request("GET", "/health", [("Host", "first.test")]).status == 200
    # One that is out of date when it is read is not refused: the certificate is as good without.
    gateway.stop()
    gateway.start()
    assert stapled(gateway, "first.test") is None
    shutil.copy(ocsp_response(tmp_path, "first", days="4"), tmp_path / "new")
    os.replace(tmp_path / "new", response)
    wait_until(lambda: stapled(gateway, "first.test") == "good", "the renewed one is handed out")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: ocsp_response(folder, "third"), "about another certificate"),
        (lambda folder: ocsp_response(folder, "second", status="R"), "does not call the certificate good"),
        (lambda folder: folder / "second.pem", "no OCSP response"),
        (lambda folder: folder / "nothing.der", "No such file"),
    ],
)
def test_ocsp_responses_that_cannot_be_used(make_gateway, certificates, make, says):
    tls = pair(certificates, "second", ocsp_response=str(make(certificates)))
    gateway = make_gateway({"tls": tls}, start=False)
    gateway.write_config()
    result = subprocess.run([str(binary()), "check", "--config", str(gateway.config_file)], capture_output=True, text=True)
    assert result.returncode == 78 and says in result.stdout + result.stderr, result
