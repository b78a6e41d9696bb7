"""What systemd and we tell each other, and the unit files."""

import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness import Gateway, Site, wait_until
from harness.gateway import ROOT, START_SECONDS, binary

UNITS = ROOT / "deploy" / "systemd"


class Manager:
    """The socket that systemd reads notifications from."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(10)

    def next(self) -> dict:
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def until(self, name, value=None) -> dict:
        while True:
            message = self.next()
            if name in message and value in (None, message[name]):
                return message


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    name = f"fastgate-test-{os.getpid()}-{request.node.name}"[:90]
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else "\0" + name)
    manager.name = str(tmp_path / "notify") if request.param == "path" else "@" + name
    yield manager
    manager.socket.close()


def test_notifications_of_a_life(make_gateway, manager):
    env = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "200000"}
    gateway = make_gateway(env=env, start=False).launch()
    env["WATCHDOG_PID"] = "unused"
    ready = manager.until("READY")
    assert ready["READY"] == "1" and ready["MAINPID"] == str(gateway.process.pid)
    # READY means ready: both ports answer at once.
    assert gateway.health(gateway.port)[0] == 200 and gateway.health(gateway.admin_port)[0] == 200
    for _ in range(3):
        manager.until("WATCHDOG", "1")
    gateway.process.send_signal(signal.SIGHUP)
    assert int(manager.until("RELOADING", "1")["MONOTONIC_USEC"]) > 0
    manager.until("READY", "1")
    before = gateway.replace()
    assert int(manager.until("MAINPID", str(gateway.process.pid))["MAINPID"]) == gateway.process.pid
    before.wait(20)
    manager.until("WATCHDOG", "1")
    gateway.terminate()
    manager.until("STOPPING", "1")
    gateway.process.wait(20)


def test_a_watchdog_of_another_process_is_not_fed(make_gateway, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    gateway = make_gateway(
        env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    )
    gateway.stop()
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            assert "WATCHDOG" not in manager.next()


class Activated(Gateway):
    """A gateway whose sockets somebody else has opened, as systemd does it: from descriptor 3 on."""

    sockets: list[socket.socket]
    names = ""

    def launch(self):
        self.write_config()
        script = 'export LISTEN_PID=$$ LISTEN_FDS="$1" LISTEN_FDNAMES="$2"; shift 2; exec "$@"'
        numbers = range(3, 3 + len(self.sockets))

        def place():
            # Out of the way first: one of them may have a number that another is to get.
            copies = [os.dup2(s.fileno(), 100 + n) for n, s in enumerate(self.sockets)]
            for number, copy in zip(numbers, copies):
                os.dup2(copy, number)

        command = [str(binary()), "serve", "--config", str(self.config_file)]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", script, "sh", str(len(self.sockets)), self.names, *command], cwd=self.folder, env=self.env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=place, pass_fds=tuple(numbers),
            )  # fmt: skip
        return self


@pytest.fixture
def activated(tmp_path):
    """Both sockets are open before, and stay open after the gateway's life."""
    gateway = Activated(tmp_path / "gateway", {"app": {"port": 1}, "admin": {"port": 2}})
    gateway.sockets = [socket.create_server(("127.0.0.1", 0), backlog=100) for _ in range(2)]
    gateway.names = "data:admin"
    gateway.port, gateway.admin_port = (s.getsockname()[1] for s in gateway.sockets)
    yield gateway
    gateway.stop()
    gateway.kill()
    for s in gateway.sockets:
        s.close()


def test_sockets_of_the_service_manager(activated):
    """Who connects while nobody serves waits and is served; a restart refuses nobody."""
    early = socket.create_connection(("127.0.0.1", activated.port), timeout=START_SECONDS)
    early.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    activated.start()
    assert early.recv(4096).startswith(b"HTTP/1.1 200")
    site = Site(activated)
    site.route()
    for _ in range(20):  # both workers wait for the one socket
        assert site.call().status == 200
    early.close()
    activated.stop()
    between = socket.create_connection(("127.0.0.1", activated.port), timeout=START_SECONDS)
    between.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    activated.start()
    assert between.recv(4096).startswith(b"HTTP/1.1 200")
    between.close()
    # A successor gets them from us, not from the service manager.
    before = activated.replace()
    assert site.call().status == 200
    site.close()
    before.wait(20)


def test_a_socket_without_a_name_is_the_data_planes(tmp_path):
    gateway = Activated(tmp_path / "gateway", {"app": {"port": 1}})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway.sockets = [listener]
        gateway.port = listener.getsockname()[1]
        gateway.start()
        gateway.stop()


def test_what_is_no_listening_socket_is_refused(tmp_path):
    gateway = Activated(tmp_path / "gateway")
    with socket.socket() as no_listener:
        gateway.sockets = [no_listener]
        gateway.launch()
        assert gateway.wait_exit() == 1
        assert "descriptor 3" in gateway.log and "does not listen" in gateway.log


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_units(tmp_path):
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/fastgate", "/bin/true")
        (tmp_path / unit.name).write_text(text.replace("/etc/default/fastgate", str(tmp_path / "none")))
    verify = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.glob("fastgate*")))]
    result = subprocess.run(verify, capture_output=True, text=True)
    ours = [line for line in result.stderr.splitlines() if "fastgate" in line]
    assert result.returncode == 0 and not ours, result.stderr
    security = ["systemd-analyze", "security", "--offline=true", str(tmp_path / "fastgate.service")]
    result = subprocess.run(security, capture_output=True, text=True)
    exposure = re.search(r"exposure level for fastgate.service: ([0-9.]+)", result.stdout)
    assert exposure, result.stdout + result.stderr
    assert float(exposure[1]) <= 1.6
