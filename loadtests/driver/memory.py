"""Memory and readiness: idle, with idle connections, with many endpoints."""

import json
import pathlib
import socket
import time
from dataclasses import dataclass

from .processes import Process, free_port, raise_descriptors
from .servers import fill


@dataclass
class Memory:
    """KiB and milliseconds, as the names say."""

    idle_kib: int
    #: Bytes for each connection that never sent anything, and for each that was answered once.
    fresh_bytes: float
    used_bytes: float
    connections: int
    #: With 10,000 endpoints of three backends each.
    large_kib: int
    large_ready_ms: float
    endpoints: int
    #: With 100 of them.
    small_ready_ms: float


def memory(gateway, place, say):
    """All of it, with the released binary."""
    smoke = place.mode == "smoke"
    n, seconds = (200, 0.5) if smoke else (10_000, 5)
    say("memory: idle, idle connections")
    fresh = idle_connections(gateway, place, n, seconds, b"")
    used = idle_connections(gateway, place, n, seconds, b"GET /__health HTTP/1.1\r\nHost: idle\r\n\r\n")
    say("memory: many endpoints")
    many = 200 if smoke else 10_000
    large_ready, large = endpoints(gateway, place, many)
    small_ready, _ = endpoints(gateway, place, 100)
    return Memory(fresh[0], fresh[1], used[1], fresh[2], large, large_ready, many, small_ready)


def idle_connections(gateway, place, n, seconds, request):
    """KiB of the idle gateway with two workers, bytes for each idle connection, and how many there were."""
    port = free_port()
    n = min(n, raise_descriptors(n + 256) - 256)
    log = pathlib.Path(place.directory) / "idle.log"
    with Process([gateway, "run", "-c", fill("idle.json", port, place.setting())], log=log) as server:
        server.wait_for(port)
        time.sleep(seconds)
        idle = server.rss()
        sockets = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(n)]
        if request:
            # A few at a time: what a crowd of requests leaves in the pools is not the connections'.
            for at in range(0, n, 64):
                for one in sockets[at : at + 64]:
                    one.sendall(request)
                for one in sockets[at : at + 64]:
                    one.recv(65536)
        # Armed reads give their blocks back after five seconds without a byte.
        time.sleep(seconds * 1.4)
        grown = server.rss() - idle
        for one in sockets:
            one.close()
    return idle, grown * 1024 / max(n, 1), n


def endpoints(gateway, place, n):
    """Milliseconds until it answers with so many endpoints of three backends, and KiB then."""
    port = free_port()
    listed = [
        {"endpoint": f"/v{i % 100}/things/{{id}}/parts/{i}", "backend": [
            {"url_pattern": "/a/{id}"},
            {"url_pattern": "/b/{id}", "allow": ["x", "y.z"]},
            {"url_pattern": "/c/{id}", "group": "c"},
        ]}
        for i in range(n)
    ]
    config = {
        "version": 3, "port": port, "listen_ip": "127.0.0.1", "host": [f"http://127.0.0.1:{place.backend}"],
        "endpoints": listed,
        "extra_config": {"ringway": {"workers": 2}, "telemetry/logging": {"level": "CRITICAL", "stdout": False}},
    }
    path = pathlib.Path(place.directory) / f"endpoints-{n}.json"
    path.write_text(json.dumps(config))
    log = pathlib.Path(place.directory) / "endpoints.log"
    from_time = time.monotonic()
    with Process([gateway, "run", "-c", path], log=log) as server:
        server.wait_for(port, 60, pause=0.002)
        ready = (time.monotonic() - from_time) * 1e3
        time.sleep(1)
        return ready, server.rss()
