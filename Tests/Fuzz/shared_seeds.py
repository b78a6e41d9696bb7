"""Makes seeds of the recorded exchanges, wire cases and JSON suites beside the repository: shared_seeds.py SHARED OUT.

What is missing there is left out. Nothing of it becomes part of the project: OUT lies in the build folder.
"""

import hashlib
import json
import lzma
import sys
from pathlib import Path

LARGEST = 8192
MOST = 400
# The first byte chooses, the second one cuts; see Input in EntryPoint.swift.
PREFIX = b"\x00\x80"


class Seeds:
    def __init__(self, out: Path):
        self.out = out
        self.counts: dict[str, int] = {}

    def add(self, target: str, data: bytes, prefix: bytes = PREFIX):
        if not data or len(data) > LARGEST or self.counts.get(target, 0) >= MOST:
            return
        folder = self.out / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(prefix + data)
        self.counts[target] = self.counts.get(target, 0) + 1


def lines(path: Path):
    if not path.is_file():
        return
    with lzma.open(path, "rt") if path.suffix == ".xz" else open(path) as file:
        for line in file:
            yield json.loads(line)


def wire(shared: Path, seeds: Seeds):
    for name, target in (("request", "request-head"), ("response", "response-head")):
        for file in (f"llhttp_{name}.jsonl", f"own_{name}.jsonl.xz"):
            for case in lines(shared / "wire" / file):
                data = bytes_of(case)
                seeds.add(target, data)
                body = data.partition(b"\r\n\r\n")[2]
                if b"chunked" in data.lower():
                    seeds.add("chunked", body)


def bytes_of(case: dict) -> bytes:
    value = case.get("hex")
    if isinstance(value, str):
        return bytes.fromhex(value)
    return b""


def exchanges(shared: Path, seeds: Seeds):
    for name in ("corpus-dev.jsonl.xz", "corpus-synthetic-errors.jsonl"):
        for exchange in lines(shared / "exchanges" / name):
            for text in strings(exchange):
                if text.startswith(("data:", "event:", ":")):
                    seeds.add("answer", text.encode())
                    seeds.add("usage-filter", text.encode())
                    seeds.add("closing-event", text.encode())
                    seeds.add("recorded", b"content-type: text/event-stream\r\n\0" + text.encode())
                elif text.startswith("{"):
                    seeds.add("answer", text.encode())
                    seeds.add("fault", text.encode())
                    seeds.add("llm-request", text.encode())
                    seeds.add("members", text.encode())


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        if "messages" in value or "choices" in value or "contents" in value:
            yield json.dumps(value)
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def suites(shared: Path, seeds: Seeds):
    for path in sorted((shared / "json-parsing").rglob("*.json")):
        seeds.add("json", path.read_bytes(), b"")
        seeds.add("members", b'{"a":' + path.read_bytes() + b"}")
    for path in sorted((shared / "json-schema" / "tests").rglob("*.json")):
        if "2020" not in str(path):
            continue
        for group in json.loads(path.read_text()):
            for test in group["tests"][:2]:
                pair = (json.dumps(group["schema"]), json.dumps(test["data"]))
                seeds.add("schema", "\0".join(pair).encode(), b"")
    prices = shared / "prices" / "model_prices_and_context_window.json"
    if prices.is_file():
        models = list(json.loads(prices.read_text()).items())
        for at in range(0, len(models), 40):
            seeds.add("prices", json.dumps(dict(models[at : at + 5])).encode(), b"")


def main():
    shared, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    seeds = Seeds(out)
    for part in (wire, exchanges, suites):
        part(shared, seeds)


if __name__ == "__main__":
    main()
