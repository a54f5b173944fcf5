"""Results as a table, as Markdown and as a chart."""

import html

from .servers import WORKS

COLUMNS = ["server", "work", "CPU µs", "user µs", "spread", "× bare", "× nginx", "× KrakenD",
           "req/s", "p50 ms", "p99 ms", "p99.9 ms", "RSS MiB", "bad", "others"]

#: The bare loop of each work; one JSON backend is held against the proxy.
BARE = {
    "passthrough": ("bare proxy", "passthrough"),
    "one": ("bare proxy", "passthrough"),
    "selection": ("bare proxy", "passthrough"),
    "merge3": ("bare merge of 3", "merge3"),
    "merge5": ("bare merge of 5", "merge5"),
}

#: More of the measured core than this was taken by others: the row is not to be believed.
OTHERS_MAX = 0.03


def rows(results):
    """One row for each server and work. `results`: (server, work) to its rounds."""
    def median(key):
        rounds = sorted(results.get(key, []), key=lambda one: one.cpu)
        return rounds[len(rounds) // 2] if rounds else None

    def ratio(mine, other):
        return f"{mine.cpu / other.cpu:.2f}" if other and other.cpu else ""

    nginx = median(("nginx", "passthrough"))
    ordered = sorted(results, key=lambda key: list(WORKS).index(key[1]))
    for server, work in ordered:
        one, rounds = median((server, work)), results[server, work]
        costs = [each.cpu for each in rounds]
        others = max(each.others for each in rounds)
        yield [
            server, work, f"{one.cpu:.2f}", f"{one.user:.2f}", f"{min(costs):.1f}–{max(costs):.1f}",
            ratio(one, median(BARE[work])), ratio(one, nginx), ratio(one, median(("krakend", work))),
            f"{one.per_second:.0f}", f"{one.p50:.2f}", f"{one.p99:.2f}", f"{one.p999:.2f}",
            f"{one.rss / 1024:.1f}", str(sum(each.bad for each in rounds)),
            f"{others * 100:.0f} %" + (" !" if others > OTHERS_MAX else ""),
        ]


def table(results):
    """For a terminal."""
    lines = [COLUMNS, *rows(results)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    def line(cells):
        parts = [cell.ljust(w) if at < 2 else cell.rjust(w) for at, (cell, w) in enumerate(zip(cells, widths))]
        return "  ".join(parts).rstrip()
    return "\n".join(line(cells) for cells in lines)


def markdown(results, memory, about, chart):
    """A page."""
    page = ["# Load tests", "", about, "", f"![CPU for each request]({chart})", ""]
    page += ["| " + " | ".join(COLUMNS) + " |", "|---|---|" + "---:|" * (len(COLUMNS) - 2)]
    page += ["| " + " | ".join(cells) + " |" for cells in rows(results)]
    page += [
        "",
        "Each figure is that of the median round by CPU. *CPU µs*: user and system time of the server for each "
        "request; *spread*: the smallest and the largest round; *× nginx*: against nginx passing one "
        "backend's answer through, whatever the work; *others*: the largest share of the server's core that other "
        f"processes took in a round (`!`: over {OTHERS_MAX:.0%}, do not believe the row).",
        "",
    ]
    page += [f"- `{work}`: {what}" for work, what in WORKS.items()]
    if memory:
        idle, each, n = memory
        page += ["", f"Memory with two workers and no endpoint: {idle / 1024:.1f} MiB resident when idle; "
                     f"{each / 1024:.2f} KiB more for each of {n} idle connections."]
    return "\n".join(page) + "\n"


COLOURS = {"ringway": "#0b6e4f", "bare": "#8a8f98", "other": "#c58b2a"}


def svg(results):
    """Bars of CPU for each request, a group for each work."""
    bars = [(cells[0], cells[1], float(cells[2])) for cells in rows(results)]
    most = max((cost for *_, cost in bars), default=1.0) or 1.0
    width, left, line, top = 760, 210, 22, 40
    out, y, last = [], top, None
    for server, work, cost in bars:
        if work != last:
            y += 10 if last else 0
            out.append(f'<text x="8" y="{y + 14}" font-weight="600">{html.escape(work)}</text>')
            last = work
        kind = server if server == "ringway" else "bare" if server.startswith("bare") else "other"
        length = cost / most * (width - left - 90)
        out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{html.escape(server)}</text>')
        out.append(f'<rect x="{left}" y="{y + 2}" width="{length:.1f}" height="{line - 6}" rx="2" fill="{COLOURS[kind]}"/>')
        out.append(f'<text x="{left + length + 6:.1f}" y="{y + 14}">{cost:.1f} µs</text>')
        y += line
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 12}" font-family="system-ui, sans-serif" '
        f'font-size="12" fill="#1c1e21" role="img" aria-label="CPU time for each request, by server and work">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="8" y="22" font-size="15" font-weight="600">CPU time for each request (less is better)</text>'
    )
    return head + "".join(out) + "</svg>\n"
