"""Recorded exchanges with real providers, replayed through the gateway: the answers come back byte for byte."""

import importlib.util
import json
import lzma
import random
import subprocess
import sys

import pytest

from harness import free_port, wait_until
from harness.gateway import ROOT

SHARED = ROOT.parent / "shared" / "exchanges"
if not SHARED.is_dir():
    pytest.skip(f"no recorded exchanges at {SHARED}", allow_module_level=True)

# A sample that always holds every provider, error and stream shape; REPLAY_ALL=1 takes all of them.
SAMPLE = 250
MODES = ["bytes1", "random", "utf8", "nlsplit", "merge", "whole"]


def load_replay():
    spec = importlib.util.spec_from_file_location("replay_upstream", SHARED / "replay_upstream.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


replay = load_replay()


def records():
    with lzma.open(SHARED / "corpus-dev.jsonl.xz", "rt") as file:
        found = [json.loads(line) for line in file]
    with open(SHARED / "corpus-synthetic-errors.jsonl") as file:
        found += [json.loads(line) for line in file]
    return found


def sample():
    import os

    found = records()
    if os.environ.get("REPLAY_ALL"):
        return found
    seen, chosen, rest = set(), [], []
    for record in found:
        shape = (record["provider"], record["endpoint"], record["status"], record["is_stream"])
        (rest if shape in seen else chosen).append(record)
        seen.add(shape)
    rng = random.Random(7)
    chosen += rng.sample(rest, max(0, SAMPLE - len(chosen)))
    return chosen


@pytest.fixture(scope="module")
def replayed(tmp_path_factory, gateway):
    """The replay upstream as a process, a route to it, and a key."""
    folder = tmp_path_factory.mktemp("replay")
    corpus = folder / "corpus.jsonl"
    chosen = sample()
    corpus.write_text("".join(json.dumps(record) + "\n" for record in chosen))
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(SHARED / "replay_upstream.py"), "--corpus", str(corpus), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        from harness import Site

        site = Site(gateway)

        def up():
            import socket

            assert process.poll() is None, "it has ended"
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False

        wait_until(up, "replay upstream listens", 20)
        site.route(target_host=f"127.0.0.1:{port}")
        yield site, chosen
        site.close()
    finally:
        process.terminate()
        process.wait()


def options_for(index):
    """Every record gets its own way of being cut into writes, all of them fixed."""
    return {"mode": MODES[index % len(MODES)], "seed": index}


def test_recorded_exchanges_come_back_byte_for_byte(replayed):
    site, chosen = replayed
    connection = site.connect(timeout=30)
    wrong = []
    for index, record in enumerate(chosen):
        options = options_for(index)
        body = record["request_body"]
        kind = record.get("request_body_kind")
        data = None
        if body is not None:
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        extra = [
            ("X-Replay-Id", record["id"]),
            ("X-Replay-Opt", ";".join(f"{k}={v}" for k, v in options.items())),
            ("Content-Type", "application/json" if kind == "json" else "application/octet-stream"),
        ]
        expected = replay.render(record, options)
        try:
            response = connection.request(record["method"], record["path"], site.headers(extra), data)
        except Exception as error:
            wrong.append((record["id"], repr(error)))
            connection = site.connect(timeout=30)
            continue
        if response.status != record["status"]:
            wrong.append((record["id"], f"status {response.status}, not {record['status']}"))
        elif response.body != expected:
            wrong.append((record["id"], f"{len(response.body)} bytes, not the {len(expected)} recorded"))
        if connection.eof or "close" in ",".join(response.all("connection")).lower():
            connection = site.connect(timeout=30)
    print(f"\nrecorded exchanges: {len(chosen) - len(wrong)} of {len(chosen)} identical")
    assert not wrong, wrong[:10]


def test_faults_are_never_made_to_look_whole(replayed):
    site, chosen = replayed
    streams = [r for r in chosen if r["is_stream"] and r["status"] == 200 and len(replay.body_of(r)) > 200][:12]
    for index, record in enumerate(streams):
        fault = ["cut:100", "close:100", "badchunk:100"][index % 3]
        request_id = site.new_id()
        extra = [
            ("X-Replay-Id", record["id"]),
            ("X-Replay-Opt", f"mode=random;seed={index};fault={fault};framing=chunked"),
            ("x-request-id", request_id),
        ]
        body = json.dumps(record["request_body"]).encode()
        with site.connect() as connection:
            connection.send(site.bytes(record["method"], record["path"], extra, body))
            try:
                response = connection.read_response(record["method"])
                assert response.status == 502, f"{record['id']} with {fault} looks whole"
            except (AssertionError, TimeoutError):
                raise
            except Exception:
                pass
        assert site.gateway.audit(request_id)["error_message"], f"{record['id']} with {fault}"
