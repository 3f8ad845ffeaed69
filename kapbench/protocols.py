"""What a plug-in has to look like. Structural: nothing to inherit, nothing to import."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from kapbench.types import Coverage, FeatureMap, Grid, Pair, Picture, SimilarityMap, View

Condition = Literal["category", "mask", "azimuth", "twins"]


@runtime_checkable
class Dataset(Protocol):
    """One split of one data set: ordered, deterministic pairs and their images."""

    name: str
    split: str
    revision: str  # hash of the annotations and pair list that were read
    licence: str
    citation: str
    size_from: Literal["box", "image"]  # what T is the longer side of
    has_absent: bool  # whether a source keypoint can be absent from the target: KAP needs it

    @property
    def categories(self) -> tuple[str, ...]: ...

    @property
    def coverage(self) -> Coverage: ...

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        """Pairs of the split in the data set's own order.

        Raises:
            KapbenchError: a category that the data set has not.
        """

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        """The split's distinct images, ordered by image_id."""

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """The image in RGB. Raises KapbenchError where it cannot be read whole."""

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        """True on the object; None where the data set has no mask of it."""


@runtime_checkable
class Encoder(Protocol):
    """Sees one image. The core caches what it returns and compares the maps itself."""

    name: str
    revision: str  # changes whenever the output does: weights' hash, settings
    conditions_on: tuple[Condition, ...]
    similarity: Literal["dot", "neg_l2"]

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        """One map a picture, in order; arrays of its own, written while the next are encoded."""


@runtime_checkable
class Prepares(Protocol):
    """An encoder's work on the CPU, split off: done by other threads while the device is busy."""

    def prepare(self, picture: Picture) -> Any:
        """What `encode` will find in `picture.prepared`; it must not need it there."""


@runtime_checkable
class PairModel(Protocol):
    """Must see both images at once. Never sees a target keypoint or a visibility."""

    name: str
    revision: str
    conditions_on: tuple[Condition, ...]

    def match(
        self, source: Picture, target: Picture, queries: Float[np.ndarray, "q 2"]
    ) -> SimilarityMap:
        """Similarity of each query (original source pixels) to the target's cells; more is better.

        One map per query, in their order; queries in one source cell should get equal maps.

        A model that conditions on "twins" is called with a fourth argument, [q 2]: where the source
        shows the mirror twin of each query's keypoint (the query itself where it has none), NaN
        where it does not show it.
        """


@runtime_checkable
class AnnotatedModel(Protocol):
    """The oracle's own door: it reads the answer, so it is a control and never a competitor."""

    name: str
    revision: str
    conditions_on: tuple[Condition, ...]
    reads_answer: Literal[True]

    def match_pair(
        self, pair: Pair, anchor: Callable[[Grid], Float[np.ndarray, "h w 2"]]
    ) -> SimilarityMap:
        """Maps of all source-visible keypoints, in order of id.

        `anchor` gives the point (original target pixels) by which a rule measures each cell.
        """


@runtime_checkable
class ChecksPlan(Protocol):
    """A model of answers made elsewhere: it can tell before the first image what will be lacking."""

    def check_plan(self, image_ids: Sequence[str], pairs: Sequence[tuple[str, str]]) -> None:
        """
        Args:
            pairs: Source and target of each, by image_id.

        Raises:
            KapbenchError: some of them have no answer.
        """


Model = Encoder | PairModel | AnnotatedModel


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one task: its result, or the error that it ended with."""

    task: Any
    result: Any = None
    error: Exception | None = None

    def value(self) -> Any:
        """The result. Raises the task's error where it has one."""
        if self.error is not None:
            raise self.error
        return self.result


@runtime_checkable
class Executor(Protocol):
    """Does independent tasks anywhere and in any order, and yields the outcome of each.

    A task that fails, and one whose worker died, is an outcome with an error; nothing is raised for
    it. Closing the generator cancels tasks that have not started.
    """

    def run(
        self, job: Callable[[Any], Any], tasks: Iterable[Any]
    ) -> Generator[Outcome, None, None]: ...
