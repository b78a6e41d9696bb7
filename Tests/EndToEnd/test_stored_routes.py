"""Routes that are stored and no longer in order: served, named, turned off and mended."""

import json
import sqlite3

from harness import wait_until


def reasons(gateway, **request) -> dict[str, str]:
    answer = gateway.admin("POST", "/admin/routes/match", request)
    return {candidate["route_id"]: candidate["reason"] for candidate in answer["candidates"]}


def test_a_route_whose_variable_is_gone(make_site):
    site = make_site(env={"E2E_TOKEN": "t"})
    gateway = site.gateway
    first, rest = site.new_upstream(), site.new_upstream()
    site.route(first, route_id="first", match_path="/a", add_headers={"x-token": "${E2E_TOKEN}"}, priority=1)
    site.route(rest, route_id="rest", match_path="/*", priority=500)
    assert site.call(target="/a").status == 200 and first.requests[-1].header("x-token") == "t"
    gateway.stop()
    del gateway.env["E2E_TOKEN"]
    gateway.start()

    assert site.call(target="/a").status == 200 and len(rest.requests) == 1, "it falls through to the next route"
    assert "E2E_TOKEN" in gateway.log
    assert gateway.health(gateway.admin_port)[1]["problems"] == ["routes_not_served"]
    why = reasons(gateway, path="/a", headers={"x-test": site.name})
    assert list(why) == ["first", "rest"]
    assert "is not served" in why["first"] and "add_headers" in why["first"] and "E2E_TOKEN" in why["first"]

    # Active it has to be in order; anything else may be done with it.
    assert gateway.refusal("PATCH", "/admin/routes/first", {"priority": 2})["param"] == "add_headers"
    assert gateway.admin("POST", "/admin/routes/first/toggle")["is_active"] is False
    assert gateway.health(gateway.admin_port)[1]["problems"] == []
    assert gateway.refusal("POST", "/admin/routes/first/toggle")["param"] == "add_headers"
    assert gateway.admin("PATCH", "/admin/routes/first", {"is_active": False, "priority": 2})["priority"] == 2
    gateway.admin("PATCH", "/admin/routes/first", {"is_active": True, "add_headers": {"x-token": "plain"}})
    assert site.call(target="/a").status == 200 and first.requests[-1].header("x-token") == "plain"


def test_patch_turns_off_what_cannot_be_served(make_site):
    site = make_site(env={"E2E_TOKEN": "t"})
    gateway = site.gateway
    site.route(route_id="r", add_headers={"x-token": "${E2E_TOKEN}"})
    gateway.stop()
    del gateway.env["E2E_TOKEN"]
    gateway.start()
    assert gateway.admin("PATCH", "/admin/routes/r", {"is_active": False})["is_active"] is False
    assert gateway.health(gateway.admin_port)[1]["problems"] == []


def test_a_provider_whose_variable_is_missing(make_gateway):
    """As of routes: what could not be served is not stored, what no longer can be is off until it is in order."""
    gateway = make_gateway(env={"E2E_TOKEN": "t"})
    provider = {"name": "p", "base_url": "http://127.0.0.1:1/v1", "models": ["m"]}
    error = gateway.refusal("POST", "/admin/providers", {**provider, "headers": {"x": "${E2E_NONE}"}}, expect=422)
    assert error["param"] == "headers" and "E2E_NONE" in error["message"]
    assert gateway.admin("GET", "/admin/providers")["total"] == 0
    gateway.admin("POST", "/admin/providers", {**provider, "headers": {"x": "${E2E_TOKEN}"}}, expect=201)
    gateway.stop()
    del gateway.env["E2E_TOKEN"]
    gateway.start()
    assert gateway.health(gateway.admin_port)[1]["problems"] == ["providers_not_served"]
    assert gateway.refusal("PATCH", "/admin/providers/p", {"weight": 2}, expect=422)["param"] == "headers"
    assert gateway.admin("POST", "/admin/providers/p/toggle")["enabled"] is False
    assert gateway.refusal("POST", "/admin/providers/p/toggle", expect=422)["param"] == "headers"
    assert gateway.admin("PATCH", "/admin/providers/p", {"enabled": True, "headers": None})["enabled"] is True
    assert gateway.health(gateway.admin_port)[1]["problems"] == []


def test_what_an_earlier_version_stored_goes_on_as_it_did(make_site):
    """Version 0.1 took {"type": "chat"} for members to compare, and paths that no request can have."""
    site = make_site()
    gateway = site.gateway
    site.route(route_id="old", match_body_schema={"model": "x"})
    site.route(route_id="never", match_path="/a")
    gateway.stop()
    database = sqlite3.connect(gateway.database_file)
    was = json.dumps({"type": "chat", "model": "m"})
    database.execute("UPDATE proxy_routes SET match_body_schema = ? WHERE route_id = 'old'", (was,))
    database.execute("UPDATE proxy_routes SET match_path = '/ä' WHERE route_id = 'never'")
    database.commit()
    database.close()
    gateway.start()

    def status(body):
        return site.call("POST", "/", json.dumps(body).encode()).status

    assert status({"type": "chat", "model": "m", "more": 1}) == 200
    assert status({"type": "chat", "model": "n"}) == 404
    warnings = [line for line in gateway.log.splitlines() if "earlier version" in line]
    assert len(warnings) == 2 and any("old" in w and "match_body_schema" in w for w in warnings)
    assert gateway.health(gateway.admin_port)[1]["problems"] == []
    for route in ("old", "never"):
        assert gateway.admin("PATCH", f"/admin/routes/{route}", {"description": "kept"})["description"] == "kept"
        gateway.admin("PUT", f"/admin/routes/{route}", gateway.admin("GET", f"/admin/routes/{route}"))
        gateway.admin("POST", f"/admin/routes/{route}/toggle")
        gateway.admin("POST", f"/admin/routes/{route}/toggle")
    assert status({"type": "chat", "model": "m"}) == 200
    assert gateway.refusal("PATCH", "/admin/routes/old", {"match_body_schema": {"type": "talk"}})["param"] == "match_body_schema"


def test_a_start_says_that_the_database_is_locked(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    blocker = sqlite3.connect(gateway.database_file, isolation_level=None)
    try:
        blocker.execute("BEGIN IMMEDIATE")
        gateway.launch()
        wait_until(lambda: "another process has locked the database" in gateway.log, "the log says what it waits for")
        blocker.execute("ROLLBACK")
    finally:
        blocker.close()
    wait_until(gateway._is_ready, "it starts once the lock is gone", 20)
    assert gateway.log.count("another process has locked the database") == 1
