"""Processes that are started, measured and stopped here, by their number; nothing else is touched."""

import os
import re
import resource
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_descriptors(wanted):
    """As many open files as `wanted`, or as many as may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        wanted = hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


class Process:
    """A started program with its children. Ends with the `with` block, whatever happens in it."""

    def __init__(self, command, core=None, environment=None, log=None):
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        self.log = log
        out = open(log, "wb") if log else subprocess.DEVNULL
        self.process = subprocess.Popen(
            pinned + [str(part) for part in command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        if log:
            out.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Children first noted: they lose their parent with the signal.
        family = self.family()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in family[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def wait_for(self, port, seconds=20, pause=0.02):
        """Until it listens; looked at every `pause` seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args} ended with {self.process.returncode}{self.said()}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(pause)
        raise RuntimeError(f"{self.process.args} does not listen{self.said()}")

    def said(self):
        if not self.log:
            return ""
        with open(self.log, errors="replace") as file:
            return ":\n" + file.read()[-2000:]

    def family(self):
        """Its number and those of its children, parents first."""
        family = [self.process.pid]
        for pid in family:
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as file:
                    family += [int(child) for child in file.read().split()]
            except OSError:
                pass
        return family

    def cpu(self):
        """Seconds of CPU so far: all of it, and the part in user space."""
        user = system = 0
        for pid in self.family():
            try:
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                user, system = user + int(fields[11]), system + int(fields[12])
            except OSError:
                pass
        return (user + system) / TICKS, user / TICKS

    def rss(self):
        """Resident memory in KiB."""
        total = 0
        for pid in self.family():
            try:
                with open(f"/proc/{pid}/status") as file:
                    total += int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
            except (OSError, TypeError):
                pass
        return total


def busy(core):
    """Seconds that a core was busy so far, for anybody."""
    with open("/proc/stat") as file:
        for line in file:
            fields = line.split()
            if fields[0] == f"cpu{core}":
                # user nice system idle iowait irq softirq steal
                return sum(int(field) for i, field in enumerate(fields[1:9]) if i not in (3, 4)) / TICKS
    return 0.0
