"""Does the 95 % interval of an average over five categories hold the truth? By simulation.

    python benchmarks/studies/averages.py RUN_FOLDER [--groups 500] [--metric PCK] [--cell fitted]

Data sets of one category are drawn as benchmarks/studies/coverage.py draws them; five of them, no one used
twice, stand for a data set of five categories. PCK costs a thirtieth of KAP, so it can be asked
in every cell.

Exits with 1 where a coverage is below 93 %.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from coverage import (
    METRICS,
    N_KEYPOINTS,
    PAIRS,
    RATIOS,
    Model,
    effects,
    estimators,
    fitted,
    resampling,
)
from rich.progress import track

from kapbench.running.results import load_records
from kapbench.scoring.bootstrap import Replicates, interval, replicates

N_CATEGORIES, LOWEST = 5, 0.93


def one_group(
    model: Model, metrics: tuple[str, ...], n_resamples: int, number: int
) -> list[tuple[float, float, float]]:
    """A metric: the average over five categories, its error, and half of its interval."""
    of = [_category(model, metrics, n_resamples, N_CATEGORIES * number + i)
          for i in range(N_CATEGORIES)]  # fmt: skip
    out = []
    for each in zip(*of, strict=True):
        found = interval(_beside(each), np.full(N_CATEGORIES, 1 / N_CATEGORIES))
        out.append((found.value, found.error, found.half_width))
    return out


def _category(
    model: Model, metrics: tuple[str, ...], n_resamples: int, seed: int
) -> list[Replicates]:
    rng = np.random.default_rng(seed)
    visible = rng.random(len(PAIRS) * N_KEYPOINTS) < model.visible
    both = dict(zip(METRICS, estimators(model, effects(model, rng), visible), strict=True))
    draws = resampling(n_resamples, seed)
    return [replicates(both[metric], draws) for metric in metrics]


def _beside(each: tuple[Replicates, ...]) -> Replicates:
    """Categories that were drawn one by one as one data set."""
    return Replicates(
        np.concatenate([r.value for r in each]),
        np.concatenate([r.products for r in each], axis=1),
        np.concatenate([r.sums for r in each], axis=1),
        np.concatenate([r.n_images for r in each]),
    )


def lines(metrics: tuple[str, ...], name: str, found: np.ndarray) -> Iterator[tuple[str, bool]]:
    """A line a metric, and whether its coverage is good enough."""
    for metric, (value, error, half) in zip(metrics, found.transpose(1, 2, 0), strict=True):
        held = float((np.abs(value - value.mean()) <= half).mean())
        figures = [
            f"{100 * value.mean():.1f}",
            f"{100 * value.std(ddof=1):.2f}",
            f"{100 * np.sqrt((error**2).mean()):.2f}",
            f"{100 * held:.1f}",
        ]
        yield f"| {' | '.join([name, metric, *figures])} |", held >= LOWEST


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--groups", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--metric", action="append", choices=METRICS)
    parser.add_argument("--cell", action="append", help="`fitted` or `ratio 3`; default: all.")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def main() -> int:
    given = arguments()
    fit = fitted(load_records(given.run))
    cells = {f"ratio {r:g}": fit.at(r) for r in RATIOS} | {"fitted": fit}
    metrics = tuple(given.metric or METRICS)
    print(f"{given.groups} groups of {N_CATEGORIES} categories, {given.resamples} resamples each\n")
    print("| images : pairs | metric | truth | sd | our error | ours, mean of 5 |")
    print("|:--|:--|--:|--:|--:|--:|")
    good = True
    with ProcessPoolExecutor(given.workers) as pool:
        for i, (name, model) in enumerate(cells.items()):
            if given.cell and name not in given.cell:
                continue
            numbers = range(i * given.groups, (i + 1) * given.groups)
            job = partial(one_group, model, metrics, given.resamples)
            jobs = pool.map(job, numbers, chunksize=5)
            found = np.array(list(track(jobs, name, len(numbers), transient=True)))
            for line, enough in lines(metrics, name, found):
                print(line, flush=True)
                good &= enough
    print("\nevery cell holds" if good else f"\nBELOW {LOWEST:.0%} COVERAGE")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
