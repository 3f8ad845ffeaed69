"""Do the 95 % confidence intervals contain the truth, and does the paired test raise false alarms?

    python benchmarks/studies/coverage.py RUN_FOLDER [--sets 1000] [--workers 2]

By simulation. Data sets of the size of one SPair-71k category (25 images, all 600 ordered pairs, 8
keypoints) are drawn from a normal model of the scores inside and outside the circle: effects of the
source image, of the target image, of the pair, and of the keypoint. Its covariances are fitted to the
records of a run. Other rows of the table divide the variance above the keypoint between images and
pairs in another ratio. The truth is the mean score of all data sets of a row.

Columns: `kapbench`, coverage of the intervals of kapbench.scoring.bootstrap; `product`, of percentile
intervals under product weights only; `pairs`, of the plain bootstrap over pairs; `false positives`,
share of p < 0.05 between two models that are equally good and share part of their effects.

The script exits with status 1 if a coverage of kapbench's intervals, for one category or for the mean
of five, is below 93 %, or if more than 6 % are false positives. benchmarks/studies/averages.py tests
means of five on data sets that no two groups share.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from kapbench.running.results import load_records
from kapbench.scoring.bootstrap import Resampling, interval, replicates
from kapbench.scoring.estimators import Estimator, PooledPrecision, Ratio
from kapbench.scoring.intervals import Interval
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import load_rule

N_IMAGES, N_KEYPOINTS = 25, 8
RATIOS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
CORRELATION = 0.7  # correlation of two models' effects in the paired test
PAIRS = np.array([(i, j) for i in range(N_IMAGES) for j in range(N_IMAGES) if i != j])
METRICS = ("KAP", "PCK")
COLUMNS = (
    "ratio of variances",
    "metric",
    "truth",
    "sd",
    "estimated error",
    "kapbench",
    "kapbench, mean of 5",
    "product",
    "pairs",
    "false positives, kapbench",
    "false positives, pairs",
)


@dataclass(frozen=True)
class Model:
    """Mean and covariances of (score inside, score outside); `mean` [3]: third, of absent keypoints."""

    mean: np.ndarray
    source: np.ndarray
    target: np.ndarray
    pair: np.ndarray
    keypoint: np.ndarray
    visible: float

    @property
    def ratio(self) -> float:
        """Variance of the images' effects on the margin over that of the pairs'."""
        margin = np.array([1.0, -1.0])
        images = margin @ (self.source + self.target) @ margin
        return float(images / max(margin @ self.pair @ margin, 1e-12))

    def at(self, ratio: float) -> "Model":
        """The same variance above the keypoint, divided in another ratio."""
        whole = self.source + self.target + self.pair
        images = whole * ratio / (1 + ratio)
        return replace(self, source=images / 2, target=images / 2, pair=whole / (1 + ratio))


def fitted(records: pd.DataFrame) -> Model:
    """Fits by moments: products of residuals that share a source, a target, a pair or nothing."""
    rule = load_rule("kap-cvpr24")
    samples = kap_samples(records, rule, 0.10)
    score = np.full((len(records), 2), np.nan)
    score[samples.row, np.where(samples.label, 0, 1)] = samples.score
    visible = records["target_visible"].to_numpy() & ~np.isnan(score).any(axis=1)
    category = records["category"].astype(str).to_numpy()
    scores_by_category = pd.DataFrame(score[visible]).groupby(category[visible])
    residual = scores_by_category.transform(lambda column: column - column.mean()).to_numpy()
    visible_records = records[visible]
    codes_of = {
        c: visible_records[c].cat.codes.to_numpy()
        for c in ("source_image", "target_image", "pair_id")
    }
    by_pair = _shared(residual, codes_of["pair_id"], np.arange(len(residual)))
    source, target = (
        _positive(_shared(residual, codes_of[c], codes_of["pair_id"]))
        for c in ("source_image", "target_image")
    )
    total = residual.T @ residual / len(residual)
    return Model(
        np.append(score[visible].mean(axis=0), score[~records["target_visible"], 1].mean()),
        source,
        target,
        _positive(by_pair - source - target),
        _positive(total - by_pair),
        float(records["target_visible"].mean()),
    )


def _shared(residual: np.ndarray, key: np.ndarray, finer: np.ndarray) -> np.ndarray:
    """Mean product of two rows that agree in a key and differ in a finer key."""
    products, numbers = [], []
    for codes in (key, finer):
        sums = np.stack([np.bincount(codes, r) for r in residual.T], axis=1)
        products.append(sums.T @ sums)
        numbers.append((np.bincount(codes).astype(float) ** 2).sum())
    return np.asarray((products[0] - products[1]) / (numbers[0] - numbers[1]))


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest covariance matrix."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)


def effects(model: Model, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {"source": N_IMAGES, "target": N_IMAGES, "pair": len(PAIRS)}
    shapes["keypoint"] = len(PAIRS) * N_KEYPOINTS
    return {
        name: rng.multivariate_normal(np.zeros(2), getattr(model, name), n)
        for name, n in shapes.items()
    }


def estimators(
    model: Model, effect_of: dict[str, np.ndarray], visible: np.ndarray
) -> tuple[Estimator, Estimator]:
    """KAP and PCK of one simulated data set."""
    source, target = PAIRS.T
    of_pair = effect_of["source"][source] + effect_of["target"][target] + effect_of["pair"]
    pair = np.repeat(np.arange(len(PAIRS)), N_KEYPOINTS)
    deviation = of_pair[pair] + effect_of["keypoint"]
    inside, outside = (model.mean[:2] + deviation).T
    absent = model.mean[2] + deviation[:, 1]
    label = np.concatenate([np.ones(visible.sum(), bool), np.zeros(len(visible), bool)])
    score = np.concatenate([inside[visible], np.where(visible, outside, absent)])
    rows = np.concatenate([pair[visible], pair])
    n_pairs = np.array([len(PAIRS)])
    kap = PooledPrecision(label, score.astype(np.float32), rows, np.zeros(len(rows), int), n_pairs)
    n_visible = np.bincount(pair[visible], minlength=len(PAIRS)).astype(float)
    n_correct = np.bincount(pair[visible & (inside > outside)], minlength=len(PAIRS)).astype(float)
    none = np.zeros(len(PAIRS), int)
    return kap, Ratio(n_correct, n_visible, none, np.array([visible.sum()]), n_pairs, np.array([0]))


def resampling(n_resamples: int, seed: int) -> Resampling:
    names = np.array([f"{i:02d}" for i in range(N_IMAGES)])
    rows = pd.DataFrame(
        {
            "pair_id": pd.Categorical([f"{i:03d}" for i in range(len(PAIRS))]),
            "category": pd.Categorical(["c"] * len(PAIRS)),
            "source_image": pd.Categorical(names[PAIRS[:, 0]]),
            "target_image": pd.Categorical(names[PAIRS[:, 1]]),
        }
    )
    return Resampling.of(rows, n_resamples, seed)


def simulate_data_set(model: Model, n_resamples: int, seed: int) -> list[list[float]]:
    """For KAP, then PCK: value, kapbench's error, percentiles (product, pairs), p (kapbench, pairs)."""
    rng = np.random.default_rng(seed)
    visible = rng.random(len(PAIRS) * N_KEYPOINTS) < model.visible
    first, own = effects(model, rng), effects(model, rng)
    second = {k: CORRELATION * v + np.sqrt(1 - CORRELATION**2) * own[k] for k, v in first.items()}
    models = [estimators(model, effect_of, visible) for effect_of in (first, second)]
    draws = resampling(n_resamples, seed)
    equal_shares = np.full(len(PAIRS), 1 / len(PAIRS))
    pair_weights = rng.multinomial(len(PAIRS), equal_shares, n_resamples).T.astype(np.float32)
    results = []
    for estimator, other_estimator in zip(*models, strict=True):
        resampled = [replicates(e, draws) for e in (estimator, other_estimator)]
        estimate, difference = (
            interval(r, np.ones(1), "plain") for r in (resampled[0], resampled[0] - resampled[1])
        )
        by_pairs = [e.at(pair_weights).values[:, 0] for e in (estimator, other_estimator)]
        error_of_pairs = float(np.std(by_pairs[0] - by_pairs[1], ddof=1))
        percentiles = [
            float(q)
            for values in (resampled[0].products[:, 0], by_pairs[0])
            for q in np.percentile(values, [2.5, 97.5])
        ]
        p_of_pairs = Interval(difference.value, error_of_pairs, np.inf).p
        results.append([estimate.value, estimate.error, *percentiles, difference.p, p_of_pairs])
    return results


def table_lines(
    model: Model, name: str, seeds: range, n_resamples: int, pool: ProcessPoolExecutor
) -> Iterator[tuple[str, bool]]:
    """One line per metric, and whether its coverage and false positives are acceptable."""
    n_sets = len(seeds)
    jobs = pool.map(partial(simulate_data_set, model, n_resamples), seeds, chunksize=10)
    results = np.array(list(track(jobs, name, n_sets, transient=True)))
    from scipy.special import stdtrit

    for metric, (value, error, *rest) in zip(METRICS, results.transpose(1, 2, 0), strict=True):
        low, high, low_pairs, high_pairs, p, p_pairs = rest
        truth = value.mean()
        freedom = (N_IMAGES - 1) / 2
        covered = np.abs(value - truth) <= stdtrit(freedom, 0.975) * error
        product = (low <= truth) & (truth <= high)
        pairs = (low_pairs <= truth) & (truth <= high_pairs)
        fives = _fives(n_sets)
        of_five = value[fives].mean(axis=1)
        error_of_five = np.sqrt((error[fives] ** 2).sum(axis=1)) / 5
        covered_of_five = np.abs(of_five - truth) <= stdtrit(5 * freedom, 0.975) * error_of_five
        shares = [covered, covered_of_five, product, pairs, p < 0.05, p_pairs < 0.05]
        cells = [f"{100 * s.mean():.1f}" for s in shares]
        spreads = [f"{100 * value.std():.2f}", f"{100 * np.sqrt((error**2).mean()):.2f}"]
        line = " | ".join([name, metric, f"{100 * truth:.1f}", *spreads, *cells])
        coverage_is_high = min(covered.mean(), covered_of_five.mean()) >= 0.93
        yield f"| {line} |", bool(coverage_is_high and (p < 0.05).mean() <= 0.06)


def _fives(n_sets: int) -> np.ndarray:
    """Data sets in groups of five, as if they were five categories: [20 · n_sets / 5, 5].

    Twenty random groupings reduce the noise of a single one.
    """
    rng = np.random.default_rng(0)
    orders = [rng.permutation(n_sets)[: n_sets // 5 * 5].reshape(-1, 5) for _ in range(20)]
    return np.concatenate(orders)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    fitted_model = fitted(load_records(arguments.run))
    models = {f"{r:g}": fitted_model.at(r) for r in RATIOS} | {
        f"fitted ({fitted_model.ratio:.2f})": fitted_model
    }
    print(f"{arguments.sets} data sets per row, {arguments.resamples} resamples each\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print("|:--" * 2 + "|--:" * (len(COLUMNS) - 2) + "|")
    all_acceptable = True
    with ProcessPoolExecutor(arguments.workers) as pool:
        for i, (name, model) in enumerate(models.items()):
            seeds = range(i * arguments.sets, (i + 1) * arguments.sets)
            for line, acceptable in table_lines(model, name, seeds, arguments.resamples, pool):
                print(line, flush=True)
                all_acceptable &= acceptable
    print(
        "\nEvery coverage is high enough."
        if all_acceptable
        else "\nA coverage is below 93 %, or false positives are above 6 %."
    )
    return 0 if all_acceptable else 1


if __name__ == "__main__":
    sys.exit(main())
