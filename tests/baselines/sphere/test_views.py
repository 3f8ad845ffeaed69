"""Crops, mirror images and tokens: what training is shown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kapbench.errors import KapbenchError
from kapbench_baselines.sphere.objective import draw_batch
from kapbench_baselines.sphere.settings import Augmentation, Settings
from kapbench_baselines.sphere.views import (
    cut,
    mirrored_bin,
    object_map,
    pooled,
    prepare,
    resized_crops,
    squares,
)

SMALL = Augmentation(crops=2, grid=6, side_px=24)


@pytest.mark.parametrize(("bin_", "mirrored"), [(0, 0), (1, 7), (2, 6), (4, 4), (7, 1), (None, -1)])
def test_mirrored_azimuth(bin_: int | None, mirrored: int) -> None:
    assert mirrored_bin(bin_) == mirrored


def test_cutting_the_whole_square_is_resizing_it() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10
    assert np.array_equal(cut(image, (2.0, 2.0, 4.0), 4), image)


def test_beyond_the_image_is_black() -> None:
    image = np.full((4, 4, 3), 200, np.uint8)
    found = cut(image, (0.0, 2.0, 4.0), 4)
    assert (found[:, :2] == 0).all()
    assert (found[:, 2:] == 200).all()


def test_the_first_square_is_the_letterbox_and_the_others_hold_to_their_range(
    toy_data: Any,
) -> None:
    view = toy_data.views()[0]
    view = replace(view, size=(60, 48))
    wide = Augmentation(crops=200, side=(0.7, 1.7), shift=0.15)
    first, *others = squares(view, wide, np.random.default_rng(0))
    assert first == (30.0, 24.0, 60.0)
    sides = np.array([s for _, _, s in others]) / 28
    assert 0.7 <= sides.min() < 0.75
    assert 1.6 < sides.max() <= 1.7
    assert max(abs(x - 24) for x, _, _ in others) <= 0.15 * 28


def test_resized_crops_lie_in_the_image_by_area_and_ratio() -> None:
    half = Augmentation(crops=200, area=(0.5, 0.9))
    boxes = np.array(resized_crops((60, 48), half, np.random.default_rng(0)))
    x, y, width, height = boxes.T
    assert min((x - width / 2).min(), (y - height / 2).min()) >= -1e-9
    assert (x + width / 2).max() <= 60 + 1e-9
    assert (y + height / 2).max() <= 48 + 1e-9
    shares, ratios = width * height / (60 * 48), width / height
    assert 0.5 <= shares.min() < 0.55
    assert 0.8 < shares.max() <= 0.9
    assert ratios.min() >= 3 / 4
    assert ratios.max() <= 4 / 3


def test_a_crop_larger_than_the_image_is_all_of_it_that_the_ratio_allows() -> None:
    larger = Augmentation(crops=1, area=(1.2, 1.5))
    rng = np.random.default_rng(0)
    assert resized_crops((60, 48), larger, rng) == [(30.0, 24.0, 60.0, 48.0)]
    [(x, y, width, height)] = resized_crops((100, 30), larger, rng)
    assert (x, y, width, height) == pytest.approx((50, 15, 40, 30))


def test_cutting_a_box_stretches_it() -> None:
    image = np.arange(8, dtype=np.uint8).reshape(2, 4).repeat(2, 0) * 10
    found = cut(image[:, :2], (1.0, 2.0, 2.0, 4.0), 4)
    assert np.array_equal(found, image[:, :2].repeat(2, 1))


def test_resized_crops_are_encoded_without_mirror_images(
    tmp_path: Path, toy_data: Any, new_encoder: Any
) -> None:
    encoder, views = new_encoder(), toy_data.views()[1:4]
    crops = replace(SMALL, crops=3, area=(0.5, 1.5), mirror=False)
    found = prepare(toy_data, views, ("cat", "dog"), encoder, crops, tmp_path)
    assert (found.tokens.shape, encoder.n_encoded) == ((3, 3, 36, 7), 9)
    assert found.azimuth_bin.tolist() == [[1] * 3, [2] * 3, [-1] * 3]
    settings = Settings(batch=3, tokens=36, augmentation=crops)
    generator, drawn = torch.Generator().manual_seed(0), set()
    for _ in range(20):  # every view is drawn
        batch = draw_batch(found, settings, generator, torch.device("cpu"))
        drawn |= {round(float(t), 3) for t in batch.tokens.sum((1, 2))}
    assert drawn == {round(float(t), 3) for t in found.tokens.float().sum((2, 3)).flatten()}
    mirrored = prepare(
        toy_data, views, ("cat", "dog"), encoder, replace(crops, mirror=True), tmp_path
    )
    assert mirrored.tokens.shape == (3, 6, 36, 7)


def test_the_box_stands_in_for_a_missing_mask(toy_data: Any) -> None:
    masked, boxed = toy_data.views()[:2]
    assert object_map(toy_data, masked)[1] == "mask"
    found, source = object_map(toy_data, boxed)
    assert source == "box"
    assert (found == 255).sum() == 28 * 24


def test_pooling_averages_cells() -> None:
    values = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    assert pooled(values, 2)[:, 0].tolist() == [2.5, 4.5, 10.5, 12.5]


def test_prepared_views(tmp_path: Path, toy_data: Any, new_encoder: Any) -> None:
    views = toy_data.views()
    found = prepare(toy_data, views, ("cat", "dog"), new_encoder(), SMALL, tmp_path)
    assert found.tokens.shape == (8, 6, 36, 7)
    assert found.masks == {"mask": 4, "box": 4}
    assert found.category.tolist() == [0, 1] * 4
    assert found.azimuth_bin[2].tolist() == [2, 6] * 3
    assert found.azimuth_bin[3].tolist() == [-1] * 6
    # A mirror image's coverage is the coverage, mirrored.
    straight, mirrored = found.coverage[:, ::2], found.coverage[:, 1::2]
    assert torch.equal(straight.unflatten(-1, (6, 6)).flip(-1), mirrored.unflatten(-1, (6, 6)))


def test_the_backbone_runs_once(tmp_path: Path, toy_data: Any, new_encoder: Any) -> None:
    first, second = new_encoder(), new_encoder()
    views = toy_data.views()
    one = prepare(toy_data, views, ("cat", "dog"), first, SMALL, tmp_path)
    two = prepare(toy_data, views[::-1], ("cat", "dog"), second, SMALL, tmp_path)
    assert first.n_encoded == 8 * 6
    assert second.n_encoded == 0
    assert torch.equal(one.tokens, two.tokens.flip(0))


def test_other_crops_are_encoded_anew(tmp_path: Path, toy_data: Any, new_encoder: Any) -> None:
    encoder, views = new_encoder(), toy_data.views()[:2]
    prepare(toy_data, views, ("cat", "dog"), encoder, SMALL, tmp_path)
    prepare(toy_data, views, ("cat", "dog"), encoder, replace(SMALL, seed=1), tmp_path)
    assert encoder.n_encoded == 2 * 2 * 6
    prepare(toy_data, views, ("cat", "dog"), encoder, replace(SMALL, mirror=False), tmp_path)
    assert encoder.n_encoded == 2 * 2 * 6  # the mirror images are there, and not drawn


class Shown:
    """Notes every picture that it encodes."""

    def __init__(self, encoder: Any, *conditions: str) -> None:
        self.encoder, self.conditions_on, self.pictures = encoder, conditions, []
        self.name, self.revision, self.similarity = "shown", "1", "dot"

    def encode(self, pictures: Any) -> Any:
        self.pictures += pictures
        return self.encoder.encode(pictures)


def test_a_backbone_is_shown_what_it_declares_cut_and_mirrored_alike(
    tmp_path: Path, toy_data: Any, new_encoder: Any
) -> None:
    view = toy_data.views()[2]  # with a mask, azimuth bin 2
    bare, told = Shown(new_encoder()), Shown(new_encoder(), "category", "mask", "azimuth")
    for backbone in (bare, told):
        prepare(toy_data, [view], ("cat", "dog"), backbone, SMALL, tmp_path)
    assert len(bare.pictures) == len(told.pictures) == 6  # conditions are part of the key
    assert {(p.category, p.azimuth_bin) for p in bare.pictures} == {(None, None)}
    assert all(p.mask is None for p in bare.pictures)
    assert [p.azimuth_bin for p in told.pictures] == [2, 6] * 3
    assert {p.category for p in told.pictures} == {"cat"}
    for straight, mirror in zip(told.pictures[::2], told.pictures[1::2], strict=True):
        assert np.array_equal(straight.pixels[:, ::-1], mirror.pixels)
        assert np.array_equal(straight.mask[:, ::-1], mirror.mask)
        assert straight.mask.shape == straight.pixels.shape[:2]
    assert np.array_equal(told.pictures[0].mask, toy_data.mask(view)[1::2, 1::2])


def test_a_condition_that_an_image_has_not(tmp_path: Path, toy_data: Any, new_encoder: Any) -> None:
    with pytest.raises(KapbenchError, match="looks at the mask, but toy has none"):
        prepare(
            toy_data,
            toy_data.views(),
            ("cat", "dog"),
            Shown(new_encoder(), "mask"),
            SMALL,
            tmp_path,
        )


def test_a_backbone_that_knows_images_by_name_cannot_see_crops(
    tmp_path: Path, toy_data: Any, new_encoder: Any
) -> None:
    backbone = Shown(new_encoder())
    backbone.reads_image_id = True
    with pytest.raises(
        KapbenchError, match="'shown' reads saved features by the image's name"
    ) as caught:
        prepare(toy_data, toy_data.views(), ("cat", "dog"), backbone, SMALL, tmp_path)
    assert "--backbone" in str(caught.value)
    assert backbone.pictures == []
