"""A mutated file, and the choice that made it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Random = np.random.Generator
_T = TypeVar("_T")


class Mutation(NamedTuple):
    """
    Args:
        family: The kind of change, for the counts.
        must_refuse: What no reader may take for sound, in a format that is strict.
    """

    family: str
    content: bytes
    must_refuse: str | None = None


Mutator = Callable[[bytes, Random], Mutation]


def pick(rng: Random, choices: Sequence[_T]) -> _T:
    """One of them; NumPy's own choice would turn them into an array."""
    return choices[int(rng.integers(len(choices)))]
