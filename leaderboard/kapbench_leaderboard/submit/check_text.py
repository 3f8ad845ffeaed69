"""Whether the texts of an entry are safe to show, and its submission card and run card agree."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from kapbench.running.results import RunCard
from kapbench_leaderboard.entries.schema import Entry, Line, Supervision

NO_MARKUP = re.compile(r"[^<>\x00-\x1f]+")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+:/@()-]{0,99}")
_LINE: TypeAdapter[str] = TypeAdapter(Line)
MOST_OF_A_REMARK = 1000  # characters
_TRAINED_ON = get_args(Supervision)[1:]  # all but "none"


def wrong_texts(entry: Entry) -> Iterator[str]:
    """Unsafe names and other texts of the run, and a supervision on which the two cards disagree.

    Scores are left out: they are compared with those of the records.
    """
    names = _names(entry.run)
    for place, name in names.items():
        if ("/" in name and place != "model.name") or ".." in name or name.startswith("/"):
            yield f"{place}: {name!r} leads to another folder."
        elif not NAME.fullmatch(name):
            yield f"{place}: {name!r} has characters that a name may not have."
    for place, value in _leaves("", entry.run.model_dump(exclude={"scores"})):
        if place not in names and not place.startswith("dataset.remarks."):
            yield from _wrong_leaf(place, value)
    for i, remark in enumerate(entry.run.dataset.remarks):
        if len(remark) > MOST_OF_A_REMARK or not NO_MARKUP.fullmatch(remark):
            yield (
                f"dataset.remarks.{i}: {remark[:80]!r} is not a line of at most "
                f"{MOST_OF_A_REMARK} characters without < and >."
            )
    supervision = entry.run.model.supervision
    of_run = {word for word in _TRAINED_ON if word in supervision}
    if not of_run and supervision != "none":
        yield f"model.supervision: {supervision!r} names none of {', '.join(_TRAINED_ON)}."
    elif of_run != set(entry.card.supervision) - {"none"}:
        of_card = ", ".join(entry.card.supervision)
        yield (
            f"The supervision of the submission card is {of_card}, "
            f"but that of the run card is {supervision}."
        )


def _names(run: RunCard) -> dict[str, str]:
    """Texts that become the name of a file, or a heading."""
    data, model = run.dataset, run.model
    return {
        "model.name": model.name,
        "model.revision": model.revision,
        "dataset.name": data.name,
        "dataset.revision": data.revision,
        "dataset.split": data.split,
        **{f"dataset.categories.{i}": c for i, c in enumerate(data.categories)},
        **{f"rules.{i}.name": rule.name for i, rule in enumerate(run.rules)},
        "plan_hash": run.plan_hash,
    }


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value inside a value, and every key, with its place."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield f"a key of {place or 'the run'}", key
            yield from _leaves(f"{place}.{key}" if place else key, below)
    elif isinstance(value, tuple | list):
        for i, below in enumerate(value):
            yield from _leaves(f"{place}.{i}", below)
    else:
        yield place, value


def _wrong_leaf(place: str, value: Any) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{place}: {value} is not a finite number."
    elif isinstance(value, str):
        try:
            _LINE.validate_python(value)
        except ValidationError:
            yield f"{place}: {value[:80]!r} is not a line of at most 200 characters without < and >."
