"""Outages: retries within a budget, names that fail, change or never come."""

import time

import pytest
from harness import Upstream, free_port, wait_until
from harness.names import NameServer


def metric(gateway, start: str) -> float:
    return sum(value for name, value in gateway.metrics().items() if name.startswith(start))


# The retry budget


def test_retries_are_a_share_of_the_traffic(make_site):
    site = make_site({"proxy": {"retry_budget": 20, "retry_budget_floor": 0}}, workers=1)
    site.route(retry_count=3)
    site.upstream.handler = lambda exchange: exchange.answer(503)
    connection = site.connect()
    for _ in range(50):
        assert connection.request("GET", "/", site.headers()).status == 503
    assert len(site.upstream.requests) == 60
    assert metric(site.gateway, "fastgate_retries_total") == 10


def test_without_a_budget_there_are_no_retries(make_site):
    site = make_site({"proxy": {"retry_budget": 0, "retry_budget_floor": 0}})
    site.route(retry_count=3, priority=1)
    good = site.new_upstream() if site.upstream else None
    site.upstream.handler = lambda exchange: exchange.answer(503)
    assert site.call().status == 503
    assert len(site.upstream.requests) == 1
    site.route(good, priority=2)
    assert site.call().status == 200, "another route is taken all the same"
    assert len(site.upstream.requests) == 2


def test_a_target_comes_back_after_its_cool_down(make_site):
    """Left out after five failures, tried by one request once the cool-down is over, then back for all."""
    site = make_site({"proxy": {"retry_budget": 0, "retry_budget_floor": 0}}, workers=1)
    bad = site.new_upstream(lambda exchange: exchange.answer(503))
    good = site.new_upstream()
    site.route(bad, priority=1, retry_count=1)
    site.route(good, priority=2)
    connection = site.connect()
    for _ in range(20):
        assert connection.request("GET", "/", site.headers()).status == 200
    assert len(bad.requests) == 5
    bad.handler = lambda exchange: exchange.answer(200, b"back")

    def is_back():
        time.sleep(0.1)
        return connection.request("GET", "/", site.headers()).body == b"back"

    wait_until(is_back, "the probe lets the target back in", 10)
    assert connection.request("GET", "/", site.headers()).body == b"back"


# Names


@pytest.fixture
def names(tmp_path):
    try:
        servers = [NameServer(), NameServer()]
    except PermissionError:
        pytest.skip("port 53 is not for us")
    file = tmp_path / "resolv.conf"
    file.write_text(servers[0].line)
    yield servers, file
    for server in servers:
        server.close()


def named_site(make_site, file, **proxy):
    return make_site({"proxy": {"resolv_conf": str(file), "connect_timeout": 0.5, "max_retries": 0, **proxy}}, workers=1)


def test_a_name_that_nobody_answers_for_is_504(make_site, names):
    (server, _), file = names
    server.silent = True
    site = named_site(make_site, file)
    site.route(target_host="silent.example:80", priority=1)
    response = site.call()
    assert response.status == 504 and response.json()["error"]["code"] == "upstream_dns_timeout"
    assert site.gateway.audit(response.request_id)["error_message"]
    assert metric(site.gateway, "fastgate_upstream_errors_total") == 1
    assert server.queries


def test_a_name_that_does_not_exist_is_502(make_site, names):
    _, file = names
    site = named_site(make_site, file, connect_timeout=10)
    site.route(target_host="nowhere.example:80")
    response = site.call()
    assert response.status == 502 and response.json()["error"]["code"] == "upstream_dns_failed"


def test_a_name_that_moves_is_followed(make_site, names):
    (server, _), file = names
    site = named_site(make_site, file, connect_timeout=10)
    server.addresses["moving.example"] = "127.0.0.1"
    site.route(target_host=f"moving.example:{site.upstream.port}")
    assert site.call().body == b'{"ok":true}'
    server.addresses["moving.example"] = "127.0.0.9"
    moved = Upstream(lambda exchange: exchange.answer(200, b"moved"), port=site.upstream.port, address="127.0.0.9")
    site.upstreams.append(moved)

    def is_followed():
        site.upstreams[0].close_idle()
        return site.call().body == b"moved"

    wait_until(is_followed, "the record's time to live is over")


def test_other_name_servers_are_taken_up(make_site, names):
    (first, second), file = names
    first.silent = True
    site = named_site(make_site, file)
    second.addresses["late.example"] = "127.0.0.1"
    site.route(target_host=f"late.example:{site.upstream.port}")
    assert site.call().status == 504
    file.write_text(second.line)
    wait_until(lambda: site.call().status == 200, "the new name server is asked")


# Faults, each with its code, its reason in the audit and its count


# TCP goes to no group of hosts: the kernel refuses at once, and nothing is sent.
UNREACHABLE = "224.0.0.1:9"


@pytest.mark.parametrize(
    "fault, status, code, reason",
    [
        ("refused", 502, "upstream_connect_failed", "connect"),
        ("unreachable", 502, "upstream_unreachable", "connect"),
        ("close", 502, "upstream_closed", "reset"),
        ("reset", 502, "upstream_closed", "reset"),
        ("half a head", 502, "upstream_closed", "reset"),
        ("garbage", 502, "upstream_malformed_response", "protocol"),
        ("silence", 504, "upstream_timeout", "timeout"),
    ],
)
def test_faults_before_the_answer(make_site, fault, status, code, reason):
    # Who does not wait for it to run out has time.
    site = make_site({"proxy": {"default_timeout": 0.3 if fault == "silence" else 20, "max_retries": 0}})
    scripts = {
        "close": lambda exchange: exchange.close(),
        "reset": lambda exchange: exchange.reset(),
        "half a head": lambda exchange: (exchange.send(b"HTTP/1.1 200 OK\r\nContent-Le"), exchange.close()),
        "garbage": lambda exchange: exchange.send(b"garbage\r\n\r\n"),
        "silence": lambda exchange: exchange.wait_gone(),
    }
    targets = {"refused": lambda: f"127.0.0.1:{free_port()}", "unreachable": lambda: UNREACHABLE}
    if fault in scripts:
        site.upstream.handler = scripts[fault]
        site.route()
    else:
        site.route(target_host=targets[fault]())
    response = site.call()
    assert (response.status, response.json()["error"]["code"]) == (status, code)
    row = site.gateway.audit(response.request_id)
    assert row["status_code"] == status and row["error_message"]
    assert sum(v for k, v in site.gateway.metrics().items() if f'reason="{reason}"' in k) == 1
