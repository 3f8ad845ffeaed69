"""Damaged input: mutations of every file that kapbench reads, refused or read as something sound.

A batch is read in a process of its own (`python -m campaign.mutations`), which says how many did
not hold. What holds: a KapbenchError, or a result that is finite and consistent; no other
exception, no signal, at most 10 s of CPU and 2 GiB, and no file written.
"""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from campaign.case import Case, python_of_campaign
from campaign.mutations.formats import ROOMS

NAME = "mutations"
FEW, MANY = 4, 65  # mutations of each format in a batch
SHORT, FULL = len(ROOMS), 7 * len(ROOMS)
SECONDS = 900.0


def cases(seed: int) -> Iterator[Case]:
    """Every room of formats with a few mutations each, then again and again with many."""
    for room, formats in ROOMS.items():
        yield _batch(room, formats, seed, FEW)
    for number in range(1, 1000):
        for room, formats in ROOMS.items():
            yield _batch(room, formats, 1000 * seed + number, MANY)


def _batch(room: str, formats: Iterable[str], seed: int, count: int) -> Case:
    names = tuple(formats)
    return Case(f"{room}, seed {seed}", partial(_check, names, seed, count), count * len(names))


def _check(formats: tuple[str, ...], seed: int, count: int, folder: Path) -> list[str]:
    words = ["--json", "--seed", str(seed), "--count", str(count), *formats]
    outcome = python_of_campaign("campaign.mutations", words, folder, SECONDS)
    if outcome.status != 0:
        return [f"the batch ended with status {outcome.status}: {outcome.errors[-600:]}"]
    return [
        f"{one['format']}, {one['family']}: {one['wrong']}" for one in json.loads(outcome.output)
    ]
