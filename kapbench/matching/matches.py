"""What a match is: for each point of the source, the best place in the target, and the next best."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Float64

from kapbench.matching.image_pair import NamedImage
from kapbench.running.board_plugin import board_function
from kapbench.types import Grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Matches:
    """Points of a source image and where a model finds them in a target image.

    Points are x, y in original pixels: x to the right, y down. Scores are similarities as the
    model's comparison gives them; more is better.

    Args:
        model: The model's name.
        revision: The model's.
        points: In the source.
        best: The centre of the best cell of the target; of equal cells the first, row by row. Cells
            that a model lays over the padding around an image count, as in a run.
        score: The similarity there.
        second: The centre of the best other peak: the most similar of the cells that are at least
            as similar as their eight neighbours and lie farther than `apart_px` from `best`, centre
            to centre. NaN where there is none.
        second_score: The similarity there; NaN where there is none.
        round_trip_px: The way back: distance from the centre of the point's own cell to the centre
            of the source cell that is most similar to the best cell; 0 where both are one cell.
            None for a model that sees both images at once, which has no features to compare.
        maps: Similarity of each point to each cell of the target.
        grid: Where the cells lie in the target.
        regular: Whether the points are a regular set, and not the caller's.
        back: Of a regular set, a regular set of the target matched in the source; else None.
    """

    model: str
    revision: str
    source: NamedImage
    target: NamedImage
    points: Float64[np.ndarray, "q 2"]
    best: Float64[np.ndarray, "q 2"]
    score: Float[np.ndarray, "q"]
    second: Float64[np.ndarray, "q 2"]
    second_score: Float[np.ndarray, "q"]
    apart_px: float
    round_trip_px: Float64[np.ndarray, "q"] | None
    maps: Float32[np.ndarray, "q h w"]
    grid: Grid
    regular: bool = False
    back: "Matches | None" = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def margin(self) -> Float[np.ndarray, "q"]:
        """The best score minus that of the second peak; NaN where there is none."""
        return np.asarray(self.score - self.second_score)

    @property
    def mutual(self) -> Bool[np.ndarray, "q"] | None:
        """Whether each match is a pair of mutual nearest neighbours: its round trip is 0.

        None where `round_trip_px` is None.
        """
        return None if self.round_trip_px is None else np.asarray(self.round_trip_px == 0)

    @property
    def near_px(self) -> float:
        """`apart_px` as the same share of the source's longer side: what a near way back is."""
        return self.apart_px * max(self.source.size) / max(self.target.size)

    def to_frame(self) -> pd.DataFrame:
        """One row for each point, numbered from 1.

        Columns: `point`, `source_x`, `source_y`, `target_x`, `target_y`, `score`, `second_x`,
        `second_y`, `second_score`, `margin`, `round_trip_px`, `mutual`. The last two are None where
        they are unknown.
        """
        columns: dict[str, Any] = {"point": np.arange(1, len(self) + 1)}
        places = {"source": self.points, "target": self.best}
        for name, xy in places.items():
            columns |= {f"{name}_x": xy[:, 0], f"{name}_y": xy[:, 1]}
        columns["score"] = self.score.astype(np.float64) + 0.0  # 0 has no sign
        columns |= {"second_x": self.second[:, 0], "second_y": self.second[:, 1]}
        columns["second_score"] = self.second_score.astype(np.float64) + 0.0
        columns["margin"] = self.margin.astype(np.float64)
        for name, known in (("round_trip_px", self.round_trip_px), ("mutual", self.mutual)):
            columns[name] = [None] * len(self) if known is None else known
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Everything but pixels and maps, as JSON holds it: None in place of NaN."""
        rows = self.to_frame().to_dict("records")
        return {
            "model": self.model,
            "revision": self.revision,
            "source": {"image": self.source.name, "size": list(self.source.size)},
            "target": {"image": self.target.name, "size": list(self.target.size)},
            "grid": {
                "height": self.grid.height,
                "width": self.grid.width,
                "box": list(self.grid.box),
            },
            "apart_px": self.apart_px,
            "near_px": self.near_px,
            "regular": self.regular,
            "points": [{str(key): _plain(value) for key, value in row.items()} for row in rows],
            "back": None if self.back is None else self.back.to_dict(),
        }

    def to_json(self) -> str:
        """`to_dict` as a text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    def figure(self, *others: "Matches", lines: bool = False) -> "Figure":
        """The figure of `kapbench match`.

        Args:
            others: Of other models for the same images and points, to stand beside.
            lines: Whether lines join mutual nearest neighbours of a regular set.

        Raises:
            KapbenchError: the others are of other images or points.
        """
        drawn: Figure = board_function("match_figure")([self, *others], lines=lines)
        return drawn

    def save(self, path: str | Path, *others: "Matches", lines: bool = False) -> Path:
        """Writes the figure (.png, .pdf, .svg) or the numbers (.json), by the path's ending.

        Raises:
            KapbenchError: another ending; see `figure`.
        """
        written: Path = board_function("match_files")([self, *others], Path(path), lines=lines)
        return written


def _plain(value: Any) -> Any:
    """A number as JSON holds it."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain
