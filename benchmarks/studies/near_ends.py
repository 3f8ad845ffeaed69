"""Do the intervals of one category contain the truth near the ends, and with few images?

The second table of benchmarks/studies/coverage.py. Data sets are harder than those of its first:
8, 12 or 25 images, whose effects have three degrees of freedom (Student's t), so that some image is
far from the others; images are in unequally many pairs; and PCK is about 4, 40 or 96. The share of
the variance that images carry is that of the fitted model, or a half. The truth is the mean score
of data sets of 120 images.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from simulated_scores import Model

from kapbench.scoring.bootstrap import Replicates, Resampling, interval, replicates
from kapbench.scoring.estimators import ByCategory, Estimator, PooledPrecision, Ratio
from kapbench.scoring.intervals import Interval, Scale

N_KEYPOINTS = 8
N_IMAGES = (8, 12, 25)
PCK = (0.04, 0.40, 0.96)
SCALES: dict[str, Scale] = {
    "PCK": "logit",
    "KAP": "logit",
    "twin split": "balanced-logit",
    "AUROC": "logit",
    "skill": "log-complement",
}
SHARE_OF_PAIRS, SHARE_OF_PAIRS_FOR_TRUTH = 0.6, 0.1
N_FOR_TRUTH, SETS_FOR_TRUTH = 120, 40
COLUMNS = (
    "images' share",
    "PCK",
    "images",
    "metric",
    "truth",
    "bias",
    "sd",
    "estimated error",
    "has an interval",
    "kapbench",
    "value ± t · error",
)


@dataclass(frozen=True)
class Scores:
    """Of every keypoint of the pairs [p 2] of images: its pair's number, and the best scores."""

    pairs: np.ndarray
    pair: np.ndarray
    visible: np.ndarray
    inside: np.ndarray
    outside: np.ndarray


@dataclass(frozen=True)
class Auroc:
    """Of each keypoint's best score, visible against absent; each pair counts as often as it weighs."""

    scores: Scores

    def at(self, weights: np.ndarray) -> ByCategory:
        s = self.scores
        best = np.where(s.visible, np.maximum(s.inside, s.outside), s.outside)
        order = np.argsort(best)  # continuous: no two are equal
        weight = weights[s.pair[order]].astype(np.float64)
        visible = s.visible[order, None]
        below = np.cumsum(weight * ~visible, axis=0)
        above = (weight * visible * below).sum(axis=0)
        with np.errstate(invalid="ignore"):
            values = above / ((weight * visible).sum(axis=0) * below[-1])
        n = np.array([len(best)])
        return ByCategory(values[:, None], n, n, n)

    def by_category(self) -> ByCategory:
        by = self.at(np.ones((len(self.scores.pairs), 1)))
        return replace(by, values=by.values[0])


def draw(model: Model, n: int, share: float, rng: np.random.Generator) -> Scores:
    """A data set of n images and about this share of their ordered pairs."""
    pairs = _unequal_pairs(n, share, rng)
    source, target = (_of_images(c, n, rng) for c in (model.source, model.target))
    of_pair = rng.multivariate_normal(np.zeros(2), model.pair, len(pairs))
    pair = np.repeat(np.arange(len(pairs)), N_KEYPOINTS)
    of_keypoint = rng.multivariate_normal(np.zeros(2), model.keypoint, len(pair))
    deviation = (source[pairs[:, 0]] + target[pairs[:, 1]] + of_pair)[pair] + of_keypoint
    visible = rng.random(len(pair)) < model.visible
    outside = np.where(visible, model.mean[1], model.mean[2]) + deviation[:, 1]
    return Scores(pairs, pair, visible, model.mean[0] + deviation[:, 0], outside)


def _of_images(covariance: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Student's t with 3 degrees of freedom, of this covariance."""
    normal = rng.multivariate_normal(np.zeros(2), covariance, n)
    return np.asarray(normal / np.sqrt(rng.chisquare(3, n))[:, None])


def _unequal_pairs(n: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Every image is in at least one pair."""
    pairs = np.array([(i, j) for i in range(n) for j in range(n) if i != j])
    weight = rng.gamma(2, 1, n)[pairs].prod(axis=1)
    kept = rng.random(len(pairs)) < share * weight / weight.mean()
    for i in range(n):
        kept[rng.choice(np.flatnonzero((pairs == i).any(axis=1)))] = True
    return pairs[kept]


def estimators(s: Scores) -> dict[str, Estimator]:
    """All but the skill, which is made of the replicates of KAP and of the prevalence."""
    n_pairs, none = np.array([len(s.pairs)]), np.zeros(len(s.pairs), int)

    def precision(negative: np.ndarray, *, balanced: bool = False) -> Estimator:
        score = np.concatenate([s.inside[s.visible], s.outside[negative]]).astype(np.float32)
        label = np.arange(len(score)) < s.visible.sum()
        pair = np.concatenate([s.pair[s.visible], s.pair[negative]])
        return PooledPrecision(label, score, pair, 0 * pair, n_pairs, balanced)

    def ratio(above: np.ndarray, below: np.ndarray) -> Estimator:
        sums = [np.bincount(s.pair, w, minlength=len(s.pairs)) for w in (above, below)]
        return Ratio(*sums, none, np.array([len(s.pair)]), n_pairs, np.zeros(1, int))

    return {
        "PCK": ratio(s.visible & (s.inside > s.outside), s.visible),
        "KAP": precision(np.ones_like(s.visible)),
        "twin split": precision(~s.visible, balanced=True),
        "AUROC": Auroc(s),
        "prevalence": ratio(s.visible, 1 + s.visible),
    }


def simulate(
    model: Model, n: int, n_resamples: int, seed: int
) -> list[tuple[float, float, float, float, float]]:
    """For each metric: value, error, the interval, and half of the plain one."""
    scores = draw(model, n, SHARE_OF_PAIRS, np.random.default_rng([seed, n]))
    resampling = _resampling(scores.pairs, n, n_resamples, seed)
    of = {name: replicates(e, resampling) for name, e in estimators(scores).items()}
    of["skill"] = _skill(of["KAP"], of.pop("prevalence"))
    out = []
    for name, scale in SCALES.items():
        estimate = interval(of[name], np.ones(1), scale)
        plain: Interval = interval(of[name], np.ones(1), "plain")
        row = estimate.value, estimate.error, estimate.low, estimate.high, plain.half_width
        out.append(row)
    return out


def _skill(kap: Replicates, chance: Replicates) -> Replicates:
    """Scores that all tie have the prevalence as their KAP, and the oracle has 1."""
    value, products, sums = (
        (getattr(kap, part) - getattr(chance, part)) / (1 - getattr(chance, part))
        for part in ("value", "products", "sums")
    )
    return Replicates(value, products, sums, kap.n_images)


def _resampling(pairs: np.ndarray, n: int, n_resamples: int, seed: int) -> Resampling:
    names = np.array([f"{i:03d}" for i in range(n)])
    rows = pd.DataFrame(
        {
            "pair_id": pd.Categorical([f"{i:05d}" for i in range(len(pairs))]),
            "category": pd.Categorical(["c"] * len(pairs)),
            "source_image": pd.Categorical(names[pairs[:, 0]]),
            "target_image": pd.Categorical(names[pairs[:, 1]]),
        }
    )
    return Resampling.of(rows, n_resamples, seed)


def true_scores(model: Model, seed: int) -> list[float]:
    """For each metric, of a large data set."""
    rng = np.random.default_rng([seed, N_FOR_TRUTH])
    of = estimators(draw(model, N_FOR_TRUTH, SHARE_OF_PAIRS_FOR_TRUTH, rng))
    value = {name: float(e.by_category().values[0]) for name, e in of.items()}
    chance = value.pop("prevalence")
    value["skill"] = (value["KAP"] - chance) / (1 - chance)
    return [value[name] for name in SCALES]


def table_lines(
    fitted: Model, n_sets: int, n_resamples: int, pool: ProcessPoolExecutor, lowest: float
) -> Iterator[tuple[str, bool]]:
    """One line per metric, and whether enough intervals contain the truth."""
    for share in (fitted.share_of_images, 0.5):
        for pck in PCK:
            model = fitted.with_images(share).with_pck(pck)
            every = pool.map(partial(true_scores, model), range(SETS_FOR_TRUTH), chunksize=4)
            truth = np.mean(list(every), axis=0)
            for n in N_IMAGES:
                name = f"{share:.2f}, PCK {pck:.2f}, {n} images"
                jobs = pool.map(
                    partial(simulate, model, n, n_resamples), range(n_sets), chunksize=10
                )
                results = np.array(
                    list(track(jobs, name, n_sets, transient=True, console=Console(stderr=True)))
                )
                situation = f"{100 * share:.0f} %", f"{100 * pck:.0f}", str(n)
                for i, metric in enumerate(SCALES):
                    cells, coverage = _measured(results[:, i], truth[i])
                    yield f"| {' | '.join([*situation, metric, *cells])} |", coverage >= lowest


def _measured(results: np.ndarray, truth: float) -> tuple[list[str], float]:
    """Cells of one metric, and the share of the printed intervals that contain the truth."""
    printed = ~np.isnan(results[:, 2])
    value, error, low, high, half_of_plain = results[printed].T
    covered = float(((low <= truth) & (truth <= high)).mean())
    covered_by_plain = float((np.abs(value - truth) <= half_of_plain).mean())
    bias = results[:, 0].mean() - truth
    spread, estimated = value.std(ddof=1), np.sqrt((error**2).mean())
    return [
        f"{100 * truth:.1f}",
        f"{100 * bias:+.1f}",
        f"{100 * spread:.2f}",
        f"{100 * estimated:.2f}",
        *(f"{100 * share:.1f}" for share in (printed.mean(), covered, covered_by_plain)),
    ], covered
