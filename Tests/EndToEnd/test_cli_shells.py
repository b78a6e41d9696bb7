"""Completions and the manual page, judged by the shells and formatters that will read them."""

import shutil
import subprocess

import pytest

from harness.gateway import binary



def fastgate(*arguments) -> str:
    result = subprocess.run([str(binary()), *arguments], capture_output=True, text=True, timeout=20)
    assert result.returncode == 0 and result.stderr == "", result
    return result.stdout


def need(tool: str) -> str:
    path = shutil.which(tool)
    if not path:
        pytest.skip(f"{tool} is not installed")
    return path


def run(*command, **kw) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, **kw)
    assert result.returncode == 0 and result.stderr == "", result
    return result.stdout


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completions")
    for shell in ("bash", "zsh", "fish"):
        (folder / shell).write_text(fastgate("completions", shell))
    return folder


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_syntax(scripts, shell):
    run(need(shell), "-n", str(scripts / shell))


CASES = [
    (["ke"], {"keys"}),
    (["keys", ""], {"create", "list", "show", "update", "toggle", "rotate", "revoke", "--help"}),
    (["keys", "list", "--a"], {"--active"}),
    (["-c", "keys", "routes", "ex"], {"export"}),
    (["--json", "logs", "ta"], {"tail"}),
    (["logs", "export", "--format", ""], {"csv", "json", "ndjson"}),
    (["logs", "export", "--format", "=", "n"], {"ndjson"}),
    (["completions", ""], {"bash", "zsh", "fish", "--help"}),
    (["keys", "list", "--source", ""], set()),
    (["routes", "show", "routes", "--js"], {"--json"}),
]


@pytest.mark.parametrize("words, expected", CASES)
def test_bash_completes(scripts, tmp_path, words, expected):
    program = """
        source "$1"; shift
        COMP_WORDS=(fastgate "$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
        # Outside of a completion compopt has nothing to set.
        compopt() { :; }
        _fastgate
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    out = run(need("bash"), "-c", program, "bash", str(scripts / "bash"), *words)
    assert set(out.split()) == expected


def test_bash_completes_in_an_interactive_shell(scripts, tmp_path):
    """Through readline, with a file's name too."""
    import os
    import pty
    import select
    import time

    (tmp_path / "routes-of-mine.json").write_text("[]")
    bash = need("bash")
    pid, fd = pty.fork()
    if pid == 0:  # pragma: no cover
        os.chdir(tmp_path)
        os.execve(bash, ["bash", "--norc", "--noprofile", "-i"], {"PATH": os.environ["PATH"], "PS1": "$ ", "TERM": "dumb"})
    seen = b""

    def type_and_expect(text, wanted):
        nonlocal seen
        os.write(fd, text.encode())
        deadline = time.monotonic() + 15
        while wanted.encode() not in seen:
            assert time.monotonic() < deadline, seen.decode(errors="replace")
            if select.select([fd], [], [], 0.05)[0]:
                seen += os.read(fd, 65536)

    try:
        type_and_expect(f"source {scripts}/bash; echo read''y\n", "ready")
        type_and_expect("fastgate rou\timp\trou\t", "fastgate routes import routes-of-mine.json")
    finally:
        os.close(fd)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_fish_completes(scripts):
    fish = need("fish")

    def complete(line):
        out = run(fish, "--no-config", "-c", f"source {scripts}/fish; complete -C '{line}'")
        return {row.split("\t")[0] for row in out.splitlines()}

    assert {"serve", "keys", "routes", "logs", "top"} <= complete("fastgate ")
    assert complete("fastgate keys re") == {"revoke"}
    assert complete("fastgate logs export --format ") == {"csv", "json", "ndjson"}
    assert "--source" in complete("fastgate keys list --s")
    assert "create" not in complete("fastgate keys list ")
    assert complete("fastgate completions ") >= {"bash", "zsh", "fish"}


def test_zsh_loads_its_functions(scripts):
    program = f"autoload -Uz compinit && compinit -u -D && source {scripts}/zsh && whence -w _fastgate _fastgate_keys_list && print $_comps[fastgate]"
    out = run(need("zsh"), "-f", "-c", program)
    assert out.split() == ["_fastgate:", "function", "_fastgate_keys_list:", "function", "_fastgate"]


def test_the_manual_page_has_no_warnings(tmp_path):
    page = tmp_path / "fastgate.1"
    page.write_text(fastgate("man"))
    need("man")
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": ""}
    out = run("man", "--warnings", "-E", "UTF-8", "-l", str(page), env=environment)
    for word in ("FASTGATE(1)", "fastgate keys create SOURCE", "--rate-limit N", "EXIT CODES"):
        assert word in out, word


def test_mandoc_finds_no_fault(tmp_path):
    mandoc = need("mandoc")
    page = tmp_path / "fastgate.1"
    page.write_text(fastgate("man"))
    run(mandoc, "-T", "lint", "-W", "warning", str(page))


def test_the_page_of_the_repository_is_the_program_s():
    from harness.gateway import ROOT

    assert (ROOT / "man" / "fastgate.1").read_text() == fastgate("man"), "make it anew: fastgate man > man/fastgate.1"
