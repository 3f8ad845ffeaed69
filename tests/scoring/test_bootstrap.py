"""The bootstrap over images: what its weights are, and whether its intervals hold the truth."""

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scoring_cases import drawn, records

from kapbench.scoring.bootstrap import Replicates, Resampling, holm, interval, replicates
from kapbench.scoring.estimators import Ratio
from kapbench.scoring.intervals import Interval
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import estimator, score_table

PCK, KAP = load_rule("pck-v1"), load_rule("kap-v1")
ONE = np.ones(1)


def many(seed: int) -> list:
    """Enough images that every resample has a score."""
    return drawn(seed, 60, categories=["cat"], n_images=12)


def rows_of(pairs: list[tuple[str, str]], categories: list[str]) -> pd.DataFrame:
    """Rows with images only: one per pair, in order."""
    source, target = zip(*pairs, strict=True)
    return pd.DataFrame(
        {
            "pair_id": pd.Categorical([f"{i:05d}" for i in range(len(pairs))]),
            "keypoint": 0,
            "category": pd.Categorical(categories),
            "source_image": pd.Categorical(source),
            "target_image": pd.Categorical(target),
        }
    )


def mean_of(values: np.ndarray) -> Ratio:
    n = np.array([len(values)])
    ones = np.ones(len(values))
    return Ratio(values, ones, np.zeros(len(values), np.int64), n, n, np.zeros(1, np.int64))


@examples(20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_a_pair_weighs_the_product_of_its_images_draws(seed, n):
    # One pair of each image with itself tells its draws squared.
    names = [f"i{k}" for k in range(n)]
    everything = [(a, b) for a in names for b in names]
    resampling = Resampling.of(rows_of(everything, ["c"] * n**2), 7, seed)
    (products, sums), *more = resampling.weights()
    assert not more
    drawn_times = np.sqrt(products.reshape(n, n, 7)[range(n), range(n)])
    assert (drawn_times == np.round(drawn_times)).all()
    np.testing.assert_array_equal(drawn_times.sum(axis=0), n - 1)
    expected = drawn_times[:, None] * drawn_times[None]
    np.testing.assert_array_equal(products.reshape(n, n, 7), expected)
    np.testing.assert_array_equal(sums.reshape(n, n, 7), drawn_times[:, None] + drawn_times[None])


def test_images_are_drawn_within_their_category():
    pairs = [(f"{category}{k}", f"{category}{k}") for category in "xy" for k in range(5)]
    resampling = Resampling.of(rows_of(pairs, ["x"] * 5 + ["y"] * 5), 400)
    np.testing.assert_array_equal(resampling.n_images, [5, 5])
    weights = np.concatenate([w for w, _ in resampling.weights()], axis=1)
    drawn_times = np.sqrt(weights)
    np.testing.assert_array_equal(drawn_times[:5].sum(axis=0), 4)
    np.testing.assert_array_equal(drawn_times[5:].sum(axis=0), 4)
    assert abs(np.corrcoef(drawn_times[0], drawn_times[5])[0, 1]) < 0.15


def shared_by_two(second: str) -> tuple[Replicates, Resampling]:
    """Scores of two categories, equal effects of 12 targets; `second` begins the names of the other's."""
    n, rng = 12, np.random.default_rng(1)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    rows = rows_of(
        [(f"{name}{i:02d}", f"{name}{j:02d}") for name in ("i", second) for i, j in pairs],
        ["x"] * len(pairs) + ["y"] * len(pairs),
    )
    effects = rng.normal(0, 1, n)
    score = np.tile([effects[j] for _, j in pairs], 2)
    counts, group = np.full(2, len(pairs)), np.repeat([0, 1], len(pairs))
    of_both = Ratio(score, np.ones(len(score)), group, counts, counts, np.zeros(2, int))
    resampling = Resampling.of(rows, 1000)
    return replicates(of_both, resampling), resampling


def test_an_image_of_two_categories_is_drawn_once_for_both():
    """Two categories of the same images know no more than one; of other images, half the variance."""
    apart, drawn_apart = shared_by_two("j")
    shared, drawn_once = shared_by_two("i")
    assert (drawn_apart.is_shared, drawn_once.is_shared) == (False, True)
    np.testing.assert_array_equal(drawn_once.counts[:12], drawn_once.counts[12:])
    np.testing.assert_array_equal(drawn_once.counts.sum(axis=0), 2 * 11)
    one, both = np.array([1.0, 0.0]), np.full(2, 0.5)
    ratios = [
        interval(each, both, "plain").error / interval(each, one, "plain").error
        for each in (apart, shared)
    ]
    assert ratios == pytest.approx([np.sqrt(1 / 2), 1], abs=0.05)
    assert interval(shared - shared, both, "plain").error == 0
    assert (shared - apart).is_shared


def test_the_order_of_rows_does_not_change_the_draws():
    rows = records(many(3), [PCK])
    shuffled = rows.sample(frac=1, random_state=0, ignore_index=True)
    first, second = (Resampling.of(r, 20) for r in (rows, shuffled))
    np.testing.assert_array_equal(first.counts, second.counts)
    np.testing.assert_array_equal(first.source, second.source)
    np.testing.assert_array_equal(first.target, second.target)


@pytest.mark.parametrize(("of_images", "of_pairs"), [(1.0, 0.0), (0.3, 1.0), (0.0, 1.0)])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(of_images, of_pairs):
    held, errors, values = 0, [], []
    names = [f"i{k:02d}" for k in range(20)]
    pairs = [(i, j) for i in range(20) for j in range(20) if i != j]
    rows = rows_of([(names[i], names[j]) for i, j in pairs], ["c"] * len(pairs))
    source, target = np.array(pairs).T
    for trial in range(150):
        rng = np.random.default_rng([trial, int(10 * of_images)])
        effect = of_images * rng.normal(0, 1, (2, 20))
        noise = of_pairs * rng.normal(0, 1, len(pairs))
        made = mean_of(effect[0][source] + effect[1][target] + noise)
        found = interval(replicates(made, Resampling.of(rows, 400, trial)), ONE, "plain")
        assert found.low <= found.value <= found.high
        held += found.low <= 0.0 <= found.high
        errors.append(found.error)
        values.append(found.value)
    assert 134 <= held <= 150  # 0.95 · 150 = 142.5 ± 2.7
    # What images add cannot be below nothing, so noise alone is overstated a little.
    assert 0.85 < np.sqrt(np.mean(np.square(errors))) / np.std(values) < 1.3


def test_a_bootstrap_over_pairs_alone_would_be_far_too_narrow():
    """Why images are drawn: pairs that share an image say the same twice."""
    rng = np.random.default_rng(0)
    pairs = [(i, j) for i in range(20) for j in range(20) if i != j]
    source, target = np.array(pairs).T
    effect = rng.normal(0, 1, (2, 20))
    values = effect[0][source] + effect[1][target]
    rows = rows_of([(f"i{i:02d}", f"i{j:02d}") for i, j in pairs], ["c"] * len(pairs))
    found = interval(replicates(mean_of(values), Resampling.of(rows, 300)), ONE, "plain")
    assert found.error > 3 * values.std() / np.sqrt(len(values))


def test_the_same_seed_gives_the_same_interval_and_another_another():
    rows = records(many(3), [PCK])
    made = estimator(rows, PCK, 0.10, "point")
    first, again, other = (
        interval(replicates(made, Resampling.of(rows, 120, seed)), ONE, "logit")
        for seed in (5, 5, 6)
    )
    assert first == again
    assert first.value == other.value
    assert first.error != other.error


def test_the_number_of_resamples_at_a_time_is_irrelevant(monkeypatch):
    rows = records(many(3), [KAP])
    made, resampling = estimator(rows, KAP, 0.10, "category"), Resampling.of(rows, 60)
    whole = replicates(made, resampling)
    monkeypatch.setattr("kapbench.scoring.bootstrap.CHUNK", 7)
    monkeypatch.setattr("kapbench.scoring.bootstrap.SMALL", 1)
    cut = replicates(made, resampling)
    np.testing.assert_array_equal(whole.products, cut.products)
    np.testing.assert_array_equal(whole.sums, cut.sums)


def test_a_difference_is_that_of_the_values_and_changes_sign_with_its_sides():
    cases = many(1)
    first = records(cases, [PCK])
    second = records([(p, m[:, ::-1].copy()) for p, m in cases], [PCK])
    both = [
        replicates(estimator(r, PCK, 0.10, "point"), Resampling.of(r, 100)) for r in (first, second)
    ]
    forth, back = (interval(a - b, ONE, "plain") for a, b in (both, both[::-1]))
    assert forth.value == both[0].value[0] - both[1].value[0]
    assert (back.low, back.high) == (-forth.high, -forth.low)
    assert forth.p == back.p
    none = interval(both[0] - both[0], ONE, "plain")
    assert (none.value, none.low, none.high, none.p) == (0.0, 0.0, 0.0, 1.0)


def test_p_is_students_and_agrees_with_the_interval():
    found = Interval(0.5, 0.2, 24.0)
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(2.5, 24))
    assert found.half_width == pytest.approx(0.2 * scipy_stats.t.ppf(0.975, 24))
    at_the_edge = Interval(found.half_width, 0.2, 24.0)
    assert at_the_edge.p == pytest.approx(0.05)
    assert Interval(1.96, 1.0, float("inf")).p == pytest.approx(0.05, abs=1e-4)


def test_categories_are_independent_so_the_mean_is_known_better():
    cases = drawn(2, 300, categories=["cat", "dog"], n_images=12)
    rows = records(cases, [PCK])
    again = replicates(estimator(rows, PCK, 0.10, "point"), Resampling.of(rows, 400))
    cat, dog, mean = (interval(again, w, "plain") for w in (*np.eye(2), np.full(2, 0.5)))
    assert mean.value == pytest.approx((cat.value + dog.value) / 2)
    assert mean.error == pytest.approx(np.hypot(cat.error, dog.error) / 2)
    assert max(cat.freedom, dog.freedom) == 5.5 < mean.freedom <= 11


def test_a_rare_resample_without_a_score_is_left_out_and_a_common_one_leaves_no_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (1000, 3)).astype(np.float32)
    values[:10, 1] = values[:11, 2] = np.nan
    given = Replicates(np.zeros(3), values, values, np.full(3, 20))
    rare, common = given.variances()[1:]
    assert rare == pytest.approx(given.variances()[0], rel=0.2)
    assert np.isnan(common)


@pytest.mark.parametrize("n_images", [2, 3])
def test_too_few_images_have_no_interval(n_images):
    rows = records(drawn(0, 30, categories=["cat"], n_images=n_images), [PCK])
    again = replicates(estimator(rows, PCK, 0.10, "point"), Resampling.of(rows, 50))
    found = interval(again, ONE, "logit")
    assert not np.isnan(found.value)
    assert np.isnan([found.low, found.high, found.p]).all()


def test_a_score_that_is_nowhere_defined_has_no_bounds():
    rows = records(many(1), [PCK])
    nothing = estimator(rows, PCK, 0.10, "point", split="viewpoint=0")
    if not nothing.by_category().n.any():
        assert np.isnan(interval(replicates(nothing, Resampling.of(rows, 20)), ONE, "logit").value)
    assert np.isnan(interval(replicates(nothing, Resampling.of(rows, 20)), 0 * ONE, "logit").value)


@examples(50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_a_step_down_bonferroni(p):
    found = holm(np.array(p))
    k = len(p)
    assert (found >= p).all()
    assert (found <= np.minimum(1, k * np.array(p)) + 1e-12).all()
    assert found[np.argmin(p)] == pytest.approx(min(1, k * min(p)))
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= 0).all()


def test_holm_by_hand():
    np.testing.assert_allclose(
        holm(np.array([0.01, 0.04, 0.03, np.nan])), [0.03, 0.06, 0.06, np.nan]
    )


def test_a_table_has_intervals_on_every_score_it_promises():
    rows = records(many(5), [KAP, PCK])
    told, splits_with_intervals = [], set()
    scores = score_table(rows, [KAP, PCK], resampling=Resampling.of(rows, 30), advance=told.append)
    for score in scores:
        of_samples = score.metric in ("prevalence", "auroc", "rounding", "identity_chance")
        at_first = score.split == "all" or score.alpha == 0.10 or score.metric == "absence_auroc"
        promised = at_first and not of_samples
        if not promised or not score.n:
            assert score.low is None
        elif score.split == "all" and score.metric != "symmetry_confusion":
            assert score.low <= score.value <= score.high <= 1
            assert score.low >= 0 or score.metric == "kap_skill"
        elif score.low is not None:  # a small split may have none, or one beside its score
            assert score.low <= score.high
            splits_with_intervals.add(score.split)
    assert splits_with_intervals >= {"symmetric", "other"}
    assert sum(told) == len(told) > 20


@examples(30)
@given(st.integers(0, 2**32 - 1))
def test_images_are_numbered_by_category_and_name(seed):
    # names that begin alike, in both categories; codes in no order; a pair that has no row
    rng = np.random.default_rng(seed)
    words = rng.permutation(["a", "a b", "a-", "aa", "B", "é", "z"])
    n = 12
    rows = pd.DataFrame(
        {
            "pair_id": pd.Categorical.from_codes(
                rng.permutation(n - 1), [str(i) for i in range(n)]
            ),
            "category": pd.Categorical(rng.choice(["a", "a a", "é"], n - 1), ["é", "a", "a a"]),
            "source_image": pd.Categorical(rng.choice(words, n - 1), words),
            "target_image": pd.Categorical(rng.choice(words[:4], n - 1), words[:4]),
        }
    )
    resampling = Resampling.of(rows, 5, seed)
    assert len({len(resampling.source), len(resampling.target), n}) == 1
    of = rows.set_index("pair_id").astype(str).reindex([str(i) for i in range(n)], fill_value="")
    names = [
        list(zip(of["category"], of[c], strict=True)) for c in ("source_image", "target_image")
    ]
    every = sorted({*names[0], *names[1]})
    numbers = [[every.index(name) for name in side] for side in names]
    np.testing.assert_array_equal([resampling.source, resampling.target], numbers)
    assert len(resampling.counts) == len(every)
    assert not resampling.counts[0].any()  # the image of a pair without rows


def test_a_table_without_rows_has_no_draws():
    rows = records(drawn(0, 3))[:0]
    found = Resampling.of(rows, 10)
    assert not found.counts.sum()
    assert (found.n_images == 0).all()
