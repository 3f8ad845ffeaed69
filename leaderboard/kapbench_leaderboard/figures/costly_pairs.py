"""The pairs of a run where one type of error costs most in KAP."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from kapbench.errors import KapbenchError, unknown
from kapbench.scoring.diagnosis.loss_types import TYPES, typed_samples
from kapbench.scoring.diagnosis.shapley import RowSamples
from kapbench.scoring.metrics import kap
from kapbench_leaderboard.figures.run_view import RunView

_DECIMALS = 12  # of costs that are ranked: equal ones may differ in their last bits


@dataclass(frozen=True, slots=True)
class CostlyPair:
    """`cost`: what the run's KAP, in 0 … 1, would gain if the errors of the type in this pair alone
    were fixed. `keypoints`: those with such an error, the one that costs most by itself first.
    """

    pair_id: str
    cost: float
    keypoints: tuple[int, ...]


def costly_pairs(run: RunView, loss_type: str, n: int) -> list[CostlyPair]:
    """The n pairs where a type of error costs most, the most costly first; of equal ones by name.

    A pair costs what the run's KAP would gain if its errors of this type were fixed, as
    `typed_samples` fixes them, and no other error of the run. That is the gain of the type with the
    pair in place of the run, exact, and of visible and absent keypoints alike. The number of errors
    would not do: an error with a low score costs nothing, and one with a high score stands above
    correct matches of the whole category. A part of the Shapley share would not do either: it
    depends on what is fixed in other pairs. A cost may be negative, since a fix can let more
    negatives through. A pair of a category without a positive sample has no cost and is left out.

    Raises:
        KapbenchError: no such type, or no pair has an error of it.
    """
    if loss_type not in TYPES:
        raise unknown("type of error", loss_type, TYPES, place="--worst", quoted=True)
    records, rule, alpha = run.records, run.kap_rule, run.at(run.kap_rule)
    samples = typed_samples(records, rule, run.pck_rule, run.decode, alpha)
    is_error = np.asarray(samples.type == TYPES.index(loss_type))
    pair, category = (
        records[name].cat.codes.to_numpy().astype(np.int64) for name in ("pair_id", "category")
    )
    average, over = rule.headline
    of_categories = kap(records, rule, alpha, average).by_category()
    weight = of_categories.weights(over)
    if average == "pair":  # a category's score is the mean of those of its n pairs
        weight = weight / np.maximum(of_categories.n, 1)
    pool = category if average == "category" else pair
    pools = {int(pool[rows[0]]): rows for rows in _by(pool, np.arange(len(pool))) if len(rows)}
    cost = np.full(len(records["pair_id"].cat.categories), np.nan)
    for rows in pools.values():
        pairs, gain = gains(samples[rows], is_error[rows], pair[rows])
        cost[pairs] = gain * weight[category[rows[0]]]
    names = records["pair_id"].cat.categories.to_numpy(str)
    known = np.flatnonzero(~np.isnan(cost))
    if not len(known):
        raise _no_error(run, loss_type)
    keypoint = records["keypoint"].to_numpy(np.int64)
    out = []
    for number in known[np.lexsort((names[known], -cost[known].round(_DECIMALS)))][:n].tolist():
        chosen = is_error & (pair == number)
        rows = pools[int(pool[chosen.argmax()])]
        ids, gain = gains(samples[rows], chosen[rows], keypoint[rows])
        ranked = ids[np.lexsort((ids, -gain.round(_DECIMALS)))].tolist()
        out.append(CostlyPair(str(names[number]), float(cost[number]), tuple(ranked)))
    return out


def gains(
    samples: RowSamples, is_error: Bool[np.ndarray, "n"], part: Int[np.ndarray, "n"]
) -> tuple[Int[np.ndarray, "k"], Float64[np.ndarray, "k"]]:
    """What an average precision gains if the errors of one part of its rows are fixed.

    Samples are counted at each distinct score of a positive. A fix moves a few of them, so that no
    part needs a ranking of its own.

    Args:
        part: Number of each row's part.

    Returns:
        The parts that have an error, in order, and the gain of each; NaN without a positive sample.
    """
    scores = np.concatenate([samples.positive, samples.fixed[is_error]])
    rising = np.unique(scores[~np.isnan(scores)])
    k = len(rising)

    def counts(scores: Float[np.ndarray, "r"]) -> Int[np.ndarray, "k"]:
        """Samples that score at least as high as a distinct score and below the next higher one."""
        known = scores[~np.isnan(scores)]
        return np.bincount(k - np.searchsorted(rising, known, "right"), minlength=k + 1)[:k]

    positive, negative = counts(samples.positive), counts(samples.negative)

    def precision(gained: Int[np.ndarray, "k"], false: Int[np.ndarray, "k"]) -> float:
        true = np.cumsum(gained)
        taken = np.maximum(true + np.cumsum(false), 1)  # it is 0 only above all samples
        return float((gained * true / taken).sum() / gained.sum()) if k else np.nan

    now, out = precision(positive, negative), []
    parts = [rows for rows in _by(part, np.flatnonzero(is_error)) if len(rows)]
    for rows in parts:
        fixed = counts(samples.fixed[rows]) - counts(samples.positive[rows])
        out.append(precision(positive + fixed, negative - counts(samples.negative[rows])) - now)
    return part[np.array([rows[0] for rows in parts], np.int64)], np.array(out, np.float64)


def _by(part: Int[np.ndarray, "n"], rows: Int[np.ndarray, "r"]) -> Sequence[Int[np.ndarray, "m"]]:
    """The rows of each part; one empty list of none."""
    ordered = rows[np.argsort(part[rows], kind="stable")]
    return np.split(ordered, np.flatnonzero(np.diff(part[ordered])) + 1)


def _no_error(run: RunView, loss_type: str) -> KapbenchError:
    return KapbenchError(
        f"No pair has an error of the type '{loss_type}'",
        place=f"run of {run.card.model.name} on {run.card.dataset.name}",
        fix="Choose another type of error: `kapbench diagnose` says what each costs",
    )
