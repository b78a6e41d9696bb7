"""Tests of what a comparison makes of its figures."""

import json
import re
import subprocess
import unittest
import xml.etree.ElementTree
from pathlib import Path

from tools import BENCH, folder  # first: it makes the next ones be found

from comparison import litellm, proxies, report, targets
from comparison.chart import chart
from comparison.scenarios import SCENARIOS


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


if __name__ == "__main__":
    unittest.main()
