"""Features of images in one byte a number, small enough for a page.

A feature is (scale of its cell) · (scale of its channel) · (whole number from -127 to 127). The
channels' scales are shared by all images of a model, so that they cost nothing in a dot product:
they are multiplied into the query once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, Int8

from kapbench.protocols import Similarity
from kapbench.types import Grid
from kapbench_leaderboard.explore.coarsen import coarsened, fitting_shape

_LARGEST = 127
_BYTES_BESIDE = 4  # of each cell: its scale, a float32
Features = tuple[Float32[np.ndarray, "_ _"], Grid]


@dataclass(frozen=True, slots=True)
class QuantisedMap:
    """Features of one image by cell, row by row."""

    values: Int8[np.ndarray, "n c"]
    cell_scales: Float32[np.ndarray, "n"]
    grid: Grid


@dataclass(frozen=True, slots=True)
class QuantisedModel:
    """Features of all images of one model."""

    similarity: Similarity
    channel_scales: Float32[np.ndarray, "c"]
    maps: tuple[QuantisedMap, ...]

    def features(self, image: int) -> Float32[np.ndarray, "n c"]:
        """What the bytes of an image stand for: unit vectors where the similarity is `dot`."""
        of_image = self.maps[image]
        return np.asarray(of_image.cell_scales[:, None] * (of_image.values * self.channel_scales))

    def similarities(
        self, source: int, cells: Int[np.ndarray, "q"], target: int
    ) -> Float32[np.ndarray, "q n"]:
        """Similarity of cells of one image to all cells of another, as the page computes it."""
        queries, features = self.features(source)[cells], self.features(target)
        products = queries @ features.T
        if self.similarity == "dot":
            return np.asarray(products)
        squares = np.square(features).sum(axis=1) + np.square(queries).sum(axis=1)[:, None]
        return np.asarray(-np.sqrt(np.maximum(squares - 2 * products, 0)))


def quantise(
    features: Sequence[Features], similarity: Similarity, most_bytes: int
) -> QuantisedModel:
    """
    Args:
        features: By cell, in the model's own scale, with the grid of each image.
        most_bytes: Of one image. Where all channels of all cells take more, the grid is coarser.
    """
    maps = [_reduced(cells, grid, similarity, most_bytes) for cells, grid in features]
    largest = np.max([np.abs(cells).max(axis=0) for cells, _ in maps], axis=0)
    channel_scales = np.where(largest > 0, largest, 1).astype(np.float32)
    quantised = tuple(_quantised(cells, grid, channel_scales, similarity) for cells, grid in maps)
    return QuantisedModel(similarity, channel_scales, quantised)


def _reduced(
    cells: Float32[np.ndarray, "n c"], grid: Grid, similarity: Similarity, most_bytes: int
) -> tuple[Float32[np.ndarray, "m c"], Grid]:
    """Unit vectors (features of length 0 stay 0) or features, on a grid that fits."""
    most_cells = most_bytes // (cells.shape[1] + _BYTES_BESIDE)
    shape = fitting_shape(grid, most_cells)
    if similarity == "neg_l2":
        return coarsened(cells, grid, *shape)
    means, coarser = coarsened(_unit(cells), grid, *shape)
    return _unit(means), coarser


def _unit(cells: Float32[np.ndarray, "n c"]) -> Float32[np.ndarray, "n c"]:
    length = np.linalg.norm(cells, axis=1, keepdims=True)
    return cells / np.where(length > 0, length, 1)


def _quantised(
    cells: Float32[np.ndarray, "n c"],
    grid: Grid,
    channel_scales: Float32[np.ndarray, "c"],
    similarity: Similarity,
) -> QuantisedMap:
    even = cells / channel_scales
    largest = np.abs(even).max(axis=1, keepdims=True)
    values = np.rint(even / np.where(largest > 0, largest, 1) * _LARGEST).astype(np.int8)
    rounded = values * channel_scales
    squares = np.square(rounded).sum(axis=1)
    # The scale that makes a unit vector again, or the vector that is nearest to the feature.
    wanted = (
        np.linalg.norm(cells, axis=1) * np.sqrt(squares)
        if similarity == "dot"
        else (rounded * cells).sum(axis=1)
    )
    scales = np.divide(wanted, squares, out=np.zeros_like(squares), where=squares > 0)
    return QuantisedMap(values, scales.astype(np.float32), grid)
