"""Whether the texts of an entry are safe to show, and its submission card and run card agree."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pandas as pd

from kapbench.running.results import RunCard
from kapbench.scoring.schema import TEXT
from kapbench.shown_text import escape_hidden, hidden_characters
from kapbench_leaderboard.entries.schema import Entry, Supervision

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+:/@()-]{0,99}")
MOST_OF_A_LINE, MOST_OF_A_REMARK, MOST_OF_NOTES = 200, 1000, 2000  # characters
MOST_TEXTS = 10  # of the records that are named
_TRAINED_ON = get_args(Supervision)[1:]  # all but "none"


def wrong_texts(entry: Entry) -> Iterator[str]:
    """Unsafe names and other texts, and a supervision on which the two cards disagree.

    Scores are left out: they are compared with those of the records.
    """
    names = _names(entry.run)
    for place, name in names.items():
        yield from _wrong_name(place, name)
    run = entry.run.model_dump(exclude={"scores"})
    # In the form of JSON: an address is a text there, and its host as a browser would write it.
    card = entry.card.model_dump(mode="json")
    for place, value in (*_leaves("", run), *_leaves("card", card)):
        if place not in names:
            yield from _wrong_leaf(place, value)
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


def wrong_texts_of_records(records: pd.DataFrame) -> Iterator[str]:
    """Ids and categories in the records that are not safe to show; the first ten."""
    wrong = (
        f"{column}: {_quoted(text)} {reason}."
        for column in TEXT
        for text in records[column].cat.categories
        if (reason := _not_an_id(text) if column != "category" else _not_a_line(text))
    )
    for _, finding in zip(range(MOST_TEXTS), wrong, strict=False):
        yield finding


def _wrong_name(place: str, name: str) -> Iterator[str]:
    if ("/" in name and place != "model.name") or ".." in name or name.startswith("/"):
        yield f"{place}: {_quoted(name)} leads to another folder."
    elif not NAME.fullmatch(name) or name != " ".join(name.split()):
        yield f"{place}: {_quoted(name)} has characters that a name may not have."


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
            yield from _leaves(f"{place}.{key}" if place else str(key), below)
    elif isinstance(value, tuple | list):
        for i, below in enumerate(value):
            yield from _leaves(f"{place}.{i}", below)
    else:
        yield place, value


def _wrong_leaf(place: str, value: Any) -> Iterator[str]:
    place = escape_hidden(place)
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{place}: {value} is not a finite number."
    elif isinstance(value, str):
        most = MOST_OF_A_REMARK if place.startswith("dataset.remarks.") else MOST_OF_A_LINE
        if place == "card.notes":
            if hidden_characters(value, allowed="\n") or len(value) > MOST_OF_NOTES:
                yield f"{place}: {_quoted(value)} has characters that are not shown."
        elif reason := _not_a_line(value, most):
            yield f"{place}: {_quoted(value)} {reason}."


def _not_an_id(text: str) -> str | None:
    """As `_not_a_line`; data sets write pairs as SOURCE>TARGET."""
    return _not_a_line(text.replace(">", "-").replace("<", "-"))


def _not_a_line(text: str, most: int = MOST_OF_A_LINE) -> str | None:
    """What keeps a text from being a line that can be shown as it stands; None: nothing does."""
    if hidden_characters(text):
        return "has characters that are not shown, or steer a terminal"
    if not text.strip() or len(text) > most or "<" in text or ">" in text:
        return f"is not a line of at most {most} characters without < and >"
    return None


def _quoted(text: str) -> str:
    return repr(escape_hidden(text[:80]))
