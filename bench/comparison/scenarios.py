"""What is measured: one scenario is one kind of load, given to each proxy in turn."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    proxies: tuple
    load: tuple = ()             # arguments of loadgen
    mock: tuple = ()             # arguments of mock-llm
    unit: str = "request"
    units_per_request: int = 1   # of a stream: chunks the mock sends
    connections: int = 64
    path: str = "/v1/chat/completions"
    body_bytes: int = 1000       # 0: a GET without a body
    seconds: float = 4
    quick_seconds: float = 1
    tool: str = "loadgen"        # or wrk, where clients speak TLS
    hold: bool = False           # streams are opened and held, memory is what counts
    quick_connections: int = 0
    keys: int = 0
    routes: int = 0
    gap_ms: int = 0              # between the chunks of a stream
    adapts: str = ""             # printed with the result


FORWARDING = ("relay", "nginx", "haproxy", "haproxy-llm", "fastgate")
STREAM_CHUNKS = 98

SCENARIOS = {s.name: s for s in (
    Scenario("json", "1 kB chat request in, 0.6 kB JSON out, 64 kept-alive connections",
             (*FORWARDING, "fastgate-provider")),
    Scenario("workers", "json once more, the gateway with one worker and with two on the same core",
             ("fastgate", "fastgate-2")),
    Scenario("json-big", "200 kB prompt in, 0.6 kB JSON out, 64 kept-alive connections", FORWARDING,
             body_bytes=200_000),
    Scenario("stream", "1,000 event streams at once, a chunk every 20 ms",
             ("direct", *FORWARDING, "fastgate-provider"),
             load=("--stream",), mock=("--chunks", STREAM_CHUNKS, "--gap-ms", 20), gap_ms=20, unit="chunk",
             units_per_request=STREAM_CHUNKS + 2, connections=1000, seconds=5, quick_seconds=1.5),
    Scenario("idle-streams", "10,000 open event streams, each waiting for its next chunk", FORWARDING,
             load=("--hold",), mock=("--chunks", 1000, "--gap-ms", 600_000), unit="stream", connections=10_000,
             quick_connections=2_000, hold=True, seconds=3, quick_seconds=1,
             adapts="memory a stream is what the process grew by; the kernel's socket buffers are not in it"),
    Scenario("blob", "1 MiB out with a content-length, 64 kept-alive connections",
             ("relay", "nginx", "nginx-64k", "haproxy", "fastgate"), path="/blob?bytes=1048576", body_bytes=0),
    Scenario("tls", "the same as json, clients speak TLS 1.3 over kept-alive connections (wrk)",
             ("nginx", "haproxy", "haproxy-llm", "fastgate"), tool="wrk", quick_seconds=2),
    Scenario("connect", "1 kB chat request on a new connection each", ("nginx", "haproxy", "haproxy-llm", "fastgate"),
             load=("--connect", "--sources", 16)),
    Scenario("audit", "json once more, the gateway without an audit, with it, and recording the bodies too",
             ("nginx", "haproxy", "fastgate-no-audit", "fastgate", "fastgate-bodies")),
    Scenario("routes", "1,000 routes by path, 10,000 keys, both random for each request",
             ("nginx", "haproxy", "fastgate-single", "fastgate"), path="/{{route}}/v1/chat/completions", keys=10_000,
             routes=1_000,
             adapts="nginx: a map of keys and a location a route; haproxy: a map file of each"),
    Scenario("latency", "json at a fixed 15,000 requests a second, latency from when each was due (open loop)",
             ("direct", *FORWARDING), load=("--rate", 15000)),
)}
