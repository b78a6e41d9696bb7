"""The Debian package on a machine with systemd, both as they are: installed, run, reloaded, replaced, removed."""

import shutil
import subprocess

import pytest

from harness import wait_until
from harness.gateway import ROOT, binary
from harness.machine import Machine, why_not
from harness.patience import SANITIZER

TOOLS = ["dpkg-deb", "dpkg-shlibdeps", "strip", "curl"]
SCRIPT = "with a sanitizer the program is started by a script" if SANITIZER else ""
REASON = SCRIPT or why_not() or ("needs " + ", ".join(TOOLS) if any(shutil.which(tool) is None for tool in TOOLS) else "")
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

UNIT = "fastgate.service"
CONFIG = "/etc/fastgate/config.yaml"
ONCE_MORE = "cp /usr/bin/fastgate /usr/bin/fastgate.new && mv /usr/bin/fastgate.new /usr/bin/fastgate"
REPLACE = f"systemctl kill --kill-whom=main --signal=SIGUSR2 {UNIT}"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    script = [ROOT / "scripts" / "package-deb", "--binary", binary(), "--output", folder]
    package = subprocess.run(script, capture_output=True, text=True, timeout=120, check=True).stdout.strip()
    machine = Machine(folder / "root")
    try:
        machine.boot()
        machine.package = "/root/fastgate.deb"
        shutil.copy(package, machine.path(machine.package))
        machine.run(f"dpkg --no-triggers --install {machine.package}")
        yield machine
    finally:
        machine.close()


@pytest.fixture
def running(machine):
    """The service runs; whatever a test did to its configuration is undone."""
    machine.run(f"cp {CONFIG} /root/config.yaml; systemctl reset-failed {UNIT}; systemctl start {UNIT}")
    yield machine
    machine.run(f"cp /root/config.yaml {CONFIG}; systemctl stop fastgate.socket fastgate-admin.socket {UNIT}")


def main_pid(machine) -> int:
    return int(machine.show(UNIT, "MainPID")["MainPID"])


def health(machine, port: int = 8514) -> str:
    return machine.run(f"curl --silent --max-time 10 http://127.0.0.1:{port}/health", check=False).stdout


def is_active(machine) -> bool:
    return machine.show(UNIT, "SubState")["SubState"] == "running"


def test_installed(machine):
    assert is_active(machine), machine.run(f"systemctl status {UNIT}; journalctl --no-pager | tail -50", check=False).stdout
    assert machine.show(UNIT, "UnitFileState")["UnitFileState"] == "enabled"
    assert '"status":"ok"' in health(machine) and '"status":"ok"' in health(machine, 8515)
    modes = machine.run(
        f"stat --format='%a %U %G %n' /etc/fastgate {CONFIG} /etc/default/fastgate /var/lib/fastgate /var/lib/fastgate/*"
    ).stdout.splitlines()
    assert modes[:4] == [
        "750 root fastgate /etc/fastgate", f"640 root fastgate {CONFIG}", "600 root root /etc/default/fastgate",
        "700 fastgate fastgate /var/lib/fastgate",
    ]  # fmt: skip
    assert len(modes) > 6 and all(line.startswith("600 fastgate fastgate ") for line in modes[4:]), modes
    status = machine.path(f"/proc/{main_pid(machine)}/status").read_text()
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status


def test_reload(running):
    pid = main_pid(running)
    running.run(f"sed -i 's/level: INFO /level: DEBUG/' {CONFIG}; systemctl reload {UNIT}")
    wait_until(lambda: "the configuration was reloaded" in running.journal(UNIT), "it is reloaded")
    running.run(f"sed -i 's/level: DEBUG/level: SHOUT/' {CONFIG}")
    result = running.run(f"systemctl reload {UNIT}", check=False)
    assert result.returncode != 0
    assert f"{CONFIG}:" in running.journal(UNIT) and "logging.level" in running.journal(UNIT)
    assert is_active(running) and main_pid(running) == pid and "ok" in health(running)


def test_a_bad_configuration_is_not_tried_again(running):
    running.run(f"sed -i 's/^app:/apq:/' {CONFIG}; systemctl restart {UNIT}", check=False)
    wait_until(lambda: running.show(UNIT, "ActiveState")["ActiveState"] == "failed", "the service has failed")
    assert running.show(UNIT, "NRestarts", "ExecMainStatus") == {"NRestarts": "0", "ExecMainStatus": "78"}
    assert "did you mean app?" in running.journal(UNIT)


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGABRT"])
def test_what_ends_it_has_it_started_again(running, signal):
    """SIGABRT is how the watchdog ends a gateway that hangs."""
    pid = main_pid(running)
    running.run(f"systemctl kill --kill-whom=main --signal={signal} {UNIT}")
    wait_until(lambda: main_pid(running) not in (0, pid) and is_active(running), "it is started again", 30)
    assert "ok" in health(running)


def test_stopping_after_a_replacement_lets_exchanges_finish(running):
    """The new process must be systemd's own child: one that is not is killed at once when the service stops."""
    before = main_pid(running)
    running.run(f"{ONCE_MORE}; {REPLACE}")
    wait_until(lambda: main_pid(running) not in (0, before) and is_active(running), "a successor is the main process")
    pid = main_pid(running)
    parent = running.path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
    assert parent == "1"
    wait_until(lambda: f"{before}" not in running.run("pgrep fastgate").stdout.split(), "the one before has ended")
    running.run(f"systemctl stop {UNIT}")
    assert running.show(UNIT, "Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}
    assert "draining signal=SIGTERM" in "".join(running.journal(UNIT).splitlines()[-5:])


def test_sockets_of_systemd(running):
    """The ports are open before the gateway runs and while it is restarted; a port below 1024 needs no privilege of it."""
    running.run(f"systemctl stop {UNIT}")
    drop_in = "/etc/systemd/system/fastgate.socket.d"
    running.run(f"mkdir -p {drop_in}; printf '[Socket]\\nListenStream=80\\n' >{drop_in}/port.conf; systemctl daemon-reload")
    running.run("systemctl start fastgate.socket fastgate-admin.socket")
    assert not is_active(running)
    assert "ok" in health(running, 80), "the first connection starts it"
    assert "ok" in health(running) and "ok" in health(running, 8515)
    running.run(f"systemctl restart {UNIT}")
    assert "ok" in health(running, 80)
    before = main_pid(running)
    running.run(REPLACE)
    wait_until(lambda: main_pid(running) not in (0, before), "a successor serves")
    assert "ok" in health(running, 80)
    running.run(f"rm -r {drop_in}; systemctl stop fastgate.socket; systemctl daemon-reload")


def test_an_upgrade_replaces_the_process(running):
    before = main_pid(running)
    running.run(f"dpkg --no-triggers --install {running.package}")
    wait_until(lambda: main_pid(running) not in (0, before) and is_active(running), "the new program serves")
    assert "ok" in health(running)


def test_the_last_of_it(machine):
    """Removing keeps data and configuration, purging leaves nothing but the user."""
    machine.run(f"systemctl start {UNIT}; dpkg --no-triggers --remove fastgate")
    assert machine.show(UNIT, "ActiveState")["ActiveState"] == "inactive"
    kept = machine.run("ls /var/lib/fastgate/fastgate.db /etc/fastgate/config.yaml /etc/default/fastgate").stdout
    assert len(kept.split()) == 3
    machine.run("dpkg --no-triggers --purge fastgate")
    left = machine.run("find / -xdev -name '*fastgate*' -not -path '/proc/*' -not -path '/root/*' -not -path '/tmp/*' "
                       "-not -path '/work/*' -not -path '/var/lib/systemd/*' -newer /etc/machine-id | grep -v '^/var/log/journal'",
                       check=False).stdout  # fmt: skip
    assert left == ""
