"""Repeated parts and mirror counterparts of keypoints: the shipped tables, and a user's own."""

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
from kapbench.untrusted.strict_text import read_json

TABLES = {
    "spair": "spair/symmetry.json",
    "cub": "cub/symmetry.json",
    "ap-10k": "coco/ap-10k_symmetry.json",
    "animal-pose": "coco/animal-pose_symmetry.json",
    "awa-pose": "awa-pose_symmetry.json",
}  # below this folder; each names its source
_SIDE = re.compile(r"(?<![a-z])(left|right|l|r)(?![a-z])")
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}
Symmetry = tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"]]


def of_table(
    n_keypoints: int, groups: Sequence[Sequence[int]], mirror: Sequence[Sequence[int]]
) -> Symmetry:
    """Part group and mirror counterpart (twin) of each keypoint id; read-only.

    A keypoint that is not repeated has group -1; one without a counterpart is its own twin.
    """
    group_of, twins = np.full(n_keypoints, -1), np.arange(n_keypoints)
    for number, members in enumerate(groups):
        group_of[list(members)] = number
    for left, right in mirror:
        twins[left], twins[right] = right, left
    group_of.flags.writeable = twins.flags.writeable = False
    return group_of, twins


def mirror_by_name(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of keypoints whose names differ in left and right, or in L and R, as a word."""
    lower = [name.strip().lower() for name in names]
    ids = {name: k for k, name in enumerate(lower) if lower.count(name) == 1}
    counterparts = {
        k: ids.get(_SIDE.sub(lambda m: _OTHER[m[0]], name), -1) for name, k in ids.items()
    }
    return [(k, other) for k, other in counterparts.items() if k < other]


def categories(dataset: str = "spair") -> tuple[str, ...]:
    """All categories of a data set's table, in alphabetical order."""
    return tuple(sorted(_facts(dataset)))


def n_keypoints(category: str, dataset: str = "spair") -> int:
    """K; keypoint ids of the category run from 0 to K - 1."""
    n: int = _facts(dataset)[category]["n_keypoints"]
    return n


@functools.cache
def symmetry(category: str, dataset: str = "spair") -> Symmetry:
    """Groups and twins of a category in the shipped table, see `of_table`."""
    facts = _facts(dataset)[category]
    return of_table(facts["n_keypoints"], facts["groups"], facts["mirror"])


def pick_symmetry(shipped: Symmetry, category: str, symmetry_file: str | Path | None) -> Symmetry:
    """Shipped groups and twins, or the user's. KapbenchError as `read_symmetry`."""
    if symmetry_file is None:
        return shipped
    return read_symmetry(symmetry_file, category, len(shipped[0]))


def stand_alone(n_keypoints: int) -> Symmetry:
    """No groups and no twins, where no table of a data set is known."""
    return of_table(n_keypoints, [], [])


def read_symmetry(path: str | Path, category: str, n_keypoints: int) -> Symmetry:
    """A user's own table: {"categories": {NAME: {"groups": [[…]], "mirror": [[left, right]]}}}.

    Raises:
        KapbenchError: the file or the category is missing; an id is beyond the category's own; a
            keypoint is in two groups; twins are not each other's, or are in two groups.
    """
    place = Path(path).expanduser()
    fix = 'Give {"categories": {"' + category + '": {"groups": [], "mirror": []}}}'
    content = read_json(place, fix)
    try:
        facts = content["categories"][category]
        groups, mirror = facts.get("groups", []), facts["mirror"]
        sound = is_sound(n_keypoints, groups, mirror)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KapbenchError(
            f"The file has no symmetry table of '{category}': {type(error).__name__} {error}",
            place=place,
            fix=fix,
        ) from error
    if not sound:
        raise KapbenchError(
            f"The symmetry table of '{category}' is not consistent",
            place=place,
            fix=f"Use ids from 0 to {n_keypoints - 1}, each in one group and in one mirror pair at "
            "most; mirror counterparts are in the same group",
        )
    return of_table(n_keypoints, groups, mirror)


def is_sound(n_keypoints: int, groups: Any, mirror: Any) -> bool:
    """Whether all ids exist, none is in two groups or has two twins, and twins share their group.

    Args:
        groups, mirror: As read from a file; TypeError where they are not lists of lists.
    """
    ids = [k for members in (*groups, *mirror) for k in members]
    if not all(type(k) is int and 0 <= k < n_keypoints for k in ids):
        return False
    grouped = [k for members in groups for k in members]
    mirrored = [k for pair in mirror for k in pair]
    if not all(len(pair) == 2 for pair in mirror) or not _differ(grouped) or not _differ(mirrored):
        return False
    group_of, twins = of_table(n_keypoints, groups, mirror)
    return bool((group_of[twins] == group_of).all())


def _differ(ids: list[Any]) -> bool:
    return len(set(ids)) == len(ids)


@functools.cache
def _facts(dataset: str) -> dict[str, Any]:
    text = files("kapbench.datasets").joinpath(TABLES[dataset]).read_text("utf-8")
    facts: dict[str, Any] = json.loads(text)["categories"]
    return facts
