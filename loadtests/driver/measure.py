"""One measurement: a warmed server on core 0, load and backend on core 1."""

import json
import pathlib
import time
from dataclasses import dataclass, replace
from http.client import HTTPException

from . import loads
from .matrix import chosen
from .processes import Process, busy, free_port
from .servers import Setting
from .works import WORKS


@dataclass
class Result:
    #: Microseconds of CPU for each request, and those in user space.
    cpu: float
    user: float
    per_second: float
    #: Milliseconds.
    p50: float
    p99: float
    p999: float
    #: KiB after the load.
    rss: int
    #: Answers that were not 2xx or 3xx, and connections that broke.
    bad: int
    #: Share of the server's core that somebody else took; None where it may run on more cores.
    others: float | None = None


@dataclass(frozen=True)
class Place:
    """Where everything is, and how long it is measured."""

    gateway: pathlib.Path
    tools: pathlib.Path
    directory: str
    backend: int
    faulty: int
    #: Cores of the server and of the load; None: nothing is pinned.
    cores: tuple
    seconds: float
    warm: float
    rounds: int
    #: "smoke", "short" or "full".
    mode: str
    #: Names of servers and of works; empty: all.
    only: tuple
    works: tuple

    def setting(self, **what):
        return Setting(self.backend, self.faulty, self.directory, **what)

    def lasting(self, share):
        """The same for a topic that gets a share of rounds and seconds."""
        return replace(self, seconds=max(1.0, self.seconds * share), rounds=max(1, round(self.rounds * share)))

    def start(self, server, port, setting, on_both=False):
        core = None if on_both else self.cores[0]
        log = pathlib.Path(self.directory) / "server.log"
        return Process(server.command(port, setting), core, server.environment, log)


def median(rounds, key=lambda one: one.cpu):
    return sorted(rounds, key=key)[len(rounds) // 2] if rounds else None


def one_load(place, case, port, path, seconds):
    """The load of a case; its figures as the generators name them."""
    core = place.cores[1]
    if case.load == "wrk":
        return loads.wrk(port, path, case.connections, seconds, core)
    return loads.generated(
        place.tools, port, path, seconds, core, connections=case.connections, warm=0.0,
        spread=max(1, case.endpoints), new=case.load == "new",
    )


def case_of(place, case, server, process, port, path):
    """A warmed measurement of one case on a server that runs."""
    body = loads.get(port, path.replace("{}", "0"))
    work = WORKS[case.work]
    if work.backends > 1:
        assert len(json.loads(body)) == work.backends, body[:200]
    if work.size:
        assert len(body) == work.size, f"{server.name}: {path}: {len(body)} bytes"
    if place.warm:
        one_load(place, case, port, path, place.warm)
    core = place.cores[0] or 0
    (before, before_user), core_before = process.cpu(), busy(core)
    from_time = time.monotonic()
    seen = one_load(place, case, port, path, place.seconds)
    took = time.monotonic() - from_time
    (after, after_user), core_after = process.cpu(), busy(core)
    n = max(seen["requests"], 1)
    if work.size >= 1024 * 1024 and "bytes" in seen:
        # Answers that were cut by the end of the load cost, too.
        n = max(seen["bytes"] / work.size, 0.01)
    others = None if case.on_both else max(0.0, (core_after - core_before) - (after - before)) / took
    return Result(
        cpu=(after - before) / n * 1e6,
        user=(after_user - before_user) / n * 1e6,
        per_second=n / (seen["microseconds"] / 1e6),
        p50=seen["p50"] / 1e3,
        p99=seen["p99"] / 1e3,
        p999=seen["p999"] / 1e3,
        rss=process.rss(),
        bad=seen["broken"] + seen["status"],
        others=others,
    )


def topic(topic, all_servers, place, say):
    """All rounds of a topic: case and server to results."""
    place = place.lasting(topic.share)
    cases = [case for case in chosen(topic, place.mode) if not place.works or case.work in place.works]
    results = {}
    for round_ in range(place.rounds):
        for server in all_servers:
            if topic.servers and server.name not in topic.servers or place.only and server.name not in place.only:
                continue
            # Each server is seen once; the rest is the gateway's.
            if place.mode == "smoke" and topic.name != "works" and server.name != "ringway":
                continue
            mine = [(case, server.path(case.work)) for case in cases if server.path(case.work)]
            if mine:
                say(f"{topic.name}, round {round_ + 1} of {place.rounds}: {server.name}")
            for settings in group(mine):
                port = free_port()
                first = settings[0][0]
                setting = place.setting(workers=first.workers, endpoints=first.endpoints)
                with place.start(server, port, setting, first.on_both) as process:
                    process.wait_for(port)
                    for case, path in settings:
                        try:
                            result = case_of(place, case, server, process, port, path)
                        except (RuntimeError, OSError, HTTPException, AssertionError) as error:
                            # A peer that fails is left out; ours is what is tested.
                            if server.name == "ringway":
                                raise
                            say(f"{server.name} does not do {case.label}: {error}")
                            continue
                        results.setdefault((case, server.name), []).append(result)
    # In the order of the cases, then of the servers.
    order = {case: at for at, case in enumerate(cases)}
    return dict(sorted(results.items(), key=lambda item: order[item[0][0]]))


def group(cases):
    """Cases that one start of the server serves."""
    groups = {}
    for case, path in cases:
        groups.setdefault((case.workers, case.endpoints, case.on_both), []).append((case, path))
    return groups.values()

