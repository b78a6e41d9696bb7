"""Medians, ranges and ratios; and the refusal to print a ratio that does not deserve one."""

from statistics import median


BEST = "best"  # in each round the cheaper, or faster, of nginx and HAProxy, in whichever of their plain forms
PLAIN = ("nginx", "nginx-64k", "haproxy")
AGAINST = ("nginx", "haproxy", BEST, "haproxy-llm", "relay", "fastgate", "fastgate-no-audit", "fastgate-single")
TIMES = [f"{kind}.{quantile}" for kind in ("latency_us", "first_byte_us", "chunk_delay_us")
         for quantile in ("p50", "p99", "p99.9")]


def summarise(rounds, baseline, counted=None):
    """`rounds` is a list of {proxy: figures}. Returns {proxy: summary}, ratios against `baseline` and others.

    `counted` has the system calls of those proxies whose calls were counted.
    """
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
        entry["bytes_per_stream"] = scaled(entry["kib_per_stream"], 1024)
        for time in TIMES:
            entry[time] = spread([_time(r, time) for r in runs])
            # Minus what the load generator and the mock took by themselves in the same round.
            both = [(_time(one[name], time), _time(one["direct"], time)) for one in rounds
                    if name in one and "direct" in one and name != "direct"
                    and one[name].get("connections") == one["direct"].get("connections")]
            sound = not problems and not any(one["direct"]["problems"] for one in rounds if "direct" in one)
            entry[f"added.{time}"] = spread([a - b for a, b in both if None not in (a, b)]) if sound else None
        rows = [r["audit_rows"] for r in runs if r["audit_rows"] is not None]
        entry["audit_rows"] = sum(rows) if rows else None
        entry["system_calls"] = ((counted or {}).get(name) or {}).get("total")
        summary[name] = entry
    for name, entry in summary.items():
        entry["ratio"], entry["no_ratio"] = ratio(rounds, summary, name, baseline)
        against = AGAINST if name.startswith("fastgate") else ("fastgate",) if name == "litellm" else ()
        entry["ratios"] = {other: compare(rounds, summary, name, other) for other in against
                           if other != name and (other in summary or other == BEST and best_of(summary))}
    return summary


def _time(figures, time):
    kind, _, quantile = time.partition(".")
    return figures["load"].get(kind, {}).get(quantile)


def scaled(value, factor):
    return value and {key: number * factor for key, number in value.items()}


def best_of(summary):
    """The proxies among which the best is sought: nothing unless nginx and HAProxy are both there."""
    return [name for name in PLAIN if name in summary] if "nginx" in summary and "haproxy" in summary else []


def compare(rounds, summary, name, other):
    """CPU and requests a second of `name` as multiples of those of `other`, which may be BEST."""
    others = best_of(summary) if other == BEST else [other]
    for side in (name, *others):
        if summary[side]["problems"]:
            return {"cpu_us": None, "rate": None, "no_ratio": f"{side}: {'; '.join(summary[side]['problems'])}"}
    found = {"no_ratio": None}
    for figure, best in (("cpu_us", min), ("rate", max)):
        complete = [one for one in rounds if all(one.get(side, {}).get(figure) for side in (name, *others))]
        found[figure] = spread([one[name][figure] / best(one[side][figure] for side in others) for one in complete])
    return found


def spread(values):
    values = [v for v in values if v is not None]
    return {"median": median(values), "least": min(values), "most": max(values)} if values else None


def ratio(rounds, summary, name, baseline):
    """What `name` costs as a multiple of what `baseline` costs, round by round; or None and why not."""
    if baseline not in summary or not summary[name]["cpu_us"]:
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
    """The text tables of one scenario: what it costs, how long it takes, what the gateway's ratios are."""
    columns = [("", lambda n, e: n),
               (f"CPU µs/{scenario.unit}", lambda n, e: _range(e["cpu_us"])),
               (f"× {baseline}", lambda n, e: _range(e["ratio"], 2))]
    if scenario.hold:
        columns += [("RSS bytes/stream", lambda n, e: _range(e["bytes_per_stream"], 0)),
                    ("private", lambda n, e: _median(scaled(e["private_kib_per_stream"], 1024))),
                    ("CPU held", lambda n, e: _share(e["idle_cpu_share"]))]
    else:
        columns.append(("requests/s", lambda n, e: _range(e["rate"], 0)))
    if any(entry["system_calls"] for entry in summary.values()):
        columns.append((f"calls/{scenario.unit}", lambda n, e: _number(e["system_calls"], 2)))
    columns += [("RSS MiB", lambda n, e: "–" if not e["resident_kib"] or not e["resident_kib"]["most"]
                 else _range(scaled(e["resident_kib"], 1 / 1024))),
                ("errors", lambda n, e: f"{e['errors']:,}"),
                ("audit rows", lambda n, e: "–" if e["audit_rows"] is None else f"{e['audit_rows']:,}")]
    lines = _aligned(columns, summary)
    for name, entry in summary.items():
        if entry["no_ratio"]:
            lines.append(f"no ratio for {name}: {entry['no_ratio']}")
        elif entry["problems"]:
            lines.append(f"{name}: {'; '.join(entry['problems'])}")
    if not scenario.hold:
        lines += ["", *time_lines(scenario, summary)]
    return "\n".join([*lines, *ratio_lines(summary)])


def time_lines(scenario, summary):
    """Latencies; and, where the scenario was also run without a proxy, what each proxy added to that."""
    kinds = ([("first_byte_us", "first byte"), ("chunk_delay_us", "chunk")] if "--stream" in scenario.load
             else [("latency_us", "latency")])
    lines = []
    for kind, title in kinds:
        columns = [(f"{title}, µs", lambda n, e: n)]
        columns += [(quantile, lambda n, e, key=f"{kind}.{quantile}": _range(e[key], 0))
                    for quantile in ("p50", "p99", "p99.9")]
        if "direct" in summary:
            columns += [(f"added {quantile}", lambda n, e, key=f"added.{kind}.{quantile}": _range(e[key], 0))
                        for quantile in ("p50", "p99")]
        lines += ["", *_aligned(columns, summary)] if lines else _aligned(columns, summary)
    return lines


def ratio_lines(summary):
    lines = []
    for name, entry in summary.items():
        without = []
        for other, found in entry["ratios"].items():
            against = f"the best of {', '.join(best_of(summary))}" if other == BEST else other
            if found["cpu_us"]:
                rate = f", requests/s {_range(found['rate'], 2)}" if found["rate"] else ""
                lines.append(f"{name} / {against}: CPU {_range(found['cpu_us'], 2)}{rate}")
            else:
                without.append(against)
        if without:
            lines.append(f"no ratio of {name} to {', '.join(without)}: see above")
    return ["", *lines] if lines else []


def _aligned(columns, summary):
    rows = [[title for title, _ in columns]]
    rows += [[value(name, entry) for _, value in columns] for name, entry in summary.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    lines = [row[0].ljust(widths[0]) + "".join("  " + cell.rjust(w) for cell, w in zip(row[1:], widths[1:]))
             for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    return lines


def system_call_lines(counted):
    lines = []
    for name, calls in counted.items():
        if calls:
            detail = ", ".join(f"{call} {n:.2f}" for call, n in list(calls["calls"].items())[:8])
            lines.append(f"{name:16} {calls['total']:6.2f} system calls a unit: {detail}")
    return "\n".join(lines)
