"""Tests of the stand-in LLM and of the bare relay."""

import json
import os
import re
import socket
import time
import unittest

from tools import Tool, loadgen


def deltas(endpoint, text):
    """The words of an event stream, put together."""
    said = ""
    for event in text.decode().split("\n\n"):
        data = event.partition("data: ")[2]
        if not data or data == "[DONE]":
            continue
        members = json.loads(data)
        if endpoint == "messages":
            said += members.get("delta", {}).get("text", "")
        elif endpoint == "responses":
            said += members["delta"] if members["type"] == "response.output_text.delta" else ""
        else:
            for choice in members["choices"]:
                said += choice.get("text", "") + choice.get("delta", {}).get("content", "")
    return said


class MockTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Tool("mock-llm", "--chunks", 5, "--gap-ms", 1, "--bytes", 600)

    @classmethod
    def tearDownClass(cls):
        cls.mock.close()

    REQUEST = (b'POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\ncontent-length: 31\r\n\r\n'
               b'{"model":"m\\"1","stream":false}')

    def test_json_answers_name_the_model_and_count_tokens(self):
        for path, member in [("chat/completions", "choices"), ("completions", "choices"), ("responses", "output"),
                             ("messages", "content"), ("embeddings", "data")]:
            answer, text = self.mock.post(f"/v1/{path}", {"messages": [{"model": "no"}], "model": 'a"b\\c/ü'})
            members = json.loads(text)
            self.assertEqual(answer.status, 200)
            self.assertEqual(members["model"], 'a"b\\c/ü')
            self.assertTrue(members[member])
            self.assertTrue(members["usage"])
        _, text = self.mock.post("/v1/chat/completions", {"model": "m"})
        self.assertTrue(550 < len(text) < 650, len(text))

    def test_embeddings_answer_each_input(self):
        _, text = self.mock.post("/v1/embeddings", {"model": "m", "input": ["a", "b,]", "c"]})
        self.assertEqual([item["index"] for item in json.loads(text)["data"]], [0, 1, 2])

    def test_streams_end_as_their_format_has_it(self):
        ends = {"chat/completions": b"data: [DONE]\n\n", "completions": b"data: [DONE]\n\n",
                "responses": b"}}\n\n", "messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n'}
        for endpoint, end in ends.items():
            answer, text = self.mock.post(f"/v1/{endpoint}", {"model": "m", "stream": True})
            self.assertTrue(answer.getheader("content-type").startswith("text/event-stream"))
            self.assertTrue(text.endswith(end), text[-200:])
            self.assertEqual(deltas(endpoint, text), "Hello! I am a mock")
            self.assertIn(b"usage", text)
            self.assertNotIn(b"mock_sent_ns", text)

    def test_timestamps_when_asked(self):
        before = time.monotonic_ns()
        _, text = self.mock.post("/v1/chat/completions", {"stream": True}, {"x-mock-timestamps": "1"}.items())
        stamps = [int(stamp) for stamp in re.findall(rb'"mock_sent_ns":"(\d{20})"', text)]
        self.assertEqual(len(stamps), 8)
        self.assertEqual(sorted(stamps), stamps)
        self.assertTrue(before < stamps[0] < stamps[-1] < time.monotonic_ns())

    def test_usage_only_when_asked(self):
        mock = Tool("mock-llm", "--chunks", 1, "--gap-ms", 0, "--usage", "asked")
        self.addCleanup(mock.close)
        _, without = mock.post("/v1/chat/completions", {"stream": True, "x": {"include_usage": True}})
        _, asked = mock.post("/v1/chat/completions", {"stream": True, "stream_options": {"include_usage": True}})
        self.assertNotIn(b"usage", without)
        self.assertIn(b"usage", asked)

    def test_a_request_cut_anywhere(self):
        whole = self.mock.exchange(self.REQUEST, b"fp_mock")
        for cut in range(1, len(self.REQUEST)):
            with socket.create_connection(("127.0.0.1", self.mock.port), 20) as s:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                s.sendall(self.REQUEST[:cut])
                s.sendall(self.REQUEST[cut:])
                got = b""
                while b"fp_mock" not in got:
                    got += s.recv(65536)
            self.assertIn(b'"model":"m\\"1"', got)
            self.assertEqual(len(got), len(whole))

    def test_pipelined_requests_are_answered_in_order(self):
        stream = self.REQUEST.replace(b"false}", b"true }")
        got = self.mock.exchange(self.REQUEST + stream + b"\r\n" + self.REQUEST +
                                 b"GET /health HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n")
        self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 4)
        self.assertTrue(got.endswith(b'{"status":"ok"}'))
        self.assertEqual(got.count(b"[DONE]"), 1)

    def test_chunked_request_bodies(self):
        head = b"POST /echo HTTP/1.1\r\nhost: m\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        got = self.mock.exchange(head + b"5;x=y\r\nhello\r\n01\r\n!\r\n0\r\nt: 1\r\n\r\n")
        self.assertTrue(got.endswith(b"\r\n\r\nhello!"), got)
        body = b'{"stream":true}'
        pieces = [b"%x\r\n%c\r\n" % (1, byte) for byte in body] + [b"0\r\n\r\n"]
        got = self.mock.exchange([head.replace(b"/echo", b"/v1/messages"), *pieces])
        self.assertIn(b"message_stop", got)
        self.assertIn(b"400 Bad Request", self.mock.exchange(head + b"x\r\n"))

    def test_bodies_of_any_size(self):
        big = os.urandom(5_000_000)
        _, text = self.mock.post("/echo", big)
        self.assertEqual(text, big)
        answer, text = self.mock.post("/v1/chat/completions", {"messages": "\\\"x" * 2_000_000, "model": "last"})
        self.assertEqual(json.loads(text)["model"], "last")
        for size in (0, 1, 1_048_576, 3_333_333):
            got = self.mock.exchange(b"GET /blob?bytes=%d HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n" % size)
            self.assertEqual(len(got.partition(b"\r\n\r\n")[2]), size)

    def test_errors_keep_the_connection_if_framing_allows(self):
        got = self.mock.exchange(
            b"POST /nope HTTP/1.1\r\nhost: m\r\ncontent-length: 3\r\n\r\nabc"
            b"GET /v1/chat/completions HTTP/1.1\r\nhost: m\r\n\r\n"
            b"HEAD /health HTTP/1.1\r\nhost: m\r\n\r\n"
            b"GET /any/prefix/v1/models HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n")
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", got), [b"404", b"405", b"200", b"200"])
        self.assertIn(b"gpt-4o", got)
        self.assertIn(b"400 Bad Request", self.mock.exchange(b"nonsense\r\n\r\n"))
        self.assertIn(b"501 ", self.mock.exchange(b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n"))

    def test_expect_continue_and_http_1_0(self):
        got = self.mock.exchange(b"POST /echo HTTP/1.1\r\nexpect: 100-continue\r\nconnection: close\r\n"
                                 b"content-length: 2\r\n\r\nok")
        self.assertTrue(got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"))
        got = self.mock.exchange(b'POST /v1/messages HTTP/1.0\r\ncontent-length: 15\r\n\r\n{"stream":true}')
        self.assertNotIn(b"transfer-encoding", got)
        self.assertTrue(got.endswith(b'{"type":"message_stop"}\n\n'))

    def test_many_streams_at_once_and_clients_that_hang_up(self):
        mock = Tool("mock-llm", "--chunks", 2, "--gap-ms", 60000, "--quiet")
        self.addCleanup(mock.close)
        held = loadgen(mock.port, "--hold", "--connections", 2000, "--duration", 5, "--ramp-ms", 200)
        self.assertEqual((held["held"], held["errors"]), (2000, 0))
        answer, _ = mock.post("/v1/chat/completions", {})
        self.assertEqual(answer.status, 200)
        deadline = time.monotonic() + 20
        descriptors = 2000
        while descriptors > 100 and time.monotonic() < deadline:
            descriptors = len(os.listdir(f"/proc/{mock.process.pid}/fd"))
        self.assertLess(descriptors, 100)


class RelayTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Tool("mock-llm", "--chunks", 5, "--gap-ms", 1, "--quiet")
        cls.relay = Tool("relay", "--upstream-port", cls.mock.port)

    @classmethod
    def tearDownClass(cls):
        cls.relay.close()
        cls.mock.close()

    def test_exchanges_of_every_kind(self):
        _, text = self.relay.post("/v1/chat/completions", {"model": "m"})
        self.assertEqual(json.loads(text)["model"], "m")
        _, text = self.relay.post("/v1/messages", {"stream": True})
        self.assertEqual(deltas("messages", text), "Hello! I am a mock")
        big = os.urandom(5_000_000)
        _, text = self.relay.post("/echo", big)
        self.assertEqual(text, big)

    def test_pipelined_requests(self):
        got = self.relay.exchange(MockTests.REQUEST * 3 + b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n")
        self.assertEqual(got.count(b"200 OK"), 4)

    def test_connections_are_kept(self):
        result = loadgen(self.relay.port, "--requests", 2000, "--connections", 20)
        self.assertEqual((result["requests"], result["connects"], result["errors"]), (2000, 20, 0))
        result = loadgen(self.relay.port, "--requests", 200, "--connections", 50, "--stream", "--ramp-ms", 0)
        self.assertEqual((result["requests"], result["events"], result["errors"]), (200, 200 * 9, 0))


if __name__ == "__main__":
    unittest.main()
