"""Repeated and mirrored keypoints: tables in data files beside the data sets, with their source."""

import functools
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Int

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


@functools.cache
def _facts(dataset: str) -> dict[str, Any]:
    """Of `<dataset>_symmetry.json` beside this file."""
    text = files("kapbench.datasets").joinpath(f"{dataset}_symmetry.json").read_text("utf-8")
    facts: dict[str, Any] = json.loads(text)["categories"]
    return facts
