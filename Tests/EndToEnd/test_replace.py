"""SIGUSR2: a new process takes over the sockets; no request fails, no stream is cut, no audit row is lost or doubled."""

import os
import shutil
import signal
import socket
import threading
import time

import pytest

from harness import Connection, Site, wait_until
from harness.certificates import authority, certificate
from harness.patience import SANITIZER
from harness.upstream import Signal


class Load(threading.Thread):
    """One client in a loop. It keeps its connection as long as it is let, or makes a new one for every request."""

    def __init__(self, site, number, keeps, tls=None):
        super().__init__(daemon=True)
        self.site, self.number, self.keeps, self.tls = site, number, keeps, tls
        self.stop = False
        self.answered, self.failures = [], []

    def run(self):
        connection = None
        i = 0
        while not self.stop:
            i += 1
            request_id = f"{self.site.name}-{self.number}-{i}"
            try:
                connection = connection or Connection(self.site.gateway.port, tls=self.tls)
                response = connection.request(
                    "POST", "/v1/chat/completions", self.site.headers([("x-request-id", request_id)]), b'{"model":"m"}'
                )
                assert response.status == 200 and response.request_id == request_id, response.status
                self.answered.append(request_id)
                if not self.keeps or (response.header("connection") or "") == "close":
                    connection.close()
                    connection = None
            except Exception as error:  # whatever it is, it is a failed request
                self.failures.append(f"{request_id}: {error!r}")
                connection = None


class Streams:
    """An upstream's handler whose `/stream` answers are the test's to drive; all else is answered at once."""

    def __init__(self, site):
        self.site = site
        self.all = []
        site.upstream.handler = self.handle

    def handle(self, exchange):
        exchange.read_body()
        if exchange.request.target.startswith("/stream"):
            self.all[int(exchange.request.header("x-stream"))].serve(exchange)
        else:
            exchange.answer(200, b'{"ok":true}')

    def open(self, tls=None):
        stream = Stream(self.site, len(self.all))
        self.all.append(stream)
        stream.begin(tls)
        return stream


class Stream:
    def __init__(self, site, number):
        self.site, self.number = site, number
        self.request_id, self.step = site.new_id(), Signal()
        self.seen, self.ends = 0, False

    def serve(self, exchange):
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        number = 0
        while True:
            self.step.wait()
            if self.ends:
                return exchange.last_chunk()
            exchange.chunk(b"data: %d\n\n" % number)
            number += 1

    def begin(self, tls):
        self.connection = self.site.connect(timeout=30, tls=tls)
        headers = [("x-request-id", self.request_id), ("x-stream", str(self.number))]
        self.connection.send(self.site.bytes("GET", "/stream", headers))
        self.response = self.connection.read_head()
        assert self.response.status == 200

    def tick(self):
        self.step.go()
        self.connection.read_until(self.response, b"data: %d\n\n" % self.seen)
        self.seen += 1

    def finish(self):
        self.ends = True
        self.step.go()
        while self.connection.read_piece(self.response):
            pass
        assert self.response.complete
        self.connection.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replace-certificates")
    authority(folder, "ca")
    certificate(folder, "server", "IP:127.0.0.1,DNS:localhost")
    return folder


@pytest.mark.parametrize("speaks", ["plain", "tls"])
def test_five_replacements_under_load(make_gateway, certificates, speaks):
    tls, config = None, {}
    if speaks == "tls":
        import ssl

        tls = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        config = {"tls": {"cert": str(certificates / "server.pem"), "key": str(certificates / "server.key")}}
    gateway = make_gateway(config)
    site = Site(gateway)
    try:
        streams = Streams(site)
        site.route()
        site.key
        loads = [Load(site, n, keeps=n % 2 == 0, tls=tls) for n in range(4)]
        for load in loads:
            load.start()
        ended = []
        for generation in range(5):
            stream = streams.open(tls)
            stream.tick()
            seen = sum(len(load.answered) for load in loads)
            ended.append(gateway.replace())
            for stream in streams.all:
                stream.tick()
            wait_until(lambda: sum(len(load.answered) for load in loads) >= seen + 50, "the load goes on", 20)
        for stream in streams.all:
            stream.finish()
        for process in ended:
            process.wait(20)
        for load in loads:
            load.stop = True
        for load in loads:
            load.join(10)
        assert not [failure for load in loads for failure in load.failures]
        answered = [request_id for load in loads for request_id in load.answered]
        answered += [stream.request_id for stream in streams.all]
        gateway.audit(loads[0].answered[-1])
        wait_until(
            lambda: gateway.query("SELECT count(*) AS n FROM audit_logs WHERE response_time IS NULL")[0]["n"] == 0
            and gateway.query("SELECT count(*) AS n FROM audit_logs")[0]["n"] >= len(answered),
            "all rows are there and complete",
        )
        rows = gateway.query("SELECT request_id, status_code, error_message FROM audit_logs")
        assert sorted(row["request_id"] for row in rows) == sorted(answered)
        assert {(row["status_code"], row["error_message"] or "") for row in rows} == {(200, "")}
        # Nothing of the processes before is left: their rings are emptied and gone.
        wait_until(lambda: len(list((gateway.folder / "data").rglob("*.ring"))) == 2, "one set of rings is left")
        assert gateway.admin("GET", f"/admin/keys/{site.key_id}")["usage_count"] == len(answered)
    finally:
        site.close()


def test_changes_of_either_side_are_not_lost(make_site):
    """What the admin API has answered before the replacement is served after it, and the other way round."""
    site = make_site()
    site.route(match_path="/before")
    before = site.gateway.replace()
    assert site.call("GET", "/before").status == 200
    site.route(match_path="/after")
    assert site.call("GET", "/after").status == 200
    before.wait(20)
    assert site.call("GET", "/after").status == 200


def test_a_key_that_is_revoked_is_revoked_in_the_old_process_too(make_site):
    """Its connections stay open for a while; their last request is admitted by the rules of now."""
    site = make_site()
    site.route()
    idle = [site.connect() for _ in range(2)]
    for connection in idle:
        assert connection.request("GET", "/", site.headers()).status == 200
    before = site.gateway.replace()
    other = site.new_key()
    assert idle[0].request("GET", "/", site.headers(key=other["key_value"])).status == 200
    site.gateway.admin("DELETE", f"/admin/keys/{site.key_id}")
    assert idle[1].request("GET", "/", site.headers()).status == 401
    before.wait(20)


def test_tunnels_and_idle_connections_of_the_old_process(make_site):
    site = make_site()

    def handler(exchange):
        if exchange.request.header("upgrade"):
            exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            while data := exchange.receive():
                exchange.send(data)
            exchange.keep = False
        else:
            exchange.answer(200, b"{}")

    site.upstream.handler = handler
    site.route()
    tunnel = site.connect()
    tunnel.send(site.bytes("GET", "/", [("Connection", "Upgrade"), ("Upgrade", "websocket")]))
    assert tunnel.read_head().status == 101
    idle = site.connect()
    assert idle.request("GET", "/", site.headers()).status == 200
    before = site.gateway.replace()
    # The idle connection's next request is answered, by the old process, and is its last.
    response = idle.request("GET", "/", site.headers())
    assert response.status == 200 and response.header("connection") == "close"
    assert idle.wait_closed()
    tunnel.send(b"hello")
    while len(tunnel.buffer) < 5:
        assert tunnel._fill()
    assert before.poll() is None
    tunnel.close()
    before.wait(20)


def test_health_stays_well_during_a_replacement(make_site):
    site = make_site()
    site.route()
    streams = Streams(site)
    stream = streams.open()
    probe = site.connect()
    assert probe.request("GET", "/health", [("Host", "x")]).status == 200
    before = site.gateway.replace()
    assert probe.request("GET", "/health", [("Host", "x")]).status == 200
    stream.finish()
    before.wait(20)


def test_a_successor_that_cannot_start_changes_nothing(make_site):
    site = make_site()
    site.route()
    gateway = site.gateway
    good = gateway.config_file.read_text()
    for bad, reason in [("app: {port: nonsense}", "app.port"), ("tls: {cert: /none.pem, key: /none.key}", "/none.pem")]:
        gateway.config_file.write_text(bad)
        count = gateway.log.count("the successor was given up")
        gateway.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: gateway.log.count("the successor was given up") > count, "the old one says so")
        assert reason in gateway.log
        assert site.call().status == 200
        assert gateway.lock_pid == gateway.process.pid
        assert gateway.admin("GET", "/admin/routes")["total"] == 1
    gateway.config_file.write_text(good)
    before = gateway.replace()
    before.wait(20)
    assert site.call().status == 200


@pytest.mark.skipif(bool(SANITIZER), reason="with a sanitizer the program is started by a script")
def test_the_program_at_the_path_is_the_one_that_starts(make_gateway, tmp_path, monkeypatch):
    """An upgrade puts another file in the old one's place; that one is started."""
    from harness.gateway import binary

    program = tmp_path / "fastgate"
    shutil.copy(binary(), program)
    monkeypatch.setenv("FASTGATE_BIN", str(program))
    gateway = make_gateway()
    shutil.copy(program, tmp_path / "new")
    (tmp_path / "new").rename(program)
    before = gateway.replace()
    before.wait(20)
    assert os.stat(f"/proc/{gateway.process.pid}/exe").st_ino == program.stat().st_ino
    # And one that is no program at all is not.
    program.rename(tmp_path / "away")
    program.write_text("#!/nonexistent\n")
    program.chmod(0o755)
    gateway.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: "no successor could be started" in gateway.log or "given up" in gateway.log, "the log says so")
    assert gateway.health(gateway.port)[0] == 200


def test_an_old_process_that_is_killed_leaves_its_rows_to_the_new_one(make_site):
    site = make_site()
    streams = Streams(site)
    site.route()
    stream = streams.open()
    before = site.gateway.replace()
    mine = streams.open()
    done = site.call()
    before.send_signal(signal.SIGKILL)
    before.wait(20)

    def marked():
        rows = site.gateway.query("SELECT * FROM audit_logs WHERE request_id = ?", stream.request_id)
        return rows and rows[0]["error_message"]

    wait_until(marked, "the lost stream is marked")
    # The survivor's own open stream is not.
    rows = site.gateway.query("SELECT * FROM audit_logs WHERE request_id = ?", mine.request_id)
    assert not rows or not rows[0]["error_message"]
    mine.tick()
    mine.finish()
    assert site.gateway.audit(mine.request_id)["status_code"] == 200
    assert site.gateway.audit(done.request_id)["status_code"] == 200


def test_an_old_process_ends_what_outlasts_replace_timeout(make_site):
    site = make_site({"app": {"replace_timeout": 0.5}})
    streams = Streams(site)
    site.route()
    stream = streams.open()
    before = site.gateway.replace()
    before.wait(20)
    assert site.gateway.audit(stream.request_id)["error_message"]
    assert site.call().status == 200


def test_sigterm_ends_an_old_process_within_drain_timeout(make_site):
    site = make_site({"app": {"drain_timeout": 0.5}})
    streams = Streams(site)
    site.route()
    stream = streams.open()
    before = site.gateway.replace()
    time.sleep(0.6)
    assert before.poll() is None, "without a signal it goes on"
    before.send_signal(signal.SIGTERM)
    before.wait(20)
    row = site.gateway.audit(stream.request_id)
    assert row["error_message"]
    assert site.call().status == 200
    site.gateway.terminate()
    site.gateway.process.wait(20)
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", site.gateway.port), timeout=2):
        pass
