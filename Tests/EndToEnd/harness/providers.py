"""A gateway with providers: set up by the product's own commands, asked by their models' names."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path

from .client import Connection, Response
from .gateway import Gateway, binary, wait_until
from .patience import patient
from .upstream import Exchange, Upstream

EVENT_STREAM = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


class Providers:
    """One gateway and the upstreams that play its providers."""

    def __init__(self, folder: Path, config: dict | None = None, workers: int = 2, env: dict | None = None):
        self.gateway = Gateway(folder, config, workers=workers, env=env)
        self.gateway.write_config()
        self.upstreams: dict[str, Upstream] = {}
        self.key: str | None = None
        self._ids = 0

    # Setting up, before the start

    def command(self, *words: str, stdin: str = "", fails: bool = False) -> str:
        done = subprocess.run(
            [str(binary()), *words, "--config", str(self.gateway.config_file)],
            input=stdin, capture_output=True, text=True, env=self.gateway.env, cwd=self.gateway.folder, timeout=patient(30),
        )
        assert (done.returncode != 0) == fails, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout if not fails else done.stderr

    def provider(
        self, name: str, handler=None, *, path: str = "/v1", keys=("sk-upstream-key-0001",), host=None, tls=None, **options
    ):
        """A provider with an upstream of its own, unless `host` names another; over TLS if it has a context for it."""
        upstream = None
        if host is None:
            upstream = Upstream(handler or chat, tls=tls)
            self.upstreams[name] = upstream
            host = upstream.host
        scheme = "https" if tls else "http"
        words = ["providers", "add", name, "--base-url", f"{scheme}://{host}{path}"]
        for option, value in options.items():
            for each in value if isinstance(value, list) else [value]:
                words += ["--" + option.replace("_", "-"), str(each)]
        self.command(*words)
        for key in keys:
            self.command("providers", "keys", "add", name, stdin=key + "\n")
        return upstream

    def alias(self, name: str, *targets: str):
        self.command("aliases", "set", name, *targets)

    def prices(self, table: dict):
        """`{(provider, model): (input, output)}` in dollars per million tokens."""
        entries = {
            f"{provider}/{model}" if provider else model: {
                "litellm_provider": provider, "mode": "chat", "input_cost_per_token": taken / 1e6,
                "output_cost_per_token": given / 1e6, "max_output_tokens": 1000,
            }
            for (provider, model), (taken, given) in table.items()
        }
        file = self.gateway.folder / "prices.json"
        file.write_text(json.dumps(entries))
        self.command("prices", "import", str(file))

    def start(self) -> "Providers":
        self.gateway.start()
        self.key = self.gateway.make_key()["key_value"]
        return self

    # While it runs

    def new_key(self, **limits) -> dict:
        """A caller's key; columns beyond the API's are set in the database, and made effective by the next change."""
        made = self.gateway.make_key()
        if limits:
            columns = ", ".join(f"{name} = ?" for name in limits)
            with sqlite3.connect(self.gateway.database_file, timeout=20) as database:
                database.execute(
                    f"UPDATE api_keys SET {columns} WHERE key_id = ?", (*limits.values(), made["key_id"]))
            self.gateway.make_key("/unused")
        return made

    def new_id(self) -> str:
        self._ids += 1
        return f"p-{self._ids}"

    def headers(self, key: str | None = None, extra=()) -> list[tuple[str, str]]:
        return [("Host", "gateway.test"), ("Authorization", f"Bearer {key or self.key}"),
                ("Content-Type", "application/json"), *extra]

    def call(self, body=None, path="/v1/chat/completions", *, key=None, headers=(), method="POST", timeout=20) -> Response:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = Connection(self.gateway.port, timeout=timeout)
        try:
            return connection.request(method, path, self.headers(key, headers), data)
        finally:
            connection.close()

    def ask(self, model: str, *, stream: bool = False, key=None, headers=(), **fields) -> Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
        if stream:
            body["stream"] = True
        return self.call(body, key=key, headers=headers)

    def import_prices(self, entries: dict):
        """Imports a price file of these entries, named provider/model; before `start`."""
        file = self.gateway.folder / "prices.json"
        file.write_text(json.dumps({
            name: {"litellm_provider": name.partition("/")[0], "mode": "chat", **rest} for name, rest in entries.items()}))
        self.command("prices", "import", str(file))

    def usage(self, request_id: str) -> dict:
        """The usage record of a request."""
        def found():
            rows = self.gateway.query("SELECT * FROM usage_records WHERE request_id = ?", request_id)
            assert len(rows) <= 1, f"{len(rows)} usage records for {request_id}"
            return rows
        return wait_until(found, f"usage record of {request_id}")[0]

    def attempts(self, request_id: str) -> list[tuple[str, str, int | None]]:
        """The failed attempts of a request: provider, reason, status."""
        record = self.usage(request_id)
        rows = self.gateway.query("SELECT * FROM usage_attempts WHERE id = ? ORDER BY position", record["id"])
        return [(row["provider"], row["reason"], row["status_code"]) for row in rows]

    def key_states(self, provider: str) -> list[str]:
        rows = self.gateway.query("SELECT state FROM provider_keys WHERE provider = ? ORDER BY created_at, key_id", provider)
        return [row["state"] for row in rows]

    def balance(self, key: str) -> dict:
        return self.call(None, "/v1/token/balance", key=key, method="GET").json()

    def close(self):
        try:
            self.gateway.stop()
        finally:
            self.gateway.kill()
            for upstream in self.upstreams.values():
                upstream.close()
        errors = [error for upstream in self.upstreams.values() for error in upstream.errors]
        assert not errors, f"what a provider was sent was not right: {errors}"
        assert "Fatal error" not in self.gateway.log, self.gateway.log[-4000:]


# Scripts


def chunk_of(model: str, **fields) -> dict:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, **fields}


def delta(model: str, **delta) -> dict:
    return chunk_of(model, choices=[{"index": 0, "delta": delta, "finish_reason": None}])


def event(item) -> bytes:
    return b"data: " + (item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n\n"


def completion(model: str, text: str = "Hello", usage: dict | None = None) -> bytes:
    message = {"role": "assistant", "content": text}
    return json.dumps({
        "id": "c1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage or USAGE,
    }).encode()


def chat(exchange: Exchange):
    """Answers as OpenAI does: JSON, or a stream with a usage chunk if it was asked for."""
    exchange.read_body()
    request = exchange.request.json()
    model = request["model"]
    if not request.get("stream"):
        return exchange.answer(200, completion(model))
    exchange.head(200, EVENT_STREAM)
    exchange.chunk(event(delta(model, role="assistant", content="")))
    for word in ["Hel", "lo"]:
        exchange.chunk(event(delta(model, content=word)))
    exchange.chunk(event(chunk_of(model, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])))
    if (request.get("stream_options") or {}).get("include_usage"):
        exchange.chunk(event(chunk_of(model, choices=[], usage=USAGE)))
    exchange.chunk(event(b"[DONE]"))
    exchange.last_chunk()


def failing(status: int, code: str = "error", headers=(), message: str = "no"):
    """Answers every request with an error."""
    body = json.dumps({"error": {"message": message, "type": code, "code": code}}).encode()
    return lambda exchange: exchange.answer(status, body, [("Content-Type", "application/json"), *headers])
