"""Tests of the load generator."""

import json
import re
import socket
import threading
import time
import unittest

from tools import folder, loadgen


class Canned:
    """A server that answers every request with the same bytes, or closes after them."""

    def __init__(self, answer, closes=False, first_delay=0.0):
        self.answer, self.closes, self.first_delay = answer, closes, first_delay
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[s], daemon=True).start()

    def serve(self, s):
        with s:
            got = b""
            while True:
                while b"\r\n\r\n" not in got:
                    part = s.recv(65536)
                    if not part:
                        return
                    got += part
                head, _, got = got.partition(b"\r\n\r\n")
                length = int((re.search(rb"content-length: (\d+)", head) or [0, 0])[1])
                while len(got) < length:
                    got += s.recv(65536)
                self.requests.append((head, got[:length]))
                got = got[length:]
                if self.first_delay and len(self.requests) == 1:
                    time.sleep(self.first_delay)
                s.sendall(self.answer)
                if self.closes:
                    return

    def close(self):
        self.listener.close()


class LoadgenTests(unittest.TestCase):
    OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    def against(self, answer, *options, **how):
        server = Canned(answer, **how)
        self.addCleanup(server.close)
        return server, loadgen(server.port, "--connections", 1, "--requests", 3, "--duration", 20, *options)

    def test_what_is_wrong_with_an_answer_is_told(self):
        chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        for answer, kind, options in [
            (self.OK.replace(b"200 OK", b"503 No"), "status", []),
            (self.OK[:-1], "cut_short", []),
            (chunked + b"2\r\nok\r\n", "cut_short", []),
            (chunked + b"z\r\n", "malformed", []),
            (b"nonsense\r\n\r\n", "malformed", []),
            (self.OK, "wrong_size", ["--expect-bytes", 3]),
            (chunked + b"a\r\ndata: {}\n\n\r\n0\r\n\r\n", "stream_no_end", ["--stream"]),
        ]:
            _, result = self.against(answer, *options, closes=True)
            self.assertEqual(result["error_kinds"], {kind: 3}, answer)
            self.assertEqual(result["requests"], 0)

    def test_good_answers(self):
        for answer, options, closes in [
            (self.OK, ["--expect-bytes", 2], False),
            (self.OK, ["--connect"], True),
            (b"HTTP/1.1 100 Continue\r\n\r\n" + self.OK, [], False),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", ["--expect-bytes", 2], True),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ["--expect-bytes", 0], False),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata: \r\n8\r\n[DONE]\n\n\r\n0\r\n\r\n",
             ["--stream"], False),
        ]:
            _, result = self.against(answer, *options, closes=closes)
            self.assertEqual((result["requests"], result["errors"]), (3, 0), (answer, result))

    def test_refused_connections_are_errors(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        result = loadgen(port, "--connections", 1, "--requests", 2)
        self.assertEqual(result["error_kinds"], {"connect": 2})

    def test_a_stall_shows_in_every_request_it_delayed(self):
        server = Canned(self.OK, first_delay=0.5)
        self.addCleanup(server.close)
        result = loadgen(server.port, "--connections", 1, "--duration", 1, "--rate", 100)
        self.assertEqual((result["requests"], result["errors"]), (100, 0))
        # The 50 requests that were due in the first half second waited 0.25 s in the mean.
        self.assertGreater(result["latency_us"]["mean"], 100_000)

    def test_what_was_due_is_sent_after_the_end_too(self):
        server = Canned(self.OK, first_delay=0.6)
        self.addCleanup(server.close)
        result = loadgen(server.port, "--connections", 1, "--duration", 0.3, "--rate", 100)
        self.assertEqual((result["requests"], result["errors"]), (30, 0))

    def test_the_built_in_request(self):
        server, _ = self.against(self.OK, "--body-bytes", 1000, "--key", "k1", "--model", "m2", "--stream",
                                 "--header", "x-a: b", closes=True)
        head, body = server.requests[0]
        members = json.loads(body)
        self.assertEqual((len(body), members["model"], members["stream"]), (1000, "m2", True))
        for line in (b"authorization: Bearer k1", b"x-a: b", b"x-mock-timestamps: 1", b"content-length: 1000"):
            self.assertIn(line, head.split(b"\r\n"))
        for size in (300, 1001, 65536, 200_000):
            server, _ = self.against(self.OK, "--body-bytes", size)
            self.assertEqual(len(server.requests[0][1]), size)
            json.loads(server.requests[0][1])

    def test_variables(self):
        (folder / "keys").write_text("a1\nb2\nc3\n")
        (folder / "models").write_text("m-1\nm-2")
        server, result = self.against(self.OK, "--requests", 200, "--key", "{{k}}", "--model", "{{m}}", "--path",
                                      "/{{k}}/{{x}}", "--var", f"k={folder}/keys", "--var", f"m={folder}/models")
        self.assertEqual(result["errors"], 0)
        seen = set()
        for head, body in server.requests:
            path, key = re.match(rb"POST /(..)/\{\{x\}\} .*Bearer (..)\r\n", head, re.S).groups()
            seen |= {path, key, json.loads(body)["model"]}
        self.assertEqual(seen, {b"a1", b"b2", b"c3", "m-1", "m-2"})


if __name__ == "__main__":
    unittest.main()
