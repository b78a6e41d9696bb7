"""A gateway under a known load: one worker, one route by model, one key, a mock upstream."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from harness.gateway import ROOT, Gateway, binary, wait_until

WORKER = "fg-worker-"


def product(name: str) -> Path:
    """What is built beside the gateway."""
    beside = binary().parent / name
    return beside if beside.is_file() else ROOT / ".build/release" / name


class Rig:
    def __init__(self, folder: Path, env: dict | None = None, mock: tuple = ()):
        folder.mkdir(parents=True)
        self.mock = subprocess.Popen(
            [product("mock-llm"), "--port", "0", "--quiet", *map(str, mock)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip
        self.gateway = Gateway(folder, env=env, workers=1)
        try:
            port = re.search(r":(\d+)", self.mock.stdout.readline())[1]
            self.gateway.start()
            self.key = self.gateway.make_key("/gates")["key_value"]
            self.gateway.make_route(
                match_path="/v1/*", match_body_schema={"model": "gpt-4o"}, target_host=f"127.0.0.1:{port}")
        except BaseException:
            self.close()
            raise

    def close(self):
        try:
            self.gateway.stop()
        finally:
            self.gateway.kill()
            self.mock.terminate()
            self.mock.wait()
            self.mock.stdout.close()

    def load(self, requests: int, *options, connections: int = 16) -> dict:
        """Sends exactly so many requests and returns what the load generator saw. Every answer must be good."""
        done = subprocess.run(
            [product("loadgen"), "--port", str(self.gateway.port), "--key", self.key, "--requests", str(requests),
             "--connections", str(connections), "--duration", "300", "--grace", "60", *map(str, options)],
            capture_output=True, text=True, timeout=400)  # fmt: skip
        result = json.loads(done.stdout.splitlines()[-1])
        assert done.returncode == 0 and result["requests"] == requests, result
        return result

    def threads(self) -> dict[int, str]:
        """Thread ids and names of the gateway."""
        tasks = Path(f"/proc/{self.gateway.process.pid}/task")
        return {int(task.name): (task / "comm").read_text().strip() for task in tasks.iterdir()}

    @property
    def workers(self) -> list[int]:
        found = [thread for thread, name in self.threads().items() if name.startswith(WORKER)]
        assert found, f"no thread is called {WORKER}…: {self.threads()}"
        return found

    def settle(self, rows: int):
        """Waits until the audit holds so many finished rows."""
        wait_until(
            lambda: self.gateway.query("SELECT count(*) n FROM audit_logs WHERE response_time IS NOT NULL")[0]["n"]
            >= rows,
            f"{rows} audit rows", 30)  # fmt: skip
