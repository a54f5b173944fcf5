"""Results as rows, for the terminal and for the page."""

from .matrix import TOPICS
from .measure import median
from .own import WITHOUT_TARGET
from .targets import Measured, verdicts
from .works import WORKS

MIB = 1024 * 1024

#: More of the measured core than this was taken by others: the row is not to be believed.
OTHERS_MAX = 0.03


def topic_table(topic, results):
    """Titles and rows of a topic. `results`: case and server to its rounds."""
    found = Measured({topic.name: results}, {})
    titles = ["work" if topic.name == "works" else topic.title.lower(), "server", "CPU µs", "user µs", "spread", "× bare",
              "× nginx", "× KrakenD", *topic.columns, "req/s", "p50 ms", "p99 ms", "p99.9 ms", "RSS MiB", "bad", "others"]
    rows = []
    for (case, server), rounds in results.items():
        one, work = median(rounds), WORKS[case.work]
        costs = [each.cpu for each in rounds]
        bare = work.bare[0] if work.bare else work.against
        bare_label = case.label if work.bare else "passthrough"
        nginx = found.cpu(topic.name, case.label, "nginx") or found.cpu(topic.name, "passthrough", "nginx")
        extra = {
            "MiB/s": lambda: f"{one.per_second * work.size / MIB:.0f}",
            "CPU µs/MiB": lambda: f"{one.cpu / work.size * MIB:.0f}" if work.size >= 1024 else "",
            "CPU µs/backend": lambda: f"{one.cpu / work.backends:.2f}",
        }
        rows.append([
            case.label, server, f"{one.cpu:.2f}", f"{one.user:.2f}", f"{min(costs):.1f}–{max(costs):.1f}",
            quotient(one.cpu, found.cpu(topic.name, bare_label, bare)), quotient(one.cpu, nginx),
            quotient(one.cpu, found.cpu(topic.name, case.label, "krakend")),
            *(extra[name]() for name in topic.columns),
            f"{one.per_second:,.0f}" if one.per_second >= 100 else f"{one.per_second:.1f}",
            *(f"{ms:.2f}" if ms else "" for ms in (one.p50, one.p99, one.p999)),
            f"{one.rss / 1024:.1f}", str(sum(each.bad for each in rounds)), disturbed(rounds),
        ])
    return without_empty(titles, rows)


def quotient(mine, other):
    return f"{mine / other:.2f}" if other else ""


def disturbed(rounds):
    shares = [each.others for each in rounds if each.others is not None]
    if not shares:
        return "–"
    return f"{max(shares) * 100:.0f} %" + (" !" if max(shares) > OTHERS_MAX else "")


def without_empty(titles, rows):
    """The same without columns in which nothing stands."""
    kept = [at for at, _ in enumerate(titles) if at < 2 or any(row[at] for row in rows)]
    return [titles[at] for at in kept], [[row[at] for at in kept] for row in rows]


def latency_table(results):
    titles = ["rate", "server", "p50 ms", "p99 ms", "p99.9 ms", "p50 without", "p99 without", "p99.9 without", "p99 added µs", "bad"]
    rows = []
    for server, rounds in results.items():
        one = median(rounds, key=lambda each: each.added)
        rows.append([
            f"{one.rate:.0f}/s", server, f"{one.p50:.3f}", f"{one.p99:.3f}", f"{one.p999:.3f}", f"{one.direct50:.3f}",
            f"{one.direct99:.3f}", f"{one.direct999:.3f}", f"{one.added * 1e3:.0f}", str(sum(each.bad for each in rounds)),
        ])
    return titles, rows


def watched_table(results, what):
    titles = [what, "target", "p99 quiet ms", "p99 meanwhile ms", "ratio", "p99 after ms", "bad", "note"]
    rows = []
    for name, rounds in results.items():
        one = median(rounds, key=lambda each: each.ratio)
        rows.append([
            name, "" if name in WITHOUT_TARGET else "≤ 2 ×", f"{one.quiet:.3f}", f"{one.during:.3f}", f"{one.ratio:.2f}",
            f"{one.after:.3f}", str(sum(each.bad for each in rounds)), one.note,
        ])
    return without_empty(titles, rows)


def memory_table(memory):
    rows = [
        ["no endpoint, two workers, idle", f"{memory.idle_kib / 1024:.1f} MiB"],
        [f"each of {memory.connections:,} idle connections that sent nothing", f"{memory.fresh_bytes / 1024:.2f} KiB"],
        [f"each of {memory.connections:,} idle connections after one request", f"{memory.used_bytes / 1024:.2f} KiB"],
        [f"{memory.endpoints:,} endpoints of three backends", f"{memory.large_kib / 1024:.0f} MiB"],
        [f"ready with {memory.endpoints:,} endpoints", f"{memory.large_ready_ms:.0f} ms"],
        ["ready with 100 endpoints", f"{memory.small_ready_ms:.0f} ms"],
    ]
    return ["what", "measured"], rows


def target_table(topics, own):
    """Titles, rows, and what was missed."""
    all_ = list(verdicts(Measured(topics, own)))
    word = {True: "met", False: "**missed**", None: "–"}
    rows = [[one.what, one.promised, one.measured, word[one.met]] for one in all_]
    return ["target", "promised", "measured", ""], rows, [one for one in all_ if one.met is False]


def tables(topics, own):
    """All that was measured: name, title, question, notes, table."""
    for topic in TOPICS:
        if topics.get(topic.name):
            yield topic.name, topic.title, topic.question, topic.notes, topic_table(topic, topics[topic.name])
    if own.get("latency"):
        yield ("latency", "Latency at a fixed rate",
               "What does a server add to the latency at half of the rate that it can do? Passthrough, 64 connections, each "
               "request counted from when it was due; *without*: the same load straight to the backend.",
               (), latency_table(own["latency"]))
    if own.get("slow-clients"):
        yield ("slow-clients", "Slow clients",
               "Do slow clients slow others down? A third sends its head byte by byte, a third a body of 300 bytes a second, "
               "a third takes an answer of 1 MiB in sips; who is closed comes back. Meanwhile 2,000 requests a second.",
               (), watched_table(own["slow-clients"], "server"))
    if own.get("faults"):
        yield ("faults", "Faults elsewhere",
               "Does a fault on one backend slow an endpoint of another? The canary gets 2,000 requests a second. The load of "
               "the fault runs on the canary's core, so that part of the difference is the generator's own.",
               (), watched_table(own["faults"], "fault"))
    if own.get("memory"):
        yield ("memory", "Memory and start", "What does it hold, and how soon does it answer?", (), memory_table(own["memory"]))


def text(titles, rows):
    """A table for a terminal."""
    lines = [titles, *rows]
    widths = [max(len(str(line[at])) for line in lines) for at in range(len(titles))]

    def line(cells):
        parts = [cell.ljust(w) if at < 2 else cell.rjust(w) for at, (cell, w) in enumerate(zip(cells, widths))]
        return "  ".join(parts).rstrip()

    return "\n".join(line(cells) for cells in lines)


def markdown(titles, rows):
    """A table of the page."""
    lines = ["| " + " | ".join(titles) + " |", "|---|---|" + "---:|" * (len(titles) - 2)]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])


LEGEND = (
    "Each figure is that of the median round by CPU. *CPU µs*: user and system time of the server for each request; "
    "*spread*: the smallest and the largest round; *× bare*: against the least that does the same on this driver; "
    "*× nginx*: against nginx on the same work, or passing one backend's answer through where it cannot do the work; "
    "*bad*: answers other than 2xx and 3xx, and broken connections; *others*: the largest share of the server's core that "
    f"other processes took in a round (`!`: over {OTHERS_MAX:.0%}, do not believe the row)."
)


def page(topics, own, about, command, charts):
    """RESULTS.md. `charts`: name of a topic to the path of its chart."""
    titles, rows, missed = target_table(topics, own)
    parts = [
        "# Load tests", about, "## Targets",
        f"Of {sum(row[3] != '–' for row in rows)} targets that were measured, {len(missed)} were missed. `loadtests/run --check` ends with 1 then.",
        markdown(titles, rows), LEGEND,
    ]
    for name, title, question, notes, table in tables(topics, own):
        parts += [f"## {title}", f"{question} `{command} --topics {name}`"]
        parts += list(notes)
        if name in charts:
            parts.append(f"![{title}]({charts[name]})")
        parts.append(markdown(*table))
        if name == "works":
            parts.append("\n".join(f"- `{work}`: {WORKS[work].what}" for work in dict.fromkeys(case.work for case, _ in topics[name])))
    return "\n\n".join(parts) + "\n"
