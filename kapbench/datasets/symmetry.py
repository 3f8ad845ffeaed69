"""Repeated and mirrored keypoints: tables in data files beside the data sets, with their source."""

import functools
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from kapbench.errors import KapbenchError

_SIDE = re.compile(r"(?<![a-z])(left|right|l|r)(?![a-z])")
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}
Symmetry = tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"]]


def of_table(
    n_keypoints: int, groups: Sequence[Sequence[int]], mirror: Sequence[Sequence[int]]
) -> Symmetry:
    """Repeated-part group and mirror twin of each keypoint id; read-only.

    A keypoint that stands alone has group -1; one without a twin is its own.
    """
    group_of, twins = np.full(n_keypoints, -1), np.arange(n_keypoints)
    for number, members in enumerate(groups):
        group_of[list(members)] = number
    for left, right in mirror:
        twins[left], twins[right] = right, left
    group_of.flags.writeable = twins.flags.writeable = False
    return group_of, twins


def mirror_by_name(names: Sequence[str]) -> list[tuple[int, int]]:
    """Twins of keypoints that bear their side's name: left and right, or L and R, as a word."""
    known = {name.strip().lower(): k for k, name in enumerate(names)}
    found = []
    for k, name in enumerate(names):
        other = _SIDE.sub(lambda m: _OTHER[m[0]], name.strip().lower())
        if k < known.get(other, -1):
            found.append((k, known[other]))
    return found


def categories(dataset: str = "spair") -> tuple[str, ...]:
    """All categories of a table, by alphabet."""
    return tuple(sorted(_facts(dataset)))


def n_keypoints(category: str, dataset: str = "spair") -> int:
    """K: keypoint ids of the category run from 0 to K - 1."""
    n: int = _facts(dataset)[category]["n_keypoints"]
    return n


@functools.cache
def symmetry(category: str, dataset: str = "spair") -> Symmetry:
    """Groups and twins of a category, see `of_table`."""
    facts = _facts(dataset)[category]
    return of_table(facts["n_keypoints"], facts["groups"], facts["mirror"])


def read_override(path: str | Path, category: str, n_keypoints: int) -> Symmetry:
    """A user's own table: {"categories": {NAME: {"groups": [[…]], "mirror": [[left, right]]}}}.

    Raises:
        KapbenchError: no such file or category; ids beyond the category's own; twins that are not
            each other's, or of two groups.
    """
    place = Path(path).expanduser()
    try:
        facts = json.loads(place.read_text("utf-8"))["categories"][category]
        groups, mirror = facts.get("groups", []), facts["mirror"]
        ids = [int(k) for members in (*groups, *mirror) for k in members]
        pairs_of_two = all(len(pair) == 2 for pair in mirror)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KapbenchError(
            f"no symmetry table of '{category}': {type(error).__name__} {error}", place=place,
            fix='give {"categories": {"' + category + '": {"groups": [], "mirror": []}}}',
        ) from error  # fmt: skip
    found = of_table(n_keypoints, groups, mirror) if _within(ids, n_keypoints) else None
    if found is None or not pairs_of_two or not _consistent(*found, len(mirror)):
        raise KapbenchError(
            f"symmetry of '{category}' is not sound", place=place,
            fix=f"ids run from 0 to {n_keypoints - 1}; a keypoint has one twin and one group, and "
            "twins share theirs",
        )  # fmt: skip
    return found


def _within(ids: Sequence[int], n_keypoints: int) -> bool:
    return all(0 <= k < n_keypoints for k in ids)


def _consistent(groups: Int[np.ndarray, "K"], twins: Int[np.ndarray, "K"], n_mirrored: int) -> bool:
    """Whether twins are each other's, of one group, and as many as were given."""
    own = np.arange(len(twins))
    return bool(
        (twins[twins] == own).all()
        and (groups[twins] == groups).all()
        and (twins != own).sum() == 2 * n_mirrored
    )


@functools.cache
def _facts(dataset: str) -> dict[str, Any]:
    """Of `<dataset>_symmetry.json` beside this file."""
    text = files("kapbench.datasets").joinpath(f"{dataset}_symmetry.json").read_text("utf-8")
    facts: dict[str, Any] = json.loads(text)["categories"]
    return facts
