"""What a page shows: images, what is annotated in them, and models with their features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Int, UInt8

from kapbench.types import Pair, View
from kapbench_leaderboard.explore.fidelity import Fidelity
from kapbench_leaderboard.explore.quantise import QuantisedModel


@dataclass(frozen=True, slots=True)
class ExploredImage:
    """`size_px`: T of the image as a target. `label`: how the page names it."""

    view: View
    label: str
    pixels: UInt8[np.ndarray, "h w 3"]
    size_px: float


@dataclass(frozen=True, slots=True)
class ExploredPair:
    """A pair of the data set; `source` and `target` are numbers of images."""

    pair: Pair
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class KeypointTable:
    """The keypoints of a category, by id."""

    names: Sequence[str]
    twins: Int[np.ndarray, "K"]


@dataclass(frozen=True, slots=True)
class ExploredModel:
    """`records`: of the pairs of the page, where the page is of a run."""

    name: str
    revision: str
    quantised: QuantisedModel
    fidelity: Fidelity
    records: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class DatasetNote:
    """What the page says of where its images come from."""

    name: str
    revision: str
    licence: str
    has_absent: bool
    are_photographs: bool


@dataclass(frozen=True, slots=True)
class Content:
    """
    Args:
        dataset: None for image files of the user's own.
        chosen: How the pairs were chosen, as a sentence.
    """

    images: Sequence[ExploredImage]
    models: Sequence[ExploredModel]
    dataset: DatasetNote | None = None
    chosen: str = ""
    pairs: Sequence[ExploredPair] = ()
    categories: Mapping[str, KeypointTable] = field(default_factory=dict)
