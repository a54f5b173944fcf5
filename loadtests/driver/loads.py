"""The load: wrk, and our own generator for fixed rates, many paths and new connections."""

import contextlib
import http.client
import json
import pathlib
import re
import subprocess

SUMMARY = pathlib.Path(__file__).resolve().parent.parent / "config" / "summary.lua"


def pinned(core):
    return ["taskset", "-c", str(core)] if core is not None else []


def wrk(port, path, connections, seconds, core):
    """A closed loop; what wrk says, times in microseconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout", "10s"]
    command += ["-s", str(SUMMARY), f"http://127.0.0.1:{port}{path}"]
    run = subprocess.run(pinned(core) + command, capture_output=True, text=True, timeout=seconds + 60)
    found = re.search(r"^SUMMARY (.*)$", run.stdout, re.M)
    if not found:
        raise RuntimeError(f"wrk: {run.stdout}{run.stderr}")
    return json.loads(found[1])


def generated(tools, port, path, seconds, core, *, connections=64, rate=0.0, spread=1, new=False, warm=0.2):
    """Our generator: `rate` a second counted from when they are due, or 0 for a closed loop."""
    command = [tools / "load", "--port", port, "--path", path, "--connections", connections, "--rate", rate,
               "--seconds", seconds, "--warm", warm, "--spread", spread]
    command += ["--core", core] if core is not None else []
    command += ["--new"] if new else []
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds + 60)
    if run.returncode:
        raise RuntimeError(f"load: {run.stderr}")
    return json.loads(run.stdout)


@contextlib.contextmanager
def slow_clients(tools, port, connections, core, read, post):
    """So many slow clients for as long as the block lasts; gives a list that then holds what they saw."""
    command = [tools / "slow-clients", "--port", port, "--connections", connections, "--seconds", 300,
               "--read", read, "--post", post]
    command += ["--core", core] if core is not None else []
    process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seen = []
    try:
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the slow clients do not get their connections")
        yield seen
    finally:
        # Its standard input closes: it ends.
        said, _ = process.communicate()
        seen.append(json.loads(said) if said else {})


def get(port, path):
    """One request; its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status} {body[:200]!r}")
    return body
