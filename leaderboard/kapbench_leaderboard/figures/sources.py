"""Where figures get data and models from, and where they are written. Imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kapbench.paths import cache_root
from kapbench_leaderboard.figures.presentation import PresentationName

Format = Literal["png", "svg", "pdf"]


@dataclass(frozen=True)
class Sources:
    """How data and models are loaded, beyond what a run card says.

    `dataset`, `model`: specs as `kapbench run` takes them, for those that are not registered.
    """

    dataset: str | None = None
    model: str | None = None
    data_root: Path | None = None
    cache: Path | None = None
    device: str = "auto"
    dataset_options: Mapping[str, Any] = field(default_factory=dict)
    model_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> Path:
        return cache_root() if self.cache is None else self.cache


@dataclass(frozen=True)
class Output:
    """The folder and format of the files that are written, and how their figures look.

    `titled`: whether a figure has a title of its own.
    """

    folder: Path
    format: Format = "png"
    presentation: PresentationName = "paper"
    titled: bool = True

    def path(self, *words: str) -> Path:
        """A file that is named by these words, legal on any system."""
        joined = "-".join(words)
        name = "".join(c if c.isalnum() or c in ".-@_" else "_" for c in joined)[:120].strip(".")
        return self.folder / f"{name}.{self.format}"
