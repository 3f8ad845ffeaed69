"""Pose alignment: mirrored where it fits better, and then asked at the mirror twin."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.types import Grid, Picture
from kapbench_baselines.geoaware.pose_choice import CHOICES, smallest_row
from kapbench_baselines.sphere.views import mirrored

QUERIES = np.array([[5.0, 8.0], [30.0, 20.0], [40.5, 33.0]])
TWINS = np.array([[30.0, 20.0], [5.0, 8.0], [np.nan, np.nan]])


def image(seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return Picture(small.repeat(8, axis=0).repeat(8, axis=1), f"i{seed}")


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
    found = model.match(shown, mirrored(shown), QUERIES, TWINS)
    expected = np.column_stack([shown.size[0] - TWINS[:2, 0], TWINS[:2, 1]])
    assert np.abs(best(found)[:2] - expected).max() < 3


def test_a_query_without_a_shown_twin_is_answered_by_the_image_as_it_is(model):
    shown, other = image(1), mirrored(image(1))
    alone = model.match(shown, other, QUERIES[2:], TWINS[2:])
    among = model.match(shown, other, QUERIES, TWINS)
    assert np.allclose(alone.values[0], among.values[2], atol=1e-5)


def test_a_keypoint_without_a_twin_is_its_own(model):
    shown = image(2)
    found = model.match(shown, mirrored(shown), QUERIES, QUERIES)
    expected = np.column_stack([shown.size[0] - QUERIES[:, 0], QUERIES[:, 1]])
    assert np.abs(best(found) - expected).max() < 3


@pytest.mark.parametrize("choice", ["published-mutual", "published-mask", "cosine-sum"])
def test_every_choice_mirrors_the_mirror_image_and_not_the_image(choice):
    model = load_model("geoaware.zeroshot", choice=choice)
    shown = image(1)
    if "mask" in model.conditions_on:
        mask = np.zeros((48, 64), bool)
        mask[8:40, 4:40] = True  # nearer to one side
        shown = replace(shown, mask=mask)
    plain = model.match(shown, shown, QUERIES[:2], TWINS[:2])
    assert np.abs(best(plain) - QUERIES[:2]).max() < 3
    turned = model.match(shown, mirrored(shown), QUERIES[:2], TWINS[:2])
    expected = np.column_stack([shown.size[0] - TWINS[:2, 0], TWINS[:2, 1]])
    assert np.abs(best(turned) - expected).max() < 3


@pytest.mark.parametrize(("n", "m"), [(1, 3), (60, 5), (121, 40), (179, 7)])
def test_the_smallest_row_of_each_column_is_the_first_of_equal_ones(n, m):
    values = torch.randint(0, 9, (n, m), generator=torch.Generator().manual_seed(n)).float()
    for first_of_all in (0.0, torch.nan):
        values[values == 0] = first_of_all
        assert torch.equal(smallest_row(values), values.argmin(0))


COUNTS = """
import numpy as np
from PIL import Image
from kapbench import FeatureMap, Grid

class Counts:
    name, revision, conditions_on, similarity = "counts", "1", (), "dot"
    n_encoded = 0

    def encode(self, pictures):
        self.n_encoded += len(pictures)
        small = [np.asarray(Image.fromarray(p.pixels).resize((8, 6)), np.float32) for p in pictures]
        grids = [Grid.stretched(p.size, height=6, width=8) for p in pictures]
        return [FeatureMap(v.transpose(2, 0, 1), g) for v, g in zip(small, grids)]
"""


def test_each_image_and_its_mirror_image_are_encoded_once_in_a_run(tmp_path):
    """And the maps are those of a model that has seen nothing before."""
    (tmp_path / "counts.py").write_text(COUNTS)
    backbone = f"{tmp_path}/counts.py:Counts"
    model, images = load_model("geoaware.zeroshot", backbone=backbone), [image(s) for s in range(3)]
    for source, target in permutations(images, 2):
        values = model.match(source, target, QUERIES, TWINS).values
        fresh = load_model("geoaware.zeroshot", backbone=backbone)
        alone = fresh.match(source, target, QUERIES, TWINS).values
        np.testing.assert_array_equal(alone, values)
    assert model._encoder.n_encoded == 2 * len(images)


def test_only_the_choice_on_masks_sees_masks():
    models = {c: load_model("geoaware.zeroshot", choice=c) for c in CHOICES}
    assert {c: m.conditions_on for c, m in models.items()} == {
        "published-mutual": ("twins",),
        "published-mask": ("mask", "twins"),
        "cosine-sum": ("twins",),
    }
    assert len({m.revision for m in models.values()}) == len(models)
    assert load_model("geoaware.zeroshot").options["choice"] == "published-mutual"


def test_a_choice_that_does_not_exist():
    with pytest.raises(KapbenchError, match="Unknown choice 'mutual'") as error:
        load_model("geoaware.zeroshot", choice="mutual")
    assert "published-mutual" in str(error.value.fix)


STACK = """
import numpy as np
from kapbench import FeatureMap, Grid

class Stack:
    name, revision, conditions_on, similarity, parts = "stack", "1", (), "dot", (2, 1, 3)

    def encode(self, pictures):
        rng = np.random.default_rng(0)
        maps = [rng.normal(size=(6, 4, 4)).astype(np.float32) for _ in pictures]
        maps[0][:3] *= 1000  # of a larger scale than the last part
        return [FeatureMap(m, Grid.letterbox(p.size, 4, 840)) for m, p in zip(maps, pictures)]
"""


def test_parts_of_a_stack_are_normalised_apart(tmp_path):
    (tmp_path / "stack.py").write_text(STACK)
    model = load_model("geoaware.zeroshot", backbone=f"{tmp_path}/stack.py:Stack")
    similarity = model.match(image(0), image(0), QUERIES, QUERIES).values.reshape(3, 16)
    values = np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32)
    both = [part / np.linalg.norm(part, axis=0) for part in (values[:3], values[3:])]
    unit = np.concatenate(both) / np.sqrt(2)
    cells = Grid.letterbox((64, 48), 4, 840).cell_of(QUERIES)
    np.testing.assert_allclose(similarity, unit[:, cells].T @ unit, atol=2e-3)
