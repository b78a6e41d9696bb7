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
from harness.clock import DAY
from harness.gateway import ADMIN_TOKEN, binary
from harness.upstream import Signal, ok


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


def test_old_versions_are_refused(site, certificates):
    old = trust(certificates)
    with warnings.catch_warnings(action="ignore"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.raises((ssl.SSLError, OSError)):
        Connection(site.gateway.port, tls=old)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "CONNECT"])
def test_plain_http_is_told_to_speak_tls(site, method):
    before = len(site.upstream.requests)
    with Connection(site.gateway.port) as plain:
        plain.send_if_open(site.bytes(method, "/"))
        response = plain.read_response("GET")
        assert response.status == 400 and "https" in response.json()["error"]["message"]
        assert plain.wait_closed()
    assert len(site.upstream.requests) == before


@pytest.mark.parametrize("junk", [b"DELETE / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", b"\0" * 100, b"\x16\x03\x01\0\x04\x01\xff\xff\xff"])
def test_what_is_no_hello_is_closed(site, junk):
    with Connection(site.gateway.port) as connection:
        connection.send_if_open(junk)
        connection.socket.shutdown(socket.SHUT_WR)
        while connection._fill():
            pass
        assert b"HTTP/1.1 2" not in connection.received


@pytest.mark.parametrize("piece", [1, 7, 100])
@pytest.mark.parametrize("how", ["records", "segments"])
def test_a_hello_in_pieces(site, certificates, piece, how):
    """Cut into records of their own (RFC 8446, 5.1) or into TCP segments, it is the same hello."""
    site.route()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trust(certificates).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with Connection(site.gateway.port) as connection:
        first = True
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                data = outgoing.read()
                if first and how == "records":
                    kind, payload = data[:3], data[5:]
                    parts = [payload[i : i + piece] for i in range(0, len(payload), piece)]
                    data = b"".join(kind + len(part).to_bytes(2, "big") + part for part in parts)
                for start in range(0, len(data), piece if first else len(data) or 1):
                    connection.send(data[start : start + (piece if first else len(data))])
                first = False
                incoming.write(connection.socket.recv(65536))
        tls.write(site.bytes("GET", "/"))
        connection.send(outgoing.read())
        while True:
            incoming.write(connection.socket.recv(65536))
            try:
                assert tls.read(65536).startswith(b"HTTP/1.1 200")
                break
            except ssl.SSLWantReadError:
                pass


def test_records_that_come_while_others_wait(make_site, certificates):
    """Of two records that one read of the socket takes, the second waits until the first is answered. What comes meanwhile
    the poller announces once, and it is not forgotten over reading what waited."""
    site, step = make_site({"tls": pair(certificates, "first")}, workers=1), Signal()
    site.route()
    site.upstream.then(lambda exchange: (step.wait(), ok(exchange)))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trust(certificates).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with site.connect() as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.send(outgoing.read())
                incoming.write(connection.socket.recv(65536))
        head, body = site.bytes("POST", "/2", body=b"the body").split(b"the body")[0], b"the body"
        tls.write(site.bytes("GET", "/1"))
        tls.write(head)
        connection.send(outgoing.read())
        site.upstream.wait_requests()
        tls.write(body)
        connection.send(outgoing.read())
        # Once the only worker has served another client it has heard of the body.
        with site.connect(tls=trust(certificates)) as other:
            assert other.request("GET", "/other", site.headers()).status == 200
        step.go()
        received = b""
        while received.count(b'{"ok":true}') < 2:
            data = connection.socket.recv(65536)
            assert data, received
            incoming.write(data)
            try:
                while True:
                    received += tls.read(65536)
            except ssl.SSLWantReadError:
                pass
    assert received.count(b"HTTP/1.1 200") == 2 and site.upstream.requests[-1].body == body


# Stapled OCSP responses


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


def test_handshakes_that_have_not_ended_count_as_connections(make_gateway, certificates):
    gateway = make_gateway({"tls": pair(certificates, "first"), "limits": {"max_connections_per_address": 5}})
    half_open = [Connection(gateway.port, source="127.0.0.9") for _ in range(5)]
    for connection in half_open:
        connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
    wait_until(lambda: gateway.metrics()['fastgate_open_connections{side="client"}'] == 5, "they are open")
    with pytest.raises(OSError):  # an SSLError is one
        Connection(gateway.port, source="127.0.0.9", tls=trust(certificates))
    with Connection(gateway.port, source="127.0.0.10", tls=trust(certificates)) as other:
        assert other.request("GET", "/health", [("Host", "x")]).status == 200
    for connection in half_open:
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
        response = plain.read_response()
        assert response.status == 400 and "https" in response.json()["error"]["message"]
        assert plain.wait_closed()


def test_the_sessions_cookie_goes_over_tls_only(admin_gateway, certificates):
    with Connection(admin_gateway.admin_port, tls=trust(certificates)) as connection:
        headers = [("Host", "localhost"), ("Content-Type", "application/json"), ("x-fastgate-dashboard", "1")]
        body = json.dumps({"token": ADMIN_TOKEN}).encode()
        cookie = connection.request("POST", "/admin/session", headers, body).header("set-cookie")
        for flag in ("; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"):
            assert flag in cookie, cookie


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
