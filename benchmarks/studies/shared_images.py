"""How far the interval of a mean over pair groups holds where groups share images, as in soco.cross.

    python benchmarks/studies/shared_images.py [--sets 200]

By simulation of SOCO's design: 20 categories of 40 images in two families, 200 pairs a group. A pair's
score is the effect of its source, of its target, and noise. In `intra` both images are of the group's
category; in `cross` the source is of another category of the family, so that an image is a target in
its own group and a source in others. kapbench draws images anew in each group and takes groups for
independent. The effects of an image as source and as target are equal.

Columns: share of a score's variance that is of images; `sd`, of the mean over groups; `estimated
error`, the mean of kapbench's; `coverage` of its 95 % intervals.
"""

import argparse

import numpy as np
import pandas as pd

from kapbench.scoring.bootstrap import Resampling, interval, replicates
from kapbench.scoring.estimators import Ratio

N_FAMILIES, FAMILY, N_IMAGES, N_PAIRS = 2, 10, 40, 200
N_GROUPS = N_FAMILIES * FAMILY
SHARES = (0.0, 0.2, 0.5)  # of the variance of a pair's score
N_RESAMPLES = 200
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


def one_set(design: str, share: float, rng: np.random.Generator) -> tuple[float, float, bool]:
    """The mean over groups, its estimated error, and whether the interval holds the truth, 0."""
    group, source, target = pairs = draw_pairs(design, rng)
    effects = rng.normal(0, np.sqrt(share / 2), N_GROUPS * N_IMAGES)
    score = effects[source] + effects[target] + rng.normal(0, np.sqrt(1 - share), len(group))
    n = np.full(N_GROUPS, N_PAIRS)
    estimator = Ratio(score, np.ones(len(score)), group, n, n, np.zeros(N_GROUPS, int))
    resampling = Resampling.of(as_records(pairs), N_RESAMPLES, int(rng.integers(1 << 31)))
    made = interval(replicates(estimator, resampling), MEAN, "plain")
    return made.value, made.error, made.low <= 0 <= made.high


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", type=int, default=200)
    n_sets = parser.parse_args().sets
    print("design  of images     sd  estimated error  coverage")
    for design in ("intra", "cross"):
        for share in SHARES:
            rng = np.random.default_rng([len(design), int(100 * share)])
            means, errors, held = zip(
                *(one_set(design, share, rng) for _ in range(n_sets)), strict=True
            )
            values = f"{np.std(means, ddof=1):.4f}  {np.mean(errors):15.4f}  {np.mean(held):8.1%}"
            print(f"{design}  {share:10.0%}  {values}", flush=True)


if __name__ == "__main__":
    main()
