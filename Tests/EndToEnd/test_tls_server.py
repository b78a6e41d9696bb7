"""TLS on the data plane and on the admin port: certificates, their renewal, resumption, clients' certificates."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import warnings

import pytest

from harness import Connection, Site, wait_until
from harness.certificates import authority, certificate
from harness.gateway import ADMIN_TOKEN, binary


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server-certificates")
    authority(folder, "ca")
    authority(folder, "people")
    certificate(folder, "first", "IP:127.0.0.1,DNS:localhost,DNS:first.test")
    certificate(folder, "renewed", "IP:127.0.0.1,DNS:localhost,DNS:first.test")
    certificate(folder, "second", "DNS:second.test,DNS:*.wild.test")
    certificate(folder, "third", "DNS:unused.test")
    certificate(folder, "alice", "DNS:alice.test", ca="people")
    certificate(folder, "mallory", "DNS:mallory.test")
    return folder


def pair(folder, name, **more):
    return {"cert": str(folder / f"{name}.pem"), "key": str(folder / f"{name}.key"), **more}


def trust(certificates, *, version=None, protocols=None, client=None):
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if version:
        context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    if client:
        context.load_cert_chain(certificates / f"{client}.pem", certificates / f"{client}.key")
    return context


def serial(connection):
    return connection.socket.getpeercert()["serialNumber"]


def subject_of(certificates, name):
    command = ["openssl", "x509", "-in", f"{name}.pem", "-noout", "-serial"]
    text = subprocess.run(command, cwd=certificates, capture_output=True, text=True, check=True).stdout
    return text.strip().removeprefix("serial=")


@pytest.fixture(scope="module")
def tls_gateway(certificates, tmp_path_factory):
    from harness import Gateway

    tls = pair(certificates, "first")
    tls["certificates"] = [pair(certificates, "second"), pair(certificates, "third", names=["third.test"])]
    gateway = Gateway(tmp_path_factory.mktemp("tls-server"), {"tls": tls}).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def site(tls_gateway):
    site = Site(tls_gateway)
    yield site
    site.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_exchanges_over_tls(site, certificates, version):
    site.route()
    body = os.urandom(300_000)
    with site.connect(tls=trust(certificates, version=version)) as connection:
        for _ in range(3):
            assert connection.request("POST", "/x", site.headers(), body).status == 200
        assert connection.socket.version() == version.name.replace("_", ".")
    assert site.upstream.requests[-1].body == body


def test_old_versions_and_plain_http_are_refused(site, certificates):
    old = trust(certificates)
    with warnings.catch_warnings(action="ignore"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.raises((ssl.SSLError, OSError)):
        Connection(site.gateway.port, tls=old)
    with Connection(site.gateway.port) as plain:
        plain.send_if_open(site.bytes("GET", "/"))
        plain.wait_closed()
        assert b"200 OK" not in plain.received


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first.test", "first"),
        ("localhost", "first"),
        ("second.test", "second"),
        ("SECOND.test", "second"),
        ("any.wild.test", "second"),
        ("third.test", "third"),
        ("a.b.wild.test", "first"),
        ("unused.test", "first"),  # its certificate was given other names
        ("nobody.test", "first"),
        (None, "first"),
    ],
)
def test_the_certificate_follows_the_name(site, certificates, name, expected):
    context = trust(certificates)
    context.check_hostname = False
    with Connection(site.gateway.port, tls=context, server_name=name) as connection:
        assert serial(connection) == subject_of(certificates, expected)


def test_alpn_chooses_http1_and_refuses_clients_that_speak_only_h2(site, certificates):
    with site.connect(tls=trust(certificates, protocols=["h2", "http/1.1"])) as connection:
        assert connection.socket.selected_alpn_protocol() == "http/1.1"
    with site.connect(tls=trust(certificates)) as connection:
        assert connection.socket.selected_alpn_protocol() is None
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        Connection(site.gateway.port, tls=trust(certificates, protocols=["h2"]))


def ciphers(port, *arguments):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=20)


def test_only_forward_secret_authenticated_ciphers(site):
    # Security level 0 lets this client offer what ours must not take.
    for weak in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"):
        assert ciphers(site.gateway.port, "-tls1_2", "-cipher", f"{weak}:@SECLEVEL=0").returncode != 0, weak
    for good in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
        assert ciphers(site.gateway.port, "-tls1_2", "-cipher", good).returncode == 0, good


def test_clients_cannot_renegotiate(site):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.gateway.port}", "-tls1_2", "-legacy_renegotiation"]
    result = subprocess.run(command, input="R\n", capture_output=True, text=True, timeout=20)
    assert "no renegotiation" in result.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_resume_on_every_worker(site, certificates, version):
    """Twenty connections meet both workers; the session of the first is good for all."""
    site.route()
    context = trust(certificates, version=version)

    def connect(session):
        sock = socket.create_connection(("127.0.0.1", site.gateway.port), timeout=10)
        secure = context.wrap_socket(sock, server_hostname="localhost", session=session)
        secure.sendall(site.bytes("GET", "/"))
        assert secure.recv(65536).startswith(b"HTTP/1.1 200")
        resumed, session = secure.session_reused, secure.session
        secure.close()
        return resumed, session

    resumed, session = connect(None)
    assert not resumed
    for _ in range(20):
        assert connect(session)[0]


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


@pytest.fixture(params=["optional", "required"])
def asking(request, make_gateway, certificates):
    tls = pair(certificates, "first", client_ca=str(certificates / "people.pem"), client_auth=request.param)
    site = Site(make_gateway({"tls": {**tls, "forward_client_subject": request.param == "required"}}))
    site.mode = request.param
    yield site
    site.close()


def test_client_certificates(asking, certificates):
    """A good one is in the audit, and upstream only if configured; a strange one is refused; none, if one is required."""
    asking.route()
    v12 = ssl.TLSVersion.TLSv1_2  # a refusal is part of the handshake then
    with asking.connect(tls=trust(certificates, version=v12, client="alice")) as connection:
        spoof = [("X-Client-Cert-Subject", "CN=root"), ("Client-Certificate", "CN=root")]
        response = connection.request("GET", "/", asking.headers(spoof))
    assert response.status == 200
    sent = [value for name, value in asking.upstream.requests[-1].headers if name.lower() == "x-client-cert-subject"]
    assert sent == (["CN=alice"] if asking.mode == "required" else [])
    recorded = json.loads(asking.gateway.audit(response.request_id)["request_headers"])
    assert recorded["client certificate"] == "CN=alice"
    with pytest.raises(ssl.SSLError):
        asking.connect(tls=trust(certificates, version=v12, client="mallory"))
    if asking.mode == "required":
        with pytest.raises(ssl.SSLError):
            asking.connect(tls=trust(certificates, version=v12))
    else:
        with asking.connect(tls=trust(certificates)) as connection:
            response = connection.request("GET", "/", asking.headers())
        assert response.status == 200
        assert "client certificate" not in asking.gateway.audit(response.request_id)["request_headers"]


def test_a_resumed_session_keeps_the_clients_identity(asking, certificates):
    asking.route()
    context = trust(certificates, version=ssl.TLSVersion.TLSv1_2, client="alice")
    session = None
    for expected in (False, True):
        sock = socket.create_connection(("127.0.0.1", asking.gateway.port), timeout=10)
        secure = context.wrap_socket(sock, server_hostname="localhost", session=session)
        assert secure.session_reused == expected
        session = secure.session
        request_id = asking.new_id()
        secure.sendall(asking.bytes("GET", "/", [("x-request-id", request_id)]))
        assert secure.recv(65536).startswith(b"HTTP/1.1 200")
        secure.close()
        recorded = json.loads(asking.gateway.audit(request_id)["request_headers"])
        assert recorded["client certificate"] == "CN=alice"


def test_handshakes_that_do_not_end_are_ended(make_gateway, certificates):
    gateway = make_gateway({"tls": pair(certificates, "first"), "limits": {"header_timeout": 0.3}})
    silent = [Connection(gateway.port) for _ in range(50)]
    for connection in silent[:25]:
        connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")  # the beginning of a hello
    for connection in silent:
        assert connection.wait_closed()
        connection.close()


def test_a_flood_of_handshakes_leaves_others_their_turn(site, certificates):
    """Clients that do nothing but shake hands, from eight threads; exchanges on an open connection go on."""
    site.route()
    stop = threading.Event()
    done = []

    def flood():
        context = trust(certificates)
        while not stop.is_set():
            with Connection(site.gateway.port, tls=context):
                done.append(1)

    with site.connect(tls=trust(certificates)) as connection:
        threads = [threading.Thread(target=flood, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(done) > 20, "the flood runs")
            for _ in range(50):
                assert connection.request("GET", "/", site.headers()).status == 200
        finally:
            stop.set()
            for thread in threads:
                thread.join(10)


# The admin port


@pytest.fixture
def admin_gateway(make_gateway, certificates):
    return make_gateway({"admin": {"tls": pair(certificates, "first")}})


def test_admin_port_over_tls(admin_gateway, certificates):
    with Connection(admin_gateway.admin_port, tls=trust(certificates)) as connection:
        headers = [("Host", "x"), ("Authorization", f"Bearer {ADMIN_TOKEN}")]
        for path in ("/admin/keys", "/metrics", "/admin/dashboard", "/openapi.json"):
            assert connection.request("GET", path, headers).status == 200
        # Two requests in one record: no event announces the second.
        connection.send(b"".join(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" for _ in range(2)))
        assert connection.read_response().status == 200
        assert connection.read_response().status == 200
        big = json.dumps({"source_path": "/x", "permissions": ["/" + "p" * 100] * 100}).encode()
        response = connection.request("POST", "/admin/keys", [*headers, ("Content-Type", "application/json")], big)
        assert response.status in (201, 422), response.body
    with Connection(admin_gateway.admin_port) as plain:
        plain.send_if_open(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.wait_closed()
        assert b"200 OK" not in plain.received


def test_admin_export_over_tls_is_whole(admin_gateway):
    site = Site(admin_gateway)
    site.route()
    try:
        with site.connect() as connection:
            for _ in range(300):
                last = connection.request("GET", "/" + "x" * 1000, site.headers())
        admin_gateway.audit(last.request_id)
        status, _, data = admin_gateway.admin_raw("GET", "/admin/logs/export?format=ndjson")
        assert status == 200 and len(data.splitlines()) == 300
    finally:
        site.close()


def test_the_command_line_speaks_tls_to_the_admin_port(admin_gateway, certificates):
    def run(*arguments):
        command = [str(binary()), *arguments, "--config", str(admin_gateway.config_file)]
        return subprocess.run(command, cwd=admin_gateway.folder, env=admin_gateway.env, capture_output=True, text=True)

    result = run("keys", "create", "/cli")
    assert result.returncode == 0, result.stderr
    assert [key["source_path"] for key in admin_gateway.admin("GET", "/admin/keys")["items"]] == ["/cli"]
    # By its URL from anywhere, verified by authority and name.
    url = ["--url", f"https://localhost:{admin_gateway.admin_port}"]
    result = run("keys", "list", *url, "--ca-file", str(certificates / "ca.pem"))
    assert result.returncode == 0 and "/cli" in result.stdout, result.stderr
    result = run("keys", "list", *url, "--ca-file", str(certificates / "people.pem"))
    assert result.returncode == 1 and "trust" in result.stderr
    # Another certificate than the configured one is not trusted, and is told no token.
    admin_gateway.write_config({"admin": {"tls": pair(certificates, "second")}})
    result = run("keys", "list")
    assert result.returncode == 1 and "trust" in result.stderr


def test_admin_certificate_is_renewed_by_sighup(admin_gateway, certificates):
    admin_gateway.write_config({"admin": {"tls": pair(certificates, "renewed")}})
    admin_gateway.reload()
    with Connection(admin_gateway.admin_port, tls=trust(certificates)) as connection:
        assert serial(connection) == subject_of(certificates, "renewed")
