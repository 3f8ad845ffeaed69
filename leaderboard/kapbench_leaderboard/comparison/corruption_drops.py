"""By how much the score of a model drops on corrupted images, with an interval on the same resamples."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kapbench.datasets.altering.corrupted import corruption_of
from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard
from kapbench.scoring.bootstrap import Replicates, interval
from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.comparison.resamples import Resamples


def corruption_in(run: RunCard) -> tuple[str, int] | None:
    """Name and severity of the corruption of a run's images; None: they are as they are."""
    for alteration in run.dataset.alterations:
        if (text := corruption_of(alteration)) is not None:
            name, _, severity = text.partition(":")
            return name, int(severity)
    return None


def without_corruption(run: RunCard) -> RunCard:
    """The card as if its images were clean, by which it is paired with its clean run."""
    data, corruption = run.dataset, corruption_in(run)
    if corruption is None:
        return run
    name, severity = corruption
    ending = f"{name}-{severity}"
    kept = tuple(a for a in data.alterations if a != ending)
    revision = data.revision.removesuffix(f"-{ending}")
    clean = data.model_copy(update={"revision": revision, "alterations": kept})
    return run.model_copy(update={"dataset": clean})


def relative_drop(clean: Resamples, corrupted: Sequence[Resamples], column: str) -> Interval:
    """1 − corrupted / clean of the averages over categories; of several, their mean.

    The error is that of the linearised ratio (delta method) over the resamples that both share.

    Args:
        corrupted: Of the same pairs and rules.

    Raises:
        KapbenchError: the runs have other pairs or other rules.
    """
    weights, base = clean.weights[column], clean.columns[column]
    for other in corrupted:
        if other.key != clean.key:
            raise KapbenchError(
                "The clean and the corrupted run differ in their pairs or rules",
                place=f"{clean.key} against {other.key}",
                fix="Run both with the same rules, categories and limit",
            )
    score = _mean(base, weights)
    if not score > 0:
        return Interval(np.nan, np.nan, np.nan)
    scores = [_mean(other.columns[column], weights) for other in corrupted]
    ratio = float(np.mean(scores)) / score
    gap = _scaled(base, ratio) - _averaged([other.columns[column] for other in corrupted])
    error = interval(gap, weights, "plain")
    return replace(error, value=1 - ratio, error=error.error / score)


def _mean(replicates: Replicates, weights: np.ndarray) -> float:
    chosen = weights > 0
    return float((weights * replicates.value)[chosen].sum())


def _scaled(one: Replicates, factor: float) -> Replicates:
    products, sums = (np.float32(factor) * values for values in (one.products, one.sums))
    return Replicates(factor * one.value, products, sums, one.n_images, one.is_shared)


def _averaged(several: Sequence[Replicates]) -> Replicates:
    return Replicates(
        np.mean([one.value for one in several], axis=0),
        np.mean([one.products for one in several], axis=0),
        np.mean([one.sums for one in several], axis=0),
        several[0].n_images,
        several[0].is_shared,
    )
