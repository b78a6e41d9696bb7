"""What must not reach an upstream does not, by whatever way: our callers' keys, who a caller is, what was taken out."""

import json

import pytest

from harness.certificates import authority, certificate, pair, trust
from harness.client import Connection
from harness.providers import Providers


@pytest.mark.parametrize("strip", [[], ["cookie"]])
@pytest.mark.parametrize("require", [True, False])
def test_a_key_goes_no_further_even_if_its_field_does(make_site, strip, require):
    """strip_headers may let Authorization and x-api-key pass; the field that held our key still does not."""
    site = make_site({"proxy": {"strip_headers": strip}, "security": {"require_api_key": require}})
    site.route()
    key = site.key
    ways = [
        [("Authorization", f"Bearer {key}")],
        [("authorization", f"bearer   {key}")],
        [("X-Api-Key", key)],
        [("api-key", key)],
        [("x-goog-api-key", key)],
        [("Authorization", "Basic dXNlcjpwYXNz"), ("x-api-key", key)],
        [("X-Api-Key", key), ("x-goog-api-key", "other")],
    ]
    for headers in ways:
        site.upstream.clear()
        with site.connect() as connection:
            assert connection.request("GET", "/", site.headers(headers, key=None)).status == 200
        assert key.encode() not in site.upstream.raw, headers
    with site.connect() as connection:
        assert connection.request("GET", f"/?a=1&key={key}&b=2", site.headers(key=None)).status == 200
    assert key.encode() not in site.upstream.raw
    assert site.upstream.requests[-1].target == "/?a=1&b=2"
    # The upstream's own credentials pass, where the operator has it so.
    with site.connect() as connection:
        headers = [("Authorization", "Basic dXNlcjpwYXNz"), ("x-api-key", key)]
        connection.request("GET", "/", site.headers(headers, key=None))
    assert site.upstream.requests[-1].header("authorization") == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize("whole", [True, False])
def test_trailers_bring_nothing_back(site, whole):
    """Some servers make headers of trailers: what a route removes or sets itself is no trailer either."""
    site.route(remove_headers=["x-internal"], add_headers={"X-Tenant": "ours"})
    trailers = [("X-Internal", "stolen"), ("x-tenant", "stolen"), ("X_Tenant", "stolen"), ("User-Agent", "stolen"),
                ("X-Sum", "1"), ("X-Other", "")]  # fmt: skip
    with site.connect() as connection:
        begin = site.bytes("POST", "/", [("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n"
        end = b"0\r\n" + b"".join(f"{n}: {v}\r\n".encode() for n, v in trailers) + b"\r\n"
        if whole:
            connection.send(begin + end)
        else:
            # The request is on its way before its end is here, so that it is streamed.
            connection.send(begin)
            site.upstream.wait(lambda u: u.requests)
            connection.send(end)
        assert connection.read_response("POST").status == 200
    request = site.upstream.wait_requests()
    assert request.trailers == [("X-Sum", "1"), ("X-Other", "")]
    assert b"stolen" not in site.upstream.raw


def test_who_forwards_says_so_once(make_site):
    """With forward_client_ip what a client says of itself gives way to what we know."""
    site = make_site({"proxy": {"forward_client_ip": True}})
    site.route()
    spoofed = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.test"),
               ("Forwarded", "for=1.2.3.4"), ("X-Real-IP", "1.2.3.4"), ("X_Forwarded_Host", "evil.test")]  # fmt: skip
    assert site.call(headers=spoofed).status == 200
    request = site.upstream.requests[0]
    assert request.header("x-forwarded-for") == "127.0.0.1"
    assert request.header("x-forwarded-proto") == "http"
    assert request.header("x-forwarded-host") == "gateway.test"
    assert b"1.2.3.4" not in site.upstream.raw and b"evil" not in site.upstream.raw


def test_who_a_certificate_names_comes_from_us_alone_for_providers_too(tmp_path):
    authority(tmp_path, "ca")
    certificate(tmp_path, "first", "IP:127.0.0.1,DNS:localhost")
    certificate(tmp_path, "alice", "DNS:alice.test")
    tls = pair(tmp_path, "first", client_ca=str(tmp_path / "ca.pem"), client_auth="optional", forward_client_subject=True)
    site = Providers(tmp_path / "gateway", {"tls": tls})
    try:
        upstream = site.provider("openai", models="gpt-4o")
        site.start()
        body = json.dumps({"model": "gpt-4o", "messages": []}).encode()
        spoof = [("Host", "x"), ("Authorization", f"Bearer {site.key}"), ("X-Client-Cert-Subject", "CN=root"),
                 ("x_client_cert_subject", "CN=root")]  # fmt: skip
        for client, expected in ((None, []), ("alice", ["CN=alice"])):
            with Connection(site.gateway.port, tls=trust(tmp_path, client=client)) as connection:
                assert connection.request("POST", "/v1/chat/completions", spoof, body).status == 200
            assert upstream.requests[-1].all("x-client-cert-subject") == expected
        assert b"root" not in upstream.raw
    finally:
        site.close()


def test_bytes_behind_an_upgrade_wait_for_its_answer(site):
    """They are the tunnel's or the next request's, and until the upstream has said which they go nowhere."""
    site.route()
    hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")]

    def refuses(exchange):
        assert not exchange.connection.buffer
        exchange.answer(200, b"no")

    site.upstream.then(refuses)
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/", upgrade) + hidden)
        assert connection.read_response().status == 200
        assert connection.read_response().status == 401, "it is a request of its own, without a key"
    assert b"hidden" not in site.upstream.raw

    used = []

    def switches(exchange):
        used.append(exchange.connection)
        exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        got = b""
        while len(got) < len(hidden):
            got += exchange.receive()
        exchange.send(got)
        exchange.wait_gone()
        exchange.keep = False

    site.upstream.then(switches)
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/", upgrade) + hidden)
        assert connection.read_head().status == 101
        while len(connection.buffer) < len(hidden):
            assert connection._fill()
        assert bytes(connection.buffer) == hidden
    # The upstream's connection that was a tunnel carries nobody else's request.
    site.upstream.then(lambda exchange: (used.append(exchange.connection), exchange.answer()))
    assert site.call().status == 200
    assert used[0] is not used[1]


def test_interim_answers_announce_no_body(site):
    """A length on a 1xx would have some clients wait for a body, or take the answer for one."""
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(103, [("Link", "</a>"), ("Content-Length", "5"), ("Connection", "x-own"), ("X-Own", "1")])
        exchange.answer(200, b"final")

    site.upstream.then(script)
    response = site.call()
    assert response.interim[0].headers == [("Link", "</a>")]
    assert response.body == b"final"

    def switches(exchange):
        head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n"
        exchange.send(head + b"bytes")
        exchange.wait_gone()
        exchange.keep = False

    site.upstream.then(switches)
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/", [("Connection", "Upgrade"), ("Upgrade", "x")]))
        response = connection.read_head()
        assert response.status == 101 and not response.all("content-length")
