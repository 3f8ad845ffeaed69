"""One row of facts per (pair, source keypoint): all that any score needs to know of a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Float64, Int

from kapbench.errors import KapbenchError
from kapbench.scoring.cells import (
    Frame,
    anchors,
    argmax_cells,
    circle_maxima,
    decode_cells,
    soft_argmax_cells,
)
from kapbench.scoring.rules import Decode, Geometry, PckRule, Rule
from kapbench.types import Grid, Pair, SimilarityMap

Columns = dict[str, np.ndarray]
TEXT = ("pair_id", "category", "source_image", "target_image")


@runtime_checkable
class Records(Protocol):
    """A table of records by its columns: a DataFrame, or a file that is read as scores ask."""

    def __getitem__(self, column: str, /) -> "pd.Series[Any]": ...

    def __len__(self) -> int:
        """Number of rows."""


Maps = SimilarityMap | Callable[[Decode | Geometry], SimilarityMap]


@dataclass(frozen=True)
class Needs:
    """The decodes and geometries that a set of rules asks of one pass over the model."""

    decodes: tuple[Decode, ...]
    geometries: tuple[tuple[Geometry, tuple[float, ...]], ...]

    @classmethod
    def of(cls, rules: Sequence[Rule], supervised: bool = False) -> "Needs":
        """
        Raises:
            KapbenchError: two rules give one key to different decodes or geometries.
        """
        decodes: dict[str, Decode] = {}
        geometries: dict[str, Geometry] = {}
        alphas: dict[str, set[float]] = {}
        for rule in rules:
            if isinstance(rule, PckRule):
                decode = rule.decode_for(supervised)
                _agree(decodes.setdefault(decode.key, decode), decode, rule)
            else:
                geometry = rule.geometry
                _agree(geometries.setdefault(geometry.key, geometry), geometry, rule)
                alphas.setdefault(geometry.key, set()).update(rule.alphas)
        asked = tuple((g, tuple(sorted(alphas[k], reverse=True))) for k, g in geometries.items())
        return cls(tuple(decodes.values()), asked)


def _agree(first: Decode | Geometry, choice: Decode | Geometry, rule: Rule) -> None:
    if first != choice:
        raise KapbenchError(
            f"two rules mean different things by the key '{choice.key}'",
            place=f"rule {rule.name}",
            fix="give the decode or geometry of your own rule a key of its own",
        )


@dataclass(frozen=True, slots=True)
class _Maps:
    """Maps with what every decode and geometry asks of them."""

    values: Float32[np.ndarray, "q h w"]
    grid: Grid
    best: Int[np.ndarray, "q"]  # number of the best cell, the first among equals

    @classmethod
    def of(cls, maps: SimilarityMap) -> "_Maps":
        values = np.asarray(maps.values, np.float32)
        flat = values.reshape(len(values), maps.grid.n_cells)
        return cls(values, maps.grid, flat.argmax(axis=1))


def _always(maps: _Maps) -> Callable[[Decode | Geometry], _Maps]:
    return lambda _: maps


def alpha_key(alpha: float) -> str:
    """Two decimals, or as many as it takes to tell this alpha from another."""
    short = f"{alpha:.2f}"
    return short if float(short) == alpha else str(alpha)


def pair_columns(
    pair: Pair,
    maps: Maps,
    needs: Needs,
    pixels: Mapping[str, Float64[np.ndarray, "q 2"]] | None = None,
) -> Columns:
    """The rows of one pair, by column; see docs/records.md for every column's meaning.

    Args:
        maps: Similarity of every source-visible keypoint, in order of id, to the target's cells;
            or a function that gives them for one decode or geometry (the oracle).
        pixels: Predicted points (pixel indices) of the "pixel" decodes, by key.
    """
    shown = np.flatnonzero(pair.source.keypoints.visible)
    columns = _annotation_columns(pair, shown)
    of = (lambda rule: _Maps.of(maps(rule))) if callable(maps) else _always(_Maps.of(maps))
    for decode in needs.decodes:
        if decode.offset == "pixel":
            if pixels is None:
                raise ValueError(f"decode {decode.key} needs features")
            predicted = pixels[decode.key]
        else:
            predicted = _predict(decode, of(decode), pair.target.size)
        columns |= _error_columns(decode, pair, shown, predicted)
    for geometry, alphas in needs.geometries:
        columns |= _score_columns(geometry, alphas, pair, shown, of(geometry))
    return columns


def table(parts: Sequence[Columns]) -> pd.DataFrame:
    """Joins the rows of pairs; strings become categories."""
    if not parts:
        return pd.DataFrame()
    joined = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return pd.DataFrame({k: pd.Categorical(v) if k in TEXT else v for k, v in joined.items()})


def typed(records: pd.DataFrame, categories: Sequence[str]) -> pd.DataFrame:
    """Text columns as pandas categories, after a file forgot which categories had no row."""
    text = [c for c in TEXT if c in records]
    known = {"category": sorted(categories)}
    return records.assign(**{c: _category(records[c], known.get(c)) for c in text})


def _category(column: "pd.Series[Any]", known: Sequence[str] | None) -> "pd.Series[Any]":
    found = column.astype("category").cat.remove_unused_categories()
    names = pd.Index(found.cat.categories.astype("str"))
    found = found.cat.rename_categories(names)
    wanted = names.sort_values() if known is None else pd.Index(list(known), dtype="str")
    return found.cat.set_categories(wanted)


def _annotation_columns(pair: Pair, shown: Int[np.ndarray, "q"]) -> Columns:
    n, source, target = len(shown), pair.source, pair.target
    visible = target.keypoints.visible
    twins = pair.twins[shown]
    groups = pair.groups[shown]
    change = pair.viewpoint_change
    text = {
        "pair_id": pair.pair_id,
        "category": source.category,
        "source_image": source.image_id,
        "target_image": target.image_id,
    }
    return {
        **{k: np.full(n, v, dtype=object) for k, v in text.items()},
        "keypoint": shown.astype(np.int16),
        "group": groups.astype(np.int16),
        "twin": twins.astype(np.int16),
        "target_visible": visible[shown],
        "twin_visible": (twins != shown) & visible[twins],
        "group_visible": _members_visible(pair.groups, visible, shown),
        "group_visible_renumbered": _members_visible(renumbered(pair.groups), visible, shown),
        "source_x": source.keypoints.xy[shown, 0].astype(np.float32),
        "source_y": source.keypoints.xy[shown, 1].astype(np.float32),
        "target_x": target.keypoints.xy[shown, 0].astype(np.float32),
        "target_y": target.keypoints.xy[shown, 1].astype(np.float32),
        "size_px": np.full(n, pair.size, np.float64),
        "viewpoint_change": np.full(n, -1 if change is None else change, np.int8),
        "truncation": np.full(n, _either(source.truncated, target.truncated), np.int8),
        "occlusion": np.full(n, _either(source.occluded, target.occluded), np.int8),
    }


def _either(source: bool | None, target: bool | None) -> int:
    """0 neither, 1 source, 2 target, 3 both, -1 unknown."""
    return -1 if source is None or target is None else int(source) + 2 * int(target)


def renumbered(groups: Int[np.ndarray, "K"]) -> Int[np.ndarray, "K"]:
    """Groups after the released scripts' renumbering: ids replaced by their place in the list.

    The list holds groups and single keypoints, ordered by smallest id, groups written out.
    """
    order: list[int] = []
    for k, group in enumerate(groups):
        members = [k] if group < 0 else np.flatnonzero(groups == group).tolist()
        if members[0] == k:
            order.extend(members)
    return np.asarray(groups[order])


def _members_visible(
    groups: Int[np.ndarray, "K"], visible: np.ndarray, shown: Int[np.ndarray, "q"]
) -> Int[np.ndarray, "q"]:
    """Members of each shown keypoint's group that the target shows; 0 for one that stands alone."""
    same = (groups[shown, None] == groups[None, :]) & (groups[shown, None] >= 0)
    return np.asarray((same & visible).sum(axis=1).astype(np.int16))


def _predict(decode: Decode, maps: _Maps, size: tuple[int, int]) -> Float64[np.ndarray, "q 2"]:
    """Predicted points in the decode's frame."""
    if decode.window is None or decode.temperature is None:
        cells = argmax_cells(maps.best, maps.grid)
    else:
        cells = soft_argmax_cells(maps.values, maps.best, decode.window, decode.temperature)
    return decode_cells(decode, maps.grid, size, cells)


def _error_columns(
    decode: Decode,
    pair: Pair,
    shown: Int[np.ndarray, "q"],
    predicted: Float64[np.ndarray, "q 2"],
) -> Columns:
    frame = Frame(pair.target.size, decode.frame_px)
    known = pair.target.keypoints
    distance = (
        np.linalg.norm(predicted[:, None] - frame.points(known.xy)[None], axis=2) / frame.scale
    )
    rows = np.arange(len(shown))
    mutual = known.visible & pair.source.keypoints.visible
    to_mutual = np.where(mutual, distance, np.inf)
    nearest = to_mutual.argmin(axis=1) if mutual.any() else np.full(len(shown), -1)
    twins = pair.twins[shown]
    xy = frame.to_image(predicted)
    return {
        f"x@{decode.key}": xy[:, 0],
        f"y@{decode.key}": xy[:, 1],
        f"error_px@{decode.key}": distance[rows, shown],
        f"twin_error_px@{decode.key}": np.where(twins != shown, distance[rows, twins], np.nan),
        f"nearest@{decode.key}": nearest.astype(np.int16),
    }


def _score_columns(
    geometry: Geometry,
    alphas: Sequence[float],
    pair: Pair,
    shown: Int[np.ndarray, "q"],
    maps: _Maps,
) -> Columns:
    frame = Frame(pair.target.size, geometry.frame_px)
    flat = maps.values.reshape(len(maps.values), maps.grid.n_cells)
    visible = pair.target.keypoints.visible[shown]
    centres = frame.points(pair.target.keypoints.xy[shown])
    centres[~visible] = 0.0  # where the published code keeps an absent keypoint
    radii = np.array(alphas) * pair.size * frame.scale
    x, y = anchors(geometry, maps.grid, pair.target.size)
    inside, outside = circle_maxima(maps.values, maps.best, x, y, centres, radii, geometry)
    best = flat[np.arange(len(flat)), maps.best]
    if not geometry.absent_at_corner:
        inside[:, ~visible], outside[:, ~visible] = np.nan, best[~visible]
    columns = {
        f"best@{geometry.key}": best,
        f"map_min@{geometry.key}": np.full(
            len(best), flat.min() if flat.size else np.nan, np.float32
        ),
        f"map_max@{geometry.key}": np.full(
            len(best), flat.max() if flat.size else np.nan, np.float32
        ),
    }
    for i, alpha in enumerate(alphas):
        columns[f"inside@{geometry.key}@{alpha_key(alpha)}"] = inside[i]
        columns[f"outside@{geometry.key}@{alpha_key(alpha)}"] = outside[i]
    return columns


def anchor_points(
    geometry: Decode | Geometry, grid: Grid, image_size: tuple[int, int]
) -> Float[np.ndarray, "h w 2"]:
    """The point of each cell that a rule measures, in original pixels: what the oracle aims at."""
    frame = Frame(image_size, geometry.frame_px)
    if isinstance(geometry, Geometry):
        x, y = anchors(geometry, grid, image_size)
    else:
        index = np.arange(max(grid.height, grid.width), dtype=np.float64)
        points = decode_cells(geometry, grid, image_size, np.stack([index, index], axis=1))
        x, y = points[: grid.width, 0], points[: grid.height, 1]
    both = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
    return frame.to_image(both)
