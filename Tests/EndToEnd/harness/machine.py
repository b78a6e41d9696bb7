"""A machine of a test's own: systemd as process 1 of its own namespaces, over a copy-on-write view of this one's files.

Nothing it does is seen outside: its files lie in memory, its network has a loopback interface only. Needs root.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from .gateway import wait_until

BOOT_SECONDS = 30.0
SYSTEMD = Path("/lib/systemd/systemd")

# Runs in the new namespaces, before systemd is started in place of it.
BOOT = r"""
set -eu
base=$1
mount -t tmpfs none "$base"
mkdir "$base/upper" "$base/work" "$base/root"
root=$base/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ip link set lo up
units=$root/etc/systemd/system
rm -rf "$units"/*.wants
mkdir -p "$units"
for unit in systemd-sysctl systemd-modules-load systemd-udevd systemd-remount-fs systemd-timesyncd; do
    ln -sf /dev/null "$units/$unit.service"
done
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$units/machine.target"
: >"$root/etc/machine-id"
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=machine.target --log-target=journal
"""


def why_not() -> str:
    """Why there can be no such machine here; empty if there can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in ("unshare", "nsenter", "pivot_root", "ip", "mount") if shutil.which(tool) is None]
    if missing or not SYSTEMD.exists():
        return "needs systemd, " + ", ".join(missing)
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "needs overlay file systems"
    if cgroups() is None:
        return "needs a mounted cgroup2"
    return ""


def cgroups() -> Path | None:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2" and os.access(line.split()[1], os.W_OK):
            return Path(line.split()[1])
    return None


class Machine:
    def __init__(self, folder: Path):
        self.cgroup = cgroups() / f"fastgate-test-{os.getpid()}"
        self.cgroup.mkdir()
        folder.mkdir()
        self.log_file = folder.with_suffix(".log")
        script = 'echo $$ >"$1/cgroup.procs"; exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup --propagation private sh -c "$2" sh "$3"'
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", script, "sh", str(self.cgroup), BOOT, str(folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def boot(self):
        wait_until(self._is_up, "systemd runs", BOOT_SECONDS)

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self.log_file.read_text(errors="replace")
        return self.run("systemctl is-active machine.target", check=False).stdout.strip() == "active"

    @property
    def init(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        assert children, "no process 1 yet"
        return int(children[0])

    def command(self, command: str) -> list[str]:
        return ["nsenter", "--target", str(self.init), "--all", "sh", "-c", command]

    def run(self, command: str, check: bool = True) -> subprocess.CompletedProcess:
        try:
            result = subprocess.run(self.command(command), capture_output=True, text=True, timeout=60)
        except AssertionError:
            return subprocess.CompletedProcess(command, 1, "", "not up")
        assert not check or result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def path(self, inside: str) -> Path:
        return Path(f"/proc/{self.init}/root") / inside.lstrip("/")

    def show(self, unit: str, *names: str) -> dict[str, str]:
        wanted = " ".join(f"--property={name}" for name in names)
        return dict(line.split("=", 1) for line in self.run(f"systemctl show {shlex.quote(unit)} {wanted}").stdout.splitlines())

    def journal(self, unit: str) -> str:
        return self.run(f"journalctl --no-pager --output=cat --unit={shlex.quote(unit)}").stdout

    def close(self):
        try:
            os.kill(self.init, signal.SIGKILL)  # and with it all the others in there
        except (AssertionError, OSError):
            pass
        if self.process.poll() is None:
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass
