"""Limits of a key hold whoever takes the request: a provider or a plain route."""

import json
import threading

import pytest

from harness import wait_until
from harness.client import Connection
from harness.llm import CHAT
from harness.providers import Providers, chat

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Providers(tmp_path_factory.mktemp("limits"))
    routed = site.provider("behind", models="behind-only")
    site.provider("one", models="m,n")
    site.start()
    site.gateway.make_route(match_path="/routed/**", target_host=routed.host, strip_path_prefix=True)
    site.gateway.make_route(match_path="/v1beta/models/**", target_host=routed.host)
    site.gateway.make_route(match_path="/v1/realtime", target_host=routed.host)
    site.gateway.make_route(
        match_path="/v1/chat/completions", match_body_schema={"model": "r-1"}, target_host=routed.host)
    site.gateway.make_route(match_path="/v1/embeddings", target_host=routed.host)
    site.gateway.make_route(match_path="/v1/audio/**", target_host=routed.host)
    yield site
    site.close()


@pytest.fixture
def routed(site):
    """The upstream of the plain routes."""
    upstream = site.upstreams["behind"]
    upstream.handler = lambda exchange: exchange.answer(200, json.dumps(CHAT).encode())
    return upstream


# Places


@pytest.mark.parametrize("path", ["/routed/anything", "/v1/chat/completions"])
def test_open_requests_are_bounded(site, routed, path):
    key = site.gateway.make_key(max_concurrent=2)["key_value"]
    release, arrived = threading.Event(), threading.Semaphore(0)

    def wait(exchange):
        exchange.read_body()
        arrived.release()
        release.wait(10)
        chat(exchange) if path.startswith("/v1") else exchange.answer(200, b"{}")

    upstream = routed if path.startswith("/routed") else site.upstreams["one"]
    upstream.handler = wait
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(site.call(BODY, path, key=key).status)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert arrived.acquire(timeout=10)
    refused = site.call(BODY, path, key=key)
    assert refused.status == 429 and refused.json()["error"]["code"] == "concurrency_limit_exceeded"
    assert refused.header("retry-after") == "1"
    other = site.call(BODY, "/v1/embeddings", key=site.gateway.make_key()["key_value"])
    assert other.status == 200, "another key's places are its own"
    release.set()
    for thread in threads:
        thread.join()
    assert answers == [200, 200]
    upstream.handler = chat
    wait_until(lambda: site.call(BODY, path, key=key).status == 200, "places are free again")


def test_a_place_is_given_back_whatever_happens(site, routed):
    """One place: the request after each kind of end gets it, or it was leaked."""
    key = site.gateway.make_key(max_concurrent=1, allowed_models=["m"], rate_limit=0)["key_value"]

    def call(*arguments, **more):
        """The place is given back right after the answer's last byte went out; when the row is there it has been."""
        response = site.call(*arguments, key=key, **more)
        site.gateway.audit(response.request_id)
        return response

    def fine():
        routed.handler = lambda exchange: exchange.answer(200, b"{}")
        return call({"model": "m"}, "/routed/x")

    assert fine().status == 200
    ends = {
        "no route": lambda: call(None, "/nowhere", method="GET").status == 404,
        "not allowed": lambda: call({"model": "other"}, "/v1/embeddings").status == 403,
        "bad json": lambda: call(b"{", "/v1/embeddings").status == 400,
        "list": lambda: call(None, "/v1/models", method="GET").status == 200,
        "reset": lambda: setattr(routed, "handler", lambda e: e.reset()) or call({"model": "m"}, "/routed/x").status == 502,
        "provider": lambda: call(BODY).status == 200,
    }
    for name, end in ends.items():
        assert end(), name
        assert fine().status == 200, f"after {name}"

    # A client that leaves before the answer.
    gone, arrived = threading.Event(), threading.Event()

    def silent(exchange):
        exchange.read_body()
        arrived.set()
        if exchange.wait_gone():
            gone.set()

    routed.handler = silent
    connection = Connection(site.gateway.port)
    connection.send_head("POST", "/routed/x", [*site.headers(key), ("Content-Length", "2")])
    connection.send(b"{}")
    assert arrived.wait(10)
    assert site.balance(key)["concurrency"] == {"limit": 1, "open": 1}, "it can be asked for without a place"
    assert site.call({"model": "m"}, "/routed/x", key=key).status == 429
    connection.close()
    assert gone.wait(10)
    wait_until(lambda: fine().status == 200, "the place of a client that left")


def test_the_balance_does_not_count_who_asks_for_it(site):
    key = site.gateway.make_key(max_concurrent=3)["key_value"]
    assert site.balance(key)["concurrency"] == {"limit": 3, "open": 0}


# Models


@pytest.mark.parametrize("path, body, status, code", [
    ("/v1/embeddings", {"model": "m"}, 200, None),
    ("/v1/embeddings", {"model": "other"}, 403, "model_not_allowed"),
    ("/v1/embeddings", {"input": "x"}, 200, None),
    ("/v1/embeddings", {"model": ["m"]}, 403, "model_not_allowed"),
    ("/v1/embeddings", b'{"model":"m","model":"other"}', 400, "conflicting_members"),
    ("/v1/embeddings", b'{"mod\\u0065l":"other"}', 403, "model_not_allowed"),
    ("/v1/embeddings", b'{"model":"m",}', 400, "missing_model"),
    ("/v1/embeddings", b'{"model":"' + b"x" * 200 + b'"}', 403, "model_not_allowed"),
    ("/v1/chat/completions", {"model": "r-1"}, 403, "model_not_allowed"),
    ("/routed/v1/chat", {"model": "other"}, 403, "model_not_allowed"),
    ("/routed/v1/chat", {"model": "m"}, 200, None),
    ("/routed/anything", [1, 2], 200, None),
    ("/v1beta/models/gemini:generateContent", {"contents": []}, 403, "model_not_allowed"),
    ("/v1beta/models/m:generateContent", {"contents": []}, 200, None),
    ("/v1beta/models/%6d:generateContent", {"contents": []}, 200, None),
])
def test_allowed_models_hold_on_plain_routes(site, routed, path, body, status, code):
    key = site.gateway.make_key(allowed_models=["m", "x-*"])["key_value"]
    before = len(routed.requests)
    answer = site.call(body, path, key=key)
    assert answer.status == status, answer.body
    if code:
        assert answer.json()["error"]["code"] == code
    assert len(routed.requests) - before == (1 if status == 200 else 0)
    # A key without the limit is not asked.
    if status == 403:
        assert site.call(body, path).status == 200


def test_a_form_on_an_llm_path_is_refused_where_models_are_limited(site, routed):
    key = site.gateway.make_key(allowed_models=["m"])["key_value"]
    form = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'
    headers = [("Host", "x"), ("Authorization", f"Bearer {key}"), ("Content-Type", "multipart/form-data; boundary=b")]
    connection = Connection(site.gateway.port)
    answer = connection.request("POST", "/v1/audio/transcriptions", headers, form)
    assert answer.status == 400 and answer.json()["error"]["code"] == "missing_model"
    connection.close()


@pytest.mark.parametrize("query, status", [
    ("?model=m", 200), ("?model=other", 403), ("", 400), ("?model=m&model=other", 400), ("?m%6fdel=other", 400), ("?model=%6D", 200)])
def test_the_query_of_realtime_names_one_too(site, routed, query, status):
    key = site.gateway.make_key(allowed_models=["m"])["key_value"]
    assert site.call(None, f"/v1/realtime{query}", key=key, method="GET").status == status


def test_a_long_body_goes_on_once_its_model_is_known(site, routed):
    """Piece by piece: before the model nothing reaches the route, after it everything does, and no later one counts."""
    key = site.gateway.make_key(allowed_models=["m"])["key_value"]
    filler = b'"' + b"x" * 300_000 + b'"'
    for body, status in [
        (b'{"input":' + filler + b',"model":"m"}', 200), (b'{"model":"m","input":' + filler + b"}", 200),
        (b'{"input":' + filler + b',"model":"other"}', 403), (b'{"model":"other","input":' + filler + b"}", 403),
        (b'{"model":"m","input":' + filler + b',"model":"other"}', 400),
    ]:
        whole = len([1 for request in routed.requests if request.body == body])
        assert site.call(body, "/v1/embeddings", key=key, timeout=30).status == status
        assert len([1 for request in routed.requests if request.body == body]) - whole == (1 if status == 200 else 0)
