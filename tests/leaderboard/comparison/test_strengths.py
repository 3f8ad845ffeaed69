"""Each kind of sentence on a model's page, from scores whose differences are known by hand."""

from dataclasses import replace

import numpy as np
import pytest

from kapbench.scoring.bootstrap import Replicates
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.diagnosis.quantity import Quantity
from kapbench_leaderboard.comparison.median_gaps import by_category, in_average
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.comparison.split_scores import CostlyKeypoint, OfSplit, SplitScores
from kapbench_leaderboard.comparison.standings import standings
from kapbench_leaderboard.comparison.strengths import TWIN_AUROC, Evidence, facts

CATEGORIES = ("cat", "dog")
EVEN = np.array([0.5, 0.5])
N_RESAMPLES, N_IMAGES = 200, 25


def scores(cat: float, dog: float, *, seed: int = 0, error: float = 0.005) -> Replicates:
    """Of two categories. `error`: standard error of each, of this seed alone."""
    value = np.array([cat, dog])
    drawn = np.random.default_rng(seed).normal(size=(N_RESAMPLES, 2))
    drawn = (drawn - drawn.mean(axis=0)) / drawn.std(axis=0, ddof=1)
    of_images = error * (N_IMAGES - 2) / (N_IMAGES - 1) * drawn
    sums = (value + of_images / 2).astype(np.float32)
    # Products are as the sums of two: no pair varies beyond its images.
    return Replicates(value, 2 * sums, sums, np.full(2, N_IMAGES))


def model(
    label: str, *, kap: float = 0.5, pck: float = 0.5, auroc: float = 0.5, error: float = 0.005
) -> Evidence:
    seed = sum(map(ord, label))
    columns = {
        name: scores(value, value, seed=seed + i, error=error)
        for i, (name, value) in enumerate((("kap", kap), (TWIN_AUROC, auroc), ("pck", pck)))
    }
    made = Resamples("key", CATEGORIES, columns, dict.fromkeys(columns, EVEN))
    return Evidence(label, made)


def said(models: list[Evidence], place: int = 0) -> dict[str, tuple[bool, str]]:
    """By the words before the colon: whether it is a strength, and the rest."""
    columns = models[0].resamples.columns
    labels, runs = [m.label for m in models], [m.resamples for m in models]
    tests = {c: standings(labels, runs, c) for c in columns} if len(models) > 1 else {}
    made = facts(models, place, tests)
    assert [f.is_strength for f in made] == sorted((f.is_strength for f in made), reverse=True)
    return {f.text.partition(": ")[0]: (f.is_strength, f.text.partition(": ")[2]) for f in made}


def test_the_average_stands_above_the_median_of_the_others_and_says_how_many_are_beaten():
    models = [
        model("own", kap=0.55),
        model("a", kap=0.50),
        model("b", kap=0.48),
        model("c", kap=0.6),
    ]
    strength, words = said(models)["KAP"]
    assert strength
    # Above 50.0, the middle of 48, 50 and 60. Of two models and two categories each has an error of
    # 0.5 points, so that of the difference of averages is 0.5, if their draws are independent.
    assert words.startswith("5.0 (")
    low, high = (float(end) for end in words.partition("(")[2].partition(")")[0].split("…"))
    assert high - low == pytest.approx(2 * 2.0 * 0.5, abs=0.3)
    assert words.endswith(
        "points above the median; significantly better than 2 and worse than 1 of 3 models."
    )
    assert said(models, 3)["KAP"][1].endswith("significantly better than 3 of 3 models.")
    weakness, words = said(models, 2)["KAP"]
    assert not weakness
    assert words.startswith("7.0 (")
    assert "below the median; significantly worse than 3 of 3 models" in words


def test_one_other_model_is_named_instead_of_a_median():
    made = said([model("own", kap=0.55), model("rival", kap=0.5)])
    assert made["KAP"][1].endswith("points above rival.")


def test_nothing_is_said_where_nothing_is_significant():
    assert said([model(n, kap=0.5 + i / 100, error=0.1) for i, n in enumerate("abcd")]) == {}
    assert said([model("alone", error=0.1)]) == {}


def test_categories_are_named_from_the_largest_difference_on():
    own, *others = model("own"), model("a"), model("b"), model("c")
    columns = own.resamples.columns
    columns["kap"] = scores(0.60, 0.45, seed=1)
    made = facts(
        [own, *others],
        0,
        {c: standings("oabc", [m.resamples for m in (own, *others)], c) for c in columns},
    )
    texts = [f.text for f in made if f.text.startswith("KAP by category")]
    assert [t.partition(" (")[0] for t in texts] == [
        "KAP by category: above the median in cat by 10.0",
        "KAP by category: below the median in dog by 5.0",
    ]


def test_kap_against_pck_names_the_model_that_is_on_both_sides():
    models = [model("own", kap=0.55, pck=0.40), model("other", kap=0.50, pck=0.48)]
    strength, words = said(models)["KAP against PCK"]
    assert strength
    assert words.startswith("by KAP 5.0 (")
    assert "points above other, but by PCK 8.0 (" in words
    assert "below it" in words
    strength, words = said(models, 1)["KAP against PCK"]
    assert not strength
    assert "below own, but by PCK 8.0" in words
    models = [model("own", kap=0.55, pck=0.56), model("other", kap=0.50, pck=0.48)]
    assert "KAP against PCK" not in said(models)


def test_absence_detection_is_compared_with_chance():
    made = said([model("own", auroc=0.6)])
    assert made["Absence detection"][0]
    assert "AUROC 60.0 (" in made["Absence detection"][1]
    assert not said([model("own", auroc=0.4)])["Absence detection"][0]
    assert "Absence detection" not in said([model("own", auroc=0.501)])


@pytest.mark.parametrize(
    ("skill", "side"),
    [((0.1, 0.05, 0.15), True), ((-0.1, -0.15, -0.05), False), ((0.1, -0.01, 0.2), None)],
)
def test_skill_is_compared_with_scores_that_all_tie(skill, side):
    made = said([replace(model("own"), skill=skill)])
    assert made.get("KAP skill", (None,))[0] is side


def parts(
    there: float = 0.5,
    *,
    losses: dict[str, float] | None = None,
    costly: float | None = None,
    seed: int = 0,
) -> SplitScores:
    """`there`: PCK where the viewpoint changes by 45°; over all keypoints it is 50."""
    splits = {
        ("pck", "all"): OfSplit(scores(0.5, 0.5, seed=seed), EVEN),
        ("kap", "all"): OfSplit(scores(0.5, 0.5, seed=seed + 1), EVEN),
        ("pck", "viewpoint=1"): OfSplit(scores(there, there, seed=seed + 2), EVEN),
    }
    every = dict.fromkeys(TYPES, 0.02) | (losses or {})
    made = {
        name: Quantity(scores(share, share, seed=seed + 10 + i), EVEN)
        for i, (name, share) in enumerate(every.items())
    }
    keypoint = None if costly is None else CostlyKeypoint("dog", 7, scores(0.0, costly), 1, 40)
    return SplitScores(splits, made, keypoint)


def with_parts(*every: SplitScores) -> list[Evidence]:
    return [replace(model(name), parts=each) for name, each in zip("abcdef", every, strict=False)]


def test_a_split_is_named_where_the_model_differs_there_and_more_than_elsewhere():
    others = [parts(seed=100 * i) for i in (1, 2, 3)]
    strength, words = said(with_parts(parts(0.6), *others))["Strongest part by PCK"]
    assert strength
    assert words.startswith("pairs 45° of azimuth apart, 10.0 (")
    assert "above the median there, and 10.0 (" in words
    assert not said(with_parts(parts(0.4), *others))["Weakest part by PCK"][0]
    assert "Strongest part by PCK" not in said(with_parts(parts(0.502), *others))


def test_a_bad_model_is_not_strong_where_all_are_near_chance():
    """It is nearer to the median there, but not above it."""
    bad = parts(0.5)
    bad.splits["pck", "all"] = OfSplit(scores(0.2, 0.2, seed=5), EVEN)
    others = [parts(seed=100 * i) for i in (1, 2, 3)]
    assert not any(name.startswith("Strongest") for name in said(with_parts(bad, *others)))


def test_types_of_error_that_cost_more_or_less_than_the_median():
    others = [parts(seed=100 * i) for i in (1, 2, 3)]
    own = parts(losses={"near miss": 0.1, "elsewhere": 0.0})
    models = with_parts(own, *others)
    columns = models[0].resamples.columns
    tests = {c: standings("abcd", [m.resamples for m in models], c) for c in columns}
    texts = [
        f.text.partition(" (")[0] for f in facts(models, 0, tests) if f.text.startswith("Losses")
    ]
    assert texts == [
        "Losses: less KAP than the median to matches elsewhere by 2.0",
        "Losses: more KAP than the median to near misses by 8.0",
    ]
    own.splits["kap", "all"] = OfSplit(scores(0.4, 0.4, seed=5), EVEN)  # now behind in all
    texts = [f.text for f in facts(models, 0, tests) if f.text.startswith("Losses")]
    assert [text.partition(" KAP")[0] for text in texts] == ["Losses: more"]


def test_a_second_peak_is_not_compared_since_it_needs_a_correct_match():
    others = [parts(seed=100 * i) for i in (1, 2, 3)]
    made = said(with_parts(parts(losses={"second peak": 0.2}), *others))
    assert "Losses" not in made
    assert made["Largest loss"][1].startswith("correct matches with a second peak cost 20.0 (")
    assert "59 % of all that is lost" in made["Largest loss"][1]  # 20 of 20 + 7 · 2


def test_no_largest_loss_where_the_second_is_not_significantly_smaller():
    own = parts(losses={"near miss": 0.1, "elsewhere": 0.099})
    assert "Largest loss" not in said(with_parts(own))


def test_the_costly_keypoint_survives_a_correction_over_all_keypoints():
    made = said(with_parts(parts(costly=0.03)))
    assert made["Most costly keypoint"] == (False, made["Most costly keypoint"][1])
    assert made["Most costly keypoint"][1].startswith(
        "number 7 of dog; without it, KAP of dog would be 3.0 ("
    )
    # p is about 0.01, and 0.4 for the best of 40.
    assert "Most costly keypoint" not in said(with_parts(parts(costly=0.014)))


def test_models_without_records_have_sentences_on_scores_alone():
    models = with_parts(parts(0.6, losses={"near miss": 0.1}), parts(seed=100))
    models.append(model("c"))
    assert not any("part by" in name or name == "Losses" for name in said(models))
    assert "Largest loss" in said(models)  # it needs no other model


def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two():
    others = [scores(value, 0.5, seed=i) for i, value in enumerate((0.1, 0.4, 0.6, 0.9))]
    own = scores(0.7, 0.5, seed=9)
    first, second = by_category(own, others, CATEGORIES)
    assert first.interval.value == pytest.approx(0.2)
    assert second.interval.value == pytest.approx(0.0)
    assert first.is_significant
    assert not second.is_significant
    assert in_average(own, others, np.array([1.0, 0.0])).value == pytest.approx(0.2)


def test_a_category_without_a_score_has_no_test():
    others = [scores(np.nan, 0.5, seed=1), scores(0.4, 0.4, seed=2), scores(0.3, 0.3, seed=3)]
    first, second = by_category(scores(0.6, 0.6), others, CATEGORIES)
    assert not first.is_significant
    assert second.is_significant
