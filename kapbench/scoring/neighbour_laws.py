"""Laws of the distances to keypoints other than a row's own: members of its part group, and any."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.spatial import KDTree

from kapbench.scoring.prediction_laws import (
    Law,
    differs,
    distance,
    predicted_points,
    rounding_error,
)
from kapbench.scoring.record_index import NOWHERE, Places, RecordIndex
from kapbench.scoring.rules import Decode
from kapbench.scoring.schema import GROUP_ERROR_PX, OTHER_ERROR_PX, TWIN_ERROR_PX


def neighbour_laws(rows: RecordIndex, decode: Decode) -> Iterator[Law]:
    """Distances are those to annotations that rows of the target image have, or to nearer ones."""
    predicted = predicted_points(rows, decode)
    near = rounding_error(rows, predicted, decode)
    yield from _other_laws(rows, decode, predicted, near)
    yield from _group_laws(rows, GROUP_ERROR_PX.of(decode), predicted, near)


def _other_laws(
    rows: RecordIndex,
    decode: Decode,
    predicted: Float64[np.ndarray, "n 2"],
    near: Float64[np.ndarray, "n"],
) -> Iterator[Law]:
    name, target = OTHER_ERROR_PX.of(decode), rows.in_target.outer
    error = rows.floats(name)
    least = _least_known(rows, predicted, target, rows.keypoint[:, None])
    for column in (TWIN_ERROR_PX, GROUP_ERROR_PX):
        least = np.fmin(least, rows.floats(column.of(decode)))
    yield (
        f"{name} is NaN though the target shows another keypoint",
        np.isnan(error) & np.isfinite(least),
    )
    yield (
        f"{name} is not the distance from the predicted point to the nearest other keypoint",
        (error < 0) | (error > least + near),
    )
    # A smaller distance is that to a keypoint that no row has, and no row lies further from it.
    value = np.where(error < least - near, error, np.inf)
    order = np.lexsort((value, target))
    nearest = order[
        np.searchsorted(target[order], target)
    ]  # the row of each target that is nearest
    limit = value[nearest] + distance(predicted, predicted[nearest]) + near + near[nearest]
    yield (
        f"{name} contradicts that of another row of the target image and its predicted point",
        error > limit,
    )


def _group_laws(
    rows: RecordIndex,
    name: str,
    predicted: Float64[np.ndarray, "n 2"],
    near: Float64[np.ndarray, "n"],
) -> Iterator[Law]:
    group, twin, error = rows.ids("group"), rows.ids("twin"), rows.floats(name)
    of_group = Places([rows.in_target.outer, group + 1])
    has_group, twin_row = group >= 0, rows.in_target.rows(twin)
    twin_visible = has_group & (twin != rows.keypoint) & (rows.ids("twin_visible") == 1)
    in_group = twin_visible & (twin_row != NOWHERE) & (group[twin_row] == group)
    in_doubt = twin_visible & (twin_row == NOWHERE)  # no row says which group the counterpart has
    most = rows.ids("group_visible") - (rows.visible & has_group) - in_group
    yield (
        f"{name} is NaN though group_visible counts such a member, or a number though it does not",
        np.where(np.isnan(error), most - in_doubt > 0, most <= 0),
    )
    excluded = np.stack([rows.keypoint, twin], axis=1)
    least = _least_known(rows, predicted, of_group.of, excluded)
    once = np.arange(len(group)) == rows.in_target.first
    n_visible = np.bincount(of_group.of, rows.visible & once)[of_group.of]
    is_complete = has_group & (n_visible == rows.ids("group_visible")) & np.isfinite(least)
    yield (
        f"{name} is not the distance from the predicted point to the nearest other group member",
        (error < 0)
        | (has_group & (error > least + near))
        | (is_complete & differs(error, least, near)),
    )


def _least_known(
    rows: RecordIndex,
    predicted: Float64[np.ndarray, "n 2"],
    outer: Int[np.ndarray, "n"],
    excluded: Int[np.ndarray, "n e"],
) -> Float64[np.ndarray, "n"]:
    """From each predicted point to the nearest annotation that some row has; infinite without any.

    Args:
        outer: A number for each row; annotations of rows with another number do not count.
        excluded: Keypoints that do not count for each row.
    """
    annotations = _annotations(rows)
    if not len(annotations):
        return np.full(len(predicted), np.inf)
    finite = np.nan_to_num(predicted)
    largest = max(np.abs(finite).max(), np.abs(rows.target_xy[annotations]).max(), 1.0)
    apart = 4.0 * outer[:, None]  # points of two numbers lie further apart than those of one
    tree = KDTree(np.hstack([rows.target_xy / largest, apart])[annotations])
    n = min(1 + excluded.shape[1], len(annotations))
    near = annotations[tree.query(np.hstack([finite / largest, apart]), k=[*range(1, n + 1)])[1]]
    counts = (rows.keypoint[near][:, :, None] != excluded[:, None]).all(axis=2)
    counts &= outer[near] == outer[:, None]
    away = np.linalg.norm(rows.target_xy[near] - predicted[:, None], axis=2)
    return np.asarray(np.where(counts, away, np.inf).min(axis=1))


def _annotations(rows: RecordIndex) -> Int[np.ndarray, "m"]:
    """One row of each keypoint that a target image shows."""
    first: Bool[np.ndarray, n] = np.arange(len(rows.pair)) == rows.in_target.first
    return np.flatnonzero(first & rows.visible & np.isfinite(rows.target_xy).all(axis=1))
