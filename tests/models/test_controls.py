"""A bug of a metric shows first in the controls: their scores are known."""

from itertools import pairwise

import numpy as np
import pytest
from pictures import picture
from scattered import Scattered

import kapbench
from kapbench.models.controls import Constant, Pixels, Random
from kapbench.scoring.rules import load_rule, rule_names

# Without rules that need features or one certain grid.
WITHOUT_FEATURES = [n for n in rule_names() if n not in ("pck-dift", "pck-sd-dino-dinov1")]


@pytest.fixture(scope="module")
def dataset():
    return Scattered()


@pytest.fixture(scope="module")
def oracle(dataset, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return kapbench.evaluate(
        kapbench.load_model("oracle"), dataset, rule=WITHOUT_FEATURES, cache=cache, intervals=False
    )


@pytest.mark.parametrize("name", WITHOUT_FEATURES)
def test_the_oracle_is_right_at_alpha_010(oracle, name):
    """An evaluator that calls the corner right for absent keypoints cannot be satisfied."""
    score = oracle.headline(name)
    if name == "kap-neurips25":
        assert 0 < score < 1
    else:
        assert score == 1.0


def test_ceilings_fall_with_alpha(oracle):
    average, over = load_rule("pck-sd-dino").headline
    rows = [
        oracle.card.score("pck-sd-dino", "pck", alpha, over, average=average)
        for alpha in (0.10, 0.05, 0.01)
    ]
    assert all(a.value >= b.value for a, b in pairwise(rows))
    assert rows[2].value < 1


SIMULATED = {"kap-cvpr24": kapbench.kap, "pck-sd-dino": kapbench.pck}


@pytest.fixture(scope="module")
def simulated(dataset):
    """By rule: scores of the same pairs with maps drawn afresh, by no code of the control's."""
    pairs = dataset.pairs()
    out = {rule: [] for rule in SIMULATED}
    for seed in range(20):
        rng = np.random.default_rng([99, seed])
        shown = [p.source.keypoints.visible for p in pairs]
        maps = [rng.normal(size=(s.sum(), 60, 60)) for s in shown]
        xy = [p.target.keypoints.xy[s] for p, s in zip(pairs, shown, strict=True)]
        sizes = [p.size for p in pairs], [p.target.size for p in pairs]
        for rule, function in SIMULATED.items():
            out[rule].append(function(maps, xy, *sizes, rule=rule))
    return {rule: np.array(scores) for rule, scores in out.items()}


@pytest.fixture(scope="module")
def scored(dataset, tmp_path_factory):
    """By rule: scores of the control with eight seeds."""
    cache = tmp_path_factory.mktemp("cache")
    runs = [
        kapbench.evaluate(Random(s), dataset, rule=[*SIMULATED], cache=cache, intervals=False)
        for s in range(8)
    ]
    return {rule: np.array([run.headline(rule) for run in runs]) for rule in SIMULATED}


@pytest.mark.parametrize("rule", SIMULATED)
def test_random_scores_what_chance_scores(simulated, scored, rule):
    """Means over seeds differ by no more than their standard errors allow (z < 4)."""
    expected, found = simulated[rule], scored[rule]
    error = np.hypot(
        expected.std(ddof=1) / len(expected) ** 0.5, found.std(ddof=1) / len(found) ** 0.5
    )
    assert abs(found.mean() - expected.mean()) < 4 * error


def test_random_pck_is_the_share_of_cells_in_the_circle(dataset, scored):
    """The best cell is uniform: its centre is right as often as centres lie within alpha · T."""
    centre = 14 * np.arange(60) + 6.5
    x, y = np.meshgrid(centre, centre)
    chances = []
    for pair in dataset.pairs():
        scale = 840 / max(pair.target.size)
        offset = [(840 - round(s * scale)) // 2 for s in pair.target.size]
        both = pair.source.keypoints.visible & pair.target.keypoints.visible
        chances += [
            (np.hypot(x - at[0], y - at[1]) < 0.1 * pair.size * scale).mean()
            for at in pair.target.keypoints.xy[both] * scale + offset
        ]
    chances, found = np.array(chances), scored["pck-sd-dino"]
    error = np.sqrt((chances * (1 - chances)).sum() / len(found)) / len(chances)
    assert 0.005 < chances.mean() < 0.1
    assert abs(found.mean() - chances.mean()) < 4 * error


def test_random_depends_on_names_cell_and_seed():
    source, target = picture(60, 60), picture(60, 40, 1)
    queries = np.array([[10.2, 10.3], [10.4, 10.1], [50, 50]])
    maps = Random().match(source, target, queries).values
    assert (maps[0] == maps[1]).all()
    assert (maps[0] != maps[2]).any()
    assert (maps == Random().match(source, target, queries).values).all()
    assert (maps != Random(1).match(source, target, queries).values).any()
    assert (maps != Random().match(target, source, queries).values).any()
    assert Random(1).revision != Random().revision


def test_constant_always_points_at_the_middle():
    maps = Constant().match(picture(60, 60), picture(60, 40, 1), np.array([[1.0, 1], [9, 9]]))
    assert maps.values.reshape(2, -1).argmax(axis=1).tolist() == [30 * 60 + 30] * 2


def test_pixels_are_mean_colours():
    shown = picture(60, 60)
    values = Pixels().encode([shown])[0].values
    assert values.shape == (3, 60, 60)
    np.testing.assert_allclose(values.mean(), shown.pixels.mean() / 255, atol=0.01)
