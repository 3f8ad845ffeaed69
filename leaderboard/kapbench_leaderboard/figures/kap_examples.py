"""KAP pictures of a run: its data set and model opened once, and which keypoints say most."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kapbench.protocols import Dataset, Model
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.schema import BEST
from kapbench.types import Pair
from kapbench_leaderboard.figures import select_rows
from kapbench_leaderboard.figures.kap_circle import check, cut
from kapbench_leaderboard.figures.kap_figure import Scene
from kapbench_leaderboard.figures.rerun_model import (
    Sources,
    dataset_of,
    find_pair,
    model_of,
    similarity_of,
)
from kapbench_leaderboard.figures.run_view import Subject


@dataclass(frozen=True)
class Stage:
    """A run's own data set and model, by which its similarities are computed again."""

    subject: Subject
    sources: Sources
    dataset: Dataset
    model: Model

    @classmethod
    def of(cls, subject: Subject, sources: Sources, *, build: bool = True) -> "Stage":
        """
        Raises:
            KapbenchError: data or model that are missing or others than the run's.
        """
        dataset = dataset_of(subject.card, sources, build=build)
        return cls(subject, sources, dataset, model_of(subject.card, sources))

    def scene(self, pair_id: str, number: int) -> Scene:
        """
        Raises:
            KapbenchError: no such pair or keypoint, or similarities other than the run's.
        """
        subject, dataset = self.subject, self.dataset
        row = select_rows.of_keypoint(select_rows.of_pair(subject.records, pair_id), number)
        rule = subject.kap_rule
        alpha = subject.at(rule)
        found, of_target = find_pair(dataset, subject.card, pair_id)
        similar = similarity_of(self.model, dataset, found, of_target, rule.geometry, self.sources)
        values = similar.values[_place(found, number)]
        circle = cut(values, similar.grid, found, number, rule, alpha)
        check(circle, row, rule, alpha)
        return Scene(
            subject.card.model.name, found, row, rule, alpha, values, similar.grid, circle,
            dataset.pixels(found.source), dataset.pixels(found.target),
        )  # fmt: skip


def _place(found: Pair, number: int) -> int:
    """Which of the pair's maps is that of a keypoint."""
    shown = np.flatnonzero(found.source.keypoints.visible).tolist()
    return int(shown.index(number))


def telling(subject: Subject) -> list[tuple[str, int]]:
    """Pair and keypoint of the worst absent one, and of one that shows and is found.

    Worst is the false match of the highest score, of keypoints whose mirror twin shows where there
    are any; of equal ones, that of the highest similarity. Beside it stands the visible keypoint
    that wins by most, of the same pair where one wins there. A run may lack either.
    """
    records = subject.records
    rule = subject.kap_rule
    alpha = subject.at(rule)
    samples = kap_samples(records, rule, alpha)
    inside, outside = (
        pd.Series(samples.score[samples.label == side], samples.row[samples.label == side])
        .reindex(range(len(records)))
        .to_numpy(np.float64)
        for side in (True, False)
    )
    visible = records["target_visible"].to_numpy(bool)
    similarity = records[BEST.of(rule.geometry)].to_numpy(np.float64)
    absent = _first(~visible & records["twin_visible"].to_numpy(bool), outside, similarity)
    if absent is None:
        absent = _first(~visible, outside, similarity)
    margin = inside - outside
    found = None
    if absent is not None:
        same = (records["pair_id"] == records["pair_id"].iloc[absent]).to_numpy(bool)
        found = _first(visible & same & (margin > 0), margin, similarity)
    if found is None:
        found = _first(visible, margin, similarity)
    rows = [records.iloc[i] for i in (absent, found) if i is not None]
    return [(str(row["pair_id"]), int(row["keypoint"])) for row in rows]


def _first(asked: np.ndarray, score: np.ndarray, then: np.ndarray) -> int | None:
    """The row of the highest score, of equal ones by `then`; None where nothing has a score."""
    rows = np.flatnonzero(asked & ~np.isnan(score))
    if not len(rows):
        return None
    return int(rows[np.lexsort((then[rows], score[rows]))[-1]])
