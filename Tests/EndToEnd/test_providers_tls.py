"""Providers over TLS: whom they are taken for, and what a bad certificate leads to."""

import ssl

import pytest
from test_tls import certificates, server_context  # noqa: F401

from harness import wait_until
from harness.providers import Providers, chat, failing

CODES = {
    "expired": "upstream_tls_expired", "wrong": "upstream_tls_wrong_name", "foreign": "upstream_tls_unknown_ca",
    "selfsigned": "upstream_tls_self_signed"}


@pytest.fixture(scope="module")
def site(certificates, tmp_path_factory):  # noqa: F811
    site = Providers(
        tmp_path_factory.mktemp("provider_tls"), {"upstream_tls": {"ca_file": str(certificates / "ca.pem")}}, workers=1)
    names = []
    context = server_context(certificates, "good")
    context.sni_callback = lambda socket, name, _: names.append(name)
    good = site.provider("good", tls=context, models="m,named,counted", priority=2)
    # The same upstream under a name instead of an address.
    site.provider("named", host=f"localhost:{good.port}", tls=context, models="named", priority=1)
    for name in CODES:
        upstream = site.provider(name, tls=server_context(certificates, name), models=f"m,only-{name}", priority=1)
        upstream.handler = failing(500)
    site.names = names
    site.start()
    yield site
    for name in CODES:
        assert not site.upstreams[name].requests, "nothing was sent to a server that is not who it should be"
        site.upstreams[name].errors.clear()
    site.close()


def test_a_provider_is_asked_by_its_name(site):
    site.names.clear()
    for stream in (False, True):
        response = site.ask("named", stream=stream)
        assert response.status == 200 and response.header("x-fastgate-provider") == "named"
        assert b"lo" in response.body and b"usage" not in response.body * stream
    assert set(site.names) == {"localhost"}, "SNI holds names, and is sent"
    request = site.upstreams["good"].requests[-1]
    assert request.header("host").startswith("localhost:")
    assert request.header("authorization") == "Bearer sk-upstream-key-0001"


@pytest.mark.parametrize("name", CODES)
def test_a_bad_certificate_has_its_code_and_fails_over(site, name):
    request_id = site.new_id()
    response = site.ask(f"only-{name}", headers=[("x-request-id", request_id)])
    assert response.status == 502 and response.json()["error"]["code"] == CODES[name]
    assert {(p, r) for p, r, _ in site.attempts(request_id)} == {(name, "tls")}
    record = site.usage(request_id)
    assert (record["outcome"], record["total_tokens"]) == ("failed", 0)


def test_others_take_over(site):
    request_id = site.new_id()
    response = site.ask("m", headers=[("x-request-id", request_id)])
    assert response.status == 200 and response.header("x-fastgate-provider") == "good"
    attempts = site.attempts(request_id)
    assert attempts and {r for _, r, _ in attempts} == {"tls"} and {p for p, _, _ in attempts} <= set(CODES)


def test_a_connection_that_is_cut_in_the_handshake_fails_over(site):
    """Behind a certificate that is good, too."""
    upstream = site.upstreams["good"]
    upstream.handler = lambda exchange: exchange.reset()
    response = site.ask("counted")
    assert response.status == 502
    upstream.handler = chat
    upstream.errors.clear()
    wait_until(lambda: site.ask("counted").status == 200, "its breaker closes again", 15)
