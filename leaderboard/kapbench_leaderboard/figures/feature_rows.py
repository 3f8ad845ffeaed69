"""Maps that models have of images: features from the cache, or maps that the model names itself."""

from collections.abc import Sequence

from kapbench.errors import KapbenchError, unknown
from kapbench.features.encode import encode_images
from kapbench.features.open_cache import open_cache
from kapbench.loading import load_dataset, load_model
from kapbench.models.inputs import make_picture
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Encoder, Model, model_info
from kapbench.types import FeatureMap, View
from kapbench_leaderboard.figures.feature_colours import spread
from kapbench_leaderboard.figures.feature_figure import NamesMaps, Row, Tile
from kapbench_leaderboard.figures.sources import Sources

_COORDINATES = 3


def open_dataset(name: str, split: str, sources: Sources) -> Dataset:
    return load_dataset(name, split=split, data_root=sources.data_root, **sources.dataset_options)


def open_model(spec: str, dataset: str, sources: Sources) -> Model:
    return load_model(spec, device=sources.device, dataset=dataset, **sources.model_options)


def choose_tiles(dataset: Dataset, category: str | None, n_images: int) -> list[Tile]:
    """Some images of one category, spread over its azimuths.

    Raises:
        KapbenchError: no such category, or none named where there are several.
    """
    if category is None and len(dataset.categories) > 1:
        raise KapbenchError(
            "The figure shows one category, and none is named",
            place=f"data set {dataset.name}",
            fix=f"Give --category with one of {', '.join(dataset.categories)}",
        )
    chosen = dataset.categories[0] if category is None else category
    if chosen not in dataset.categories:
        raise unknown("category", chosen, dataset.categories, place=f"data set {dataset.name}")
    views = spread(dataset.views([chosen]), n_images)
    return [Tile(view, dataset.pixels(view), dataset.mask(view)) for view in views]


def rows_of(model: Model, dataset: Dataset, views: Sequence[View], sources: Sources) -> list[Row]:
    """The maps that a model names, else its features.

    Raises:
        KapbenchError: a model that has neither.
    """
    if isinstance(model, NamesMaps):
        named = model.maps([make_picture(dataset, view, model.conditions_on) for view in views])
        return [
            Row(_label(model.name, name), tuple(maps), len(maps[0].values) == _COORDINATES)
            for name, maps in named.items()
        ]
    if not isinstance(model, Encoder):
        raise KapbenchError(
            f"The model {model.name} compares two images at once and has no features of one image",
            fix="Choose an encoder, e.g. --model lite0",
        )
    return [Row(model.name, _encoded(model, dataset, views, sources))]


def _label(model: str, name: str) -> str:
    """The model's name, which may hold the map's (`sphere.lite0`); else both names."""
    return model if name in model.split(".") else f"{model} {name}"


def _encoded(
    model: Encoder, dataset: Dataset, views: Sequence[View], sources: Sources
) -> tuple[FeatureMap, ...]:
    """From the feature cache, which is filled with what it lacks."""
    with open_cache(model, model_info(model), sources.features) as cache:
        encoded = encode_images(model, dataset, views, cache, batch_size=1, progress=Progress())
        stored = [cache.read(encoded.hashes[view.image_id]) for view in views]
    return tuple(FeatureMap(m.values(), m.grid) for m in stored)
