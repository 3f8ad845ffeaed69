"""A run's data set and model loaded again, and the similarity that it scored computed again."""

from collections.abc import Sequence

from kapbench.datasets.altering.alter import options_of
from kapbench.errors import KapbenchError
from kapbench.features.encode import encode_images
from kapbench.features.open_cache import open_cache
from kapbench.identity.model_identity import is_same_revision
from kapbench.loading import load_dataset, load_model, pick_device
from kapbench.models.inputs import make_picture
from kapbench.models.outputs import similarity_map
from kapbench.progress import Progress
from kapbench.protocols import AnnotatedModel, Dataset, Encoder, Model, model_info
from kapbench.registry import installed_as
from kapbench.running.pair_scorers import EncoderScorer, visible_keypoints
from kapbench.running.results import RunCard
from kapbench.scoring.grid_geometry import anchor_points
from kapbench.scoring.rules import Geometry
from kapbench.scoring.schema import Needs
from kapbench.types import Pair, SimilarityMap
from kapbench_leaderboard.figures.sources import Sources


def dataset_of(run: RunCard, sources: Sources, *, build: bool = True) -> Dataset:
    """The data set that a run was scored on.

    Args:
        build: Whether a data set that makes its images may make them now.

    Raises:
        KapbenchError: it is not on this machine, or has another revision.
    """
    spec = sources.dataset or run.dataset.name
    try:
        dataset = load_dataset(
            spec,
            split=run.dataset.split,
            data_root=sources.data_root,
            build=build,
            **options_of(run.dataset.alterations) | dict(sources.dataset_options),
        )
    except KapbenchError as error:
        how = "Say with --load-dataset and --data-root where the data set is"
        raise _cannot_draw("data set", error, how) from error
    if dataset.revision != run.dataset.revision:
        raise _other_revision(
            "data set", dataset.name, dataset.revision, run.dataset.revision, "--load-dataset"
        )
    return dataset


def model_of(run: RunCard, sources: Sources) -> Model:
    """The model that made a run: that of `sources`, else what is installed under the run's name.

    Raises:
        KapbenchError: it cannot be loaded on this machine, or has another revision.
    """
    name, options = run.model.name, {**run.model.options, **sources.model_options}
    spec = sources.model or installed_as(name, options) or name
    try:
        model = load_model(spec, device=sources.device, dataset=run.dataset.name, **options)
    except KapbenchError as error:
        how = (
            "Say with --load-model (FILE.py:CLASS for an adapter) and --model-option how the run's"
            " model was made"
        )
        raise _cannot_draw("model", error, how) from error
    if not is_same_revision(run.model.revision, model.revision):
        option = "--model-option" if model.name == name else "--load-model"
        raise _other_revision("model", model.name, model.revision, run.model.revision, option)
    return model


def _cannot_draw(kind: str, error: KapbenchError, how: str) -> KapbenchError:
    fix = how if error.fix is None else f"{error.fix.rstrip('.')}. {how}"
    return KapbenchError(
        f"The figure needs the run's {kind}: {error.thing}", place=error.place, fix=fix
    )


def _other_revision(kind: str, name: str, here: str, of_run: str, option: str) -> KapbenchError:
    return KapbenchError(
        f"The {kind} {name} has revision {here} here, but the run used revision {of_run}",
        fix=f"Say with {option} how the run's {kind} was made",
    )


def find_pair(pairs: Sequence[Pair], pair_id: str, dataset: str) -> Pair:
    """Raises KapbenchError: the data set of this name has no such pair."""
    for pair in pairs:
        if pair.pair_id == pair_id:
            return pair
    raise KapbenchError(
        f"The data set {dataset} has no pair '{pair_id}'",
        fix="Use the data set that the run was scored on",
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
        geometry: Defines for the oracle where a cell is.
    """
    if isinstance(model, AnnotatedModel):
        return model.match_pair(pair, lambda grid: anchor_points(geometry, grid, pair.target.size))
    if not isinstance(model, Encoder):
        source, target = (
            make_picture(dataset, view, model.conditions_on) for view in (pair.source, pair.target)
        )
        return similarity_map(model, pair, source, target, visible_keypoints(pair.source))
    views = {v.image_id: v for p in of_target for v in (p.source, p.target)}
    with open_cache(model, model_info(model), sources.features) as cache:
        encoded = encode_images(
            model, dataset, list(views.values()), cache, batch_size=1, progress=Progress()
        )
        device = pick_device(sources.device)
        scorer = EncoderScorer(cache, encoded.hashes, model.similarity, Needs.of(()), device)
        target_map = cache.read(encoded.hashes[pair.target.image_id])
        every = scorer.maps(list(of_target), target_map)
        return next(m for p, m in zip(of_target, every, strict=True) if p.pair_id == pair.pair_id)
