"""What was learned of a provider, and what an operator changes meanwhile."""

import pytest

from harness import free_port, wait_until
from harness.providers import chat, failing


def explained(site, model):
    """The first candidate of a chat with this model."""
    answer = site.gateway.admin(
        "POST", "/admin/routes/match", {"method": "POST", "path": "/v1/chat/completions", "body": {"model": model}})
    return answer["provider"]["candidates"][0]


def shut(site, model):
    """Asks until the provider's breaker is open."""
    for _ in range(4):
        assert site.ask(model).status in (500, 502, 503)
    assert site.ask(model).json()["error"]["code"] == "no_healthy_key"


@pytest.mark.parametrize("change", ["address", "anew", "on"])
def test_a_provider_that_was_set_right_is_asked_at_once(make_providers, change):
    site = make_providers()
    good = site.provider("good", models="other")
    site.provider("p", host=good.host if change == "on" else f"127.0.0.1:{free_port()}", models="m")
    admin = site.start().gateway.admin
    if change == "on":
        good.handler = failing(500)
    shut(site, "m")
    assert admin("GET", "/admin/providers/p")["health"]["breaker"] == "open"
    # What does not say where or how it is asked changes nothing.
    admin("PATCH", "/admin/providers/p", {"weight": 3})
    assert explained(site, "m")["reason"] == "its circuit breaker is open after failures"
    assert site.ask("m").status == 503
    good.handler = chat
    base = f"http://{good.host}/v1"
    if change == "address":
        admin("PATCH", "/admin/providers/p", {"base_url": base})
    elif change == "anew":
        admin("DELETE", "/admin/providers/p")
        admin("POST", "/admin/providers", {"name": "p", "base_url": base, "models": ["m"]}, expect=201)
        admin("POST", "/admin/providers/p/keys", {"key": "sk-another-key-0002"}, expect=201)
    else:
        admin("PATCH", "/admin/providers/p", {"enabled": False})
        admin("PATCH", "/admin/providers/p", {"enabled": True})
    health = admin("GET", "/admin/providers/p")["health"]
    assert (health["breaker"], health["success_share"]) == ("closed", 1)
    assert explained(site, "m")["usable"]
    assert site.ask("m").status == 200


@pytest.mark.parametrize("status, reason", [(401, "key_invalid"), (402, "key_quota"), (403, "key_forbidden")])
def test_a_provider_without_keys_rests_and_comes_back(make_providers, status, reason):
    """There is no key that an operator could set right."""
    site = make_providers()
    upstream = site.provider("home", models="m", keys=())
    site.start()
    upstream.then(failing(status))
    answer = site.ask("m", headers=[("X-Request-Id", "refused")])
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    assert site.attempts("refused") == [("home", reason, status)]
    resting = explained(site, "m")
    assert not resting["usable"] and resting["back_at"]
    assert resting["reason"] == "it has no key, and rests after a refusal or a rate limit"
    wait_until(lambda: explained(site, "m")["usable"], "it is back by itself")
    assert site.ask("m").status == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [301, 302, 304, 307, 308])
def test_a_redirection_is_no_answer(make_providers, status, stream):
    site = make_providers({"providers": {"strategy": "first_available"}})
    away = [("Content-Type", "text/html"), ("Location", "https://elsewhere.test/v1/chat/completions")]

    def moved(exchange):
        exchange.answer(status, b"", away)

    site.provider("moved", moved, models="m", priority=1)
    site.provider("there", models="m", priority=2)
    site.start()
    answer = site.ask("m", stream=stream, headers=[("X-Request-Id", "led")])
    assert (answer.status, answer.header("x-fastgate-provider")) == (200, "there")
    assert site.attempts("led") == [("moved", "malformed_answer", status)]
    # Nor is it a client's to follow, with its key.
    alone = site.ask("moved/m", stream=stream, headers=[("X-Request-Id", "alone")])
    assert (alone.status, alone.header("location")) == (502, None)
    assert alone.json()["error"]["code"] == "provider_failed"
    assert (site.usage("alone")["outcome"], site.usage("alone")["total_tokens"]) == ("failed", 0)
