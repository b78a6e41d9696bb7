"""The load tools, compiled for the tests, and a server and a client of theirs to talk to."""

import atexit
import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BENCH))
sys.dont_write_bytecode = True

folder = Path(tempfile.mkdtemp(prefix="bench-tests-"))
atexit.register(shutil.rmtree, folder)


def _compile():
    compilers = [subprocess.Popen(
        [shutil.which("clang") or "cc", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-D_GNU_SOURCE",
         *map(str, (BENCH / name).glob("*.c")), "-o", str(folder / name)]) for name in ("mock-llm", "relay", "loadgen")]
    if any([compiler.wait() for compiler in compilers]):
        raise RuntimeError("the tools do not compile")


_compile()


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
