"""KAP and PCK of plain arrays: similarity maps in, one number out; no data set and no model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Real

from kapbench.errors import KapbenchError
from kapbench.models.arrays_in import numbers, similarity_values, sound_grid
from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.rules import KapRule, PckRule, Rule, check_alphas, load_rule
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
            NaN where it is absent.
        size_px: Per pair, T: the longer side of the target's box in original pixels.
        image_size: Per pair, width and height of the target image.
        alpha: A circle's radius is alpha · T; above 0, at most 1.
        rule: A KAP rule's name or file.
        grids: Per pair, where the cells lie; None: a letterbox of the whole image.

    Returns:
        A share in 0 … 1; NaN where no keypoint is visible in any target.

    Raises:
        KapbenchError: arrays of shapes that do not match or with impossible values; a rule of
            another metric.
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
    """Share (0 … 1) of correct keypoints among those visible in the target.

    Arguments, return value and errors are those of `kap`; per point or per image as the rule says.
    """
    return _single(similarity, target_xy, size_px, image_size, rule, "pck", grids, alpha)


def single_rule(name: str, metric: str, alpha: float) -> Rule:
    """A rule of a metric (kap or pck) with one alpha, by which maps alone can be scored.

    Raises:
        KapbenchError: the rule is of another metric, or needs more than maps; alpha is not above 0
            and at most 1.
    """
    rule = load_rule(name)
    if metric == "kap" and not isinstance(rule, KapRule):
        raise KapbenchError(
            f"{name} is not a rule for KAP", fix="Choose one that `kapbench list rules` shows"
        )
    if metric == "pck" and (
        not isinstance(rule, PckRule)
        or rule.subset != "all"
        or rule.decode.offset == "pixel"
        or rule.decode.frame == "stretched"  # T is there that of the stretched box
    ):
        raise KapbenchError(
            f"{name} cannot be computed from similarity maps alone",
            fix="Choose pck-sd-dino, pck-geoaware, pck-geoaware-soft or pck-v1",
        )
    _check_above_zero(alpha, "alpha", None)
    check_alphas([float(alpha)], None)
    return rule.model_copy(update={"alphas": (alpha,)})


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
        rule: Has one alpha; for the other arguments see `kap`.

    Raises:
        KapbenchError: see `kap`.
    """
    needs = Needs.of([rule])
    lengths = {len(similarity), len(target_xy), len(size_px), len(image_size)}
    if grids is not None:
        lengths.add(len(grids))
    if len(lengths) > 1:
        raise KapbenchError(
            f"The lists have different lengths: {sorted(lengths)}", fix="Give one entry per pair"
        )
    parts = []
    for i, (maps, xy, size) in enumerate(zip(similarity, target_xy, image_size, strict=True)):
        place = f"pair {i}"
        values = similarity_values(maps, place)
        points = numbers(xy, "target_xy", place).astype(np.float64)
        if values.ndim != 3 or points.shape != (len(values), 2):
            raise KapbenchError(
                f"The shapes of similarity {list(values.shape)} and target_xy "
                f"{list(points.shape)} do not match",
                place=place,
                fix="Give maps [q, h, w] and points [q, 2]",
            )
        _check_points(points, place)
        _check_above_zero(size_px[i], "size_px", place)
        wh = _image_size(size, place)
        grid = _letterbox(values, wh, place) if grids is None else _grid(grids[i], values, place)
        pair = _pair(i, points, wh, float(size_px[i]))
        similarity_maps = SimilarityMap(values, grid, pair.source.keypoints.xy)
        parts.append(pair_columns(pair, similarity_maps, needs))
    return parts


def _check_above_zero(value: Any, name: str, place: str | None) -> None:
    number = numbers(value, name, place)
    if number.shape or not (np.isfinite(number) and number > 0):
        raise KapbenchError(f"{name} is {value}", place=place, fix="Give one finite number above 0")


def _image_size(size: Any, place: str) -> tuple[int, int]:
    wh = numbers(size, "image_size", place)
    if wh.shape != (2,) or not (np.isfinite(wh) & (wh >= 1)).all():
        raise KapbenchError(
            f"image_size is {size}", place=place, fix="Give (width, height) in pixels for each pair"
        )
    width, height = wh.tolist()
    return width, height


def _check_points(points: Float64[np.ndarray, "q 2"], place: str) -> None:
    absent = np.isnan(points).all(axis=1, keepdims=True)
    if not (np.isfinite(points) | absent).all():
        raise KapbenchError(
            "target_xy has a coordinate that is infinite, or a point with one NaN",
            place=place,
            fix="Give finite points, and (NaN, NaN) where a keypoint is absent",
        )


def _grid(value: Any, maps: np.ndarray, place: str) -> Grid:
    grid = sound_grid(value, place)
    if (grid.height, grid.width) != maps.shape[1:]:
        raise KapbenchError(
            f"The grid has {grid.height}×{grid.width} cells, the maps have "
            f"{maps.shape[1]}×{maps.shape[2]}",
            place=place,
            fix="Give the grid that the maps were computed on",
        )
    return grid


def _letterbox(values: np.ndarray, size: tuple[int, int], place: str) -> Grid:
    if values.shape[1] != values.shape[2] or not values.shape[1]:
        raise KapbenchError(
            f"Maps of {values.shape[1]}×{values.shape[2]} cells do not cover a square letterbox",
            place=place,
            fix="Say where their cells lie: grids=[Grid.stretched(...), ...]",
        )
    return Grid.letterbox(size, values.shape[1], FRAME_PX)


def _pair(i: int, xy: np.ndarray, size: tuple[int, int], size_px: float) -> Pair:
    n = len(xy)
    everywhere = Keypoints(np.zeros((n, 2)), np.ones(n, bool))
    annotated = Keypoints(xy, ~np.isnan(xy).any(axis=1))
    box = (0.0, 0.0, float(size[0]), float(size[1]))
    source = View(f"source-{i}", "all", size, box, everywhere)
    target = View(f"target-{i}", "all", size, box, annotated)
    return Pair(f"pair-{i}", source, target, size_px, np.full(n, -1), np.arange(n))
