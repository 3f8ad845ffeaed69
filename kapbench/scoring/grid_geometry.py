"""From the cells of a similarity map to points, and from points to the cells around them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Real

from kapbench.errors import KapbenchError
from kapbench.scoring.decodes import Decode, Geometry
from kapbench.scoring.frames import Frame
from kapbench.types import TIE_CELLS, Grid, Letterbox

SOURCE_FRAME_PX = 840  # source cells are found in this frame, in float32, as published
OVERLAP_STRIDE_PX = 4  # of the decode for patches of 8 px that overlap by half


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
    frame = Frame.of(decode, image_size, grid)
    (x, y), size = frame.edges(grid), np.array(frame.cell_size(grid))
    if decode.offset == "half-overlap-minus-half":
        _check_overlapping(decode, grid, image_size)
        return np.asarray((cells + 1) * OVERLAP_STRIDE_PX - 0.5)
    match decode.offset:
        case "half-cell-minus-half":
            offset = size / 2 - 0.5
        case "floor-half-cell":
            offset = size // 2
        case "corner":
            offset = np.zeros(2)
        case "aligned":
            # Multiplied first: whole numbers stay whole, and distances of exactly alpha T are <=.
            spans = np.round(size * [grid.width, grid.height], 6)
            return np.asarray(np.array([x[0], y[0]]) + cells * spans / _steps(grid))
        case _:
            offset = size / 2
    return np.asarray(np.array([x[0], y[0]]) + cells * size + offset)


def _steps(grid: Grid) -> Int[np.ndarray, "2"]:
    """From the first to the last column and row; 1 where there is only one."""
    return np.maximum([grid.width - 1, grid.height - 1], 1)


def interpolated_cells(
    decode: Decode, grid: Grid, image_size: tuple[int, int], xy: Real[np.ndarray, "q 2"]
) -> tuple[Int[np.ndarray, "q 4"], Float64[np.ndarray, "q 4"]]:
    """Numbers and weights of the cells between which a keypoint's features are interpolated.

    The grid's corners are its outermost cells ("aligned corners"); keypoints beyond are at its border.
    """
    frame = Frame.of(decode, image_size, grid)
    (x, y), size = frame.edges(grid), np.array(frame.cell_size(grid))
    n_cells = np.array([grid.width, grid.height])
    share = (frame.points(xy) - [x[0], y[0]]) / (size * n_cells)
    place = (share * (n_cells - 1)).clip(0, n_cells - 1)
    low = np.minimum(np.floor(place).astype(np.int64), np.maximum(n_cells - 2, 0))
    weight, high = place - low, np.minimum(low + 1, n_cells - 1)
    cells = [row[:, 1] * grid.width + column[:, 0] for row in (low, high) for column in (low, high)]
    weights = [down * right for down in _ends(weight[:, 1]) for right in _ends(weight[:, 0])]
    return np.stack(cells, axis=1), np.stack(weights, axis=1)


def _ends(weight: Float64[np.ndarray, "q"]) -> tuple[Float64[np.ndarray, "q"], ...]:
    return 1 - weight, weight


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
        frame = Frame(image_size, rule.frame_px)
        x, y = anchors(rule, grid, image_size)
    else:
        frame = Frame.of(rule, image_size, grid)
        index = np.arange(max(grid.height, grid.width), dtype=np.float64)
        points = decode_cells(rule, grid, image_size, np.stack([index, index], axis=1))
        x, y = points[: grid.width, 0], points[: grid.height, 1]
    every_point = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
    return frame.to_image(every_point)


def argmax_cells(best: Int[np.ndarray, "q"], grid: Grid) -> Float64[np.ndarray, "q 2"]:
    """Cell numbers to (column, row)."""
    return np.stack([best % grid.width, best // grid.width], axis=1).astype(np.float64)


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
