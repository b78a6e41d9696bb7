"""POST /admin/routes/match for requests that go to providers: each reason for which one is left out, and who takes it."""

import datetime
import json

import pytest

from harness import wait_until
from harness.providers import Providers, chat, failing


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("explain"), workers=1)
    site.provider("one", models="m,only-one")
    site.provider("two", models="m", keys=("sk-two-key-000000001", "sk-two-key-000000002"), weight=3)
    site.provider("late", models="m", priority=200)
    site.provider("claude", type="anthropic", models="m", path="")
    site.provider("other", models="something")
    site.provider("unknown", host="127.0.0.1:9", keys=())
    site.alias("chain", "late/m", "one/m")
    site.prices({("one", "m"): (1, 1)})
    site.start()
    yield site
    site.close()


def explain(site, model="m", path="/v1/chat/completions", **fields):
    body = {"model": model, "messages": [], **fields.pop("body", {})}
    return site.gateway.admin("POST", "/admin/routes/match", {"method": "POST", "path": path, "body": body, **fields})


def by_name(answer) -> dict:
    return {one["provider"]: one for one in answer["provider"]["candidates"]}


def test_who_takes_it_by_which_rule(site):
    found = explain(site)["provider"]
    assert found["error"] is None and found["rule"] == "weighted among one, two" and not found["alias"]
    of = {one["provider"]: one for one in found["candidates"]}
    assert (of["one"]["share"], of["two"]["share"], of["late"]["share"]) == (0.25, 0.75, 0)
    assert of["two"]["reason"] == "takes 75 % of such requests"
    assert of["late"]["usable"] and of["late"]["group"] == 1 and "comes in when" in of["late"]["reason"]
    assert not of["claude"]["usable"] and "format" in of["claude"]["reason"]
    assert of["other"]["reason"] == "the provider does not list this model" and of["other"]["group"] is None
    assert of["unknown"]["reason"] == "no list of the provider's models is known"
    chain = explain(site, "chain")["provider"]
    assert chain["alias"] and [(one["provider"], one["share"]) for one in chain["candidates"]] == [("late", 1), ("one", 0)]
    assert "alias" in chain["rule"]
    named = explain(site, "claude/m")["provider"]
    assert named["rule"] == "the name says which provider" and named["candidates"][0]["reason"] == "takes the request"
    assert explain(site, "nothing")["provider"]["error"] == "no provider has this model"
    answered = [site.ask("m").header("x-fastgate-provider") for _ in range(24)]
    assert set(answered) == {"one", "two"}


def test_a_route_that_takes_it_leaves_providers_out(site):
    route = site.gateway.make_route(match_path="/v1/chat/**", target_host="127.0.0.1:9")
    try:
        found = explain(site)
        assert found["matched"] and found["provider"] is None
        assert explain(site, path="/v1/embeddings")["provider"] is not None
    finally:
        site.gateway.admin("DELETE", f"/admin/routes/{route['route_id']}")
    assert site.gateway.admin("POST", "/admin/routes/match", {"path": "/v1/models"})["provider"] is None


def test_disabled_by_the_operator(site):
    site.gateway.admin("POST", "/admin/providers/two/toggle")
    try:
        found = explain(site)
        assert by_name(found)["two"]["reason"] == "the provider is disabled" and by_name(found)["one"]["share"] == 1
        assert found["provider"]["rule"] == "the first usable one by priority"
    finally:
        site.gateway.admin("POST", "/admin/providers/two/toggle")


def test_keys_that_cool_say_until_when_and_those_refused_say_so(site):
    def learn(name, script, count):
        site.upstreams[name].then(*[script] * count)
        assert site.ask(f"{name}/m").status in (429, 503)

    learn("two", failing(429, "rate_limit_exceeded", [("Retry-After", "40")]), 2)
    learn("one", failing(401, "invalid_api_key"), 1)
    try:
        of = by_name(explain(site))
        assert of["two"]["reason"] == "all its keys rest after a rate limit"
        back = datetime.datetime.fromisoformat(of["two"]["back_at"]) - datetime.datetime.now(datetime.timezone.utc)
        assert 20 < back.total_seconds() <= 41
        assert "disabled by what the provider said" in of["one"]["reason"] and of["one"]["back_at"] is None
        assert of["late"]["share"] == 1 and site.ask("m").header("x-fastgate-provider") == "late"
        site.gateway.admin("POST", "/admin/providers/late/toggle")
        assert explain(site)["provider"]["error"] == "no candidate can be used" and site.ask("m").status == 503
        site.gateway.admin("POST", "/admin/providers/late/toggle")
    finally:
        for name in ("one", "two"):
            for key in site.gateway.admin("GET", f"/admin/providers/{name}/keys")["items"]:
                wait_until(lambda: site.gateway.admin("GET", f"/admin/providers/{name}/keys/{key['key_id']}")["state"] != "ok", "the state is stored")
                site.gateway.admin("PATCH", f"/admin/providers/{name}/keys/{key['key_id']}", {"state": "ok"})
    assert by_name(explain(site))["two"]["usable"]


def test_keys_switched_off(site):
    [key] = site.gateway.admin("GET", "/admin/providers/one/keys")["items"]
    place = f"/admin/providers/one/keys/{key['key_id']}"
    site.gateway.admin("PATCH", place, {"enabled": False})
    assert by_name(explain(site))["one"]["reason"] == "it has no enabled key that can be read"
    site.gateway.admin("PATCH", place, {"enabled": True})


def test_an_open_breaker_says_until_when(site):
    site.upstreams["other"].handler = failing(500)
    for _ in range(3):
        site.ask("something")
    found = explain(site, "something")
    one = by_name(found)["other"]
    assert one["reason"] == "its circuit breaker is open after failures" and one["back_at"]
    assert found["provider"]["error"] == "no candidate can be used"
    site.upstreams["other"].handler = chat


def test_what_the_key_may_not_use(site):
    key = site.gateway.make_key(allowed_models=["one/*", "something"])
    found = explain(site, key_id=key["key_id"])
    assert by_name(found)["two"]["reason"] == "the key's allowed_models do not hold this model"
    assert by_name(found)["one"]["share"] == 1
    assert {site.ask("m", key=key["key_value"]).header("x-fastgate-provider") for _ in range(8)} == {"one"}
    others = explain(site, key_id=key["key_id"], body={"fallbacks": ["m"]})
    wanted = "the key's models are limited, and the request names others besides"
    assert by_name(others)["one"]["reason"] == wanted
    assert others["provider"]["error"] == "the API key's models are limited, and the request names others besides"
    assert site.call({"model": "m", "messages": [], "fallbacks": ["m"]}, key=key["key_value"]).status == 403
    none = site.gateway.make_key(allowed_models=["else"])
    assert explain(site, key_id=none["key_id"])["provider"]["error"] == "the API key is not allowed to use this model"
    assert explain(site, "nobody-has-it", key_id=none["key_id"])["provider"]["error"] == "the API key is not allowed to use this model"
    assert explain(site, "else", key_id=none["key_id"])["provider"]["error"] == "no provider has this model"
    route = site.gateway.make_route(match_path="/v1/chat/**", target_host="127.0.0.1:9")
    assert explain(site, key_id=none["key_id"])["error"].startswith("the API key is not allowed to use this model")
    assert explain(site, key_id=key["key_id"], model="something")["error"] is None
    site.gateway.admin("DELETE", f"/admin/routes/{route['route_id']}")


@pytest.mark.parametrize("limits, says", [
    ({"max_tokens": 60}, "the API key has 60 tokens left, the request may take"),
    ({"max_amount": "0.000060"}, "the API key has 0.000060 USD left, the request may cost 0."),
])
def test_what_is_beyond_the_budget(site, limits, says):
    key = site.gateway.make_key(**limits)
    found = explain(site, "only-one" if "max_tokens" in limits else "one/m", key_id=key["key_id"])
    assert found["provider"]["error"].startswith(says)
    small = {"max_tokens": 5}
    assert explain(site, "one/m", key_id=key["key_id"], body=small)["provider"]["error"] is None
    answer = site.call({"model": "one/m", "messages": []}, key=key["key_value"])
    assert answer.status == 429 and answer.json()["error"]["code"] == "insufficient_quota"
    assert site.call({"model": "one/m", "messages": [], **small}, key=key["key_value"]).status == 200


def test_keys_that_are_not_there(site):
    assert site.gateway.admin_raw("POST", "/admin/routes/match", {"path": "/", "key_id": "key_no"})[0] == 422
    key = site.gateway.make_key()
    site.gateway.admin("POST", f"/admin/keys/{key['key_id']}/toggle")
    assert "not active" in explain(site, key_id=key["key_id"])["error"]


def test_the_command_line_shows_it(site):
    body = json.dumps({"model": "m", "messages": []})
    shown = site.command("routes", "match", "/v1/chat/completions", "-d", body)
    assert "a provider of m takes it: weighted among one, two" in shown and "does not list this model" in shown
    key = site.gateway.make_key(allowed_models=["else"])
    assert "not allowed" in site.command("routes", "match", "/v1/chat/completions", "-d", body, "--key", key["key_id"], fails=True)
    # Without a gateway, from the database.
    site.gateway.stop()
    assert "weighted among one, two" in site.command("routes", "match", "/v1/chat/completions", "-d", body)
    site.gateway.start()
