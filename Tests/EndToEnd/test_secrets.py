"""Key material is in no database, ring, log or answer: only its hash and hint."""

from harness import ADMIN_TOKEN

UPSTREAM_SECRET = "upstream-secret-e2e-5b21"


def test_secrets_are_nowhere_on_disk(make_site):
    site = make_site(
        {"logging": {"level": "DEBUG"}, "proxy": {"audit_include_headers": True, "audit_include_body": True}},
        env={"E2E_SECRET": UPSTREAM_SECRET},
    )
    gateway = site.gateway
    secrets = [site.key]
    site.route(
        match_path="/ok/*", add_headers={"Authorization": "Bearer ${E2E_SECRET}", "x-api-key": "${E2E_SECRET}"}
    )
    theirs = [("Set-Cookie", "session=upstream-cookie-secret"), ("Content-Type", "application/json")]
    site.upstream.handler = lambda exchange: exchange.answer(200, b'{"answer":1}', headers=theirs)
    forms = [
        [("Authorization", f"Bearer {site.key}")],
        [("x-api-key", site.key)],
        [("api-key", site.key)],
        [("x-goog-api-key", site.key)],
        [("Authorization", f"Bearer {site.key}"), ("x-api-key", site.key), ("Cookie", "session=client-cookie-secret")],
    ]
    ids = [site.call("POST", "/ok/1", b'{"q":1}', headers=form, key=None).request_id for form in forms]
    ids.append(site.call("POST", f"/ok/2?key={site.key}&a=1", b"{}", key=None).request_id)
    ids.append(site.call("GET", f"/none?key={site.key}", key=None).request_id)
    wrong = "fg_wrong-key-secret-99"
    ids.append(site.call("GET", "/ok/3", key=wrong).request_id)
    ids.append(site.call("GET", f"/ok/3?key={wrong}", key=None).request_id)
    secrets += [wrong, UPSTREAM_SECRET, ADMIN_TOKEN, "client-cookie-secret", "upstream-cookie-secret"]
    gateway.admin_raw("GET", f"/admin/keys?token={ADMIN_TOKEN}", token=None)
    rotated = gateway.admin("POST", f"/admin/keys/{site.new_key()['key_id']}/rotate")
    secrets.append(rotated["key_value"])
    for request_id in ids:
        row = gateway.audit(request_id)
    row = gateway.audit(ids[0])
    # The recording itself is there: headers with their names, bodies whole.
    assert "authorization" in row["request_headers"].lower() and "*" in row["request_headers"]
    assert row["request_body"] == '{"q":1}' and row["response_body"] == '{"answer":1}'
    answers = [
        gateway.admin_raw("GET", path)[2]
        for path in ("/admin/config", "/admin/logs?limit=100", "/admin/keys", "/admin/routes", "/metrics")
    ]
    answers.append(gateway.admin_raw("GET", f"/admin/logs/{row['id']}")[2])
    for secret in secrets:
        for data in answers:
            assert secret.encode() not in data, f"{secret} in an answer of the admin API"

    def search():
        for path in sorted(gateway.folder.rglob("*")):
            if path.is_file() and path != gateway.config_file:
                data = path.read_bytes()
                for secret in secrets:
                    assert secret.encode() not in data, f"{secret} in {path.relative_to(gateway.folder)}"

    search()
    site.close()
    gateway.stop()
    search()


def test_bodies_are_kept_as_configured(make_site):
    site = make_site({"proxy": {"audit_include_body": True, "audit_body_max_size": 100}})
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(200, b"r" * 1000)
    row = site.gateway.audit(site.call("POST", "/", b"q" * 1000).request_id)
    assert row["request_body"].startswith("q" * 90) and len(row["request_body"]) < 200
    assert row["response_body"].startswith("r" * 90) and len(row["response_body"]) < 200
    assert (row["request_size"], row["response_size"]) == (1000, 1000)


def test_bodies_are_not_kept_by_default(site):
    site.route()
    row = site.gateway.audit(site.call("POST", "/", b"private words").request_id)
    assert not row["request_body"] and not row["response_body"]
    assert "private words" not in repr(row)


def test_compressed_answers_are_stored_decoded(make_site):
    import gzip

    site = make_site({"proxy": {"audit_include_body": True}})
    site.route()
    packed = gzip.compress(b'{"answer":42}')
    headers = [("Content-Encoding", "gzip"), ("Content-Type", "application/json")]
    site.upstream.handler = lambda exchange: exchange.answer(200, packed, headers=headers)
    response = site.call()
    assert response.body == packed and response.header("content-encoding") == "gzip"
    assert site.gateway.audit(response.request_id)["response_body"] == '{"answer":42}'


def test_streamed_answers_are_stored_merged(make_site):
    import json

    site = make_site({"proxy": {"audit_include_body": True}})
    site.route()
    deltas = [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
    ]
    chunks = [{"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": d}]} for d in deltas]
    chunks.append({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    headers = [("Content-Type", "text/event-stream")]
    site.upstream.handler = lambda exchange: exchange.answer(200, body, headers=headers)
    response = site.call("POST", "/v1/chat/completions", b'{"stream":true}')
    assert response.body == body
    row = site.gateway.audit(response.request_id)
    merged = row["response_body"]
    assert "Hello" in merged and "stop" in merged and '"total_tokens"' in merged and "assistant" in merged
    assert row["response_size"] == len(body) and row["stream_chunks"] == 6
