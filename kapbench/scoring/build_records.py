"""The rows of pairs, by column: what similarity maps predict for each source keypoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int

from kapbench.errors import KapbenchError
from kapbench.scoring.frames import Frame
from kapbench.scoring.grid_geometry import (
    anchors,
    argmax_cells,
    circle_maxima,
    decode_cells,
    refuse_misfit,
)
from kapbench.scoring.map_reading import Maps, ReadMaps, each_once
from kapbench.scoring.nearest_keypoint import Distances
from kapbench.scoring.object_extent import Extent
from kapbench.scoring.part_groups import KeypointsInUse, members_visible, renumbered_groups
from kapbench.scoring.part_identity import CELL_CENTRES, identity_shares
from kapbench.scoring.rules import Decode, Geometry
from kapbench.scoring.schema import (
    ANNOTATION,
    BEST,
    ERROR_PX,
    EXTENT,
    GROUP_ERROR_PX,
    IDENTITY,
    INSIDE,
    MAP_MAX,
    MAP_MIN,
    NEAREST,
    ON_OBJECT,
    OTHER_ERROR_PX,
    OUTSIDE,
    TEXT,
    TWIN_ERROR_PX,
    Columns,
    Needs,
    X,
    Y,
)
from kapbench.scoring.soft_argmax import soft_argmax_cells
from kapbench.types import Grid, Pair, SimilarityMap, View

_NOT_FINITE = "The similarities, or their highest less their lowest, are not finite in float32"
_SCALE = "Divide all similarities by one constant, or look for NaN in the model's output"


def pair_columns(
    pair: Pair,
    maps: Maps,
    needs: Needs,
    pixels: Mapping[str, Float64[np.ndarray, "q 2"]] | None = None,
    keypoints_in_use: KeypointsInUse | None = None,
    mask: Bool[np.ndarray, "h w"] | None = None,
) -> Columns:
    """The rows of one pair: see `target_columns`."""
    return target_columns([pair], maps, needs, pixels, keypoints_in_use, mask)


def target_columns(
    pairs: Sequence[Pair],
    maps: Maps,
    needs: Needs,
    pixels: Mapping[str, Float64[np.ndarray, "q 2"]] | None = None,
    keypoints_in_use: KeypointsInUse | None = None,
    mask: Bool[np.ndarray, "h w"] | None = None,
) -> Columns:
    """The rows of pairs of one target image, by the columns of `schema`.

    Rows do not depend on each other: the same pairs one by one give the same rows.

    Args:
        maps: Similarity of every source-visible keypoint, pair by pair and in order of id, to the
            target's cells; or a function that gives them for one decode or geometry (the oracle).
        pixels: Predicted points (pixel indices) of the "pixel" decodes, by key.
        keypoints_in_use: Of all pairs of the run, see `part_groups`; only the groups of
            rule `geo-published-point` depend on it. None: all keypoint ids.
        mask: Of the target image, true on the object; None where the data set has none.

    Raises:
        KapbenchError: a grid that is too coarse or leaves part of the target out; similarities that
            are not finite, or whose span is not; a circle that no cell lies outside of.
    """
    rows = _Rows.of(pairs, mask)
    columns = _annotation_columns(rows, keypoints_in_use or {})
    of = each_once(rows.maps, maps)
    for decode in needs.decodes:
        if decode.offset == "pixel":
            if pixels is None:
                raise ValueError(f"decode {decode.key} needs features")
            predicted, grid = pixels[decode.key], None
        else:
            of_decode = of(decode)
            predicted, grid = _predict(decode, of_decode, rows), of_decode.grid
        columns |= _error_columns(decode, rows, predicted, grid)
    for geometry, alphas in needs.geometries:
        columns |= _score_columns(geometry, alphas, rows, of(geometry))
    return columns | _identity_column(rows, of(CELL_CENTRES))


def table(parts: Sequence[Columns]) -> pd.DataFrame:
    """Joins the rows of pairs; columns of text become categories."""
    if not parts:
        return pd.DataFrame()
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return pd.DataFrame({k: pd.Categorical(v) if k in TEXT else v for k, v in joined.items()})


@dataclass(frozen=True, slots=True)
class _Rows:
    """Source-visible keypoints of pairs of one target."""

    pairs: Sequence[Pair]
    target: View
    pair: Int[np.ndarray, "q"]  # which of the pairs
    keypoint: Int[np.ndarray, "q"]
    twin: Int[np.ndarray, "q"]
    size: Float64[np.ndarray, "q"]  # T, original px
    groups: Int[np.ndarray, "p K"]
    extent: Extent

    def maps(self, maps: SimilarityMap) -> ReadMaps:
        place = f"pair {self.pairs[0].pair_id}, target image {self.target.image_id}"
        refuse_misfit(maps.grid, self.target.size, place)
        return ReadMaps.of(maps)

    @property
    def self_and_twin(self) -> Int[np.ndarray, "q 2"]:
        return np.stack([self.keypoint, self.twin], axis=1)

    @classmethod
    def of(cls, pairs: Sequence[Pair], mask: Bool[np.ndarray, "h w"] | None) -> "_Rows":
        pair, keypoint = np.nonzero([p.source.keypoints.visible for p in pairs])
        twins = np.array([p.twins for p in pairs])
        sizes = np.array([p.size for p in pairs], np.float64)
        groups, target = np.array([p.groups for p in pairs]), pairs[0].target
        extent, twin = Extent.of(target, mask), twins[pair, keypoint]
        return cls(pairs, target, pair, keypoint, twin, sizes[pair], groups, extent)


def _annotation_columns(rows: _Rows, keypoints_in_use: KeypointsInUse) -> Columns:
    target, pair, keypoint = rows.target, rows.pair, rows.keypoint
    visible = target.keypoints.visible
    text = {
        "pair_id": [p.pair_id for p in rows.pairs],
        "category": [p.category for p in rows.pairs],
        "source_image": [p.source.image_id for p in rows.pairs],
        "target_image": [p.target.image_id for p in rows.pairs],
    }
    numbers = {
        "viewpoint_change": [-1 if (c := p.viewpoint_change) is None else c for p in rows.pairs],
        "truncation": [_either(p.source.truncated, target.truncated) for p in rows.pairs],
        "occlusion": [_either(p.source.occluded, target.occluded) for p in rows.pairs],
    }
    renamed = renumbered_groups(rows.pairs, keypoints_in_use)
    source_xy = np.array([p.source.keypoints.xy for p in rows.pairs])[pair, keypoint]
    annotation = {
        "keypoint": keypoint,
        "group": rows.groups[pair, keypoint],
        "twin": rows.twin,
        "target_visible": visible[keypoint],
        "twin_visible": (rows.twin != keypoint) & visible[rows.twin],
        "group_visible": members_visible(rows.groups, visible, pair, keypoint),
        "group_visible_renumbered": members_visible(renamed, visible, pair, keypoint),
        "source_x": source_xy[:, 0],
        "source_y": source_xy[:, 1],
        "target_x": target.keypoints.xy[keypoint, 0],
        "target_y": target.keypoints.xy[keypoint, 1],
        "size_px": rows.size,
        EXTENT.name: np.full(len(pair), rows.extent.kind),
        **{k: np.array(v)[pair] for k, v in numbers.items()},
    }
    return {
        **{k: np.array(v, dtype=object)[pair] for k, v in text.items()},
        **{c.name: annotation[c.name].astype(c.type, copy=False) for c in ANNOTATION},
    }


def _either(source: bool | None, target: bool | None) -> int:
    """0 neither, 1 source, 2 target, 3 both, -1 unknown."""
    return -1 if source is None or target is None else int(source) + 2 * int(target)


def _predict(decode: Decode, maps: ReadMaps, rows: _Rows) -> Float64[np.ndarray, "q 2"]:
    """Predicted points in the decode's frame."""
    flat = maps.values.reshape(len(maps.values), maps.grid.n_cells)
    highest = flat[np.arange(len(flat)), maps.best]
    _refuse(~np.isfinite(highest), rows, _NOT_FINITE, _SCALE)  # argmax gives NaN before numbers
    if decode.is_soft:
        if "-soft-" in decode.key and (decode.window or 0) >= max(
            maps.grid.height, maps.grid.width
        ):
            raise KapbenchError(
                f"The window of {decode.window} cells around the best one is larger than the map of "
                f"{maps.grid.width} × {maps.grid.height} cells",
                place=decode.key,
                fix="Choose a smaller window, or -soft-whole for all cells",
            )
        cells = soft_argmax_cells(decode, maps.values, maps.best)
    else:
        cells = argmax_cells(maps.best, maps.grid)
    return decode_cells(decode, maps.grid, rows.target.size, cells)


def _error_columns(
    decode: Decode, rows: _Rows, predicted: Float64[np.ndarray, "q 2"], grid: Grid | None
) -> Columns:
    frame = Frame.of(decode, rows.target.size, grid)
    per_pixel = frame.per_pixel(rows.size, rows.target.bbox)
    visible = rows.target.keypoints.visible
    mutual = np.array([visible & p.source.keypoints.visible for p in rows.pairs])
    distances = Distances.of(predicted, frame.points(rows.target.keypoints.xy))
    xy, twin, itself = frame.to_image(predicted), rows.twin, rows.keypoint
    error, twin_error = (distances.to(ids) / per_pixel for ids in (itself, twin))
    one_class = np.zeros_like(rows.groups)
    other_error, group_error = (
        distances.to_nearest_other(visible, classes, rows.pair, itself, excluded) / per_pixel
        for classes, excluded in ((one_class, itself[:, None]), (rows.groups, rows.self_and_twin))
    )
    return {
        X.of(decode): xy[:, 0],
        Y.of(decode): xy[:, 1],
        ERROR_PX.of(decode): error,
        TWIN_ERROR_PX.of(decode): np.where(twin != itself, twin_error, np.nan),
        NEAREST.of(decode): distances.nearest(mutual, rows.pair).astype(NEAREST.type),
        GROUP_ERROR_PX.of(decode): group_error,
        OTHER_ERROR_PX.of(decode): other_error,
        ON_OBJECT.of(decode): rows.extent.holds(xy),
    }


def _score_columns(
    geometry: Geometry, alphas: Sequence[float], rows: _Rows, maps: ReadMaps
) -> Columns:
    frame = Frame(rows.target.size, geometry.frame_px)
    flat = maps.values.reshape(len(maps.values), maps.grid.n_cells)
    visible = rows.target.keypoints.visible[rows.keypoint]
    centres = frame.points(rows.target.keypoints.xy[rows.keypoint])
    centres[~visible] = 0.0  # where the published code keeps an absent keypoint
    radii = np.array(alphas)[:, None] * rows.size * frame.scale
    x, y = anchors(geometry, maps.grid, rows.target.size)
    best = flat[np.arange(len(flat)), maps.best]
    low, high = _pair_extremes(flat, best, rows.pair)
    with np.errstate(over="ignore", invalid="ignore"):
        _refuse(~np.isfinite(high - low), rows, _NOT_FINITE, _SCALE)
    inside, outside = circle_maxima(maps.values, maps.best, x, y, centres, radii, geometry)
    if not geometry.absent_at_corner:
        inside[:, ~visible], outside[:, ~visible] = np.nan, best[~visible]
    _refuse_no_negative(outside, alphas, rows)
    columns = {BEST.of(geometry): best, MAP_MIN.of(geometry): low, MAP_MAX.of(geometry): high}
    for i, alpha in enumerate(alphas):
        columns[INSIDE.of(geometry, alpha)] = inside[i]
        columns[OUTSIDE.of(geometry, alpha)] = outside[i]
    return columns


def _identity_column(rows: _Rows, maps: ReadMaps) -> Columns:
    return {
        IDENTITY.name: identity_shares(rows.pairs, rows.pair, rows.keypoint, maps.values, maps.grid)
    }


def _refuse_no_negative(
    outside: Float32[np.ndarray, "a q"], alphas: Sequence[float], rows: _Rows
) -> None:
    """KapbenchError where a circle holds every cell: without a negative, no score means anything."""
    for alpha, values in zip(alphas, outside, strict=True):
        what = f"No cell of the map lies outside the circle at alpha {alpha:g}"
        fix = "Choose a smaller alpha, correct T (size_px), or leave the rules of KAP out"
        _refuse(np.isnan(values), rows, what, fix)


def _refuse(broken: Bool[np.ndarray, "q"], rows: _Rows, what: str, fix: str) -> None:
    if broken.any():
        row = int(broken.argmax())
        pair = rows.pairs[rows.pair[row]].pair_id
        raise KapbenchError(what, place=f"pair {pair}, keypoint {rows.keypoint[row]}", fix=fix)


def _pair_extremes(
    flat: Float32[np.ndarray, "q n"], best: Float32[np.ndarray, "q"], pair: Int[np.ndarray, "q"]
) -> tuple[Float32[np.ndarray, "q"], Float32[np.ndarray, "q"]]:
    """Lowest and highest score of all maps of each row's pair."""
    if not len(pair):
        return best, best
    _, first, which = np.unique(pair, return_index=True, return_inverse=True)
    low = np.minimum.reduceat(flat.min(axis=1), first)
    return low[which], np.maximum.reduceat(best, first)[which]
