"""TLS on the admin port."""

import json
import subprocess

import pytest

from harness import Connection, Site
from harness.certificates import pair, serial, subject_of, trust
from harness.gateway import ADMIN_TOKEN, binary


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
