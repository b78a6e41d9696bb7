"""A raw HTTP/1.1 client: sends exactly the bytes it is told to and reads answers strictly.

Every read has a deadline, so a gateway that hangs fails a test rather than hanging it.
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass, field

from .patience import patient

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: ([\x20-\x7e\x80-\xff\t]*))?\r\n")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*((?:[\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)[ \t]*\r\n")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[^\r\n]*)?\r\n")


class Truncated(Exception):
    """The peer ended the connection in the middle of a message."""


class Malformed(Exception):
    """The peer sent something that is not strict HTTP/1.1."""


@dataclass
class Response:
    """One answer; `body` grows while it is read, `complete` says that its framing ended properly."""

    status: int
    reason: str
    version: str
    headers: list[tuple[str, str]]
    interim: list["Response"] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    framing: str = "none"
    complete: bool = False

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The only value of a header; a repeated one is an error here."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def request_id(self) -> str:
        return self.header("x-request-id") or ""

    def json(self):
        import json

        return json.loads(self.body)


class Connection:
    """One TCP (or TLS) connection to the gateway."""

    def __init__(
        self,
        port: int,
        *,
        source: str | None = None,
        timeout: float = 10.0,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str = "localhost",
    ):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(patient(timeout))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        self.buffer = bytearray()
        self.received = bytearray()
        self.eof = False
        self.was_reset = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with a RST."""
        import struct

        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data: bytes):
        self.socket.sendall(data)

    def send_if_open(self, data: bytes) -> bool:
        """Sends to a peer that may have closed already, as it may after refusing."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def send_head(self, method: str, target: str, headers: list[tuple[str, str]], version: str = "HTTP/1.1"):
        self.send(head_bytes(method, target, headers, version))

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        headers: list[tuple[str, str]] = (),
        body: bytes | None = None,
        chunks: list[bytes] | None = None,
        version: str = "HTTP/1.1",
    ) -> Response:
        """Sends one whole request and reads its whole answer."""
        self.send(request_bytes(method, target, headers, body, chunks, version))
        return self.read_response(method)

    # Reading

    def _fill(self) -> bool:
        """Receives once; False at the end of the connection."""
        if self.eof:
            return False
        try:
            data = self.socket.recv(1 << 18)
        except (ConnectionResetError, ssl.SSLError, BrokenPipeError):
            self.was_reset = True
            data = b""
        if not data:
            self.eof = True
            return False
        self.buffer += data
        if len(self.received) < 1 << 20:
            self.received += data
        return True

    def _line(self) -> bytes:
        while True:
            end = self.buffer.find(b"\n")
            if end >= 0:
                line = bytes(self.buffer[: end + 1])
                del self.buffer[: end + 1]
                return line
            if not self._fill():
                raise Truncated(f"connection ended within a line: {bytes(self.buffer[:80])!r}")

    def _fields(self) -> list[tuple[str, str]]:
        fields = []
        while (line := self._line()) != b"\r\n":
            match = FIELD_LINE.fullmatch(line)
            if not match:
                raise Malformed(f"header line {line!r}")
            fields.append((match[1].decode("latin-1"), match[2].decode("latin-1")))
        return fields

    def read_one_head(self) -> Response:
        """Reads one head, interim ones included."""
        line = self._line()
        match = STATUS_LINE.fullmatch(line)
        if not match:
            raise Malformed(f"status line {line!r}")
        return Response(int(match[2]), (match[3] or b"").decode("latin-1"), f"1.{match[1].decode()}", self._fields())

    def read_head(self, method: str = "GET") -> Response:
        """Reads the final head (interim ones are kept in `interim`) and works out the framing."""
        interim = []
        while True:
            response = self.read_one_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response)
        response.interim = interim
        lengths, codings = response.all("content-length"), response.all("transfer-encoding")
        if method == "HEAD" or response.status in (101, 204, 304):
            response.framing, response.complete = "none", True
        elif codings:
            if lengths or [c.lower() for c in codings] != ["chunked"] or response.version == "1.0":
                raise Malformed(f"framing {response.headers}")
            response.framing = "chunked"
        elif lengths:
            if len(lengths) != 1 or not re.fullmatch(r"\d{1,18}", lengths[0]):
                raise Malformed(f"framing {response.headers}")
            response.framing = "length"
            response.complete = int(lengths[0]) == 0
        else:
            response.framing = "close"
        self._left = int(lengths[0]) if response.framing == "length" else 0
        self._in_chunk = False
        return response

    def read_piece(self, response: Response) -> bytes:
        """The next piece of the body as it arrives, decoded; b"" once it is complete."""
        if response.complete:
            return b""
        if response.framing == "close":
            if not self.buffer and not self._fill():
                if self.was_reset:
                    raise Truncated("reset in a close-delimited body")
                response.complete = True
                return b""
            return self._take(response, len(self.buffer))
        if response.framing == "chunked" and self._left == 0:
            if self._in_chunk and self._line() != b"\r\n":
                raise Malformed("chunk data without its CRLF")
            line = self._line()
            match = CHUNK_LINE.fullmatch(line)
            if not match:
                raise Malformed(f"chunk line {line!r}")
            self._left, self._in_chunk = int(match[1], 16), True
            if self._left == 0:
                response.trailers = self._fields()
                response.complete = True
                return b""
        if not self.buffer and not self._fill():
            raise Truncated(f"{self._left} bytes of the body missing")
        piece = self._take(response, min(self._left, len(self.buffer)))
        self._left -= len(piece)
        if response.framing == "length" and self._left == 0:
            response.complete = True
        return piece

    def _take(self, response: Response, count: int) -> bytes:
        piece = bytes(self.buffer[:count])
        del self.buffer[:count]
        response.body += piece
        return piece

    def read_until(self, response: Response, wanted: bytes) -> bytes:
        """Reads pieces until `wanted` has come; the decoded bytes read by this call."""
        start = len(response.body)
        while wanted not in response.body[start:]:
            if not self.read_piece(response):
                raise Truncated(f"body ended without {wanted!r}: {response.body[start:]!r}")
        return response.body[start:]

    def read_response(self, method: str = "GET") -> Response:
        """Reads one whole answer; raises Truncated if it is cut short."""
        response = self.read_head(method)
        pieces = []
        # Collected in a list: a big body would be copied for every piece otherwise.
        while not response.complete:
            response.body = b""
            self.read_piece(response)
            pieces.append(response.body)
        response.body = b"".join(pieces)
        return response

    def read_truncated(self, method: str = "GET") -> Response:
        """Reads an answer that must turn out to be cut short."""
        response = self.read_head(method)
        try:
            while self.read_piece(response):
                pass
        except Truncated:
            return response
        raise AssertionError(f"a broken answer looks whole: {response}")

    def wait_closed(self) -> bool:
        """True once the peer has closed and sent nothing more; False if there are more bytes."""
        while self._fill():
            pass
        return not self.buffer

    def is_silent(self, seconds: float) -> bool:
        """Nothing arrives and nothing ends for this long. Only for showing that something is still waiting."""
        if self.buffer or self.eof:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self._fill()
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)


def head_bytes(method: str, target: str, headers, version: str = "HTTP/1.1") -> bytes:
    lines = [f"{method} {target} {version}"] + [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked_bytes(chunks: list[bytes], trailers=()) -> bytes:
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return data + b"0\r\n" + b"".join(f"{k}: {v}\r\n".encode("latin-1") for k, v in trailers) + b"\r\n"


def request_bytes(method, target, headers=(), body=None, chunks=None, version="HTTP/1.1") -> bytes:
    headers = list(headers)
    if chunks is not None:
        headers.append(("Transfer-Encoding", "chunked"))
        return head_bytes(method, target, headers, version) + chunked_bytes(chunks)
    if body is not None:
        headers.append(("Content-Length", str(len(body))))
    return head_bytes(method, target, headers, version) + (body or b"")
