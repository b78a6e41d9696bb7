"""SPEC: the way of a request, step 4."""


def limits(response):
    return tuple(response.header(f"x-ratelimit-{name}-requests") for name in ("limit", "remaining", "reset"))


def test_limit_counts_down_then_429(site):
    site.route()
    key = site.new_key(rate_limit=3)["key_value"]
    for remaining in ("2", "1", "0"):
        # A connection each, so that every worker is met.
        response = site.call(key=key)
        assert response.status == 200
        assert limits(response)[:2] == ("3", remaining)
        assert limits(response)[2]
    refused = site.call(key=key)
    assert refused.status == 429
    assert limits(refused)[:2] == ("3", "0")
    assert 1 <= int(refused.header("retry-after")) <= 60
    assert refused.json()["error"]["code"]
    assert len(site.upstream.requests) == 3


def test_limit_is_over_all_workers(site):
    site.route()
    key = site.new_key(rate_limit=20)["key_value"]
    statuses = [site.call(key=key).status for _ in range(40)]
    assert statuses.count(200) == 20 and statuses.count(429) == 20


def test_limits_are_separate(site):
    site.route()
    one, other = (site.new_key(rate_limit=1)["key_value"] for _ in range(2))
    assert [site.call(key=one).status for _ in range(2)] == [200, 429]
    assert site.call(key=other).status == 200


def test_default_limit(make_site):
    site = make_site({"rate_limiting": {"default_requests_per_minute": 2}})
    site.route()
    assert [site.call().status for _ in range(3)] == [200, 200, 429]
    own = site.new_key(rate_limit=3)["key_value"]
    assert [site.call(key=own).status for _ in range(4)] == [200, 200, 200, 429]


def test_limiting_off(make_site):
    site = make_site({"rate_limiting": {"enabled": False}})
    site.route()
    key = site.new_key(rate_limit=1)["key_value"]
    assert [site.call(key=key).status for _ in range(3)] == [200, 200, 200]


def test_new_limit_counts_at_once(site):
    site.route()
    key = site.new_key(rate_limit=1)
    assert [site.call(key=key["key_value"]).status for _ in range(2)] == [200, 429]
    site.gateway.admin("PATCH", f"/admin/keys/{key['key_id']}", {"rate_limit": 100})
    assert site.call(key=key["key_value"]).status == 200


def test_refused_request_is_in_the_audit(site):
    site.route()
    key = site.new_key(rate_limit=1)["key_value"]
    site.call(key=key)
    row = site.gateway.audit(site.call(key=key).request_id)
    assert row["status_code"] == 429
    assert row["target_url"] in (None, "")


def test_connection_goes_on_after_429(site):
    site.route()
    key = site.new_key(rate_limit=1)["key_value"]
    connection = site.connect()
    body = b'{"model":"m"}'
    first = connection.request("POST", "/v1/chat/completions", site.headers(key=key), body)
    second = connection.request("POST", "/v1/chat/completions", site.headers(key=key), body)
    third = connection.request("POST", "/v1/chat/completions", site.headers(), body)
    assert [first.status, second.status, third.status] == [200, 429, 200]
