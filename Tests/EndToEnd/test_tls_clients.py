"""Clients' certificates: asked for, required, recorded."""

import json
import socket
import ssl

import pytest

from harness import Site
from harness.certificates import pair, trust


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
