"""What a conversion of features took the files for, as lines and as JSON."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from kapbench.errors import counted

_NAMED = 3


class FeatureReport(BaseModel):
    """Written as conversion.json beside the maps."""

    model_config = ConfigDict(extra="forbid")

    source: str
    dataset: str
    split: str
    formats: dict[str, int]  # files by ending
    axes: str
    axes_reason: str
    dropped_axes: int  # of length 1, before the others
    channels: int
    fewest_cells: tuple[int, int]  # rows and columns
    most_cells: tuple[int, int]
    types: tuple[str, ...]  # of the maps that were written, as NumPy calls them
    layout: str
    settings: dict[str, Any]  # of kapbench.json, also the defaults
    spellings: dict[str, int]
    examples: dict[str, str]  # three images and what they were read from
    n_written: int
    n_kept: int  # of an earlier start of the same conversion
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def lines(self) -> list[str]:
        """For the screen: one fact a line."""
        files = ", ".join(f"{counted(n, f'{ending} file')}" for ending, n in self.formats.items())
        axes = {"chw": "[channels, height, width]", "hwc": "[height, width, channels]"}[self.axes]
        cells = " to ".join(
            f"{h}×{w}" for h, w in dict.fromkeys((self.fewest_cells, self.most_cells))
        )
        grid = self.settings["grid"]
        frame = f"letterbox of {self.settings['side']} px" if grid == "letterbox" else grid
        spelt = ", ".join(f"{n:,} {words}" for words, n in self.spellings.items())
        lines = [
            f"read from  {files}" + ("" if self.layout == "plain" else f", {self.layout}"),
            f"names      {spelt}",
            *(f"           {image} from {place}" for image, place in self.examples.items()),
            f"axes       {axes}:",
            f"           {self.axes_reason}",
            *(["           a batch axis of length 1 is dropped"] if self.dropped_axes else []),
            f"cells      {self.channels:,} channels on {cells} cells"
            + (f", {' and '.join(self.types)}" if self.types else ""),
            f"grid       {frame}, as stated",
        ]
        if self.missing:
            lines.append(f"missing    {_named(self.missing, 'image')}")
        if self.unused:
            lines.append(f"unused     {_named(self.unused, 'array')} of no image of the data set")
        return lines


def _named(names: Sequence[str], noun: str) -> str:
    more = ", …" if len(names) > _NAMED else ""
    return f"{counted(len(names), noun)} ({', '.join(names[:_NAMED])}{more})"
