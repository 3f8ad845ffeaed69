"""From the cells of a similarity map to points, and from points to the cells around them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Real

from kapbench.errors import KapbenchError
from kapbench.scoring.rules import Decode, Geometry
from kapbench.types import TIE_CELLS, Grid, Letterbox

SOURCE_FRAME_PX = 840  # source cells are found in this frame, in float32, as published
OVERLAP_STRIDE_PX = 4  # of the decode for patches of 8 px that overlap by half


@dataclass(frozen=True, slots=True)
class Frame:
    """The coordinates a rule measures in: a letterbox, or the original pixels."""

    image_size: tuple[int, int]
    side: int | None

    @property
    def scale(self) -> float:
        return 1.0 if self.side is None else Letterbox(self.image_size, self.side).scale

    def points(self, xy: Real[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        """Original pixels to this frame (through float32 in a letterbox, as published)."""
        if self.side is None:
            return np.asarray(xy, np.float64)
        return Letterbox(self.image_size, self.side).to_frame(xy).astype(np.float64)

    def to_image(self, xy: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        return xy if self.side is None else Letterbox(self.image_size, self.side).to_image(xy)

    def edges(self, grid: Grid) -> tuple[Float64[np.ndarray, "w"], Float64[np.ndarray, "h"]]:
        """Left and top edges of a grid's cells; whole numbers for a letterbox grid."""
        x, y = grid.edges()
        if self.side is None:
            return x, y
        box = Letterbox(self.image_size, self.side)
        # Converting to original pixels and back loses 1e-13; whole numbers must stay whole.
        return np.round(x * box.scale + box.offset[0], 6), np.round(
            y * box.scale + box.offset[1], 6
        )

    def cell_size(self, grid: Grid) -> tuple[float, float]:
        """Width and height of a cell; whole numbers for a letterbox grid in its own frame."""
        dx, dy = grid.cell_size
        if self.side is None:
            return dx, dy
        return round(dx * self.scale, 6), round(dy * self.scale, 6)


def source_cells(
    grid: Grid, image_size: tuple[int, int], xy: Real[np.ndarray, "q 2"]
) -> Int[np.ndarray, "q"]:
    """Number of the source cell of each keypoint: floor(cells / side · xy), float32, clipped."""
    frame = Frame(image_size, SOURCE_FRAME_PX)
    (x, y), (dx, dy) = frame.edges(grid), frame.cell_size(grid)
    in_frame = Letterbox(image_size, SOURCE_FRAME_PX).to_frame(xy)
    per_px = np.array([1 / dx, 1 / dy], np.float32)
    cell = np.floor((in_frame - np.array([x[0], y[0]], np.float32)) * per_px).astype(np.int64)
    column, row = cell[:, 0].clip(0, grid.width - 1), cell[:, 1].clip(0, grid.height - 1)
    return np.asarray(row * grid.width + column)


def refuse_misfit(grid: Grid, image_size: tuple[int, int], place: str) -> None:
    """Raises KapbenchError where `Grid.misfit` finds that a grid cannot be scored."""
    if (misfit := grid.misfit(image_size)) is not None:
        raise KapbenchError(
            misfit,
            place=place,
            fix="Give the model a larger input or upsample its maps, and return the grid whose box all "
            "cells cover, in pixels of the original image",
        )


def anchors(
    geometry: Geometry, grid: Grid, image_size: tuple[int, int]
) -> tuple[Float64[np.ndarray, "w"], Float64[np.ndarray, "h"]]:
    """x of each column's and y of each row's measured point, in the geometry's frame."""
    frame = Frame(image_size, geometry.frame_px)
    (x, y), (dx, dy) = frame.edges(grid), frame.cell_size(grid)
    return (x, y) if geometry.anchor == "top-left" else (x + dx / 2, y + dy / 2)


def decode_cells(
    decode: Decode, grid: Grid, image_size: tuple[int, int], cells: Float64[np.ndarray, "q 2"]
) -> Float64[np.ndarray, "q 2"]:
    """(column, row), whole or fractional, to predicted points in the decode's frame.

    Raises:
        KapbenchError: the decode is for overlapping patches, and the grid is another.
    """
    frame = Frame(image_size, decode.frame_px)
    (x, y), size = frame.edges(grid), np.array(frame.cell_size(grid))
    if decode.offset == "half-overlap-minus-half":
        _check_overlapping(decode, grid, image_size)
        return np.asarray((cells + 1) * OVERLAP_STRIDE_PX - 0.5)
    match decode.offset:
        case "half-cell-minus-half":
            offset = size / 2 - 0.5
        case "floor-half-cell":
            offset = size // 2
        case _:
            offset = size / 2
    return np.asarray(np.array([x[0], y[0]]) + cells * size + offset)


def _check_overlapping(decode: Decode, grid: Grid, image_size: tuple[int, int]) -> None:
    side = decode.frame_px or 0
    n = side // OVERLAP_STRIDE_PX - 1
    is_square = np.allclose(grid.box, Grid.letterbox(image_size, n, side).box, rtol=0, atol=1e-6)
    if (grid.height, grid.width) != (n, n) or not is_square:
        raise KapbenchError(
            f"The decode {decode.key} is defined only for {n}×{n} cells over a letterbox of {side} "
            f"px, and the model returned a grid of {grid.height}×{grid.width} cells over "
            f"{tuple(round(edge, 2) for edge in grid.box)} of the image",
            fix="Leave out the rule that uses this decode, or score dino.vits8 -o cells=square",
        )


def anchor_points(
    rule: Decode | Geometry, grid: Grid, image_size: tuple[int, int]
) -> Float64[np.ndarray, "h w 2"]:
    """The point of each cell that a rule measures, in original pixels: what the oracle aims at."""
    if isinstance(rule, Geometry):
        x, y = anchors(rule, grid, image_size)
    else:
        index = np.arange(max(grid.height, grid.width), dtype=np.float64)
        points = decode_cells(rule, grid, image_size, np.stack([index, index], axis=1))
        x, y = points[: grid.width, 0], points[: grid.height, 1]
    every_point = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
    return Frame(image_size, rule.frame_px).to_image(every_point)


def argmax_cells(best: Int[np.ndarray, "q"], grid: Grid) -> Float64[np.ndarray, "q 2"]:
    """Cell numbers to (column, row)."""
    return np.stack([best % grid.width, best // grid.width], axis=1).astype(np.float64)


def soft_argmax_cells(
    maps: Float32[np.ndarray, "q h w"], best: Int[np.ndarray, "q"], window: int, temperature: float
) -> Float64[np.ndarray, "q 2"]:
    """Expected (column, row) under a softmax over all cells, similarity 0 outside the window.

    The window is (2·window + 1)² cells around the argmax, cut at the border. A similarity of 0
    still weighs exp(0): the cells outside pull the point towards the map's middle, as published.
    """
    n, height, width = maps.shape
    around = np.arange(-window, window + 1)
    rows = (best // width)[:, None] + around
    columns = (best % width)[:, None] + around
    valid = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
        :, None, :
    ]
    values = maps[
        np.arange(n)[:, None, None],
        rows.clip(0, height - 1)[:, :, None],
        columns.clip(0, width - 1)[:, None, :],
    ].astype(np.float64)
    n_outside = height * width - valid.sum(axis=(1, 2))
    top = values.max(axis=(1, 2), where=valid, initial=-np.inf)
    top = np.where(n_outside > 0, np.maximum(top, 0.0), top)
    outside = np.where(n_outside > 0, np.exp(-np.maximum(top, 0.0) / temperature), 0.0)
    inside = np.where(valid, np.exp((values - top[:, None, None]) / temperature), 0.0)
    total = inside.sum(axis=(1, 2)) + outside * n_outside
    # Sums of whole numbers: columns and rows of all cells, less those in the window.
    columns_outside = height * width * (width - 1) // 2 - (valid * columns[:, None, :]).sum((1, 2))
    rows_outside = width * height * (height - 1) // 2 - (valid * rows[:, :, None]).sum((1, 2))
    column = (inside.sum(axis=1) * columns).sum(axis=1) + outside * columns_outside
    row = (inside.sum(axis=2) * rows).sum(axis=1) + outside * rows_outside
    return np.asarray(np.stack([column, row], axis=1) / total[:, None])


def circle_maxima(
    maps: Float32[np.ndarray, "q h w"],
    best: Int[np.ndarray, "q"],
    x: Float64[np.ndarray, "w"],
    y: Float64[np.ndarray, "h"],
    centres: Float64[np.ndarray, "q 2"],
    radii: Float[np.ndarray, "a q"],
    geometry: Geometry,
) -> tuple[Float32[np.ndarray, "a q"], Float32[np.ndarray, "a q"]]:
    """Best score inside and outside each circle; NaN where no cell is on that side.

    Args:
        best: Number of each map's best cell: where it lies outside, it is the maximum outside.
        x: Measured point of each column; `y`: of each row.

    Of cells that are equally near to a centre (see TIE_CELLS), the first row by row is the nearest.
    """
    flat = maps.reshape(len(maps), len(x) * len(y))
    window = _window(x, y, centres, float(radii.max(initial=0.0)))
    values = flat[np.arange(len(flat))[:, None], window.cells]
    low = np.float32(-np.inf)
    inside = np.empty((len(radii), len(flat)), np.float32)
    outside = np.empty_like(inside)
    for i, limit in enumerate(np.square(radii)[:, :, None]):
        mask = window.d2 <= limit if geometry.closed else window.d2 < limit
        mask = (mask | window.nearest if geometry.nearest_inside else mask) & window.valid
        inside[i] = np.where(mask, values, low).max(axis=1)
        outside[i] = flat[np.arange(len(flat)), best]
        hit = np.flatnonzero((mask & (window.cells == best[:, None])).any(axis=1))
        if len(hit):
            rest = flat[hit]
            row, place = np.nonzero(mask[hit])
            rest[row, window.cells[hit][row, place]] = low
            outside[i, hit] = rest.max(axis=1)
    for side in (inside, outside):
        side[np.isneginf(side)] = np.nan
    return inside, outside


@dataclass(frozen=True, slots=True)
class _Window:
    """The cells around each centre that any circle can reach."""

    cells: Int[np.ndarray, "q n"]  # clipped at the border, where `valid` is False
    valid: Bool[np.ndarray, "q n"]
    nearest: Bool[np.ndarray, "q n"]
    d2: Float64[np.ndarray, "q n"]  # squared distance to the centre


def _window(
    x: Float64[np.ndarray, "w"],
    y: Float64[np.ndarray, "h"],
    centres: Float64[np.ndarray, "q 2"],
    radius: float,
) -> _Window:
    dx, dy = np.abs(x - centres[:, :1]), np.abs(y - centres[:, 1:])
    # Squared distances add up by axis, so the nearest cell is the nearest column and row.
    column = first_nearest(dx, step_between(x))[:, None]
    row = first_nearest(dy, step_between(y))[:, None]
    dx2, dy2 = np.square(dx), np.square(dy)
    columns = column + _reach(x, radius)
    rows = row + _reach(y, radius)
    valid = _grid_of(
        (rows >= 0) & (rows < len(y)), (columns >= 0) & (columns < len(x)), np.logical_and
    )
    nearest = _grid_of(rows == row, columns == column, np.logical_and)
    columns, rows = columns.clip(0, len(x) - 1), rows.clip(0, len(y) - 1)
    cells = _grid_of(rows * len(x), columns, np.add)
    of_row, of_column = np.take_along_axis(dy2, rows, 1), np.take_along_axis(dx2, columns, 1)
    return _Window(cells, valid, nearest, _grid_of(of_row, of_column, np.add))


def _reach(points: Float64[np.ndarray, "n"], radius: float) -> Int[np.ndarray, "m"]:
    n = min(int(np.ceil(radius / step_between(points))), len(points))
    return np.arange(-n, n + 1)


def step_between(points: Float64[np.ndarray, "n"]) -> float:
    """Distance between neighbours; infinite for a single point."""
    return float(points[1] - points[0]) if len(points) > 1 else np.inf


def first_nearest(distance: Float64[np.ndarray, "q n"], step: float) -> Int[np.ndarray, "q"]:
    """The first of the equally near points; `step`: distance between neighbours."""
    if distance.shape[1] == 1:
        return np.zeros(len(distance), np.int64)
    limit = distance.min(axis=1, keepdims=True) + TIE_CELLS * step
    return np.asarray((distance <= limit).argmax(axis=1))


def _grid_of(rows: np.ndarray, columns: np.ndarray, join: np.ufunc) -> np.ndarray:
    """[q, rows] and [q, columns] to [q, rows · columns]."""
    joined = np.asarray(join(rows[:, :, None], columns[:, None, :]))
    return joined.reshape(len(rows), rows.shape[1] * columns.shape[1])
