"""Do the 95 % confidence intervals contain the truth, and does the paired test raise false alarms?

    python benchmarks/studies/coverage.py RUN_FOLDER [--table ratios] [--sets 1000] [--workers 2]

By simulation. Data sets of the size of one SPair-71k category (25 images, all 600 ordered pairs, 8
keypoints) are drawn from a normal model of the scores inside and outside the circle: effects of the
source image, of the target image, of the pair, and of the keypoint. Its covariances are fitted to the
records of a run. Other rows of the table divide the variance above the keypoint between images and
pairs in another ratio. The truth is the mean score of all data sets of a row.

`--table ends` prints a second table, of scores near the ends of their range and of few images
(benchmarks/studies/near_ends.py); without --table both are printed.

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
from functools import partial
from pathlib import Path

import near_ends
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from simulated_scores import Model, fitted

from kapbench.running.results import load_records
from kapbench.scoring.bootstrap import Resampling, interval, replicates
from kapbench.scoring.estimators import Estimator, PooledPrecision, Ratio
from kapbench.scoring.intervals import Interval

N_IMAGES, N_KEYPOINTS = 25, 8
RATIOS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
CORRELATION = 0.7  # correlation of two models' effects in the paired test
PAIRS = np.array([(i, j) for i in range(N_IMAGES) for j in range(N_IMAGES) if i != j])
METRICS = ("KAP", "PCK")
LOWEST = 0.93
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
    """For KAP, then PCK: value, kapbench's error and interval, percentiles (product, pairs), p
    (kapbench, pairs).
    """
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
        estimate = interval(resampled[0], np.ones(1), "logit")
        difference = interval(resampled[0] - resampled[1], np.ones(1), "plain")
        by_pairs = [e.at(pair_weights).values[:, 0] for e in (estimator, other_estimator)]
        error_of_pairs = float(np.std(by_pairs[0] - by_pairs[1], ddof=1))
        percentiles = [
            float(q)
            for values in (resampled[0].products[:, 0], by_pairs[0])
            for q in np.percentile(values, [2.5, 97.5])
        ]
        p_of_pairs = Interval(difference.value, error_of_pairs, np.inf).p
        ends = estimate.low, estimate.high
        p_values = difference.p, p_of_pairs
        results.append([estimate.value, estimate.error, *ends, *percentiles, *p_values])
    return results


def table_lines(
    model: Model, name: str, seeds: range, n_resamples: int, pool: ProcessPoolExecutor
) -> Iterator[tuple[str, bool]]:
    """One line per metric, and whether its coverage and false positives are acceptable."""
    n_sets = len(seeds)
    jobs = pool.map(partial(simulate_data_set, model, n_resamples), seeds, chunksize=10)
    results = np.array(
        list(track(jobs, name, n_sets, transient=True, console=Console(stderr=True)))
    )
    from scipy.special import stdtrit

    for metric, (value, error, *rest) in zip(METRICS, results.transpose(1, 2, 0), strict=True):
        low, high, low_product, high_product, low_pairs, high_pairs, p, p_pairs = rest
        truth = value.mean()
        freedom = (N_IMAGES - 1) / 2
        covered = (low <= truth) & (truth <= high)
        product = (low_product <= truth) & (truth <= high_product)
        pairs = (low_pairs <= truth) & (truth <= high_pairs)
        fives = _fives(n_sets)
        of_five = value[fives].mean(axis=1)
        error_of_five = np.sqrt((error[fives] ** 2).sum(axis=1)) / 5
        covered_of_five = np.abs(of_five - truth) <= stdtrit(5 * freedom, 0.975) * error_of_five
        shares = [covered, covered_of_five, product, pairs, p < 0.05, p_pairs < 0.05]
        cells = [f"{100 * s.mean():.1f}" for s in shares]
        spreads = [f"{100 * value.std():.2f}", f"{100 * np.sqrt((error**2).mean()):.2f}"]
        line = " | ".join([name, metric, f"{100 * truth:.1f}", *spreads, *cells])
        coverage_is_high = min(covered.mean(), covered_of_five.mean()) >= LOWEST
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
    parser.add_argument("--table", choices=("ratios", "ends"), help="default: both")
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    fitted_model = fitted(load_records(arguments.run))
    print(f"{arguments.sets} data sets per row, {arguments.resamples} resamples each")
    all_acceptable = True
    with ProcessPoolExecutor(arguments.workers) as pool:
        tables = {
            "ratios": (COLUMNS, 2, ratio_lines(fitted_model, arguments, pool)),
            "ends": (
                near_ends.COLUMNS,
                4,
                near_ends.table_lines(
                    fitted_model, arguments.sets, arguments.resamples, pool, LOWEST
                ),
            ),
        }
        for name, (columns, n_words, lines) in tables.items():
            if arguments.table in (None, name):
                print(f"\n| {' | '.join(columns)} |")
                print("|:--" * n_words + "|--:" * (len(columns) - n_words) + "|")
                for line, acceptable in lines:
                    print(line, flush=True)
                    all_acceptable &= acceptable
    print(
        "\nEvery coverage is high enough."
        if all_acceptable
        else f"\nA coverage is below {LOWEST:.0%}, or false positives are above 6 %."
    )
    return 0 if all_acceptable else 1


def ratio_lines(
    fitted_model: Model, arguments: argparse.Namespace, pool: ProcessPoolExecutor
) -> Iterator[tuple[str, bool]]:
    """The rows of the first table."""
    models = {f"{r:g}": fitted_model.at(r) for r in RATIOS} | {
        f"fitted ({fitted_model.ratio:.2f})": fitted_model
    }
    for i, (name, model) in enumerate(models.items()):
        seeds = range(i * arguments.sets, (i + 1) * arguments.sets)
        yield from table_lines(model, name, seeds, arguments.resamples, pool)


if __name__ == "__main__":
    sys.exit(main())
