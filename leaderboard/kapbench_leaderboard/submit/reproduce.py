"""A submission's model run again on some of its pairs, row against row."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.loading import load_dataset, load_model
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Model
from kapbench.registry import installed_as
from kapbench.types import Pair, View
from kapbench_leaderboard.entries.schema import Entry, adapter_spec, load_entry, records_path
from kapbench_leaderboard.entries.untrusted_files import (
    RECORDS,
    read_records,
    refuse_changed,
    refuse_large,
)

ACROSS_DEVICES = 1e-3


class SomePairs:
    """A data set with some of its pairs; all else is the data set's own."""

    def __init__(self, whole: Dataset, pairs: Sequence[Pair]) -> None:
        self.whole, self.chosen = whole, list(pairs)

    def __getattr__(self, name: str) -> object:
        return getattr(self.whole, name)

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        return [p for p in self.chosen if categories is None or p.source.category in categories]

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        views = {v.image_id: v for p in self.pairs(categories) for v in (p.source, p.target)}
        return [views[name] for name in sorted(views)]


@dataclass(frozen=True, slots=True)
class Reproduced:
    """`worst` is the largest difference of each column that differs at all; `within` what may."""

    n_pairs: int
    n_rows: int
    within: float
    worst: dict[str, float]

    @property
    def agrees(self) -> bool:
        return all(gap <= self.within for gap in self.worst.values())


def choose(pairs: Sequence[Pair], n: int, seed: str) -> list[Pair]:
    """At least `n` pairs, all of each target image: by hash of the seed, so nobody can prepare them.

    Whole targets, because a matrix product changes its last bits with its shape.
    """
    by_target: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_target.setdefault(pair.target.image_id, []).append(pair)
    ordered = sorted(by_target, key=lambda t: hashlib.sha256(f"{seed} {t}".encode()).digest())
    chosen: set[str] = set()
    for target in ordered:
        if len(chosen) >= n:
            break
        chosen |= {pair.pair_id for pair in by_target[target]}
    return [pair for pair in pairs if pair.pair_id in chosen]


def reproduce(
    path: Path,
    n: int,
    *,
    model: str | None = None,
    data_root: Path | None = None,
    device: str = "cpu",
    tolerance: float | None = None,
    records: Path | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Reproduced:
    """
    Args:
        path: The entry.
        n: Pairs to run again, at least.
        model: A model's name or FILE.py:Class; None: the adapter that came with the entry, else
            what is installed for the run's name.
        options: Of the model beyond those that the run tells, e.g. weights.
        tolerance: Largest difference; None: 0 where both ran on a CPU, else 1e-3.

    Raises:
        KapbenchError: the model or data set is not here, or is of another revision.
    """
    entry = load_entry(path)
    run, place = entry.run, records or records_path(path)
    refuse_large(place, RECORDS)
    refuse_changed(place, entry.records)
    data = _dataset(run.dataset.name, run.dataset.split, data_root)
    if data.revision != run.dataset.revision:
        raise KapbenchError(
            f"{data.name} is of revision {data.revision} here, the run's was {run.dataset.revision}",
            place=path,
            fix="use the same copy of the data set",
        )
    given = {**run.model.options, **(options or {})}
    built = _model(model or spec(path, entry, given), device, data.name, given)
    if built.revision != run.model.revision:
        raise KapbenchError(
            f"{built.name} is of revision {built.revision} here, the run's was {run.model.revision}",
            place=path,
            fix="install the adapter and weights of the card's command: --model SPEC, -o weights=FILE",
        )
    pairs = choose(data.pairs(run.dataset.categories), n, run.plan_hash)
    with tempfile.TemporaryDirectory() as scratch:
        again = evaluate(
            built,
            cast("Dataset", SomePairs(data, pairs)),
            rule=[rule.name for rule in run.rules],
            runs=Path(scratch),
            device=device,
            progress=progress,
        ).records
    stored = read_records(place, run)
    if tolerance is None:
        tolerance = 0.0 if {device, run.provenance.device} == {"cpu"} else ACROSS_DEVICES
    return Reproduced(len(pairs), len(again), tolerance, differences(stored, again))


def spec(path: Path, entry: Entry, options: Mapping[str, Any] | None = None) -> str:
    """What to load the model of an entry by.

    Args:
        options: That it must take; None: those that the run tells.

    Raises:
        KapbenchError: nothing installed has a part of the model's name.
    """
    if own := adapter_spec(path, entry):
        return own
    name = entry.run.model.name
    if found := installed_as(name, entry.run.model.options if options is None else options):
        return found
    raise KapbenchError(
        f"no installed model is called {name}, or by the beginning of that",
        place=path,
        fix=f"give --model, as in the card's command: {entry.card.command}",
    )


def _model(name: str, device: str, dataset: str, options: dict[str, Any]) -> Model:
    try:
        return load_model(name, device=device, dataset=dataset, **options)
    except KapbenchError as error:
        fix = f"{error.fix or 'see the card'}; or give --model SPEC, -o weights=FILE"
        raise KapbenchError(error.thing, place=error.place or name, fix=fix) from error


def _dataset(name: str, split: str, root: Path | None) -> Dataset:
    return load_dataset(name, split=split, data_root=root)


def differences(stored: pd.DataFrame, again: pd.DataFrame) -> dict[str, float]:
    """Largest difference of each column that differs; infinite where rows are missing."""
    keys = ["pair_id", "keypoint"]
    text = {"pair_id": "str", "category": "str", "source_image": "str", "target_image": "str"}
    left, right = (table.astype(text).set_index(keys).sort_index() for table in (stored, again))
    if not right.index.isin(left.index).all():
        return {"rows": float("inf")}
    left = left.loc[right.index]
    found = {}
    for column in right.columns:
        if column not in left or column in text:
            same = column in left and (left[column] == right[column]).all()
            gap = 0.0 if same else float("inf")
        else:
            one, other = (t[column].to_numpy(np.float64) for t in (left, right))
            unlike = np.isnan(one) != np.isnan(other)
            gap = float("inf") if unlike.any() else float(np.nan_to_num(np.abs(one - other)).max())
        if gap:
            found[column] = gap
    return found
