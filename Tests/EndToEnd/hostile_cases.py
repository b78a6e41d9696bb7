"""The bytes behind the tables of docs/security.md: for each row's id, inputs that have to end as the row says.

`@@` stands for the test's own header lines (its route's condition and its key).
"""

HOST = b"Host: gateway.test\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n@@\r\n"


def line(start: bytes) -> bytes:
    """A request line of a test's own, with good headers."""
    return start + b"\r\n" + HOST + b"@@\r\n"


def field(*lines: bytes) -> bytes:
    """Header lines of a test's own, behind good ones."""
    return GET + b"".join(line + b"\r\n" for line in lines) + b"@@\r\n"


def path(target: bytes) -> bytes:
    return line(b"GET " + target + b" HTTP/1.1")


def length(*values: bytes) -> bytes:
    return POST + b"".join(b"Content-Length: " + value + b"\r\n" for value in values) + b"@@\r\nhello"


def coding(*values: bytes) -> bytes:
    return POST + b"".join(b"Transfer-Encoding: " + value + b"\r\n" for value in values) + b"@@\r\n0\r\n\r\n"


def trailer(*lines: bytes) -> bytes:
    return CHUNKED + b"5\r\nhello\r\n0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


REQUESTS = {
    # Head syntax
    "name-byte": [field(b"X" + byte + b"A: 1") for byte in (b"\x01", b"\0", b"(", b"\x80", b"\xc3\xa4", b"\x7f", b"@", b'"')]
    + [field(b": 1")],
    "name-space": [field(b"X-A : 1"), field(b"X-A\t: 1"), field(b"X A: 1"), field(b"Content-Length : 5")],
    "no-colon": [field(b"X-A"), field(b"GET / HTTP/1.1")],
    "obs-fold": [
        field(b"X-A: 1", b" folded"),
        field(b"X-A: 1", b"\tfolded"),
        field(b"Transfer-Encoding:", b" chunked"),
        field(b"X-A: 1", b" "),
        b"GET / HTTP/1.1\r\n " + HOST + b"@@\r\n",
    ],
    "line-end": [
        field(b"X-A: a\rX-B: b"),
        field(b"X-A: a\r"),
        b"GET / HTTP/1.1\n" + HOST + b"@@\r\n",
        b"GET / HTTP/1.1\r\nX-A: 1\n" + HOST + b"@@\r\n",
        POST + b"@@\n",
        b"GET / HTTP/1.1\r" + HOST + b"@@\r\n",
        b"\nGET / HTTP/1.1\r\n" + HOST + b"@@\r\n",
    ],
    "control": [field(b"X-A: a" + byte + b"b") for byte in (b"\0", b"\x01", b"\x0b", b"\x0c", b"\x1b", b"\x7f")],
    # Request line
    "request-line": [
        line(b"GET /"),
        line(b"GET"),
        line(b"GET  / HTTP/1.1"),
        line(b"GET\t/ HTTP/1.1"),
        line(b" GET / HTTP/1.1"),
        line(b"GET / HTTP/1.1 "),
        line(b"GET /a b HTTP/1.1"),
        line(b"G(ET / HTTP/1.1"),
        line(b"GET /\0 HTTP/1.1"),
        line(b"GET / http/1.1"),
        line(b"GET / HTTP/1.10"),
        line(b"GET / HTTP/01.1"),
        line(b"GET / HTTP/1"),
        line(b"GET / ICE/1.1"),
        line(b"GET / HTTP/1.1\0"),
        line(b" / HTTP/1.1"),
        line(b"GET /?a b HTTP/1.1"),
        line(b"GET /\x7f HTTP/1.1"),
        b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST + b"@@\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    "version": [line(b"GET / HTTP/" + v) for v in (b"0.9", b"1.2", b"2.0", b"3.0")] + [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    "target-form": [
        line(b"GET v1 HTTP/1.1"),
        line(b"GET * HTTP/1.1"),
        line(b"GET gateway.test:80 HTTP/1.1"),
        line(b"GET ftp://gateway.test/ HTTP/1.1"),
        line(b"GET file:///etc/passwd HTTP/1.1"),
        line(b"CONNECT / HTTP/1.1"),
        line(b"CONNECT gateway.test HTTP/1.1"),
        line(b"GET /a#b HTTP/1.1"),
        line(b"GET /\xc3\xa4 HTTP/1.1"),
        line(b"GET http://u:p@gateway.test/ HTTP/1.1"),
        line(b"GET http:///a HTTP/1.1"),
        line(b"GET ws://gateway.test/ HTTP/1.1"),
        line(b"OPTIONS *?a HTTP/1.1"),
        line(b"CONNECT gateway.test:99999 HTTP/1.1"),
        line(b"CONNECT :443 HTTP/1.1"),
        line(b"GET http://gateway.test:99999/ HTTP/1.1"),
        line(b"GET http://gateway.test:/\\ HTTP/1.1"),
    ],
    "method": [line(b"CONNECT gateway.test:443 HTTP/1.1"), line(b"TRACE / HTTP/1.1")],
    "method-long": [b"A" * 4000],
    # Paths
    "dot-segment": [
        path(target)
        for target in (
            b"/a/../b", b"/a/..", b"/a/./b", b"/%2e%2e/b", b"/a/%2E./b", b"/a%2f..%2fb", b"/a%5c..%5cb", b"/..;/b",
            b"/a/..;x=1/b", b"/a/.;/b", b"/%252e%252e/b", b"/a%252f..%252fb", b"/a/.%2e",
            b"/a%25zz/%252e%252e/b",
        )  # fmt: skip
    ],
    "path-byte": [path(target) for target in (b"/a\\b", b"/a%00", b"/a%zz", b"/a%4", b"/a%", b"/a%2500")],
    "ambiguous-path": [
        path(target)
        for target in (
            b"/open//admin", b"/open/%61dmin", b"/open%2fadmin", b"/open%5Cadmin", b"/open;x=1/admin", b"/open/admin;x",
            b"//open/admin", b"/open%252fadmin", b"/open/a%64min?x=/../",
        )  # fmt: skip
    ],
    # Host
    "host": [
        b"GET / HTTP/1.1\r\n@@\r\n",
        field(b"Host: gateway.test"),
        field(b"Host: other.test"),
        field(b"HOST: other.test"),
        *[
            b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n@@\r\n"
            for host in (
                b"", b"a/b", b"a b", b"u@a", b"a, b", b"a:x", b"a:99999", b":80", b"a:80:80", b"[::1", b"a\\b", b"a?b",
                b"\xc3\xa4", b"a#b", b"a:-1", b"<a>", b'a"b', b"[fe80::1%25eth0]", b"[::1]a", b"[::g]", b"a:+80", b"a;b@c",
            )  # fmt: skip
        ],
    ],
    # Framing
    "length": [
        length(value)
        for value in (
            b"", b"-5", b"+5", b"0x5", b"5,", b"5, 5", b"5;5", b"5 5", b'"5"', b"5.0", b"1e1", b"\xef\xbc\x95", b"five",
            b"5\t5", b"1_0", b"5\xa0", b"5L", b"0b101", b"\xe2\x80\x8b5", b"5e0", b"NaN",
        )  # fmt: skip
    ],
    "length-twice": [length(b"5", b"5"), length(b"5", b"6"), length(b"0", b"5"), length(b"5", b"")],
    "length-huge": [length(value) for value in (b"0" * 1000 + b"5", b"9" * 23, b"18446744073709551621", b"9223372036854775808", b"99999999999")],
    "length-and-coding": [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n@@\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n@@\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n@@\r\nhello",
    ],
    "coding": [
        coding(*values)
        for values in (
            (b"",), (b"chunked,",), (b",chunked",), (b"chunked, chunked",), (b"chunked", b"chunked"), (b"chunked, gzip",),
            (b"chunked", b"identity"), (b"chunked\0",), (b"\x0bchunked",), (b"\x0cchunked",),
        )  # fmt: skip
    ]
    + [coding(b"chunked").replace(b"HTTP/1.1", b"HTTP/1.0", 1)],
    "coding-unknown": [
        coding(value)
        for value in (
            b"xchunked", b"gzip", b"gzip, chunked", b"identity", b"cow", b'"chunked"', b"chunked;q=1", b"chunke d",
            b"\xc2\xa0chunked", b"chunked chunked", b"chunked;", b"chunk", b"chunkeds", b"'chunked'", b"chunked=1",
        )  # fmt: skip
    ],
    "chunk-size": [
        CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n"
        for size in (b"xyz", b"-5", b"+5", b"0x5", b"", b" 5", b"5 ", b"5 5", b"5_", b"5,5", b"\xef\xbc\x95", b"5\0", b"0" * 17 + b"5", b"0" * 1000 + b"5", b"0X5", b"0o5", b"5h", b"\t5", b"5\x0b", b"5 \t", b"5L", b"5.")
    ],
    "chunk-huge": [
        CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n"
        for size in (b"ffffffffffffffff", b"8000000000000000", b"FFFFFFFFFFFFFFFB;a", b"FFFFFFFFFFFFFFFB")
    ],
    "chunk-extension": [
        CHUNKED + b"5" + extension + b"\r\nhello\r\n0\r\n\r\n"
        for extension in (
            b";a\rb", b";a\nb", b';a="b', b';a="b\r\n"', b';a="b\nc"', b";a=\0", b";", b";=b", b";a=b c", b';a="b"c', b";a==b",
            b";\x80", b" ;a= ",
        )  # fmt: skip
    ],
    "chunk-extension-long": [CHUNKED + b"5;" + b"a" * 5000, CHUNKED + b"1;aaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 300],
    "chunk-end": [
        CHUNKED + body
        for body in (
            b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\r\n0\n\n",
            b"5\r\nhello\r\n0\r\n\n", b"5\rhello\r\n0\r\n\r\n", b"5\r\nhell\r\n0\r\n\r\n", b"5\r\nhello\rX0\r\n\r\n", b"0\r\nX",
        )  # fmt: skip
        if body != b"0\r\nX"
    ],
    "trailer": [
        trailer(line)
        for line in (b"X : 1", b" X: 1", b"X", b": 1", b"X: a\0b", b"X: a\rb", b"X: a\nY: b", b"X\x80: 1", b"X: 1\r\n folded")
    ],
    "trailer-forbidden": [
        trailer(name + b": 1")
        for name in (
            b"Content-Length", b"Transfer-Encoding", b"Host", b"Authorization", b"X-Api-Key", b"Connection", b"Trailer",
            b"Content-Encoding", b"Cookie", b"X-Forwarded-For", b"Expect", b"content-LENGTH",
        )  # fmt: skip
    ],
    "trailer-long": [trailer(b"X: " + b"a" * 20_000), trailer(*[b"X-%d: 1" % i for i in range(200)])],
    # What headers mean
    "field-twice": [
        field(b"X-Api-Key: a", b"X-Api-Key: b"),
        field(b"Authorization: Bearer other"),
        field(b"Content-Type: application/json", b"content-type: text/plain"),
        field(b"Range: bytes=0-1", b"Range: bytes=2-3"),
    ],
    "expectation": [
        field(*lines)
        for lines in (
            (b"Expect: banana",), (b"Expect: 100-continue, x",), (b"Expect: 100-continue", b"Expect: x"), (b"Expect:",),
            (b"Expect: y 100-continue",), (b"Expect: 100-continue, 100-continue",), (b"Expect: 100-continue;q=1",),
            (b"Expect: 100-continue", b"Expect: 100-continue"), (b"Expect: =100-continue",),
        )  # fmt: skip
    ],
    "head-long": [field(b"X-A: " + b"a" * 70_000), field(*[b"X-%d: 1" % i for i in range(200)]), field(b"X" * 2000 + b": 1")],
    "target-long": [line(b"GET /" + b"a" * 17_000 + b" HTTP/1.1"), line(b"GET /?" + b"a" * 17_000 + b" HTTP/1.1")],
    # Forwarded, but not as it came
    "connection-names": [
        field(b"Connection: " + names, b"Cookie: kept", b"X-Api-Key: stolen")
        for names in (b"host", b"Host, close", b"keep-alive, content-length", b"transfer-encoding", b"Authorization", b"X-Api-Key", b"cookie")
    ],
    "underscore": [
        field(name + b": stolen")
        for name in (b"Transfer_Encoding", b"Content_Length", b"X_Forwarded_For", b"X_API_Key", b"x_source_path", b"Host_")[:5]
    ],
    "h2c": [
        field(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: stolen"),
        field(b"Connection: Upgrade", b"Upgrade: stolen, H2C"),
        field(b"Upgrade: h2c", b"HTTP2-Settings: stolen"),
    ],
    "hop-by-hop": [
        field(b"Connection: close, X-Secret", b"X-Secret: stolen"),
        field(b"Proxy-Connection: stolen"),
        field(b"Keep-Alive: stolen"),
        field(b"Connection: TE", b"TE: stolen"),
        field(b"Proxy-Authorization: stolen"),
    ],
    "chunked-once-more": [
        POST + b"Transfer-Encoding: " + value + b"\r\n@@\r\n5;stolen;b=c;d=\"e\\\"\"\r\nhello\r\n0000\r\n\r\n"
        for value in (b"Chunked", b"\tchunked \t", b"CHUNKED")
    ],
    "expectation-idle": [
        field(b"Expect: 100-continue"),
        POST + b"Expect: 100-Continue\r\nContent-Length: 0\r\n@@\r\n",
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n@@\r\nhello",
        b"GET / HTTP/1.0\r\nExpect: stolen\r\n@@\r\n",
    ],
    "forwarded": [
        field(b"Forwarded: for=stolen", b"X-Real-IP: stolen", b"X-Forwarded-For: stolen"),
        field(b"Forwarded: for=a;host=b", b"forwarded: for=stolen"),
    ],
    "upgrade-body": [
        field(b"Connection: Upgrade", b"Upgrade: stolen", b"Content-Length: 5") + b"hello",
        field(b"Connection: Upgrade", b"Upgrade: stolen", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: stolen\r\n@@\r\n",
        field(b"Upgrade: stolen"),
        field(b"Connection: Upgrade", b"Upgrade: websocket", b"Upgrade: stolen"),
    ],
    "trailer-stripped": [
        trailer(line, b"X-Sum: 1")
        for line in (b"User-Agent: stolen", b"X_Forwarded_For: stolen", b"X_Api_Key: stolen", b"Content_Length: 3",
                     b"x_source_path: stolen")  # fmt: skip
    ],
    "blank-line": [b"\r\n" + GET + b"@@\r\n"],
}

# A head in front of answers whose body is what matters.
OK = b"HTTP/1.1 200 OK\r\n"
OK_CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n"


def answer(*lines: bytes, body: bytes = b"ok") -> bytes:
    return OK + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


RESPONSES = {
    "status-line": [
        start + b"\r\nContent-Length: 2\r\n\r\nok"
        for start in (
            b"garbage", b"HTTP/1.1 OK", b"HTTP/1.1 99 Low", b"HTTP/1.1 20 Low", b"HTTP/1.1 2000 High", b"HTTP/1.1  200 OK",
            b"HTTP/1.1 -200 OK", b"HTTP/3.0 200 OK", b"HTTP/1.2 200 OK", b"http/1.1 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1 200 a\0b",
            b"HTTP/1.1 200 a\rb", b"HTTP/1.1\t200 OK", b"220 mail.test ESMTP", b"SSH-2.0-OpenSSH", b"\r\nHTTP/1.1 200 OK",
        )  # fmt: skip
    ],
    "fields": [
        answer(bad, b"Content-Length: 2")
        for bad in (
            b"X : 1", b"X\t: 1", b"X", b": 1", b" X: 1", b"X: 1\r\n folded", b"X: a\0b", b"X: a\x01b", b"X: a\rb", b"X: a\nY: b", b"X\x80: 1",
            b"X(: 1", b"X: a\r",
        )  # fmt: skip
    ],
    "framing": [
        answer(*lines, body=b"okk")
        for lines in (
            (b"Content-Length: 2", b"Content-Length: 3"), (b"Content-Length: 2", b"Content-Length: 2"), (b"Content-Length: 2, 2",),
            (b"Content-Length: -2",), (b"Content-Length: +2",), (b"Content-Length: 0x2",), (b"Content-Length: ",), (b"Content-Length: x",),
            (b"Content-Length: 99999999999999999999",), (b"Content-Length: 2", b"Transfer-Encoding: chunked"),
            (b"Transfer-Encoding: chunked, chunked",), (b"Transfer-Encoding: gzip, chunked",), (b"Transfer-Encoding: identity",),
            (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), (b"Transfer-Encoding: xchunked",), (b"Transfer-Encoding:",),
        )  # fmt: skip
    ]
    + [b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
    "head-flood": [
        answer(b"X: " + b"a" * 70_000),
        answer(*[b"X-%d: 1" % i for i in range(200)]),
        OK + b"X-A: 1\r\n" * 10_000,
        b"H" * 70_000,
    ],
    "interim-storm": [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 20 + answer(b"Content-Length: 2")]
    + [b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + answer(b"Content-Length: 2")],
    "unasked-101": [
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    "nothing": [b"", b"HTTP/1.1 200 OK\r\nContent-Le"],
    "chunks": [
        OK_CHUNKED + rest
        for rest in (
            b"zz\r\nabc", b"5\r\nhelloXX0\r\n\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"5\nhello\r\n0\r\n\r\n", b"\r\n", b" 5\r\nhello\r\n0\r\n\r\n",
            b"0\n\n", b"0\r\nX : 1\r\n\r\n", b"0\r\nContent-Length: 3\r\n\r\n", b"0\r\nTransfer-Encoding: x\r\n\r\n", b"0\r\nSet-Cookie: a\r\n\r\n",
            b'5;a="b\nc"\r\nhello\r\n0\r\n\r\n', b"5;" + b"a" * 5000 + b"\r\n", b"0\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        )  # fmt: skip
    ],
    "cut": [
        answer(b"Content-Length: 100", body=b"only this"),
        OK_CHUNKED,
        OK_CHUNKED + b"ff\r\nonly this",
        OK_CHUNKED + b"0\r\n",
        OK_CHUNKED + b"0\r\nX: 1\r\n",
    ],
    "extra": [
        answer(b"Content-Length: 2") + answer(b"Content-Length: 4", body=b"evil"),
        answer(b"Content-Length: 2") + b"evil",
        answer(b"Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n") + answer(b"Content-Length: 4", body=b"evil"),
        answer(b"Content-Length: 2") + b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    "bodiless": [
        b"HTTP/1.1 204 No Content\r\n\r\n" + answer(b"Content-Length: 4", body=b"evil"),
        b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil",
    ],
}
