import resource
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import Gateway, Site, Upstream  # noqa: E402
from harness.certificates import authority, certificate  # noqa: E402
from harness.clock import Clock, compiled  # noqa: E402
from harness.gateway import binary, wait_until  # noqa: E402
from harness.judges import CORPORA, SHARED, Judge  # noqa: E402
from harness.providers import Providers  # noqa: E402


def pytest_configure(config):
    # A thousand streams are two thousand sockets in this process alone.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))


@pytest.fixture(scope="session", autouse=True)
def _start(request):
    if not binary().is_file():
        pytest.exit(f"no gateway at {binary()}: build it or set FASTGATE_BIN", returncode=1)
    # The judges mostly wait: started first, they are done by the time their tests come.
    if any(item.path.name == "test_wire.py" for item in request.session.items):
        request.getfixturevalue("judges")


@pytest.fixture(scope="session")
def judges(tmp_path_factory):
    """The wire corpora's judges, at work side by side."""
    running = {}
    if SHARED.is_dir():
        running = {name: Judge(tmp_path_factory.mktemp("wire") / name, name) for name in CORPORA}
    yield running
    for judge in running.values():
        judge.close()


def _finish(gateway: Gateway):
    try:
        gateway.stop()
    finally:
        gateway.kill()
    assert "Fatal error" not in gateway.log, gateway.log[-4000:]


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """The gateway most tests share: two workers, keys required, all else default."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), env={"E2E_UPSTREAM_SECRET": "upstream-secret-77aa"}).start()
    yield gateway
    try:
        # Some tests' pooled clients are still there; whatever came and went before them has left no count behind.
        wait_until(lambda: gateway.open_clients() == gateway.client_sockets(), "as many clients as sockets")
    finally:
        _finish(gateway)


@pytest.fixture
def site(gateway):
    """A corner of the shared gateway."""
    site = Site(gateway)
    yield site
    site.close()


@pytest.fixture
def make_gateway(tmp_path):
    """Starts gateways with a configuration of their own."""
    made = []

    def make(config=None, *, start=True, **kw) -> Gateway:
        gateway = Gateway(tmp_path / f"gateway{len(made)}", config, **kw)
        made.append(gateway)
        return gateway.start() if start else gateway

    yield make
    for gateway in made:
        _finish(gateway)


@pytest.fixture
def make_site(make_gateway):
    """A site on a gateway with a configuration of its own."""
    made = []

    def make(config=None, **kw) -> Site:
        site = Site(make_gateway(config, **kw))
        made.append(site)
        return site

    yield make
    for site in made:
        site.close()


@pytest.fixture
def make_providers(tmp_path):
    """Providers behind a gateway with a configuration of its own."""
    made = []

    def make(config=None, **kw) -> Providers:
        site = Providers(tmp_path / f"site{len(made)}", config, **kw)
        made.append(site)
        return site

    yield make
    for site in made:
        site.close()


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def clock(clock_library, tmp_path):
    """A clock for gateways that are started with its `env`."""
    return Clock(clock_library, tmp_path)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """What a server and its clients show: `first` to `third` of one authority, `alice` of another."""
    folder = tmp_path_factory.mktemp("server-certificates")
    authority(folder, "ca")
    authority(folder, "people")
    certificate(folder, "first", "IP:127.0.0.1,DNS:localhost,DNS:first.test")
    certificate(folder, "renewed", "IP:127.0.0.1,DNS:localhost,DNS:first.test")
    certificate(folder, "second", "DNS:second.test,DNS:*.wild.test")
    certificate(folder, "third", "DNS:unused.test")
    certificate(folder, "alice", "DNS:alice.test", ca="people")
    certificate(folder, "mallory", "DNS:mallory.test")
    return folder


@pytest.fixture
def upstream():
    """An upstream without a gateway in front of it."""
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture
def loads():
    """Collects what `harness.load` starts, so that it ends with the test."""
    running = []
    yield running
    for load in running:
        load.over.set()
