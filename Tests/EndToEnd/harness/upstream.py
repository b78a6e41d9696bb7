"""A scripted upstream: a real server on loopback that keeps exactly the bytes it got and plays what a test says.

A script is a function of one `Exchange`. It runs in the connection's own thread, so it may wait for a test's
event before it sends the next byte; that is how streaming is tested in lock-step instead of with sleeps.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .client import chunked_bytes
from .patience import patient

WAIT_SECONDS = patient(10.0)
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])\r\n")


@dataclass
class Request:
    """One request as the upstream received it; `body` grows while it is read."""

    connection: int
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    head: bytes
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    complete: bool = False

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def names(self) -> list[str]:
        return [name.lower() for name, _ in self.headers]

    def json(self):
        import json

        return json.loads(self.body)


class Gone(Exception):
    """The gateway ended the connection."""


class Exchange:
    """What a script sees: the request and the means to answer it byte by byte."""

    def __init__(self, upstream: "Upstream", connection: "UpstreamConnection", request: Request):
        self.upstream = upstream
        self.connection = connection
        self.request = request
        self.keep = True

    # Sending

    def send(self, data: bytes):
        try:
            self.connection.socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def send_slowly(self, data: bytes, size: int = 1):
        """Byte by byte, each in a segment of its own."""
        for start in range(0, len(data), size):
            self.send(data[start : start + size])

    def head(self, status: int = 200, headers=(), reason: str = "OK", version: str = "HTTP/1.1"):
        lines = [f"{version} {status} {reason}"] + [f"{name}: {value}" for name, value in headers]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def chunk(self, data: bytes):
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def last_chunk(self, trailers=()):
        self.send(chunked_bytes([], trailers))

    def answer(self, status: int = 200, body: bytes = b"{}", headers=(("Content-Type", "application/json"),), **kw):
        """Reads the request's body, then answers whole, with Content-Length."""
        self.read_body()
        self.head(status, [*headers, ("Content-Length", str(len(body)))], **kw)
        if self.request.method != "HEAD":
            self.send(body)

    def close(self):
        """FIN: what was sent arrives, nothing more will."""
        self.keep = False
        try:
            self.connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        """RST: ends the connection as a crash would."""
        self.keep = False
        self.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.socket.close()

    # Receiving

    def read_body(self) -> bytes:
        """Reads the rest of the request's body."""
        while not self.request.complete:
            self.read_piece()
        return self.request.body

    def read_piece(self) -> bytes:
        return self.connection.read_piece(self.request)

    def receive(self) -> bytes:
        """Raw bytes, for tunnels; b"" at the end."""
        if self.connection.buffer:
            data = bytes(self.connection.buffer)
            self.connection.buffer.clear()
            return data
        return self.connection.receive()

    def wait_gone(self, seconds: float = WAIT_SECONDS) -> bool:
        """True once the gateway has ended this connection."""
        self.connection.socket.settimeout(seconds)
        try:
            while self.connection.receive():
                pass
            return True
        except TimeoutError:
            return False


class UpstreamConnection:
    def __init__(self, upstream: "Upstream", sock: socket.socket, number: int):
        self.upstream = upstream
        self.socket = sock
        self.number = number
        self.buffer = bytearray()
        self.raw = bytearray()
        self.ended = False
        self.left = 0
        self.in_chunk = False

    def receive(self) -> bytes:
        try:
            data = self.socket.recv(1 << 18)
        except TimeoutError:
            raise
        except (OSError, ValueError):
            data = b""
        with self.upstream.changed:
            if data:
                if len(self.raw) < self.upstream.raw_limit:
                    self.raw += data
                self.upstream.bytes_received += len(data)
            else:
                self.ended = True
            self.upstream.changed.notify_all()
        return data

    def fill(self):
        data = self.receive()
        if not data:
            raise Gone("the gateway closed")
        self.buffer += data

    def line(self) -> bytes:
        while (end := self.buffer.find(b"\n")) < 0:
            self.fill()
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        return line

    def fields(self, head: bytearray | None = None) -> list[tuple[str, str]]:
        fields = []
        while True:
            line = self.line()
            if head is not None:
                head += line
            if line == b"\r\n":
                return fields
            assert line.endswith(b"\r\n") and b":" in line, f"the gateway sent the header line {line!r}"
            name, value = line[:-2].split(b":", 1)
            fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))

    def read_request(self) -> Request:
        line = self.line()
        match = REQUEST_LINE.fullmatch(line)
        assert match, f"the gateway sent the request line {line!r}"
        head = bytearray(line)
        fields = self.fields(head)
        request = Request(
            self.number, match[1].decode(), match[2].decode("latin-1"), f"1.{match[3].decode()}", fields, bytes(head)
        )
        lengths, codings = request.all("content-length"), request.all("transfer-encoding")
        assert not (lengths and codings) and len(lengths) <= 1, f"the gateway sent bad framing: {fields}"
        assert len(request.all("host")) == 1, f"the gateway sent {len(request.all('host'))} Host"
        self.left = int(lengths[0]) if lengths else 0
        self.in_chunk = False
        self.chunked = bool(codings)
        if codings:
            assert [c.lower() for c in codings] == ["chunked"], codings
        request.complete = not codings and self.left == 0
        return request

    def read_piece(self, request: Request) -> bytes:
        if request.complete:
            return b""
        if self.chunked and self.left == 0:
            if self.in_chunk:
                assert self.line() == b"\r\n", "the gateway sent chunk data without its CRLF"
            self.left, self.in_chunk = int(self.line().split(b";")[0], 16), True
            if self.left == 0:
                request.trailers = self.fields()
                self._complete(request)
                return b""
        if not self.buffer:
            self.fill()
        count = min(self.left, len(self.buffer))
        piece = bytes(self.buffer[:count])
        del self.buffer[:count]
        self.left -= count
        with self.upstream.changed:
            request.body += piece
            if not self.chunked and self.left == 0:
                request.complete = True
            self.upstream.changed.notify_all()
        return piece

    def _complete(self, request: Request):
        with self.upstream.changed:
            request.complete = True
            self.upstream.changed.notify_all()


def ok(exchange: Exchange):
    """The script used when a test gives none."""
    exchange.answer(200, b'{"ok":true}')


class Upstream:
    """Listens on a free loopback port. `handler` plays every request that no queued script (`then`) takes."""

    def __init__(
        self,
        handler: Callable[[Exchange], None] = ok,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        address: str = "127.0.0.1",
    ):
        self.handler = handler
        self.tls = tls
        self.raw_limit = 1 << 20
        self.changed = threading.Condition()
        self.requests: list[Request] = []
        self.connections: list[UpstreamConnection] = []
        self.errors: list[BaseException] = []
        self.bytes_received = 0
        self._scripts: deque[Callable[[Exchange], None]] = deque()
        self._closing = False
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(512)
        self.port = self._listener.getsockname()[1]
        self.host = f"{address}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def then(self, *scripts: Callable[[Exchange], None]) -> "Upstream":
        """Queues scripts: each takes one request."""
        self._scripts.extend(scripts)
        return self

    @property
    def raw(self) -> bytes:
        """Everything received, connection after connection (up to raw_limit each)."""
        with self.changed:
            return b"".join(bytes(connection.raw) for connection in self.connections)

    def wait(self, condition: Callable[["Upstream"], object], seconds: float = WAIT_SECONDS):
        """Waits until the condition holds; fails the test otherwise."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), seconds), (
                f"upstream: condition not met in {seconds} s; "
                f"{len(self.requests)} requests, {len(self.connections)} connections, errors {self.errors}"
            )

    def wait_requests(self, count: int = 1) -> Request:
        """Waits for the count-th complete request and returns it."""
        self.wait(lambda u: sum(r.complete for r in u.requests) >= count)
        return self.requests[count - 1]

    def clear(self):
        with self.changed:
            self.requests.clear()
            self.bytes_received = 0
            for connection in self.connections:
                connection.raw.clear()

    def close_idle(self):
        """Closes every open connection from this side, as a server with a short keep-alive does."""
        with self.changed:
            connections = list(self.connections)
        for connection in connections:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self._closing = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.close_idle()

    def _accept(self):
        while not self._closing:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = UpstreamConnection(self, sock, 0)
        with self.changed:
            connection.number = len(self.connections)
            self.connections.append(connection)
            self.changed.notify_all()
        try:
            if self.tls:
                connection.socket = self.tls.wrap_socket(sock, server_side=True)
            while True:
                if not connection.buffer:
                    connection.fill()
                request = connection.read_request()
                with self.changed:
                    self.requests.append(request)
                    script = self._scripts.popleft() if self._scripts else self.handler
                    self.changed.notify_all()
                exchange = Exchange(self, connection, request)
                script(exchange)
                if not exchange.keep:
                    # Lingers, so that what was sent is read before the socket goes away.
                    exchange.wait_gone(2)
                    return
                exchange.read_body()
        except (Gone, OSError, ValueError):
            pass
        except BaseException as error:  # an AssertionError here is a finding about the gateway
            self.errors.append(error)
        finally:
            try:
                connection.socket.close()
            except OSError:
                pass
            with self.changed:
                connection.ended = True
                self.changed.notify_all()


class Signal:
    """A turnstile for lock-step tests: the test lets the script go on, one step at a time."""

    def __init__(self):
        self._semaphore = threading.Semaphore(0)

    def go(self):
        self._semaphore.release()

    def wait(self):
        assert self._semaphore.acquire(timeout=WAIT_SECONDS), "the test never let the script go on"


def stalled_port() -> tuple[socket.socket, list[socket.socket], int]:
    """A loopback port where connecting hangs: its accept queue is full. Keep the sockets until done."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    fillers = []
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        filler = socket.socket()
        filler.setblocking(False)
        try:
            filler.connect(("127.0.0.1", port))
        except BlockingIOError:
            pass
        fillers.append(filler)
        time.sleep(0.01)
        if filler.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            try:
                filler.getpeername()
            except OSError:
                break  # still connecting: the queue is full
    return listener, fillers, port
