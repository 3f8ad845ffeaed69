"""Concept PCK, wrong members and identity: on paper, by loops over the definition, and their laws."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import drawn, estimate, pair, peaks, records

from kapbench.models.reference_models import Oracle
from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.grid_geometry import anchor_points
from kapbench.scoring.part_scores import PART_SCORES
from kapbench.scoring.rules import load_rule
from kapbench.scoring.schema import Needs
from kapbench.scoring.score_table import score_table
from kapbench.types import Grid

RULE = load_rule("pck-v1")
ALPHA = 0.10
seeds = st.integers(0, 2**32 - 1)
# A part of three of which two are counterparts, two counterparts without a group, one alone.
PARTS = {"n_keypoints": 6, "groups": (0, 0, 0, -1, -1, -1), "twins": (1, 0, 2, 4, 3, 5)}


def value(rows, metric: str, average: str = "point") -> float:
    return float(estimate(rows, RULE, ALPHA, average, metric=metric).values[0])


def scores(cases) -> dict[str, float]:
    rows = records(cases, [RULE])
    return {metric: value(rows, metric) for metric in ("pck", *PART_SCORES)}


def test_concept_counts_every_member_of_the_part_that_the_target_shows():
    # Cell 6 is at (525, 315), alpha T is 100. The part of 0 is {0, 1, 2}, that of 3 is {3, 4}.
    target = [(105, 105), (525, 315), None, (105, 735), (525, 320), (735, 105)]
    given = pair([(1, 1)] * 6, target, groups=PARTS["groups"], twins=PARTS["twins"])
    # 0 at its counterpart; 1 right; absent 2 at a member; 3 at its counterpart; 4 wrong; 5 right.
    maps = peaks({6: 1}, {6: 1}, {6: 1}, {6: 1}, {15: 1}, {3: 1})
    found = scores([(given, maps)])
    assert found["pck"] == pytest.approx(2 / 5)
    assert found["pck_concept"] == pytest.approx(4 / 5)
    assert found["wrong_member"] == pytest.approx(2 / 5)
    assert found["pck_cc"] == pytest.approx(5 / 6)  # with the absent keypoint 2


def test_an_absent_part_is_not_counted_and_an_other_part_is_wrong():
    target = [None, None, None, None, None, (525, 315)]
    given = pair([(1, 1)] * 6, target, groups=PARTS["groups"], twins=PARTS["twins"])
    found = scores([(given, peaks(*[{6: 1}] * 6))])
    assert (found["pck"], found["pck_concept"], found["pck_cc"]) == (1.0, 1.0, 1.0)
    rows = records([(given, peaks(*[{6: 1}] * 6))], [RULE])
    assert estimate(rows, RULE, ALPHA, "point", metric="pck_cc").n[0] == 1
    assert np.isnan(found["identity"])


def test_identity_looks_at_the_cells_of_visible_members_alone():
    # Members 0, 1, 2 lie in the cells 0, 6 and 15; 3 and 4 in 3 and 12; nothing else matters.
    target = [(105, 105), (525, 315), (735, 735), (735, 105), (105, 735), (315, 315)]
    given = pair([(1, 1)] * 6, target, groups=PARTS["groups"], twins=PARTS["twins"])
    maps = peaks(
        {0: 2, 6: 1, 9: 9},  # 0 is the most similar member, another cell is higher
        {0: 2, 6: 2},  # 1 and 0 are equal
        {15: 1, 6: 2},  # 1 is more similar than 2
        {},  # 3 and 4 are equal
        {12: 1},  # 4 is the most similar
        {5: 1},  # 5 is alone
    )
    rows = records([(given, maps)], [RULE])
    assert rows["identity"].tolist()[:5] == [1.0, 0.5, 0.0, 0.5, 1.0]
    assert np.isnan(rows["identity"][5])
    assert value(rows, "identity") == pytest.approx(3 / 5)
    assert value(rows, "identity_chance") == pytest.approx((3 / 3 + 2 / 2) / 5)


def test_members_in_one_cell_are_equal():
    target = [(100, 100), (110, 110), (735, 735)]
    given = pair([(1, 1)] * 3, target, groups=[0, 0, 0], twins=[1, 0, 2])
    rows = records([(given, peaks({0: 1}, {0: 1}, {0: 1}))], [RULE])
    assert rows["identity"].tolist() == [0.5, 0.5, 0.0]


def looped(cases, metric: str) -> float:
    """Mean over rows, from the definitions; NaN without a row."""
    outcomes = []
    for case, values in cases:
        seen = np.flatnonzero(case.source.keypoints.visible)
        for keypoint, similarities in zip(seen.tolist(), values, strict=True):
            outcomes.extend(of_row(case, keypoint, similarities, metric))
    return float(np.mean(outcomes)) if outcomes else np.nan


def of_row(case, keypoint: int, similarities, metric: str):
    target = case.target.keypoints
    grid = Grid.letterbox(case.target.size, similarities.shape[0], 840)
    if case.groups[keypoint] >= 0:
        part = [k for k in range(len(case.groups)) if case.groups[k] == case.groups[keypoint]]
    else:
        part = sorted({keypoint, int(case.twins[keypoint])})
    members = [k for k in part if target.visible[k]]
    if metric in ("identity", "identity_chance"):
        if not target.visible[keypoint] or len(members) < 2:
            return []
        if metric == "identity_chance":
            return [1 / len(members)]
        by_member = {k: similarities.flat[cell_of(grid, target.xy[k])] for k in members}
        best = [k for k in members if by_member[k] == max(by_member.values())]
        return [(keypoint in best) / len(best)]
    x, y = grid.centres()
    row, column = divmod(int(similarities.argmax()), grid.width)
    near = [
        k for k in members if np.hypot(*(target.xy[k] - (x[column], y[row]))) < ALPHA * case.size
    ]
    if metric == "pck_cc":
        return [bool(near)] if members else []
    if not target.visible[keypoint]:
        return []
    return [
        {
            "pck": keypoint in near,
            "pck_concept": bool(near),
            "wrong_member": bool(near) and keypoint not in near,
        }[metric]
    ]


def cell_of(grid: Grid, xy) -> int:
    """The cell of the nearest centre, the first of equally near ones."""
    x, y = grid.centres()
    away = np.hypot(xy[0] - x[None, :], xy[1] - y[:, None]).ravel()
    return int(np.flatnonzero(away <= away.min() + 1e-6)[0])


@examples(12)
@given(seeds, st.integers(1, 6), st.sampled_from([4, 5]), st.sampled_from([1, 3, 1000]))
def test_scores_are_those_of_loops_over_the_definition(seed, n_pairs, cells, n_scores):
    cases = drawn(seed, n_pairs, **PARTS, cells=cells, n_scores=n_scores, categories=("cat",))
    rows = records(cases, [RULE])
    for metric in ("pck", *PART_SCORES):
        assert value(rows, metric) == pytest.approx(looped(cases, metric), abs=1e-12, nan_ok=True)


@examples(12)
@given(seeds, st.sampled_from(["point", "image"]))
def test_concept_is_exact_and_wrong_members_together(seed, average):
    rows = records(drawn(seed, 8, **PARTS, categories=("cat",)), [RULE])
    exact, concept, wrong = (
        value(rows, m, average) for m in ("pck", "pck_concept", "wrong_member")
    )
    if np.isnan(exact):
        assert np.isnan(concept)
        assert np.isnan(wrong)
        return
    assert concept == pytest.approx(exact + wrong, abs=1e-12)
    assert 0 <= wrong <= 1
    assert exact <= concept


@examples(12)
@given(seeds, st.sampled_from(["point", "image"]))
def test_identity_of_equal_scores_is_chance_exactly(seed, average):
    rows = records(drawn(seed, 6, **PARTS, n_scores=1, categories=("cat",)), [RULE])
    identity, chance = (value(rows, m, average) for m in ("identity", "identity_chance"))
    assert identity == chance or (np.isnan(identity) and np.isnan(chance))


@examples(8)
@given(seeds)
def test_identity_depends_on_the_order_of_similarities_alone(seed):
    """So a distance with a minus sign and a dot product are treated alike."""
    cases = drawn(seed, 5, **PARTS)
    moved = [(given, np.float32(3) * values - np.float32(100)) for given, values in cases]
    np.testing.assert_array_equal(
        records(cases, [RULE])["identity"], records(moved, [RULE])["identity"]
    )


@examples(8)
@given(seeds)
def test_the_oracle_identifies_every_member_that_has_a_cell_of_its_own(seed):
    """Also keypoints on the edge of two cells: their coordinates are whole numbers of pixels."""
    for case, _ in drawn(seed, 2, **PARTS):

        def maps(rule, case=case):
            return Oracle().match_pair(case, lambda g: anchor_points(rule, g, case.target.size))

        rows = table([pair_columns(case, maps, Needs.of([RULE]))])
        grid = Grid.letterbox(case.target.size, 60, 840)
        points = case.target.keypoints.xy
        for keypoint, share in rows.set_index("keypoint")["identity"].dropna().items():
            own = cell_of(grid, points[keypoint])
            seen = np.flatnonzero(case.target.keypoints.visible)
            in_cell = [k for k in seen if k != keypoint and cell_of(grid, points[k]) == own]
            assert share == 1.0 or in_cell


def test_a_table_has_these_scores_only_of_data_with_parts_and_with_their_columns():
    rows = records(drawn(3, 6, **PARTS, n_images=3), [RULE])

    def metrics(table):
        return {s.metric for s in score_table(table, [RULE])} & set(PART_SCORES)

    assert metrics(rows) == set(PART_SCORES)
    assert metrics(rows.drop(columns="identity")) == set(PART_SCORES) - {"identity"}
    assert metrics(records(drawn(3, 12, groups=[-1] * 4, twins=range(4)), [RULE])) == set()
    assert not {s.metric for s in score_table(rows, [RULE], scoring=4)} & set(PART_SCORES)
    geo = load_rule("geo")
    of_subset = {s.metric for s in score_table(records(drawn(3, 2), [geo]), [geo])}
    assert of_subset == {"pck"}


def test_identity_is_stored_for_every_alpha():
    rows = records(drawn(3, 6, **PARTS, n_images=3), [RULE])
    of_identity = [s for s in score_table(rows, [RULE]) if s.metric == "identity"]
    by_key: dict[tuple[str, str], set[float | None]] = {}
    for score in of_identity:
        by_key.setdefault((score.average, score.category), set()).add(score.value)
    assert {s.alpha for s in of_identity} == set(RULE.alphas)
    assert all(len(values) == 1 for values in by_key.values())
