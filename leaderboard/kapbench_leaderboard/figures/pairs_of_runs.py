"""Pairs as several runs matched them, and those where one run is better than another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kapbench.protocols import keypoint_names
from kapbench.scoring.schema import ERROR_PX
from kapbench_leaderboard.comparison.curves import FEWEST_POINTS
from kapbench_leaderboard.figures.rerun_model import dataset_of, find_pair
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.select_rows import of_pair
from kapbench_leaderboard.figures.sources import Sources
from kapbench_leaderboard.figures.transfer_figure import Transfer
from kapbench_leaderboard.tables.build import labels


@dataclass(frozen=True, slots=True)
class BetterPair:
    """A pair of `n` mutually visible keypoints, of which one run has more correct than another."""

    pair_id: str
    n: int
    better: int
    worse: int


def better_pairs(first: RunView, second: RunView, n_pairs: int) -> list[BetterPair]:
    """The pairs where `first` has more keypoints correct than `second` by the rule for PCK.

    Pairs of at least three mutually visible keypoints, by the difference, the largest first; of equal
    ones by the difference of the mean errors as shares of T, then by name.
    """
    one, other = _of_pairs(first), _of_pairs(second)
    gained = one["correct"] - other["correct"]
    chosen = one[(one["n"] >= FEWEST_POINTS) & (gained > 0)]
    closer = (other["error"] - one["error"])[chosen.index].to_numpy()
    names = chosen.index.to_numpy(str)
    order = np.lexsort((names, -closer, -gained[chosen.index].to_numpy()))[:n_pairs]
    return [
        BetterPair(
            names[i], int(chosen["n"].iloc[i]), int(chosen["correct"].iloc[i]), int(worse.iloc[i])
        )
        for worse in [other["correct"][chosen.index]]
        for i in order
    ]


def _of_pairs(run: RunView) -> pd.DataFrame:
    """By pair: mutually visible keypoints, correct ones, and the mean error as a share of T."""
    visible = run.records[run.records["target_visible"].to_numpy(bool)]
    rows = pd.DataFrame(
        {
            "pair_id": visible["pair_id"].astype(str),
            "correct": run.is_correct(visible),
            "error": visible[ERROR_PX.of(run.decode)] / visible["size_px"],
        }
    )
    return rows.groupby("pair_id").agg(
        n=("correct", "size"), correct=("correct", "sum"), error=("error", "mean")
    )


def transfers_of(
    runs: Sequence[RunView], pair_ids: Sequence[str], sources: Sources
) -> list[list[Transfer]]:
    """By pair and run; the data set is loaded once.

    Raises:
        KapbenchError: no such pair, or the runs' data set cannot be loaded.
    """
    rows = [[of_pair(run.records, name) for run in runs] for name in pair_ids]
    card = runs[0].card
    dataset = dataset_of(card, sources)
    pairs = dataset.pairs(card.dataset.categories)
    names = labels([run.card for run in runs])
    transfers = []
    for pair_id, of_runs in zip(pair_ids, rows, strict=True):
        pair = find_pair(pairs, pair_id, dataset.name)
        images = dataset.pixels(pair.source), dataset.pixels(pair.target)
        called = keypoint_names(dataset, pair.category)
        transfers.append(
            [
                Transfer(run, name, pair, records, *images, called)
                for run, name, records in zip(runs, names, of_runs, strict=True)
            ]
        )
    return transfers
