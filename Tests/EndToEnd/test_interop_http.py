"""curl and httpx, the clients behind everything else."""

import asyncio
import gzip
import json
import shutil
import subprocess
import threading

import httpx
import pytest

from harness import free_port
from harness.llm import CHAT, WORDS, answers, endless, openai_stream, silent

ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def curl(site):
    program = shutil.which("curl")
    if not program:
        pytest.skip("curl is not installed")

    def run(*arguments, path="/v1/chat/completions", key=None, expect=0, popen=False):
        command = [
            program, "-sS", "-N", "-H", f"x-test: {site.name}", "-H", f"Authorization: Bearer {key or site.key}",
            *arguments, f"http://127.0.0.1:{site.gateway.port}{path}",
        ]  # fmt: skip
        if popen:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        result = subprocess.run(command, capture_output=True, timeout=20)
        assert result.returncode == expect, result
        return result.stdout

    return run


@pytest.fixture
def client(site):
    headers = {"x-test": site.name, "authorization": f"Bearer {site.key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{site.gateway.port}", headers=headers, timeout=10) as client:
        yield client


# curl


def test_curl_json(site, curl):
    site.route()
    site.upstream.handler = answers(CHAT)
    assert json.loads(curl("-H", "Content-Type: application/json", "-d", json.dumps(ASK))) == CHAT
    assert site.upstream.wait_requests().json() == ASK


def test_curl_sees_each_piece_at_once(site, curl):
    site.route()
    more = threading.Event()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(b"data: 1\n\n")
        assert more.wait(10)
        exchange.chunk(b"data: 2\n\n")
        exchange.last_chunk()

    site.upstream.handler = script
    process = curl("-d", "{}", popen=True)
    assert process.stdout.read(9) == b"data: 1\n\n"
    more.set()
    assert process.stdout.read() == b"data: 2\n\n" and process.wait(10) == 0


def test_curl_reports_a_cut_answer(site, curl):
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(b"data: 1\n\n")
        exchange.close()

    site.upstream.handler = script
    # 18: a partial transfer.
    assert curl("-d", "{}", expect=18) == b"data: 1\n\n"


def test_curl_killed_cancels_upstream(site, curl):
    site.route()
    gone = threading.Event()
    site.upstream.handler = endless(b"data: 1\n\n", gone)
    process = curl("-d", "{}", popen=True)
    assert process.stdout.read(9) == b"data: 1\n\n"
    process.kill()
    process.wait()
    assert gone.wait(10)


def test_curl_large_upload_with_expect(site, curl, tmp_path):
    site.route()
    file = tmp_path / "body"
    file.write_bytes(b"x" * 3_000_000)
    site.upstream.handler = answers({"ok": True})
    assert json.loads(curl("-H", "Expect: 100-continue", "-T", str(file), "-X", "POST")) == {"ok": True}
    assert len(site.upstream.wait_requests().body) == 3_000_000


@pytest.mark.parametrize("status, key", [(401, "fg_wrong"), (404, None)])
def test_curl_fails_with_the_status(curl, status, key):
    body = curl("--fail-with-body", "-w", "\n%{http_code}", "-d", "{}", key=key, expect=22)
    text, code = body.rsplit(b"\n", 1)
    assert int(code) == status and json.loads(text)["error"]["message"]


def test_curl_http_1_0_and_head(site, curl):
    site.route()
    site.upstream.handler = answers(CHAT)
    assert json.loads(curl("-0", "-d", "{}")) == CHAT
    assert b"content-length" in curl("-I").lower()


# httpx


def test_httpx_json_and_gzip(site, client):
    site.route()
    body = gzip.compress(json.dumps(CHAT).encode())
    site.upstream.handler = lambda e: e.answer(200, body, headers=[("Content-Type", "application/json"), ("Content-Encoding", "gzip")])
    response = client.post("/v1/chat/completions", json=ASK)
    assert response.json() == CHAT and response.headers["x-proxied-by"].startswith("FastGate/")
    # The connection is kept for the next.
    assert client.post("/v1/chat/completions", json=ASK).status_code == 200


def test_httpx_stream(site, client):
    site.route()
    site.upstream.handler = openai_stream
    with client.stream("POST", "/v1/chat/completions", json={**ASK, "stream": True}) as response:
        data = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    assert [json.loads(item)["choices"][0]["delta"]["content"] for item in data[:-1]] == WORDS and data[-1] == "[DONE]"


def test_httpx_streams_its_request(site, client):
    site.route()
    site.upstream.handler = answers({"ok": True})
    pieces = [b"a" * 1000, b"b" * 70_000, b"c"]
    assert client.post("/v1/files", content=iter(pieces)).json() == {"ok": True}
    assert site.upstream.wait_requests().body == b"".join(pieces)


def test_httpx_read_timeout_cancels_upstream(site, client):
    site.route()
    gone = threading.Event()
    site.upstream.handler = silent(gone)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=ASK, timeout=0.5)
    assert gone.wait(10)


def test_httpx_cancelled_task_cancels_upstream(site):
    site.route()
    gone = threading.Event()
    site.upstream.handler = silent(gone)

    async def main():
        headers = {"x-test": site.name, "authorization": f"Bearer {site.key}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.gateway.port}", headers=headers) as client:
            task = asyncio.create_task(client.post("/v1/chat/completions", json=ASK, timeout=30))
            await asyncio.to_thread(site.upstream.wait_requests)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert gone.wait(10)


def test_httpx_cut_answer_raises(site, client):
    site.route()

    def script(exchange):
        exchange.read_body()
        exchange.head(200, [("Content-Length", "100")])
        exchange.send(b"x" * 10)
        exchange.close()

    site.upstream.handler = script
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/v1/chat/completions", json=ASK)


def test_httpx_without_a_target(site, client):
    site.route(target_host=f"127.0.0.1:{free_port()}")
    response = client.post("/v1/chat/completions", json=ASK)
    assert response.status_code == 502 and response.json()["error"]["code"]
