"""TLS on the data plane: versions, hellos, names, ciphers, resumption, handshakes that do not end."""

import os
import socket
import ssl
import subprocess
import threading
import warnings

import pytest

from harness import Connection, Gateway, Site, wait_until
from harness.certificates import pair, serial, subject_of, trust
from harness.upstream import Signal, ok


@pytest.fixture(scope="module")
def tls_gateway(certificates, tmp_path_factory):
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
