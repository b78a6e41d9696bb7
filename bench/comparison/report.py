"""Medians, ranges and ratios; and the refusal to print a ratio that does not deserve one."""

from statistics import median


def summarise(rounds, baseline):
    """`rounds` is a list of {proxy: figures}. Returns {proxy: summary}, ratios against `baseline`."""
    names = list(dict.fromkeys(name for one in rounds for name in one))
    summary = {}
    for name in names:
        runs = [one[name] for one in rounds if name in one]
        problems = list(dict.fromkeys(p for run in runs for p in run["problems"]))
        entry = {"rounds": len(runs), "requests": sum(r["requests"] for r in runs),
                 "errors": sum(r["errors"] for r in runs), "problems": problems}
        for figure in ("cpu_us", "rate", "resident_kib", "private_kib", "kib_per_stream", "private_kib_per_stream",
                       "idle_cpu_share", "other_load", "stolen"):
            entry[figure] = spread([r.get(figure) for r in runs])
        for kind in ("latency_us", "first_byte_us", "chunk_delay_us"):
            for quantile in ("p50", "p99", "p99.9"):
                entry[f"{kind}.{quantile}"] = spread([r["load"].get(kind, {}).get(quantile) for r in runs])
        rows = [r["audit_rows"] for r in runs if r["audit_rows"] is not None]
        entry["audit_rows"] = sum(rows) if rows else None
        summary[name] = entry
    for name, entry in summary.items():
        entry["ratio"], entry["no_ratio"] = ratio(rounds, summary, name, baseline)
    return summary


def spread(values):
    values = [v for v in values if v is not None]
    return {"median": median(values), "least": min(values), "most": max(values)} if values else None


def ratio(rounds, summary, name, baseline):
    """What `name` costs as a multiple of what `baseline` costs, round by round; or None and why not."""
    if baseline not in summary:
        return None, None
    for side in dict.fromkeys((name, baseline)):
        if summary[side]["problems"]:
            return None, f"{side}: {'; '.join(summary[side]['problems'])}"
    pairs = [one[name]["cpu_us"] / one[baseline]["cpu_us"] for one in rounds
             if name in one and baseline in one and one[name]["cpu_us"] and one[baseline]["cpu_us"]]
    return (spread(pairs), None) if pairs else (None, None)


def _number(value, digits=1):
    return "–" if value is None else f"{value:,.{digits}f}"


def _range(value, digits=1):
    if value is None:
        return "–"
    if value["least"] == value["most"]:
        return _number(value["median"], digits)
    return f"{_number(value['median'], digits)} ({_number(value['least'], digits)}–{_number(value['most'], digits)})"


def _median(value, digits=0):
    return "–" if value is None else _number(value["median"], digits)


def _share(value):
    return "–" if value is None else f"{value['median']:.2%}"


def table(scenario, summary, baseline):
    """The text table of one scenario."""
    columns = [("", lambda n, e: n),
               (f"CPU µs/{scenario.unit}", lambda n, e: _range(e["cpu_us"])),
               (f"× {baseline}", lambda n, e: _range(e["ratio"], 2))]
    if scenario.hold:
        columns += [("KiB/stream", lambda n, e: _range(e["kib_per_stream"])),
                    ("private", lambda n, e: _median(e["private_kib_per_stream"], 1)),
                    ("CPU held", lambda n, e: _share(e["idle_cpu_share"]))]
    elif "--stream" in scenario.load:
        columns += [("first byte p50 µs", lambda n, e: _median(e["first_byte_us.p50"])),
                    ("p99", lambda n, e: _median(e["first_byte_us.p99"])),
                    ("chunk delay p50 µs", lambda n, e: _median(e["chunk_delay_us.p50"])),
                    ("p99", lambda n, e: _median(e["chunk_delay_us.p99"])),
                    ("p99.9", lambda n, e: _median(e["chunk_delay_us.p99.9"]))]
    else:
        columns += [("requests/s", lambda n, e: _median(e["rate"])),
                    ("p50 µs", lambda n, e: _median(e["latency_us.p50"])),
                    ("p99", lambda n, e: _median(e["latency_us.p99"])),
                    ("p99.9", lambda n, e: _median(e["latency_us.p99.9"]))]
    columns += [("RSS MiB", lambda n, e: "–" if not e["resident_kib"] or not e["resident_kib"]["most"]
                 else _number(e["resident_kib"]["most"] / 1024)),
                ("errors", lambda n, e: f"{e['errors']:,}"),
                ("audit rows", lambda n, e: "–" if e["audit_rows"] is None else f"{e['audit_rows']:,}")]
    rows = [[title for title, _ in columns]]
    rows += [[value(name, entry) for _, value in columns] for name, entry in summary.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    lines = [row[0].ljust(widths[0]) + "".join("  " + cell.rjust(w) for cell, w in zip(row[1:], widths[1:]))
             for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    for name, entry in summary.items():
        if entry["no_ratio"]:
            lines.append(f"no ratio for {name}: {entry['no_ratio']}")
        elif entry["problems"]:
            lines.append(f"{name}: {'; '.join(entry['problems'])}")
    return "\n".join(lines)


def system_call_lines(counted):
    lines = []
    for name, calls in counted.items():
        if calls:
            detail = ", ".join(f"{call} {n:.2f}" for call, n in list(calls["calls"].items())[:8])
            lines.append(f"{name:16} {calls['total']:6.2f} system calls a unit: {detail}")
    return "\n".join(lines)
