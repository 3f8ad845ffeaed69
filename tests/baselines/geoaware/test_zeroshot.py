"""Pose alignment: mirrored where it fits better, and then asked at the mirror twin."""

import numpy as np
import pytest

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.types import Picture

QUERIES = np.array([[5.0, 8.0], [30.0, 20.0], [40.5, 33.0]])
TWINS = np.array([[30.0, 20.0], [5.0, 8.0], [np.nan, np.nan]])


def image(seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return Picture(small.repeat(8, axis=0).repeat(8, axis=1), f"i{seed}")


def flipped(shown: Picture) -> Picture:
    return Picture(np.ascontiguousarray(shown.pixels[:, ::-1]), shown.image_id + "-flipped")


@pytest.fixture(scope="module")
def model():
    return load_model("geoaware.zeroshot", backbone="lite0")


def best(found):
    """Original pixels of each map's best cell."""
    x, y = found.grid.centres()
    cells = found.values.reshape(len(found.values), -1).argmax(1)
    return np.column_stack([x[cells % found.grid.width], y[cells // found.grid.width]])


def test_an_image_and_itself_are_not_mirrored(model):
    shown = image(0)
    found = model.match(shown, shown, QUERIES, TWINS)
    assert np.abs(best(found) - QUERIES).max() < 3


def test_an_image_and_its_mirror_image_are(model):
    """The keypoint's label stays on its side: a query is found where its twin's pixels went."""
    shown = image(1)
    found = model.match(shown, flipped(shown), QUERIES, TWINS)
    expected = np.column_stack([shown.size[0] - TWINS[:2, 0], TWINS[:2, 1]])
    assert np.abs(best(found)[:2] - expected).max() < 3


def test_a_query_without_a_shown_twin_is_answered_by_the_image_as_it_is(model):
    shown, other = image(1), flipped(image(1))
    alone = model.match(shown, other, QUERIES[2:], TWINS[2:])
    among = model.match(shown, other, QUERIES, TWINS)
    assert np.allclose(alone.values[0], among.values[2], atol=1e-5)


def test_a_keypoint_without_a_twin_is_its_own(model):
    shown = image(2)
    found = model.match(shown, flipped(shown), QUERIES, QUERIES)
    expected = np.column_stack([shown.size[0] - QUERIES[:, 0], QUERIES[:, 1]])
    assert np.abs(best(found) - expected).max() < 3


def test_it_says_what_it_looks_at(model):
    assert model.conditions_on == ("twins",)
    masked = load_model("geoaware.zeroshot", choice="mask")
    assert masked.conditions_on == ("mask", "twins")
    assert masked.revision != model.revision


def test_a_choice_that_there_is_not():
    with pytest.raises(KapbenchError, match="Unknown choice 'nearest'"):
        load_model("geoaware.zeroshot", choice="nearest")
