"""The servers: their commands, their configurations, and which works they can do."""

import json
import os
import pathlib
import shutil
from dataclasses import dataclass, field

from .works import PROXY, WORKS

CONFIG = pathlib.Path(__file__).resolve().parent.parent / "config"


@dataclass(frozen=True)
class Setting:
    """What a configuration is filled with."""

    #: Of the backend, and of the one that is slow or wrong.
    backend: int
    faulty: int
    #: Of this run, for files.
    directory: str
    workers: int = 1
    endpoints: int = 0


@dataclass
class Server:
    name: str
    #: Port and setting to the command.
    command: object
    #: "gateway", "plain" or the name of a bare loop: says which path of a work is its.
    kind: str
    environment: dict = field(default_factory=dict)
    #: The command that tells its version; empty: it is of this tree.
    version: tuple = ()

    def path(self, work):
        """Where the work is, or None."""
        work = WORKS[work]
        if self.kind == "gateway":
            return work.gateway
        if self.kind == "plain":
            return work.plain
        return work.bare[1] if work.bare and work.bare[0] == self.kind else None


def fill(template, port, setting):
    """A configuration with its ports, in the directory of this run."""
    text = (CONFIG / template).read_text()
    holes = {"@PORT@": port, "@BACKEND@": setting.backend, "@FAULTY@": setting.faulty, "@DIRECTORY@": setting.directory}
    for hole, value in holes.items():
        text = text.replace(hole, str(value))
    path = pathlib.Path(setting.directory) / f"{port}-{template}"
    path.write_text(text)
    return path


def gateway_file(port, setting, template="ringway.json"):
    """The gateways' configuration: the template, its generated endpoints, its workers."""
    path = fill(template, port, setting)
    config = json.loads(path.read_text())
    config["extra_config"].setdefault("ringway", {})["workers"] = setting.workers
    listed = config.setdefault("endpoints", [])
    for work in WORKS.values():
        if work.gateway.startswith("/fan"):
            backends = [{"url_pattern": f"/b{n}", "group": f"k{n}"} for n in range(work.backends)]
            listed.append({"endpoint": work.gateway, "backend": backends})
    listed += [
        {"endpoint": f"/things/{n}/parts/{{id}}", "output_encoding": "no-op",
         "backend": [{"url_pattern": "/b{id}", "encoding": "no-op"}]}
        for n in range(setting.endpoints)
    ]
    path.write_text(json.dumps(config))
    return path


def find(name, variable):
    """A peer: where the variable says, or on the path; Debian keeps servers in sbin."""
    return os.environ.get(variable) or shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def servers(gateway, tools):
    """All that are here, ours first."""

    def bare(name, program, *last):
        return Server(name, lambda port, to: [tools / program, port, 0, f"127.0.0.1:{to.backend}", *last], name)

    found = [
        Server("ringway", lambda port, to: [gateway, "run", "-c", gateway_file(port, to)], "gateway"),
        bare(PROXY, "bare-proxy"),
        bare("bare merge of 3", "bare-aggregate", 3),
        bare("bare merge of 5", "bare-aggregate", 5),
    ]
    if nginx := find("nginx", "NGINX"):
        found.append(Server("nginx", lambda port, to: [nginx, "-p", to.directory, "-c", fill("nginx.conf", port, to)], "plain", version=(nginx, "-v")))
    if haproxy := find("haproxy", "HAPROXY"):
        found.append(Server("haproxy", lambda port, to: [haproxy, "-f", fill("haproxy.cfg", port, to)], "plain", version=(haproxy, "-v")))
    if envoy := find("envoy", "ENVOY"):
        options = ["--concurrency", "1", "-l", "critical", "--disable-hot-restart", "-c"]
        found.append(Server("envoy", lambda port, to: [envoy, *options, fill("envoy.yaml", port, to)], "plain", version=(envoy, "--version")))
    if krakend := os.environ.get("KRAKEND"):
        command = lambda port, to: [krakend, "run", "-c", gateway_file(port, to)]
        found.append(Server("krakend", command, "gateway", {"GOMAXPROCS": "1", "USAGE_DISABLE": "1"}, (krakend, "version")))
    return found
