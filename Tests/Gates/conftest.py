"""Figures that noise cannot move: they count, they do not time. See CONTRIBUTING.md, "Figures"."""

import shutil
import sys
from pathlib import Path

import pytest

GATES = Path(__file__).resolve().parent
# The gateway process is started as the end-to-end tests start it.
sys.path.insert(0, str(GATES.parent / "EndToEnd"))
sys.path.insert(0, str(GATES))

from harness.gateway import binary  # noqa: E402
from rig import Rig, product  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*commands): skipped, saying so, where one of the commands is absent")


def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("needs"):
            absent = [command for command in mark.args if not shutil.which(command)]
            if absent:
                item.add_marker(pytest.mark.skip(reason=f"{', '.join(absent)}: not installed"))


_figures: list[tuple[str, str, str]] = []


@pytest.fixture
def figure(record_property):
    """Notes a figure for the table at the end: name, value, limit."""

    def note(name: str, value: str, limit: str = ""):
        _figures.append((name, value, limit))

    return note


def pytest_terminal_summary(terminalreporter):
    if not _figures:
        return
    terminalreporter.section("figures")
    width = max(len(name) for name, _, _ in _figures)
    for name, value, limit in _figures:
        terminalreporter.write_line(f"{name:{width}}  {value:>12}  {limit}")


@pytest.fixture(scope="session", autouse=True)
def _start():
    for path in [binary(), *map(product, ("mock-llm", "loadgen", "micro"))]:
        if not path.is_file():
            pytest.exit(f"nothing at {path}: ./test --gates builds it", returncode=1)


@pytest.fixture
def make_rig(tmp_path):
    """Starts a gateway of one worker between a mock and a load generator."""
    made = []

    def make(**kw) -> Rig:
        made.append(Rig(tmp_path / f"rig{len(made)}", **kw))
        return made[-1]

    yield make
    for rig in made:
        rig.close()
