"""Runs the wire corpora's judges as subprocesses, each against a gateway of its own."""

from __future__ import annotations

import lzma
import subprocess
import sys

from .gateway import ROOT, Gateway, free_port
from .patience import patient

SHARED = ROOT.parent / "shared" / "wire"

# judge -> the corpora it takes
CORPORA = {
    "wire.py": ["own_request", "llhttp_request"],
    "resp.py": ["own_response", "llhttp_response"],
    "stream.py": [],
}


class Judge:
    """A judge in its own process against a gateway of its own, started at once and asked for later."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        folder.mkdir(parents=True)
        origin = free_port()
        config = {"security": {"require_api_key": False}}
        self.gateway = Gateway(folder / "gateway", config).start()
        self.gateway.make_route(match_path="*", target_host=f"127.0.0.1:{origin}")
        command = [sys.executable, str(SHARED / name), "--proxy", f"127.0.0.1:{self.gateway.port}"]
        command += ["--origin", f"127.0.0.1:{origin}"]
        if name == "stream.py":
            command += ["--pid", str(self.gateway.process.pid)]
        else:
            command += ["--out", str(folder / "out.json"), "-v"]
            for corpus in CORPORA[name]:
                command.append(str(self.unpacked(corpus)))
        self.output = open(folder / "output", "w+")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=subprocess.STDOUT, cwd=folder)

    def unpacked(self, corpus):
        plain = SHARED / f"{corpus}.jsonl"
        if plain.exists():
            return plain
        target = self.folder / f"{corpus}.jsonl"
        target.write_bytes(lzma.open(SHARED / f"{corpus}.jsonl.xz").read())
        return target

    def finish(self, seconds=patient(240)):
        self.process.wait(seconds)
        self.output.seek(0)
        return self.output.read()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()
        self.gateway.stop()
