"""SPEC: the way of a request, step 2."""

PREFLIGHT = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST")]


def test_preflight_is_answered_here_without_a_key(site):
    site.route()
    headers = [*PREFLIGHT, ("Access-Control-Request-Headers", "authorization, content-type, x-custom")]
    response = site.call("OPTIONS", "/v1/chat/completions", headers=headers, key=None)
    assert response.status == 204 and response.body == b""
    assert response.header("access-control-allow-origin") in ("*", "https://app.example")
    assert response.header("access-control-allow-methods")
    # `*` does not cover Authorization (Fetch standard), so the names asked for have to be there.
    assert "authorization" in response.header("access-control-allow-headers").lower()
    assert response.request_id
    assert not site.upstream.requests


def test_other_options_requests_are_forwarded(site):
    site.route()
    assert site.call("OPTIONS", "/x").status == 200
    assert site.call("OPTIONS", "/x", headers=PREFLIGHT[:1]).status == 200
    assert len(site.upstream.requests) == 2


def test_answers_carry_the_origin(site):
    site.route()
    response = site.call(headers=PREFLIGHT[:1])
    assert response.header("access-control-allow-origin") in ("*", "https://app.example")
    refused = site.call(headers=PREFLIGHT[:1], key=None)
    assert refused.status == 401
    assert refused.header("access-control-allow-origin"), "a browser must be able to read the error"


def test_upstreams_own_cors_headers_do_not_double(site):
    site.route()
    site.upstream.handler = lambda e: e.answer(200, headers=[("Access-Control-Allow-Origin", "*")])
    assert len(site.call(headers=PREFLIGHT[:1]).all("access-control-allow-origin")) == 1


CONFIG = {
    "cors": {
        "allow_origins": ["https://app.example"],
        "allow_methods": ["GET", "POST"],
        "allow_headers": ["authorization"],
        "allow_credentials": True,
    }
}


def test_configured_origins(make_site):
    site = make_site(CONFIG)
    site.route()
    response = site.call("OPTIONS", "/x", headers=PREFLIGHT, key=None)
    assert response.header("access-control-allow-origin") == "https://app.example"
    assert response.header("access-control-allow-credentials") == "true"
    assert "origin" in (response.header("vary") or "").lower()
    other = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")]
    assert not site.call("OPTIONS", "/x", headers=other, key=None).all("access-control-allow-origin")
    assert not site.call(headers=other[:1]).all("access-control-allow-origin")


def test_no_origin_no_cors(site):
    site.route()
    assert not site.call().all("access-control-allow-credentials")
