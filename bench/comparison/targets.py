"""What FastGate has set itself, and whether a result meets it.

A target is met or missed by the median of the rounds. It is not measured where its scenario was not run, or where a
run in it had an error or missed an audit row: `report` gives no ratio then, and so there is none to judge.
"""

from dataclasses import dataclass

from .report import BEST, best_of


@dataclass(frozen=True)
class Target:
    scenario: str
    figure: str            # of a summary
    against: str           # a proxy's name, or BEST
    bound: float
    at_least: bool = False
    subject: str = "fastgate"

    @property
    def title(self):
        what = {"cpu_us": "CPU", "rate": "requests/s"}[self.figure]
        against = "best of nginx and haproxy" if self.against == BEST else self.against
        return f"{self.scenario}: {what}, {self.subject} / {against}"

    def judge(self, scenario):
        found = scenario["summary"].get(self.subject, {}).get("ratios", {}).get(self.against, {})
        ratio = found.get(self.figure)
        digits = 0 if self.bound >= 100 else 2
        bound = f"{'≥' if self.at_least else '≤'} {self.bound:,.{digits}f}"
        if ratio is None:
            return None, None, bound, found.get("no_ratio")
        met = ratio["median"] >= self.bound if self.at_least else ratio["median"] <= self.bound
        shown = f"{ratio['median']:,.{digits}f} ({ratio['least']:,.{digits}f}–{ratio['most']:,.{digits}f})"
        return met, shown, bound, None


@dataclass(frozen=True)
class AddedDelay:
    """What the gateway adds to a time, beside what the best, or one, of the others adds."""

    scenario: str
    figure: str
    against: str

    @property
    def title(self):
        kind, _, quantile = self.figure.partition(".")
        what = {"latency_us": "latency", "first_byte_us": "first byte", "chunk_delay_us": "delay of a chunk"}[kind]
        return f"{self.scenario}: added {what}, {quantile}"

    def judge(self, scenario):
        summary, figure = scenario["summary"], f"added.{self.figure}"
        others = best_of(summary) if self.against == BEST else [self.against]
        needed = ["fastgate", "direct", *others]
        why = next((f"{name}: {'; '.join(summary[name]['problems'])}" for name in needed
                    if name in summary and summary[name]["problems"]), None)
        values = {name: summary.get(name, {}).get(figure) for name in needed if name != "direct"}
        if why or not others or None in values.values():
            return None, None, f"≤ {self.against}", why
        best = min(others, key=lambda name: values[name]["median"])
        mine = values["fastgate"]
        return (mine["median"] <= values[best]["median"],
                f"{mine['median']:,.0f} µs ({mine['least']:,.0f}–{mine['most']:,.0f})",
                f"≤ {values[best]['median']:,.0f} µs ({best})", None)


@dataclass(frozen=True)
class StreamMemory:
    """Resident memory that an open stream takes."""

    scenario: str
    most_bytes: int

    @property
    def title(self):
        return f"{self.scenario}: resident bytes of an open stream"

    def judge(self, scenario):
        entry = scenario["summary"].get("fastgate", {})
        value, bound = entry.get("bytes_per_stream"), f"≤ {self.most_bytes:,}"
        if not value or entry["problems"]:
            return None, None, bound, "; ".join(entry.get("problems", []))
        return (value["median"] <= self.most_bytes,
                f"{value['median']:,.0f} ({value['least']:,.0f}–{value['most']:,.0f})", bound, None)


TARGETS = (
    Target("json", "cpu_us", "nginx", 0.80),
    Target("json", "cpu_us", "haproxy", 0.85),
    Target("json", "cpu_us", "haproxy-llm", 0.60),
    Target("json", "cpu_us", "relay", 1.30),
    Target("json", "rate", BEST, 1.10, at_least=True),
    Target("json", "cpu_us", "fastgate", 1.03, subject="fastgate-provider"),
    Target("json", "cpu_us", "fastgate", 500, at_least=True, subject="litellm"),
    AddedDelay("latency", "latency_us.p99", "nginx"),
    Target("audit", "cpu_us", "fastgate-no-audit", 1.12),
    Target("stream", "cpu_us", BEST, 0.80),
    AddedDelay("stream", "first_byte_us.p99", BEST),
    AddedDelay("stream", "chunk_delay_us.p99", BEST),
    Target("stream", "cpu_us", "fastgate", 1.03, subject="fastgate-provider"),
    StreamMemory("idle-streams", 1000),
    Target("blob", "cpu_us", BEST, 0.60),
    Target("tls", "cpu_us", BEST, 0.75),
    Target("connect", "cpu_us", BEST, 0.90),
    Target("json-big", "cpu_us", BEST, 0.90),
    Target("routes", "cpu_us", "fastgate-single", 1.05),
    Target("workers", "cpu_us", "fastgate", 1.05, subject="fastgate-2"),
)


def judge(scenarios):
    """A verdict for each target. `scenarios` are those of a result."""
    by_name = {scenario["scenario"]: scenario for scenario in scenarios}
    verdicts = []
    for target in TARGETS:
        scenario = by_name.get(target.scenario)
        met, figure, bound, why = target.judge(scenario or {"summary": {}})
        verdict = "not measured" if met is None else "met" if met else "missed"
        verdicts.append({"target": target.title, "figure": figure, "bound": bound, "verdict": verdict,
                         "why": why or (None if met is not None else "scenario not run" if not scenario
                                        else "a proxy was not in the run")})
    return verdicts


def table(verdicts):
    rows = [["target", "figure", "must be", "verdict"]]
    rows += [[v["target"], v["figure"] or "–", v["bound"],
              v["verdict"] + (f" ({v['why']})" if v["why"] else "")] for v in verdicts]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join([row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].ljust(widths[2]), row[3]])
             for row in rows]
    lines.insert(1, "-" * (sum(widths) + 20))
    counts = [f"{sum(v['verdict'] == kind for v in verdicts)} {kind}" for kind in ("met", "missed", "not measured")]
    return "\n".join([*lines, ", ".join(counts)])
