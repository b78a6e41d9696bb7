"""Runs the binary as an operator would: piped, or on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from .gateway import Gateway, binary
from .patience import PATIENCE, patient


def command_line(gateway: Gateway, *arguments: str, env=None, stdin: str | None = None, config=True, timeout=30):
    """A finished run, with the gateway's configuration and environment."""
    options = ["--config", str(gateway.config_file)] if config else []
    return subprocess.run(
        [str(binary()), *options, *arguments],
        cwd=gateway.folder,
        env={**gateway.env, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=patient(timeout),
    )


class Terminal:
    """A run on a pseudo-terminal: what it writes is gathered, keys can be pressed, the window changed."""

    def __init__(self, gateway: Gateway, *arguments: str, columns=100, rows=30, env=None):
        self.screen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:  # pragma: no cover
            os.chdir(gateway.folder)
            # Who runs the tests may have been started with it ignored.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            environment = {"TERM": "xterm", **gateway.env, **(env or {})}
            os.execve(str(binary()), ["fastgate", "--config", str(gateway.config_file), *arguments], environment)
        self.resize(columns, rows)
        self.before = None

    def resize(self, columns: int, rows: int):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str):
        os.write(self.fd, keys.encode())

    def read(self, seconds: float = 0.05) -> bool:
        """Takes in what is there; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.screen += data
        return bool(data)

    def expect(self, text: str, seconds: float = 15.0, since: int = 0) -> int:
        """Waits until the text was written after a position; returns the position behind it."""
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        while (at := self.screen.find(text.encode(), since)) < 0:
            alive = self.read()
            assert alive or text.encode() in self.screen[since:], f"it ended without {text!r}:\n{self.text[-3000:]}"
            assert time.monotonic() < deadline, f"no {text!r} within {seconds} s:\n{self.text[-3000:]}"
        return at + len(text.encode())

    @property
    def text(self) -> str:
        return self.screen.decode(errors="replace")

    @property
    def modes(self) -> int:
        """The terminal's local modes, which the program may have changed."""
        return termios.tcgetattr(self.fd)[3]

    def wait(self, seconds: float = 15.0) -> int:
        """The exit code; negative for a signal."""
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        while True:
            self.read(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                while self.read(0.05) and select.select([self.fd], [], [], 0)[0]:
                    pass
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f"it did not end within {seconds} s:\n{self.text[-3000:]}"

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
