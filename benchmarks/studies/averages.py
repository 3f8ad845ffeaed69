"""Do the 95 % confidence intervals of averages over five categories contain the truth?

    python benchmarks/studies/averages.py RUN_FOLDER [--groups 500] [--metric PCK] [--ratio 3]

By simulation. Data sets of one category are simulated as in benchmarks/studies/coverage.py. Five of
them, none used twice, form a data set of five categories. PCK takes a thirtieth of KAP's time, so it
can be simulated for every ratio of variances. `--pck 0.96` shifts the scores to another PCK. The script
exits with status 1 if a coverage is below 93 %.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from coverage import METRICS, N_KEYPOINTS, PAIRS, RATIOS, effects, estimators, resampling
from rich.console import Console
from rich.progress import track
from simulated_scores import Model, fitted

from kapbench.running.results import load_records
from kapbench.scoring.bootstrap import Replicates, interval, replicates

N_CATEGORIES, LOWEST = 5, 0.93


def simulate_group(
    model: Model, metrics: tuple[str, ...], n_resamples: int, number: int
) -> list[tuple[float, float, float, float]]:
    """Per metric: the average over five categories, its standard error, and its interval."""
    by_category = [
        _category(model, metrics, n_resamples, N_CATEGORIES * number + i)
        for i in range(N_CATEGORIES)
    ]
    results = []
    for of_metric in zip(*by_category, strict=True):
        estimate = interval(_joined(of_metric), np.full(N_CATEGORIES, 1 / N_CATEGORIES), "logit")
        results.append((estimate.value, estimate.error, estimate.low, estimate.high))
    return results


def _category(
    model: Model, metrics: tuple[str, ...], n_resamples: int, seed: int
) -> list[Replicates]:
    rng = np.random.default_rng(seed)
    visible = rng.random(len(PAIRS) * N_KEYPOINTS) < model.visible
    estimator_of = dict(zip(METRICS, estimators(model, effects(model, rng), visible), strict=True))
    draws = resampling(n_resamples, seed)
    return [replicates(estimator_of[metric], draws) for metric in metrics]


def _joined(categories: tuple[Replicates, ...]) -> Replicates:
    """Categories that were simulated one by one, as one data set."""
    return Replicates(
        np.concatenate([replicas.value for replicas in categories]),
        np.concatenate([replicas.products for replicas in categories], axis=1),
        np.concatenate([replicas.sums for replicas in categories], axis=1),
        np.concatenate([replicas.n_images for replicas in categories]),
    )


def table_lines(
    metrics: tuple[str, ...], name: str, results: np.ndarray
) -> Iterator[tuple[str, bool]]:
    """One line per metric, and whether its coverage is high enough."""
    for metric, (value, error, low, high) in zip(metrics, results.transpose(1, 2, 0), strict=True):
        truth = value.mean()
        coverage = float(((low <= truth) & (truth <= high)).mean())
        cells = [
            f"{100 * truth:.1f}",
            f"{100 * value.std(ddof=1):.2f}",
            f"{100 * np.sqrt((error**2).mean()):.2f}",
            f"{100 * coverage:.1f}",
        ]
        yield f"| {' | '.join([name, metric, *cells])} |", coverage >= LOWEST


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--groups", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--metric", action="append", choices=METRICS)
    parser.add_argument(
        "--ratio",
        action="append",
        help="one row of the table: a ratio of variances, or `fitted`; may be repeated; default: all",
    )
    parser.add_argument("--pck", type=float, help="default: as fitted")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    fitted_model = fitted(load_records(arguments.run))
    if arguments.pck is not None:
        fitted_model = fitted_model.with_pck(arguments.pck)
    models = {f"{r:g}": fitted_model.at(r) for r in RATIOS} | {"fitted": fitted_model}
    metrics = tuple(arguments.metric or METRICS)
    print(
        f"{arguments.groups} groups of {N_CATEGORIES} categories, {arguments.resamples} resamples each\n"
    )
    print("| ratio of variances | metric | truth | sd | estimated error | kapbench, mean of 5 |")
    print("|:--|:--|--:|--:|--:|--:|")
    all_high_enough = True
    with ProcessPoolExecutor(arguments.workers) as pool:
        for i, (name, model) in enumerate(models.items()):
            if arguments.ratio and name not in arguments.ratio:
                continue
            numbers = range(i * arguments.groups, (i + 1) * arguments.groups)
            job = partial(simulate_group, model, metrics, arguments.resamples)
            jobs = pool.map(job, numbers, chunksize=5)
            results = np.array(
                list(track(jobs, name, len(numbers), transient=True, console=Console(stderr=True)))
            )
            for line, high_enough in table_lines(metrics, name, results):
                print(line, flush=True)
                all_high_enough &= high_enough
    print(
        "\nEvery coverage is high enough."
        if all_high_enough
        else f"\nA coverage is below {LOWEST:.0%}."
    )
    return 0 if all_high_enough else 1


if __name__ == "__main__":
    sys.exit(main())
