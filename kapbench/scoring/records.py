"""One row of facts per (pair, source keypoint): all that any score needs to know of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float

from kapbench.errors import KapbenchError
from kapbench.scoring.grid_geometry import Frame, anchors, decode_cells
from kapbench.scoring.rules import Decode, Geometry, PckRule, Rule
from kapbench.types import Grid

Columns = dict[str, np.ndarray]
TEXT = ("pair_id", "category", "source_image", "target_image")


@runtime_checkable
class Records(Protocol):
    """A table of records by its columns: a DataFrame, or a file that is read as scores ask."""

    def __getitem__(self, column: str, /) -> "pd.Series[Any]": ...

    def __len__(self) -> int:
        """Number of rows."""


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


def alpha_key(alpha: float) -> str:
    """Two decimals, or as many as it takes to tell this alpha from another."""
    short = f"{alpha:.2f}"
    return short if float(short) == alpha else str(alpha)


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
