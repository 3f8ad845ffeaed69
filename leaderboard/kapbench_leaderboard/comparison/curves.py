"""Points of a run's curves, and its worst pairs, from its records."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from kapbench.running.results import RunCard
from kapbench.scoring.metrics import kap_samples, pck_correct
from kapbench.scoring.rules import KapRule, PckRule
from kapbench.scoring.schema import ERROR_PX
from kapbench_leaderboard.comparison.groups import selected_rules

ALPHAS = np.linspace(0.01, 0.2, 39)
N_POINTS = 101
N_WORST = 10
FEWEST_POINTS = 3  # mutually visible keypoints of a pair that is ranked


@dataclass(frozen=True)
class Curve:
    """`points` [n 2], x and y in 0 … 1 of `x_max` and 1."""

    title: str
    x: str
    y: str
    x_max: float
    points: Float[np.ndarray, "n 2"]
    about: str


@dataclass(frozen=True, slots=True)
class WorstPair:
    pair_id: str
    n: int
    correct: float
    error: float  # mean distance as a share of T


def curves(records: pd.DataFrame, run: RunCard) -> list[Curve]:
    """PCK over alpha and precision over recall, by the run's best-known rules."""
    rules = {card.metric: run.rule(card.name) for card in selected_rules(run)}
    out = []
    if isinstance(pck := rules.get("pck"), PckRule):
        out.append(pck_curve(records, pck, run))
    if isinstance(kap := rules.get("kap"), KapRule):
        out.append(precision_curve(records, kap, kap.alphas[0]))
    return out


def pck_curve(records: pd.DataFrame, rule: PckRule, run: RunCard) -> Curve:
    """Share of mutually visible keypoints within α·T: per point, mean over categories."""
    shares = _relative_error(records, rule, run)
    side: Literal["left", "right"] = "right" if rule.closed else "left"
    by = [
        np.searchsorted(np.sort(group.to_numpy()), ALPHAS, side) / len(group)
        for _, group in shares.groupby(records.loc[shares.index, "category"], observed=True)
    ]
    values = np.mean(by, axis=0)
    points = np.stack([ALPHAS, values], axis=1)
    about = f"{rule.name}, per point, mean over categories"
    return Curve("PCK over α", "α", "PCK", 0.2, points, about)


def _relative_error(records: pd.DataFrame, rule: PckRule, run: RunCard) -> "pd.Series[float]":
    visible_rows = records[records["target_visible"].to_numpy(bool)]
    error_px = visible_rows[ERROR_PX.of(run.decode(rule))]
    relative: pd.Series[float] = error_px / visible_rows["size_px"]
    return relative


def precision_curve(records: pd.DataFrame, rule: KapRule, alpha: float) -> Curve:
    """Precision at the first threshold that reaches each recall; equal scores move together."""
    samples = kap_samples(records, rule, alpha)
    positive, negative = (np.sort(samples.score[samples.label == label]) for label in (True, False))
    n = len(positive)
    at = np.linspace(0, 1, N_POINTS)[1:] if n else np.empty(0)
    threshold = positive[::-1][np.searchsorted(np.arange(1, n + 1) / max(n, 1), at)]
    true = n - np.searchsorted(positive, threshold)
    false = len(negative) - np.searchsorted(negative, threshold)
    points = np.stack([at, true / np.maximum(true + false, 1)], axis=1)
    about = f"{rule.name} at α = {alpha:g}, all categories pooled"
    return Curve("Precision over recall", "recall", "precision", 1.0, points, about)


def worst_pairs(
    records: pd.DataFrame, run: RunCard, n_worst: int = N_WORST, rule: PckRule | None = None
) -> list[WorstPair]:
    """Pairs of at least three mutually visible keypoints with fewest correct, then largest error.

    Args:
        rule: Decides what is correct, at its first alpha; None: the run's best-known rule of PCK.
    """
    known = (run.rule(c.name) for c in selected_rules(run) if c.metric == "pck")
    rule = rule or next((r for r in known if isinstance(r, PckRule)), None)
    if rule is None:
        return []
    relative = _relative_error(records, rule, run)
    pairs = records.loc[relative.index, "pair_id"].astype("category").cat
    code, error = pairs.codes.to_numpy(), relative.to_numpy(np.float64)
    visible = records["target_visible"].to_numpy(bool)
    correct = pck_correct(records, rule, run.decode(rule), rule.alphas[0])[visible]
    n = np.bincount(code, minlength=len(pairs.categories))
    counted = np.flatnonzero(n >= FEWEST_POINTS)
    right, mean = (
        np.bincount(code, weights, len(n))[counted] / n[counted] for weights in (correct, error)
    )
    names = pairs.categories.to_numpy(str)[counted]
    worst = np.lexsort((names, -mean, right))[:n_worst]
    return [
        WorstPair(str(names[i]), int(n[counted[i]]), float(right[i]), float(mean[i])) for i in worst
    ]
