"""What was promised, and whether a run kept it. Each target is a line of the page; `--check` turns a
missed one into exit code 1."""

from dataclasses import dataclass

from .measure import median
from .own import WITHOUT_TARGET


@dataclass
class Verdict:
    what: str
    promised: str
    #: As text; "not measured" where the run left it out.
    measured: str
    #: None: not measured.
    met: bool | None


class Measured:
    """What a run found, asked by topic, case and server."""

    def __init__(self, topics, own):
        self.topics, self.own = topics, own

    def one(self, topic, label, server):
        for (case, name), rounds in self.topics.get(topic, {}).items():
            if case.label == label and name == server:
                return median(rounds)
        return None

    def cpu(self, topic, label, server):
        one = self.one(topic, label, server)
        return one.cpu if one else None


def ratio(mine, other):
    return mine / other if mine is not None and other else None


def verdict(what, promised, value, limit, unit="", digits=2):
    if value is None:
        return Verdict(what, promised, "not measured", None)
    return Verdict(what, promised, f"{value:.{digits}f}{unit}", value <= limit)


def verdicts(found):
    """All targets in the order of the page."""
    mine = lambda work: found.cpu("works", work, "ringway")
    other = lambda server, work: found.cpu("works", work, server)
    proxy, nginx = other("bare proxy", "passthrough"), other("nginx", "passthrough")

    def against(what, value, base, name, limit):
        return verdict(what, f"≤ {limit:.3g} × {name}", ratio(value, base), limit, " ×")

    yield against("CPU, passthrough", mine("passthrough"), proxy, "the bare loop", 1.15)
    yield against("CPU, passthrough", mine("passthrough"), nginx, "nginx", 0.75)
    yield against("CPU, passthrough", mine("passthrough"), other("krakend", "passthrough"), "KrakenD", 1 / 6)
    yield against("CPU, one backend with allow, mapping, group", mine("selection"), proxy, "the bare loop", 1.2)
    yield against("CPU, one backend with allow, mapping, group", mine("selection"), nginx, "nginx", 0.8)
    yield against("CPU, three backends merged", mine("merge3"), other("bare merge of 3", "merge3"), "the bare loop", 1.15)
    yield against("CPU, three backends merged", mine("merge3"), nginx, "nginx proxying one", 1.65)
    yield against("CPU, three backends merged", mine("merge3"), other("krakend", "merge3"), "KrakenD", 1 / 6.5)
    passthrough = found.one("works", "passthrough", "ringway")
    yield verdict("User space, passthrough", "≤ 2 µs", passthrough.user if passthrough else None, 2.0, " µs")
    yield from growth(found)
    yield from latencies(found)
    yield from memories(found)


def growth(found):
    cost = lambda topic, label: found.cpu(topic, label, "ringway")
    yield verdict("CPU, 2 workers against 1", "≤ 1.05 ×",
                  ratio(cost("workers", "2, a core each"), cost("workers", "1 on core 0")), 1.05, " ×")
    yield verdict("CPU, 10,000 endpoints against 1", "≤ 1.10 ×",
                  ratio(cost("endpoints", "10,000"), cost("endpoints", "1")), 1.10, " ×")
    one, ten, fifty = (cost("backends", label) for label in ("1", "10", "50"))
    steps = None if None in (one, ten, fifty) else ((fifty - ten) / 40) / max((ten - one) / 9, 0.01)
    yield verdict("CPU of one more backend, 10 to 50 against 1 to 10", "≤ 1.15 ×", steps, 1.15, " ×")


def latencies(found):
    rounds = found.own.get("latency", {}).get("ringway")
    middle = median(rounds, key=lambda one: one.added) if rounds else None
    yield verdict("p99 added at half of the maximum", "≤ 300 µs", middle.added * 1e3 if middle else None, 300, " µs", 0)
    slow = found.own.get("slow-clients", {}).get("ringway")
    middle = median(slow, key=lambda one: one.ratio) if slow else None
    yield verdict("p99 of others beside 4,000 slow connections", "≤ 2 ×", middle.ratio if middle else None, 2.0, " ×")
    faults = {name: rounds for name, rounds in found.own.get("faults", {}).items() if name not in WITHOUT_TARGET}
    worst = max((median(rounds, key=lambda one: one.ratio).ratio for rounds in faults.values()), default=None)
    yield verdict("p99 of a canary during a fault, the worst", "≤ 2 ×", worst, 2.0, " ×")
    bad = sum(one.bad for rounds in faults.values() for one in rounds) if faults else None
    yield verdict("Wrong answers to the canary", "0", bad, 0, "", 0)


def memories(found):
    memory = found.own.get("memory")
    get = lambda name, factor: getattr(memory, name) * factor if memory else None
    yield verdict("Memory, no endpoint, idle, 2 workers", "≤ 16 MiB", get("idle_kib", 1 / 1024), 16, " MiB", 1)
    yield verdict("Memory of an idle connection", "≤ 1.5 KiB", get("fresh_bytes", 1 / 1024), 1.5, " KiB")
    yield verdict("Memory of an idle connection after a request", "≤ 1.5 KiB", get("used_bytes", 1 / 1024), 1.5, " KiB")
    # The smoke run has fewer endpoints: it shows nothing here.
    is_large = bool(memory) and memory.endpoints == 10_000
    yield verdict("Memory, 10,000 endpoints of 3 backends", "≤ 300 MiB", get("large_kib", 1 / 1024) if is_large else None, 300, " MiB", 0)
    yield verdict("Ready with 10,000 endpoints", "≤ 1,000 ms", get("large_ready_ms", 1) if is_large else None, 1000, " ms", 0)
    yield verdict("Ready with 100 endpoints", "≤ 100 ms", get("small_ready_ms", 1), 100, " ms", 0)
