"""Providers, prices and money, as an operator sees and changes them."""

import csv
import io
import json
from urllib.parse import quote

from conftest import PROVIDER_KEY

from harness import wait_until


def test_a_provider_from_its_making_to_its_end(dashboard, gateway, upstream, picture):
    dashboard.sign_in("#/providers")
    row = "tr[data-id=made-here]"
    dashboard.wait("tr[data-id=acme] .badge.good", "up")
    dashboard.press("#new-provider")
    dashboard.type("Name", "made here", "dialog")
    dashboard.type("Address", f"http://{upstream.host}/v1", "dialog")
    dashboard.type("Models", "m-1\nm-2", "dialog")
    # What the server refuses is shown at its field.
    dashboard.expected_console.append("422")
    dashboard.press("dialog button", "Save")
    dashboard.wait("dialog .problem", "letters, digits")
    dashboard.type("Name", "made-here", "dialog")
    picture("provider-form")
    dashboard.press("dialog button", "Save")
    dashboard.gone("dialog")
    dashboard.wait(row, "without")
    assert gateway.admin("GET", "/admin/providers/made-here")["models"] == ["m-1", "m-2"]

    # A key that is wrong, and one that is right.
    dashboard.press(f"{row} button[aria-label^='Keys of']")
    for value in ("sk-proj-that-is-not-the-right-one", PROVIDER_KEY):
        dashboard.press("#new-provider-key")
        dashboard.type("Key", value, "dialog:last-of-type")
        dashboard.press("dialog:last-of-type button.primary", "Add key")
        dashboard.wait("dialog td", f"****{value[-4:]}")
    assert PROVIDER_KEY not in dashboard.text() and PROVIDER_KEY not in dashboard.driver.page_source
    keys = {key["key_hint"][-4:]: key["key_id"] for key in gateway.admin("GET", "/admin/providers/made-here/keys")["items"]}
    picture("provider-keys")
    for hint, verdict in [("-one", "The key does not work"), ("wxyz", "The provider takes the key")]:
        dashboard.press(f"dialog tr[data-id={keys[hint]}] button[aria-label^=Test]")
        dashboard.wait("dialog:last-of-type .verdict-line", verdict)
        picture("provider-key-test")
        dashboard.press("dialog:last-of-type header button")
    place = f"dialog tr[data-id={keys['-one']}]"
    dashboard.press(f"{place} button[aria-label^='Turn off']")
    dashboard.wait(f"{place} .badge", "off")
    dashboard.press(f"{place} button[aria-label^=Delete]")
    dashboard.press("dialog.small button", "Delete")
    wait_until(lambda: not dashboard.all(place), "the key is gone")
    dashboard.press("dialog header button")
    dashboard.gone("dialog")
    dashboard.wait(row, "1 of 1 usable")

    dashboard.press(f"{row} button[aria-label^='Turn off']")
    dashboard.wait(f"{row} .badge", "off")
    dashboard.press(f"{row} button[aria-label^=Delete]")
    dashboard.press("dialog button", "Delete")
    wait_until(lambda: not dashboard.all(row), "the provider is gone")


def other_rates(dashboard, gateway, row, picture):
    """What a price says beside the usual: folded while there is nothing, checked as it is typed."""
    dashboard.press(f"{row} button[aria-label^='Set price']")
    assert not dashboard.wait("dialog details").get_attribute("open")
    dashboard.press("dialog summary", "Other rates")
    dashboard.type("JSON", '{"search": ', "dialog")
    dashboard.wait("dialog .problem", "No valid JSON")
    dashboard.type("JSON", '{"search": "10000", "variants": [{"tier": "slow", "input": "1"}]}', "dialog")
    dashboard.wait("dialog .verdict", "Valid")
    dashboard.expected_console.append("422")
    dashboard.press("dialog button", "Save")
    dashboard.wait("dialog details .problem", "rates.variants[0].tier")
    dashboard.type("JSON", '{"search": "10000", "variants": [{"tier": "flex", "input": "0.075"}]}', "dialog")
    picture("price-rates")
    dashboard.press("dialog button", "Save")
    dashboard.gone("dialog")
    rates = {"search": "10000", "variants": [{"tier": "flex", "above": 0, "input": "0.075"}]}
    assert gateway.admin("GET", "/admin/prices/acme/gpt-4o-mini")["rates"] == rates
    # A price that has some shows them, and keeps them if nothing is changed.
    dashboard.wait(row, "0.15 USD")
    dashboard.press(f"{row} button[aria-label^='Set price']")
    wait_until(lambda: dashboard.wait("dialog details").get_attribute("open"), "other rates are shown")
    assert json.loads(dashboard.wait("dialog textarea[name=rates]").get_attribute("value")) == rates
    dashboard.press("dialog button", "Save")
    dashboard.gone("dialog")
    assert gateway.admin("GET", "/admin/prices/acme/gpt-4o-mini")["rates"] == rates


def test_prices_and_aliases(dashboard, gateway, picture):
    dashboard.sign_in("#/models")
    row = "tr[data-id='acme/gpt-4o-mini']"
    assert "unknown" in dashboard.wait(row).text
    dashboard.press(f"{row} button[aria-label^='Set price']")
    dashboard.type("Input", "0.15", "dialog")
    dashboard.type("Output", "0,6", "dialog")
    dashboard.expected_console.append("422")
    dashboard.press("dialog button", "Save")
    dashboard.wait("dialog .problem", "decimal number")
    dashboard.type("Output", "0.6", "dialog")
    picture("price-form")
    dashboard.press("dialog button", "Save")
    dashboard.gone("dialog")
    dashboard.wait(row, "0.15 USD")
    assert gateway.admin("GET", "/admin/prices/acme/gpt-4o-mini")["output"] == "0.6"
    other_rates(dashboard, gateway, row, picture)
    dashboard.press(f"{row} button[aria-label^='Delete the price']")
    dashboard.press("dialog button", "Delete")
    dashboard.wait(row, "unknown")

    dashboard.press("#new-alias")
    dashboard.type("Alias", "org/fast", "dialog")
    dashboard.type("Stands for", "acme/gpt-4o-mini\ngpt-4o", "dialog")
    dashboard.press("dialog button", "Save")
    alias = "tr[data-alias='org/fast']"
    assert "acme/gpt-4o-mini" in dashboard.wait(alias).text
    dashboard.press(f"{alias} button[aria-label^=Delete]")
    dashboard.press("dialog button", "Delete")
    wait_until(lambda: not dashboard.all(alias), "the alias is gone")


def test_built_in_prices_are_taken(dashboard, gateway):
    dashboard.sign_in("#/models")
    row = "tr[data-id='acme/gpt-4o-mini']"
    assert "unknown" in dashboard.wait(row).text
    dashboard.press("#built-in-prices")
    dashboard.wait(row, "USD")
    assert gateway.admin("GET", "/admin/prices/acme/gpt-4o")["imported"] is False, "what was set by hand is kept"
    for price in gateway.admin("GET", "/admin/prices", limit=1000)["items"]:
        if price["imported"]:
            gateway.admin("DELETE", f"/admin/prices/{price['provider']}/{quote(price['model'], safe='')}", expect=204)


def test_spend_and_its_file(dashboard, gateway):
    dashboard.sign_in("#/spend")
    # Three requests of 1000 and 200 tokens at 2.5 and 10 dollars a million.
    dashboard.wait(".figure .value", "0.0135 USD")
    dashboard.wait("section[data-group=key]", "research/budget")
    assert "gpt-4o" in dashboard.wait("section[data-group=model]").text
    place = dashboard.wait("a[data-export=key]").get_attribute("href")
    text = dashboard.driver.execute_async_script("fetch(arguments[0]).then(answer => answer.text()).then(arguments[1])", place)
    [line] = csv.DictReader(io.StringIO(text))
    assert line["source_path"] == "research/budget" and line["cost_USD"] == "0.0135" and line["total_tokens"] == "3600"


def test_a_key_shows_and_changes_its_budget(dashboard, gateway):
    [key] = gateway.admin("GET", "/admin/keys", source_path="research/budget")["items"]
    dashboard.sign_in("#/keys?source_path=research/budget")
    row = f"tr[data-id={key['key_id']}]"
    assert "0.0135 of 25 USD" in dashboard.wait(row).text
    dashboard.press(f"{row} button[aria-label^=Edit]")
    dashboard.type("Money", "0.01", "dialog")
    dashboard.press("dialog button", "Save")
    dashboard.gone("dialog")
    dashboard.wait(f"{row} .problem", "0.0135 of 0.01 USD")
    dashboard.press(f"{row} button[aria-label^='Count the budget']")
    dashboard.press("dialog button", "Count the budget")
    dashboard.wait(row, "0.00 of 0.01 USD")
    gateway.admin("PATCH", f"/admin/keys/{key['key_id']}", {"max_amount": "25"})


def test_a_provider_without_a_key_is_tested_too(dashboard, gateway, upstream):
    gateway.admin("POST", "/admin/providers", {"name": "keyless", "base_url": f"http://{upstream.host}/v1", "models": ["gpt-4o-mini"]}, expect=201)
    dashboard.sign_in("#/providers")
    dashboard.press("tr[data-id=keyless] button[aria-label^='Keys of']")
    dashboard.press("#test-provider")
    # The upstream wants a key: that it says so is an answer, but none with models.
    dashboard.wait("dialog:last-of-type .verdict-line", "does not answer as it should")
    dashboard.press("dialog:last-of-type header button")
    dashboard.press("dialog header button")
    dashboard.gone("dialog")
    dashboard.press("tr[data-id=acme] button[aria-label^='Keys of']")
    dashboard.press("#test-provider")
    dashboard.wait("dialog:last-of-type .verdict-line", "The provider answers")
    gateway.admin("DELETE", "/admin/providers/keyless")


def test_the_match_tester_tells_of_providers(dashboard, gateway, picture):
    [key] = gateway.admin("GET", "/admin/keys", source_path="research/budget")["items"]
    # A key with a budget of money gets nothing that has no price in its currency.
    price = {"input": "2.5", "output": "10", "currency": key["currency"]}
    status, _, answer = gateway.admin_raw("PUT", "/admin/prices/spare/gpt-4o", price)
    assert status in (200, 201), answer
    dashboard.sign_in("#/routes")
    dashboard.press("#match-route")
    dashboard.type("Path", "/openai/v1/chat/completions", "dialog")
    dashboard.type("Body", '{"model": "gpt-4o", "max_tokens": 5}', "dialog")
    dashboard.type("Caller's key", key["key_id"], "dialog")
    dashboard.press("dialog button", "Find the route")
    dashboard.wait("dialog .verdict-line", "a provider of gpt-4o does: weighted among acme, spare")
    assert "takes 75 % of such requests" in dashboard.wait("dialog .candidates .matched").text
    picture("provider-match")
    dashboard.type("Body", '{"model": "acme/other"}', "dialog")
    dashboard.press("dialog button", "Find the route")
    dashboard.wait("dialog .verdict-line", "not allowed to use this model")


def test_who_takes_a_request_is_found_among_many_routes(dashboard, gateway, upstream):
    for number in range(12):
        gateway.make_route(route_id=f"many-{number}", match_path=f"/many/{number}", target_host=upstream.host, priority=number)
    dashboard.sign_in("#/routes")
    dashboard.press("#match-route")
    dashboard.type("Path", "/many/11", "dialog")
    dashboard.press("dialog button", "Find the route")
    taking = dashboard.wait("dialog .candidates")
    assert "takes it" in taking.text and len(dashboard.all("dialog .match-result > .candidates > li")) == 1
    dashboard.press("dialog summary", "others, and why not")
    dashboard.wait("dialog details .candidates", "/many/11")
    for number in range(12):
        gateway.admin("DELETE", f"/admin/routes/many-{number}", expect=204)


def test_a_request_shows_what_it_used(dashboard, gateway):
    [record, *_] = gateway.admin("GET", "/admin/usage/records", provider="acme")["items"]
    dashboard.sign_in(f"#/logs/{record['request_id']}")
    dashboard.wait("dialog h3", "Summary")
    text = dashboard.text()
    assert "Model and usage" in text and "acme" in text and "asked for as smart" in text and "1,000 in, 200 out" in text
    assert dashboard.wait("dialog a[href^='/admin/usage/records/']")


def test_the_master_key_is_rotated(dashboard, gateway):
    before = (gateway.database_file.parent / "master_key").read_text()
    dashboard.sign_in("#/settings")
    dashboard.wait("#master-key .badge.good", "ready")
    dashboard.press("#master-key button", "Rotate")
    dashboard.press("dialog button", "Rotate")
    wait_until(lambda: (gateway.database_file.parent / "master_key").read_text() != before, "the file holds another one")
    dashboard.wait("#master-key .badge.good", "ready")
    assert gateway.admin("GET", "/admin/master-key")["unreadable_keys"] == 0
