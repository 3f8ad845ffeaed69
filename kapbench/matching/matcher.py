"""A model that is ready to match images: loaded once, with a place for the features."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.features.open_cache import open_cache
from kapbench.identity.model_identity import identify, remember_after_run
from kapbench.loading import load_model, pick_device
from kapbench.matching.image_pair import ImagePair, NamedImage
from kapbench.matching.matches import Matches
from kapbench.matching.peaks import NONE, best_cells, cell_centres, second_peaks
from kapbench.matching.points import regular_points
from kapbench.models.inputs import make_picture
from kapbench.models.outputs import foreground_mask, similarity_map
from kapbench.paths import cache_root
from kapbench.progress import Progress
from kapbench.protocols import (
    AnnotatedModel,
    Encoder,
    HasForeground,
    Model,
    ModelInfo,
    PairModel,
    model_info,
)
from kapbench.scoring.grid_geometry import source_cells
from kapbench.types import Grid

PHOTOGRAPHS = "spair"  # the data set whose shipped weights suit photographs
APART = 0.1  # of the target's longer side: KAP's usual radius, where the object is the whole image
N_POINTS = 64  # of a regular set

_RoundTrip = Float64[np.ndarray, "q"] | None


@dataclass(frozen=True)
class Matcher:
    """Matches images by one model. Made by `open_matcher`.

    Args:
        info: What the model declares, with what its content adds to its revision.
        cache: Of an encoder's features; None for a model that sees both images at once.
    """

    model: Encoder | PairModel
    info: ModelInfo
    cache: FeatureCache | None
    device: str = "cpu"
    category: str | None = None
    progress: Progress = field(default_factory=Progress)

    def check_images(self, source: NamedImage, target: NamedImage) -> None:
        """KapbenchError where the model looks at something that is not known of the images."""
        conditions, place = self.info.conditions_on, f"model {self.info.name}"
        if "category" in conditions and self.category is None:
            raise KapbenchError(
                "The model looks at the category of the object, and none is named",
                place=place,
                fix="Name it: --category cat, or category='cat' in Python",
            )
        without = next((i.name for i in (source, target) if i.mask is None), None)
        if "mask" in conditions and without is not None:
            raise KapbenchError(
                f"The model looks at the object's mask, and {without} has none",
                place=place,
                fix="Give both: --source-mask FILE and --target-mask FILE, or source_mask and "
                "target_mask in Python",
            )

    def match(
        self,
        source: NamedImage,
        target: NamedImage,
        points: Float64[np.ndarray, "q 2"] | None = None,
        *,
        n_points: int = N_POINTS,
        apart: float = APART,
    ) -> Matches:
        """Matches points of the source in the target; without points, regular sets both ways.

        Args:
            apart: Distance of the second peak, as a share of the target's longer side.

        Raises:
            KapbenchError: see `check_images`; the model failed.
        """
        self.check_images(source, target)
        pair = ImagePair(source, target, self.category)
        if points is not None:
            return self._one_way(pair, points, apart)
        forward = self._one_way(pair, self._regular(pair, source, n_points), apart, regular=True)
        turned = ImagePair(target, source, self.category)
        back = self._one_way(turned, self._regular(pair, target, n_points), apart, regular=True)
        return Matches(**{**vars(forward), "back": back})

    def _regular(
        self, pair: ImagePair, image: NamedImage, n_points: int
    ) -> Float64[np.ndarray, "q 2"]:
        """Points on the mask of an image, else on the model's own foreground, else everywhere."""
        on_object = image.mask
        if on_object is None and isinstance(self.model, HasForeground):
            view = next(v for v in pair.views() if v.image_id == image.name)
            picture = make_picture(pair, view, self.info.conditions_on)
            on_object = foreground_mask(self.model, picture)
        return regular_points(image.size, n_points, on_object)

    def _one_way(
        self,
        pair: ImagePair,
        points: Float64[np.ndarray, "q 2"],
        apart: float,
        *,
        regular: bool = False,
    ) -> Matches:
        source, target = pair.images.values()
        maps, grid, round_trip_px = self._maps(pair, points)
        best, radius_px = best_cells(maps), apart * max(target.size)
        second = second_peaks(maps, best, grid, radius_px)
        flat, rows = maps.reshape(len(maps), grid.n_cells), np.arange(len(maps))
        second_score = np.where(second == NONE, np.nan, flat[rows, second])
        return Matches(
            self.info.name,
            self.info.revision,
            source,
            target,
            points,
            cell_centres(best, grid),
            flat[rows, best],
            cell_centres(second, grid),
            second_score,
            radius_px,
            round_trip_px,
            maps,
            grid,
            regular,
        )

    def _maps(
        self, pair: ImagePair, points: Float64[np.ndarray, "q 2"]
    ) -> tuple[Float32[np.ndarray, "q h w"], Grid, _RoundTrip]:
        if self.cache is None:
            assert isinstance(self.model, PairModel)
            views = pair.views()
            source, target = (make_picture(pair, v, self.info.conditions_on) for v in views)
            answer = similarity_map(self.model, pair.pair, source, target, points)
            return answer.values, answer.grid, None
        assert isinstance(self.model, Encoder)
        views = pair.views()
        encoded = encode_images(
            self.model,
            pair,
            views,
            self.cache,
            batch_size=1,
            progress=self.progress,
            device=self.device,
        )
        hashes = [encoded.hashes[view.image_id] for view in views]
        return _compare(self.cache, hashes, pair, points, self.model.similarity, self.device)


def _compare(
    cache: FeatureCache,
    hashes: list[str],
    pair: ImagePair,
    points: Float64[np.ndarray, "q 2"],
    kind: str,
    device: str,
) -> tuple[Float32[np.ndarray, "q h w"], Grid, Float64[np.ndarray, "q"]]:
    """Maps of all points, each distinct source cell's computed once, and their round trips."""
    from kapbench.features.match import similarity

    source, target = (cache.read(name) for name in hashes)
    size = next(iter(pair.images.values())).size
    cells, place = np.unique(source_cells(source.grid, size, points), return_inverse=True)
    powers = np.full(len(cells), source.exponent)
    forward = similarity(source.cells[cells], target, kind, device, powers)
    best = forward.argmax(axis=1)
    powers = np.full(len(cells), target.exponent)
    back = similarity(target.cells[best], source, kind, device, powers).argmax(axis=1)
    maps = forward.reshape(len(cells), target.grid.height, target.grid.width)
    start, end = (cell_centres(np.asarray(at), source.grid) for at in (cells, back))
    return maps[place], target.grid, np.linalg.norm(end - start, axis=1)[place]


@contextmanager
def open_matcher(
    model: Model | str,
    *,
    options: Mapping[str, Any] | None = None,
    category: str | None = None,
    dataset: str | None = PHOTOGRAPHS,
    device: str = "auto",
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Matcher]:
    """A model that is ready to match, until the block ends.

    Args:
        options: Of a model that is made by name.
        category: What a model that looks at the category is shown.
        dataset: Whose weights a model takes that is shipped with several, e.g. `sphere`.
        cache: Folder of the feature cache; None: the user cache folder.

    Raises:
        KapbenchError: see `load_model`; a model that needs more than two images.
    """
    device = pick_device(device)
    if isinstance(model, str):
        made: Model = load_model(model, device=device, dataset=dataset, **(options or {}))
    elif options:
        raise KapbenchError(
            f"{', '.join(options)}: options belong to a model that is made by name",
            place=f"model {model.name}",
            fix="Leave them out, or give them to the model when you make it",
        )
    else:
        made = model
    _refuse_unfit(made)
    identity = identify(made)
    with ExitStack() as stack:
        features = None
        if isinstance(made, Encoder):
            root, is_known = cache or cache_root(), identity.unknown is None
            kept = open_cache(made, identity.info, root, is_known=is_known)
            features = stack.enter_context(kept)
        assert not isinstance(made, AnnotatedModel)
        yield Matcher(made, identity.info, features, device, category, progress or Progress())
        remember_after_run(made, identity)


def _refuse_unfit(model: Model) -> None:
    """KapbenchError where a model needs what two images do not have."""
    info = model_info(model)
    place = f"model {info.name}"
    if info.kind == "oracle":
        raise KapbenchError(
            "The model reads the annotation of the target, and images alone have none",
            place=place,
            fix="Choose a model that looks at pixels, e.g. lite0 or sphere",
        )
    if info.reads_image_id:
        raise KapbenchError(
            "The model finds what it saved by the image's name in a data set, and images alone have "
            "none",
            place=place,
            fix="Choose a model that computes features; `kapbench show keypoint` draws saved ones "
            "on their data set",
        )
    for condition, fix in (
        ("azimuth", "Choose a model that does not look at the azimuth of the object"),
        ("twins", "Choose a model that does not look at mirror counterparts of keypoints"),
    ):
        if condition in info.conditions_on:
            raise KapbenchError(
                f"The model conditions on {condition}, which are annotations of a data set",
                place=place,
                fix=fix,
            )
