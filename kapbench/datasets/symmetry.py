"""Repeated and mirrored keypoints of SPair-71k's categories; facts in spair_symmetry.json."""

import functools
import json
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Int


def categories() -> tuple[str, ...]:
    """All categories, by alphabet."""
    return tuple(sorted(_facts()))


def n_keypoints(category: str) -> int:
    """K: keypoint ids of the category run from 0 to K - 1."""
    n: int = _facts()[category]["n_keypoints"]
    return n


@functools.cache
def symmetry(category: str) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"]]:
    """Repeated-part group and mirror twin of each keypoint id; read-only.

    A keypoint that stands alone has group -1; one without a twin is its own.
    """
    facts = _facts()[category]
    groups = np.full(facts["n_keypoints"], -1)
    twins = np.arange(facts["n_keypoints"])
    for number, members in enumerate(facts["groups"]):
        groups[members] = number
    for left, right in facts["mirror"]:
        twins[left], twins[right] = right, left
    groups.flags.writeable = twins.flags.writeable = False
    return groups, twins


@functools.cache
def _facts() -> dict[str, Any]:
    text = files("kapbench.datasets").joinpath("spair_symmetry.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)["categories"]
    return facts
