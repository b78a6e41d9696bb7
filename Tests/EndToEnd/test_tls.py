"""https upstreams with a CA of our own, and TLS on the data plane."""

import os
import socket
import ssl
import subprocess
import threading
import warnings

import pytest

from harness import Connection, Site, Upstream
from harness.certificates import authority, certificate, openssl, self_signed


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    authority(folder, "ca")
    authority(folder, "other")
    certificate(folder, "good", "IP:127.0.0.1,DNS:localhost")
    certificate(folder, "wrong", "DNS:elsewhere.example")
    certificate(folder, "foreign", "IP:127.0.0.1,DNS:localhost", ca="other")
    certificate(folder, "client", "DNS:client.example")
    self_signed(folder, "selfsigned", "IP:127.0.0.1,DNS:localhost")
    try:
        certificate(folder, "expired", "IP:127.0.0.1,DNS:localhost", days="expired")
    except subprocess.CalledProcessError:
        # Older openssl: x509 has no dates, but ca has.
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("77\n")
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
            "policy=p\n[p]\ncommonName=supplied\n"
        )
        openssl(folder, "ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "expired.csr",
                "-out", "expired.pem", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z",
                "-extfile", "expired.ext", "-notext")  # fmt: skip
    return folder


def server_context(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@pytest.fixture(scope="module")
def tls_gateway(certificates, tmp_path_factory):
    from harness import Gateway

    config = {"upstream_tls": {"ca_file": str(certificates / "ca.pem")}}
    gateway = Gateway(tmp_path_factory.mktemp("tls"), config).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def site(tls_gateway):
    site = Site(tls_gateway)
    yield site
    site.close()


def secure(site, certificates, name="good", **fields) -> Upstream:
    upstream = site.new_upstream(tls=server_context(certificates, name))
    site.route(upstream, target_protocol="https", **fields)
    return upstream


@pytest.mark.parametrize("before, behind", [(0, 200_000), (0, 3 << 20), (1_300_000, 2 << 20), (200_000, 0)])
def test_long_bodies_over_a_used_connection(site, certificates, before, behind):
    """Plain from the client, encrypted to the upstream: they cannot be spliced, and nothing of them goes twice."""
    upstream = secure(site, certificates, match_body_schema={"model": "m"})
    with site.connect() as connection:
        for first, last in ((0, 0), (before, behind)):
            body = f'{{"a":"{os.urandom(first // 2).hex()}","model":"m","z":"{os.urandom(last // 2).hex()}"}}'.encode()
            assert connection.request("POST", "/", site.headers(), body).status == 200
            assert upstream.requests[-1].body == body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_https_upstream(site, certificates, host):
    upstream = site.new_upstream(tls=server_context(certificates, "good"))
    site.route(upstream, target_protocol="https", target_host=f"{host}:{upstream.port}")
    connection = site.connect()
    for _ in range(3):
        response = connection.request("POST", "/x", site.headers(), b"hello")
        assert (response.status, response.body) == (200, b'{"ok":true}')
    assert len(upstream.connections) == 1, "a TLS connection is kept alive too"
    assert upstream.requests[0].body == b"hello"
    assert site.gateway.audit(response.request_id)["target_url"] == f"https://{host}:{upstream.port}/x"


def test_https_stream_and_big_bodies(site, certificates):
    upstream = secure(site, certificates)
    body = bytes(range(256)) * 4096

    def script(exchange):
        data = exchange.read_body()
        exchange.head(200, [("Transfer-Encoding", "chunked")])
        for start in range(0, len(data), 10_000):
            exchange.chunk(data[start : start + 10_000])
        exchange.last_chunk()

    upstream.handler = script
    assert site.call("POST", "/big", body).body == body


def test_verification_failures_are_502_each_with_its_code(site, certificates):
    codes = {}
    for name in ("wrong", "foreign", "expired", "selfsigned"):
        upstream = secure(site, certificates, name, match_path=f"/{name}")
        response = site.call("POST", f"/{name}", b"secret body")
        assert response.status == 502, name
        codes[name] = response.json()["error"]["code"]
        assert not upstream.requests
        assert site.gateway.audit(response.request_id)["error_message"]
    assert codes == {
        "wrong": "upstream_tls_wrong_name",
        "foreign": "upstream_tls_unknown_ca",
        "expired": "upstream_tls_expired",
        "selfsigned": "upstream_tls_self_signed",
    }


def test_plain_upstream_behind_https_is_502(site, certificates):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        site.route(target_protocol="https", target_host=f"127.0.0.1:{listener.getsockname()[1]}")
        response = site.call()
        thread.join(5)
    assert (response.status, response.json()["error"]["code"]) == (502, "upstream_tls_version_mismatch")


def test_upstream_that_speaks_only_old_tls_is_502(site, certificates):
    context = server_context(certificates, "good")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    upstream = site.new_upstream(tls=context)
    site.route(upstream, target_protocol="https")
    response = site.call()
    assert (response.status, response.json()["error"]["code"]) == (502, "upstream_tls_version_mismatch")
    upstream.errors.clear()


def test_single_hosts_have_their_own_authority_and_get_our_certificate(make_site, certificates):
    """localhost asks for a certificate and is signed by another authority; 127.0.0.1 is not shown it."""
    host = {"host": "localhost", "ca_file": str(certificates / "other.pem")}
    site = make_site({
        "upstream_tls": {
            "ca_file": str(certificates / "ca.pem"),
            "hosts": [{**host, "cert": str(certificates / "client.pem"), "key": str(certificates / "client.key")}],
        }
    })  # fmt: skip
    shown = []

    def strict(name):
        context = server_context(certificates, name)
        context.load_verify_locations(certificates / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # the refusal is then part of the handshake

        def handler(exchange):
            exchange.read_body()
            shown.append(dict(pair[0] for pair in exchange.connection.socket.getpeercert()["subject"]))
            exchange.answer(200, b"{}")

        return site.new_upstream(handler, tls=context)

    known, unknown = strict("foreign"), strict("good")
    site.route(known, match_path="/known", target_protocol="https", target_host=f"localhost:{known.port}")
    site.route(unknown, match_path="/unknown", target_protocol="https")
    assert site.call("POST", "/known", b"{}").status == 200
    assert shown == [{"commonName": "client"}]
    response = site.call("POST", "/unknown", b"{}")
    assert (response.status, response.json()["error"]["code"]) == (502, "upstream_tls_refused")
    unknown.errors.clear()


def test_upstream_sessions_are_resumed(make_site, certificates):
    site = make_site({"upstream_tls": {"ca_file": str(certificates / "ca.pem")}}, workers=1)
    resumed = []

    def handler(exchange):
        exchange.read_body()
        resumed.append(exchange.connection.socket.session_reused)
        exchange.answer(200, b"{}", [("Connection", "close")])

    upstream = site.new_upstream(handler, tls=server_context(certificates, "good"))
    site.route(upstream, target_protocol="https")
    for _ in range(4):
        assert site.call().status == 200
    assert resumed == [False, True, True, True]


def test_renewed_authorities_count_for_connections_that_were_idle(make_site, certificates):
    """After a reload without the authority no connection that it vouched for is used again."""
    site = make_site({"upstream_tls": {"ca_file": str(certificates / "ca.pem")}}, workers=1)
    upstream = secure(site, certificates)
    assert site.call().status == 200
    site.gateway.write_config({"upstream_tls": {"ca_file": str(certificates / "other.pem")}})
    site.gateway.reload()
    response = site.call()
    assert (response.status, response.json()["error"]["code"]) == (502, "upstream_tls_unknown_ca")
    assert len(upstream.requests) == 1


def test_verification_can_be_turned_off(make_site, certificates):
    site = make_site({"upstream_tls": {"verify": False}})
    secure(site, certificates, "foreign")
    assert site.call().status == 200


def test_system_authorities_do_not_know_ours(make_site, certificates):
    site = make_site()
    secure(site, certificates)
    assert site.call().status == 502


def test_cut_tls_answer_is_cut_short(site, certificates):
    """Closed without close_notify in a close-delimited body: it must not look whole."""
    upstream = secure(site, certificates)

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Connection", "close"), ("Content-Type", "text/event-stream")])
        exchange.send(b"data: 1\n\n")
        socket.socket.shutdown(exchange.connection.socket, socket.SHUT_WR)
        exchange.keep = False

    upstream.handler = script
    request_id = site.new_id()
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
        connection.read_truncated()
    assert site.gateway.audit(request_id)["error_message"]
