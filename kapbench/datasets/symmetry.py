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
    plain = [name.strip().lower() for name in names]
    known = {name: k for k, name in enumerate(plain) if plain.count(name) == 1}
    found = []
    for name, k in known.items():
        other = _SIDE.sub(lambda m: _OTHER[m[0]], name)
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
        KapbenchError: no such file or category; ids beyond the category's own; a keypoint in two
            groups; twins that are not each other's, or of two groups.
    """
    place = Path(path).expanduser()
    try:
        facts = json.loads(place.read_text("utf-8-sig"))["categories"][category]
        groups, mirror = facts.get("groups", []), facts["mirror"]
        sound = is_sound(n_keypoints, groups, mirror)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KapbenchError(
            f"no symmetry table of '{category}': {type(error).__name__} {error}", place=place,
            fix='give {"categories": {"' + category + '": {"groups": [], "mirror": []}}}',
        ) from error  # fmt: skip
    if not sound:
        raise KapbenchError(
            f"symmetry of '{category}' is not sound", place=place,
            fix=f"ids run from 0 to {n_keypoints - 1}; a keypoint has one twin and one group, and "
            "twins share theirs",
        )  # fmt: skip
    return of_table(n_keypoints, groups, mirror)


def is_sound(n_keypoints: int, groups: Any, mirror: Any) -> bool:
    """Whether ids are those of keypoints, none stands in two groups or has two twins, and twins
    share their group.

    Args:
        groups, mirror: As a file has them; TypeError where they are no lists of lists.
    """
    ids = [k for members in (*groups, *mirror) for k in members]
    if not all(type(k) is int and 0 <= k < n_keypoints for k in ids):
        return False
    grouped = [k for members in groups for k in members]
    mirrored = [k for pair in mirror for k in pair]
    if not all(len(pair) == 2 for pair in mirror) or not _once(grouped) or not _once(mirrored):
        return False
    group_of, twins = of_table(n_keypoints, groups, mirror)
    return bool((group_of[twins] == group_of).all())


def _once(ids: list[Any]) -> bool:
    return len(set(ids)) == len(ids)


@functools.cache
def _facts(dataset: str) -> dict[str, Any]:
    """Of `<dataset>_symmetry.json` beside this file."""
    text = files("kapbench.datasets").joinpath(f"{dataset}_symmetry.json").read_text("utf-8")
    facts: dict[str, Any] = json.loads(text)["categories"]
    return facts
