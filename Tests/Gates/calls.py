"""Who calls whom in a binary, read from its machine code."""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path

INDIRECT = "a call through a pointer"


class Calls:
    """`calls[function]` lists what it calls, jumps to as its last act included, `copies[function]` how many bytes the calls
    of memcpy have whose length stands before them; names are demangled."""

    def __init__(self, binary: Path):
        symbols = _symbols(binary)
        self._starts = sorted(symbols)
        self._symbols = symbols
        raw: dict[str, set[str]] = defaultdict(set)
        lengths: dict[str, list[int]] = defaultdict(list)
        here = None
        length, age = 0, 0
        code = subprocess.run(
            ["objdump", "-d", "-j", ".text", "--no-show-raw-insn", binary], capture_output=True, text=True, check=True)
        instruction = re.compile(r"^ *([0-9a-f]+):\t(call|jmp|j[a-z]+) +(\*|[0-9a-f]+)(?: <([^>]+)>)?")
        third_argument = re.compile(r"mov +\$0x([0-9a-f]+),%[er]dx$")
        for line in code.stdout.splitlines():
            age += 1
            if set_length := third_argument.search(line):
                length, age = int(set_length[1], 16), 0
            if not (found := instruction.match(line)):
                continue
            address, operation, target, label = found.groups()
            here = self._function(int(address, 16))
            if target == "*":
                if operation == "call":
                    raw[here].add(INDIRECT)
                continue
            # What is in another section is a stub for a function of a shared library.
            there = label.split("@")[0] if label and "@plt" in label else self._function(int(target, 16))
            if there != here:
                raw[here].add(there)
            if there in ("memcpy", "memmove") and age < 8:
                lengths[here].append(length)
        names = sorted({*raw, *(target for targets in raw.values() for target in targets)})
        done = subprocess.run(
            ["swift", "demangle", "--compact"], input="\n".join(names), capture_output=True, text=True, check=True)
        # Private declarations carry a hash of their file, which says nothing.
        readable = {
            name: re.sub(r"\(([^()]+) in _[0-9A-F]{32}\)", r"\1", text)
            for name, text in zip(names, done.stdout.splitlines(), strict=True)
        }
        self.mangled = {readable[name]: name for name in names}
        self.copies = {readable[name]: found for name, found in lengths.items()}
        self.calls = {readable[name]: {readable[target] for target in targets} for name, targets in raw.items()}

    def _function(self, address: int) -> str:
        """The symbol around an address. What stands behind its end has no name of its own, but is not part of it."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return f"{address:#x}"
        start = self._starts[at]
        name, size = self._symbols[start]
        return name if not size or address < start + size else f"{name} (unnamed code behind)"

    def find(self, pattern: str) -> list[str]:
        return [name for name in self.calls if re.search(pattern, name)]

    def is_ours(self, name: str, modules: tuple[str, ...]) -> bool:
        """A function of one of these modules, or of C that is compiled into them."""
        mangled = self.mangled.get(name, name)
        if mangled.startswith("$s") or mangled.startswith("_$s"):
            # A mangled name tells the module of what is declared; outlined copies and the like name it inside.
            return any(f"{len(module)}{module}" in mangled for module in modules)
        return name in self.calls and not name.startswith(("swift_", "_swift_"))

    def walk(self, root: str, modules: tuple[str, ...], stops) -> dict[str, list[str]]:
        """All functions of `modules` that can be reached from `root` and the way there; none behind those that
        `stops` names."""
        ways = {root: [root]}
        queue = [root]
        for name in queue:
            for target in sorted(self.calls.get(name, ())):
                if target not in ways and self.is_ours(target, modules) and not stops(target):
                    ways[target] = [*ways[name], target]
                    queue.append(target)
        return ways


def _symbols(binary: Path) -> dict[int, tuple[str, int]]:
    symbols: dict[int, tuple[str, int]] = {}
    listing = subprocess.run(["nm", "-S", "--defined-only", binary], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        if found := re.match(r"([0-9a-f]+) (?:([0-9a-f]+) )?([tTwW]) (.+)", line):
            start, size = int(found[1], 16), int(found[2] or "0", 16)
            if start not in symbols or size > symbols[start][1]:
                symbols[start] = (found[4], size)
    return symbols
