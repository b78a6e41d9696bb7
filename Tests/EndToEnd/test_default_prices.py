"""What models cost that nobody has set a price for: the built-in prices that a new database begins with."""

import json

import pytest

from harness.providers import Providers

ON = {"providers": {"default_prices": True}}


@pytest.fixture
def fresh(tmp_path):
    site = Providers(tmp_path, ON)
    yield site
    site.close()


def prices(site) -> dict:
    items = site.gateway.admin("GET", "/admin/prices?limit=1000")["items"]
    return {f"{price['provider']}/{price['model']}": price for price in items}


def cost(site, model, **fields):
    request_id = site.new_id()
    response = site.ask(model, headers=[("x-request-id", request_id)], **fields)
    assert response.status == 200, response.body
    return site.usage(request_id)["cost_micros"]


def answering(**fields):
    def handle(exchange):
        exchange.read_body()
        exchange.answer(200, json.dumps({"object": "chat.completion", "choices": [], **fields}).encode())

    return handle


def test_a_new_gateway_knows_what_models_cost(fresh):
    site = fresh.start()
    site.provider("acme", models="gpt-4o,gpt-5.5,mine")
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}}
    acme = site.upstreams["acme"]

    acme.handler = answering(model="gpt-4o", usage=usage)
    assert cost(site, "gpt-4o") == 600 * 2.5 + 400 * 1.25 + 100 * 10
    acme.handler = answering(model="gpt-4o", usage=usage, service_tier="priority")
    assert cost(site, "gpt-4o") == 600 * 4.25 + 400 * 2.125 + 100 * 17
    acme.handler = answering(model="gpt-5.5", usage={"prompt_tokens": 272_001, "completion_tokens": 10})
    assert cost(site, "gpt-5.5") == 272_001 * 10 + 10 * 45
    acme.handler = answering(model="mine", usage=usage)
    assert cost(site, "mine") is None

    # They are prices like any others.
    price = prices(site)["openai/gpt-4o"]
    assert price["imported"] and price["max_output_tokens"] == 16384 and price["max_input_tokens"] == 128_000
    [listed] = site.gateway.admin("GET", "/admin/models", provider="acme", model="gpt-4o")["items"]
    assert listed["price"]["input"] == "2.5" and listed["price_from"] == "api_type"
    assert " 0 added, 0 changed" in " " + site.command("prices", "import")


def test_what_an_operator_changes_stays(fresh):
    site = fresh.start()
    site.provider("acme", models="gpt-4o,gpt-4o-mini,o3")
    site.command("prices", "set", "gpt-4o", "--provider", "acme", "--input", "1000", "--output", "0")
    site.command("prices", "set", "gpt-4o-mini", "--provider", "openai", "--input", "2000", "--output", "0")
    site.command("prices", "remove", "o3", "--provider", "openai")
    for _ in range(2):
        assert cost(site, "gpt-4o") == 9000 and cost(site, "gpt-4o-mini") == 18_000 and cost(site, "o3") is None
        site.gateway.stop()
        site.gateway.start()
    # A file replaces what was built in, and not what was set by hand.
    site.prices({("openai", "gpt-4.1"): (7, 8), ("openai", "gpt-4o-mini"): (7, 8)})
    known = prices(site)
    assert known["openai/gpt-4.1"]["input"] == "7" and known["openai/gpt-4o-mini"]["input"] == "2000"


def test_the_command_line_makes_a_database_with_them(fresh):
    fresh.command("keys", "create", "team-a")
    assert "claude-opus-5" in fresh.command("prices", "list", "--provider", "anthropic")
    fresh.start()
    assert len(prices(fresh)) > 100


@pytest.mark.parametrize("by_command", [False, True], ids=["by the gateway", "by a command"])
def test_switched_off_there_are_none_and_a_database_that_exists_gets_none(tmp_path, by_command):
    site = Providers(tmp_path, {"providers": {"default_prices": False}})
    try:
        if by_command:
            site.command("keys", "create", "team-a")
        site.start()
        assert prices(site) == {}
        site.gateway.stop()
        site.gateway.write_config(ON)
        site.gateway.start()
        assert prices(site) == {}
        site.gateway.stop()
        assert "gpt-4o" not in site.command("prices", "list")

        # Such a database is given them by a command, whether a gateway runs or not; what is set by hand stays.
        site.command("prices", "set", "gpt-4o-mini", "--provider", "openai", "--input", "9", "--output", "9")
        done = json.loads(site.command("prices", "import", "--json"))
        assert done["added"] > 100 and done["kept"] == 1 and done["skipped"] == 0
        site.gateway.start()
        assert site.command("prices", "import").startswith("0 added, 0 changed")
        assert prices(site)["openai/gpt-4o"]["input"] == "2.5" and prices(site)["openai/gpt-4o-mini"]["input"] == "9"
        assert json.loads(site.command("prices", "import", "--replace", "--json"))["changed"] == 1
        assert prices(site)["openai/gpt-4o-mini"]["input"] == "0.15"
    finally:
        site.close()
