"""The rule that draws pairs: against the table of all pairs, and what it leaves out."""

import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kapbench.datasets.pairing import PairRule, remark_on_one_photograph
from kapbench.errors import KapbenchError
from kapbench.types import Keypoints, View


def view(number, visible):
    xy = np.where(np.asarray(visible)[:, None], 1.0, np.nan) * np.ones(2)
    points = Keypoints(xy, np.asarray(visible, bool))
    return View(f"{number:06d}", "cat", (9, 9), (0.0, 0.0, 9.0, 9.0), points)


def by_table(visible, photographs, kinds, n, seed, min_shared):
    """The rule with the table of all pairs of objects, as numbers of source and target."""
    shared = visible.astype(int) @ visible.T.astype(int)
    allowed = shared >= min_shared
    np.fill_diagonal(allowed, False)
    if kinds is not None:
        allowed &= kinds[:, None] != kinds
    within = allowed & (photographs[:, None] == photographs)
    pairs = np.argwhere(allowed & ~within)
    if n is not None and n < len(pairs):
        generator = np.random.default_rng([seed, zlib.crc32(b"cat")])
        pairs = pairs[np.sort(generator.choice(len(pairs), n, replace=False))]
    return pairs.tolist(), int(within.sum())


objects = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        arrays(bool, (n, 3)),
        arrays(np.int64, n, elements=st.integers(0, 5)),
        st.none() | arrays(np.int64, n, elements=st.integers(0, 2)),
    )
)


@given(objects, st.none() | st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_equal_to_the_table_of_all_pairs(objects, n, seed, min_shared):
    visible, photographs, kinds = objects
    views = [view(i, row) for i, row in enumerate(visible)]
    drawn = PairRule(n, seed, min_shared).draw(
        views[::-1],
        None if kinds is None else {v.image_id: str(k) for v, k in zip(views, kinds, strict=True)},
        {v.image_id: p for v, p in zip(views, photographs.tolist(), strict=True)},
    )
    pairs = [[int(s.image_id), int(t.image_id)] for s, t in drawn]
    expected = by_table(visible, photographs, kinds, n, seed, min_shared)
    assert (pairs, drawn.n_within) == expected


def test_objects_of_one_photograph_are_paired_where_it_is_wished():
    views = [view(i, [1, 1]) for i in range(3)]
    photographs = {"000000": "a", "000001": "a", "000002": "b"}
    left_out = PairRule().draw(views, photographs=photographs)
    kept = PairRule(same_photograph=True).draw(views, photographs=photographs)
    assert (len(left_out.pairs), left_out.n_within) == (4, 2)
    assert (len(kept.pairs), kept.n_within) == (6, 0)
    assert repr(PairRule()) == repr(PairRule(same_photograph=True))  # hashed by revisions


@pytest.mark.parametrize(("n", "said"), [(1, "1 candidate pair of"), (2_000, "2,000 candidate")])
def test_the_remark_counts_them(n, said):
    [remark] = remark_on_one_photograph(n)
    assert remark.startswith(said)
    assert "same_photograph=true" in remark
    assert remark_on_one_photograph(0) == ()


@pytest.mark.parametrize("n", [None, 6_247_500, 10**9])
def test_more_pairs_than_memory_holds_are_refused(n):
    views = [view(i, [1]) for i in range(2_500)]
    with pytest.raises(KapbenchError, match="There are 6,247,500 pairs of 'cat'") as error:
        PairRule(n).draw(views)
    assert "pairs=N" in error.value.fix
    assert len(PairRule(n=5).draw(views).pairs) == 5


def test_memory_does_not_grow_with_the_number_of_candidates():
    """The table of 16 million candidates would have 256 MB."""
    rng = np.random.default_rng(0)
    views = [view(i, row) for i, row in enumerate(rng.random((4_000, 17)) < 0.7)]
    photographs = {v.image_id: i // 3 for i, v in enumerate(views)}
    tracemalloc.start()
    drawn = PairRule(n=100).draw(views, photographs=photographs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(drawn.pairs) == 100
    assert peak < 50e6
