"""SPEC: the way of a request, step 3: who may come in."""

import datetime

import pytest

from harness import wait_until

FORMS = {
    "bearer": lambda key: [("Authorization", f"Bearer {key}")],
    "bearer-lower-case": lambda key: [("authorization", f"bearer {key}")],
    "x-api-key": lambda key: [("x-api-key", key)],
    "api-key": lambda key: [("api-key", key)],
    "x-goog-api-key": lambda key: [("x-goog-api-key", key)],
}


@pytest.mark.parametrize("form", FORMS)
def test_each_header_form_is_taken_and_never_forwarded(site, form):
    site.route()
    response = site.call(headers=FORMS[form](site.key), key=None)
    assert response.status == 200
    assert site.key.encode() not in site.upstream.raw


@pytest.mark.parametrize(
    "sent, forwarded",
    [
        ("/p?key={key}", "/p"),
        ("/p?key={key}&b=2", "/p?b=2"),
        ("/p?a=1&key={key}", "/p?a=1"),
        ("/p?a=1&key={key}&b=%20x&c", "/p?a=1&b=%20x&c"),
        ("/p?monkey=1&key={key}&keys=2", "/p?monkey=1&keys=2"),
    ],
)
def test_key_in_query_is_taken_and_removed(site, sent, forwarded):
    site.route()
    assert site.call(target=sent.format(key=site.key), key=None).status == 200
    assert site.upstream.wait_requests().target == forwarded


def test_key_in_query_is_not_in_the_audit(site):
    site.route()
    response = site.call(target=f"/p?key={site.key}&b=2", key=None)
    row = site.gateway.audit(response.request_id)
    assert row["path"] == "/p?b=2"
    assert row["api_key"] == site.key_id
    assert site.key not in repr(row)


def test_no_key_is_401(site):
    site.route()
    response = site.call(key=None)
    assert response.status == 401
    assert response.json()["error"]["code"]
    assert not site.upstream.requests


@pytest.mark.parametrize("value", ["fg_unknown", "x", "fg_" + "a" * 3000, "fg_caf\xe9"])
def test_unknown_key_is_401(site, value):
    site.route()
    assert site.call(key=value).status == 401
    assert not site.upstream.requests


def test_nearly_the_key_is_401(site):
    site.route()
    for wrong in (site.key[:-1], site.key + "x", site.key.swapcase(), " " + site.key[1:]):
        assert site.call(key=wrong).status == 401
    assert site.call().status == 200


def test_basic_authorization_is_401(site):
    site.route()
    assert site.call(key=None, headers=[("Authorization", "Basic Zm9vOmJhcg==")]).status == 401


def test_inactive_key_is_401_until_toggled_back(site):
    site.route()
    key = site.new_key()
    toggle = f"/admin/keys/{key['key_id']}/toggle"
    assert site.call(key=key["key_value"]).status == 200
    site.gateway.admin("POST", toggle)
    assert site.call(key=key["key_value"]).status == 401
    site.gateway.admin("POST", toggle)
    assert site.call(key=key["key_value"]).status == 200


def test_expired_key_is_401(site):
    site.route()
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    key = site.new_key(expires_at=soon.isoformat(timespec="milliseconds"))
    assert site.call(key=key["key_value"]).status == 200
    wait_until(lambda: site.call(key=key["key_value"]).status == 401, "the key expires")


def test_expires_at_is_the_instant_that_was_given(site):
    """Only a date alone stands for its last moment."""
    now = datetime.datetime.now(datetime.timezone.utc)
    for instant in [now.replace(microsecond=0), now.replace(second=0, microsecond=0)]:
        key = site.new_key(expires_at=instant.strftime("%Y-%m-%dT%H:%M:%SZ"))
        assert datetime.datetime.fromisoformat(key["expires_at"]) == instant
        assert site.call(key=key["key_value"]).status == 401
    key = site.new_key(expires_at="2031-01-01")
    assert key["expires_at"][:10] == "2031-01-01" and "T23:59:59.999" in key["expires_at"]


def test_rotated_key(site):
    site.route()
    key = site.new_key()
    rotated = site.gateway.admin("POST", f"/admin/keys/{key['key_id']}/rotate")
    assert rotated["key_value"] != key["key_value"]
    assert site.call(key=key["key_value"]).status == 401
    assert site.call(key=rotated["key_value"]).status == 200


def test_deleted_key_is_401(site):
    site.route()
    key = site.new_key()
    site.gateway.admin("DELETE", f"/admin/keys/{key['key_id']}", expect=(200, 204))
    assert site.call(key=key["key_value"]).status == 401


def test_key_has_the_prefix_and_is_shown_once(site):
    key = site.new_key()
    assert key["key_value"].startswith("fg_")
    again = site.gateway.admin("GET", f"/admin/keys/{key['key_id']}")
    assert key["key_value"] not in repr(again)
    assert again["key_hint"].startswith("fg_") and again["key_hint"].endswith(key["key_value"][-4:])


def test_keys_not_required(make_site):
    site = make_site({"security": {"require_api_key": False}})
    site.route()
    assert site.call(key=None).status == 200


def test_use_is_counted(site):
    site.route()
    for _ in range(5):
        assert site.call().status == 200

    def used():
        key = site.gateway.admin("GET", f"/admin/keys/{site.key_id}")
        assert key["usage_count"] <= 5
        return key["usage_count"] == 5 and key

    assert wait_until(used, "usage_count reaches 5")["last_used_at"]


FAMILIES = [
    ("chat", "POST", "/v1/chat/completions"),
    ("completions", "POST", "/v1/completions"),
    ("embeddings", "POST", "/v1/embeddings"),
    ("models", "GET", "/v1/models"),
    ("models", "GET", "/v1/models/gpt-4o"),
    ("responses", "POST", "/v1/responses"),
    ("responses", "GET", "/v1/responses/resp_1"),
    ("messages", "POST", "/v1/messages"),
    ("messages", "POST", "/v1/messages/count_tokens"),
    ("images", "POST", "/v1/images/generations"),
    ("audio", "POST", "/v1/audio/speech"),
    ("files", "GET", "/v1/files"),
    ("moderations", "POST", "/v1/moderations"),
]


def test_permission_families(site):
    site.route()
    keys = {family: site.new_key(permissions=[family])["key_value"] for family, _, _ in FAMILIES}
    for family, key in keys.items():
        for owner, method, path in FAMILIES:
            body = b"{}" if method == "POST" else None
            status = site.call(method, path, body, key=key).status
            assert status == (200 if owner == family else 403), f"{family} key at {method} {path}: {status}"


@pytest.mark.parametrize("permissions", [[], ["*"]])
def test_permissions_that_allow_all(site, permissions):
    site.route()
    key = site.new_key(permissions=permissions)["key_value"]
    for path in ("/v1/chat/completions", "/anything", "/"):
        assert site.call(target=path, key=key).status == 200


@pytest.mark.parametrize(
    "pattern, path, status",
    [
        ("/custom/*", "/custom/a/b", 200),
        ("/custom/*", "/customs", 403),
        ("/custom/*", "/v1/chat/completions", 403),
        ("/exact", "/exact", 200),
        ("/exact", "/exact/more", 403),
        ("/exact", "/exact?q=1", 200),
        ("/user/{id}", "/user/7", 200),
        ("/user/{id}", "/user/7/x", 403),
    ],
)
def test_permission_patterns(site, pattern, path, status):
    site.route()
    key = site.new_key(permissions=[pattern])["key_value"]
    assert site.call(target=path, key=key).status == status
    assert len(site.upstream.requests) == (status == 200)


def test_several_permissions(site):
    site.route()
    key = site.new_key(permissions=["embeddings", "/custom/*"])["key_value"]
    assert site.call("POST", "/v1/embeddings", b"{}", key=key).status == 200
    assert site.call(target="/custom/x", key=key).status == 200
    assert site.call("POST", "/v1/chat/completions", b"{}", key=key).status == 403


def test_permissions_change_at_once(site):
    site.route()
    key = site.new_key(permissions=["chat"])
    assert site.call(target="/v1/embeddings", key=key["key_value"]).status == 403
    site.gateway.admin("PATCH", f"/admin/keys/{key['key_id']}", {"permissions": ["embeddings"]})
    assert site.call(target="/v1/embeddings", key=key["key_value"]).status == 200
    assert site.call(target="/v1/chat/completions", key=key["key_value"]).status == 403


def test_refusals_are_in_the_audit(site):
    site.route()
    for key, status in ((None, 401), (site.new_key(permissions=["chat"])["key_value"], 403)):
        response = site.call(target="/other", key=key)
        assert response.status == status
        row = site.gateway.audit(response.request_id)
        assert row["status_code"] == status
        assert row["error_message"]
