"""What a worker runs per request or chunk counts no references and allocates nothing: read from the machine code.

All that can be reached from the worker's loop is looked at, in whatever function the compiler put it, but for what
stands in COLD. So a new class reference, escaping closure, existential or growing array on the request path fails here.
"""

import re

import pytest
from calls import INDIRECT, Calls
from harness.gateway import binary

MODULES = ("Proxy", "Reactor", "HTTP", "JSON", "LLM", "Inflate", "Store")

# Functions that are not looked into, nor what they call, and why.
COLD = {
    r"^Proxy\.Worker\.readMail\(": "a message from the control side",
    r"^Proxy\.Worker\.finishDrainIfEmpty\(": "the gateway ends",
    r"^Proxy\.Worker\.closeEverything\(": "the gateway ends",
    r"^Proxy\.Worker\.dropSnapshot\(": "the last request of an old snapshot",
    r"^Proxy\.Worker\.addClient\(": "once a connection; refers to the TLS context",
    r"^Proxy\.Worker\.beginConnect\(": "once an upstream connection: names and addresses are lists",
    r"^Proxy\.Worker\.deliverNames\(": "once an upstream connection",
    r"\bReactor\.Resolver\b": "once an upstream connection",
    r"^static Reactor\.TLSSession\.(client|server)\(": "once a TLS connection",
    r"^Proxy\.WorkerMetrics\.makeRouteCounters\(": "a route's first request on a worker",
    r"^Proxy\.ProviderMetrics\.makeBlock\(": "a model's first request on a worker",
    r"\bProxy\.Worker\.spill\(": "the audit ring is full",
    r"^Proxy\.Worker\.keepWithSpilled\(": "the audit ring is full",
    r"^Proxy\.Worker\.retryAudit\(": "the audit ring was full; records that did not fit are arrays",
    r"^Proxy\.Worker\.pressureChanged\(": "the audit ring has filled by an eighth, or emptied again",
    r"^Proxy\.Worker\.notice\(": "a limit of the whole process is met",
    r"\bProxy\.RouteTable\.schemaVerdict\(": "routes with a JSON Schema parse the body",
    r"\bProxy\.RouteTable\.equals\(": "routes that ask for an object or array in the body",
    r"\bProxy\.RouteTable\.disagreesWithin\(": "routes that look into members of the body parse them",
    r"^Proxy\.Worker\.rewriteBody\(": "routes with add_body_fields write the body anew",
    r"^static Reactor\.BufferPool\.allocate\(": "the pool grows",
    r"^Proxy\.TokenQueue\.grow\(": "a queue grows",
    r"\bProxy\.Worker\.answerModelList\(": "a list of models is asked for",
}

# Calls that do no harm where they stand: what calls, what is called, why.
HARMLESS = [
    (r".", r"^swift_willThrow", "marks the throwing of an error; the branch is never taken"),
    (r".", r"_assertionFailure\(", "ends the process"),
    (r".", r"^generic specialization .* of \(extension in Swift\):Swift\.SIMD<", "arithmetic"),
    (r"^Reactor\.BufferPool\.take\(", r"^malloc$", "the pool grows; test_allocations shows that it stops to"),
    (r"\bLLM\.", r"\bSwift\.InlineArray\.init", "fills memory in place, once an exchange with a provider"),
    (r"\bReactor\.TLSSession\.", r"^Glibc\.errno\.getter", "reads a number"),
]

# Functions that copy a kilobyte and more, and what: none.
COPIES: dict[str, str] = {}

FORBIDDEN = re.compile(
    r"^_?swift_|\bSwift\.(?!U?Int|Bool|Unsafe|Optional|SIMD)|^(generic|function signature) \S*specialization .*\bSwift\._"
    r"|^outlined |^(lazy )?(protocol witness|type metadata)|^dispatch thunk|^(c|m|re)alloc$|^posix_memalign$")

# Functions of other modules, from an exchange's beginning to its end. Each must have been reached: else the walk has lost
# its way somewhere, and what it did not see it did not judge.
STATIONS = (
    r"HTTP\.RequestParser\.parse", r"HTTP\.TargetPolicy\.check", r"Reactor\.SHA256\.digest",
    r"Store\.AuditEncoder\.encodeAccepted", r"JSON\.MemberScanner\.feed", r"JSON\.JSONText\.equalsScalar",
    r"HTTP\.HeadWriter\.append", r"HTTP\.ResponseParser\.parse", r"HTTP\.ChunkedDecoder", r"HTTP\.SSECounter\.feed",
    r"Reactor\.BufferPool\.append", r"Store\.AuditEncoder\.encodeCompleted", r"Reactor\.TimerWheel\.schedule",
    r"Reactor\.TLSSession\.write", r"LLM\.RequestReader\.feed", r"LLM\.AnswerReader\.feed",
    r"LLM\.AnswerReader\.takeKnown", r"LLM\.StreamOpening\.next", r"LLM\.UsageChunkFilter\.next", r"LLM\.ModelPrice\.cost",
    r"Store\.AuditEncoder\.encodeUsage")


@pytest.fixture(scope="module")
def calls():
    return Calls(binary())


def _root(calls: Calls) -> str:
    [root] = calls.find(r"^Proxy\.Worker\.run\(\) -> \(\)$")
    return root


def test_the_hot_path_copies_nothing_large(calls, figure):
    """A large value that is handed on as such is copied for each call, which no line of the source shows."""
    ways = calls.walk(_root(calls), MODULES, lambda name: any(re.search(pattern, name) for pattern in COLD))
    large = {name: max(found) for name in ways if (found := calls.copies.get(name)) and max(found) >= 1024}
    known = {name for name in large if any(re.search(pattern, name) for pattern in COPIES)}
    figure("copies of 1 kB and more on the hot path", str(len(large)), f"of which {len(known)} are meant")
    assert large.keys() == known, "\n".join(
        f"{' > '.join(map(_short, ways[name]))}: {large[name]} bytes" for name in large.keys() - known)
    assert len(known) == len(COPIES), "take out of COPIES what copies no longer"


def test_the_hot_path_counts_no_references(calls, figure):
    root = _root(calls)
    used = set()

    def is_cold(name: str) -> bool:
        matching = {pattern for pattern in COLD if re.search(pattern, name)}
        used.update(matching)
        return bool(matching)

    ways = calls.walk(root, MODULES, is_cold)

    faults = []
    for caller in ways:
        bad = [
            callee for callee in calls.calls.get(caller, ())
            if callee not in ways and (callee == INDIRECT or FORBIDDEN.search(callee)) and not is_cold(callee)
            and not any(re.search(a, caller) and re.search(b, callee) for a, b, _ in HARMLESS)]
        if bad:
            faults.append(f"{' > '.join(map(_short, ways[caller]))}: {', '.join(sorted(map(_short, bad)))}")
    figure("functions on the hot path", str(len(ways)), f"of which {len(faults)} call the Swift runtime, = 0")
    assert not faults, f"{len(faults)} functions call the runtime; the way to each, and what it calls:\n" + "\n".join(
        faults[:40])

    unused = COLD.keys() - used
    assert not unused, f"nothing on the hot path is called so any longer, take it out of COLD: {unused}"
    missed = [station for station in STATIONS if not any(re.search(station, name) for name in ways)]
    assert not missed, f"not reached from the worker's loop: {missed}"


def _short(name: str) -> str:
    name = re.sub(r"^.*? of (static )?", "", name) if " of " in name[:80] else name
    return name.split("(")[0]


pytestmark = pytest.mark.needs("objdump", "nm", "swift")
