"""A tiny data set and two models that behave: each case's file changes one of them."""

import numpy as np
from dots import Colours, Dots

from kapbench.types import Grid, SimilarityMap


class Kept(Dots):
    """Holds its images and hands out its own arrays, as a data set of the user's may."""

    categories = ("dot",)

    def __init__(self, split: str = "test") -> None:
        super().__init__(split, 3)
        self._images = {}

    def pixels(self, view):
        if view.image_id not in self._images:
            self._images[view.image_id] = super().pixels(view)
        return self._images[view.image_id]

    def mask(self, view):
        return np.ones((64, 64), bool)


class GoodEncoder(Colours):
    """Three channels on 16 × 16 cells."""

    name = "twin"

    def maps(self, pictures):
        return Colours.encode(self, pictures)

    def encode(self, pictures):
        return self.maps(pictures)


class GoodL2(GoodEncoder):
    """The same, compared by Euclidean distance."""

    similarity = "neg_l2"


class GoodPairs:
    """Negative distance of colours, looked up at each query's pixel."""

    name, revision, conditions_on = "twin", "1", ()

    def answer(self, source, target, queries):
        at = np.clip(queries.astype(int), 0, 63)
        colours = source.pixels[at[:, 1], at[:, 0]].astype(np.float32)
        cells = target.pixels[2::4, 2::4].astype(np.float32)
        values = -np.linalg.norm(cells[None] - colours[:, None, None], axis=-1) / 255
        return SimilarityMap(
            values.astype(np.float32), Grid.stretched(target.size, 16, 16), queries
        )

    def match(self, source, target, queries):
        return self.answer(source, target, queries)
