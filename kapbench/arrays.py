"""KAP and PCK of plain arrays: dense similarity maps in, one number out; no data set, no model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Real

from kapbench.errors import KapbenchError
from kapbench.models.arrays_in import finite_float32, numbers, sound_grid
from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.rules import KapRule, PckRule, Rule, load_rule
from kapbench.scoring.schema import Columns, Needs
from kapbench.scoring.score_table import estimator
from kapbench.types import Grid, Keypoints, Pair, SimilarityMap, View

FRAME_PX = 840


def kap(
    similarity: Sequence[Float[np.ndarray, "_q _h _w"]],
    target_xy: Sequence[Real[np.ndarray, "_q 2"]],
    size_px: Sequence[float],
    image_size: Sequence[tuple[int, int]],
    *,
    alpha: float = 0.10,
    rule: str = "kap-cvpr24",
    grids: Sequence[Grid] | None = None,
) -> float:
    """Keypoint Average Precision of a list of pairs, taken as one category.

    Args:
        similarity: Per pair, the map of every source keypoint over the target's cells; higher is
            more similar. Keypoints in one source cell should have equal maps (ties count).
        target_xy: Per pair, where each keypoint is in the target, original pixels, x right, y down;
            NaN where the target does not show it.
        size_px: Per pair, T: the longer side of the target's box in original pixels.
        image_size: Per pair, width and height of the target image.
        alpha: A circle's radius is alpha · T.
        rule: A KAP rule's name or file.
        grids: Per pair, where the cells lie; None: a letterbox of the whole image.

    Returns:
        A share in 0 … 1; NaN where no keypoint is visible.

    Raises:
        KapbenchError: arrays that do not fit each other or hold what cannot be; a rule of another
            metric.
    """
    return _single(similarity, target_xy, size_px, image_size, rule, "kap", grids, alpha)


def pck(
    similarity: Sequence[Float[np.ndarray, "_q _h _w"]],
    target_xy: Sequence[Real[np.ndarray, "_q 2"]],
    size_px: Sequence[float],
    image_size: Sequence[tuple[int, int]],
    *,
    alpha: float = 0.10,
    rule: str = "pck-sd-dino",
    grids: Sequence[Grid] | None = None,
) -> float:
    """Share (0 … 1) of correct keypoints among those that the target shows.

    Arguments, return value and errors are those of `kap`; per point or per image as the rule says.
    """
    return _single(similarity, target_xy, size_px, image_size, rule, "pck", grids, alpha)


def single_rule(name: str, metric: str, alpha: float) -> Rule:
    """A rule at one alpha, of a metric (kap or pck) that maps alone can be scored by.

    Raises:
        KapbenchError: it is another metric's, or needs more than maps; an alpha of 0 or less.
    """
    chosen = load_rule(name)
    if metric == "kap" and not isinstance(chosen, KapRule):
        raise KapbenchError(f"{name} is no KAP rule", fix="choose one of `kapbench list rules`")
    if metric == "pck" and (
        not isinstance(chosen, PckRule) or chosen.subset != "all" or chosen.decode.offset == "pixel"
    ):
        raise KapbenchError(
            f"{name} cannot be taken from similarity maps alone",
            fix="choose pck-sd-dino, pck-geoaware, pck-geoaware-soft or pck-v1",
        )
    _above_zero(alpha, "alpha", None)
    return chosen.model_copy(update={"alphas": (alpha,)})


def _single(
    similarity: Sequence[Any],
    target_xy: Sequence[Any],
    size_px: Sequence[Any],
    image_size: Sequence[Any],
    name: str,
    metric: str,
    grids: Sequence[Any] | None,
    alpha: float,
) -> float:
    rule = single_rule(name, metric, alpha)
    records = table(rows(similarity, target_xy, size_px, image_size, rule, grids))
    if records.empty:
        return float("nan")
    return float(estimator(records, rule, alpha, rule.headline[0]).by_category().values[0])


def rows(
    similarity: Sequence[Any],
    target_xy: Sequence[Any],
    size_px: Sequence[Any],
    image_size: Sequence[Any],
    rule: Rule,
    grids: Sequence[Any] | None,
) -> list[Columns]:
    """The rows of each pair, by column.

    Args:
        rule: Of one alpha; the others are those of `kap`.

    Raises:
        KapbenchError: see `kap`.
    """
    needs = Needs.of([rule])
    lengths = {len(similarity), len(target_xy), len(size_px), len(image_size)}
    if grids is not None:
        lengths.add(len(grids))
    if len(lengths) > 1:
        raise KapbenchError(
            f"lists of different lengths: {sorted(lengths)}", fix="give one entry per pair"
        )
    parts = []
    for i, (maps, xy, size) in enumerate(zip(similarity, target_xy, image_size, strict=True)):
        place = f"pair {i}"
        values = finite_float32(maps, "similarity", place)
        points = numbers(xy, "target_xy", place).astype(np.float64)
        if values.ndim != 3 or points.shape != (len(values), 2):
            raise KapbenchError(
                f"similarity {list(values.shape)} does not fit target_xy {list(points.shape)}",
                place=place,
                fix="give maps [q, h, w] and points [q, 2]",
            )
        _check_points(points, place)
        _above_zero(size_px[i], "size_px", place)
        shown = _image_size(size, place)
        grid = (
            _letterbox(values, shown, place) if grids is None else _fitting(grids[i], values, place)
        )
        pair = _pair(i, points, shown, float(size_px[i]))
        given = SimilarityMap(values, grid, pair.source.keypoints.xy)
        parts.append(pair_columns(pair, given, needs))
    return parts


def _above_zero(value: Any, name: str, place: str | None) -> None:
    found = numbers(value, name, place)
    if found.shape or not (np.isfinite(found) and found > 0):
        raise KapbenchError(f"{name} is {value}", place=place, fix="give a finite number above 0")


def _image_size(size: Any, place: str) -> tuple[int, int]:
    found = numbers(size, "image_size", place)
    if found.shape != (2,) or not (np.isfinite(found) & (found >= 1)).all():
        raise KapbenchError(
            f"image_size is {size}", place=place,
            fix="give (width, height) in pixels, one such couple per pair",
        )  # fmt: skip
    width, height = found.tolist()
    return width, height


def _check_points(points: Float64[np.ndarray, "q 2"], place: str) -> None:
    absent = np.isnan(points).all(axis=1, keepdims=True)
    if not (np.isfinite(points) | absent).all():
        raise KapbenchError(
            "target_xy with a coordinate that is infinite, or NaN beside a number",
            place=place,
            fix="give finite points, and NaN, NaN where the target does not show one",
        )


def _fitting(given: Any, values: np.ndarray, place: str) -> Grid:
    grid = sound_grid(given, place)
    if (grid.height, grid.width) != values.shape[1:]:
        raise KapbenchError(
            f"a grid of {grid.height}×{grid.width} cells for maps of "
            f"{values.shape[1]}×{values.shape[2]}",
            place=place,
            fix="give the grid that the maps were made on",
        )
    return grid


def _letterbox(values: np.ndarray, size: tuple[int, int], place: str) -> Grid:
    if values.shape[1] != values.shape[2] or not values.shape[1]:
        raise KapbenchError(
            f"maps of {values.shape[1]}×{values.shape[2]} cells are no square letterbox",
            place=place,
            fix="say where the cells lie: grids=[Grid.stretched(...), ...]",
        )
    return Grid.letterbox(size, values.shape[1], FRAME_PX)


def _pair(i: int, xy: np.ndarray, size: tuple[int, int], size_px: float) -> Pair:
    n = len(xy)
    everywhere = Keypoints(np.zeros((n, 2)), np.ones(n, bool))
    shown = Keypoints(xy, ~np.isnan(xy).any(axis=1))
    box = (0.0, 0.0, float(size[0]), float(size[1]))
    source = View(f"source-{i}", "all", size, box, everywhere)
    target = View(f"target-{i}", "all", size, box, shown)
    return Pair(f"pair-{i}", source, target, size_px, np.full(n, -1), np.arange(n))
