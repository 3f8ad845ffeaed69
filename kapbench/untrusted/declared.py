"""Checks of what a plug-in declares of itself: one error for each attribute that cannot be used."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from kapbench.errors import KapbenchError, any_of

MAX_NAME = 200  # characters; names and revisions become names of folders
_INT64 = range(-(1 << 63), 1 << 63)


def what_is_missing(model: object) -> str:
    """Why an object is not a model, as a sentence."""
    class_name = type(model).__name__
    if model is None:
        return "None is not a model"
    if not (hasattr(model, "encode") or hasattr(model, "match")):
        return f"Class {class_name} has no method encode or match"
    needed = ["name", "revision", "conditions_on"]
    if hasattr(model, "encode"):
        needed.append("similarity")
    missing = [name for name in needed if not hasattr(model, name)]
    return f"Class {class_name} has no attribute {any_of(missing)}"


def wrong_texts(place: str, plugin: object, *names: str) -> Iterator[KapbenchError]:
    """Attributes that are no text of one line."""
    for name in names:
        text = getattr(plugin, name, None)
        if not isinstance(text, str) or not text.strip():
            fix = f"Give it a text, e.g. {name} = '1'"
            yield KapbenchError(f"{name} is {text!r}", place=place, fix=fix)
        elif not text.isprintable() or len(text) > MAX_NAME:
            yield KapbenchError(
                f"{name} is {text[:40]!a}, of {len(text):,} characters",
                place=place,
                fix=f"Give it a text of one line, and of {MAX_NAME} characters at most",
            )


def wrong_conditions(
    place: str, conditions: object, known: Sequence[str], is_encoder: bool
) -> Iterator[KapbenchError]:
    """One error where what a model looks at beyond pixels is not among the known conditions."""
    if not isinstance(conditions, tuple | list) or not all(
        isinstance(name, str) and name in known for name in conditions
    ):
        yield KapbenchError(
            f"conditions_on is {conditions!r}",
            place=place,
            fix=f"Give a tuple of {', '.join(known)}, or ()",
        )
    elif is_encoder and "twins" in conditions:
        yield KapbenchError(
            "An encoder sees one image and no queries, so it cannot condition on twins",
            place=place,
            fix="Leave 'twins' out of conditions_on, or give match() in place of encode()",
        )


def wrong_optional(place: str, model: object) -> Iterator[KapbenchError]:
    """Attributes that a model may leave out, but has declared wrongly."""
    if hasattr(model, "supervision"):
        yield from wrong_texts(place, model, "supervision")
    for name, is_right, fix in _OPTIONAL:
        if hasattr(model, name) and not is_right(value := getattr(model, name)):
            yield KapbenchError(f"{name} is {value!r:.200}", place=place, fix=fix)
    options = getattr(model, "options", None)
    for key, value in options.items() if isinstance(options, Mapping) else ():
        if not isinstance(key, str) or not _is_json(value):
            yield KapbenchError(
                f"The option {key!r:.40} is {value!r:.200}, which run.json cannot hold",
                place=place,
                fix="Give options as numbers, texts, None, or lists and dictionaries of these; a "
                "NumPy number becomes one by .item()",
            )


def _is_whole(value: object, low: int, high: int | None = None) -> bool:
    return type(value) is int and low <= value and (high is None or value <= high)


def _is_json(value: object) -> bool:
    """Whether JSON holds it, and kapbench reads it again."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
        json.loads(text, parse_int=lambda digits: _INT64.index(int(digits)))
    except (TypeError, ValueError, RecursionError):
        return False
    return True


_OPTIONAL: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("trained_on", lambda v: v is None or isinstance(v, str), "Name the training data in a text"),
    ("licence", lambda v: v is None or isinstance(v, str), "Name the licence in a text"),
    ("options", lambda v: isinstance(v, Mapping), "Give a dictionary: name of option to value"),
    ("reads_image_id", lambda v: isinstance(v, bool), "Give True or False"),
    ("padding", lambda v: _is_whole(v, 0, 255), "Give a grey level from 0 to 255"),
    (
        "parts",
        lambda v: v is None or (isinstance(v, tuple) and all(_is_whole(n, 1) for n in v)),
        "Give a tuple of the channels of each part, or None",
    ),
    (
        "window",
        lambda v: v is None or _is_whole(v, 1),
        "Give the radius of the window soft-argmax in cells, 1 or more, or None",
    ),
)
