"""The command line on a terminal: colours, the live views, progress, and the terminal as it was afterwards."""

import json
import os
import re
import signal
import termios

import pytest

from harness import Gateway, Site
from harness.cli import Terminal

RAW = termios.ICANON | termios.ECHO


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("terminal")).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def site(shared):
    site = Site(shared)
    yield site
    site.close()


def visible(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_tables_fit_and_are_coloured(shared, site):
    site.route(route_name="a-name-" + "x" * 60, match_path="/a/" + "y" * 60 + "/*")
    for columns in (200, 90):
        with Terminal(shared, "routes", "list", columns=columns) as terminal:
            assert terminal.wait() == 0
            assert "\x1b[32mactive" in terminal.text
            lines = visible(terminal.text).replace("\r", "").splitlines()
            if columns == 90:
                assert max(map(len, lines)) <= 90 and any("…" in line for line in lines)
    with Terminal(shared, "routes", "list", env={"NO_COLOR": "1"}) as terminal:
        assert terminal.wait() == 0 and "\x1b[" not in terminal.text


@pytest.mark.parametrize("how", ["q", "ctrl-c", "SIGTERM", "SIGHUP"])
def test_top_gives_the_terminal_back(shared, site, how):
    site.route(route_name="watched")
    site.call()
    with Terminal(shared, "top", "-i", "0.2") as terminal:
        before = terminal.modes & RAW
        assert before == RAW
        at = terminal.expect("watched")
        assert terminal.modes & RAW == 0, "keys come at once, without an echo"
        # Drawn again by itself, and at once when the window changes.
        at = terminal.expect("requests/s", since=at)
        terminal.resize(60, 12)
        at = terminal.expect("requests/s", since=len(terminal.screen))
        if how == "q":
            terminal.press("q")
        elif how == "ctrl-c":
            terminal.press("\x03")
        else:
            os.kill(terminal.pid, getattr(signal, how))
        assert terminal.wait() == 0
        assert terminal.modes & RAW == before
        assert terminal.text.count("\x1b[?1049h") == 1 and terminal.text.rstrip().endswith("\x1b[?25h\x1b[?1049l")


def test_top_can_be_suspended(shared):
    with Terminal(shared, "top", "-i", "0.2") as terminal:
        at = terminal.expect("requests/s")
        terminal.press("\x1a")
        at = terminal.expect("\x1b[?1049l", since=at)
        assert os.waitpid(terminal.pid, os.WUNTRACED)[1] & 0xFF == 0x7F, "it has stopped"
        assert terminal.modes & RAW == RAW
        os.kill(terminal.pid, signal.SIGCONT)
        at = terminal.expect("\x1b[?1049h", since=at)
        terminal.expect("requests/s", since=at)
        terminal.press("q")
        assert terminal.wait() == 0


def test_top_fits_a_small_window(shared, site):
    site.route()
    with Terminal(shared, "top", "-i", "0.2", "-n", "3", columns=40, rows=10) as terminal:
        assert terminal.wait() == 0
        frames = terminal.text.split("\x1b[H")[1:]
        assert len(frames) >= 2
        lines = visible(frames[-1]).replace("\r", "").split("\n")
        assert len(lines) <= 10 and max(map(len, lines)) <= 40


def test_top_goes_on_without_its_gateway(make_gateway):
    gateway = make_gateway()
    with Terminal(gateway, "top", "-i", "0.2") as terminal:
        at = terminal.expect("requests/s")
        gateway.stop()
        at = terminal.expect("cannot be reached", since=at)
        gateway.start()
        frame = len(terminal.screen)
        # The next good look takes the complaint away.
        while True:
            frame = terminal.expect("\x1b[H", since=frame)
            end = terminal.expect("\x1b[J", since=frame)
            if b"cannot be reached" not in terminal.screen[frame:end]:
                break
        terminal.press("q")
        assert terminal.wait() == 0


def test_tail_follows_with_colours_and_filters(shared, site):
    site.route()
    site.upstream.handler = lambda exchange: exchange.answer(500 if b"bad" in exchange.request.head else 200)
    with Terminal(shared, "logs", "tail", "-f", "-n", "0", "--source", f"/{site.name}", "--errors") as terminal:
        # What ends after it has begun to look is shown; until then each is one that it may have missed.
        for n in range(200):
            site.call(target=f"/good/{n}")
            site.call(target=f"/bad/{n}")
            if not terminal.read(0.2) or b"/bad/" in terminal.screen:
                break
        terminal.expect("/bad/")
        assert "\x1b[31m500\x1b[0m" in terminal.text and "/good/" not in terminal.text
        terminal.press("\x03")
        assert terminal.wait() == -signal.SIGINT


def test_progress_is_for_terminals(shared, site, tmp_path):
    site.route()
    for _ in range(3):
        shared.audit(site.call().request_id)
    file = tmp_path / "out.csv"
    with Terminal(shared, "logs", "export", "--source", f"/{site.name}", "-o", str(file)) as terminal:
        assert terminal.wait() == 0
        assert re.search(r"\[#+-*\] \d+ %  \d+ of \d+ lines", terminal.text)
        assert terminal.screen.endswith(b"\r\x1b[K"), "the line is taken away"
    assert len(file.read_text().splitlines()) == 4
    # Data on the terminal is not mixed with progress.
    with Terminal(shared, "logs", "export", "--source", f"/{site.name}", "--fields", "id") as terminal:
        assert terminal.wait() == 0 and "%" not in terminal.text
    routes = tmp_path / "routes.json"
    routes.write_text(json.dumps([{"route_name": f"p{n}", "match_path": "/p", "target_host": "h:1"} for n in range(5)]))
    with Terminal(shared, "routes", "import", str(routes), "--json") as terminal:
        assert terminal.wait() == 0 and "of 5 routes" in terminal.text
    for route in shared.admin("GET", "/admin/routes", match_path="/p")["items"]:
        shared.admin("DELETE", f"/admin/routes/{route['route_id']}")


def test_a_providers_key_is_asked_for_and_not_shown(shared):
    shared.admin("POST", "/admin/providers", {"name": "asked", "base_url": "http://127.0.0.1:1", "models": ["m"]}, expect=201)
    with Terminal(shared, "providers", "keys", "add", "asked") as terminal:
        terminal.expect("Key of asked: ")
        assert terminal.modes & RAW == termios.ICANON, "no echo"
        terminal.press("sk-proj-0123456789-typed\r")
        assert terminal.wait() == 0
        assert "typed" not in terminal.text and terminal.modes & RAW == RAW
    [key] = shared.admin("GET", "/admin/providers/asked/keys")["items"]
    assert key["key_hint"].endswith("yped")
    with Terminal(shared, "providers", "keys", "add", "asked") as terminal:
        terminal.expect("Key of asked: ")
        terminal.press("\x03")
        assert terminal.wait() == 1
        assert terminal.modes & RAW == RAW, "the echo is back"
    assert len(shared.admin("GET", "/admin/providers/asked/keys")["items"]) == 1
