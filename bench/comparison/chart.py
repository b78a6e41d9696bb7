"""An SVG of a result: CPU time by scenario and proxy. Written by hand, for it needs little."""

import math
from html import escape

COLOURS = {"fastgate": "accent", "fastgate-provider": "accent2"}
LEFT, BAR_WIDTH, RIGHT = 150, 430, 180
WIDTH = LEFT + BAR_WIDTH + RIGHT
BAR, STEP, HEAD, GAP = 14, 21, 34, 16
WIDEST_LINEAR = 12  # times the smallest; beyond that a scale is logarithmic

STYLE = """\
svg{color-scheme:light dark}
.ground{fill:#fff}text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.head{font-size:13px;font-weight:600}.quiet{fill:#59636e}
.own{font-weight:600}.other{fill:#8c959f}.accent{fill:#0a7d4b}.accent2{fill:#5ab08a}
.range{stroke:#1f2328;stroke-width:1}.axis{stroke:#d1d9e0}
@media (prefers-color-scheme:dark){.ground{fill:#0d1117}text{fill:#e6edf3}.quiet{fill:#9198a1}
.other{fill:#6e7681}.accent{fill:#2fbf7f}.accent2{fill:#1f7d55}.range{stroke:#e6edf3}.axis{stroke:#3d444d}}"""


def chart(result):
    """The text of the SVG. Scenarios without a valid ratio are left out, and it says so."""
    panels, left_out = [], []
    for scenario in result["scenarios"]:
        bars, why = usable(scenario)
        if not bars:
            left_out.append(f"{scenario['scenario']}: {why}")
            continue
        panels.append((scenario, bars))
        left_out += [f"{name} in {scenario['scenario']}: {why}" for name, why in unusable(scenario)]
    y, body = 62, []
    for scenario, bars in panels:
        y = panel(body, y, scenario, bars)
    for text in footer(result, left_out):
        for line in wrapped(text, 105):
            body.append(f'<text class="quiet" x="16" y="{y + 4}">{escape(line)}</text>')
            y += 17
    title = "CPU time of FastGate and others"
    described = "; ".join(
        f"{scenario['scenario']}: " + ", ".join(f"{name} {number(cpu['median'])} µs" for name, cpu in bars)
        for scenario, bars in panels) or "No scenario has a valid ratio."
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" width="{WIDTH}" height="{y + 8}" '
        'role="img" aria-labelledby="title desc">',
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{escape("Median CPU time of all threads. " + described)}</desc>',
        f"<style>{STYLE}</style>", f'<rect class="ground" width="{WIDTH}" height="{y + 8}" rx="6"/>',
        f'<text class="title" x="16" y="28">{title}</text>',
        '<text class="quiet" x="16" y="46">Median over the rounds, all threads counted; the line is the range. '
        'Shorter is better.</text>', *body, "</svg>", ""])


def usable(scenario):
    """(name, CPU) of each bar, cheapest first; or nothing and why."""
    summary = scenario["summary"]
    baseline = summary.get(scenario["baseline"], {})
    if not baseline:
        return [], f"without {scenario['baseline']}"
    if baseline["problems"]:
        return [], f"{scenario['baseline']}: {'; '.join(baseline['problems'])}"
    bars = [(name, entry["cpu_us"]) for name, entry in summary.items() if entry["ratio"] and entry["cpu_us"]]
    if len(bars) < 2:
        return [], "there is nothing to compare with"
    return sorted(bars, key=lambda bar: bar[1]["median"]), None


def unusable(scenario):
    return [(name, entry["no_ratio"]) for name, entry in scenario["summary"].items() if entry["no_ratio"]]


def panel(body, y, scenario, bars):
    """Draws a scenario from `y` on; returns where it ends."""
    most, least = max(cpu["most"] for _, cpu in bars), min(cpu["least"] for _, cpu in bars)
    logarithmic = most > least * WIDEST_LINEAR and least > 0
    low = 10 ** math.floor(math.log10(least)) if logarithmic else 0

    def width(value):
        share = math.log(value / low) / math.log(most / low) if logarithmic else value / most
        return max(1.0, share * BAR_WIDTH)

    base = dict(bars).get("fastgate", {}).get("median")
    scale = f", logarithmic from {number(low)}" if logarithmic else ""
    body.append(f'<text class="head" x="16" y="{y + 14}">{escape(scenario["scenario"])} '
                f'<tspan class="quiet" font-weight="400">{escape(scenario["title"])}; '
                f'µs a {escape(scenario["unit"])}{scale}</tspan></text>')
    y += HEAD - 8
    top = y
    for name, cpu in bars:
        middle = y + BAR / 2
        body.append(f'<text x="{LEFT - 8}" y="{y + 11}" text-anchor="end"'
                    f'{" class=" + chr(34) + "own" + chr(34) if name in COLOURS else ""}>{escape(name)}</text>')
        body.append(f'<rect class="{COLOURS.get(name, "other")}" x="{LEFT}" y="{y}" width="{width(cpu["median"]):.1f}" '
                    f'height="{BAR}" rx="2"/>')
        if cpu["least"] < cpu["most"]:
            body.append(f'<line class="range" x1="{LEFT + width(cpu["least"]):.1f}" '
                        f'x2="{LEFT + width(cpu["most"]):.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>')
        times = f" ({number(cpu['median'] / base)} ×)" if base and name != "fastgate" else ""
        body.append(f'<text x="{LEFT + width(cpu["most"]) + 8:.1f}" y="{y + 11}">{number(cpu["median"])} µs'
                    f'<tspan class="quiet">{times}</tspan></text>')
        y += STEP
    body.append(f'<line class="axis" x1="{LEFT - 1}" x2="{LEFT - 1}" y1="{top - 3}" y2="{y - STEP + BAR + 3}"/>')
    return y + GAP


def footer(result, left_out):
    m = result["machine"]
    haproxy = " ".join((m.get("haproxy") or "").split()[:3])  # what follows is a date and an address
    versions = [m.get("fastgate"), m.get("nginx"), haproxy, m.get("litellm") and f"LiteLLM {m['litellm']}"]
    lines = [f"{m['time'][:10]}, {result['rounds']} rounds{' (short: not to quote)' if result.get('quick') else ''}, "
             f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}, commit {m['commit']}",
             ", ".join(filter(None, versions))]
    if left_out:
        lines.append("Left out for want of a valid ratio: " + "; ".join(left_out))
    return lines


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def wrapped(text, columns):
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= columns:
            yield line
            line = ""
        line += (" " if line else "") + word
    if line:
        yield line
