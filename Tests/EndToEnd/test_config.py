"""SPEC: config.yaml, the environment, the command line and what start-up does."""

import json
import os
import re
import signal
import sqlite3
import stat
import subprocess

import pytest

from harness import ADMIN_TOKEN, Connection, Site, free_port, wait_until
from harness.gateway import binary


def run(*arguments, cwd, env=None, stdin=None):
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **(env or {})}
    return subprocess.run(
        [str(binary()), *arguments], cwd=cwd, env=environment, input=stdin, capture_output=True, text=True, timeout=20
    )


def check(tmp_path, text, **kw):
    (tmp_path / "config.yaml").write_text(text)
    return run("check", cwd=tmp_path, **kw)


BAD = [
    ("app:\n  port: 1\n  prot: 2\n", ["prot", "3"]),
    ("nonsense:\n  a: 1\n", ["nonsense", "1"]),
    ("app:\n  port: x\n", ["port", "2"]),
    ("app:\n  port: 70000\n", ["port", "2"]),
    ("app:\n  port: -1\n", ["port", "2"]),
    ("app:\n  workers: many\n", ["workers", "2"]),
    ("app:\n  timezone: nowhere\n", ["timezone", "2"]),
    ("proxy:\n  max_body_size: 12parsecs\n", ["max_body_size", "2"]),
    ("proxy:\n  strip_headers: { a: b }\n", ["strip_headers", "2"]),
    ("proxy:\n  audit_include_body: perhaps\n", ["audit_include_body", "2"]),
    ("audit:\n  on_full: panic\n", ["on_full", "2"]),
    ("logging:\n  format: xml\n", ["format", "2"]),
    ("logging:\n  level: LOUD\n", ["level", "2"]),
    ("tls:\n  min_version: '0.9'\n", ["min_version", "2"]),
    ("database:\n  url: 'postgres://x'\n", ["url", "2"]),
    ("app: [1, 2]\n", ["app", "1"]),
    ("app:\n\tport: 1\n", ["2", "tab"]),
    ("cors:\n  allow_origins: *\n", ["2", "quoted"]),
    ("app:\n  name: @here\n", ["2", "quoted"]),
    ("app:\n  port: 8515\n", ["2", "app.port", "admin.port"]),
    ("admin:\n  hosts: [a.example:80]\n", ["2", "admin.hosts", "without a port"]),
    ("tls:\n  ocsp_response: a.der\n", ["2", "tls.ocsp_response"]),
    ("tls:\n  cert: /none.pem\n  key: /none.key\n", ["config.yaml:2: tls.cert", "config.yaml:3: tls.key", "No such file"]),
    ("logging:\n  file: /none/x.log\n", ["config.yaml:2: logging.file"]),
    ("app: {port: 1\n", []),
    ("app:\n  port: 1\n  port: 2\n", ["port", "3"]),
]


@pytest.mark.parametrize("text, named", BAD)
def test_bad_config_is_78_and_says_where(tmp_path, text, named):
    result = check(tmp_path, text)
    assert result.returncode == 78, result
    said = result.stdout + result.stderr
    assert "config.yaml" in said
    for word in named:
        assert re.search(rf"\b{word}\b", said), said
    assert not (tmp_path / "data").exists(), "a check changes nothing"


def test_a_password_in_the_wrong_place_is_not_repeated(tmp_path):
    result = check(tmp_path, "database:\n  url: postgres://user:pass-77aa@host/db\n")
    assert result.returncode == 78 and "***@host" in result.stderr
    result = check(tmp_path, "app: {}\n", env={"DATABASE_URL": "mysql://user:pass-77aa@host/db"})
    assert result.returncode == 78 and "***@host" in result.stderr and "pass-77aa" not in result.stderr


def test_a_warning_for_an_admin_port_that_all_can_reach(tmp_path):
    assert "admin.host" in check(tmp_path, "admin:\n  host: 0.0.0.0\n").stderr
    assert "admin.host" not in check(tmp_path, "admin:\n  host: 127.0.0.1\n").stderr


def test_serve_refuses_a_bad_config_too(tmp_path):
    (tmp_path / "config.yaml").write_text("app:\n  prot: 1\n")
    assert run("serve", cwd=tmp_path).returncode == 78
    assert run("serve", "--config", "missing.yaml", cwd=tmp_path).returncode == 78


def test_good_config(tmp_path):
    assert check(tmp_path, "app: { port: 1234 }\nlogging: { level: DEBUG }\n").returncode == 0
    assert check(tmp_path, "").returncode == 0
    assert check(tmp_path, "# nothing\n").returncode == 0


def test_spec_example_is_accepted(tmp_path):
    text = """
app:      { name: FastGate, host: 0.0.0.0, port: 8514, workers: 0, timezone: "+08:00", drain_timeout: 30, debug: false }
admin:    { host: 127.0.0.1, port: 8515, allow_query_token: true }
database: { url: "sqlite:///./data/fastgate.db" }
security: { admin_token: "${FASTGATE_ADMIN_TOKEN:-x}", require_api_key: true, key_prefix: "fg_", default_expiry_days: 365 }
rate_limiting: { enabled: true, default_requests_per_minute: 0 }
logging:  { level: INFO, format: text, file: "", max_size: 100MB, backup_count: 5 }
proxy:
  connect_timeout: 5
  default_timeout: 300
  max_retries: 3
  max_body_size: 64MB
  max_idle_upstream: 64
  forward_client_ip: false
  strip_headers: [host, x-api-key, authorization, x-forwarded-for, x-real-ip, x-source-path, user-agent, content-length]
  audit_include_headers: true
  audit_include_body: false
  audit_body_max_size: 10240
audit:    { ring_size: 64MB, flush_interval_ms: 100, on_full: wait, retention_days: 0 }
cors:     { allow_origins: ["*"], allow_methods: ["*"], allow_headers: ["*"], allow_credentials: false }
tls:      { cert: "", key: "", min_version: "1.2" }
upstream_tls: { verify: true, ca_file: "" }
limits:   { max_connections: 65536, max_header_bytes: 65536, max_headers: 128, header_timeout: 10, body_timeout: 30,
            keepalive_timeout: 75, send_timeout: 60 }
"""
    result = check(tmp_path, text)
    assert result.returncode == 0, result


def test_old_keys_are_accepted_with_a_warning_each(tmp_path):
    old = ["app:\n  version: 1.0", "database:\n  echo: true\n  pool_size: 5", "security:\n  rate_limit_enabled: true"]
    old.append("proxy:\n  stream_chunk_size: 8192\n  audit_async: true\n  enable_streaming: true\n  timeout: 300")
    result = check(tmp_path, "\n".join(old) + "\n")
    assert result.returncode == 0, result
    said = result.stdout + result.stderr
    for key in ("version", "echo", "pool_size", "rate_limit_enabled", "stream_chunk_size", "audit_async", "timeout"):
        assert key in said, key


def test_command_line(tmp_path):
    version = run("version", cwd=tmp_path)
    assert version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout)
    for arguments in (["--help"], ["serve", "--help"], ["keys", "--help"], ["routes", "--help"], ["logs", "--help"]):
        result = run(*arguments, cwd=tmp_path)
        assert result.returncode == 0 and "fastgate" in result.stdout.lower(), arguments
    for arguments in (["frobnicate"], ["serve", "--nonsense"], ["keys", "frobnicate"], ["check", "--config"]):
        assert run(*arguments, cwd=tmp_path).returncode == 2, arguments


def test_environment_overrides(tmp_path, make_gateway):
    other, admin = free_port(), free_port()
    gateway = make_gateway(
        start=False, env={"APP_PORT": str(other), "ADMIN_PORT": str(admin), "DATABASE_URL": f"sqlite:///{tmp_path}/elsewhere/x.db"}
    )
    gateway.port, gateway.admin_port = other, admin
    gateway.write_config({})
    gateway.start()
    assert (tmp_path / "elsewhere" / "x.db").exists()
    assert gateway.admin("GET", "/admin/config")["app"]["port"] == other


def test_variables_expand(make_gateway):
    gateway = make_gateway(
        {"security": {"key_prefix": "${E2E_PREFIX}"}, "app": {"name": "${E2E_UNSET:-fallback}"}}, env={"E2E_PREFIX": "zz_"}
    )
    assert gateway.make_key()["key_value"].startswith("zz_")
    assert gateway.admin("GET", "/admin/config")["app"]["name"] == "fallback"


def test_first_start_makes_a_private_folder(make_gateway):
    gateway = make_gateway()
    data = gateway.folder / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in data.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_schema_is_the_contracts(make_gateway):
    gateway = make_gateway()
    columns = {
        table: {row["name"] for row in gateway.query(f"PRAGMA table_info({table})")}
        for table in ("api_keys", "audit_logs", "proxy_routes")
    }
    assert {"key_id", "key_value", "key_hint", "source_path", "permissions", "rate_limit"} <= columns["api_keys"]
    assert {"id", "request_id", "stream_chunks", "first_response_time", "response_body"} <= columns["audit_logs"]
    assert {"route_id", "match_body_schema", "strip_path_prefix", "weight"} <= columns["proxy_routes"]
    assert gateway.query("PRAGMA journal_mode")[0]["journal_mode"] == "wal"
    assert gateway.query("PRAGMA user_version")[0]["user_version"] >= 1


def test_admin_token_is_made_when_there_is_none(make_gateway):
    gateway = make_gateway(start=False)
    del gateway.env["FASTGATE_ADMIN_TOKEN"]
    gateway.start()
    files = [p for p in (gateway.folder / "data").iterdir() if "token" in p.name]
    assert len(files) == 1 and stat.S_IMODE(files[0].stat().st_mode) == 0o600
    token = files[0].read_text().strip()
    assert len(token) >= 32
    assert files[0].name in gateway.log and token not in gateway.log
    assert gateway.admin_raw("GET", "/admin/keys", token=token)[0] == 200
    assert gateway.admin_raw("GET", "/admin/keys", token="")[0] == 401
    gateway.stop()
    gateway.start()
    assert gateway.admin_raw("GET", "/admin/keys", token=token)[0] == 200, "the same token after a restart"


def test_state_survives_a_restart(make_site):
    site = make_site()
    site.route()
    site.key
    request_id = site.call().request_id
    site.gateway.audit(request_id)
    site.gateway.stop()
    site.gateway.start()
    assert site.call().status == 200
    assert site.gateway.audit(request_id)["status_code"] == 200


def test_port_in_use_is_exit_1(make_gateway):
    first = make_gateway()
    second = make_gateway(start=False)
    second.port = first.port
    second.config["app"]["port"] = first.port
    second.launch()
    assert second.wait_exit() == 1
    assert str(first.port) in second.log


def test_foreign_database_is_refused(make_gateway):
    gateway = make_gateway(start=False)
    (gateway.folder / "data").mkdir()
    with sqlite3.connect(gateway.database_file) as database:
        database.execute("CREATE TABLE cats (name TEXT)")
        database.execute("INSERT INTO cats VALUES ('Tom')")
    gateway.launch()
    assert gateway.wait_exit() in (1, 78)
    assert "fastgate.db" in gateway.log
    with sqlite3.connect(gateway.database_file) as database:
        assert database.execute("SELECT name FROM cats").fetchall() == [("Tom",)]


def test_newer_database_is_refused(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    with sqlite3.connect(gateway.database_file) as database:
        database.execute("PRAGMA user_version = 9999")
    gateway.launch()
    assert gateway.wait_exit() in (1, 78)
    assert "9999" in gateway.log


def test_sighup_reads_the_config_again(make_site):
    site = make_site({"rate_limiting": {"default_requests_per_minute": 1}})
    site.route()
    assert [site.call().status for _ in range(2)] == [200, 429]
    site.gateway.write_config({"rate_limiting": {"default_requests_per_minute": 1000}})
    site.gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: site.call().status == 200, "the new limit counts")


def test_settings_in_effect_are_shown(make_gateway):
    """What counts at the next start only is named, and shown as it is until then."""
    gateway = make_gateway()
    before = gateway.admin("GET", "/admin/config")
    changed = {"app": {"port": 1, "workers": 7, "name": "renamed"}, "audit": {"ring_size": "8MB", "retention_days": 3}}
    gateway.write_config(changed)
    for _ in range(2):
        gateway.reload()
        shown = gateway.admin("GET", "/admin/config")
        assert (shown["app"]["name"], shown["audit"]["retention_days"]) == ("renamed", 3)
        for section, name in (("app", "port"), ("app", "workers"), ("audit", "ring_size")):
            assert shown[section][name] == before[section][name]
    for name in ("app.port", "app.workers", "audit.ring_size"):
        assert gateway.log.count(f"{name} has changed; it takes effect with the next start") == 2
    gateway.write_config({"app": {"port": before["app"]["port"], "workers": 2}, "audit": {"ring_size": "4MB"}})
    gateway.reload()
    assert gateway.log.count("takes effect with the next start") == 6


def test_sighup_with_a_bad_file_keeps_the_old_settings(make_site):
    site = make_site()
    site.route()
    site.gateway.config_file.write_text("app:\n  prot: 1\n")
    site.gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "prot" in site.gateway.log, "the refusal is logged")
    assert site.call().status == 200
    assert site.gateway.process.poll() is None
    site.gateway.write_config()


def test_sigusr1_reopens_the_log_file(make_gateway):
    gateway = make_gateway(start=False)
    log = gateway.folder / "fastgate.log"
    gateway.config["logging"] = {"file": str(log), "format": "json", "level": "INFO"}
    gateway.start()
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"), "the first log line")
    lines = log.read_text().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)
    log.rename(log.with_suffix(".1"))
    gateway.process.send_signal(signal.SIGUSR1)
    wait_until(log.exists, "the log file is opened again")


# The command line's own tools


def test_keys_command(make_gateway):
    gateway = make_gateway()
    config = ["--config", str(gateway.config_file)]
    made = run("keys", "create", "--source", "/cli", *config, cwd=gateway.folder, env=gateway.env)
    if made.returncode == 2:
        made = run("keys", "create", "/cli", *config, cwd=gateway.folder, env=gateway.env)
    assert made.returncode == 0, made
    key = re.search(r"fg_\S+", made.stdout)[0].strip('",')
    listed = run("keys", "list", *config, cwd=gateway.folder, env=gateway.env)
    assert listed.returncode == 0 and "/cli" in listed.stdout and key not in listed.stdout
    site = Site(gateway)
    try:
        site.route()
        wait_until(lambda: site.call(key=key).status == 200, "the key made on the command line is taken")
        key_id = gateway.admin("GET", "/admin/keys", source_path="/cli")["items"][0]["key_id"]
        assert run("keys", "revoke", key_id, *config, cwd=gateway.folder, env=gateway.env).returncode == 0
        wait_until(lambda: site.call(key=key).status == 401, "the revoked key is refused")
    finally:
        site.close()


def test_routes_command(make_gateway, tmp_path):
    gateway = make_gateway()
    config = ["--config", str(gateway.config_file)]
    made = gateway.make_route(route_name="exported", match_path="/x/*", target_host="127.0.0.1:1", add_headers={"a": "b"})
    exported = run("routes", "export", *config, cwd=gateway.folder, env=gateway.env)
    assert exported.returncode == 0 and made["route_id"] in exported.stdout
    assert "exported" in run("routes", "list", *config, cwd=gateway.folder, env=gateway.env).stdout
    gateway.admin("DELETE", f"/admin/routes/{made['route_id']}")
    file = tmp_path / "routes.json"
    file.write_text(exported.stdout)
    imported = run("routes", "import", str(file), *config, cwd=gateway.folder, env=gateway.env)
    assert imported.returncode == 0, imported
    back = gateway.admin("GET", f"/admin/routes/{made['route_id']}")
    assert {k: back[k] for k in ("route_name", "match_path", "add_headers")} == {
        k: made[k] for k in ("route_name", "match_path", "add_headers")
    }


def test_logs_command(make_site):
    site = make_site()
    site.route()
    request_id = site.call().request_id
    site.gateway.audit(request_id)
    config = ["--config", str(site.gateway.config_file)]
    result = run("logs", "export", "--format", "ndjson", *config, cwd=site.gateway.folder, env=site.gateway.env)
    assert result.returncode == 0, result
    assert [json.loads(line)["request_id"] for line in result.stdout.splitlines()] == [request_id]


def test_unknown_admin_token_is_never_logged(make_gateway):
    gateway = make_gateway()
    gateway.admin_raw("GET", "/admin/keys", token="mistyped-secret")
    assert "mistyped-secret" not in gateway.log and ADMIN_TOKEN not in gateway.log


def test_max_connections(make_site):
    site = make_site({"limits": {"max_connections": 20}}, workers=1)
    site.route()
    held = [site.connect() for _ in range(20)]
    assert held[0].request("GET", "/", site.headers()).status == 200
    extra = Connection(site.gateway.port)
    try:
        extra.send_if_open(site.bytes("GET", "/"))
        # Refused or left waiting, but never at the cost of those that are in.
        assert held[1].request("GET", "/", site.headers()).status == 200
    finally:
        extra.close()
    for connection in held:
        connection.close()
    wait_until(lambda: _answers(site), "connections are taken again once there is room")


def _answers(site):
    try:
        return site.call().status == 200
    except Exception:
        return False


