"""Key material is in no database, ring, log or answer: only its hash and hint."""

import json
import re
from pathlib import Path

from harness import ADMIN_TOKEN, Connection, free_port, wait_until
from harness.providers import Providers, chat

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


SECRET_NAMES = (
    "Ocp-Apim-Subscription-Key X-Custom-Key key x-auth-token private-token X-Vault-Token CF-Access-Client-Secret "
    "X-Goog-Iam-Authorization-Token X-Password x-apikey my_api_key X-Auth Authentication x-client-credentials Cookie2 "
    "cf-access-jwt-assertion"
).split()
PLAIN_NAMES = (
    "Idempotency-Key Sec-WebSocket-Key x-ratelimit-remaining-tokens x-cache-key surrogate-key x-stainless-package-version "
    "openai-organization x-keyboard x-author"
).split()


def test_recorded_headers_do_not_hold_secrets(site):
    """Whatever a header is called: its name says whether its value is a secret."""
    site.route()
    theirs = [(f"up-{name}", "their-secret-77") for name in SECRET_NAMES] + [("x-ratelimit-limit-tokens", "40")]
    site.upstream.handler = lambda exchange: exchange.answer(200, b"{}", headers=theirs)
    ours = [(name, "our-secret-55") for name in SECRET_NAMES] + [(name, "plain-55") for name in PLAIN_NAMES]
    row = site.gateway.audit(site.call("GET", "/", headers=ours).request_id)
    assert "our-secret" not in repr(row) and "their-secret" not in repr(row)
    sent, got = json.loads(row["request_headers"]), json.loads(row["response_headers"])
    assert {name: sent[name] for name in SECRET_NAMES} == dict.fromkeys(SECRET_NAMES, "***")
    assert {name: sent[name] for name in PLAIN_NAMES} == dict.fromkeys(PLAIN_NAMES, "plain-55")
    assert got["up-X-Custom-Key"] == "***" and got["x-ratelimit-limit-tokens"] == "40"


def test_a_key_among_websocket_protocols_is_not_recorded(site):
    """Browsers, which can send no header of their own, have their keys there."""
    site.route()

    def switch(exchange):
        protocol = ("Sec-WebSocket-Protocol", "realtime")
        exchange.head(101, [("Connection", "Upgrade"), ("Upgrade", "websocket"), protocol], reason="Switching Protocols")

    site.upstream.handler = switch
    offered = "realtime, openai-insecure-api-key.sk-proj-SECRET55 , openai-beta.realtime-v1"
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Protocol", offered)]
    with site.connect() as connection:
        connection.send(site.bytes("GET", "/v1/realtime", headers))
        response = connection.read_head("GET")
        assert response.status == 101
    # The upstream gets it, the audit does not.
    assert site.upstream.requests[0].header("sec-websocket-protocol") == offered
    row = site.gateway.audit(response.request_id)
    kept = json.loads(row["request_headers"])["Sec-WebSocket-Protocol"]
    assert kept == "realtime, openai-insecure-api-key.***, openai-beta.realtime-v1"
    assert json.loads(row["response_headers"])["Sec-WebSocket-Protocol"] == "realtime"


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


# Everything at once


def test_no_secret_is_anywhere_but_where_it_belongs(tmp_path):
    """Callers' keys in all five ways, cookies, providers' keys, admin tokens right and wrong, and errors of every kind:
    none of the secrets is in an answer, log, database, ring, metric, argument or page afterwards."""
    provider_key, bad_provider_key = "sk-provider-secret-71c2a9", "sk-provider-refused-3e8d04"
    wrong_key, wrong_token = "fg_wrong-secret-1b6f0c7d", "wrong-admin-token-9d2e7a"
    cookie, upstream_cookie = "client-cookie-secret-5f1d", "upstream-cookie-secret-c09b"
    config = {
        "logging": {"level": "DEBUG"},
        "proxy": {"audit_include_headers": True, "audit_include_body": True, "default_timeout": 1, "max_retries": 1},
    }
    site = Providers(tmp_path / "all", config, env={"E2E_SECRET": UPSTREAM_SECRET})
    theirs = [("Set-Cookie", f"session={upstream_cookie}"), ("Content-Type", "application/json")]

    def answer(exchange):
        if exchange.request.all("authorization") == [f"Bearer {bad_provider_key}"]:
            exchange.answer(401, b'{"error":{"message":"Incorrect API key"}}', headers=theirs)
        elif b"stream" in exchange.read_body():
            chat(exchange)
        else:
            exchange.answer(200, b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}', headers=theirs)

    site.provider("good", answer, keys=(provider_key, bad_provider_key))
    site.provider("gone", host=f"127.0.0.1:{free_port()}", keys=(provider_key + "-2",))
    for name in ("good", "gone"):
        site.alias(f"m-{name}", f"{name}/m")
    gateway = site.start().gateway
    upstream = site.upstreams["good"]
    try:
        for path, host in (("/ok/*", upstream.host), ("/refused/*", f"127.0.0.1:{free_port()}")):
            gateway.make_route(
                match_path=path, target_host=host, add_headers={"X-Secret": "${E2E_SECRET}"}
            )
        made = gateway.make_key()
        rotated = gateway.admin("POST", f"/admin/keys/{made['key_id']}/rotate")
        key = site.key
        bodies = []

        def ask(path, headers=(), method="POST", body=b'{"model":"m-good","q":1}'):
            with Connection(gateway.port) as connection:
                answer = connection.request(
                    method, path, [("Host", "gateway.test"), ("Cookie", f"session={cookie}"), *headers], body
                )
                bodies.append(repr((answer.headers, answer.body)).replace(upstream_cookie, ""))
                return answer

        for secret, known in ((key, True), (wrong_key, False), (made["key_value"], False)):
            ways = [
                ("", [("Authorization", f"Bearer {secret}")]), ("", [("x-api-key", secret)]), ("", [("api-key", secret)]),
                ("", [("x-goog-api-key", secret)]), (f"?key={secret}&a=b", []),
            ]  # fmt: skip
            for query, headers in ways:
                for path in ("/ok/a", "/refused/a", "/nowhere", "/v1/chat/completions", "//ok/../a", "/v1/models"):
                    status = ask(path + query, headers).status
                    assert known or status in (400, 401), (path, query, headers, status)
            # Sent twice, malformed, and where nobody expects it.
            ask("/ok/a", [("Authorization", f"Bearer {secret}"), ("Authorization", f"Bearer {secret}")])
            ask("/ok/a", [("Authorization", f"Basic {secret}")])
            ask("/ok/a", [("Authorization", f"Bearer {secret}"), ("Transfer-Encoding", "gzip")])
            ask("/ok/a", [(f"X-{secret}", "1"), ("Authorization", f"Bearer {secret}\x01")])
        assert site.ask("m-good").status == 200 and site.ask("m-good", stream=True).status == 200
        for _ in range(4):
            site.ask("m-good")
        bodies.append(repr(site.ask("m-gone").body))
        for token in (ADMIN_TOKEN, wrong_token):
            for path in (f"/admin/keys?token={token}", "/admin/keys", "/admin/nothing", "/metrics", "/"):
                _, headers, body = gateway.admin_raw("GET", path, token=token)
                bodies.append(repr((headers.items(), body)))
        for path in ("config", "logs?limit=500", "keys", "routes", "providers", "usage", "aliases"):
            _, headers, body = gateway.admin_raw("GET", f"/admin/{path}")
            bodies.append(repr((headers.items(), body)))
        process = Path(f"/proc/{gateway.process.pid}")
        bodies.append((process / "cmdline").read_text())
        for thread in (process / "task").iterdir():
            bodies.append((thread / "comm").read_text())
        # A crash leaves no image of the memory: a limit of one byte holds for files and for pipes.
        limits = (process / "limits").read_text()
        assert re.search(r"Max core file size +1 ", limits), limits

        secrets = [
            key, made["key_value"], rotated["key_value"], provider_key, bad_provider_key, wrong_key, wrong_token,
            ADMIN_TOKEN, cookie, upstream_cookie, UPSTREAM_SECRET,
        ]  # fmt: skip
        masters = [path for path in gateway.folder.rglob("*") if "master" in path.name and path.is_file()]
        secrets += [path.read_text().strip() for path in masters]

        def search(when):
            places = {f"answer {n}": text.encode() for n, text in enumerate(bodies)}
            for path in gateway.folder.rglob("*"):
                if path.is_file() and path not in masters:
                    places[str(path.relative_to(gateway.folder))] = path.read_bytes()
            for place, data in places.items():
                for secret in secrets:
                    assert secret.encode() not in data, f"{secret} in {place}, {when}: {data[:300]!r}"

        wait_until(lambda: gateway.metrics()["fastgate_audit_events_pending"] == 0, "all is written")
        search("while it runs")
        gateway.kill()
        search("after a kill")
        gateway.start()
        gateway.stop()
        bodies.append(site.command("providers", "list") + site.command("providers", "keys", "list", "good"))
        search("after a stop")
    finally:
        gateway.kill()
        for each in site.upstreams.values():
            each.close()
