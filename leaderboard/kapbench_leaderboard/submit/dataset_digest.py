"""What the records of a data set must be about: rows and ground truth, by category, as digests."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from kapbench.running.results import RunCard, load_card, load_records
from kapbench.storage import bytes_hash, write_atomically

FOLDER = files("kapbench_leaderboard") / "manifests"
# Columns that come from the annotation alone: the same for every model. Frozen, because the
# manifests that ship hold digests of exactly these columns, in this order.
_TEXT = ("pair_id", "source_image", "target_image")
_NUMBERS = ("keypoint", "group", "twin", "target_visible", "twin_visible", "group_visible")
_TRUTH = (*_NUMBERS, "size_px", "viewpoint_change", "truncation", "occlusion")


class CategoryManifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    n_pairs: int
    n_rows: int
    digest: str


class Manifest(BaseModel):
    """One revision and split of a data set, as far as anybody could write it down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    revision: str
    split: str
    licence: str
    categories_expected: tuple[str, ...]  # of the whole split, present or not
    n_pairs_expected: int
    categories: dict[str, CategoryManifest]

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.split}@{self.revision[:12]}.json"


def digests(records: pd.DataFrame) -> dict[str, CategoryManifest]:
    """By category; the order of rows is irrelevant."""
    ordered = records.sort_values(["pair_id", "keypoint"], kind="stable")
    category = ordered["category"].astype(str).to_numpy()
    return {name: _digest(ordered[category == name]) for name in np.unique(category)}


def _digest(rows: pd.DataFrame) -> CategoryManifest:
    texts = ("\n".join(rows[c].astype(str)).encode() for c in _TEXT)
    numbers = (rows[c].to_numpy(np.float64).tobytes() for c in _TRUTH)
    return CategoryManifest(
        n_pairs=int(rows["pair_id"].astype(str).nunique()),
        n_rows=len(rows),
        digest=bytes_hash([*texts, *numbers]),
    )


def make(run: RunCard, records: pd.DataFrame) -> Manifest:
    """From a run that is known to be right, as the controls' are."""
    about = run.dataset.model_dump(include=set(Manifest.model_fields) - {"categories"})
    return Manifest(**about, categories=digests(records))


def write(run: Path, to: Path) -> Path:
    """Writes the manifest of a run's data set into a folder; returns its path."""
    manifest = make(load_card(run), load_records(run))
    path = to / manifest.file_name
    write_atomically(path, (manifest.model_dump_json(indent=1) + "\n").encode())
    return path


@cache
def shipped() -> dict[tuple[str, str, str], Manifest]:
    """By name, revision and split."""
    manifests = [
        Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
        for path in FOLDER.iterdir()
        if path.name.endswith(".json")
    ]
    return {(m.name, m.revision, m.split): m for m in manifests}
