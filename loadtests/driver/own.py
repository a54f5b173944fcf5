"""Topics that are measured in ways of their own: latency at a fixed rate, slow clients, faults."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, replace

from . import loads
from .processes import free_port

#: Shares of the measured maximum at which latency is taken.
HALF = 0.5
#: Requests a second of those whose latency is watched while others are slow or broken.
CANARY = 2000


@dataclass
class Latency:
    """Milliseconds through a server and straight to the backend, at the same rate."""

    rate: float
    p50: float
    p99: float
    p999: float
    direct50: float
    direct99: float
    direct999: float
    bad: int

    @property
    def added(self):
        """Milliseconds that the server adds to p99."""
        return self.p99 - self.direct99


@dataclass
class Watched:
    """Milliseconds of a canary while nothing else happens, meanwhile, and after."""

    quiet: float
    during: float
    after: float
    bad: int
    note: str = ""

    @property
    def ratio(self):
        return self.during / self.quiet if self.quiet else float("inf")


def latency(servers, place, say):
    """Server to its rounds: open loop at half of what it does in a closed loop."""
    place, results, core = short(place), {}, place.cores[1]
    for round_ in range(place.rounds):
        for server in servers:
            path = server.path("passthrough")
            if not path or place.only and server.name not in place.only or place.mode == "smoke" and server.name != "ringway":
                continue
            say(f"latency, round {round_ + 1} of {place.rounds}: {server.name}")
            port = free_port()
            with place.start(server, port, place.setting()) as process:
                process.wait_for(port)
                most = loads.generated(place.tools, port, path, place.seconds / 2, core, warm=place.warm / 2)
                rate = max(100.0, most["requests"] / most["microseconds"] * 1e6 * HALF)
                through = loads.generated(place.tools, port, path, place.seconds, core, rate=rate)
            direct = loads.generated(place.tools, place.backend, "/b0", place.seconds, core, rate=rate)
            ms = [seen[key] / 1e3 for seen in (through, direct) for key in ("p50", "p99", "p999")]
            bad = sum(through[key] for key in ("status", "broken", "unfinished"))
            results.setdefault(server.name, []).append(Latency(rate, *ms, bad))
    return results


def canary(place, port, path, seconds):
    """p99 in milliseconds at the canary's rate, and answers that were not right."""
    seen = loads.generated(place.tools, port, path, seconds, place.cores[1], connections=32, rate=rate_of(place))
    return seen["p99"] / 1e3, seen["status"] + seen["broken"] + seen["unfinished"]


def short(place):
    """Topics of this file get a share of rounds and seconds; our generator takes parts of seconds."""
    return replace(place, seconds=0.4) if place.mode == "smoke" else place.lasting(0.7)


def rate_of(place):
    return 100 if place.mode == "smoke" else CANARY


def slow_clients(servers, place, say):
    """Server to its rounds: others' p99 while 4,000 connections are slow."""
    results, n = {}, 100 if place.mode == "smoke" else 4000
    place = short(place)
    names = {"smoke": ("ringway",), "short": ("ringway", "nginx"), "full": ("ringway", "nginx", "haproxy", "envoy")}
    for round_ in range(place.rounds):
        for server in servers:
            if server.name not in names[place.mode] or place.only and server.name not in place.only:
                continue
            say(f"slow-clients, round {round_ + 1} of {place.rounds}: {server.name}")
            port, path = free_port(), server.path("passthrough")
            with place.start(server, port, place.setting()) as process:
                process.wait_for(port)
                canary(place, port, path, 0.5)
                quiet, bad = canary(place, port, path, place.seconds)
                with loads.slow_clients(place.tools, port, n, place.cores[1], "/1m", "/sink") as seen:
                    time.sleep(1)
                    during, worse = canary(place, port, path, place.seconds)
                    rss = process.rss()
                after, last = canary(place, port, path, place.seconds / 2)
            closed = seen[0].get("closed", 0) if seen else 0
            note = f"{n:,} slow connections, {closed:,} closed by the server; {rss / 1024:.0f} MiB resident"
            results.setdefault(server.name, []).append(Watched(quiet, during, after, bad + worse + last, note))
    return results


#: What goes wrong on other endpoints: name, path, requests a second, connections.
FAULTS = (
    ("a backend never answers", "/hang", 200, 200),
    ("a backend refuses connections", "/refused", 500, 64),
    ("a backend resets", "/reset", 500, 64),
    ("a backend cuts its answer", "/cut", 500, 64),
    ("a backend speaks no HTTP", "/garbage", 500, 64),
    ("a backend takes a second", "/second", 200, 400),
    ("merges of three 1 MiB bodies", "/big3", 20, 4),
    ("a reload ten times a second", None, 0, 0),
    ("two processes take all of both cores", "cpu", 0, 0),
)
#: Rows without a target: it is the machine that is slow.
WITHOUT_TARGET = ("two processes take all of both cores",)


def faults(server, place, say):
    """Fault to its rounds: a canary on another backend meanwhile."""
    place, results = short(place), {}
    listed = FAULTS[1:2] if place.mode == "smoke" else FAULTS
    for round_ in range(place.rounds):
        say(f"faults, round {round_ + 1} of {place.rounds}")
        port = free_port()
        with place.start(server, port, place.setting()) as process:
            process.wait_for(port)
            canary(place, port, "/passthrough", 0.5)
            for name, path, rate, connections in listed:
                quiet, bad = canary(place, port, "/passthrough", place.seconds / 2)
                with trouble(place, process, port, path, rate, connections):
                    time.sleep(0.3)
                    during, worse = canary(place, port, "/passthrough", place.seconds)
                after, last = canary(place, port, "/passthrough", place.seconds / 2)
                results.setdefault(name, []).append(Watched(quiet, during, after, bad + worse + last))
    return results


def trouble(place, process, port, path, rate, connections):
    if path is None:
        return reloads(process)
    if path == "cpu":
        return hogs()
    return traffic(place, port, path, rate, connections)


@contextlib.contextmanager
def traffic(place, port, path, rate, connections):
    command = [place.tools / "load", "--port", port, "--path", path, "--connections", connections, "--rate", rate,
               "--seconds", 600, "--warm", 0]
    command += ["--core", place.cores[1]] if place.cores[1] is not None else []
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def reloads(process):
    over = threading.Event()

    def again():
        while not over.wait(0.1):
            os.kill(process.process.pid, signal.SIGHUP)

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def hogs():
    processes = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
