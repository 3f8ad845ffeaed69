"""A run's data set and model opened again, and the similarity that it scored computed again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.loading import load_dataset, load_model, pick_device
from kapbench.models.inputs import picture
from kapbench.models.outputs import similarity_map
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.protocols import AnnotatedModel, Dataset, Encoder, Model
from kapbench.registry import installed_as
from kapbench.running.pair_scorers import EncoderScorer, visible_keypoints
from kapbench.running.results import RunCard
from kapbench.scoring.grid_geometry import anchor_points
from kapbench.scoring.rules import Geometry
from kapbench.scoring.schema import Needs
from kapbench.types import Pair, SimilarityMap


@dataclass(frozen=True)
class Sources:
    """Where data and models are found, beyond what a run card says.

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


def dataset_of(run: RunCard, sources: Sources, *, build: bool = True) -> Dataset:
    """The data set that a run was scored on.

    Args:
        build: Whether a data set that makes its images may make them now.

    Raises:
        KapbenchError: it is not here, or of another revision.
    """
    spec = sources.dataset or run.dataset.name
    try:
        found = load_dataset(
            spec, split=run.dataset.split, data_root=sources.data_root, build=build,
            **sources.dataset_options,
        )  # fmt: skip
    except KapbenchError as error:
        fix = f"{error.fix or 'see `kapbench list datasets`'}; --dataset and --data-root say where"
        thing = f"the picture needs the run's data set: {error.thing}"
        raise KapbenchError(thing, place=error.place, fix=fix) from error
    if found.revision != run.dataset.revision:
        raise _another("data set", found.name, found.revision, run.dataset.revision, "--dataset")
    return found


def model_of(run: RunCard, sources: Sources) -> Model:
    """The model that made a run: that of `sources`, else what is installed for the run's name.

    Raises:
        KapbenchError: it cannot be loaded here, or is of another revision.
    """
    name, options = run.model.name, {**run.model.options, **sources.model_options}
    spec = sources.model or installed_as(name, options) or name
    try:
        found = load_model(spec, device=sources.device, dataset=run.dataset.name, **options)
    except KapbenchError as error:
        thing = f"the picture needs the run's model: {error.thing}"
        how = "--model (of an adapter, FILE.py:CLASS) and --model-option say how it was made"
        fix = f"{error.fix or ''}; {how}".lstrip("; ")
        raise KapbenchError(thing, place=error.place, fix=fix) from error
    if found.revision != run.model.revision:
        option = "--model-option" if found.name == name else "--model"
        raise _another("model", found.name, found.revision, run.model.revision, option)
    return found


def _another(thing: str, name: str, here: str, there: str, option: str) -> KapbenchError:
    return KapbenchError(
        f"{thing} {name} is of revision {here} here, the run's was {there}",
        fix=f"say by {option} how the run's own was made",
    )


def find_pair(dataset: Dataset, run: RunCard, pair_id: str) -> tuple[Pair, list[Pair]]:
    """A pair of a run, and all of the run's pairs that share its target, in their order.

    Raises:
        KapbenchError: the data set has no such pair.
    """
    pairs = list(dataset.pairs(run.dataset.categories))
    for pair in pairs:
        if pair.pair_id == pair_id:
            return pair, [p for p in pairs if p.target.image_id == pair.target.image_id]
    raise KapbenchError(
        f"data set {dataset.name} has no pair '{pair_id}'",
        fix="use the data set that the run was scored on",
    )


def similarity_of(
    model: Model,
    dataset: Dataset,
    pair: Pair,
    of_target: Sequence[Pair],
    geometry: Geometry,
    sources: Sources,
) -> SimilarityMap:
    """Maps of all source-visible keypoints of a pair, to the bit as the run had them.

    Args:
        of_target: All of the run's pairs with this target, `pair` among them: a matrix product
            changes its last bits with its shape, so the run's shape is kept.
        geometry: Tells the oracle what a cell's place is.
    """
    if isinstance(model, AnnotatedModel):
        return model.match_pair(pair, lambda grid: anchor_points(geometry, grid, pair.target.size))
    if not isinstance(model, Encoder):
        source, target = (
            picture(dataset, view, model.conditions_on) for view in (pair.source, pair.target)
        )
        return similarity_map(model, pair, source, target, visible_keypoints(pair.source))
    views = {v.image_id: v for p in of_target for v in (p.source, p.target)}
    cache = FeatureCache.of(model, sources.features)
    encoded = encode_images(
        model, dataset, list(views.values()), cache, batch_size=1, progress=Progress()
    )
    device = pick_device(sources.device)
    scorer = EncoderScorer(cache, encoded.hashes, model.similarity, Needs.of(()), device)
    target_map = cache.read(encoded.hashes[pair.target.image_id])
    every = scorer.maps(list(of_target), target_map)
    return next(m for p, m in zip(of_target, every, strict=True) if p.pair_id == pair.pair_id)
