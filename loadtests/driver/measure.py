"""One measurement: a warmed server on core 0, wrk and the backend on core 1."""

import http.client
import json
import pathlib
import re
import socket
import subprocess
import time
from dataclasses import dataclass

from .processes import Server, busy, free_port, raise_descriptors
from .servers import fill

SUMMARY = pathlib.Path(__file__).resolve().parent.parent / "config" / "summary.lua"


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
    #: Share of the server's core that somebody else took.
    others: float


def load(port, path, connections, seconds, core):
    """What wrk says."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    command += ["-s", str(SUMMARY), f"http://127.0.0.1:{port}{path}"]
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    run = subprocess.run(pinned + command, capture_output=True, text=True, timeout=seconds + 30)
    found = re.search(r"^SUMMARY (.*)$", run.stdout, re.M)
    if not found:
        raise RuntimeError(f"wrk: {run.stdout}{run.stderr}")
    return json.loads(found[1])


def check(port, path):
    """One request; its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status} {body[:200]!r}")
    return body


def measure(server, port, path, options):
    load(port, path, options.connections, options.warm, options.cores[1])
    (before, before_user), core_before = server.cpu(), busy(options.cores[0] or 0)
    from_time = time.monotonic()
    summary = load(port, path, options.connections, options.seconds, options.cores[1])
    took = time.monotonic() - from_time
    (after, after_user), core_after = server.cpu(), busy(options.cores[0] or 0)
    n = max(summary["requests"], 1)
    return Result(
        cpu=(after - before) / n * 1e6,
        user=(after_user - before_user) / n * 1e6,
        per_second=n / (summary["microseconds"] / 1e6),
        p50=summary["p50"] / 1e3,
        p99=summary["p99"] / 1e3,
        p999=summary["p999"] / 1e3,
        rss=server.rss(),
        bad=summary["broken"] + summary["status"],
        others=max(0.0, (core_after - core_before) - (after - before)) / took,
    )


def run(measured, backend, directory, options):
    """All works of one server: work to result."""
    port = free_port()
    command = measured.command(port, backend, directory)
    log = pathlib.Path(directory) / "server.log"
    results = {}
    with Server(command, options.cores[0], measured.environment, log) as server:
        server.wait_for(port)
        for work, path in measured.paths.items():
            if options.works and work not in options.works:
                continue
            body = check(port, path)
            if work.startswith("merge"):
                assert len(json.loads(body)) == int(work[-1]), body
            results[work] = measure(server, port, path, options)
    return results


def memory(gateway, directory, connections, seconds):
    """KiB of the idle gateway with two workers, and bytes for each of so many idle connections."""
    port = free_port()
    may = raise_descriptors(connections + 256) - 256
    connections = min(connections, may)
    with Server([gateway, "run", "-c", fill("idle.json", directory, port, 1)], log=pathlib.Path(directory) / "idle.log") as server:
        server.wait_for(port)
        time.sleep(seconds)
        idle = server.rss()
        sockets = []
        for _ in range(connections):
            sockets.append(socket.create_connection(("127.0.0.1", port), 5))
        # Armed reads give their blocks back after five seconds without a byte.
        time.sleep(seconds + 2)
        # Those that a limit of the gateway closed are not counted.
        grown = server.rss() - idle
        for one in sockets:
            one.close()
    return idle, grown * 1024 / max(connections, 1), connections
