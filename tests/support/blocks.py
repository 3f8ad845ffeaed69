"""Images of coloured blocks and models whose matches between them are known, as an adapter file."""

import numpy as np

from kapbench.types import FeatureMap, Grid, SimilarityMap

SIDE, BLOCK = 12, 5  # cells a side, pixels a cell


def blocks(numbers: np.ndarray) -> np.ndarray:
    """An image [60 60 3] of one colour a cell; equal numbers are equal colours, 0 is black."""
    n = np.asarray(numbers).reshape(SIDE, SIDE)
    colours = np.stack([n % 16 * 15, n // 16 * 15, n * 0], axis=-1).astype(np.uint8)
    return colours.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)


def centre(row: int, column: int) -> list[float]:
    """x, y of a cell's middle."""
    return [(column + 0.5) * BLOCK, (row + 0.5) * BLOCK]


class Blocks:
    """The colour in the middle of each block, compared by distance: exact, so that ties are ties."""

    name, revision, conditions_on, similarity = "blocks", "1", (), "neg_l2"
    n_encoded = 0

    def encode(self, pictures):
        self.n_encoded += len(pictures)
        return [
            FeatureMap(
                p.pixels[2::BLOCK, 2::BLOCK, :2].transpose(2, 0, 1).astype(np.float32) / 15,
                Grid.stretched(p.size, SIDE, SIDE),
            )
            for p in pictures
        ]


class Foreground(Blocks):
    """The object is whatever is not black."""

    name = "foreground"

    def foreground(self, pictures):
        return [p.pixels.any(axis=2) for p in pictures]


class BadForeground(Blocks):
    name = "bad-foreground"

    def foreground(self, pictures):
        return [np.ones((2, 2)) for _ in pictures]


class Conditioned(Blocks):
    """Looks at the category and the mask: features off the object are far away."""

    name, conditions_on = "conditioned", ("category", "mask")

    def encode(self, pictures):
        assert all(p.category == "block" for p in pictures)
        maps = super().encode(pictures)
        for p, m in zip(pictures, maps, strict=True):
            m.values[:, ~p.mask[2::BLOCK, 2::BLOCK]] = 1000
        return maps


class Azimuths(Blocks):
    conditions_on = ("azimuth",)


class ByName(Blocks):
    reads_image_id = True


class Pairs:
    """Sees both images: every point is similar to the first cell, and half as much to the last."""

    name, revision, conditions_on = "pairs", "1", ()

    def match(self, source, target, queries):
        values = np.zeros((len(queries), SIDE, SIDE), np.float32)
        values[:, 0, 0], values[:, -1, -1] = 1, 0.5
        return SimilarityMap(values, Grid.stretched(target.size, SIDE, SIDE), queries)


class Twins(Pairs):
    conditions_on = ("twins",)
