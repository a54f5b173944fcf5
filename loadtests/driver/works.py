"""The works: what is asked for, and where each kind of server has it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    what: str
    #: Path at the gateways (Ringway, KrakenD), which read the same configuration.
    gateway: str
    #: Path at servers that only pass through: nginx, HAProxy, Envoy; None: they cannot do it.
    plain: str | None = None
    #: The bare loop that does the same, and its path; None: there is none.
    bare: tuple | None = None
    #: The bare loop that it is held against, where it has none of its own.
    against: str | None = None
    #: Bytes of the body, where they are the subject.
    size: int = 0
    #: How many backends are merged.
    backends: int = 1


KIB, MIB = 1024, 1024 * 1024
PROXY = "bare proxy"


def body(name, what, size):
    return Work(what, f"/{name}", f"/{name}", (PROXY, f"/{name}"), size=size)


def fan(n):
    return Work(f"{n} JSON backends merged", f"/fan{n}", backends=n)


#: In the order of the tables.
WORKS = {
    "passthrough": Work("119 bytes of JSON, untouched", "/passthrough", "/b0", (PROXY, "/b0"), size=119),
    "one": Work("one JSON backend, decoded and rendered", "/one", against=PROXY),
    "selection": Work("the same with allow, mapping and group", "/selection", against=PROXY),
    "merge3": Work("three JSON backends merged", "/merge3", bare=("bare merge of 3", "/"), backends=3),
    "merge5": Work("five JSON backends merged", "/merge5", bare=("bare merge of 5", "/"), backends=5),
    "1k": body("1k", "1 KiB, passed through", KIB),
    "64k": body("64k", "64 KiB, passed through", 64 * KIB),
    "1m": body("1m", "1 MiB, passed through", MIB),
    "100m": body("100m", "100 MiB, streamed through", 100 * MIB),
    "slow": Work("a backend that answers after 20 ms", "/slow", "/after20"),
    "part": Work("passthrough, each request to another endpoint", "/things/{}/parts/7"),
    **{f"fan{n}": fan(n) for n in (1, 2, 5, 10, 25, 50)},
}
