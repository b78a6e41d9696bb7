"""The Debian package: made from the binary under test, looked at, unpacked into a folder and run from there."""

import os
import shutil
import subprocess

import pytest

from harness import Gateway
from harness.gateway import ROOT, binary
from harness.patience import SANITIZER

TOOLS = ["dpkg-deb", "dpkg-shlibdeps", "strip"]
pytestmark = [
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in TOOLS), reason="needs " + ", ".join(TOOLS) + " (dpkg-dev, binutils)"
    ),
    pytest.mark.skipif(bool(SANITIZER), reason="with a sanitizer the program is started by a script"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    script = [ROOT / "scripts" / "package-deb", "--binary", binary(), "--output", folder]
    result = subprocess.run(script, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(next(folder.glob("fastgate_*.deb")))
    return folder / result.stdout.strip()


@pytest.fixture(scope="module")
def root(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    subprocess.run(["dpkg-deb", "--control", package, folder / "DEBIAN"], check=True)
    return folder


def test_contents(package, root):
    listing = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        assert line.split()[1] == "root/root", line
        assert not line.startswith(("-rwxrwx", "drwxrwx")), line
    for path in ("usr/bin/fastgate", "lib/systemd/system/fastgate.service", "lib/systemd/system/fastgate.socket",
                 "etc/fastgate/config.yaml", "etc/default/fastgate", "usr/lib/sysusers.d/fastgate.conf",
                 "usr/share/doc/fastgate/copyright", "usr/share/doc/fastgate/changelog.gz"):  # fmt: skip
        assert (root / path).is_file(), path
    assert (root / "DEBIAN" / "conffiles").read_text().split() == ["/etc/default/fastgate", "/etc/fastgate/config.yaml"]
    control = (root / "DEBIAN" / "control").read_text()
    for library in ("libssl3", "libsqlite3-0", "libc-ares2", "libc6"):
        assert library in control.split("Depends: ")[1].split("\n")[0]
    for script in ("postinst", "prerm", "postrm"):
        subprocess.run(["sh", "-n", root / "DEBIAN" / script], check=True)
    sums = subprocess.run(["md5sum", "--check", "--quiet", "DEBIAN/md5sums"], cwd=root, capture_output=True, text=True)
    assert sums.returncode == 0, sums.stdout


def test_the_packaged_program_and_configuration_run(root, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTGATE_BIN", str(root / "usr/bin/fastgate"))
    config = root / "etc/fastgate/config.yaml"
    program = [root / "usr/bin/fastgate"]
    version = subprocess.run([*program, "version"], capture_output=True, text=True, check=True).stdout
    shown = subprocess.run(
        [*program, "check", "--show", "--config", config], capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "FASTGATE_ADMIN_TOKEN": "x" * 20},
    )  # fmt: skip
    assert 'url: "sqlite:////var/lib/fastgate/fastgate.db"' in shown.stdout, shown.stdout + shown.stderr
    control = (root / "DEBIAN" / "control").read_text()
    assert control.split("Version: ")[1].split("-")[0] in version
    gateway = Gateway(tmp_path / "gateway")
    gateway.write_config()
    # The shipped file, with the test's ports and folder.
    text = config.read_text().replace("port: 8514", f"port: {gateway.port}").replace("port: 8515", f"port: {gateway.admin_port}")
    text = text.replace("sqlite:////var/lib/fastgate/", f"sqlite:///{gateway.folder}/data/").replace("64MB           #", "4MB #")
    gateway.write_config = lambda *_: gateway.config_file.write_text(text)
    try:
        gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


@pytest.mark.skipif(shutil.which("lintian") is None, reason="needs lintian")
def test_lintian(package):
    """Nothing but what is on purpose, and the search path of a binary that is not linked as it is shipped."""
    wanted = {
        "maintainer-script-calls-systemctl",
        "no-manual-page",
        "initial-upload-closes-no-bugs",
        "custom-library-search-path",
    }
    result = subprocess.run(["lintian", "--no-cfg", "--allow-root", package], capture_output=True, text=True, timeout=120)
    lines = [line for line in result.stdout.splitlines() if line.startswith(("E:", "W:"))]
    assert {line.split()[2] for line in lines} <= wanted, result.stdout
