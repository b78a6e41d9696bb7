"""Tests of the load tools. They compile the tools themselves: python3 -m unittest discover bench/tests"""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BENCH))
sys.dont_write_bytecode = True

from comparison import litellm, proxies, report, targets  # noqa: E402
from comparison.chart import chart  # noqa: E402
from comparison.scenarios import SCENARIOS  # noqa: E402

folder = Path()


def setUpModule():
    global folder
    folder = Path(tempfile.mkdtemp(prefix="bench-tests-"))
    compilers = [subprocess.Popen(
        [shutil.which("clang") or "cc", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-D_GNU_SOURCE",
         *map(str, (BENCH / name).glob("*.c")), "-o", str(folder / name)]) for name in ("mock-llm", "relay", "loadgen")]
    if any(compiler.wait() for compiler in compilers):
        raise RuntimeError("the tools do not compile")


def tearDownModule():
    shutil.rmtree(folder)


class Tool:
    """A server among the tools, on a free port."""

    def __init__(self, name, *options):
        self.process = subprocess.Popen([folder / name, "--port", "0", *map(str, options)], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", self.process.stdout.readline())[1])

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def exchange(self, raw, end=None):
        """Sends bytes as they are and reads until the server closes, or until `end` was seen."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as s:
            for part in raw if isinstance(raw, list) else [raw]:
                s.sendall(part)
            got = b""
            while end is None or end not in got:
                part = s.recv(65536)
                if not part:
                    break
                got += part
            return got

    def post(self, path, body, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", path, body if isinstance(body, (bytes, str)) else json.dumps(body), dict(headers))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, text


def loadgen(port, *options):
    done = subprocess.run([folder / "loadgen", "--port", str(port), *map(str, options)], capture_output=True, text=True,
                          timeout=60)
    result = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode == 0) == (result["errors"] == 0), done
    return result


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


def figures(cpu_us, problems=(), rate=1.0, connections=64, **load):
    return {"requests": 10, "errors": 0, "problems": list(problems), "cpu_us": cpu_us, "rate": rate,
            "resident_kib": 1024, "private_kib": 512, "audit_rows": None, "connections": connections, "load": load}


def scenario(name, rounds):
    summary = report.summarise(rounds, "fastgate")
    return {"scenario": name, "title": SCENARIOS[name].title, "unit": SCENARIOS[name].unit, "baseline": "fastgate",
            "summary": summary}


class ReportTests(unittest.TestCase):
    def test_ratios_are_taken_round_by_round(self):
        rounds = [{"fastgate": figures(10), "nginx": figures(15)}, {"fastgate": figures(20), "nginx": figures(40)},
                  {"fastgate": figures(10), "nginx": figures(16)}]
        summary = report.summarise(rounds, "fastgate")
        self.assertEqual(summary["nginx"]["ratio"], {"median": 1.6, "least": 1.5, "most": 2.0})
        self.assertEqual(summary["nginx"]["cpu_us"]["median"], 16)
        self.assertIn("1.60 (1.50–2.00)", report.table(SCENARIOS["json"], summary, "fastgate"))

    def test_no_ratio_from_a_run_with_a_problem(self):
        rounds = [{"fastgate": figures(10), "nginx": figures(15), "relay": figures(5)},
                  {"fastgate": figures(10, ["9 audit rows for 10 requests"]), "nginx": figures(15),
                   "relay": figures(5)}]
        summary = report.summarise(rounds, "fastgate")
        text = report.table(SCENARIOS["json"], summary, "fastgate")
        for name in ("fastgate", "nginx", "relay"):
            self.assertIsNone(summary[name]["ratio"])
            self.assertIn(f"no ratio for {name}: fastgate: 9 audit rows for 10 requests", text)
        # Between two that are sound, there is one.
        self.assertEqual(report.summarise(rounds, "relay")["nginx"]["ratio"]["median"], 3)


    def test_ratios_of_the_gateway_to_each_and_to_the_best_of_both(self):
        # The cheaper of the two is another one in each round; so is the faster.
        rounds = [{"fastgate": figures(10, rate=30), "nginx": figures(20, rate=15), "haproxy": figures(25, rate=20)},
                  {"fastgate": figures(10, rate=30), "nginx": figures(40, rate=30), "haproxy": figures(25, rate=20)}]
        summary = report.summarise(rounds, "fastgate")
        ratios = summary["fastgate"]["ratios"]
        self.assertEqual(list(ratios), ["nginx", "haproxy", "best"])
        self.assertEqual(ratios["nginx"]["cpu_us"], {"median": 0.375, "least": 0.25, "most": 0.5})
        self.assertEqual(ratios["best"]["cpu_us"], {"median": 0.45, "least": 0.4, "most": 0.5})
        self.assertEqual(ratios["best"]["rate"], {"median": 1.25, "least": 1.0, "most": 1.5})
        text = report.table(SCENARIOS["json"], summary, "fastgate")
        self.assertIn("fastgate / the best of nginx, haproxy: CPU 0.45 (0.40–0.50), requests/s 1.25 (1.00–1.50)", text)

    def test_no_best_without_both_or_with_a_bad_run_of_one(self):
        self.assertNotIn("best", report.summarise([{"fastgate": figures(10), "nginx": figures(20)}],
                                                  "fastgate")["fastgate"]["ratios"])
        rounds = [{"fastgate": figures(10), "nginx": figures(20), "haproxy": figures(20, ["3 errors"])}]
        summary = report.summarise(rounds, "fastgate")
        ratios = summary["fastgate"]["ratios"]
        self.assertEqual(ratios["nginx"]["cpu_us"]["median"], 0.5)
        self.assertIsNone(ratios["best"]["cpu_us"])
        self.assertIn("haproxy: 3 errors", ratios["best"]["no_ratio"])
        text = report.table(SCENARIOS["json"], summary, "fastgate")
        self.assertIn("no ratio of fastgate to haproxy, the best of nginx, haproxy", text)

    def test_added_delays_are_taken_from_the_direct_run_of_the_round(self):
        def times(first_byte, chunk):
            return {"first_byte_us": {"p99": first_byte}, "chunk_delay_us": {"p99": chunk}}
        rounds = [{"direct": figures(None, **times(100, 10)), "fastgate": figures(8, **times(150, 30)),
                   "litellm": figures(8, connections=16, **times(900, 90))},
                  {"direct": figures(None, **times(300, 20)), "fastgate": figures(8, **times(310, 60)),
                   "litellm": figures(8, connections=16, **times(900, 90))}]
        summary = report.summarise(rounds, "fastgate")
        self.assertEqual(summary["fastgate"]["added.first_byte_us.p99"], {"median": 30, "least": 10, "most": 50})
        self.assertEqual(summary["fastgate"]["added.chunk_delay_us.p99"]["median"], 30)
        self.assertIsNone(summary["direct"]["added.first_byte_us.p99"])
        self.assertIsNone(summary["litellm"]["added.first_byte_us.p99"], "it had another number of streams")
        self.assertIn("30 (10–50)", report.table(SCENARIOS["stream"], summary, "fastgate"))
        rounds[0]["direct"]["problems"] = ["1 error"]
        self.assertIsNone(report.summarise(rounds, "fastgate")["fastgate"]["added.first_byte_us.p99"])

    def test_system_calls_and_bytes_a_stream_have_a_column(self):
        rounds = [{"fastgate": figures(10) | {"kib_per_stream": 0.5}}]
        summary = report.summarise(rounds, "fastgate", {"fastgate": {"total": 4.03, "calls": {}}})
        self.assertIn("calls/request", report.table(SCENARIOS["json"], summary, "fastgate"))
        self.assertIn("4.03", report.table(SCENARIOS["json"], summary, "fastgate"))
        self.assertEqual(summary["fastgate"]["bytes_per_stream"]["median"], 512)
        self.assertRegex(report.table(SCENARIOS["idle-streams"], summary, "fastgate"),
                         r"RSS bytes/stream[^\n]*\n.*\n.*512")


class TargetTests(unittest.TestCase):
    def verdicts(self, *scenarios):
        return {v["target"]: v for v in targets.judge(scenarios)}

    def test_met_missed_and_not_measured(self):
        found = self.verdicts(scenario("json", [
            {"fastgate": figures(10, rate=33), "nginx": figures(20, rate=15), "haproxy": figures(11, rate=31),
             "litellm": figures(9000)}]))
        self.assertEqual(found["json: CPU, fastgate / nginx"]["verdict"], "met")
        self.assertEqual(found["json: CPU, fastgate / haproxy"]["verdict"], "missed")
        self.assertEqual(found["json: CPU, fastgate / haproxy"]["figure"], "0.91 (0.91–0.91)")
        self.assertEqual(found["json: CPU, fastgate / relay"]["verdict"], "not measured")
        self.assertEqual(found["json: CPU, litellm / fastgate"]["verdict"], "met")
        rate = found["json: requests/s, fastgate / best of nginx and haproxy"]
        self.assertEqual((rate["verdict"], rate["bound"]), ("missed", "≥ 1.10"))
        self.assertEqual(found["tls: CPU, fastgate / best of nginx and haproxy"]["why"], "scenario not run")

    def test_a_bad_run_is_no_verdict(self):
        found = self.verdicts(scenario("json", [{"fastgate": figures(10, ["lost rows"]), "nginx": figures(20)}]))
        verdict = found["json: CPU, fastgate / nginx"]
        self.assertEqual((verdict["verdict"], verdict["figure"]), ("not measured", None))
        self.assertIn("lost rows", verdict["why"])

    def test_delays_and_memory(self):
        rounds = [{"direct": figures(None, first_byte_us={"p99": 100}),
                   "fastgate": figures(8, first_byte_us={"p99": 150}),
                   "nginx": figures(8, first_byte_us={"p99": 180}), "haproxy": figures(8, first_byte_us={"p99": 160})}]
        found = self.verdicts(scenario("stream", rounds),
                              scenario("idle-streams", [{"fastgate": figures(8) | {"kib_per_stream": 1.0}}]))
        verdict = found["stream: added first byte, p99"]
        self.assertEqual((verdict["verdict"], verdict["bound"]), ("met", "≤ 60 µs (haproxy)"))
        self.assertEqual(found["stream: added delay of a chunk, p99"]["verdict"], "not measured")
        self.assertEqual(found["idle-streams: resident bytes of an open stream"]["verdict"], "missed")

    def test_every_target_names_a_scenario_and_proxies_that_it_has(self):
        for target in targets.TARGETS:
            has = SCENARIOS[target.scenario].proxies + ("litellm",)
            for name in (getattr(target, "subject", "fastgate"), getattr(target, "against", "fastgate")):
                self.assertTrue(name in has or name == report.BEST and {"nginx", "haproxy"} <= set(has), target)
        text = targets.table(targets.judge([]))
        self.assertIn(f"0 met, 0 missed, {len(targets.TARGETS)} not measured", text)


class ChartTests(unittest.TestCase):
    MACHINE = {"time": "2025-01-02T03:04:05Z", "cpu": "A & B <CPU>", "cores": 2, "kernel": "6", "commit": "abc",
               "fastgate": "fastgate 1", "nginx": "nginx/1", "haproxy": None, "litellm": "1.2"}

    def draw(self, *scenarios):
        text = chart({"machine": self.MACHINE, "rounds": 5, "quick": False, "scenarios": list(scenarios)})
        return text, xml.etree.ElementTree.fromstring(text)

    def test_bars_are_as_long_as_their_cost(self):
        text, root = self.draw(scenario("json", [{"fastgate": figures(10), "nginx": figures(20)}]))
        svg = "{http://www.w3.org/2000/svg}"
        bars = {bar.get("class"): float(bar.get("width")) for bar in root.iter(f"{svg}rect")}
        self.assertAlmostEqual(bars["other"] / bars["accent"], 2, places=1)
        self.assertEqual(root.get("role"), "img")
        self.assertEqual(root.get("aria-labelledby").split(), [root.find(f"{svg}title").get("id"),
                                                             root.find(f"{svg}desc").get("id")])
        self.assertIn("nginx 20.0 µs", root.find(f"{svg}desc").text)
        for part in ("2025-01-02", "A &amp; B &lt;CPU&gt;", "LiteLLM 1.2", "prefers-color-scheme:dark"):
            self.assertIn(part, text)
        self.assertNotIn("logarithmic", text)

    def test_far_apart_is_logarithmic_and_says_so(self):
        text, root = self.draw(scenario("json", [{"fastgate": figures(10), "litellm": figures(9000)}]))
        self.assertIn("logarithmic", text)

    def test_what_has_no_ratio_is_left_out_and_named(self):
        text, _ = self.draw(scenario("json", [{"fastgate": figures(10), "nginx": figures(20)}]),
                            scenario("tls", [{"fastgate": figures(10, ["9 rows of 10"]), "nginx": figures(20)}]),
                            scenario("blob", [{"fastgate": figures(10), "nginx": figures(5), "haproxy":
                                               figures(20, ["2 errors"])}]))
        self.assertIn("tls: fastgate: 9 rows of 10", " ".join(re.sub("<[^>]*>", " ", text).split()))
        self.assertIn("haproxy in blob", text)
        self.assertEqual(text.count('class="head"'), 2)

    def test_the_command(self):
        path = folder / "result.json"
        path.write_text(json.dumps({"machine": self.MACHINE, "rounds": 5, "quick": False, "scenarios": [
            scenario("json", [{"fastgate": figures(10), "nginx": figures(20)}])]}))
        done = subprocess.run([BENCH / "chart", path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        xml.etree.ElementTree.fromstring(done.stdout)
        for arguments in ([path, "--scenario", "tls"], [folder / "none.json"], [BENCH / "README.md"]):
            done = subprocess.run([BENCH / "chart", *arguments], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertTrue(done.stderr.startswith("bench/chart: "), done.stderr)


class LiteLLMTests(unittest.TestCase):
    def test_its_configuration_points_at_the_mock(self):
        proxy = proxies.LiteLLM(proxies.Setup(folder / "litellm-setup", {"litellm": Path("/x/bin/litellm")}, 1234))
        proxy.configure()
        text = proxy.configuration()
        self.assertIn("api_base: http://127.0.0.1:1234/v1\n", text)
        self.assertIn(f"master_key: {proxy.key}", text)
        self.assertIn("--num_workers", proxy.command())
        self.assertTrue(proxy.environment()["PATH"].startswith("/x/bin:"))

    def test_an_environment_that_does_not_say_its_version(self):
        self.assertIsNone(litellm.version(folder / "none" / "litellm"))


@unittest.skipIf(os.cpu_count() < 2, "two cores are needed")
class RunTests(unittest.TestCase):
    def run_with(self, name, *options):
        gateway = folder / name
        shutil.copy(BENCH / "tests" / "fake_fastgate.py", gateway)
        gateway.chmod(0o755)
        out = folder / f"out-{name}"
        done = subprocess.run(
            [BENCH / "run", "--programs", folder, "--fastgate", gateway, "--rounds", "1", "--seconds", "0.4",
             "--out", out, *options], capture_output=True, text=True, timeout=120)
        files = list(out.glob("*.json")) if out.exists() else []
        self.assertEqual(len(files), 1, done.stdout + done.stderr)
        self.assertEqual(list(out.iterdir()), files, "the work folder is left behind")
        result = json.loads(files[0].read_text())
        self.assertEqual(len(result["targets"]), len(targets.TARGETS))
        self.assertEqual(result["machine"]["fastgate"], "fastgate 0.0.0 (fake)")
        return done, result["scenarios"]

    def test_the_gateway_beside_the_relay(self):
        done, scenarios = self.run_with("whole", "--scenario", "json", "--proxies", "relay,fastgate")
        self.assertEqual(done.returncode, 0, done.stdout)
        summary = scenarios[0]["summary"]
        self.assertEqual(summary["fastgate"]["audit_rows"], summary["fastgate"]["requests"])
        self.assertLess(summary["relay"]["ratio"]["median"], 1)
        self.assertGreater(summary["fastgate"]["ratios"]["relay"]["cpu_us"]["median"], 1)
        self.assertIn("fastgate / relay: CPU ", done.stdout)
        self.assertRegex(done.stdout, r"json: CPU, fastgate / relay +\S+ .*≤ 1.30 +missed")

    def test_missing_audit_rows_forbid_ratios(self):
        done, scenarios = self.run_with("lossy", "--scenario", "json", "--proxies", "relay,fastgate", "--settle", "2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no ratio for relay: fastgate: ", done.stdout)
        self.assertIn("audit rows for", done.stdout)
        self.assertIsNone(scenarios[0]["summary"]["relay"]["ratio"])

    def test_a_saturated_core_is_looked_at_until_all_rows_are_there(self):
        for name, status, says in (("calm", 0, "rows are there"), ("lossy-calm", 1, "rows for")):
            gateway = folder / name
            shutil.copy(BENCH / "tests" / "fake_fastgate.py", gateway)
            gateway.chmod(0o755)
            out = folder / f"{name}.json"
            done = subprocess.run(
                [BENCH / "starvation", "--programs", folder, "--fastgate", gateway, "--seconds", "1",
                 "--connections", "8", "--every", "0.1", "--ring-size", "64KB", "--out", out],
                capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            self.assertIn(says, done.stdout)
            outcome = json.loads(out.read_text())
            self.assertEqual(outcome["samples"][-1]["ring_fill"], 4096 / 65536)
            self.assertEqual(outcome["rows"] == outcome["load"]["issued"], status == 0)

    def test_thousands_of_keys_and_routes(self):
        done, scenarios = self.run_with("many", "--scenario", "routes", "--proxies", "fastgate")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(scenarios[0]["summary"]["fastgate"]["errors"], 0)


if __name__ == "__main__":
    unittest.main()
