"""What a plug-in has to look like. Structural: there is nothing to inherit and nothing to import.

Attributes that a model may leave out are declared once, in `ModelInfo`; the core reads them through
`model_info` and nowhere else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from kapbench.errors import KapbenchError
from kapbench.types import Coverage, FeatureMap, Grid, Pair, Picture, SimilarityMap, View
from kapbench.untrusted import declared as checks

Condition = Literal["category", "mask", "azimuth", "twins"]
Similarity = Literal["dot", "neg_l2"]
ModelKind = Literal["encoder", "pair", "oracle"]
KEYPOINTS = "keypoints"  # the supervision by which a rule chooses its decode


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
            KapbenchError: a category that the data set does not have.
        """

    def views(self, categories: Sequence[str] | None = None) -> Sequence[View]:
        """The split's distinct images, ordered by image_id."""

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """The image in RGB. Raises KapbenchError where it cannot be read whole."""

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        """True on the object; None where the data set has no mask of it."""


@runtime_checkable
class HasRemarks(Protocol):
    """A data set that found something in its files that looks wrong and may be meant."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences that are shown before a run."""


def remarks_on(dataset: Dataset) -> tuple[str, ...]:
    """Of a data set that has some; otherwise none."""
    return dataset.remarks if isinstance(dataset, HasRemarks) else ()


@runtime_checkable
class NamesKeypoints(Protocol):
    """A data set that knows what its keypoints are called."""

    def keypoint_names(self, category: str) -> Sequence[str]:
        """Names by keypoint id; none where they are not known."""


def keypoint_names(dataset: Dataset, category: str) -> tuple[str, ...]:
    """Names by keypoint id of a data set that knows them; otherwise none."""
    return tuple(dataset.keypoint_names(category)) if isinstance(dataset, NamesKeypoints) else ()


@runtime_checkable
class Encoder(Protocol):
    """Sees one image. The core caches what it returns and compares the maps itself.

    `ModelInfo` says what each attribute means, and which others a model may have.
    """

    name: str
    revision: str
    conditions_on: tuple[Condition, ...]
    similarity: Similarity

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        """One map per picture, in order. The arrays are written while the next are encoded: an
        encoder must not use them again.
        """


@runtime_checkable
class Prepares(Protocol):
    """An encoder whose work on the CPU other threads do while the device is busy."""

    def prepare(self, picture: Picture) -> Any:
        """What `encode` finds in `picture.prepared`; None there means that nobody prepared it."""


@runtime_checkable
class HasBackbones(Protocol):
    """An encoder that makes its maps from those of others: each encodes an image once for all.

    `keeps_maps`: whether its own maps stay in the cache beside theirs when a command ends.
    """

    backbones: tuple[Encoder, ...]
    keeps_maps: bool

    def from_features(
        self, pictures: Sequence[Picture], features: Sequence[tuple[FeatureMap, ...]]
    ) -> Sequence[FeatureMap]:
        """One map a picture, from the maps that the cache has of it, one of each backbone."""


@runtime_checkable
class HasForeground(Protocol):
    """A model that says where the object is. `kapbench match` lays its regular points there."""

    def foreground(self, pictures: Sequence[Picture]) -> Sequence[Bool[np.ndarray, "h w"]]:
        """One mask a picture, in order, of the picture's own size: True on the object."""


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
    """The oracle: it reads the target's annotation, so it is a control and never a competitor."""

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
    """A model of results saved elsewhere: it knows before the first image which are missing."""

    def check_plan(self, image_ids: Sequence[str], pairs: Sequence[tuple[str, str]]) -> None:
        """
        Args:
            pairs: Source and target of each, by image_id.

        Raises:
            KapbenchError: some images or pairs have no saved result.
        """


Model = Encoder | PairModel | AnnotatedModel


@dataclass(frozen=True)
class ModelInfo:
    """Everything that kapbench reads of a model apart from its methods. Made by `model_info`.

    Args:
        name: As tables show it: `architecture.tag`.
        revision: Changes whenever the output does: hash of the weights, settings. The feature cache
            is keyed by it.
        kind: encoder (has `encode`), pair (has `match`) or oracle (has `match_pair`).
        conditions_on: What the model looks at beyond pixels. It is shown nothing else.
        similarity: How two maps of an encoder are compared; None for other kinds.
        supervision: What the model was trained with: "none", or in words with "viewpoint", "masks"
            or "keypoints".
        trained_on: The training data, in words.
        options: What the user chose, so that the model can be made again.
        reads_image_id: The output depends on the image's name and not on its pixels: saved features.
        padding: Grey level (0 to 255) beyond the border of an image; read by training on crops.
        parts: Channels of each part of an encoder's map that is stacked from several, None for one
            part; read by training.
        prepares: The model has `prepare`; see `Prepares`.
        window: Radius in cells of the window soft-argmax of the model's own evaluation, for rules
            whose window depends on the model; None: the rule's choice.
        over: NAME@REVISION of each of its backbones; see `HasBackbones`.
        licence: Of the weights, in words; None: not declared.
    """

    name: str
    revision: str
    kind: ModelKind
    conditions_on: tuple[Condition, ...]
    similarity: Similarity | None = None
    supervision: str = "none"
    trained_on: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    reads_image_id: bool = False
    padding: int = 0
    parts: tuple[int, ...] | None = None
    prepares: bool = False
    window: int | None = None
    over: tuple[str, ...] = ()
    licence: str | None = None

    @property
    def supervised(self) -> bool:
        """Whether the model was trained on keypoints: rules choose their decode by it."""
        return self.supervision == KEYPOINTS


_FROM_METHODS = (
    "kind",
    "prepares",
    "over",
)  # of ModelInfo; everything else is an attribute of the model


def model_info(model: object) -> ModelInfo:
    """What a model declares, checked.

    Raises:
        KapbenchError: an attribute that is missing, or that kapbench cannot act on.
    """
    for error in wrong_attributes(model):
        raise error
    names = [f.name for f in fields(ModelInfo) if f.name not in _FROM_METHODS]
    declared = {name: getattr(model, name) for name in names if hasattr(model, name)}
    declared["conditions_on"] = tuple(declared["conditions_on"])
    declared |= {"kind": _kind(model), "prepares": isinstance(model, Prepares)}
    beneath = model.backbones if isinstance(model, HasBackbones) else ()
    return ModelInfo(over=tuple(f"{b.name}@{b.revision}" for b in beneath), **declared)


def _kind(model: object) -> ModelKind:
    if isinstance(model, AnnotatedModel):
        return "oracle"
    return "encoder" if isinstance(model, Encoder) else "pair"


def wrong_attributes(model: object) -> Iterator[KapbenchError]:
    """One error for each attribute of a model that breaks the contract of `ModelInfo`."""
    place = f"model {getattr(model, 'name', None) or type(model).__name__}"
    if not isinstance(model, Encoder | PairModel | AnnotatedModel):
        yield KapbenchError(
            checks.what_is_missing(model),
            place=place,
            fix="Give it name, revision and conditions_on, and either encode() with similarity, or "
            "match()",
        )
        return
    yield from checks.wrong_texts(place, model, "name", "revision")
    is_encoder = isinstance(model, Encoder)
    yield from checks.wrong_conditions(place, model.conditions_on, get_args(Condition), is_encoder)
    if isinstance(model, Encoder) and (
        not isinstance(model.similarity, str) or model.similarity not in get_args(Similarity)
    ):
        yield KapbenchError(
            f"similarity is {model.similarity!r}",
            place=place,
            fix="Choose how two maps are compared: 'dot' (cosine) or 'neg_l2' (Euclidean distance)",
        )
    yield from checks.wrong_optional(place, model)


def check_dataset(dataset: Dataset) -> None:
    """KapbenchError where name, split or revision, by which runs are told apart, is not a text."""
    place = f"data set {getattr(dataset, 'name', None) or type(dataset).__name__}"
    for error in checks.wrong_texts(place, dataset, "name", "split", "revision"):
        raise error
