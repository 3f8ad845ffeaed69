"""Laws of the columns of one decode or geometry: predicted points, and the best scores of maps."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.spatial import KDTree

from kapbench.scoring.record_index import NOWHERE, Places, RecordIndex, differing
from kapbench.scoring.rules import Decode, Geometry
from kapbench.scoring.schema import (
    BEST,
    ERROR_PX,
    INSIDE,
    MAP_MAX,
    MAP_MIN,
    NEAREST,
    OF_GEOMETRY,
    OUTSIDE,
    TWIN_ERROR_PX,
    GeometryColumn,
    Needs,
    X,
    Y,
)

Law = tuple[str, Bool[np.ndarray, "n"]]  # what a row that breaks it says, and the rows
# Two computations of one distance. A letterbox rounds annotations to float32, 6e-8 of a coordinate;
# near the origin it is 6e-8 of the image's size, which records do not have: 0.01 px covers any image.
_NEAR_PX, _NEAR_SHARE = 0.01, 1e-6
_ANY_PX = 1e12


def decode_laws(rows: RecordIndex, decode: Decode) -> Iterator[Law]:
    """Distances are those between the predicted point and the annotations."""
    predicted = predicted_points(rows, decode)
    yield f"{X.of(decode)} or {Y.of(decode)} is NaN", np.isnan(predicted).any(axis=1)
    near = rounding_error(rows, predicted, decode)
    error = rows.floats(ERROR_PX.of(decode))
    yield (
        f"{ERROR_PX.of(decode)} is not the distance from the predicted point to the keypoint",
        (error < 0) | differs(error, distance(predicted, rows.target_xy), near),
    )
    twin, error = rows.ids("twin"), rows.floats(TWIN_ERROR_PX.of(decode))
    row = rows.in_target.rows(twin)
    yield (
        f"{TWIN_ERROR_PX.of(decode)} is NaN though twin_visible is true, or a number though it is false",
        np.isnan(error) == (rows.ids("twin_visible") == 1),
    )
    known = (row != NOWHERE) & (twin != rows.keypoint)
    yield (
        f"{TWIN_ERROR_PX.of(decode)} is not the distance from the predicted point to the counterpart",
        (error < 0) | (known & differs(error, distance(predicted, rows.target_xy[row]), near)),
    )
    yield from _nearest_laws(rows, NEAREST.of(decode), predicted, near)


def predicted_points(rows: RecordIndex, decode: Decode) -> Float64[np.ndarray, "n 2"]:
    return np.stack([rows.floats(X.of(decode)), rows.floats(Y.of(decode))], axis=1)


def rounding_error(
    rows: RecordIndex, predicted: Float64[np.ndarray, "n 2"], decode: Decode
) -> Float64[np.ndarray, "n"]:
    """By how much two computations of a row's distances may differ, original pixels.

    Records have neither the image's size nor its box. Where a rule cuts keypoints to whole pixels of
    the image and of a frame, by what that moves a point of an image twice as large as the largest
    coordinate; in a stretched frame by any number, see `stretched_laws`.
    """
    if decode.frame == "stretched":
        return np.full(len(predicted), _ANY_PX)
    sizes = np.nansum(np.abs(np.concatenate([predicted, rows.target_xy], axis=1)), axis=1)
    exact = np.asarray(_NEAR_PX + _NEAR_SHARE * (sizes + rows.floats("size_px")))
    if decode.keypoints == "exact" or decode.frame_px is None:
        return exact
    largest = np.nan_to_num(np.abs(np.concatenate([predicted, rows.target_xy]))).max(initial=0.0)
    return np.asarray(exact + np.sqrt(2) * (1 + 2 * largest / decode.frame_px))


def _nearest_laws(
    rows: RecordIndex,
    name: str,
    predicted: Float64[np.ndarray, "n 2"],
    near: Float64[np.ndarray, "n"],
) -> Iterator[Law]:
    nearest = rows.ids(name)
    row = rows.in_pair.rows(nearest)
    has_mutual = np.bincount(rows.pair, rows.visible)[rows.pair] > 0
    valid = (row != NOWHERE) & rows.visible[row]
    yield (
        f"{name} is not a keypoint that both images of the pair show, or not -1 if there is none",
        np.where(has_mutual, ~valid, nearest != -1),
    )
    chosen = distance(predicted, rows.target_xy[row])
    least = distance(predicted, rows.target_xy[_nearest_rows(rows, predicted)])
    yield (
        f"{name} is not the keypoint nearest to the predicted point",
        has_mutual & valid & (chosen > least + near),
    )


def _nearest_rows(rows: RecordIndex, predicted: Float64[np.ndarray, "n 2"]) -> Int[np.ndarray, "n"]:
    """Of each row's pair, the row whose visible annotation is nearest to the row's prediction.

    Any row where the pair has none.
    """
    candidates = np.flatnonzero(rows.visible & np.isfinite(rows.target_xy).all(axis=1))
    if not len(candidates):
        return np.zeros(len(predicted), np.int64)
    finite = np.nan_to_num(predicted)
    largest = max(np.abs(finite).max(), np.abs(rows.target_xy[candidates]).max(), 1.0)
    # Of different pairs, points lie further apart than of the same; of one, exactly as in the image.
    apart = 4.0 * rows.pair[:, None]
    tree = KDTree(np.hstack([rows.target_xy[candidates] / largest, apart[candidates]]))
    return np.asarray(candidates[tree.query(np.hstack([finite / largest, apart]))[1]])


def geometry_laws(rows: RecordIndex, needs: Needs) -> Iterator[Law]:
    """Maxima of parts of a map do not exceed those of the whole, and together they reach it."""
    geometries = [geometry for geometry, _ in needs.geometries]
    for geometry, alphas in needs.geometries:
        yield from _extreme_laws(rows, geometry)
        for alpha in alphas:
            yield from _circle_laws(rows, geometry, alpha)
        for larger, smaller in pairwise(sorted(alphas, reverse=True)):
            yield from _nested_laws(rows, geometry, larger, smaller)
    for one, other in combinations(geometries, 2):
        for column in OF_GEOMETRY:
            first, second = (rows.floats(column.of(g)) for g in (one, other))
            yield f"{column.of(one)} and {column.of(other)} differ", first != second


def _extreme_laws(rows: RecordIndex, geometry: Geometry) -> Iterator[Law]:
    def of(column: GeometryColumn) -> tuple[str, Float64[np.ndarray, "n"]]:
        return column.of(geometry), rows.floats(column.of(geometry))

    (best_name, best), (low_name, low), (high_name, high) = of(BEST), of(MAP_MIN), of(MAP_MAX)
    for name, values in ((best_name, best), (low_name, low), (high_name, high)):
        yield f"{name} is NaN", np.isnan(values)
    first = Places([rows.pair]).first
    yield f"{low_name} differs within a pair", differing(low, first)
    yield f"{low_name} is above {best_name}", low > best
    highest = np.full(int(rows.pair.max(initial=0)) + 1, -np.inf)
    np.maximum.at(highest, rows.pair, np.nan_to_num(best))
    yield f"{high_name} is not the highest {best_name} of the pair", high != highest[rows.pair]


def _circle_laws(rows: RecordIndex, geometry: Geometry, alpha: float) -> Iterator[Law]:
    inside_name, outside_name = INSIDE.of(geometry, alpha), OUTSIDE.of(geometry, alpha)
    inside, outside = rows.floats(inside_name), rows.floats(outside_name)
    low, best = rows.floats(MAP_MIN.of(geometry)), rows.floats(BEST.of(geometry))
    for name, values in ((inside_name, inside), (outside_name, outside)):
        yield f"{name} is below {MAP_MIN.of(geometry)}", values < low
    has_circle = rows.visible | geometry.absent_at_corner
    yield (
        f"{inside_name} is a number where the keypoint is absent",
        ~has_circle & ~np.isnan(inside),
    )
    if geometry.nearest_inside:
        yield f"{inside_name} is NaN, but a cell is always inside", has_circle & np.isnan(inside)
    yield f"{outside_name} is NaN, but every keypoint needs a negative", np.isnan(outside)
    yield (
        f"The larger of {inside_name} and {outside_name} is not {BEST.of(geometry)}",
        np.fmax(inside, outside) != best,
    )


def _nested_laws(
    rows: RecordIndex, geometry: Geometry, larger: float, smaller: float
) -> Iterator[Law]:
    """A larger circle holds the cells of a smaller one. No cell at all (NaN) is below any score."""
    for column, outer, inner in ((INSIDE, larger, smaller), (OUTSIDE, smaller, larger)):
        most, least = (
            np.nan_to_num(rows.floats(column.of(geometry, alpha)), nan=-np.inf)
            for alpha in (outer, inner)
        )
        yield f"{column.of(geometry, outer)} is below {column.of(geometry, inner)}", most < least


def distance(
    points: Float64[np.ndarray, "n 2"], others: Float64[np.ndarray, "n 2"]
) -> Float64[np.ndarray, "n"]:
    return np.asarray(np.hypot(*(points - others).T))


def differs(
    values: Float64[np.ndarray, "n"],
    expected: Float64[np.ndarray, "n"],
    near: Float64[np.ndarray, "n"],
) -> Bool[np.ndarray, "n"]:
    """Where two distances are not equal to within `near`, or only one is NaN."""
    one_is_empty = np.isnan(values) != np.isnan(expected)
    return np.asarray(one_is_empty | (np.abs(values - expected) > near))
