"""Recorded exchanges with real providers, through providers: what they used is read exactly."""

import base64
import json
import os
import subprocess
import sys
import urllib.parse

import pytest

from harness import free_port, wait_until
from harness.client import Connection
from harness.gateway import ROOT
from harness.providers import Providers

SHARED = ROOT.parent / "shared" / "exchanges"
if not SHARED.is_dir():
    pytest.skip(f"no recorded exchanges at {SHARED}", allow_module_level=True)

from test_exchanges import MODES, records, replay  # noqa: E402

SAMPLE = 250
# Where a provider's base URL has something before the version.
PATHS = {"groq": "/openai/v1", "openrouter": "/api/v1", "zai": "/api/paas/v4"}
TYPES = {"anthropic": "anthropic", "gemini": "gemini", "vertex": "gemini", "azure": "azure"}
KINDS = {
    "chat.completions", "completions", "embeddings", "responses", "messages", "generateContent",
    "streamGenerateContent", "interactions",
}


def usable(record) -> bool:
    """Requests that name a model where a provider is chosen by it, and that are here as they were sent."""
    # What was made up by hand are errors: those cost nothing.
    if record["id"].startswith("syn-"):
        return False
    if record["endpoint"] not in KINDS or record["status"] != 200 or record["method"] != "POST":
        return False
    if not isinstance(record["request_body"], dict) or record.get("request_trimmed") or record.get("path_inferred"):
        return False
    path = record["path"].split("?")[0]
    if record["endpoint"].endswith("enerateContent"):
        return record["provider"] == "gemini" and not path.startswith("//")
    is_native = record["provider"] != "gemini" or record["endpoint"] == "interactions"
    return isinstance(record["request_body"].get("model"), str) and is_native


def sample():
    found = [record for record in records() if usable(record)]
    if os.environ.get("REPLAY_ALL"):
        return found
    seen, chosen, rest = set(), [], []
    for record in found:
        shape = (record["provider"], record["endpoint"], record["is_stream"], record["usage"] is None)
        (rest if shape in seen else chosen).append(record)
        seen.add(shape)
    import random

    return chosen + random.Random(11).sample(rest, max(0, min(SAMPLE - len(chosen), len(rest))))


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("provider-replay")
    chosen = sample()
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(record) + "\n" for record in chosen))
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(SHARED / "replay_upstream.py"), "--corpus", str(corpus), "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    site = Providers(folder / "gateway")
    try:
        def up():
            import socket

            assert process.poll() is None, "it has ended"
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False

        wait_until(up, "replay upstream listens", 20)
        for name in sorted({record["provider"] for record in chosen}):
            path = f"/{name}{PATHS.get(name, '')}"
            site.provider(name, host=f"127.0.0.1:{port}", path=path, type=TYPES.get(name, "openai"))
        site.start()
        yield site, chosen
    finally:
        site.close()
        process.terminate()
        process.wait()


def ask(record):
    """Path and body of the same request, to the provider by its name."""
    provider, path = record["provider"], record["path"]
    body = dict(record["request_body"])
    if record["endpoint"].endswith("enerateContent"):
        head, _, tail = path.partition("/models/")
        return f"{head}/models/{provider}%2F{tail}", body
    body["model"] = f"{provider}/{body['model']}"
    if "/deployments/" not in path and record["endpoint"] != "interactions":
        path = "/v1/" + record["endpoint"].replace(".", "/")
    return path, body


def test_usage_of_recorded_exchanges_is_exact(replayed):
    site, chosen = replayed
    connection, wrong, expected = Connection(site.gateway.port, timeout=30), [], {}
    for index, record in enumerate(chosen):
        path, body = ask(record)
        options = f"mode={MODES[index % len(MODES)]};seed={index};gzip={index % 3 == 0:d}"
        extra = [("X-Replay-Id", record["id"]), ("X-Replay-Opt", options), ("x-request-id", f"r-{index}")]
        if index % 3 == 0:
            extra.append(("Accept-Encoding", "gzip, br"))
        data = json.dumps(body).encode()
        try:
            response = connection.request("POST", path, site.headers(extra=extra), data)
        except Exception as error:
            wrong.append((record["id"], repr(error)))
            connection = Connection(site.gateway.port, timeout=30)
            continue
        expected[f"r-{index}"] = (record, response)
        if response.status != 200:
            wrong.append((record["id"], response.status, response.body[:200]))
        if connection.eof or "close" in ",".join(response.all("connection")).lower():
            connection = Connection(site.gateway.port, timeout=30)

    assert not wrong, wrong[:10]

    def recorded():
        found = site.gateway.query("SELECT * FROM usage_records")
        return len(found) >= len(expected) and {row["request_id"]: row for row in found}

    rows = wait_until(recorded, "all usage records", 30)
    judged = 0
    for request_id, (record, _) in expected.items():
        row, usage = rows[request_id], record["usage"]
        if not usage:
            continue
        judged += 1
        is_embedding = record["endpoint"] == "embeddings"
        for column, name in [
            ("prompt_tokens", "input_all"), ("completion_tokens", "output"), ("cached_tokens", "cached"),
            ("cache_write_tokens", "cache_write"), ("reasoning_tokens", "reasoning"),
        ]:
            right = usage.get(name)
            if right is None or (is_embedding and column == "completion_tokens"):
                continue
            if row[column] != right:
                wrong.append((record["id"], column, row[column], right, usage.get("raw")))
        if row["estimated"]:
            wrong.append((record["id"], "estimated", usage.get("raw")))
    print(f"\nrecorded exchanges: {len(expected)} sent, usage of {judged} judged, {len(wrong)} wrong")
    assert not wrong, wrong[:10]
