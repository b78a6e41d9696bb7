"""Providers, money and limits through the admin API: what is changed there counts for the next request."""

import json
import urllib.parse

import pytest

from harness import ADMIN_TOKEN, wait_until
from harness.providers import Providers, chat, failing

SECRET = "sk-proj-a-key-that-nobody-may-see-0001"


def models(exchange):
    """Answers a list of models to those who have the right key, and chats."""
    if exchange.request.target.split("?")[0].endswith("/models"):
        exchange.read_body()
        if exchange.request.header("authorization") != f"Bearer {SECRET}":
            # As some do, it repeats the key.
            text = json.dumps({"error": {"message": f"no such key: {exchange.request.header('authorization')}"}})
            return exchange.answer(401, text.encode(), [("Content-Type", "application/json")])
        listed = {"object": "list", "data": [{"id": "m-1"}, {"id": "m-2"}]}
        return exchange.answer(200, json.dumps(listed).encode(), [("Content-Type", "application/json")])
    return chat(exchange)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from harness import Upstream

    site = Providers(tmp_path_factory.mktemp("admin-providers"))
    site.upstreams["one"] = Upstream(models)
    site.start()
    yield site
    site.close()
    # Whatever happened, the key is nowhere in clear.
    for file in site.gateway.folder.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file
    assert SECRET not in site.gateway.log


@pytest.fixture
def made(site, request):
    """A provider with a key, made through the API; gone after the test."""
    name = request.node.name.split("[")[0][-40:].strip("_")
    site.upstreams["one"].handler = models
    admin = site.gateway.admin
    provider = admin("POST", "/admin/providers", {
        "name": name, "base_url": f"http://{site.upstreams['one'].host}/v1", "models": ["m-1", "org/m:free"]}, expect=201)
    key = admin("POST", f"/admin/providers/{name}/keys", {"key": SECRET, "label": "first"}, expect=201)
    yield provider, key
    site.gateway.admin_raw("DELETE", f"/admin/providers/{name}")


def path_of(made) -> str:
    return f"/admin/providers/{made[0]['name']}/keys/{made[1]['key_id']}"


def ask(site, model, key=None, **fields):
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, **fields}
    request_id = site.new_id()
    return site.call(body, key=key, headers=[("x-request-id", request_id)]), request_id


def test_a_provider_made_through_the_api_serves_at_once(site, made):
    name = made[0]["name"]
    admin = site.gateway.admin
    admin("PUT", f"/admin/prices/{name}/m-1", {"input": "1", "output": "10", "currency": "USD"})
    answer, request_id = ask(site, f"{name}/m-1")
    assert answer.status == 200 and answer.header("x-fastgate-provider") == name
    assert site.upstreams["one"].requests[-1].header("authorization") == f"Bearer {SECRET}"
    assert answer.header("x-fastgate-cost") == "0.000049"
    record = site.usage(request_id)

    # What it cost shows by key, model and day, in its row of the audit, and at a glance.
    for group, expected in [("model", "m-1"), ("provider", name), ("source", "/e2e"), ("key", record["key_id"])]:
        report = admin("GET", "/admin/usage", group_by=group, provider=name)
        [line] = report["items"]
        assert line["name"] == expected and line["total_tokens"] == 13
        assert line["costs"] == [{"currency": "USD", "amount": "0.000049"}]
    [day] = admin("GET", "/admin/usage", group_by="day", provider=name)["items"]
    assert day["requests"] == 1 and len(day["name"]) == 10
    row = wait_until(lambda: site.gateway.audit(request_id), "the audit has it")
    detail = admin("GET", f"/admin/logs/{row['id']}")
    used = admin("GET", detail["usage_url"])
    assert used["request_id"] == request_id and used["cost"] == "0.000049" and used["attempts"] == []
    assert admin("GET", used["log_url"])["usage_url"] == detail["usage_url"]
    assert admin("GET", "/admin/usage/records", provider=name)["total"] == 1
    assert admin("GET", "/admin/metrics/summary")["all_time"]["requests"] >= 1
    shares = admin("GET", "/admin/metrics/models-distribution", provider=name)
    assert shares["items"][0]["request_share"] == 1
    [listed] = admin("GET", "/admin/models", provider=name, model="m-1")["items"]
    assert listed["price"]["output"] == "10" and listed["is_up"] is True
    assert admin("GET", "/admin/models", provider=name, priced="false")["items"][0]["price_from"] == "unknown"


def test_a_record_without_a_row_in_the_audit_points_to_none(tmp_path):
    site = Providers(tmp_path, {"audit": {"enabled": False}})
    site.provider("one", models="m")
    site.start()
    try:
        answer, request_id = ask(site, "m")
        assert answer.status == 200
        used = site.gateway.admin("GET", f"/admin/usage/records/{site.usage(request_id)['id']}")
        assert used["request_id"] == request_id and used["log_url"] is None
    finally:
        site.close()


def test_switches_take_effect_at_once(site, made):
    name = made[0]["name"]
    admin = site.gateway.admin
    assert ask(site, f"{name}/m-1")[0].status == 200
    assert admin("POST", f"{path_of(made)}/toggle")["enabled"] is False
    assert ask(site, f"{name}/m-1")[0].status == 503
    assert admin("POST", f"{path_of(made)}/toggle")["enabled"] is True
    assert ask(site, f"{name}/m-1")[0].status == 200
    assert admin("POST", f"/admin/providers/{name}/toggle")["enabled"] is False
    assert ask(site, f"{name}/m-1")[0].status in (404, 503)
    admin("PATCH", f"/admin/providers/{name}", {"enabled": True})
    assert ask(site, f"{name}/m-1")[0].status == 200
    admin("DELETE", f"/admin/providers/{name}")
    assert ask(site, f"{name}/m-1")[0].status == 404


def test_an_alias_counts_at_once(site, made):
    name = made[0]["name"]
    admin = site.gateway.admin
    alias = urllib.parse.quote("my/best", safe="")
    admin("POST", "/admin/aliases", {"name": "my/best", "targets": [f"{name}/m-1"]}, expect=201)
    assert ask(site, "my/best")[0].header("x-fastgate-model") == "m-1"
    admin("PATCH", f"/admin/aliases/{alias}", {"targets": [f"{name}/org/m:free"]})
    assert ask(site, "my/best")[0].header("x-fastgate-model") == "org/m:free"
    admin("DELETE", f"/admin/aliases/{alias}")
    assert ask(site, "my/best")[0].status == 404


def test_a_key_is_tested_with_a_real_request(site, made):
    before = len(site.upstreams["one"].requests)
    result = site.gateway.admin("POST", f"{path_of(made)}/test")
    assert result["ok"] and result["fault"] == "none" and result["status"] == 200 and result["models"] == 2
    assert result["connect_ms"] >= 0 and 0 <= result["first_byte_ms"] <= result["total_ms"]
    [request] = site.upstreams["one"].requests[before:]
    assert request.target == "/v1/models" and request.header("authorization") == f"Bearer {SECRET}"


@pytest.mark.parametrize("status, fault", [(401, "key_invalid"), (402, "key_quota"), (403, "key_forbidden"), (429, "rate_limited"), (500, "server_error"), (503, "overloaded")])
def test_a_key_test_classifies_the_fault(site, made, status, fault):
    site.upstreams["one"].handler = failing(status, message=f"the key {SECRET} will not do")
    code, _, data = site.gateway.admin_raw("POST", f"{path_of(made)}/test")
    result = json.loads(data)
    assert code == 200 and not result["ok"] and result["fault"] == fault and result["status"] == status
    assert SECRET.encode() not in data
    # It is only a test: the key's state is what requests have shown.
    assert site.gateway.admin("GET", path_of(made))["state"] == "ok"


def test_a_disabled_key_shows_why_and_gets_another_try(site, made):
    name = made[0]["name"]
    admin = site.gateway.admin
    site.upstreams["one"].handler = failing(401)
    assert ask(site, f"{name}/m-1")[0].status != 200
    key = admin("GET", path_of(made))
    assert key["state"] == "disabled" and key["state_reason"] == "key_invalid"
    assert admin("GET", f"/admin/providers/{name}")["keys"]["disabled"] == 1
    site.upstreams["one"].handler = models
    assert ask(site, f"{name}/m-1")[0].status == 503
    assert admin("PATCH", path_of(made), {"state": "ok"})["state"] == "ok"
    assert ask(site, f"{name}/m-1")[0].status == 200


def test_a_new_provider_is_asked_for_its_models(site):
    admin = site.gateway.admin
    site.upstreams["one"].handler = models
    admin("POST", "/admin/providers", {"name": "lister", "base_url": f"http://{site.upstreams['one'].host}"}, expect=201)
    wait_until(lambda: site.upstreams["one"].requests, "it is asked, though it has no key")
    # Its answer was no; a key makes it be asked anew, at once.
    admin("POST", "/admin/providers/lister/keys", {"key": SECRET}, expect=201)
    found = wait_until(lambda: admin("GET", "/admin/providers/lister")["discovered_models"], "models are known")
    assert found == ["m-1", "m-2"]
    assert {one["model"]: one["discovered"] for one in admin("GET", "/admin/models", provider="lister")["items"]} == {
        "m-1": True, "m-2": True}
    admin("DELETE", "/admin/providers/lister")


def test_limits_of_a_callers_key(site, made):
    name = made[0]["name"]
    admin = site.gateway.admin
    admin("PUT", f"/admin/prices/{name}/m-1", {"input": "1", "output": "10"})
    caller = site.gateway.make_key(allowed_models=["m-*"], max_amount="0.00018", budget_period="daily")
    path, value = f"/admin/keys/{caller['key_id']}", caller["key_value"]
    assert ask(site, f"{name}/m-1", key=value)[0].status == 200
    assert ask(site, f"{name}/org/m:free", key=value)[0].status == 403
    spent = wait_until(lambda: (key := admin("GET", path))["tokens_spent"] and key, "the spending is settled")
    assert spent["amount_spent"] == "0.000049" and spent["tokens_spent"] == 13 and spent["budget_resets_at"]
    refused = ask(site, f"{name}/m-1", key=value)[0]
    assert refused.status == 429 and refused.json()["error"]["code"] == "insufficient_quota"
    assert admin("POST", f"{path}/reset-budget")["amount_spent"] == "0"
    assert ask(site, f"{name}/m-1", key=value)[0].status == 200
    admin("PATCH", path, {"max_amount": None, "allowed_models": None})
    assert ask(site, f"{name}/m-1", key=value)[0].status == 200
    assert ask(site, f"{name}/org/m:free", key=value)[0].status == 200


def test_a_price_file_of_many_megabytes_is_taken(site):
    entries = {f"bulk/m-{n}": {"litellm_provider": "bulk", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
                               "source": "x" * 2000} for n in range(1000)}
    body = json.dumps(entries).encode()
    assert len(body) > 2 << 20
    done = site.gateway.admin("POST", "/admin/prices/import", body)
    assert done == {"added": 1000, "changed": 0, "unchanged": 0, "kept": 0, "skipped": 0}
    assert site.gateway.admin("GET", "/admin/prices", provider="bulk", model="m-99")["total"] == 11
    # Any other body stays small.
    assert site.gateway.admin_raw("POST", "/admin/providers", b"{" + b" " * (2 << 20) + b"}")[0] == 413


def test_all_of_it_wants_the_token(site, made):
    for method, path in [
        ("GET", "/admin/providers"), ("POST", "/admin/providers"), ("GET", path_of(made)), ("POST", f"{path_of(made)}/test"),
        ("GET", "/admin/models"), ("GET", "/admin/aliases"), ("GET", "/admin/prices"), ("POST", "/admin/prices/import"),
        ("GET", "/admin/usage"), ("GET", "/admin/usage/records"), ("GET", "/admin/metrics/summary"),
        ("GET", "/admin/metrics/models-distribution"),
    ]:
        assert site.gateway.admin_raw(method, path, {} if method == "POST" else None, token=None)[0] == 401
    assert ADMIN_TOKEN not in site.gateway.log


def test_without_its_master_key_the_gateway_runs_and_says_so(site, made, tmp_path):
    """A database whose master key is lost: everything works but keys."""
    site = Providers(tmp_path)
    site.provider("one", models="m-1")
    (site.gateway.database_file.parent / "master_key").unlink()
    site.start()
    try:
        [key] = site.gateway.admin("GET", "/admin/providers/one/keys")["items"]
        assert key["readable"] is False
        for path, body in [("/admin/providers/one/keys", {"key": "k" * 30}), (f"/admin/providers/one/keys/{key['key_id']}/test", None)]:
            status, _, data = site.gateway.admin_raw("POST", path, body)
            assert status == 503 and json.loads(data)["error"]["code"] == "master_key_locked"
    finally:
        site.close()


def test_the_command_line_asks_the_running_gateway(site):
    """Unlike before a start, when the same commands work on the database."""
    upstream = site.upstreams["one"]
    upstream.handler = models
    added = site.command(
        "providers", "add", "by-hand", "--base-url", f"http://{upstream.host}/v1", "--models", "m-1,m-2",
        "-H", "X-Curl: a=b", "-H", "X-Pair=a: b")
    assert added == "added by-hand\n"
    assert site.gateway.admin("GET", "/admin/providers/by-hand")["headers"] == {"X-Curl": "a=b", "X-Pair": "a: b"}
    key_id = site.command("providers", "keys", "add", "by-hand", "--label", "cli", stdin=SECRET + "\n").strip()
    assert ask(site, "by-hand/m-1")[0].status == 200
    listed = site.command("providers", "keys", "list", "by-hand")
    assert key_id in listed and "sk-proj-****0001" in listed and SECRET not in listed
    assert json.loads(site.command("providers", "list", "--json"))
    assert "none" in site.command("providers", "keys", "test", key_id)
    upstream.handler = failing(401)
    assert "key_invalid" in site.command("providers", "keys", "test", key_id, fails=True)
    upstream.handler = models

    site.command("aliases", "set", "cli/alias", "by-hand/m-1")
    site.command("aliases", "set", "cli/alias", "by-hand/m-2")
    assert ask(site, "cli/alias")[0].header("x-fastgate-model") == "m-2"
    assert site.command("aliases", "remove", "cli/alias") == "removed cli/alias\n"
    assert ask(site, "cli/alias")[0].status == 404

    site.command("prices", "set", "m-1", "--provider", "by-hand", "--input", "1", "--output", "10")
    answer, request_id = ask(site, "by-hand/m-1")
    assert answer.header("x-fastgate-cost") == "0.000049"
    site.usage(request_id)
    assert "0.000049 USD" in site.command("usage", "--by", "model", "--provider", "by-hand")
    assert "cost_USD" in site.command("usage", "--by", "key", "--csv")
    assert "there is no price" in site.command("prices", "remove", "m-1", fails=True)
    assert site.command("prices", "import", "/nowhere.json", fails=True).count("/nowhere.json") == 1
    site.command("prices", "remove", "m-1", "--provider", "by-hand")

    made = json.loads(site.command("keys", "create", "cli", "--max-amount", "12.50", "--budget-period", "daily", "--json"))
    assert made["max_amount"] == "12.5" and made["budget_period"] == "daily"
    site.command("keys", "update", made["key_id"], "--max-amount", "none", "--model", "m-*")
    shown = site.gateway.admin("GET", f"/admin/keys/{made['key_id']}")
    assert shown["max_amount"] is None and shown["allowed_models"] == ["m-*"]

    assert site.command("providers", "toggle", "by-hand").strip() == "off"
    site.command("providers", "keys", "remove", key_id)
    site.command("providers", "remove", "by-hand")
    assert "there is no provider" in site.command("providers", "remove", "by-hand", fails=True)
