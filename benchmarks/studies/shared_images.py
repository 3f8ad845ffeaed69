"""How far the interval of a mean over pair groups holds where groups share images, as in soco.cross.

    python benchmarks/studies/shared_images.py [--sets 200]
    python benchmarks/studies/shared_images.py --table variance

By simulation of SOCO's design: 20 categories of 40 images in two families, 200 pairs a group. A pair's
score is the effect of its source, of its target, and noise. In `intra` both images are of the group's
category; in `cross` the source is of another category of the family, so that an image is a target in
its own group and a source in others. kapbench then draws each image once for all groups, and adds the
covariance of the groups to the sum of their variances. The effects of an image as source and as target
are equal.

Columns: share of a score's variance that is of images; `sd`, of the mean over groups; `error`, the
mean of kapbench's estimates; `coverage` of its 95 % intervals; `apart`, the same of intervals that take
groups for independent, which kapbench's are where no two groups share an image.

`--table variance`: of groups of few images, all of whose pairs are scored, the estimated variance of a
group's score over the true one, where images alone differ. `apart`: groups share no image; `within`:
two groups have the same images; `cross`: each group's sources are the targets of the next.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from kapbench.scoring.bootstrap import Resampling, interval, replicates
from kapbench.scoring.estimators import Ratio

N_FAMILIES, FAMILY, N_IMAGES, N_PAIRS = 2, 10, 40, 200
N_GROUPS = N_FAMILIES * FAMILY
SHARES = (0.0, 0.2, 0.5)  # of the variance of a pair's score
N_RESAMPLES = 200
FEW = 8  # groups of the table of variances
MEAN = np.full(N_GROUPS, 1 / N_GROUPS)


def draw_pairs(design: str, rng: np.random.Generator) -> np.ndarray:
    """Group, source and target of every pair; images are numbered over all categories."""
    group = np.repeat(np.arange(N_GROUPS), N_PAIRS)
    category = group
    if design == "cross":
        further = rng.integers(1, FAMILY, len(group))
        category = group // FAMILY * FAMILY + (group + further) % FAMILY
    first, step = rng.integers(0, N_IMAGES, len(group)), rng.integers(1, N_IMAGES, len(group))
    source = category * N_IMAGES + first
    target = group * N_IMAGES + (first + step) % N_IMAGES
    return np.stack([group, source, target])


def as_records(pairs: np.ndarray) -> pd.DataFrame:
    """One row for each pair, in order of its id."""
    group, source, target = ([f"{n:05d}" for n in column] for column in pairs)
    ids = [f"{n:05d}" for n in range(pairs.shape[1])]
    columns = {"pair_id": ids, "category": group, "source_image": source, "target_image": target}
    return pd.DataFrame({name: pd.Categorical(values) for name, values in columns.items()})


def one_set(design: str, share: float, rng: np.random.Generator) -> tuple[float, ...]:
    """The mean over groups, its estimated error, and whether two intervals hold the truth, 0."""
    group, source, target = pairs = draw_pairs(design, rng)
    effects = rng.normal(0, np.sqrt(share / 2), N_GROUPS * N_IMAGES)
    score = effects[source] + effects[target] + rng.normal(0, np.sqrt(1 - share), len(group))
    n = np.full(N_GROUPS, N_PAIRS)
    estimator = Ratio(score, np.ones(len(score)), group, n, n, np.zeros(N_GROUPS, int))
    resampling = Resampling.of(as_records(pairs), N_RESAMPLES, int(rng.integers(1 << 31)))
    drawn = replicates(estimator, resampling)
    both = [interval(each, MEAN, "plain") for each in (drawn, replace(drawn, is_shared=False))]
    return both[0].value, both[0].error, *(made.low <= 0 <= made.high for made in both)


def all_pairs(design: str, n: int) -> np.ndarray:
    """Group, source and target of all pairs of FEW groups of n images on a side."""
    group, i, j = (axis.ravel() for axis in np.indices((FEW, n, n)))
    first_of = {"apart": group, "within": group // 2, "cross": (group + 1) % FEW}[design]
    last_of = group // 2 if design == "within" else group
    pairs = np.stack([group, first_of * n + i, last_of * n + j])
    return pairs[:, pairs[1] != pairs[2]]


def ratio(design: str, n: int, n_sets: int = 6) -> float:
    """Of the mean estimated variance to the true one, which is of the images drawn here."""
    group, source, target = pairs = all_pairs(design, n)
    resampling = Resampling.of(as_records(pairs), 3000)
    n_pairs = np.bincount(group)
    rng, ratios = np.random.default_rng(n), []
    for _ in range(n_sets):
        effects = rng.normal(size=FEW * n)
        score = effects[source] + effects[target]
        estimator = Ratio(score, np.ones(len(score)), group, n_pairs, n_pairs, np.zeros(FEW, int))
        of_images = effects.reshape(FEW, n).var(axis=1, ddof=1) / n
        true = {
            "apart": 4 * of_images,
            "within": 4 * np.repeat(of_images[: FEW // 2], 2),
            "cross": of_images + np.roll(of_images, -1),
        }[design]
        ratios.append(replicates(estimator, resampling).variances() / true)
    return float(np.mean(ratios))


def print_variances() -> None:
    print("images   apart  within  cross")
    for n in (8, 10, 20, 40):
        print(f"{n:6}  " + "  ".join(f"{ratio(d, n):6.3f}" for d in ("apart", "within", "cross")))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--table", choices=["coverage", "variance"], default="coverage")
    chosen = parser.parse_args()
    if chosen.table == "variance":
        print_variances()
        return
    n_sets = chosen.sets
    print("design  of images      sd   error  coverage   apart")
    for design in ("intra", "cross"):
        for share in SHARES:
            rng = np.random.default_rng([len(design), int(100 * share)])
            means, errors, held, apart = zip(
                *(one_set(design, share, rng) for _ in range(n_sets)), strict=True
            )
            spreads = f"{np.std(means, ddof=1):.4f}  {np.mean(errors):.4f}"
            shares = f"{np.mean(held):8.1%}  {np.mean(apart):6.1%}"
            print(f"{design}  {share:10.0%}  {spreads}  {shares}", flush=True)


if __name__ == "__main__":
    main()
