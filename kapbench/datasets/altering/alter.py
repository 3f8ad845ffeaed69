"""The options that every data set takes: what to change in it before it is used."""

from collections.abc import Iterable
from typing import Any

from kapbench.datasets.altering.reversed_pairs import REVERSE, ReversedPairs
from kapbench.protocols import Dataset

# What `alter` takes, by name, with the type of its value.
ALTERING_OPTIONS: dict[str, Any] = {REVERSE: bool}


def alter(dataset: Dataset, *, reverse: bool = False) -> Dataset:
    """The data set with the alterations that are asked for; without any, itself.

    Args:
        reverse: Keypoints are matched from the target to the source.
    """
    return ReversedPairs(dataset) if reverse else dataset


def options_of(alterations: Iterable[str]) -> dict[str, Any]:
    """The options of `alter` that make these alterations, as `alterations_of` names them."""
    return {name: True for name in alterations if name == REVERSE}
