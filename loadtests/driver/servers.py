"""What is measured: each server with its command, its works and the paths of them."""

import os
import pathlib
import shutil
from dataclasses import dataclass, field

CONFIG = pathlib.Path(__file__).resolve().parent.parent / "config"

#: Works in the order of the tables, with what they are.
WORKS = {
    "passthrough": "119 bytes of JSON, untouched",
    "one": "one JSON backend, decoded and rendered",
    "selection": "the same with allow, mapping and group",
    "merge3": "three JSON backends merged",
    "merge5": "five JSON backends merged",
}


@dataclass
class Measured:
    name: str
    #: A function of port, port of the backend and directory that gives the command.
    command: object
    #: Work to path.
    paths: dict
    environment: dict = field(default_factory=dict)


def fill(template, directory, port, backend):
    """A configuration with its ports, in the directory of this run."""
    text = (CONFIG / template).read_text()
    for hole, value in (("@PORT@", port), ("@BACKEND@", backend), ("@DIRECTORY@", directory)):
        text = text.replace(hole, str(value))
    path = pathlib.Path(directory) / template
    path.write_text(text)
    return path


def find(name, variable):
    """A peer: where the variable says, or on the path; Debian keeps servers in sbin."""
    return os.environ.get(variable) or shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def servers(gateway, tools):
    """All that are here, ours first."""
    gateway_paths = {work: f"/{work}" for work in WORKS}

    def from_config(binary, template, *arguments):
        return lambda port, backend, directory: [
            binary, *arguments, fill(template, directory, port, backend),
        ]

    def bare(program, *last):
        return lambda port, backend, _: [tools / program, port, 0, f"127.0.0.1:{backend}", *last]

    found = [
        Measured("ringway", from_config(gateway, "ringway.json", "run", "-c"), gateway_paths),
        Measured("bare proxy", bare("bare-proxy"), {"passthrough": "/b0"}),
        Measured("bare merge of 3", bare("bare-aggregate", 3), {"merge3": "/"}),
        Measured("bare merge of 5", bare("bare-aggregate", 5), {"merge5": "/"}),
    ]
    if nginx := find("nginx", "NGINX"):
        command = lambda port, backend, directory: [
            nginx, "-p", directory, "-c", fill("nginx.conf", directory, port, backend),
        ]
        found.append(Measured("nginx", command, {"passthrough": "/b0"}))
    if haproxy := find("haproxy", "HAPROXY"):
        found.append(Measured("haproxy", from_config(haproxy, "haproxy.cfg", "-f"), {"passthrough": "/b0"}))
    if envoy := find("envoy", "ENVOY"):
        command = from_config(envoy, "envoy.yaml", "--concurrency", "1", "-l", "critical", "-c")
        found.append(Measured("envoy", command, {"passthrough": "/b0"}))
    if krakend := os.environ.get("KRAKEND"):
        found.append(
            Measured(
                "krakend",
                from_config(krakend, "ringway.json", "run", "-c"),
                gateway_paths,
                {"GOMAXPROCS": "1", "USAGE_DISABLE": "1"},
            )
        )
    return found
