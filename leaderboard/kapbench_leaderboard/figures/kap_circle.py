"""The circle of a rule for KAP on one similarity map, and the best cells inside and outside it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64

from kapbench.errors import KapbenchError
from kapbench.scoring.build_records import pair_columns
from kapbench.scoring.frames import Frame
from kapbench.scoring.grid_geometry import anchors
from kapbench.scoring.rules import KapRule
from kapbench.scoring.schema import BEST, INSIDE, OUTSIDE, Needs
from kapbench.types import Grid, Pair, SimilarityMap

ACROSS_MACHINES = 1e-3  # sums of float32 in another order


@dataclass(frozen=True, slots=True)
class Peak:
    """The best cell on one side of the circle; `xy` is its centre in original target pixels."""

    score: float
    xy: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Circle:
    """A rule's circle on the map of one keypoint. `radius_px`, `centre`: original target pixels.

    An absent keypoint has no inside, and `centre` is None unless the rule keeps it at a corner. A
    side without cells has no peak.
    """

    centre: tuple[float, float] | None
    radius_px: float
    inside: Peak | None
    outside: Peak | None


def find_circle(
    maps: SimilarityMap, pair: Pair, keypoint: int, rule: KapRule, alpha: float
) -> Circle:
    """The maxima by the rule's own scoring, and where they lie, which no record holds.

    Args:
        maps: Of all source-visible keypoints of the pair.
    """
    columns = pair_columns(pair, maps, Needs.of([rule]))
    i = columns["keypoint"].tolist().index(keypoint)
    inside, outside = _maxima({name: column[i] for name, column in columns.items()}, rule, alpha)
    values = np.asarray(maps.values[i], np.float32)
    visible = bool(columns["target_visible"][i])
    if not visible and _is_one_negative(rule):
        everywhere = np.zeros(values.shape)
        peak = _peak(values, maps.grid, outside, everywhere)
        return Circle(None, alpha * pair.size, None, peak)
    frame = Frame(pair.target.size, rule.geometry.frame_px)
    centre = frame.points(pair.target.keypoints.xy[keypoint]) if visible else np.zeros(2)
    x, y = anchors(rule.geometry, maps.grid, pair.target.size)
    distance = np.hypot((x - centre[0])[None, :], (y - centre[1])[:, None])
    x0, y0 = frame.to_image(centre).tolist()
    return Circle(
        (x0, y0),
        alpha * pair.size,
        _peak(values, maps.grid, inside, -distance),
        _peak(values, maps.grid, outside, distance),
    )


def _is_one_negative(rule: KapRule) -> bool:
    """Whether an absent keypoint counts by its map's maximum alone."""
    return rule.absent == "negative" or not rule.geometry.absent_at_corner


def _maxima(row: Mapping[Hashable, Any], rule: KapRule, alpha: float) -> tuple[float, float]:
    """The best scores inside and outside of a row of records; NaN: no cell is on that side."""
    if not row["target_visible"] and _is_one_negative(rule):
        return np.nan, float(row[BEST.of(rule.geometry)])
    inside, outside = (float(row[side.of(rule.geometry, alpha)]) for side in (INSIDE, OUTSIDE))
    return inside, outside


def _peak(
    values: Float32[np.ndarray, "h w"],
    grid: Grid,
    score: float,
    preference: Float64[np.ndarray, "h w"],
) -> Peak | None:
    """The cell of this score; of equal ones the first that is preferred most.

    Every cell inside a circle is nearer to its centre than every cell outside: of cells with equal
    scores, the nearest is inside if any is, and the farthest is outside if any is.
    """
    if np.isnan(score):
        return None
    equal = values == np.float32(score)
    row, column = divmod(int(np.where(equal, preference, -np.inf).argmax()), grid.width)
    x, y = grid.centres()
    return Peak(score, (float(x[column]), float(y[row])))


def largest_gap(circle: Circle, row: "pd.Series[Any]", rule: KapRule, alpha: float) -> float:
    """Largest difference between the circle's maxima and a record's; infinite where only one of
    the two has a side.
    """
    peaks = (circle.inside, circle.outside)
    mine = np.array([np.nan if peak is None else peak.score for peak in peaks])
    stored = np.array(_maxima(row.to_dict(), rule, alpha))
    gaps = np.where(np.isnan(mine) & np.isnan(stored), 0.0, np.abs(mine - stored))
    return float(np.nan_to_num(gaps, nan=np.inf).max())


def check(circle: Circle, row: "pd.Series[Any]", rule: KapRule, alpha: float) -> None:
    """Raises KapbenchError: the map computed here is not the one that the run scored."""
    gap = largest_gap(circle, row, rule, alpha)
    if gap > ACROSS_MACHINES:
        raise KapbenchError(
            f"The similarity computed here has other maxima than the run's records (by {gap:.3g})",
            place=f"pair {row['pair_id']}, keypoint {row['keypoint']}, rule {rule.name}",
            fix="Give the model and data set of the run: --load-model, --model-option, --load-dataset",
        )
