"""Pairs of ten thousand keypoints: the same rows as of few, in time that is not quadratic."""

import time

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from kapbench.scoring import nearest_keypoint
from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.nearest_keypoint import Distances
from kapbench.scoring.record_laws import broken_laws
from kapbench.scoring.rules import load_rule
from kapbench.scoring.schema import Needs
from kapbench.types import Grid, Keypoints, Pair, SimilarityMap, View

RULES = [load_rule(name) for name in ("kap-cvpr24", "pck-v1", "geo-published-point")]


@examples(30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_tree_finds_the_same_keypoints_as_comparing_all(seed, n):
    rng = np.random.default_rng(seed)
    predicted = rng.integers(0, 6, (25, 2)) / 2  # many are equally near to several
    annotated = rng.integers(0, 6, (n, 2)).astype(np.float64)
    candidates, pair = rng.random((3, n)) < 0.5, np.sort(rng.integers(0, 3, 25))
    keypoint, classes = rng.integers(0, n, 25), rng.integers(-1, 3, (3, n))
    visible, excluded = rng.random(n) < 0.7, rng.integers(0, n, (25, 2))
    classes[:, rng.integers(0, n)] = 3  # alone in its class

    def columns():
        distances = Distances.of(predicted, annotated)
        return (
            distances.nearest(candidates, pair),
            distances.to_nearest_other(visible, classes, pair, keypoint, excluded),
        )

    expected = columns()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_keypoint, "MOST_PER_POINT", 0)
        assert Distances.of(predicted, annotated).away is None
        for of_trees, of_all in zip(columns(), expected, strict=True):
            np.testing.assert_array_equal(of_trees, of_all)


@pytest.mark.slow
def test_ten_thousand_and_more_keypoints():
    n, rng = 40_000, np.random.default_rng(0)
    size, box = (500, 400), (0.0, 0.0, 500.0, 400.0)
    source, target = (
        View(name, "cat", size, box, Keypoints(rng.uniform(0, 400, (n, 2)), np.ones(n, bool)))
        for name in ("s", "t")
    )
    pair = Pair("p", source, target, 300.0, np.arange(n) // 2, np.arange(n) ^ 1)
    maps = rng.random((n, 6, 6), dtype=np.float32)
    similarity = SimilarityMap(maps, Grid.letterbox(size, 6, 840), source.keypoints.xy)
    started = time.process_time()
    rows = table([pair_columns(pair, similarity, Needs.of(RULES))])
    assert time.process_time() - started < 60.0  # of the processor: 5; before, more than an hour
    assert rows["keypoint"].tolist() == list(range(n))  # beyond 32,767
    assert set(rows["group_visible"]) == {2}
    assert rows["nearest@v1"].between(0, n - 1).all()
    assert list(broken_laws(rows, Needs.of(RULES))) == []
