"""The circle of a rule for KAP on one similarity map: which cells are inside, and the maxima."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32

from kapbench.errors import KapbenchError
from kapbench.scoring.grid_geometry import Frame, anchors
from kapbench.scoring.rules import Geometry, KapRule
from kapbench.scoring.schema import BEST, INSIDE, OUTSIDE
from kapbench.types import Grid, Pair

ACROSS_MACHINES = 1e-3  # sums of float32 in another order


@dataclass(frozen=True, slots=True)
class Peak:
    """The best cell on one side of the circle; `xy` is its centre in original target pixels."""

    score: float
    xy: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Circle:
    """One keypoint's map cut by a rule. `radius_px`, `centre`: original target pixels.

    Of an absent keypoint there is no inside, and `centre` is None unless the rule keeps it at a
    corner. A side without cells has no peak.
    """

    centre: tuple[float, float] | None
    radius_px: float
    inside: Peak | None
    outside: Peak | None


def cut(
    values: Float32[np.ndarray, "h w"],
    grid: Grid,
    pair: Pair,
    keypoint: int,
    rule: KapRule,
    alpha: float,
) -> Circle:
    """Finds the maxima anew, cell by cell: records hold their values, and not where they are."""
    geometry = rule.geometry
    visible = bool(pair.target.keypoints.visible[keypoint])
    frame = Frame(pair.target.size, geometry.frame_px)
    radius = alpha * pair.size * frame.scale
    if not visible and _is_one_negative(rule):
        every = np.ones(values.shape, bool)
        return Circle(None, alpha * pair.size, None, _peak(values, grid, every))
    xy = pair.target.keypoints.xy[keypoint]
    centre = frame.points(xy) if visible else np.zeros(2)
    x, y = anchors(geometry, grid, pair.target.size)
    inside = inside_cells(x, y, centre, radius, geometry)
    x0, y0 = frame.to_image(centre).tolist()
    return Circle(
        (x0, y0),
        alpha * pair.size,
        _peak(values, grid, inside),
        _peak(values, grid, ~inside),
    )


def _is_one_negative(rule: KapRule) -> bool:
    """Whether an absent keypoint counts by its map's maximum alone."""
    return rule.absent == "negative" or not rule.geometry.absent_at_corner


def inside_cells(
    x: Float[np.ndarray, "w"],
    y: Float[np.ndarray, "h"],
    centre: Float[np.ndarray, "2"],
    radius: float,
    geometry: Geometry,
) -> Bool[np.ndarray, "h w"]:
    """Cells whose measured point lies in the circle, and the nearest one where the rule adds it."""
    squared = np.square(x - centre[0])[None, :] + np.square(y - centre[1])[:, None]
    inside = squared <= radius**2 if geometry.closed else squared < radius**2
    if geometry.nearest_inside:
        inside.flat[squared.argmin()] = True
    return np.asarray(inside)


def _peak(
    values: Float32[np.ndarray, "h w"], grid: Grid, side: Bool[np.ndarray, "h w"]
) -> Peak | None:
    if not side.any():
        return None
    row, column = divmod(int(np.where(side, values, -np.inf).argmax()), grid.width)
    x, y = grid.centres()
    return Peak(float(values[row, column]), (float(x[column]), float(y[row])))


def largest_gap(found: Circle, row: "pd.Series[Any]", rule: KapRule, alpha: float) -> float:
    """Largest difference between maxima found and those the record holds; infinite where only one
    of the two has a side.
    """
    geometry = rule.geometry
    sides = {c.name: float(row[c.of(geometry, alpha)]) for c in (INSIDE, OUTSIDE)}
    if not row["target_visible"] and _is_one_negative(rule):
        sides = {"inside": np.nan, "outside": float(row[BEST.of(geometry)])}
    gaps = []
    for side, stored in sides.items():
        peak = found.inside if side == "inside" else found.outside
        if np.isnan(stored) or peak is None:
            gaps.append(0.0 if np.isnan(stored) and peak is None else np.inf)
        else:
            gaps.append(abs(peak.score - stored))
    return float(max(gaps))


def check(found: Circle, row: "pd.Series[Any]", rule: KapRule, alpha: float) -> None:
    """
    Raises:
        KapbenchError: the map computed here is not the one that the run scored.
    """
    gap = largest_gap(found, row, rule, alpha)
    if gap > ACROSS_MACHINES:
        raise KapbenchError(
            f"the similarity computed here has other maxima than the run's records (by {gap:.3g})",
            place=f"pair {row['pair_id']}, keypoint {row['keypoint']}, rule {rule.name}",
            fix="give the model and data set of the run: --model, --model-option, --dataset",
        )
