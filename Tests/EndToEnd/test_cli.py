"""The command line against a running gateway, and without one."""

import json
import subprocess
import threading

import pytest

from harness import ADMIN_TOKEN, Site, wait_until
from harness.cli import command_line


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    from harness import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("cli")).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def cli(shared):
    def run(*arguments, expect=0, **kw):
        result = command_line(shared, *arguments, **kw)
        assert result.returncode == expect, result
        return result

    return run


@pytest.fixture
def site(shared):
    site = Site(shared)
    yield site
    site.close()


def test_a_keys_life(cli, site):
    site.route()
    key = json.loads(cli("keys", "create", "cli-life", "-p", "chat", "--rate-limit", "100", "--json").stdout)
    value, key_id = key["key_value"], key["key_id"]
    assert site.call(key=value).status == 200
    assert site.call(target="/v1/embeddings", key=value).status == 403
    cli("keys", "update", key_id, "-p", "embeddings", "--set", 'source_path=cli-"life"')
    assert site.call(target="/v1/embeddings", key=value).status == 200
    shown = cli("keys", "show", key_id)
    assert 'cli-"life"' in shown.stdout and value not in shown.stdout + shown.stderr
    assert [one["key_id"] for one in json.loads(cli("keys", "list", "--search", key_id[4:], "--json").stdout)] == [key_id]
    assert "turned off" in cli("keys", "toggle", key_id).stdout
    assert site.call(target="/v1/embeddings", key=value).status == 401
    cli("keys", "toggle", key_id)
    rotated = json.loads(cli("keys", "rotate", key_id, "--json").stdout)["key_value"]
    assert site.call(target="/v1/embeddings", key=value).status == 401
    assert site.call(target="/v1/embeddings", key=rotated).status == 200
    assert cli("keys", "revoke", key_id, "key_none", expect=1).stdout.startswith("revoked")
    cli("keys", "revoke", key_id, "--delete")
    cli("keys", "show", key_id, expect=1)


def test_a_routes_life(cli, site):
    upstream = site.upstream
    condition = f"x-test={site.name}"
    made = json.loads(
        cli(
            *("routes", "create", "cli-route", "--path", "/v1/*", "--target", f"http://{upstream.host}/base"),
            *("--match-header", condition, "--strip-prefix", "-H", "x-set=a=b", "--body-field", 'extra={"n":1}', "--json"),
        ).stdout
    )
    answer = site.call("POST", "/v1/chat/completions", b'{"model":"m"}', [("Content-Type", "application/json")])
    assert answer.status == 200
    request = upstream.wait_requests()
    assert request.target == "/base/chat/completions" and request.header("x-set") == "a=b"
    assert request.json() == {"model": "m", "extra": {"n": 1}}

    match = cli("routes", "match", "/v1/x", "-H", f"x-test: {site.name}")
    assert f"cli-route takes it, to http://{upstream.host}/base/x" in match.stdout
    assert "the path /other does not match" in cli("routes", "match", "/other", expect=1).stdout
    assert json.loads(cli("routes", "test", "cli-route", "--json").stdout)["ok"] is True
    assert json.loads(cli("routes", "update", "cli-route", "--timeout", "7", "--json").stdout)["timeout"] == 7
    assert made["route_id"] in cli("routes", "show", "cli-route").stdout
    cli("routes", "toggle", "cli-route")
    assert site.call("GET", "/v1/x").status == 404
    assert "cli-route" not in cli("routes", "list", "--active").stdout
    cli("routes", "delete", "cli-route", made["route_id"], expect=1)
    assert "cli-route" not in cli("routes", "list").stdout


def test_what_is_empty_is_no_value(cli):
    """A variable that is not set must not widen what a key may do, nor stand for a file."""
    for arguments in (["keys", "create", "x", "-p", ""], ["keys", "create", "x", "-p", ","], ["keys", "list", "--token-file", ""]):
        assert "must not be empty" in cli(*arguments, expect=2).stderr
    assert "--config must not be empty" in cli("check", "--config=", expect=2, config=False).stderr


def test_logs_are_listed_shown_and_exported(cli, site, shared, tmp_path):
    site.route()
    request_id = site.call().request_id
    row = shared.audit(request_id)
    page = json.loads(cli("logs", "list", "--source", f"/{site.name}", "--json").stdout)
    assert [item["request_id"] for item in page["items"]] == [request_id]
    assert row["id"] in cli("logs", "list", "--source", f"/{site.name}", "--status", "2xx").stdout
    assert json.loads(cli("logs", "show", row["id"], "--json").stdout)["request_id"] == request_id
    assert request_id in cli("logs", "show", row["id"]).stdout
    file = tmp_path / "out.ndjson"
    cli("logs", "export", "--source", f"/{site.name}", "--format", "ndjson", "-o", str(file))
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == [row["id"]]
    assert json.loads(cli("logs", "export", "--json", "--source", "/nobody").stdout) == []
    assert request_id not in cli("logs", "tail", "--errors").stdout
    two = [site.call().request_id for _ in range(2)]
    for request_id in two:
        shared.audit(request_id)
    first = json.loads(cli("logs", "list", "-n", "2", "--source", f"/{site.name}", "--json").stdout)
    assert "--cursor" in cli("logs", "list", "-n", "2", "--source", f"/{site.name}").stderr
    arguments = ("logs", "list", "-n", "2", "--source", f"/{site.name}", "--cursor", first["next_cursor"], "--json")
    assert [item["id"] for item in json.loads(cli(*arguments).stdout)["items"]] == [row["id"]]


def test_status_and_metrics(cli, site, shared):
    site.route()
    shared.audit(site.call().request_id)
    status = cli("status")
    assert "ok" in status.stdout and f"127.0.0.1:{shared.admin_port}" in status.stdout
    report = json.loads(cli("status", "--json").stdout)
    assert report["status"] == "ok" and report["metrics"]["total_requests"] >= 1
    assert json.loads(cli("metrics", "--json").stdout)["total_requests"] >= 1
    assert len(json.loads(cli("metrics", "--hours", "5", "--json").stdout)["items"]) == 5
    assert "fastgate_requests_total" in cli("metrics", "--prometheus").stdout
    assert "REQUESTS" in cli("metrics", "--days", "2").stdout


def test_top_is_a_snapshot_when_piped(cli, site):
    site.route()
    site.gateway.audit(site.call().request_id)
    text = cli("top", "-i", "0.1").stdout
    assert "requests/s" in text and "ROUTES AND UPSTREAMS" in text and "\x1b" not in text
    snapshots = [json.loads(line) for line in cli("top", "-i", "0.1", "-n", "2", "--json").stdout.splitlines()]
    assert len(snapshots) == 2 and snapshots[1]["requests"] >= 1
    assert any(key["source_path"] == f"/{site.name}" for key in snapshots[1]["keys"])


def test_colours_when_asked_for(cli):
    assert "\x1b[" not in cli("keys", "list").stdout
    assert "\x1b[1m" in cli("keys", "list", "--color", "always").stdout
    assert "\x1b[" in cli("--color=always", "routes", "list", env={"NO_COLOR": "1"}).stdout


def test_from_elsewhere(cli, shared, tmp_path):
    url = f"http://127.0.0.1:{shared.admin_port}"
    bare = {"FASTGATE_ADMIN_TOKEN": "", "DATABASE_URL": f"sqlite:///{tmp_path}/none/x.db"}
    assert "no admin token" in cli("keys", "list", "--url", url, config=False, env=bare, expect=1).stderr
    token = tmp_path / "token"
    token.write_text(ADMIN_TOKEN + "\n")
    cli("keys", "list", "--url", url, "--token-file", str(token), config=False, env=bare)
    cli("status", config=False, env={**bare, "FASTGATE_URL": url, "FASTGATE_TOKEN_FILE": str(token)})
    wrong = cli("keys", "list", "--url", url, env={"FASTGATE_ADMIN_TOKEN": "x" * 20}, expect=1)
    assert "does not accept the admin token" in wrong.stderr and "x" * 20 not in wrong.stderr
    # A token of the configuration was not meant for another machine.
    config = tmp_path / "config.yaml"
    config.write_text(f'security: {{ admin_token: "{ADMIN_TOKEN}" }}\n')
    other = cli("keys", "list", "-c", str(config), "--url", "http://192.0.2.1:1", config=False, env=bare, expect=1)
    assert "no admin token for http://192.0.2.1:1" in other.stderr
    assert "neither http nor https" in cli("keys", "list", "--url", "ftp://127.0.0.1", expect=2).stderr
    refused = cli("keys", "list", "--url", "http://127.0.0.1:1", expect=1).stderr
    assert "cannot be reached" in refused and "Is the gateway running" in refused


def test_a_short_token_serves_from_a_file_too(make_gateway, tmp_path):
    gateway = make_gateway(env={"FASTGATE_ADMIN_TOKEN": "short-1"}, start=False).launch()
    wait_until(lambda: gateway.log.count(" serves address="), "the gateway serves")
    (tmp_path / "token").write_text("short-1\n")
    options = ["--url", f"http://127.0.0.1:{gateway.admin_port}", "--token-file", str(tmp_path / "token")]
    result = command_line(gateway, "keys", "list", "--json", *options, env={"FASTGATE_ADMIN_TOKEN": ""})
    assert (result.returncode, result.stdout) == (0, "[]\n"), result


def test_without_a_gateway(make_gateway):
    gateway = make_gateway(start=False)
    gateway.write_config()
    assert command_line(gateway, "status").returncode == 1
    assert "nothing has been stored yet" in command_line(gateway, "keys", "list").stderr
    key = json.loads(command_line(gateway, "keys", "create", "before", "--json").stdout)
    made = command_line(gateway, "routes", "create", "r", "--path", "/*", "--target", "http://127.0.0.1:1")
    assert made.returncode == 0, made
    assert "r takes it" in command_line(gateway, "routes", "match", "/x").stdout
    gateway.start()
    assert json.loads(command_line(gateway, "keys", "show", key["key_id"], "--json").stdout)["source_path"] == "before"
    site = Site(gateway)
    assert site.call(key=key["key_value"]).status == 502


def test_a_check_names_all_errors(tmp_path, make_gateway):
    gateway = make_gateway(start=False)
    bad = tmp_path / "bad.yaml"
    bad.write_text("app:\n  prot: 1\n  workers: many\nlogging: { level: LOUD, acess: true }\n")
    result = command_line(gateway, "check", "--config", str(bad), config=False)
    assert result.returncode == 78
    said = result.stderr
    for words in ("bad.yaml:2: app.prot", "did you mean app.port?", "bad.yaml:3: app.workers: must be an integer",
                  "bad.yaml:4: logging.level: must be DEBUG, INFO, WARNING or ERROR", "did you mean logging.access?"):
        assert words in said, said
    report = json.loads(command_line(gateway, "check", "-c", str(bad), "--json", config=False).stdout)
    assert not report["ok"] and len(report["errors"]) == 4
    # Whoever reads the configuration refuses it the same way.
    for arguments in (["serve"], ["keys", "list"], ["top"]):
        assert command_line(gateway, *arguments, "-c", str(bad), config=False).returncode == 78


def test_a_draining_gateway_says_so(make_site):
    site = make_site()
    site.route()
    site.upstream.handler = lambda exchange: (exchange.read_body(), exchange.head(200), exchange.wait_gone())
    connection = site.connect()
    connection.send(site.bytes("GET", "/"))
    site.upstream.wait_requests()
    site.gateway.terminate()
    wait_until(lambda: site.gateway.health(site.gateway.admin_port)[0] == 503, "it is draining")
    result = command_line(site.gateway, "status")
    assert result.returncode == 1 and "draining" in result.stdout
    connection.close()
    assert site.gateway.wait_exit() == 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_access_log(make_site, form):
    site = make_site({"logging": {"access": True, "format": form, "level": "WARNING"}, "audit": {"flush_interval_ms": 5}})
    site.route(route_name="logged")
    site.upstream.handler = lambda exchange: exchange.answer(201, b"{}")
    request_id = site.call("POST", "/v1/chat/completions?key=secret-in-query&a=1", b"{}").request_id
    row = site.gateway.audit(request_id)
    wait_until(lambda: request_id in site.gateway.log, "the exchange has its line")
    line = next(line for line in site.gateway.log.splitlines() if request_id in line)
    assert "secret-in-query" not in site.gateway.log
    if form == "text":
        assert "INFO  POST /v1/chat/completions?a=1 " in line
        assert f"route=logged key_id={site.key_id} " in line and "status=201" in line
        return
    entry = json.loads(line)
    assert entry["level"] == "info" and entry["message"] == "POST /v1/chat/completions?a=1"
    assert entry["time"] == row["response_time"]
    wanted = {"request_id": request_id, "route": "logged", "key_id": site.key_id, "status": 201, "bytes_in": 2, "bytes_out": 2}
    assert {name: entry[name] for name in wanted} == wanted
    assert entry["upstream"] == f"http://{site.upstream.host}" and entry["ms"] == row["response_time_ms"]

    # A stream outlives the batch that has its beginning.
    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(b"data: 1\n\n")
        begun.wait(10)
        exchange.last_chunk()

    begun = threading.Event()
    site.upstream.handler = script
    connection = site.connect()
    connection.send(site.bytes("POST", "/v1/stream", body=b"{}"))
    open_row = "SELECT 1 FROM audit_logs WHERE first_response_time IS NOT NULL AND response_time IS NULL"
    wait_until(lambda: site.gateway.query(open_row), "the beginning is stored")
    begun.set()
    request_id = connection.read_response("POST").request_id
    wait_until(lambda: request_id in site.gateway.log, "the stream has its line")
    entry = json.loads(next(line for line in site.gateway.log.splitlines() if request_id in line))
    assert entry["route"] == "logged" and entry["stream"] is True and entry["chunks"] == 1
    refused = site.call(key="fg_wrong")
    wait_until(lambda: refused.request_id in site.gateway.log, "what is refused has its line too")
    entry = json.loads(next(line for line in site.gateway.log.splitlines() if refused.request_id in line))
    assert entry["status"] == 401 and "route" not in entry and "fg_wrong" not in site.gateway.log


def test_the_pipe_may_close(shared):
    process = subprocess.Popen(
        f"'{binary_path()}' man | head -n 1", shell=True, cwd=shared.folder, env=shared.env, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )
    out, err = process.communicate(timeout=20)
    assert out.startswith(".TH FASTGATE 1") and err == ""


@pytest.mark.parametrize("where, why", [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
@pytest.mark.parametrize("words", ["keys list", "logs export", "routes export", "usage --csv", "metrics --prometheus", "man", "--help"])
def test_what_cannot_be_written_is_a_failure(shared, words, where, why):
    command = f"'{binary_path()}' {words} {where}"
    env = {**shared.env, "FASTGATE_CONFIG": str(shared.config_file)}
    done = subprocess.run(command, shell=True, cwd=shared.folder, env=env, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (1, f"fastgate: standard output: {why}\n")


def binary_path():
    from harness.gateway import binary

    return binary()
