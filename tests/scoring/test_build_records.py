"""Rows of many pairs of one target at once are those of each pair alone, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import MAP_RULES, drawn, similarity

from kapbench.scoring.build_records import pair_columns, table, target_columns
from kapbench.scoring.schema import Needs
from kapbench.types import Keypoints, SimilarityMap


def of_one_target(seed, n_pairs):
    """Cases whose pairs differ in all that pairs of one target may differ in."""
    rng = np.random.default_rng(seed)
    cases = drawn(seed, n_pairs, categories=("cat",))
    target = cases[0][0].target
    longer = max(target.size)
    return [
        (
            replace(
                p,
                target=target,
                size=p.size / max(p.target.size) * longer,
                groups=rng.permutation(p.groups),
                twins=p.twins[::-1].copy(),
            ),
            m,
        )
        for p, m in cases
    ]


def together(cases):
    each = [similarity(p, m) for p, m in cases]
    return SimilarityMap(
        np.concatenate([m.values for m in each]),
        each[0].grid,
        np.concatenate([m.queries for m in each]),
    )


@examples(30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_pairs_of_a_target_do_not_hang_on_each_other(seed, n_pairs):
    cases, needs = of_one_target(seed, n_pairs), Needs.of(MAP_RULES)
    found = table([target_columns([p for p, _ in cases], together(cases), needs)])
    expected = table([pair_columns(p, similarity(p, m), needs) for p, m in cases])
    assert found.equals(expected)
    assert (found.dtypes == expected.dtypes).all()


@pytest.mark.parametrize("where", [[0], [1], [2], [0, 1], [0, 1, 2]])
def test_a_pair_whose_source_shows_nothing_has_no_row(where):
    cases = of_one_target(5, 3)
    nothing = Keypoints(np.full((4, 2), np.nan), np.zeros(4, bool))
    for i in where:
        blind, maps = cases[i]
        source = replace(blind.source, keypoints=nothing)
        cases[i] = replace(blind, source=source), maps[:0]
    needs = Needs.of(MAP_RULES)
    found = target_columns([p for p, _ in cases], together(cases), needs)
    seen = [c for i, c in enumerate(cases) if i not in where]
    assert set(found["pair_id"]) == {p.pair_id for p, _ in seen}
    if seen:
        expected = target_columns([p for p, _ in seen], together(seen), needs)
        for key, values in expected.items():
            np.testing.assert_array_equal(found[key], values, err_msg=key)


def test_no_keypoint_at_all_is_no_row():
    none = Keypoints(np.empty((0, 2)), np.empty(0, bool))
    [(made, maps)] = of_one_target(1, 1)
    view = replace(made.source, keypoints=none)
    ids = np.empty(0, np.int64)
    empty = replace(made, source=view, target=view, groups=ids, twins=ids)
    found = target_columns([empty], similarity(empty, maps[:0]), Needs.of(MAP_RULES))
    assert all(len(values) == 0 for values in found.values())
