"""KAP figures of a run: its data set and model loaded once, and which keypoints are drawn."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from kapbench.protocols import Dataset, Model, keypoint_names
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.schema import BEST
from kapbench_leaderboard.figures import select_rows
from kapbench_leaderboard.figures.kap_circle import check, find_circle
from kapbench_leaderboard.figures.kap_figure import KapExample
from kapbench_leaderboard.figures.rerun_model import dataset_of, find_pair, model_of, similarity_of
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Sources


@dataclass(frozen=True)
class Rerun:
    """A run's own data set and model, with which its similarities are computed again."""

    run: RunView
    sources: Sources
    dataset: Dataset
    model: Model

    @classmethod
    def of(cls, run: RunView, sources: Sources, *, build: bool = True) -> "Rerun":
        """Raises KapbenchError: the data or the model are missing, or are not the run's."""
        dataset = dataset_of(run.card, sources, build=build)
        return cls(run, sources, dataset, model_of(run.card, sources))

    def example(self, pair_id: str, keypoint: int) -> KapExample:
        """
        Raises:
            KapbenchError: no such pair or keypoint, or similarities that are not the run's.
        """
        run, dataset = self.run, self.dataset
        row = select_rows.of_keypoint(select_rows.of_pair(run.records, pair_id), keypoint)
        rule = run.kap_rule
        alpha = run.at(rule)
        pairs = dataset.pairs(run.card.dataset.categories)
        pair = find_pair(pairs, pair_id, dataset.name)
        of_target = [p for p in pairs if p.target.image_id == pair.target.image_id]
        maps = similarity_of(self.model, dataset, pair, of_target, rule.geometry, self.sources)
        visible = np.flatnonzero(pair.source.keypoints.visible).tolist()
        values = maps.values[visible.index(keypoint)]
        circle = find_circle(maps, pair, keypoint, rule, alpha)
        check(circle, row, rule, alpha)
        source, target = dataset.pixels(pair.source), dataset.pixels(pair.target)
        return KapExample(
            run.card.model.name,
            pair,
            row,
            rule,
            alpha,
            values,
            maps.grid,
            circle,
            source,
            target,
            run.card.dataset,
            keypoint_names(dataset, pair.category),
        )


def choose_examples(run: RunView) -> list[tuple[str, int]]:
    """Pair and keypoint of the worst absent keypoint, and of the clearest visible one.

    Worst is the false match with the highest score, of keypoints whose mirror counterpart is visible
    if there are any; of equal ones, that with the highest similarity. Clearest is the visible
    keypoint whose score inside the circle exceeds that outside by most, in the same pair if there is
    one. A run may lack either.
    """
    records = run.records
    rule = run.kap_rule
    samples = kap_samples(records, rule, run.at(rule))
    inside, outside = (
        pd.Series(samples.score[samples.label == side], samples.row[samples.label == side])
        .reindex(range(len(records)))
        .to_numpy(np.float64)
        for side in (True, False)
    )
    visible = records["target_visible"].to_numpy(bool)
    similarity = records[BEST.of(rule.geometry)].to_numpy(np.float64)
    absent = _highest(~visible & records["twin_visible"].to_numpy(bool), outside, similarity)
    if absent is None:
        absent = _highest(~visible, outside, similarity)
    margin = inside - outside
    clearest = None
    if absent is not None:
        same_pair = (records["pair_id"] == records["pair_id"].iloc[absent]).to_numpy(bool)
        clearest = _highest(visible & same_pair & (margin > 0), margin, similarity)
    if clearest is None:
        clearest = _highest(visible, margin, similarity)
    rows = [records.iloc[i] for i in (absent, clearest) if i is not None]
    return [(str(row["pair_id"]), int(row["keypoint"])) for row in rows]


def _highest(
    candidates: Bool[np.ndarray, "n"],
    score: Float64[np.ndarray, "n"],
    similarity: Float64[np.ndarray, "n"],
) -> int | None:
    """The candidate with the highest score, of equal ones by similarity; None: none has a score."""
    rows = np.flatnonzero(candidates & ~np.isnan(score))
    if not len(rows):
        return None
    return int(rows[np.lexsort((similarity[rows], score[rows]))[-1]])
