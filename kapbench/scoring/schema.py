"""The records table, one row per (pair, source keypoint): every column, written once.

Everything that lists, names, types or describes columns is made from this module: the rows that
`build_records` computes, the Arrow schema of records.parquet, the check of a submission's columns
and docs/records.md (by docs/make_records_page.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import pyarrow as pa

from kapbench.errors import KapbenchError
from kapbench.scoring.rules import Decode, Geometry, PckRule, Rule

Type = Literal["text", "bool", "int8", "int32", "float32", "float64"]
Columns = dict[str, np.ndarray]


@runtime_checkable
class Records(Protocol):
    """A records table by its columns: a DataFrame, or a file that is read as scores ask."""

    def __getitem__(self, column: str, /) -> "pd.Series[Any]": ...

    def __len__(self) -> int:
        """Number of rows."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that every records table has.

    `name`: its name; of the columns below, how their names begin.
    `type`: "text" is a pandas category in memory and a string in parquet; all others are the same
    in both. `empty`: the cell's content where there is no value.
    """

    name: str
    type: Type
    unit: str
    meaning: str
    empty: str = ""

    @property
    def heading(self) -> str:
        """The column's name as documentation writes it."""
        return self.name


class DecodeColumn(Column):
    """One column per decode, e.g. `error_px@sd-dino`."""

    def of(self, decode: Decode) -> str:
        return f"{self.name}@{decode.key}"

    @property
    def heading(self) -> str:
        return f"{self.name}@D"


class GeometryColumn(Column):
    """One column per geometry, e.g. `best@cvpr24`."""

    def of(self, geometry: Geometry) -> str:
        return f"{self.name}@{geometry.key}"

    @property
    def heading(self) -> str:
        return f"{self.name}@G"


class CircleColumn(Column):
    """One column per geometry and alpha, e.g. `inside@cvpr24@0.10`."""

    def of(self, geometry: Geometry, alpha: float) -> str:
        return f"{self.name}@{geometry.key}@{alpha_key(alpha)}"

    @property
    def heading(self) -> str:
        return f"{self.name}@G@α"


def alpha_key(alpha: float) -> str:
    """Two decimals, or as many as it takes to distinguish this alpha from every other."""
    short = f"{alpha:.2f}"
    return short if float(short) == alpha else str(alpha)


_PIXELS = "original pixels"
_UNKNOWN = "-1 where the data set does not say"
_EITHER = "0 in neither image, 1 in the source, 2 in the target, 3 in both"
_ABSENT = "NaN where the keypoint is absent"

EXTENT = Column(
    "extent",
    "int8",
    "",
    "what says where the object is in the target image: 2 a mask, 1 its bounding box",
    "0 where the data set has neither",
)

PAIR = (
    Column("pair_id", "text", "", "identifier of the pair in the data set"),
    Column("category", "text", "", "category of both images, or the pair group of two categories"),
    Column("source_image", "text", "", "identifier of the source image"),
    Column("target_image", "text", "", "identifier of the target image"),
)
ANNOTATION = (
    Column("keypoint", "int32", "", "number of the keypoint; it is visible in the source image"),
    Column("group", "int32", "", "number of its part group", "-1 where the part has no repetition"),
    Column("twin", "int32", "", "number of its mirror counterpart", "its own where it has none"),
    Column("target_visible", "bool", "", "whether the keypoint is visible in the target image"),
    Column("twin_visible", "bool", "", "whether the target shows the counterpart", "false"),
    Column("group_visible", "int32", "", "members of the group visible in the target", "0"),
    Column(
        "group_visible_renumbered",
        "int32",
        "",
        "the same of the groups of rule `geo-published-point`, which depend on all pairs of the run",
        "0",
    ),
    Column("source_x", "float32", _PIXELS, "keypoint in the source image, x to the right"),
    Column("source_y", "float32", _PIXELS, "keypoint in the source image, y downwards"),
    Column("target_x", "float32", _PIXELS, "keypoint in the target image, x", _ABSENT),
    Column("target_y", "float32", _PIXELS, "keypoint in the target image, y", _ABSENT),
    Column("size_px", "float64", _PIXELS, "T, the size that distances are divided by"),
    Column("viewpoint_change", "int8", "45° steps", "difference of the viewpoints, 0–4", _UNKNOWN),
    Column("truncation", "int8", "", f"truncated objects: {_EITHER}", _UNKNOWN),
    Column("occlusion", "int8", "", f"occluded objects: {_EITHER}", _UNKNOWN),
    EXTENT,
)

X = DecodeColumn("x", "float64", _PIXELS, "predicted point, x to the right")
Y = DecodeColumn("y", "float64", _PIXELS, "predicted point, y downwards")
ERROR_PX = DecodeColumn(
    "error_px",
    "float64",
    _PIXELS,
    "distance from the predicted point to the keypoint, as the rule measures it",
    _ABSENT,
)
TWIN_ERROR_PX = DecodeColumn(
    "twin_error_px",
    "float64",
    _PIXELS,
    "distance from the predicted point to the mirror counterpart",
    "NaN where there is none, or the target does not show it",
)
NEAREST = DecodeColumn(
    "nearest",
    "int32",
    "",
    "the keypoint nearest to the predicted point, of those visible in both images",
    "-1 where no keypoint is visible in both",
)
GROUP_ERROR_PX = DecodeColumn(
    "group_error_px",
    "float64",
    _PIXELS,
    "distance from the predicted point to the nearest visible member of the keypoint's part group, "
    "other than the keypoint and its mirror counterpart",
    "NaN where the target shows no such member",
)
OTHER_ERROR_PX = DecodeColumn(
    "other_error_px",
    "float64",
    _PIXELS,
    "distance from the predicted point to the nearest other keypoint that the target shows, also of "
    "those that the source does not show",
    "NaN where the target shows no other keypoint",
)
ON_OBJECT = DecodeColumn(
    "on_object",
    "int8",
    "",
    "whether the predicted point lies on the object, as `extent` says where that is: 0 no, 1 yes",
    "-1 where extent is 0",
)
OF_DECODE = (X, Y, ERROR_PX, TWIN_ERROR_PX, NEAREST, GROUP_ERROR_PX, OTHER_ERROR_PX, ON_OBJECT)
SINCE_4 = (EXTENT, GROUP_ERROR_PX, OTHER_ERROR_PX, ON_OBJECT)  # not in records of scoring 1 to 3

_SCORE = "similarity"
BEST = GeometryColumn("best", "float32", _SCORE, "highest score of the keypoint's map")
MAP_MIN = GeometryColumn("map_min", "float32", _SCORE, "lowest score in all maps of the pair")
MAP_MAX = GeometryColumn("map_max", "float32", _SCORE, "highest score in all maps of the pair")
OF_GEOMETRY = (BEST, MAP_MIN, MAP_MAX)

INSIDE = CircleColumn(
    "inside",
    "float32",
    _SCORE,
    "highest score of the cells within α·T of the keypoint",
    "NaN where the keypoint is absent, or no cell lies inside",
)
OUTSIDE = CircleColumn(
    "outside",
    "float32",
    _SCORE,
    "highest score of all other cells; of the whole map where the keypoint is absent",
    "none: a circle that holds every cell is refused",
)
OF_CIRCLE = (INSIDE, OUTSIDE)

IDENTITY = Column(
    "identity",
    "float64",
    "",
    "of the visible members of the keypoint's part, whether it is the most similar one: 1, or 1 divided "
    "by the number of equally similar ones; 0 where another is more similar",
    "NaN where the keypoint is absent, or the target shows no other member",
)
OF_MAP = (IDENTITY,)
SINCE_5 = (IDENTITY,)  # not in records of scoring 1 to 4, which keep all scores but identity

EVERY = (*PAIR, *ANNOTATION, *OF_DECODE, *OF_GEOMETRY, *OF_CIRCLE, *OF_MAP)
TEXT = tuple(column.name for column in PAIR)
_BY_NAME = {column.name: column for column in EVERY}


@dataclass(frozen=True)
class Needs:
    """The decodes and geometries that a set of rules asks of one pass over the model."""

    decodes: tuple[Decode, ...]
    geometries: tuple[tuple[Geometry, tuple[float, ...]], ...]

    @classmethod
    def of(
        cls, rules: Sequence[Rule], supervised: bool = False, window: int | None = None
    ) -> "Needs":
        """Raises KapbenchError: two rules give one key to different decodes or geometries."""
        decodes: dict[str, Decode] = {}
        geometries: dict[str, Geometry] = {}
        alphas: dict[str, set[float]] = {}
        for rule in rules:
            if isinstance(rule, PckRule):
                decode = rule.decode_for(supervised, window)
                _check_key(decodes.setdefault(decode.key, decode), decode, rule)
            else:
                geometry = rule.geometry
                _check_key(geometries.setdefault(geometry.key, geometry), geometry, rule)
                alphas.setdefault(geometry.key, set()).update(rule.alphas)
        circles = tuple((g, tuple(sorted(alphas[k], reverse=True))) for k, g in geometries.items())
        return cls(tuple(decodes.values()), circles)

    @property
    def columns(self) -> dict[str, Column]:
        """Every column of a records table that serves these rules, by name and in order."""
        columns: dict[str, Column] = {column.name: column for column in (*PAIR, *ANNOTATION)}
        for decode in self.decodes:
            columns |= {column.of(decode): column for column in OF_DECODE}
        for geometry, alphas in self.geometries:
            columns |= {column.of(geometry): column for column in OF_GEOMETRY}
            columns |= {c.of(geometry, alpha): c for alpha in alphas for c in OF_CIRCLE}
        return columns | {column.name: column for column in OF_MAP}


def _check_key(first: Decode | Geometry, choice: Decode | Geometry, rule: Rule) -> None:
    if first != choice:
        raise KapbenchError(
            f"Two rules use the key '{choice.key}' for different things",
            place=f"rule {rule.name}",
            fix="Give the decode or geometry of your own rule another key",
        )


def has_column(records: Records, name: str) -> bool:
    """Whether a table has a column that records of earlier versions lack."""
    try:
        records[name]
    except KeyError:
        return False
    return True


def column(name: str) -> Column:
    """The column of a full name such as "error_px@sd-dino".

    Raises:
        KeyError: the records table has no such column.
    """
    return _BY_NAME[name.partition("@")[0]]


def arrow_schema(names: Iterable[str]) -> pa.Schema:
    """The Arrow schema of a records.parquet that has these columns, in this order."""
    types = {name: column(name).type for name in names}
    empty = {n: pd.Series([], dtype="str" if t == "text" else t) for n, t in types.items()}
    return pa.Schema.from_pandas(pd.DataFrame(empty), preserve_index=False)
