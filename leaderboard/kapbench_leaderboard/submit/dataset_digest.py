"""What the records of a data set must be about: rows and ground truth, by category, as digests."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from kapbench.running.results import RunCard, load_card, load_records
from kapbench.storage import bytes_hash, write_atomically
from kapbench.untrusted.strict_text import parse_json

FOLDER = files("kapbench_leaderboard") / "manifests"
# Columns that come from the annotation alone: the same for every model. Frozen, because the
# manifests that ship hold digests of exactly these columns, in this order.
_TEXT = ("pair_id", "source_image", "target_image")
_NUMBERS = ("keypoint", "group", "twin", "target_visible", "twin_visible", "group_visible")
_TRUTH = (*_NUMBERS, "size_px", "viewpoint_change", "truncation", "occlusion")
_POINTS = ("source_x", "source_y", "target_x", "target_y")
_RENUMBERED = "group_visible_renumbered"
_GROUPING_CHANGED = 3  # version of scoring that changed the groups of rule `geo-published-point`


class CategoryManifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    n_pairs: int
    n_rows: int
    digest: str
    points: str | None = None  # digest of the keypoints' positions; None: written before it was
    renumbered: dict[
        int, str
    ] = {}  # digest of the groups, by the version of scoring that made them


class Manifest(BaseModel):
    """One revision and split of a data set, as far as anybody could write it down.

    `image_sizes`: width and height by image, of which the rows of some controls are made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    revision: str
    split: str
    licence: str
    categories_expected: tuple[str, ...]  # of the whole split, present or not
    n_pairs_expected: int
    categories: dict[str, CategoryManifest]
    image_sizes: dict[str, tuple[int, int]] = {}

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.split}@{self.revision[:12]}.json"


def grouping(scoring: int) -> int:
    """The version of scoring up to this one that last changed `group_visible_renumbered`."""
    return _GROUPING_CHANGED if scoring >= _GROUPING_CHANGED else _GROUPING_CHANGED - 1


def digests(records: pd.DataFrame, groups_of: int) -> dict[str, CategoryManifest]:
    """By category; the order of rows is irrelevant.

    Args:
        groups_of: The `grouping` of the version of scoring that made the records.
    """
    ordered = records.sort_values(["pair_id", "keypoint"], kind="stable")
    category = ordered["category"].astype(str).to_numpy()
    return {name: _digest(ordered[category == name], groups_of) for name in np.unique(category)}


def _digest(rows: pd.DataFrame, groups_of: int) -> CategoryManifest:
    texts = ["\n".join(rows[c].astype(str)).encode() for c in _TEXT]
    return CategoryManifest(
        n_pairs=int(rows["pair_id"].astype(str).nunique()),
        n_rows=len(rows),
        digest=bytes_hash([*texts, *_numbers(rows, _TRUTH)]),
        points=bytes_hash([*texts, *_numbers(rows, ("keypoint", *_POINTS))]),
        renumbered={groups_of: bytes_hash([*texts, *_numbers(rows, ("keypoint", _RENUMBERED))])},
    )


def _numbers(rows: pd.DataFrame, columns: Sequence[str]) -> list[bytes]:
    values = (rows[column].to_numpy(np.float64) for column in columns)
    return [np.where(np.isnan(v), np.nan, v).tobytes() for v in values]


def make(
    run: RunCard, records: pd.DataFrame, image_sizes: Mapping[str, tuple[int, int]] | None = None
) -> Manifest:
    """From a run that is known to be right, as the controls' are."""
    about = run.dataset.model_dump(include=set(Manifest.model_fields) - {"categories"})
    groups_of = grouping(run.provenance.scoring)
    return Manifest(
        **about, categories=digests(records, groups_of), image_sizes=dict(image_sizes or {})
    )


def write(run: Path, to: Path, image_sizes: Mapping[str, tuple[int, int]]) -> Path:
    """Writes the manifest of a run's data set into a folder; returns its path."""
    manifest = make(load_card(run), load_records(run), image_sizes)
    path = to / manifest.file_name
    write_atomically(path, (manifest.model_dump_json(indent=1) + "\n").encode())
    return path


@cache
def shipped() -> dict[tuple[str, str, str], Manifest]:
    """By name, revision and split."""
    manifests = [
        Manifest.model_validate(parse_json(path.read_bytes(), path.name))
        for path in FOLDER.iterdir()
        if path.name.endswith(".json")
    ]
    return {(m.name, m.revision, m.split): m for m in manifests}
