"""One test's corner of a shared gateway: an upstream, a key and routes that only its own requests match."""

from __future__ import annotations

import itertools
import os

from .client import Connection, Response, request_bytes
from .gateway import Gateway
from .upstream import Upstream

_numbers = itertools.count(1)


class Site:
    """Requests carry `x-test: <name>`; routes ask for it, so that tests share one gateway without meeting."""

    def __init__(self, gateway: Gateway):
        self.gateway = gateway
        self.name = f"t{os.getpid()}-{next(_numbers)}"
        self.upstreams: list[Upstream] = []
        self._connections: list[Connection] = []
        self._routes: list[str] = []
        self._keys: list[str] = []
        self._key: dict | None = None
        self._ids = itertools.count(1)

    # Parts, made when first asked for

    @property
    def upstream(self) -> Upstream:
        return self.upstreams[0] if self.upstreams else self.new_upstream()

    def new_upstream(self, *args, **kw) -> Upstream:
        upstream = Upstream(*args, **kw)
        self.upstreams.append(upstream)
        return upstream

    @property
    def key(self) -> str:
        if self._key is None:
            self._key = self.new_key()
        return self._key["key_value"]

    @property
    def key_id(self) -> str:
        return self.key and self._key["key_id"]

    def new_key(self, **fields) -> dict:
        key = self.gateway.make_key(**{"source_path": f"/{self.name}", **fields})
        self._keys.append(key["key_id"])
        return key

    def route(self, upstream: Upstream | None = None, **fields) -> dict:
        """A route to this site's upstream, for this site's requests only, unless the fields say otherwise."""
        upstream = upstream or self.upstream
        condition = {"x-test": self.name}
        if fields.get("match_headers"):
            condition |= fields["match_headers"]
        fields = {"match_path": "*", "target_host": upstream.host, **fields, "match_headers": condition}
        route = self.gateway.make_route(**fields)
        self._routes.append(route["route_id"])
        return route

    def new_id(self) -> str:
        """A request id of the test's own, so that its audit row can be found whatever the answer."""
        return f"{self.name}-{next(self._ids)}"

    # Requests

    def headers(self, extra=(), key: str | None = "", without=()) -> list[tuple[str, str]]:
        """Host, this site's mark and its key (key=None: none)."""
        headers = [("Host", "gateway.test"), ("x-test", self.name)]
        if key is not None:
            headers.append(("Authorization", f"Bearer {key or self.key}"))
        return [h for h in headers if h[0].lower() not in without] + list(extra)

    def connect(self, **kw) -> Connection:
        connection = Connection(self.gateway.port, **kw)
        self._connections.append(connection)
        return connection

    def call(
        self,
        method: str = "GET",
        target: str = "/v1/chat/completions",
        body: bytes | None = None,
        headers=(),
        key: str | None = "",
        chunks: list[bytes] | None = None,
        source: str | None = None,
    ) -> Response:
        """One exchange on a connection of its own."""
        with self.connect(source=source) as connection:
            return connection.request(method, target, self.headers(headers, key), body, chunks)

    def bytes(self, method="GET", target="/", headers=(), body=None, chunks=None, version="HTTP/1.1") -> bytes:
        return request_bytes(method, target, self.headers(headers), body, chunks, version)

    def close(self):
        for connection in self._connections:
            connection.close()
        alive = self.gateway.process and self.gateway.process.poll() is None
        if alive:
            for route_id in self._routes:
                self.gateway.admin("DELETE", f"/admin/routes/{route_id}", expect=(200, 204, 404))
            for key_id in self._keys:
                self.gateway.admin("DELETE", f"/admin/keys/{key_id}", expect=(200, 204, 404))
        errors = [error for upstream in self.upstreams for error in upstream.errors]
        for upstream in self.upstreams:
            upstream.close()
        assert not errors, f"what the upstream was sent was not right: {errors}"
