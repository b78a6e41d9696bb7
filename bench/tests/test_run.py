"""Tests of whole comparisons, with a gateway that is none."""

import json
import os
import shutil
import subprocess
import unittest

from tools import BENCH, folder  # first: it makes the next one be found

from comparison import targets


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
