"""Charts: bars in groups, as SVG that needs nothing else."""

import html

from .matrix import TOPICS
from .measure import median

COLOURS = {"ringway": "#0b6e4f", "bare": "#8a8f98", "other": "#c58b2a"}


def colour(name):
    return COLOURS["ringway" if name == "ringway" else "bare" if name.startswith(("bare", "without")) else "other"]


def charts(topics, own):
    """Name to picture."""
    found = {}
    for topic in TOPICS:
        if results := topics.get(topic.name):
            listed = [(case.label, server, median(rounds).cpu) for (case, server), rounds in results.items()]
            found[topic.name] = bars(f"{topic.title}: CPU time for each request, µs", listed)
    if results := own.get("latency"):
        listed = []
        for server, rounds in results.items():
            one = median(rounds, key=lambda each: each.added)
            listed += [(server, "with " + server if server != "ringway" else "ringway", one.p99 * 1e3),
                       (server, "without", one.direct99 * 1e3)]
        found["latency"] = bars("p99 at half of the maximum, µs", listed)
    for name, title in (("slow-clients", "p99 beside 4,000 slow connections, µs"), ("faults", "p99 of the canary, µs")):
        if results := own.get(name):
            listed = []
            for label, rounds in results.items():
                one = median(rounds, key=lambda each: each.ratio)
                listed += [(label, "without", one.quiet * 1e3), (label, "ringway" if name == "faults" else label, one.during * 1e3)]
            found[name] = bars(title, listed)
    return found


def bars(title, listed):
    """Bars in groups. `listed`: group, name, value; less is better. Where values differ by more than
    a hundred times each group has a scale of its own."""
    most = max((value for *_, value in listed), default=1.0) or 1.0
    least = min((value for *_, value in listed if value > 0), default=1.0)
    of_group = {group: max(value for other, _, value in listed if other == group) or 1.0 for group, *_ in listed}
    own_scale = most / least > 100
    width, left, line, y = 760, 300, 20, 40
    out, last = [], None
    for group, name, value in listed:
        if group != last:
            y += 10 if last else 0
            out.append(f'<text x="8" y="{y + 13}" font-weight="600">{html.escape(shortened(group))}</text>')
            last = group
        length = value / (of_group[group] if own_scale else most) * (width - left - 90)
        out.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{html.escape(name)}</text>')
        out.append(f'<rect x="{left}" y="{y + 2}" width="{length:.1f}" height="{line - 6}" rx="2" fill="{colour(name)}"/>')
        out.append(f'<text x="{left + length + 6:.1f}" y="{y + 13}">{value:,.{1 if value < 1000 else 0}f}</text>')
        y += line
    note = " (each group to its own scale)" if own_scale else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 12}" font-family="system-ui, sans-serif" '
        f'font-size="12" fill="#1c1e21" role="img" aria-label="{html.escape(title)}">'
        '<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="8" y="22" font-size="15" font-weight="600">{html.escape(title)}, less is better{note}</text>'
    )
    return head + "".join(out) + "</svg>\n"


def shortened(text):
    return text if len(text) <= 30 else text[:29] + "…"
