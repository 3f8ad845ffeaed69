"""Standard streams that are closed, full or not UTF-8, and environments that lack things."""

import random
from collections.abc import Iterator
from pathlib import Path

from campaign.case import Case, Outcome
from campaign.systems.worlds import RUN, result, shell

LISTING = ("list", "rules")


def _tidy(done: Outcome, status: tuple[int, ...] = (0,)) -> str | None:
    if done.crash is not None:
        return done.crash
    if "Exception ignored" in done.errors:
        return done.errors[-300:]
    return None if done.status in status else f"status {done.status}: {done.errors[-300:]}"


LINES = {
    "closed stdout": "exec $KAPBENCH >&-",
    "closed stdin": "exec $KAPBENCH <&-",
    "closed stderr": "exec $KAPBENCH 2>&-",
    "all closed": "exec $KAPBENCH <&- >&- 2>&-",
    "a reader that leaves": "$KAPBENCH | true",
    "a reader that leaves early": "$KAPBENCH | head -n 1",
}


def streams(draw: random.Random) -> Iterator[Case]:
    """Streams that are closed or whose reader has gone are no error."""
    for name in draw.sample(list(LINES), len(LINES)):

        def check(folder: Path, name: str = name) -> str | None:
            return _tidy(shell(LINES[name], LISTING, folder))

        yield Case(f"list: {name}", check)

    def full(folder: Path) -> str | None:
        return _tidy(shell("exec $KAPBENCH >/dev/full", LISTING, folder), (1,))

    yield Case("list: a full disk behind stdout", full)
    for name in draw.sample(["closed stdout", "all closed", "closed stderr"], 3):

        def run(folder: Path, name: str = name) -> str | None:
            return _tidy(shell(LINES[name], RUN, folder)) or result(folder)

        yield Case(f"run: {name}", run)


ENVIRONMENTS = {
    "C": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"},
    "POSIX without coercion": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII streams": {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    "Latin-1 streams": {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
    "no terminal": {"TERM": "", "COLUMNS": "1"},
}


def environments(draw: random.Random) -> Iterator[Case]:
    """Locales and encodings that cannot write every sign."""
    for name in draw.sample(list(ENVIRONMENTS), len(ENVIRONMENTS)):

        def check(folder: Path, name: str = name) -> str | None:
            line = "$KAPBENCH && exec $KAPBENCH"
            done = shell(line, RUN, folder, **ENVIRONMENTS[name])
            return _tidy(done) or result(folder)

        yield Case(f"environment: {name}", check)

    def homeless(folder: Path) -> str | None:
        line = f"unset HOME KAPBENCH_CACHE KAPBENCH_DATA; HOME={folder}/none exec $KAPBENCH"
        return _tidy(shell(line, RUN, folder)) or result(folder)

    yield Case("environment: HOME does not exist", homeless)
