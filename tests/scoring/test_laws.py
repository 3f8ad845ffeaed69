"""What must hold of any records: orders, weights, splits, joins, units. Scores tie on purpose."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scoring_cases import MAP_RULES, drawn, estimate, pair, records, similarity

from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.grid_geometry import anchor_points
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import KapRule, PckRule, Rule, load_rule
from kapbench.scoring.schema import Needs
from kapbench.scoring.score_table import ScoreRequest, estimator, score_requests, score_table
from kapbench.scoring.splits import SPLITS, select
from kapbench.types import Grid

seeds = st.integers(0, 2**32 - 1)
few = st.integers(1, 7)
KAP_RULES = [r for r in MAP_RULES if isinstance(r, KapRule)]
PCK_RULES = [r for r in MAP_RULES if isinstance(r, PckRule)]
quick = examples(12)
slow = examples(5)


FOR_TABLES = [
    load_rule(n).model_copy(update={"alphas": (0.10,)})
    for n in ("kap-cvpr24", "kap-neurips25", "kap-v1", "pck-geoaware", "geo")
]


def same_scores(first: pd.DataFrame, second: pd.DataFrame) -> None:
    keys = ["rule", "metric", "average", "alpha", "split", "category"]
    tables = [
        pd.DataFrame([s.model_dump() for s in score_table(r, FOR_TABLES)]) for r in (first, second)
    ]
    left, right = (
        t[t.metric != "rounding"].sort_values(keys, ignore_index=True) for t in tables
    )  # rounding draws noise row by row
    pd.testing.assert_frame_equal(left[[*keys, "n"]], right[[*keys, "n"]])
    np.testing.assert_allclose(left["value"], right["value"], atol=1e-12)


@slow
@given(seeds, few)
def test_order_of_rows_and_pairs_is_irrelevant(seed, n_pairs):
    cases = drawn(seed, n_pairs)
    rows = records(cases)
    shuffled = rows.sample(frac=1, random_state=seed % 1000, ignore_index=True)
    same_scores(rows, shuffled)
    same_scores(rows, records(cases[::-1]))


@slow
@given(seeds, few)
def test_joining_tables_is_scoring_all_pairs_at_once(seed, n_pairs):
    cases = drawn(seed, n_pairs)
    whole, cut = records(cases), seed % n_pairs
    text = [c for c in whole if whole[c].dtype == "category"]
    parts = [records(c).astype(dict.fromkeys(text, "str")) for c in (cases[cut:], cases[:cut]) if c]
    joined = pd.concat(parts, ignore_index=True).astype(dict.fromkeys(text, "category"))
    same_scores(whole, joined)


def at_one_alpha(rules: Sequence[Rule], rng: np.random.Generator) -> list[ScoreRequest]:
    """Every score that is asked for, at one of its rule's alphas, by chance."""
    groups: dict[tuple[str, ...], list[ScoreRequest]] = {}
    for request in score_requests(rules):
        key = request.rule.name, request.metric, request.average, request.split
        groups.setdefault(key, []).append(request)
    return [group[rng.integers(len(group))] for group in groups.values()]


def repeated(rows: pd.DataFrame, times: np.ndarray) -> pd.DataFrame:
    """Each pair as often as `times` says, under new names."""
    text = [c for c in rows if rows[c].dtype == "category"]
    plain = rows.astype(dict.fromkeys(text, "str"))
    copies = []
    for i in range(int(times.max(initial=0))):
        copy = plain[times > i].copy()
        copy["pair_id"] = copy["pair_id"] + f"#{i}"
        copies.append(copy)
    joined = pd.concat(copies, ignore_index=True)
    joined = joined.astype(dict.fromkeys(text, "category"))
    joined["category"] = joined["category"].cat.set_categories(rows["category"].cat.categories)
    return joined


@quick
@given(seeds, few)
@pytest.mark.parametrize("rule", MAP_RULES, ids=lambda r: r.name)
def test_an_integer_weight_is_a_repeated_pair(rule, seed, n_pairs):
    rows = records(drawn(seed, n_pairs), [rule])
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 4, (len(rows["pair_id"].cat.categories), 3))
    pair_codes = rows["pair_id"].cat.codes.to_numpy()
    copies = [repeated(rows, w[pair_codes]) if w.any() else None for w in weights.T]
    for ask in at_one_alpha([rule], rng):
        how = {"metric": ask.metric, "split": ask.split}
        made = estimator(rows, rule, ask.alpha, ask.average, **how)
        together = made.at(weights.astype(np.float32)).values
        for found, more in zip(together, copies, strict=True):
            if more is not None:
                expected = estimate(more, rule, ask.alpha, ask.average, **how)
                np.testing.assert_allclose(found, expected.values, atol=1e-6)


@quick
@given(seeds, few)
def test_no_weights_are_weights_of_one(seed, n_pairs):
    rows = records(drawn(seed, n_pairs))
    ones = np.ones((len(rows["pair_id"].cat.categories), 2), np.float32)
    for ask in at_one_alpha(MAP_RULES, np.random.default_rng(seed)):
        made = estimator(rows, ask.rule, ask.alpha, ask.average, split=ask.split)
        for found in made.at(ones).values:
            np.testing.assert_allclose(found, made.by_category().values, atol=1e-6)


@quick
@given(seeds, few)
def test_splits_partition_the_rows(seed, n_pairs):
    rows = records(drawn(seed, n_pairs), [])
    assert (select(rows, "symmetric") ^ select(rows, "other")).all()
    by_viewpoint = sum(select(rows, s).astype(int) for s in SPLITS if s.startswith("viewpoint"))
    assert (by_viewpoint == 1).all()
    # Half the keypoints are twins, by the way the cases are drawn.
    np.testing.assert_array_equal(select(rows, "symmetric"), rows["keypoint"] < 2)


@quick
@given(seeds, few)
def test_counts_of_splits_add_up(seed, n_pairs):
    rows = records(drawn(seed, n_pairs))
    for rule in (load_rule("kap-cvpr24"), load_rule("pck-sd-dino")):
        average = rule.headline[0]
        whole, symmetric, other = (
            estimate(rows, rule, 0.10, average, split=s) for s in ("all", "symmetric", "other")
        )
        np.testing.assert_array_equal(whole.n, symmetric.n + other.n)
    whole, symmetric, other = (
        np.nan_to_num(b.values) * b.n
        for b in (
            estimate(rows, load_rule("pck-sd-dino"), 0.10, "point", split=s)
            for s in ("all", "symmetric", "other")
        )
    )
    np.testing.assert_allclose(whole, symmetric + other, atol=1e-9)


@slow
@given(seeds, few)
def test_scores_are_shares_and_skills_are_at_most_1(seed, n_pairs):
    for score in score_table(records(drawn(seed, n_pairs)), FOR_TABLES):
        lowest = -np.inf if score.metric == "kap_skill" else -1e-12
        assert score.value is None or lowest <= score.value <= 1 + 1e-12
        if score.n == 0:
            assert score.value is None, score


@quick
@given(seeds, few, st.sampled_from([-3.0, 0.5, 8.0]), st.sampled_from([0.25, 1.0, 16.0]))
@pytest.mark.parametrize(
    "rule", [r for r in KAP_RULES if r.rescale == "pair-min-max"], ids=lambda r: r.name
)
def test_units_of_a_pairs_maps_are_irrelevant_to_rules_that_rescale(
    rule, seed, n_pairs, shift, scale
):
    cases = drawn(seed, n_pairs)
    moved = [(p, m * np.float32(scale) + np.float32(shift)) for p, m in cases]
    first, second = (kap_samples(records(c, [rule]), rule, 0.10) for c in (cases, moved))
    np.testing.assert_array_equal(first.label, second.label)
    np.testing.assert_allclose(first.score, second.score, atol=1e-6)


@quick
@given(seeds, few, st.sampled_from([-3.0, 0.5]), st.sampled_from([0.25, 16.0]))
def test_units_shared_by_all_pairs_are_irrelevant_to_v1(seed, n_pairs, shift, scale):
    rule = load_rule("kap-v1")
    cases = drawn(seed, n_pairs)
    moved = [(p, m * np.float32(scale) + np.float32(shift)) for p, m in cases]
    first, second = (
        estimate(records(c, [rule]), rule, 0.10, "category").values for c in (cases, moved)
    )
    np.testing.assert_array_equal(first, second)


def oracle_maps(made, rule, grid):
    """1 at the cell whose measured point is nearest the keypoint; flat for an absent one."""
    shown = np.flatnonzero(made.source.keypoints.visible)
    points = anchor_points(
        rule.geometry if isinstance(rule, KapRule) else rule.decode, grid, made.target.size
    ).reshape(-1, 2)
    out = np.zeros((len(shown), grid.n_cells), np.float32)
    for row, k in zip(out, shown, strict=True):
        if made.target.keypoints.visible[k]:
            row[np.square(points - made.target.keypoints.xy[k]).sum(axis=1).argmin()] = 1
    return out.reshape(len(shown), grid.height, grid.width)


@quick
@given(seeds, few)
@pytest.mark.parametrize(
    "name",
    [
        "kap-cvpr24",
        "kap-v1",
        "kap-neurips25-fixed",
        "pck-sd-dino",
        "pck-geoaware",
        "pck-v1",
        "geo",
        "pck-omniprobe",
        "pck-omniprobe-ap10k",
        "pck-probe3d",
        "pck-chm",
    ],
)
def test_an_oracle_scores_one(name, seed, n_pairs):
    rule = load_rule(name)
    parts = []
    for made, _ in drawn(seed, n_pairs):
        grid = Grid.letterbox(made.target.size, 60, 840)
        maps = oracle_maps(made, rule, grid)
        parts.append(pair_columns(made, similarity(made, maps, grid), Needs.of([rule])))
    rows = table(parts)
    for average in rule.averages:
        values = estimate(rows, rule, 0.10, average).values
        assert ((values == 1.0) | np.isnan(values)).all()
        if isinstance(rule, PckRule) and rule.subset == "all":
            assert (
                values[rows.groupby("category", observed=False)["target_visible"].any()] == 1
            ).all()


@quick
@given(st.integers(0, 7), st.integers(0, 7))
def test_viewpoint_change_has_no_direction(first, second):
    forth, back = (pair([(1, 1)], [(1, 1)], azimuths=a) for a in ((first, second), (second, first)))
    assert forth.viewpoint_change == back.viewpoint_change
    assert forth.viewpoint_change == min(abs(first - second), 8 - abs(first - second))


@pytest.mark.parametrize("azimuths", [(None, 1), (1, None), (None, None)])
def test_an_unknown_azimuth_gives_no_viewpoint_change(azimuths):
    made = pair([(1, 1)], [(1, 1)], azimuths=azimuths)
    assert made.viewpoint_change is None
    rows = records([(made, np.zeros((1, 4, 4)))], [])
    assert rows["viewpoint_change"].tolist() == [-1]
    assert not any(select(rows, f"viewpoint={c}").any() for c in range(5))


def test_absent_with_twin_balances_its_labels():
    """A score that ignores the image gets one half, whatever the numbers of either label."""
    rng = np.random.default_rng(0)
    cases = []
    for i in range(400):
        target = [(420, 210), None] if i % 5 else [(420, 210), (210, 420)]
        made = pair([(1, 1), (2, 2)], target, twins=[1, 0], name=str(i))
        # Positives and negatives from one distribution: the inside's only cell and the absent's
        # whole map hold the same draw.
        maps = np.repeat(rng.random((2, 1, 1)), 16, axis=1).reshape(2, 4, 4)
        cases.append((made, maps))
    rule = load_rule("kap-v1")
    found = estimate(records(cases, [rule]), rule, 0.10, "category", split="absent_with_twin")
    assert found.n[0] == 400 + 80 + 320
    assert found.values[0] == pytest.approx(0.5, abs=0.05)


def test_absent_with_twin_ignores_keypoints_without_one_and_negatives_of_visible_ones():
    made = pair([(1, 1)] * 4, [(420, 210), None, None, (1, 1)], twins=[1, 0, 2, 3])
    rule = load_rule("kap-cvpr24")
    rows = records([(made, np.arange(64, dtype=float).reshape(4, 4, 4))], [rule])
    found = estimate(rows, rule, 0.10, "category", split="absent_with_twin")
    # Keypoint 0's positive, keypoint 1's negative; 2 is absent but alone, 3 is its own twin.
    assert (found.n[0], found.n_negative[0]) == (2, 1)


def test_truncated_and_occluded_pairs_are_known_or_in_neither_split():
    rows = records(drawn(0, 8), [])
    rows["truncation"] = np.resize([-1, 0, 1, 2, 3], len(rows)).astype(np.int8)
    none, some = (select(rows, f"truncation={word}") for word in ("none", "some"))
    np.testing.assert_array_equal(none, rows["truncation"] == 0)
    np.testing.assert_array_equal(some, rows["truncation"] >= 1)
    assert not (none | some)[rows["truncation"] == -1].any()
