"""Forged entries: an accepted result in which one thing is false and every hash agrees again.

What must hold: the check says what is wrong, and the command ends with status 1. The controls are
the same results without a forgery, as they are and scored again: these the check accepts.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from campaign.case import Case, command
from campaign.forged_entries import cards, contents, records, texts
from campaign.forged_entries.submission import Forgery, Submission

NAME = "forged entries"
SHORT = 23
FULL = 300
SECONDS = 180.0  # of a command, on a machine that does other work as well
_BY_COMMAND = 20  # one case in so many asks the command itself
_FAMILIES: dict[str, tuple[Forgery, ...]] = {
    **cards.FAMILIES,
    **contents.FAMILIES,
    **records.FAMILIES,
    **texts.FAMILIES,
}


_HONEST = (
    ("coco.test_animalpose", "lite0"),
    ("coco.test_animalpose", "random"),
    ("synthetic", "lite0"),
)


def cases(seed: int) -> Iterator[Case]:
    """Families in turn, each of its forgeries in turn, after the first control."""
    first, *controls = _controls()
    yield first
    for number in itertools.count():
        for family, forgeries in _FAMILIES.items():
            forge = forgeries[number % len(forgeries)]
            name = f"{family}: {forge.__name__.strip('_').replace('_', ' ')} {number}"
            yield Case(name, _check(forge, random.Random(f"{seed} {name}"), _is_by_command(number)))
        if number == 0:
            yield from controls


def _controls() -> Iterator[Case]:
    for dataset, model in _HONEST:
        for is_rescored in (True, False):
            check = partial(_check_honest, dataset, model, is_rescored)
            how = "scored again" if is_rescored else "by command"
            yield Case(f"control: {model} on {dataset}, {how}", check)


def _is_by_command(number: int) -> bool:
    return number % _BY_COMMAND == _BY_COMMAND - 1


def _check_honest(dataset: str, model: str, is_rescored: bool, folder: Path) -> str | None:
    submission = Submission.honest(dataset, model)
    if is_rescored:
        submission.rescored(lambda rows: rows)
    path = submission.write(folder / "results")
    if is_rescored:
        findings = _findings(path)
        return f"an honest entry is refused: {findings}" if findings else None
    outcome = command(["submit", "check", str(path)], folder, seconds=SECONDS)
    is_accepted = outcome.crash is None and outcome.status == 0
    return None if is_accepted else f"an honest entry is refused: {outcome}"


def _check(forge: Forgery, rng: random.Random, by_command: bool) -> Callable[[Path], str | None]:
    def check_forged(folder: Path) -> str | None:
        submission = Submission.honest(*submission_of(forge))
        forge(submission, rng)
        path = submission.write(folder / "results")
        if by_command:
            outcome = command(["submit", "check", str(path)], folder, seconds=SECONDS)
            if outcome.crash:
                return outcome.crash
            return None if outcome.status == 1 else f"status {outcome.status}: {outcome.output}"
        findings = _findings(path)
        if any("The check itself fails" in finding for finding in findings):
            return f"a bug of the check: {findings}"
        return None if findings else "it was accepted"

    return check_forged


def submission_of(forge: Forgery) -> tuple[str, str]:
    """Data set and model of the accepted result that is forged."""
    if forge in contents.OF_SEVERAL_CATEGORIES or forge in records.OF_SEVERAL_CATEGORIES:
        return "synthetic", "lite0"
    return "coco.test_animalpose", "random" if forge in cards.OF_A_CONTROL else "lite0"


def _findings(path: Path) -> list[str]:
    from kapbench_leaderboard.submit.check import check

    return check(path)
