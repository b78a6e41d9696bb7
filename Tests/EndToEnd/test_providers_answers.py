"""Answers under a good status that are none, errors in every dress, and what providers say of how long to wait."""

import json
import time

import pytest

from harness import wait_until
from harness.client import Connection, request_bytes
from harness.providers import EVENT_STREAM, Providers, chat, chunk_of, completion, delta, event, failing

JSON = [("Content-Type", "application/json")]


def saying(body: bytes, status: int = 200, headers=JSON):
    """Answers every request with this, whether it asks for a stream or not."""
    return lambda exchange: exchange.answer(status, body, headers)


def streaming(*events: bytes, ends: str = "chunked"):
    """A stream of these events, which ends in one of the three ways of HTTP."""
    def script(exchange):
        exchange.read_body()
        body = b"".join(events)
        kind = EVENT_STREAM[:1]
        if ends == "length":
            return exchange.answer(200, body, kind)
        if ends == "close":
            exchange.head(200, [*kind, ("Connection", "close")])
            exchange.send(body)
            return exchange.close()
        exchange.head(200, EVENT_STREAM)
        for each in events:
            exchange.chunk(each)
        exchange.last_chunk()
    return script


ROLE = event(delta("m", role="assistant", content=""))
DONE = event(b"[DONE]")


def finish(reason, **fields):
    return event(chunk_of("m", choices=[{"index": 0, "delta": {"content": ""}, "finish_reason": reason, **fields}]))


def broken(sent: bytes, content_type: str = "application/json"):
    """Chunks that are none, after what was `sent` as one."""
    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", content_type), ("Transfer-Encoding", "chunked")])
        if sent:
            exchange.chunk(sent)
        exchange.send(b"ZZ\r\n{}\r\n0\r\n\r\n")
        exchange.close()
    return script


#: name: what the first provider does, whether the client asks for a stream, the reason in the records
NO_ANSWERS = {
    "empty": (saying(b""), False, "malformed_answer"),
    "page": (saying(b"<html>down</html>", headers=[("Content-Type", "text/html; charset=utf-8")]), False, "malformed_answer"),
    "page_as_json": (saying(b"<html>down</html>"), False, "malformed_answer"),
    "half_a_text": (saying(b'{"id":"c1","choices":[{"index":0,"mess'), False, "malformed_answer"),
    "page_for_a_stream": (saying(b"<html>down</html>", headers=[("Content-Type", "text/html")]), True, "malformed_answer"),
    "no_chunks": (broken(b""), False, "malformed_answer"),
    "no_chunks_after_a_word": (broken(b'{"id":"c1",'), False, "malformed_answer"),
    "no_chunks_of_a_stream": (broken(ROLE, "text/event-stream"), True, "malformed_answer"),
    "no_content": (lambda e: e.answer(204, b"", []), False, "malformed_answer"),
    "empty_stream": (streaming(), True, "cut_off"),
    "empty_stream_by_length": (streaming(ends="length"), True, "cut_off"),
    "empty_stream_to_the_close": (streaming(ends="close"), True, "cut_off"),
    "only_done": (streaming(DONE), True, "cut_off"),
    "only_role": (streaming(ROLE), True, "cut_off"),
    "only_role_by_length": (streaming(ROLE, ends="length"), True, "cut_off"),
    "only_role_to_the_close": (streaming(ROLE, ends="close"), True, "cut_off"),
    "only_comments": (streaming(b": PROCESSING\n\n", b": PROCESSING\n\n"), True, "cut_off"),
    "base_resp": (saying(b'{"choices":null,"base_resp":{"status_code":1000,"status_msg":"unknown"}}'), False, "error_in_answer"),
    "base_resp_in_a_stream": (
        streaming(event({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}})), True, "key_quota"),
    "code": (saying(b'{"code":500,"msg":"404 NOT_FOUND","success":false}'), False, "error_in_answer"),
    "choice_with_error": (
        saying(b'{"choices":[{"index":0,"finish_reason":"error","error":{"code":502,"message":"x"},"message":{"content":""}}]}'),
        False, "error_in_answer"),
    "finish_error": (streaming(ROLE, finish("error"), DONE), True, "error_in_answer"),
    "finish_error_with_error": (
        streaming(ROLE, event({"error": {"code": "server_error", "message": "x"}, **json.loads(finish("error")[6:])}), DONE),
        True, "error_in_answer"),
    "out_of_resources": (streaming(ROLE, finish("insufficient_system_resource"), DONE), True, "overloaded"),
    "old_vllm": (
        streaming(event({"object": "error", "message": "x", "type": "InternalServerError", "code": 500}), DONE), True,
        "error_in_answer"),
    "model_of_another_project": (failing(403, "model_not_found"), False, "model_not_found"),
    "balance_in_a_500": (
        saying(b'{"type":"error","error":{"type":"api_error","message":"insufficient balance (1008)"}}', 500), False, "key_quota"),
    "arrears": (failing(400, "Arrearage"), False, "key_quota"),
    "unknown_model": (failing(400, "x", message="m is not a valid model ID"), False, "model_not_found"),
}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A provider that a test scripts, and one that is well, for what the first does not answer; of many keys, for some
    faults are a key's."""
    site = Providers(tmp_path_factory.mktemp("two"), {"providers": {"strategy": "first_available"}})
    for name in NO_ANSWERS:
        site.provider(name, NO_ANSWERS[name][0], models=f"m-{name}", priority=1)
    site.provider("good", models=",".join(f"m-{name}" for name in NO_ANSWERS), priority=2)
    site.start()
    yield site
    site.close()


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_answer_is_asked_of_another(two, name):
    _, stream, reason = NO_ANSWERS[name]
    request_id = two.new_id()
    response = two.ask(f"m-{name}", stream=stream, headers=[("x-request-id", request_id)])
    assert response.status == 200 and b"lo" in response.body and b"html" not in response.body
    if stream:
        assert response.body.endswith(DONE) and response.body.count(DONE) == 1
        assert response.body.count(b'"role"') == 1, "who speaks is told once"
    attempts = two.attempts(request_id)
    assert {(provider, why) for provider, why, _ in attempts} == {(name, reason)}
    record = two.usage(request_id)
    assert (record["provider"], record["outcome"], record["total_tokens"], record["estimated"]) == ("good", "completed", 13, 0)
    wait_until(
        lambda: two.key_states(name) == ["disabled" if reason.startswith("key_") else "ok"], "the key's state is stored")


@pytest.mark.parametrize("name", ["empty", "page", "half_a_text", "empty_stream", "only_done", "only_role", "only_role_to_the_close"])
def test_a_single_provider_is_taken_at_its_word_and_not_paid(make_providers, name):
    script, stream, reason = NO_ANSWERS[name]
    site = make_providers()
    site.provider("single", script, models="m")
    site.start()
    request_id = site.new_id()
    response = site.ask("m", stream=stream, headers=[("x-request-id", request_id)])
    assert response.status == 200 and b"error" not in response.body
    assert len(site.upstreams["single"].requests) == 1
    record = site.usage(request_id)
    assert (record["outcome"], record["total_tokens"], record["cost_micros"]) == ("failed", 0, None)
    assert site.attempts(request_id) == [("single", reason, 200)]


def test_a_response_that_fails_at_once_is_asked_of_another(make_providers):
    def failed(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        for kind in ["created", "in_progress"]:
            exchange.chunk(event({"type": f"response.{kind}", "response": {"id": "r1", "status": "in_progress", "error": None}}))
        exchange.chunk(event({"type": "response.failed", "response": {
            "id": "r1", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}, "usage": None}}))
        exchange.last_chunk()

    def well(exchange):
        exchange.read_body()
        exchange.head(200, EVENT_STREAM)
        exchange.chunk(event({"type": "response.created", "response": {"id": "r2", "status": "in_progress"}}))
        exchange.chunk(event({"type": "response.output_text.delta", "delta": "Hello"}))
        exchange.chunk(event({"type": "response.completed", "response": {
            "id": "r2", "status": "completed", "usage": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}}}))
        exchange.last_chunk()

    site = make_providers()
    site.provider("bad", failed, models="m", priority=1)
    site.provider("good", well, models="m", priority=2)
    site.start()
    request_id = site.new_id()
    response = site.call({"model": "m", "input": "Hi", "stream": True}, "/v1/responses", headers=[("x-request-id", request_id)])
    assert b'"r1"' not in response.body and b"Hello" in response.body
    assert site.attempts(request_id) == [("bad", "rate_limited", 200)]
    assert site.usage(request_id)["total_tokens"] == 13


# How long to wait


NOW, THEN = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:59:37 GMT"
RETRY_INFO = b'{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay": "601.5s"}]}}'


@pytest.mark.parametrize("headers, body, seconds", [
    ([("Retry-After", "600")], b"", 600),
    ([("Retry-After", "600.2")], b"", 601),
    ([("Retry-After", THEN), ("Date", NOW)], b"", 600),
    ([("Retry-After", "1"), ("retry-after-ms", "600000")], b"", 600),
    ([("x-ms-retry-after-ms", "600000")], b"", 600),
    ([], RETRY_INFO, 602),
    ([("Retry-After", "999999999")], b"", 3600),
], ids=["seconds", "decimals", "date", "milliseconds", "azure", "google", "no longer than an hour"])
def test_a_key_rests_as_long_as_its_provider_says(make_providers, headers, body, seconds):
    site = make_providers()
    site.provider("pool", saying(body or b'{"error":{"code":"rate_limit_exceeded"}}', 429, [*JSON, *headers]), models="m")
    site.start()
    assert site.ask("m").status == 429
    refused = site.ask("m")
    assert refused.status == 503 and refused.json()["error"]["code"] == "no_healthy_key"
    assert seconds - 15 <= int(refused.header("retry-after")) <= seconds


@pytest.mark.parametrize("form", [
    "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"], ids=["fixdate", "rfc850", "asctime"])
def test_a_date_without_another_beside_it_counts_from_now(make_providers, form):
    site = make_providers()
    then = time.strftime(form, time.gmtime(time.time() + 600))
    site.provider(
        "pool", saying(b'{"error":{"code":"rate_limit_exceeded"}}', 429, [*JSON, ("Retry-After", then)]), models="m")
    site.start()
    assert site.ask("m").status == 429
    refused = site.ask("m")
    assert refused.status == 503 and 500 <= int(refused.header("retry-after")) <= 600


@pytest.mark.parametrize("sent", [b"", b'{"id":"c1",'])
def test_broken_chunks_of_a_single_provider_are_an_error(make_providers, sent):
    site = make_providers()
    site.provider("single", broken(sent), models="m")
    site.start()
    request_id = site.new_id()
    response = site.ask("m", headers=[("x-request-id", request_id)])
    assert response.status == 502 and response.json()["error"]["code"] == "upstream_malformed_response"
    record = site.usage(request_id)
    assert (record["outcome"], record["total_tokens"], record["cost_micros"]) == ("failed", 0, None)


# What callers cannot do


ECHOES = [
    (400, {"error": {"message": "Invalid value: 'Invalid API key'.", "type": "invalid_request_error", "param": "Invalid API key"}}),
    (400, {"error": {"message": "no", "failed_generation": "Your credit balance is too low", "code": "tool_use_failed"}}),
    (403, {"code": "permission-denied", "error": "Content violates usage guidelines. "}),
    (400, {"code": 20015, "message": "The parameter is invalid.", "data": None}),
]


def test_no_callers_request_rests_or_disables_a_key_or_opens_a_breaker(make_providers):
    site = make_providers()
    upstream = site.provider("pool", models="m")
    site.start()
    for status, body in ECHOES:
        upstream.handler = saying(json.dumps(body).encode(), status)
        for _ in range(6):
            request_id = site.new_id()
            response = site.ask("m", headers=[("x-request-id", request_id)])
            assert response.status == status and response.json() == body
        assert site.attempts(request_id) == []
    upstream.handler = chat
    assert site.ask("m").status == 200
    assert site.key_states("pool") == ["ok"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_model_that_our_key_may_not_use_is_not_found(make_providers, status):
    """And what the provider says of our project is not the caller's to see."""
    site = make_providers()
    message = "You have insufficient permissions for this operation. Project `proj_secret` does not have access to model `m`"
    site.provider("pool", failing(status, "model_not_found", message=message), models="m")
    site.start()
    request_id = site.new_id()
    response = site.ask("m", headers=[("x-request-id", request_id)])
    assert response.status == 404 and response.json()["error"]["code"] == "model_not_found"
    assert b"proj_secret" not in response.body
    assert site.attempts(request_id) == [("pool", "model_not_found", status)]
    assert site.key_states("pool") == ["ok"]


# Figures


REPORTS = {
    "gemini_compatible": ({"prompt_tokens": 66, "completion_tokens": 6, "total_tokens": 100}, (66, 6, 100), 66 + 34 * 10),
    "research": ({"prompt_tokens": 33, "completion_tokens": 100, "total_tokens": 133, "citation_tokens": 200, "reasoning_tokens": 1000},
                 (33, 1100, 1133), 33 + 200 + 1100 * 10),
    "xai": ({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "completion_tokens_details": {"reasoning_tokens": 94}},
            (32, 103, 135), 32 + 1030),
    "qwen": ({"prompt_tokens": 2105, "completion_tokens": 1, "total_tokens": 2106,
              "prompt_tokens_details": {"cached_tokens": 100, "cache_creation_input_tokens": 2000}}, (2105, 1, 2106), 2115),
    "apart": ({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 1005, "cache_creation_input_tokens": 300,
               "prompt_tokens_details": {"cached_tokens": 600}}, (1000, 5, 1005), 1050),
    "unreckoned": ({"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 0}, (5, 6, 11), 65),
}


def test_reports_that_leave_out_of_a_sum_what_others_count(make_providers):
    reports = {name: report for name, (report, _, _) in REPORTS.items()}

    def script(exchange):
        exchange.read_body()
        request = exchange.request.json()
        usage = reports[request["model"]]
        if not request.get("stream"):
            return exchange.answer(200, completion(request["model"], usage=usage))
        exchange.head(200, EVENT_STREAM)
        for each in [ROLE, event(delta("m", content="Hello")), finish("stop"), event(chunk_of("m", choices=[], usage=usage)), DONE]:
            exchange.chunk(each)
        exchange.last_chunk()

    site = make_providers()
    site.provider("one", script, models=",".join(REPORTS))
    site.prices({("one", name): (1, 10) for name in REPORTS})
    site.start()
    for name, (_, (prompt, answer, total), micros) in REPORTS.items():
        for stream in [False, True]:
            request_id = site.new_id()
            assert site.ask(name, stream=stream, headers=[("x-request-id", request_id)]).status == 200
            record = site.usage(request_id)
            found = (record["prompt_tokens"], record["completion_tokens"], record["total_tokens"], record["cost_micros"])
            assert found == (prompt, answer, total, micros), name
            assert record["estimated"] == 0


# Clients who leave


START = {"type": "message_start", "message": {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
    "usage": {"input_tokens": 500, "cache_read_input_tokens": 70, "output_tokens": 1}}}
BLOCK = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four" * 10}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 33}}
GROWING = {"usage": {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}}

#: name: path, what is sent before the client leaves; prompt, completion (None: estimated from the request), estimated
LEAVING = {
    "nothing": ("/v1/chat/completions", [], None, 0, 1),
    "role": ("/v1/chat/completions", [delta("m", role="assistant", content="")], None, 0, 1),
    "content": ("/v1/chat/completions", [delta("m", content="four" * 5)], None, 5, 1),
    "finish": ("/v1/chat/completions", [delta("m", content="four" * 5), json.loads(finish("stop")[6:])], None, 5, 1),
    "growing report": ("/v1/chat/completions", [{**delta("m", content="four"), **GROWING}], 20, 3, 1),
    "report": ("/v1/chat/completions", [
        delta("m", content="four"), json.loads(finish("stop")[6:]), chunk_of("m", choices=[], **GROWING)], 20, 3, 0),
    "message_start": ("/v1/messages", [START], 570, 1, 1),
    "block": ("/v1/messages", [START, BLOCK], 570, 10, 1),
    "message_delta": ("/v1/messages", [START, BLOCK, END], 570, 33, 0),
    "message_stop": ("/v1/messages", [START, BLOCK, END, {"type": "message_stop"}], 570, 33, 0),
}


def test_what_a_client_leaves_is_paid_for_as_far_as_it_had_come(make_providers):
    """At each phase of a stream: by what the provider has reported, else by an estimate that says so."""
    def script(exchange):
        exchange.read_body()
        _, events, *_ = LEAVING[exchange.request.json()["model"]]
        exchange.head(200, EVENT_STREAM)
        for each in [{"type": "ping"}] if not events else events:
            exchange.chunk(b": ping\n\n" if not events else event(each))
        exchange.wait_gone()

    site = make_providers()
    site.provider("one", script, models=",".join(n for n, case in LEAVING.items() if "chat" in case[0]))
    site.provider("two", script, type="anthropic", models=",".join(n for n, case in LEAVING.items() if "messages" in case[0]))
    site.prices({(name, model): (1, 10) for name in ["one", "two"] for model in LEAVING})
    site.start()
    for name, (path, events, prompt, answer, estimated) in LEAVING.items():
        request_id = site.new_id()
        body = {"model": name, "messages": [{"role": "user", "content": "Hi" * 100}], "stream": True, "max_tokens": 50,
                "stream_options": {"include_usage": True}}
        connection = Connection(site.gateway.port, timeout=15)
        connection.send(request_bytes(
            "POST", path, site.headers(extra=[("x-request-id", request_id)]), json.dumps(body).encode()))
        last = json.dumps(events[-1]).encode() if events else b": ping"
        while last not in connection.received:
            assert connection._fill(), f"{name}: {bytes(connection.received)}"
        connection.reset()
        record = site.usage(request_id)
        assert prompt is not None or 30 < record["prompt_tokens"] < 150, name
        prompt = record["prompt_tokens"] if prompt is None else prompt
        found = (record["prompt_tokens"], record["completion_tokens"], record["total_tokens"], record["estimated"])
        assert found == (prompt, answer, prompt + answer, estimated), name
        has_ended = name in ("finish", "report", "message_delta", "message_stop")
        assert record["outcome"] == ("completed" if has_ended else "cancelled"), name
        assert record["cost_micros"] == prompt + answer * 10, name
        assert site.attempts(request_id) == []
    account = site.gateway.query(
        "SELECT tokens_spent AS t, amount_spent AS a FROM api_keys WHERE key_id IN (SELECT key_id FROM usage_records)")[0]
    sums = site.gateway.query("SELECT sum(total_tokens) AS t, sum(cost_micros) AS a FROM usage_records")[0]
    assert dict(account) == dict(sums), "each was counted once"
