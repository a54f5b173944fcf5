"""The matrix as data: topics, their cases, and which of them belong to the short run."""

from dataclasses import dataclass, field

from .works import WORKS

#: Endpoints that stand in the configuration of a case; requests go to all of them in turn.
ENDPOINTS = (1, 100, 10_000)


@dataclass(frozen=True)
class Case:
    label: str
    work: str
    connections: int = 64
    #: "wrk": closed loop by wrk; "closed": the same by our generator, which can go through many
    #: paths; "new": a connection for each request.
    load: str = "wrk"
    workers: int = 1
    #: Endpoints of the generated part of the configuration; 0: none.
    endpoints: int = 0
    #: Whether the server may run on both cores, the second of which it shares with the load.
    on_both: bool = False
    #: In the short run too.
    short: bool = True
    #: In the smoke run.
    smoke: bool = False


@dataclass(frozen=True)
class Topic:
    name: str
    title: str
    #: What the figures answer, for the page.
    question: str
    cases: tuple
    #: Names of servers; empty: all that can do the work.
    servers: tuple = ()
    #: Share of the rounds and of the seconds of a run, at least one round.
    share: float = 1.0
    #: Figures of the table beside CPU; see report.
    columns: tuple = ()
    #: What the chart shows.
    chart: str = "cpu"
    notes: tuple = field(default=())


def works():
    names = ("passthrough", "one", "selection", "merge3", "merge5")
    return tuple(Case(name, name, smoke=True) for name in names)


def bodies():
    sizes = (("119 B", "passthrough", 16, True), ("1 KiB", "1k", 16, False), ("64 KiB", "64k", 16, True),
             ("1 MiB", "1m", 16, False), ("100 MiB", "100m", 4, True))
    return tuple(Case(label, work, n, short=short, smoke=work == "100m") for label, work, n, short in sizes)


def connections():
    return tuple(
        Case(f"{n:,}", "passthrough", n, short=n in (1, 1000), smoke=n == 1000) for n in (1, 16, 64, 1000)
    )


def endpoints():
    return tuple(
        Case(f"{n:,}", "part", load="closed", endpoints=n, short=n != 100, smoke=n == 100) for n in ENDPOINTS
    )


def backends():
    return tuple(Case(str(n), f"fan{n}", 8, short=n in (1, 10, 50), smoke=n == 50) for n in (1, 2, 5, 10, 25, 50))


WORKERS = (
    Case("1 on core 0", "passthrough"),
    Case("2 on core 0", "passthrough", workers=2, short=False),
    Case("2, a core each", "passthrough", workers=2, on_both=True, smoke=True),
)

GATEWAYS = ("ringway", "krakend")

TOPICS = (
    Topic("works", "CPU for each request",
          "What does a request cost, on 64 kept connections in a closed loop?", works()),
    Topic("bodies", "Length of the body",
          "What does a longer answer cost? Passed through, 16 connections (4 for 100 MiB).", bodies(),
          share=0.6, columns=("MiB/s", "CPU µs/MiB")),
    Topic("connections", "Connections",
          "Does the cost hold from one connection to a thousand? Passthrough.", connections(), share=0.6),
    Topic("endpoints", "Endpoints",
          "Does a request cost more when the configuration has more endpoints? Each request goes to another one.",
          endpoints(), GATEWAYS, share=1.0),
    Topic("backends", "Backends of one endpoint",
          "Does the cost grow with the number of merged backends and no faster? 8 connections.", backends(), GATEWAYS,
          share=0.6, columns=("CPU µs/backend",)),
    Topic("workers", "Two workers",
          "Does a second worker make requests dearer?", WORKERS, ("ringway",),
          notes=("This machine has two cores, so the second worker shares its core with the load and the backend: it "
                 "is interrupted, caches are shared, and throughput says nothing. CPU for each request is what can be "
                 "compared. With more cores, give the load and the backend cores of their own.",)),
    Topic("connect", "A new connection for each request",
          "What does a request cost whose connection is made for it and closed after it? Passthrough, 64 at once.",
          (Case("new each", "passthrough", load="new", smoke=True),), share=0.6),
    Topic("slow", "Slow backends",
          "What does waiting cost? A backend answers after 20 ms, 2,000 connections.",
          (Case("20 ms, 2,000 connections", "slow", 2000, smoke=True),), share=0.6),
)

#: Topics that are measured in ways of their own, after those above.
OWN = ("latency", "slow-clients", "faults", "memory")

NAMES = tuple(topic.name for topic in TOPICS) + OWN


def chosen(topic, mode):
    """The cases of a topic in a run that is "smoke", "short" or "full"."""
    return [case for case in topic.cases if mode == "full" or (case.short if mode == "short" else case.smoke)]


assert all(case.work in WORKS for topic in TOPICS for case in topic.cases)
