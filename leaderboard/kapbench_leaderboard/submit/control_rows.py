"""The rows of a control whose maps need no pixels, from the annotations in the records themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from kapbench.models.controls import Constant, Random
from kapbench.scoring.build_records import target_columns
from kapbench.scoring.schema import Needs
from kapbench.types import Grid, Keypoints, Pair, Picture, SimilarityMap, View

PAIRS_AT_ONCE = 16  # as scoring does: their maps fit the processor's cache


def control_columns(
    control: Random | Constant,
    records: pd.DataFrame,
    sizes: Mapping[str, tuple[int, int]],
    needs: Needs,
    names: Sequence[str],
) -> dict[str, Float64[np.ndarray, "n"]]:
    """Columns of these names as the control makes them, in the order of the records.

    Args:
        records: Of which only pairs and annotations are read.
        sizes: Width and height by image.
        needs: Of the rules that the columns belong to.
    """
    out = {name: np.full(len(records), np.nan) for name in names}
    for rows, pairs in _by_target(records, sizes):
        maps = _maps(control, pairs)
        columns = target_columns(pairs, maps, needs)
        for name in names:
            out[name][rows] = columns[name]
    return out


def _maps(control: Random | Constant, pairs: Sequence[Pair]) -> SimilarityMap:
    """Of all source-visible keypoints, pair by pair."""
    made = [control.match(_picture(p.source), _picture(p.target), _queries(p)) for p in pairs]
    grid: Grid = made[0].grid
    return SimilarityMap(
        np.concatenate([m.values for m in made]), grid, np.concatenate([m.queries for m in made])
    )


def _queries(pair: Pair) -> Float64[np.ndarray, "q 2"]:
    return np.asarray(pair.source.keypoints.xy[pair.source.keypoints.visible])


def _picture(view: View) -> Picture:
    """Of an image's name and size alone: no pixel is ever looked at."""
    width, height = view.size
    return Picture(np.broadcast_to(np.uint8(0), (height, width, 3)), view.image_id)


@dataclass(frozen=True)
class _Columns:
    """The columns of the records that pairs are made of."""

    source: list[str]
    target: list[str]
    pair: Int[np.ndarray, "n"]
    keypoint: Int[np.ndarray, "n"]
    twin: Int[np.ndarray, "n"]
    group: Int[np.ndarray, "n"]
    source_xy: Float64[np.ndarray, "n 2"]
    target_xy: Float64[np.ndarray, "n 2"]
    size_px: Float64[np.ndarray, "n"]

    @classmethod
    def of(cls, records: pd.DataFrame) -> "_Columns":
        return cls(
            records["source_image"].astype(str).tolist(),
            records["target_image"].astype(str).tolist(),
            records["pair_id"].cat.codes.to_numpy(),
            records["keypoint"].to_numpy(np.int64),
            records["twin"].to_numpy(np.int64),
            records["group"].to_numpy(np.int64),
            records[["source_x", "source_y"]].to_numpy(np.float64),
            records[["target_x", "target_y"]].to_numpy(np.float64),
            records["size_px"].to_numpy(np.float64),
        )


def _by_target(
    records: pd.DataFrame, sizes: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[Int[np.ndarray, "r"], list[Pair]]]:
    """Some pairs of one target, and their rows in order of pair and keypoint."""
    columns = _Columns.of(records)
    targets = records["target_image"].cat.codes.to_numpy()
    order = np.lexsort((columns.keypoint, columns.pair, targets))
    for rows in np.split(order, np.flatnonzero(np.diff(targets[order])) + 1):
        target = _view(columns.target[rows[0]], columns, rows, columns.target_xy, sizes)
        of_pairs = np.split(rows, np.flatnonzero(np.diff(columns.pair[rows])) + 1)
        for start in range(0, len(of_pairs), PAIRS_AT_ONCE):
            chunk = of_pairs[start : start + PAIRS_AT_ONCE]
            pairs = [_pair(columns, each, rows, target, sizes) for each in chunk]
            yield np.concatenate(chunk), pairs


def _pair(
    columns: _Columns,
    rows: Int[np.ndarray, "r"],
    of_target: Int[np.ndarray, "t"],
    target: View,
    sizes: Mapping[str, tuple[int, int]],
) -> Pair:
    """The pair of some rows; rows of its target in other pairs name the groups of more keypoints."""
    n = len(target.keypoints.visible)
    source = _view(columns.source[rows[0]], columns, rows, columns.source_xy, sizes, n)
    twins, groups = np.arange(n), np.full(n, -1)
    known, twin = columns.keypoint[of_target], columns.twin[of_target]
    groups[known], twins[twin], twins[known] = columns.group[of_target], known, twin
    return Pair(
        str(columns.pair[rows[0]]), source, target, float(columns.size_px[rows[0]]), groups, twins
    )


def _view(
    image: str,
    columns: _Columns,
    rows: Int[np.ndarray, "r"],
    xy: Float64[np.ndarray, "n 2"],
    sizes: Mapping[str, tuple[int, int]],
    n_keypoints: int | None = None,
) -> View:
    """An image with the keypoints that these rows give it."""
    n = n_keypoints or int(max(columns.keypoint[rows].max(), columns.twin[rows].max())) + 1
    points = np.full((n, 2), np.nan)
    points[columns.keypoint[rows]] = xy[rows]
    visible = ~np.isnan(points[:, 0])
    return View(image, "", sizes[image], (0.0, 0.0, 1.0, 1.0), Keypoints(points, visible))
