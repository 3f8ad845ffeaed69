"""What models have to show of some images: feature maps from the cache, and maps that they name."""

from collections.abc import Sequence

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.loading import load_dataset, load_model
from kapbench.models.inputs import picture
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Encoder, Model
from kapbench.registry import unknown
from kapbench.types import FeatureMap, View
from kapbench_leaderboard.figures.feature_colours import spread
from kapbench_leaderboard.figures.feature_figure import NamesMaps, Row, Shot
from kapbench_leaderboard.figures.rerun_model import Sources

_COORDINATES = 3


def open_dataset(name: str, split: str, sources: Sources) -> Dataset:
    return load_dataset(
        name, split=split, data_root=sources.data_root, **dict(sources.dataset_options)
    )


def open_model(spec: str, dataset: str, sources: Sources) -> Model:
    return load_model(spec, device=sources.device, dataset=dataset, **dict(sources.model_options))


def shots_of(dataset: Dataset, category: str | None, n_images: int) -> list[Shot]:
    """Some images of one category, spread over its azimuths.

    Raises:
        KapbenchError: no such category, or none named where there are several.
    """
    if category is None and len(dataset.categories) > 1:
        raise KapbenchError(
            "features of one category share a basis, and none is named",
            place=f"data set {dataset.name}",
            fix=f"--category {dataset.categories[0]}, or {', '.join(dataset.categories[1:])}",
        )
    chosen = dataset.categories[0] if category is None else category
    if chosen not in dataset.categories:
        raise unknown("category", chosen, dataset.categories, place=f"data set {dataset.name}")
    views = spread(dataset.views([chosen]), n_images)
    return [Shot(view, dataset.pixels(view), dataset.mask(view)) for view in views]


def rows_of(model: Model, dataset: Dataset, views: Sequence[View], sources: Sources) -> list[Row]:
    """The maps that a model names, else its features.

    Raises:
        KapbenchError: a model that has neither.
    """
    if isinstance(model, NamesMaps):
        shown = [picture(dataset, view, model.conditions_on) for view in views]
        named = model.maps(shown)
        return [
            Row(_label(model.name, name), tuple(maps), len(maps[0].values) == _COORDINATES)
            for name, maps in named.items()
        ]
    if not isinstance(model, Encoder):
        raise KapbenchError(
            f"model {model.name} compares two images at once: it has no maps of one",
            fix="choose an encoder, e.g. --model lite0",
        )
    return [Row(model.name, _encoded(model, dataset, views, sources))]


def _label(model: str, name: str) -> str:
    """`sphere.lite0` says that its map `sphere` is meant; other names are added."""
    return model if name in model.split(".") else f"{model} {name}"


def _encoded(
    model: Encoder, dataset: Dataset, views: Sequence[View], sources: Sources
) -> tuple[FeatureMap, ...]:
    """From the feature cache, which is filled with what it lacks."""
    cache = FeatureCache.of(model, sources.features)
    encoded = encode_images(model, dataset, views, cache, batch_size=1, progress=Progress())
    found = [cache.read(encoded.hashes[view.image_id]) for view in views]
    return tuple(
        FeatureMap(m.cells.T.reshape(-1, m.grid.height, m.grid.width), m.grid) for m in found
    )
