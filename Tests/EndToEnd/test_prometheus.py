"""SPEC section 12: what Prometheus sees, told by Prometheus' own tools where they are installed."""

import json
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from harness import free_port, wait_until
from harness.gateway import ROOT

DEPLOY = ROOT / "deploy"


def tool(name):
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed (Debian's package prometheus)")
    return found


def account(gateway):
    values = gateway.metrics()
    named = {r: values[f'fastgate_audit_events_total{{result="{r}"}}'] for r in ("accepted", "committed", "dropped")}
    return named["accepted"], named["committed"], values["fastgate_audit_events_pending"], named["dropped"]


def settled(gateway, events):
    """The account once so many events have been recorded and nothing is on its way. An exchange's closing event is
    recorded after its last byte went out: the client may be faster."""
    def quiet():
        now = account(gateway)
        return now[0] >= events and now[2] == 0 and now
    return wait_until(quiet, "all audit events are recorded and none is pending")


def test_promtool_has_nothing_to_say(site):
    """Whatever has been counted: requests, refusals, errors of targets."""
    site.route(retry_count=1)
    site.route(match_path="/dead", target_host=f"127.0.0.1:{free_port()}", priority=1)
    for target in ("/", "/dead"):
        site.call(target=target)
    site.call(key=None)
    _, _, text = site.gateway.admin_raw("GET", "/metrics")
    done = subprocess.run([tool("promtool"), "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stdout and not done.stderr, done.stdout + done.stderr


def test_a_prometheus_scrapes_it(site, tmp_path):
    prometheus = tool("prometheus")
    site.route()
    assert site.call().status == 200
    config = tmp_path / "prometheus.yml"
    target = f"127.0.0.1:{site.gateway.admin_port}"
    shutil.copy(DEPLOY / "prometheus/alerts.yml", tmp_path)
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["alerts.yml"],
                "scrape_configs": [{"job_name": "fastgate", "static_configs": [{"targets": [target]}]}],
            }
        )
    )
    port = free_port()
    command = [prometheus, f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data"]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def ask(query):
        url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return [(r["metric"], float(r["value"][1])) for r in json.load(response)["data"]["result"]]
        except OSError:
            assert process.poll() is None, (tmp_path / "log").read_text()
            return []

    try:
        up = wait_until(lambda: ask('up{job="fastgate"} == 1'), "the scrape is well", 30)
        assert up[0][1] == 1
        for query in (
            "sum(fastgate_requests_total) > 0",
            "histogram_quantile(0.5, sum by (le) (fastgate_gateway_overhead_seconds_bucket)) > 0",
            "histogram_quantile(0.5, sum by (le) (fastgate_first_byte_seconds_bucket)) > 0",
            "fastgate_build_info == 1",
            'fastgate_audit_events_total{result="accepted"} - ignoring(result) '
            'fastgate_audit_events_total{result="committed"} - ignoring(result) '
            'fastgate_audit_events_total{result="dropped"} - ignoring(result) fastgate_audit_events_pending == 0',
        ):
            assert wait_until(lambda: ask(query), query, 10), query
    finally:
        process.terminate()
        process.wait(20)


def test_alerts_do_what_they_promise():
    promtool = tool("promtool")
    folder = DEPLOY / "prometheus"
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run([promtool, *command], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard_and_alerts_ask_for_what_there_is(site):
    """Every metric and label that the shipped files name is one that the gateway exports."""
    site.route(retry_count=1, match_path="/dead", target_host=f"127.0.0.1:{free_port()}")
    site.call(target="/dead")
    site.route(match_path="/busy", retry_count=1)
    site.upstream.then(lambda exchange: exchange.answer(503))
    site.call(target="/busy")
    exported, labels = set(), set()
    for name in site.gateway.metrics():
        exported.add(name.split("{")[0])
        labels |= set(re.findall(r'(\w+)="', name))
    dashboard = json.loads((DEPLOY / "grafana/fastgate.json").read_text())
    queries = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) >= 12
    rules = (DEPLOY / "prometheus/alerts.yml").read_text()
    rules = "\n".join(line for line in rules.splitlines() if not line.lstrip().startswith("#"))
    for text in [*queries, rules]:
        for name in re.findall(r"\b((?:fastgate|process)_[a-z_]+)\b", text):
            assert name in exported, f"{name} in {text}"
    for text in queries:
        for group in re.findall(r"by \(([^)]*)\)", text):
            assert {g.strip() for g in group.split(",")} <= labels | {"instance", "le"}, text


def test_the_documentation_names_every_metric(site):
    """And no other, each with its labels."""
    site.route()
    site.call()
    text = site.gateway.admin_raw("GET", "/metrics")[2].decode()
    exported = {name for name in re.findall(r"^# TYPE (\S+)", text, re.M) if not name.startswith("process_")}
    table = (ROOT / "docs" / "admin-api.md").read_text().split("### GET /metrics")[1].split("\n### ")[0]
    rows = [row.split("|")[1:4] for row in table.splitlines() if row.startswith("| `")]
    documented = {name: labels for names, labels, _ in rows for name in re.findall(r"`([a-z_]+)`", names)}
    documented |= {name: "" for name in re.findall(r"`(fastgate_[a-z_]+)`", " ".join(row[2] for row in rows)) if name in exported}
    assert exported - documented.keys() == set(), "exported, but not documented"
    assert {name for name in documented if "*" not in name} - exported == set(), "documented, but not there"
    for name, labels in documented.items():
        found = {label for sample in re.findall(rf"^{name}(?:_bucket)?{{(.*)}} ", text, re.M) for label in re.findall(r'(\w+)="', sample)}
        assert found - {"le"} <= set(re.findall(r"\w+", labels)) or "*" in labels, f"{name}: {found}"


# The time in the gateway


def test_time_in_the_gateway_is_measured(make_site):
    """One exchange in sixteen, the first of each worker among them; waiting for the upstream does not count."""
    site = make_site(workers=1)
    site.route()
    name = "fastgate_gateway_overhead_seconds"

    def slow(exchange):
        time.sleep(0.15)
        exchange.answer(200, b"late")

    def counted(count):
        """The metrics once so many are counted, which is after the answer went out."""
        def there():
            values = site.gateway.metrics()
            assert values[f"{name}_count"] <= count
            return values[f"{name}_count"] == count and values
        return wait_until(there, f"{count} exchanges are measured")

    site.upstream.handler = slow
    assert site.call().status == 200
    values = counted(1)
    assert 0 < values[f"{name}_sum"] < 0.1
    site.upstream.handler = lambda exchange: exchange.answer(200, b"x")
    with site.connect() as connection:
        for _ in range(32):
            assert connection.request("GET", "/", site.headers()).status == 200
    values = counted(3)
    assert values[f'{name}_bucket{{le="+Inf"}}'] == 3
    # What the gateway answers itself is measured too.
    with site.connect() as connection:
        for _ in range(16):
            connection.request("GET", "/", site.headers(key="nobody's"))
    counted(4)


def test_histograms_reach_from_100_microseconds_to_ten_minutes(site):
    site.route()
    site.call()
    names = site.gateway.metrics()
    for name in ("fastgate_first_byte_seconds", "fastgate_request_duration_seconds"):
        bounds = sorted(
            {float(m) for n in names if n.startswith(name) for m in re.findall(r'le="([\d.e-]+)"', n)}
        )
        assert bounds[0] == 0.0001 and bounds[-1] == 600
        assert all(b / a <= 3 for a, b in zip(bounds, bounds[1:])), bounds


# The audit's account


def test_audit_account_at_any_moment(make_site):
    """accepted = committed + pending + dropped, while the database is locked and after."""
    site = make_site({"audit": {"flush_interval_ms": 5}})
    gateway = site.gateway
    site.route()
    assert site.call().status == 200
    accepted, committed, pending, dropped = settled(gateway, 2)
    assert accepted == committed > 0 and dropped == 0
    lock = sqlite3.connect(gateway.database_file, isolation_level=None, timeout=10)
    lock.execute("BEGIN IMMEDIATE")
    for _ in range(10):
        assert site.call().status == 200
        a, c, p, d = account(gateway)
        assert a == c + p + d
    wait_until(lambda: account(gateway)[2] >= 20, "the closing events are recorded")
    assert account(gateway)[1] == committed
    lock.execute("ROLLBACK")
    lock.close()
    a, c, p, d = settled(gateway, accepted + 20)
    assert a == c and d == 0


def test_audit_account_counts_what_is_dropped(make_site):
    site = make_site({"audit": {"flush_interval_ms": 5, "on_full": "drop", "ring_size": "256KB"}}, workers=1)
    gateway = site.gateway
    site.route()
    assert site.call().status == 200
    settled(gateway, 2)
    lock = sqlite3.connect(gateway.database_file, isolation_level=None, timeout=10)
    lock.execute("BEGIN IMMEDIATE")

    def full():
        assert site.call(headers=[("x-filler", "f" * 3000)]).status == 200
        a, c, p, d = account(gateway)
        assert a == c + p + d
        return d >= 3

    wait_until(full, "events are dropped", 30)
    lock.execute("ROLLBACK")
    lock.close()
    a, c, p, d = settled(gateway, 2)
    assert a == c + d and d >= 3


def test_events_of_a_dead_process_are_counted_apart(make_site):
    site = make_site({"audit": {"flush_interval_ms": 60_000}})
    gateway = site.gateway
    site.route()

    def waiting():
        """The first batch is written at the start, however late that is; what comes then waits for a minute."""
        assert site.call().status == 200
        return account(gateway)[2] >= 2

    wait_until(waiting, "events wait")
    gateway.kill()
    gateway.start()
    assert gateway.metrics()["fastgate_audit_recovered_events_total"] >= 2
    assert account(gateway) == (0, 0, 0, 0)
