"""Servers that cut, drip, lie, redirect and change their mind."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from misbehaving_server import Server

from campaign.case import Case
from campaign.servers.fetching import PATIENCE_S, archive, fetch, fetch_in_the_end, outcome


@dataclass(frozen=True, slots=True)
class Attack:
    """How a server misbehaves: faults of its answers in turn, and attributes of the server."""

    name: str
    faults: tuple[str, ...] = ()
    server: Mapping[str, object] = field(default_factory=dict)
    must_fail: bool = False

    def case(self) -> Case:
        return Case(self.name, self.check)

    def check(self, folder: Path) -> str | None:
        with Server(archive()) as server:
            server.faults = list(self.faults)
            for name, value in self.server.items():
                setattr(server, name, value)
            done = fetch(server, folder)
            wrong = outcome(done, folder)
            if wrong is None and self.must_fail and done.status == 0:
                wrong = "no error"
            if wrong is not None or done.status == 0:
                return wrong
        with Server(archive()) as server:
            return fetch_in_the_end(server, folder)


def transfers(draw: random.Random) -> Iterator[Case]:
    """Every fault alone, then several in a row."""
    n = len(archive())
    kinds = [
        *("short", "long", "ranged", "silent", "garbage", "gzip", "multipart", "huge-length"),
        *(f"status:{s}" for s in (500, 503, 429, 404, 204, 304, 416, 206)),
        *(f"{kind}:{draw.randrange(n)}" for kind in ("truncate", "stall", "drip", "flip") * 2),
        *("drip-headers", "drip:0", "truncate:0", "no-length", "chunked-cut"),
    ]
    draw.shuffle(kinds)
    kinds.sort(key=lambda kind: kind not in ("drip:0", "drip-headers"))
    for kind in kinds:
        yield Attack(f"always: {kind}", (kind,) * 50).case()
        yield Attack(f"once: {kind}", (kind,)).case()
    while True:
        row = tuple(draw.choice(kinds) for _ in range(draw.randrange(2, 5)))
        yield Attack(f"in a row: {', '.join(row)}", row).case()


TAGS = ('"caf\u00e9"', '"\u00ff\u00fe"', "", '"', "W/", '"a" "b"', "x" * 7000, '"\t"', "W/\u00e9")


def tags(draw: random.Random) -> Iterator[Case]:
    """Tags and dates that no later request can repeat, in a transfer that is cut."""
    for tag in (TAGS[0], *draw.sample(TAGS[1:], len(TAGS) - 1)):
        cut = (f"truncate:{len(archive()) // 2}",) * 2
        yield Attack(f"ETag {tag[:20]!r}", cut, {"etag": tag}).case()
        modified = {"etag": None, "modified": tag}
        yield Attack(f"Last-Modified {tag[:20]!r}", cut, modified).case()


def changes(draw: random.Random) -> Iterator[Case]:
    """The file changes between two tries; the server heeds If-Range or not, and tags or not."""
    for tagged in (True, False):
        for heeds in (False, True):

            def check(folder: Path, tagged: bool = tagged, heeds: bool = heeds) -> str | None:
                other = bytes(len(archive()))
                with Server(other, heeds_if_range=heeds) as server:
                    server.faults = [f"truncate:{len(other) // 3}"] + ["status:500"] * 9
                    first = fetch(server, folder)
                    wrong = outcome(first, folder)
                    if wrong is not None or first.status == 0:
                        return wrong or "no error"
                    server.content, server.faults = archive(), []
                    server.etag = '"two"' if tagged else None
                    done = fetch(server, folder, PATIENCE_S)
                    if done.status == 0:
                        return outcome(done, folder)
                    # Nothing but the archive itself shows the change.
                    return fetch_in_the_end(server, folder)

            yield Case(f"changed content, tag {tagged}, If-Range {heeds}", check)


def redirects(draw: random.Random) -> Iterator[Case]:
    for to in ("/archive", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://[", "//"):
        yield Attack(f"redirect to {to}", (), {"redirect_to": to}, must_fail=True).case()
