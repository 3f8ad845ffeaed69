"""Killed processes: SIGKILL before and after the events that change files, then the same command.

The commands run in `python -m campaign.kills`, which forks for each kill. What holds: nothing that
was finished is lost in between; the same command then ends with status 0, with the files of a run
that nobody killed, byte for byte but for times, and without left-overs.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from campaign.case import Case, python_of_campaign
from campaign.kills.scenario import SCENARIOS

NAME = "kills"
QUICK = (
    ("run", "cache evict"),
    ("fetch", "fetch with a list", "convert"),
    ("site", "submit prepare"),
)
FEW, MANY = 1, 12  # kills of each command
SHORT, FULL = len(QUICK), len(QUICK) + len(SCENARIOS)
SECONDS = 900.0


def cases(seed: int) -> Iterator[Case]:
    """The quick commands with a few kills each, then every command again and again."""
    for scenarios in QUICK:
        yield _case(scenarios, seed, FEW)
    for number in range(1, 1000):
        for name in SCENARIOS:
            yield _case((name,), 1000 * seed + number, MANY)


def _case(scenarios: tuple[str, ...], seed: int, points: int) -> Case:
    check = partial(_check, scenarios, seed, points)
    return Case(f"{' and '.join(scenarios)}, seed {seed}", check, points * len(scenarios))


def _check(scenarios: tuple[str, ...], seed: int, points: int, folder: Path) -> list[str]:
    words = ["--json", "--seed", str(seed), "--points", str(points), *scenarios]
    outcome = python_of_campaign("campaign.kills", words, folder, SECONDS)
    if outcome.status != 0:
        return [f"the kills ended with status {outcome.status}: {outcome.errors[-600:]}"]
    broken: list[str] = json.loads(outcome.output)
    return broken
