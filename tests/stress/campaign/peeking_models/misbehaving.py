"""Models that end, silence or garble the process that they run in, at loading or when they are asked."""

import os
import signal
import sys
import time

import numpy as np

from kapbench.types import Grid, SimilarityMap


def leave() -> None:
    os._exit(0)


def leave_politely() -> None:
    sys.exit(0)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait() -> None:
    time.sleep(10_000)


def fail() -> None:
    raise RuntimeError("\x1b[31mno such layer\x07")


def garble() -> None:
    """Writes to every open descriptor that is a pipe."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue


def announce_much() -> None:
    """A header that announces arrays of 2 TiB."""
    header = b'{"kind":"maps","fields":{"grids":[]},"arrays":[["<f8",[1048576,262144]]]}'
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, len(header).to_bytes(4, "little") + header)
        except OSError:
            continue


def nest() -> None:
    content = b"[" * 100_000
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, len(content).to_bytes(4, "little") + content)
        except OSError:
            continue


def close() -> None:
    os.closerange(3, 64)
    time.sleep(10_000)


def leave_a_daemon() -> None:
    """A process that keeps the pipes open after its parent has ended."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(10_000)
    os._exit(3)


class Model:
    revision, conditions_on = "1", ()

    def __init__(self, act: str, when: str = "match") -> None:
        self.name, self.act, self.when = f"misbehaving.{act}", globals()[act], when
        if when == "load":
            self.act()

    def match(self, source, target, queries):
        if self.when == "match":
            self.act()
        grid = Grid.stretched(target.size, 8, 8)
        return SimilarityMap(np.zeros((len(queries), 8, 8), np.float32), grid, queries)
