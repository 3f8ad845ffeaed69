"""A toy data set and encoder: painted squares, a few features, milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, UInt8

from kapbench.types import Coverage, FeatureMap, Grid, Keypoints, Pair, Picture, View

SIZE = 48
TOY = Path(__file__)


def paint(number: int) -> UInt8[np.ndarray, "h w 3"]:
    rng = np.random.default_rng(number)
    image = rng.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
    image[12:36, 10:38] += rng.integers(60, 180, (24, 28, 3), dtype=np.uint8)
    return image


@dataclass
class ToyData:
    """Images of two categories with a box, eight azimuths and, some of them, a mask."""

    split: str = "trn"
    n_images: int = 8
    name: str = "toy"
    revision: str = "toy-1"
    licence: str = "none"
    citation: str = "none"
    size_from: ClassVar[str] = "box"
    has_absent: bool = True
    categories: tuple[str, ...] = ("cat", "dog")

    @property
    def coverage(self) -> Coverage:
        n = len(self.pairs())
        return Coverage(self.categories, self.categories, n, n)

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        found = [self._view(i) for i in range(self.n_images)]
        return [v for v in found if categories is None or v.category in categories]

    def _view(self, number: int) -> View:
        xy = np.array([[14.0, 16.0], [30.0, 30.0], [20.0 + number, 20.0]])
        visible = np.array([True, True, number % 3 != 0])
        return View(
            image_id=f"{self.split}/{number}",
            category=self.categories[number % 2],
            size=(SIZE, SIZE),
            bbox=(10.0, 12.0, 38.0, 36.0),
            keypoints=Keypoints(np.where(visible[:, None], xy, np.nan), visible),
            azimuth_bin=None if number == 3 else number % 8,
        )

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        alone, self_twins = np.full(3, -1), np.arange(3)
        views = self.views(categories)
        return [
            Pair(f"{s.image_id}:{t.image_id}", s, t, 28.0, alone, self_twins)
            for s in views
            for t in views
            if s is not t and s.category == t.category
        ]

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        return paint(int(view.image_id.split("/")[1]))

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        if int(view.image_id.split("/")[1]) % 2:
            return None
        found = np.zeros((SIZE, SIZE), bool)
        found[14:34, 12:36] = True
        return found


class ToyEncoder:
    """Mean colours of 12 × 12 cells, their squares and a constant."""

    name = "toy"
    revision = "1"
    conditions_on = ()
    similarity = "dot"

    def __init__(self) -> None:
        self.n_encoded = 0

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        self.n_encoded += len(pictures)
        return [self._one(p) for p in pictures]

    def _one(self, picture: Picture) -> FeatureMap:
        from PIL import Image

        small = np.asarray(Image.fromarray(picture.pixels).resize((12, 12)), np.float32) / 255
        values = np.concatenate([small, small**2, np.ones((12, 12, 1), np.float32)], axis=2)
        return FeatureMap(values.transpose(2, 0, 1), Grid.stretched(picture.size, 12, 12))


def words(tmp_path: Path, *more: str) -> list[str]:
    """A command line that trains on the toy_backbone; `more` takes the place of what it repeats."""
    usual = {
        "--backbone": f"{TOY}:ToyEncoder",
        "--dataset": f"{TOY}:ToyData",
        "--steps": "4",
        "--batch": "4",
        "--validate-every": "2",
        "--precision": "fp32",
        "--cache": str(tmp_path / "cache"),
        "--out": str(tmp_path / "out"),
    }
    return [*chain(*((k, v) for k, v in usual.items() if k not in more)), *more]
