"""Resamples of runs, their differences, and ranks that are shared."""

import dataclasses

import numpy as np
import pytest
from boards import keypoint_effects

from kapbench.errors import KapbenchError
from kapbench.scoring.bootstrap import Replicates
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.comparison.resamples_file import load, save
from kapbench_leaderboard.comparison.significance import (
    against,
    differences,
    every_two,
    share_ranks,
)

CATEGORIES = ("cat", "cow")


def drawn(value: float, seed: int = 0, *, noise: float = 0.02, shared: float = 0.0) -> Resamples:
    """A run of `value` whose replicates spread by `noise`, a `shared` part alike in every run."""
    own, common = np.random.default_rng(seed), np.random.default_rng(99)
    spread = noise * np.sqrt(1 - shared) * own.normal(0, 1, (500, 2))
    spread += noise * np.sqrt(shared) * common.normal(0, 1, (500, 2))
    # Effects of images alone: sums deviate half as far as products.
    column = Replicates(
        np.full(2, value),
        (value + spread).astype(np.float32),
        (value + spread / 2).astype(np.float32),
        np.array([25, 25]),
    )
    keypoints = {"kap": keypoint_effects(np.full(2, value))}
    return Resamples("same", CATEGORIES, {"kap": column}, {"kap": np.full(2, 0.5)}, keypoints)


def test_a_difference_by_hand():
    *each, mean = differences(drawn(0.6, 1), drawn(0.5, 2))
    assert [d.category for d in each] == ["cat", "cow"]
    assert mean.interval.value == pytest.approx(0.1)
    # Two independent spreads of 0.02, two categories, and n = 25 images: (24/23).
    expected = 0.02 * np.sqrt(2) / np.sqrt(2) * 24 / 23
    assert mean.interval.error == pytest.approx(expected, rel=0.08)
    assert mean.p < 0.001


def test_what_two_runs_share_does_not_blur_their_difference():
    alone = differences(drawn(0.52, 1), drawn(0.5, 2))[-1]
    paired = differences(drawn(0.52, 1, shared=0.95), drawn(0.5, 2, shared=0.95))[-1]
    assert alone.p > 0.05 > paired.p
    assert paired.interval.error < 0.3 * alone.interval.error


def test_models_that_cannot_be_told_apart_share_a_rank():
    runs = [drawn(v, i) for i, v in enumerate((0.50, 0.505, 0.70, 0.30))]
    assert share_ranks(runs, "kap") == [2, 2, 1, 4]


def test_more_models_need_more_evidence():
    """Holm: one comparison at p = 0.03 holds alone, and not among many."""
    pair = [drawn(0.5, 1), drawn(0.55, 2)]
    gap = differences(*pair)[-1]
    assert 0.01 < gap.p < 0.05
    assert sorted(share_ranks(pair, "kap")) == [1, 2]
    many = [*pair, *(drawn(0.525, i) for i in range(3, 9))]
    assert share_ranks(many, "kap")[:2] == [1, 1]
    alone, among = against(pair[0], pair[1:], "kap"), against(pair[0], many[1:], "kap")
    assert alone[0].p < 0.05 < among[0].p


def test_what_was_not_tested_has_no_rank():
    """Three images are too few; a run alone has no rank; one without a score hides no other's rank."""
    few = [
        dataclasses.replace(
            run, columns={"kap": dataclasses.replace(run.columns["kap"], n_images=np.array([3, 3]))}
        )
        for run in (drawn(0.5, 1), drawn(0.7, 2))
    ]
    assert share_ranks(few, "kap") == [None, None]
    assert share_ranks([drawn(0.5, 1)], "kap") == [None]
    runs = [drawn(0.5, 1), drawn(float("nan"), 2), drawn(0.7, 3)]
    assert share_ranks(runs, "kap") == [2, None, 1]


def test_runs_that_were_asked_other_questions_are_refused():
    other = dataclasses.replace(drawn(0.5), key="other pairs")
    with pytest.raises(KapbenchError, match="differ in their pairs or rules"):
        differences(drawn(0.5), other)


def test_resamples_survive_a_file(tmp_path):
    made = drawn(0.5)
    save(tmp_path / "x.safetensors", made)
    read = load(tmp_path / "x.safetensors")
    assert (read.key, read.categories) == (made.key, made.categories)
    for field in ("value", "products", "sums", "n_images"):
        np.testing.assert_array_equal(
            getattr(read.columns["kap"], field), getattr(made.columns["kap"], field)
        )
    np.testing.assert_array_equal(read.weights["kap"], made.weights["kap"])


@pytest.mark.parametrize("content", [b"", b"not a tensor", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(KapbenchError, match="resamples cannot be read") as caught:
        load(path)
    assert "x.safetensors" in str(caught.value)


@pytest.mark.parametrize("part", ["value", "products", "sums"])
def test_infinite_resamples_are_refused(tmp_path, part):
    column = drawn(0.4).columns["kap"]
    infinite = np.full_like(getattr(column, part), np.inf)
    _refused(tmp_path, dataclasses.replace(column, **{part: infinite}), f"kap/{part} is not finite")


def test_resamples_of_other_shapes_are_refused(tmp_path):
    save(tmp_path / "r.safetensors", dataclasses.replace(drawn(0.4), categories=("cat",)))
    with pytest.raises(KapbenchError, match=r"not of 1 category|beyond the 1 of the run"):
        load(tmp_path / "r.safetensors")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    resamples = drawn(0.4)
    weights = {"kap": np.array([np.nan, 1.0])}
    save(tmp_path / "r.safetensors", dataclasses.replace(resamples, weights=weights))
    with pytest.raises(KapbenchError, match="kap/weights is not finite"):
        load(tmp_path / "r.safetensors")


def _refused(folder, column: Replicates, match: str) -> None:
    path = folder / "r.safetensors"
    save(path, dataclasses.replace(drawn(0.4), columns={"kap": column}))
    with pytest.raises(KapbenchError, match=match):
        load(path)


def test_categories_that_share_images_keep_it_in_the_file_and_in_every_test(tmp_path):
    """Both categories are the same images, so that their mean is known no better than one of them."""

    def of_same_images(value: float, seed: int) -> Resamples:
        run = drawn(value, seed)
        column = run.columns["kap"]
        doubled = {k: getattr(column, k)[:, [0, 0]] for k in ("products", "sums")}
        column = dataclasses.replace(column, **doubled, is_shared=True)
        return dataclasses.replace(run, columns={"kap": column})

    runs = [of_same_images(0.5 + i / 100, i) for i in range(9)]
    one, _, mean = differences(runs[1], runs[0])
    assert mean.interval.error == pytest.approx(one.interval.error, rel=0.15)
    save(tmp_path / "run.safetensors", runs[0])
    assert load(tmp_path / "run.safetensors").columns["kap"].is_shared
    of_many = every_two(runs, "kap")[0]  # of so many runs that covariances are quicker
    assert of_many.error == mean.interval.error
