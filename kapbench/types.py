"""Frozen values that every part of kapbench speaks in. NumPy only.

Pixels are continuous, x right, y down, in the original image: column c covers [c, c + 1).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Real, UInt8

AZIMUTH_BINS = 8
# Distances that differ by less than this share of a cell are equal. float64 rounds at 1e-13 of a
# cell, so a point between two cells would else go to either; annotations are never so precise.
TIE_CELLS = 1e-9
# A cell is at most a ninth of the image. On fewer cells, one of them is the nearest to most keypoints,
# and a model that always predicts it is paid for where objects lie in photographs.
FEWEST_CELLS = 9


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A square frame of `side` pixels that holds a whole image, centred, the rest padding.

    Rounding is that of the published sd-dino family: the short side is rounded half to even, the
    offset truncated, and coordinates are float32.
    """

    image_size: tuple[int, int]  # width, height of the original image
    side: int

    @property
    def scale(self) -> float:
        return self.side / max(self.image_size)

    @property
    def resized(self) -> tuple[int, int]:
        """Width and height of the image inside the frame."""
        long_px = max(self.image_size)
        w, h = (int(np.around(self.side * s / long_px)) for s in self.image_size)
        return w, h

    @property
    def offset(self) -> tuple[int, int]:
        """x and y of the image's top-left corner inside the frame."""
        w, h = self.resized
        return int((self.side - w) / 2), int((self.side - h) / 2)

    def to_frame(self, xy: Real[np.ndarray, "*n 2"]) -> Float32[np.ndarray, "*n 2"]:
        """Original pixels to frame pixels, in float32 as published."""
        scaled = np.asarray(xy, np.float32) * np.float32(self.scale)
        return np.asarray(scaled + np.asarray(self.offset, np.float32))

    def to_image(self, xy: Real[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        """Frame pixels to original pixels."""
        centred = np.asarray(xy, np.float64) - np.asarray(self.offset, np.float64)
        return np.asarray(centred / self.scale)


@dataclass(frozen=True, slots=True)
class Grid:
    """`height` × `width` equal cells over `box` (x0, y0, x1, y1) in original pixels.

    The box may reach beyond the image (a letterbox does). Cells are numbered row by row.
    """

    height: int
    width: int
    box: tuple[float, float, float, float]

    @classmethod
    def letterbox(cls, image_size: tuple[int, int], cells: int, side: int) -> "Grid":
        """`cells` × `cells` over the square frame of `side` pixels around an image (w, h)."""
        frame = Letterbox(image_size, side)
        (x0, y0), (x1, y1) = frame.to_image(np.array([[0, 0], [side, side]])).tolist()
        return cls(cells, cells, (x0, y0, x1, y1))

    @classmethod
    def stretched(cls, image_size: tuple[int, int], height: int, width: int) -> "Grid":
        """`height` × `width` cells over exactly the image (w, h): an anisotropic resize."""
        return cls(height, width, (0.0, 0.0, float(image_size[0]), float(image_size[1])))

    @property
    def n_cells(self) -> int:
        return self.height * self.width

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of a cell in original pixels."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) / self.width, (y1 - y0) / self.height

    def misfit(self, image_size: tuple[int, int]) -> str | None:
        """Why matches in an image (width, height) cannot be scored on this grid; None: they can.

        The image has the area of at least `FEWEST_CELLS` cells. The cells cover it but for half a
        cell at each border, where the centres of overlapping patches begin.
        """
        (x0, y0, x1, y1), (width, height), (dx, dy) = self.box, image_size, self.cell_size
        n_cells = width * height / (dx * dy)
        if n_cells < FEWEST_CELLS * (1 - 1e-9):
            return (
                f"The grid of {self.height}×{self.width} cells is too coarse: the image has the area "
                f"of {n_cells:.1f} cells, and at least {FEWEST_CELLS} are needed"
            )
        missing = np.array([x0, y0, width - x1, height - y1])
        if (missing > np.maximum(0.5, np.array([dx, dy, dx, dy]) / 2 + 1e-6)).any():
            box = tuple(round(edge, 2) for edge in self.box)
            return f"The grid over {box} leaves part of the image of {width}×{height} px out"
        return None

    def edges(self) -> tuple[Float64[np.ndarray, "w"], Float64[np.ndarray, "h"]]:
        """x of the cells' left edges and y of their top edges, original pixels."""
        (dx, dy), (x0, y0, _, _) = self.cell_size, self.box
        return x0 + dx * np.arange(self.width), y0 + dy * np.arange(self.height)

    def centres(self) -> tuple[Float64[np.ndarray, "w"], Float64[np.ndarray, "h"]]:
        """x and y of the cells' centres, original pixels."""
        (dx, dy), (x, y) = self.cell_size, self.edges()
        return x + dx / 2, y + dy / 2

    def cell_of(self, xy: Real[np.ndarray, "n 2"]) -> Int[np.ndarray, "n"]:
        """Number of the cell that holds each point; points beyond the box go to its border cell."""
        (dx, dy), (x0, y0, _, _) = self.cell_size, self.box
        column = np.floor((xy[:, 0] - x0) / dx).clip(0, self.width - 1)
        row = np.floor((xy[:, 1] - y0) / dy).clip(0, self.height - 1)
        return np.asarray((row * self.width + column).astype(np.int64))


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Positions in original pixels, by keypoint id; NaN where the image does not show it."""

    xy: Float[np.ndarray, "K 2"]
    visible: Bool[np.ndarray, "K"]


@dataclass(frozen=True, slots=True)
class View:
    """One annotated image.

    Args:
        image_id: Unique in its data set: a relative path without ending, e.g. "cat/2007_001825".
        category: What the object is, e.g. "cat".
        size: Width and height in pixels.
        bbox: x1, y1, x2, y2 in pixels.
        keypoints: By id, also those that the image does not show.
        azimuth_bin: 0 front, 1-3 facing image-left, 4 rear, 5-7 facing image-right; None: unknown.
        mask: File of the object's mask; None: the data set has none.
        truncated: Whether the image's border cuts the object off; None: unknown.
        occluded: Whether something hides a part of the object; None: unknown.
    """

    image_id: str
    category: str
    size: tuple[int, int]
    bbox: tuple[float, float, float, float]
    keypoints: Keypoints
    azimuth_bin: int | None = None
    mask: Path | None = None
    truncated: bool | None = None
    occluded: bool | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images and what is known of their keypoints, which are numbered alike in both.

    Args:
        pair_id: Unique in its data set.
        source: The image whose visible keypoints are matched.
        target: The image that they are matched in.
        size: T, in pixels of the original target image.
        groups: Part group of each keypoint, -1 where it stands alone.
        twins: Mirror counterpart of each keypoint, itself where it has none.
        pair_group: By what results of the pair are aggregated, where its images are of two
            categories; None: by category.
    """

    pair_id: str
    source: View
    target: View
    size: float
    groups: Int[np.ndarray, "K"]
    twins: Int[np.ndarray, "K"]
    pair_group: str | None = None

    @property
    def category(self) -> str:
        """The category that records, weights and tables count the pair under.

        The pair group where there is one, else the images' common category; for two categories
        without a pair group both names, source first, e.g. "bus>ambulance".
        """
        if self.pair_group is not None:
            return self.pair_group
        source, target = self.source.category, self.target.category
        return source if source == target else f"{source}>{target}"

    @property
    def viewpoint_change(self) -> int | None:
        """Circular difference of the azimuth bins, 0-4; None where one is unknown."""
        s, t = self.source.azimuth_bin, self.target.azimuth_bin
        if s is None or t is None:
            return None
        return min((s - t) % AZIMUTH_BINS, (t - s) % AZIMUTH_BINS)


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a model is shown: pixels, and beyond them only what it declares to look at.

    Args:
        pixels: The image in RGB, in its original size.
        image_id: Its name in the data set, for messages; a model must not act on it.
        category: Only for a model that conditions on "category".
        mask: True on the object; only for a model that conditions on "mask".
        azimuth_bin: As of `View`; only for a model that conditions on "azimuth".
        prepared: What the model's own `prepare` made of the picture, where it has one.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    image_id: str
    category: str | None = None
    mask: Bool[np.ndarray, "h w"] | None = None
    azimuth_bin: int | None = None
    prepared: Any = None

    @property
    def size(self) -> tuple[int, int]:
        """Width, height."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """Un-normalised features of one image on a grid.

    Args:
        values: One vector for each cell, channels first.
        grid: Where the cells lie in the image.
    """

    values: Float[np.ndarray, "c h w"]
    grid: Grid


@dataclass(frozen=True, slots=True)
class SimilarityMap:
    """Similarity of each query point of the source to each cell of the target.

    Args:
        values: One map for each query; more is more similar.
        grid: Where the cells lie in the target image.
        queries: x and y in original source pixels.
    """

    values: Float[np.ndarray, "q h w"]
    grid: Grid
    queries: Float[np.ndarray, "q 2"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a data set's split is present."""

    categories: tuple[str, ...]  # present and whole
    categories_expected: tuple[str, ...]
    n_pairs: int
    n_pairs_expected: int

    @property
    def complete(self) -> bool:
        return self.n_pairs == self.n_pairs_expected

    def __str__(self) -> str:
        counted = self.categories if self.complete else self.categories_expected
        categories = f"{len(counted)} {'category' if len(counted) == 1 else 'categories'}"
        pairs = f"{self.n_pairs_expected:,} {'pair' if self.n_pairs_expected == 1 else 'pairs'}"
        if self.complete:
            return f"complete: {categories}, {pairs}"
        return (
            f"partial: {len(self.categories)} of {categories} ({', '.join(self.categories)}), "
            f"{self.n_pairs:,} of {pairs}"
        )
