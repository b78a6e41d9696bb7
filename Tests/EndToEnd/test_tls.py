"""https upstreams with a CA of our own, and TLS on the data plane."""

import ssl
import subprocess

import pytest

from harness import Connection, Site, Upstream


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate(folder, name, subject, days="30", ca="ca"):
    """Makes name.key and name.pem for these subjectAltNames, signed by a CA."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
    (folder / f"{name}.ext").write_text(f"subjectAltName={subject}\n")
    dates = ["-days", days]
    if days == "expired":
        dates = ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-extfile", f"{name}.ext", "-out", f"{name}.pem", *dates)  # fmt: skip


def authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/CN={name} test CA", "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    authority(folder, "ca")
    authority(folder, "other")
    certificate(folder, "good", "IP:127.0.0.1,DNS:localhost")
    certificate(folder, "wrong", "DNS:elsewhere.example")
    certificate(folder, "foreign", "IP:127.0.0.1,DNS:localhost", ca="other")
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
    for name in ("wrong", "foreign", "expired"):
        upstream = secure(site, certificates, name, match_path=f"/{name}")
        response = site.call("POST", f"/{name}", b"secret body")
        assert response.status == 502, name
        codes[name] = response.json()["error"]["code"]
        assert not upstream.requests
        assert site.gateway.audit(response.request_id)["error_message"]
    assert len(set(codes.values())) == 3, codes
    assert all("tls" in code or "cert" in code for code in codes.values()), codes


def test_plain_upstream_behind_https_is_502(site, certificates):
    site.route(target_protocol="https")
    response = site.call()
    assert response.status == 502
    assert not site.upstream.requests


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
        import socket

        socket.socket.shutdown(exchange.connection.socket, socket.SHUT_WR)
        exchange.keep = False

    upstream.handler = script
    request_id = site.new_id()
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/", [("x-request-id", request_id)]))
        connection.read_truncated()
    assert site.gateway.audit(request_id)["error_message"]


def test_tls_on_the_data_plane(make_gateway, certificates):
    config = {"tls": {"cert": str(certificates / "good.pem"), "key": str(certificates / "good.key")}}
    site = Site(make_gateway(config))
    try:
        site.route()
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        with Connection(site.gateway.port, tls=context) as connection:
            for _ in range(3):
                assert connection.request("POST", "/x", site.headers(), b"hello").status == 200
            assert connection.socket.version() in ("TLSv1.2", "TLSv1.3")
        old = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.raises((ssl.SSLError, OSError)):
            Connection(site.gateway.port, tls=old)
        with Connection(site.gateway.port) as plain:
            plain.send_if_open(site.bytes("GET", "/"))
            plain.wait_closed()
            assert b"200 OK" not in plain.received
    finally:
        site.close()
