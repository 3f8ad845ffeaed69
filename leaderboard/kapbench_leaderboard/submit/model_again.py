"""The model of an entry, made again: in this process, or isolated in one of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.isolated.load import load_isolated, runs_other_code
from kapbench.loading import load_model
from kapbench.protocols import Model
from kapbench.registry import installed_as
from kapbench_leaderboard.entries.schema import Entry, adapter_spec

Typed = Callable[[str, Sequence[str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user chose for the model of an entry.

    Args:
        spec: A model's name or FILE.py:Class; None: see `spec`.
        options: Beyond those of the run, e.g. weights.
        texts: More options, KEY=VALUE as on the command line.
        typed: Makes options from texts, where the model is loaded in this process.
        isolated: None: where the code is not kapbench's own.
    """

    spec: str | None = None
    device: str = "cpu"
    options: Mapping[str, Any] = field(default_factory=dict)
    texts: Sequence[str] = ()
    typed: Typed | None = None
    isolated: bool | None = None


def load_again(path: Path, entry: Entry, chosen: Choices, annotations: Sequence[Path]) -> Model:
    """The model of the entry at a path.

    Args:
        annotations: What an isolated model must not see.

    Raises:
        KapbenchError: see `spec`, `load_model` and `load_isolated`.
    """
    options = {**entry.run.model.options, **chosen.options}
    of_texts = dict(text.partition("=")[::2] for text in chosen.texts)
    name = chosen.spec or spec(path, entry, options | of_texts)
    isolated = chosen.isolated
    if isolated is None:
        isolated = runs_other_code(name, options | of_texts)
    common: dict[str, Any] = {"device": chosen.device, "dataset": entry.run.dataset.name}
    try:
        if isolated:
            texts = chosen.texts
            return load_isolated(
                name, options=options, texts=texts, annotations=annotations, **common
            )
        if chosen.typed is not None:
            options |= chosen.typed(name, chosen.texts)
        return load_model(name, **common, **options)
    except KapbenchError as error:
        fix = (error.fix or "See the submission card").rstrip(".")
        fix += ". Or give --model SPEC, -o weights=FILE"
        raise KapbenchError(error.thing, place=error.place or name, fix=fix) from error


def spec(path: Path, entry: Entry, options: Mapping[str, Any] | None = None) -> str:
    """What to load the model of an entry by.

    Args:
        options: What the model must accept; None: the options of the run.

    Raises:
        KapbenchError: no installed model has the name, or the beginning of the name.
    """
    if own := adapter_spec(path, entry):
        return own
    name = entry.run.model.name
    required = entry.run.model.options if options is None else options
    if installed := installed_as(name, required):
        return installed
    raise KapbenchError(
        f"No installed model is called {name}, or has the first part of this name",
        place=path,
        fix=f"Give --model, as in the submission card's command: {entry.card.command}",
    )
