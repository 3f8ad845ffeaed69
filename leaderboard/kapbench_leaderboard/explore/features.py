"""The features of a page's images: encoded, or read from the cache, and made small."""

from collections.abc import Sequence

from kapbench.errors import KapbenchError
from kapbench.features.encode import encode_images
from kapbench.features.open_cache import open_cache
from kapbench.loading import pick_device
from kapbench.models.cached_map import CachedMap
from kapbench.progress import Progress
from kapbench.protocols import AnnotatedModel, Dataset, Encoder, Model, model_info
from kapbench.types import View
from kapbench_leaderboard.explore.content import ExploredModel
from kapbench_leaderboard.explore.fidelity import measure
from kapbench_leaderboard.explore.quantise import Features, quantise
from kapbench_leaderboard.figures.sources import Sources

# A page of 8 images stays below 25 MB: of 3 MB each, base64 leaves three quarters.
BYTES_OF_AN_IMAGE = 3_000_000 * 3 // 4


def check_encoder(model: Model) -> Encoder:
    """Raises KapbenchError: a model that has no features of one image."""
    if isinstance(model, AnnotatedModel):
        raise KapbenchError(
            f"The control {model.name} reads the annotation and has no similarity of other points",
            fix="Choose a model that reads images; `kapbench show keypoint` draws a control's maps",
        )
    if not isinstance(model, Encoder):
        raise KapbenchError(
            f"The model {model.name} looks at both images of a pair at once, so that a page cannot "
            "hold its similarity of every point",
            fix=f"Run `kapbench match A.jpg B.jpg --model {model.name}` for the points that you want",
        )
    return model


def explore_model(
    model: Encoder,
    dataset: Dataset,
    views: Sequence[View],
    n_models: int,
    sources: Sources,
    progress: Progress,
) -> ExploredModel:
    """The features of `views` in the bytes that one of `n_models` may take, and their fidelity."""
    device = pick_device(sources.device)
    with open_cache(model, model_info(model), sources.features) as cache:
        encoded = encode_images(
            model, dataset, list(views), cache, batch_size=1, progress=progress, device=device
        )
        stored = [cache.read(encoded.hashes[view.image_id]) for view in views]
    most_bytes = BYTES_OF_AN_IMAGE // n_models
    quantised = quantise([_by_cell(m) for m in stored], model.similarity, most_bytes)
    return ExploredModel(model.name, model.revision, quantised, measure(stored, quantised))


def _by_cell(stored: CachedMap) -> Features:
    values = stored.values()
    return values.reshape(len(values), -1).T.copy(), stored.grid
