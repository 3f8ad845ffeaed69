"""Rows of coloured feature maps over several images of a category, one row for each model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from matplotlib.figure import Figure

from kapbench.types import FeatureMap, Grid, Picture, View
from kapbench_leaderboard.figures import captions, feature_colours
from kapbench_leaderboard.figures.style import LINE_IN, bare, blank, column_in, shortened

_GAP_IN = 0.03
_MARGIN = 1.12  # of a square around the object


@runtime_checkable
class NamesMaps(Protocol):
    """A model with maps to show besides the features by which it is compared.

    Structural, like every protocol of kapbench: an adapter that has the method has the pictures.
    """

    def maps(self, pictures: Sequence[Picture]) -> Mapping[str, Sequence[FeatureMap]]:
        """By name, one map a picture. Three channels in −1 … 1 are shown as they are."""


@dataclass(frozen=True)
class Tile:
    """One image of the figure. `mask`: True on the object; None if it is unknown."""

    view: View
    pixels: UInt8[np.ndarray, "h w 3"]
    mask: Bool[np.ndarray, "h w"] | None


@dataclass(frozen=True)
class Row:
    """One map an image. `as_they_are`: three coordinates, not to be turned into components."""

    label: str
    maps: tuple[FeatureMap, ...]
    as_they_are: bool = False


def draw_feature_maps(tiles: Sequence[Tile], rows: Sequence[Row], subject: str = "") -> Figure:
    """Images on top, cut to their objects; below, named rows of coloured maps, one basis a row.

    Where masks are known, colours stand on the objects alone.

    Args:
        subject: The title: data set and category. "": none.
    """
    width_in = column_in()
    title = captions.title_lines(width_in, subject) if subject else []
    cell_in = (width_in - _GAP_IN * (len(tiles) - 1)) / len(tiles)
    ratio = _ratio(tiles)
    tall_in = cell_in * ratio
    maps_in = tall_in + len(rows) * (tall_in + LINE_IN + _GAP_IN)
    height_in = maps_in + (captions.title_in(title) if title else 0.0)
    figure = blank(width_in, height_in)
    captions.draw_title(figure, title)
    coloured = [[s.pixels for s in tiles], *(_coloured(row, tiles) for row in rows)]
    labels = ["", *(row.label for row in rows)]
    for i, (label, images) in enumerate(zip(labels, coloured, strict=True)):
        bottom_in = maps_in - tall_in - i * (tall_in + LINE_IN + _GAP_IN)
        above = (bottom_in + tall_in + 0.02) / height_in
        figure.text(0, above, shortened(label, width_in), va="bottom")
        for j, (tile, image) in enumerate(zip(tiles, images, strict=True)):
            left_in = j * (cell_in + _GAP_IN)
            box = (left_in / width_in, bottom_in / height_in)
            axes = figure.add_axes((*box, cell_in / width_in, tall_in / height_in))
            axes.imshow(image, extent=(0, tile.view.size[0], tile.view.size[1], 0))
            bare(axes, tile.view.size)
            x, y, wide, tall = window(tile.view, ratio)
            axes.set_xlim(x, x + wide)
            axes.set_ylim(y + tall, y)
    return figure


def window(view: View, ratio: float) -> tuple[float, float, float, float]:
    """Around the object, of height `ratio` a width of 1: left, top, width and height in pixels.

    Within the image where it fits.
    """
    x0, y0, x1, y1 = view.bbox
    width = _MARGIN * max(x1 - x0, (y1 - y0) / ratio)
    sides = width, width * ratio
    corner = []
    for middle, side, length in zip(((x0 + x1) / 2, (y0 + y1) / 2), sides, view.size, strict=True):
        start = middle - side / 2
        corner.append(min(max(start, 0.0), length - side) if side <= length else start)
    return corner[0], corner[1], *sides


def _ratio(tiles: Sequence[Tile]) -> float:
    """Height over width of the objects' boxes, the middle one; neither very flat nor very tall."""
    boxes = np.array([tile.view.bbox for tile in tiles])
    ratios = (boxes[:, 3] - boxes[:, 1]) / (boxes[:, 2] - boxes[:, 0])
    return float(np.median(ratios).clip(0.6, 1.25))


def _coloured(row: Row, tiles: Sequence[Tile]) -> list[Shaped[np.ndarray, "h w 4"]]:
    """An RGBA image in pixels of each tile; transparent beyond a known object."""
    flat = [feature_colours.cells(m) for m in row.maps]
    if row.as_they_are:
        colours_of_maps = [feature_colours.coordinates(cells) for cells in flat]
    else:
        members = [
            cells[feature_colours.on_object(m.grid, s.view, s.mask)]
            for cells, m, s in zip(flat, row.maps, tiles, strict=True)
        ]
        basis = feature_colours.Basis.of(np.concatenate(members))
        colours_of_maps = [basis.colours(cells) for cells in flat]
    return [
        _over(colours, m.grid, tile)
        for colours, m, tile in zip(colours_of_maps, row.maps, tiles, strict=True)
    ]


def _over(colours: UInt8[np.ndarray, "n 3"], grid: Grid, tile: Tile) -> Shaped[np.ndarray, "h w 4"]:
    """Each pixel takes the colour of the cell that holds its centre."""
    width, height = tile.view.size
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    x0, y0, x1, y1 = grid.box
    column = ((x - x0) / (x1 - x0) * grid.width).astype(int).clip(0, grid.width - 1)
    row = ((y - y0) / (y1 - y0) * grid.height).astype(int).clip(0, grid.height - 1)
    pixels = colours.reshape(grid.height, grid.width, 3)[np.ix_(row, column)]
    alpha = np.full((height, width), 255, np.uint8)
    if tile.mask is not None:
        alpha[~tile.mask] = 0
    return np.dstack([pixels, alpha])
