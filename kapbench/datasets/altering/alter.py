"""The options that every data set takes: what to change in it before it is used."""

from collections.abc import Iterable
from typing import Any, cast

from kapbench.datasets.altering.altered import alterations_of
from kapbench.datasets.altering.corrupted import Corrupted, corruption_of
from kapbench.datasets.altering.corruption_names import CORRUPT
from kapbench.datasets.altering.reversed_pairs import REVERSE, ReversedPairs
from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset

# What `alter` takes, by name, with the type of its value.
ALTERING_OPTIONS: dict[str, Any] = {REVERSE: bool, CORRUPT: str}


def alter(dataset: Dataset, *, reverse: bool = False, corrupt: str | None = None) -> Dataset:
    """The data set with the alterations that are asked for; without any, itself.

    Args:
        reverse: Keypoints are matched from the target to the source.
        corrupt: A corruption of the images: fog:3.

    Raises:
        KapbenchError: no such corruption; the data set is reversed or corrupted already.
    """
    before = alterations_of(dataset)
    wanted = altering_options(reverse=reverse, corrupt=corrupt)
    if twice := sorted(options_of(before).keys() & wanted.keys()):
        raise KapbenchError(
            f"The option {twice[0]} is for a data set as it is, and this one is altered already: "
            f"{', '.join(before)}",
            place=f"data set {dataset.name}",
            fix=f"Leave {twice[0]} out, or load the data set without it",
        )
    # The protocol's attributes could be set; those of an altered data set are read alone.
    altered = cast("Dataset", ReversedPairs(dataset)) if reverse else dataset
    return altered if corrupt is None else cast("Dataset", Corrupted(altered, corrupt))


def altering_options(*, reverse: bool = False, corrupt: str | None = None) -> dict[str, Any]:
    """The options of `alter` as a run keeps them: without those that change nothing."""
    options: dict[str, Any] = {REVERSE: True} if reverse else {}
    return options if corrupt is None else options | {CORRUPT: corrupt}


def options_of(alterations: Iterable[str]) -> dict[str, Any]:
    """The options of `alter` that make these alterations, as `alterations_of` names them."""
    options: dict[str, Any] = {}
    for name in alterations:
        if name == REVERSE:
            options[REVERSE] = True
        elif (corruption := corruption_of(name)) is not None:
            options[CORRUPT] = corruption
    return options
