"""Time of the diagnosis of a table as large as SPair-71k's, and how exact its standard errors are.

    python benchmarks/speed/diagnosis.py [--entry FILE] [--resamples 40]

The rows of a leaderboard entry are repeated under other names until there are 86,000 of them, and
diagnosed by kap-cvpr24 with and without intervals over 1,000 resamples. The baseline
computes the same shares exactly for one resample. The second table compares the standard errors of
the shares to first order with those of exact resamples, on the entry itself.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from bootstrap import ENTRIES, enlarge, load_entry, seconds
from rich.console import Console
from rich.progress import track

from kapbench.scoring.bootstrap import Replicates, Resampling, interval
from kapbench.scoring.diagnosis.kap_losses import KapLosses, kap_losses
from kapbench.scoring.diagnosis.loss_types import TYPES, typed_samples
from kapbench.scoring.diagnosis.shapley import RowSamples
from kapbench.scoring.rules import KapRule, PckRule, load_rule

ALPHA = 0.10


class Table:
    """A records table's samples with their types, pairs and categories."""

    def __init__(self, records: pd.DataFrame) -> None:
        kap_rule, pck_rule = load_rule("kap-cvpr24"), load_rule("pck-sd-dino")
        assert isinstance(kap_rule, KapRule)
        assert isinstance(pck_rule, PckRule)
        decode = pck_rule.decode_for(supervised=False)
        self.samples: RowSamples = typed_samples(records, kap_rule, pck_rule, decode, ALPHA)
        self.pair = records["pair_id"].cat.codes.to_numpy().astype(np.int64)
        self.category = records["category"].cat.codes.to_numpy().astype(np.int64)
        self.n_categories = len(records["category"].cat.categories)

    def losses(self, weights: np.ndarray | None = None) -> KapLosses:
        categories = np.arange(self.n_categories)
        return kap_losses(
            self.samples, self.category, categories, self.pair, pooled=True, weights=weights
        )


def exact_replicates(table: Table, value: np.ndarray, resampling: Resampling) -> list[Replicates]:
    """The shares at the weights of every resample, one average precision a subset and category."""
    screen = Console(stderr=True)
    weights = list(resampling.weights())
    drawn = [np.concatenate([two[kind] for two in weights], axis=1) for kind in (0, 1)]
    kinds = [
        np.stack(
            [
                table.losses(column.astype(np.float64)).share
                for column in track(kind.T, console=screen)
            ]
        )
        for kind in drawn
    ]
    products, sums = (kind.astype(np.float32) for kind in kinds)
    return [
        Replicates(value[:, t], products[:, :, t], sums[:, :, t], resampling.n_images)
        for t in range(len(TYPES))
    ]


def print_times(records: pd.DataFrame) -> None:
    large = enlarge(records)
    read, table = seconds(lambda: Table(large))
    shares, losses = seconds(table.losses)
    resampling = Resampling.of(large)
    intervals, _ = seconds(lambda: losses.replicates(resampling))
    n_resamples = resampling.counts.shape[1]
    print(f"{len(large):,} rows, {table.n_categories} categories, {n_resamples:,} resamples")
    print(f"types of rows                      {read:8.2f} s")
    print(f"gains and shares                   {shares:8.2f} s")
    print(f"intervals                          {intervals:8.2f} s")
    exact = 2 * n_resamples * shares
    print(
        f"exact shares of all resamples      {exact:8.0f} s, {exact / intervals:,.0f} times as long"
    )


def print_standard_errors(records: pd.DataFrame, n_resamples: int) -> None:
    table = Table(records)
    losses = table.losses()
    resampling = Resampling.of(records, n_resamples)
    _, linear = losses.replicates(resampling)
    exact = exact_replicates(table, losses.share, resampling)
    weights = np.full(table.n_categories, 1 / table.n_categories)
    print(f"\nstandard errors of shares, mean over categories, {n_resamples} resamples")
    for name, to_first_order, resampled in zip(TYPES, linear, exact, strict=True):
        errors = [
            100 * interval(each, weights, "plain").error for each in (to_first_order, resampled)
        ]
        print(f"{name:<30} first order {errors[0]:6.3f}   exact {errors[1]:6.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entry", type=Path, default=next(ENTRIES.glob("*.json")))
    parser.add_argument("--resamples", type=int, default=40)
    options = parser.parse_args()
    records, _ = load_entry(options.entry)
    print_times(records)
    print_standard_errors(records, options.resamples)


if __name__ == "__main__":
    main()
