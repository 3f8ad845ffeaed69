"""Boards of many models: quick ways give what the plain ones give."""

from itertools import combinations

import numpy as np
import pytest

from kapbench.scoring.bootstrap import Replicates
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.comparison.significance import every_two, mean_difference

N_RUNS = 12


@pytest.fixture
def runs() -> list[Resamples]:
    rng = np.random.default_rng(0)
    common = rng.normal(0, 0.02, (300, 3))
    made = []
    for value in rng.uniform(0.3, 0.6, N_RUNS):
        of_images = common + rng.normal(0, 0.01, (300, 3))
        products = value + of_images + rng.normal(0, 0.01, (300, 3))
        column = Replicates(
            value + np.array([0, 0.1, -0.1]),
            products.astype(np.float32),
            (value + of_images / 2).astype(np.float32),
            np.array([25, 9, 3]),
        )
        made.append(Resamples("same", ("a", "b", "c"), {"kap": column}, {"kap": WEIGHTS}))
    return [*made, made[0]]


WEIGHTS = np.array([0.7, 0.3, 0.0])  # the last has too few images for an interval


def pairs(runs):
    return [mean_difference(x, y, "kap") for x, y in combinations(runs, 2)]


def test_covariances_give_the_variance_of_every_difference(runs):
    for quick, plain in zip(every_two(runs, "kap"), pairs(runs), strict=True):
        assert quick.value == plain.value
        assert quick.error == pytest.approx(plain.error, rel=1e-5, abs=1e-9)
        assert quick.freedom == pytest.approx(plain.freedom, rel=1e-5) or not plain.error
        assert quick.p == pytest.approx(plain.p, rel=1e-4)


def test_a_resample_without_a_score_is_left_out_of_its_pairs_alone(runs):
    runs[1].columns["kap"].products[7, 0] = np.nan
    assert [q.error for q in every_two(runs, "kap")] == [p.error for p in pairs(runs)]
