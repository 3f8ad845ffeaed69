"""Do the 95 % intervals hold the truth, and does the paired test cry wolf? By simulation.

    python benchmarks/studies/coverage.py RUN_FOLDER [--sets 1000] [--workers 2]

Data sets of SPair-71k's size for one category (25 images, all 600 ordered pairs, 8 keypoints) are
drawn from a normal model of the scores inside and outside the circle: effects of the source image,
of the target image, of the pair, and of the keypoint. Its covariances are fitted to the records of
a run; other cells split the variance above the keypoint between images and pairs at a given ratio.
The truth is the mean score of all data sets of a cell. `product`: percentile interval under product
weights alone; `pairs`: the naive bootstrap over pairs; `ours`: kapbench.scoring.bootstrap. `wolf` is the
share of p < 0.05 between two models that are equally good and alike in part of their effects.

Exits with 1 where a coverage of ours, of one category or of the mean of five, is below 93 % or a
share of false alarms above 6 %. benchmarks/studies/averages.py asks about means of five on data sets that
no two groups share.
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
from kapbench.scoring.bootstrap import Interval, Resampling, interval, replicates
from kapbench.scoring.estimators import Estimator, PooledPrecision, Ratio
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import load_rule

N_IMAGES, N_KEYPOINTS = 25, 8
RATIOS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
ALIKE = 0.7  # correlation of two models' effects in the paired test
PAIRS = np.array([(i, j) for i in range(N_IMAGES) for j in range(N_IMAGES) if i != j])
METRICS = ("KAP", "PCK")


@dataclass(frozen=True)
class Model:
    """Mean and covariances of (score inside, score outside); `mean` [3]: third, of absent ones."""

    mean: np.ndarray
    source: np.ndarray
    target: np.ndarray
    pair: np.ndarray
    keypoint: np.ndarray
    visible: float

    @property
    def ratio(self) -> float:
        """Variance of images' effects on the margin by that of pairs'."""
        margin = np.array([1.0, -1.0])
        images = margin @ (self.source + self.target) @ margin
        return float(images / max(margin @ self.pair @ margin, 1e-12))

    def at(self, ratio: float) -> "Model":
        """The same variance above the keypoint, split at another ratio."""
        whole = self.source + self.target + self.pair
        images = whole * ratio / (1 + ratio)
        return replace(self, source=images / 2, target=images / 2, pair=whole / (1 + ratio))


def fitted(records: pd.DataFrame) -> Model:
    """By moments: products of residuals that share a source, a target, a pair or nothing."""
    rule = load_rule("kap-cvpr24")
    samples = kap_samples(records, rule, 0.10)
    score = np.full((len(records), 2), np.nan)
    score[samples.row, np.where(samples.label, 0, 1)] = samples.score
    visible = records["target_visible"].to_numpy() & ~np.isnan(score).any(axis=1)
    category = records["category"].astype(str).to_numpy()
    both = pd.DataFrame(score[visible]).groupby(category[visible])
    residual = both.transform(lambda column: column - column.mean()).to_numpy()
    part = records[visible]
    of = {c: part[c].cat.codes.to_numpy() for c in ("source_image", "target_image", "pair_id")}
    by_pair = _shared(residual, of["pair_id"], np.arange(len(residual)))
    source, target = (
        _positive(_shared(residual, of[c], of["pair_id"])) for c in ("source_image", "target_image")
    )
    whole = residual.T @ residual / len(residual)
    return Model(
        np.append(score[visible].mean(axis=0), score[~records["target_visible"], 1].mean()),
        source,
        target,
        _positive(by_pair - source - target),
        _positive(whole - by_pair),
        float(records["target_visible"].mean()),
    )


def _shared(residual: np.ndarray, key: np.ndarray, finer: np.ndarray) -> np.ndarray:
    """Mean product of two rows of one key that differ in a finer one."""
    products, numbers = [], []
    for codes in (key, finer):
        sums = np.stack([np.bincount(codes, r) for r in residual.T], axis=1)
        products.append(sums.T @ sums)
        numbers.append((np.bincount(codes).astype(float) ** 2).sum())
    return np.asarray((products[0] - products[1]) / (numbers[0] - numbers[1]))


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest covariance."""
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
    model: Model, drawn: dict[str, np.ndarray], visible: np.ndarray
) -> tuple[Estimator, Estimator]:
    """KAP and PCK of one data set."""
    source, target = PAIRS.T
    of_pair = drawn["source"][source] + drawn["target"][target] + drawn["pair"]
    pair = np.repeat(np.arange(len(PAIRS)), N_KEYPOINTS)
    moved = of_pair[pair] + drawn["keypoint"]
    inside, outside = (model.mean[:2] + moved).T
    absent = model.mean[2] + moved[:, 1]
    label = np.concatenate([np.ones(visible.sum(), bool), np.zeros(len(visible), bool)])
    score = np.concatenate([inside[visible], np.where(visible, outside, absent)])
    rows = np.concatenate([pair[visible], pair])
    whole = np.array([len(PAIRS)])
    kap = PooledPrecision(label, score.astype(np.float32), rows, np.zeros(len(rows), int), whole)
    asked = np.bincount(pair[visible], minlength=len(PAIRS)).astype(float)
    right = np.bincount(pair[visible & (inside > outside)], minlength=len(PAIRS)).astype(float)
    none = np.zeros(len(PAIRS), int)
    return kap, Ratio(right, asked, none, np.array([visible.sum()]), whole, np.array([0]))


def resampling(n_resamples: int, seed: int) -> Resampling:
    names = np.array([f"{i:02d}" for i in range(N_IMAGES)])
    rows = pd.DataFrame({
        "pair_id": pd.Categorical([f"{i:03d}" for i in range(len(PAIRS))]),
        "category": pd.Categorical(["c"] * len(PAIRS)),
        "source_image": names[PAIRS[:, 0]],
        "target_image": names[PAIRS[:, 1]],
    })  # fmt: skip
    return Resampling.of(rows, n_resamples, seed)


def one_set(model: Model, n_resamples: int, seed: int) -> list[list[float]]:
    """Of KAP, then PCK: value, our error, percentiles (product, pairs), p (ours, pairs)."""
    rng = np.random.default_rng(seed)
    visible = rng.random(len(PAIRS) * N_KEYPOINTS) < model.visible
    first, own = effects(model, rng), effects(model, rng)
    second = {k: ALIKE * v + np.sqrt(1 - ALIKE**2) * own[k] for k, v in first.items()}
    both = [estimators(model, drawn, visible) for drawn in (first, second)]
    draws = resampling(n_resamples, seed)
    even = np.full(len(PAIRS), 1 / len(PAIRS))
    naive = rng.multinomial(len(PAIRS), even, n_resamples).T.astype(np.float32)
    out = []
    for one, other in zip(*both, strict=True):
        again = [replicates(e, draws) for e in (one, other)]
        found, gap = (interval(r, np.ones(1)) for r in (again[0], again[0] - again[1]))
        by_pairs = [e.at(naive).values[:, 0] for e in (one, other)]
        spread = float(np.std(by_pairs[0] - by_pairs[1], ddof=1))
        percentiles = [
            float(q)
            for values in (again[0].products[:, 0], by_pairs[0])
            for q in np.percentile(values, [2.5, 97.5])
        ]
        alarm = Interval(gap.value, spread, np.inf).p
        out.append([found.value, found.error, *percentiles, gap.p, alarm])
    return out


def cell(
    model: Model, name: str, seeds: range, n_resamples: int, pool: ProcessPoolExecutor
) -> Iterator[tuple[str, bool]]:
    """A line a metric, and whether it is good enough."""
    n_sets = len(seeds)
    jobs = pool.map(partial(one_set, model, n_resamples), seeds, chunksize=10)
    found = np.array(list(track(jobs, name, n_sets, transient=True)))
    from scipy.special import stdtrit

    for metric, (value, error, *rest) in zip(METRICS, found.transpose(1, 2, 0), strict=True):
        low, high, low_pairs, high_pairs, p, p_pairs = rest
        truth = value.mean()
        freedom = (N_IMAGES - 1) / 2
        held = np.abs(value - truth) <= stdtrit(freedom, 0.975) * error
        product = (low <= truth) & (truth <= high)
        pairs = (low_pairs <= truth) & (truth <= high_pairs)
        fives = _fives(n_sets)
        of_five = value[fives].mean(axis=1)
        error_of_five = np.sqrt((error[fives] ** 2).sum(axis=1)) / 5
        held_of_five = np.abs(of_five - truth) <= stdtrit(5 * freedom, 0.975) * error_of_five
        shown = [held, held_of_five, product, pairs, p < 0.05, p_pairs < 0.05]
        figures = [f"{100 * s.mean():.1f}" for s in shown]
        extra = [f"{100 * value.std():.2f}", f"{100 * np.sqrt((error**2).mean()):.2f}"]
        line = " | ".join([name, metric, f"{100 * truth:.1f}", *extra, *figures])
        holds = min(held.mean(), held_of_five.mean()) >= 0.93
        yield f"| {line} |", bool(holds and (p < 0.05).mean() <= 0.06)


def _fives(n_sets: int) -> np.ndarray:
    """Data sets grouped by five as if they were five categories, [20 · n_sets / 5, 5]: twenty
    groupings steady what one would leave to chance.
    """
    rng = np.random.default_rng(0)
    orders = [rng.permutation(n_sets)[: n_sets // 5 * 5].reshape(-1, 5) for _ in range(20)]
    return np.concatenate(orders)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    fit = fitted(load_records(given.run))
    cells = {f"ratio {r:g}": fit.at(r) for r in RATIOS} | {f"fitted ({fit.ratio:.2f})": fit}
    print(f"{given.sets} data sets a cell, {given.resamples} resamples each\n")
    print("| images : pairs | metric | truth | sd | our error | ours | ours, mean of 5 | product "
          "| pairs | wolf, ours | wolf, pairs |")  # fmt: skip
    print("|:--" * 2 + "|--:" * 9 + "|")
    good = True
    with ProcessPoolExecutor(given.workers) as pool:
        for i, (name, model) in enumerate(cells.items()):
            seeds = range(i * given.sets, (i + 1) * given.sets)
            for line, enough in cell(model, name, seeds, given.resamples, pool):
                print(line, flush=True)
                good &= enough
    print("\nevery cell holds" if good else "\nBELOW 93 % COVERAGE, OR ABOVE 6 % FALSE ALARMS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
