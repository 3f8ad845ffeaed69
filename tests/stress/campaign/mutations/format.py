"""A format: a small valid sample, what is changed in it, and how kapbench reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from campaign.mutations.mutation import Mutator


@dataclass(frozen=True, slots=True)
class Format:
    """
    Args:
        build: Writes a valid sample below a folder.
        files: What is changed: patterns of files of the sample, one file a mutation.
        read: Reads the sample below the folder. It returns what is not consistent in what it
            read, or None; KapbenchError where the sample is refused.
        mutators: In turn.
        writes: What a successful reading may write; it is removed each time.
        strict: Whether doubled keys, and numbers as only Python writes them, must be refused.
    """

    build: Callable[[Path], object]
    files: tuple[str, ...]
    read: Callable[[Path], str | None]
    mutators: tuple[Mutator, ...]
    writes: tuple[str, ...] = ()
    strict: bool = False


def wrong_dataset(dataset: Any) -> str | None:
    """What no scoring may ever be given: doubled ids, points or T that are not finite."""
    pairs, views = list(dataset.pairs()), list(dataset.views())
    for what, ids in (
        ("pair", [pair.pair_id for pair in pairs]),
        ("image", [view.image_id for view in views]),
    ):
        if len(set(ids)) < len(ids):
            return f"doubled {what} ids"
    for view in (*views, *(view for pair in pairs for view in (pair.source, pair.target))):
        points, visible = view.keypoints.xy, view.keypoints.visible
        if not np.isfinite(points[visible]).all():
            return "a visible point that is not finite"
        if not np.isfinite(view.bbox).all() or min(view.size) <= 0:
            return "a box that is not finite, or an image without pixels"
    for pair in pairs:
        if not (np.isfinite(pair.size) and pair.size > 0):
            return "T that is not a positive number"
        if len(pair.groups) != len(pair.twins) or len(pair.source.keypoints.xy) != len(pair.twins):
            return "keypoints, part groups and twins of different numbers"
    return (
        None if {"mean", "all"}.isdisjoint(dataset.categories) else "a category with a taken name"
    )
