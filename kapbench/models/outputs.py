"""What a model returns, checked: an adapter's mistake is reported with its image or pair."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Bool

from kapbench.errors import KapbenchError, counted, described, with_article
from kapbench.models.arrays_in import finite_float32, numbers, sound_grid
from kapbench.models.inputs import read_only
from kapbench.protocols import ChecksPlan, Encoder, HasBackbones, HasForeground, PairModel, Prepares
from kapbench.types import FeatureMap, Pair, Picture, SimilarityMap
from kapbench.untrusted.plugin_calls import plugin_call

_MAP = "Return FeatureMap(values [c, h, w], grid)"


class CodeLine(str):
    """A line of a model's code as the place of an error: the image or the pair is put before it."""

    __slots__ = ()


def feature_maps(model: Encoder, pictures: Sequence[Picture]) -> list[FeatureMap]:
    """One real map [c h w] on a sound grid per picture. KapbenchError where encode() fails."""
    with _encoding(model, "encode()", pictures):
        return _checked_maps(model.encode(pictures), model, "encode()", pictures)


def maps_from_features(
    model: HasBackbones, pictures: Sequence[Picture], features: Sequence[tuple[FeatureMap, ...]]
) -> list[FeatureMap]:
    """As `feature_maps`, of a model over backbones. KapbenchError where from_features() fails."""
    with _encoding(model, "from_features()", pictures):
        maps = model.from_features(pictures, features)
        return _checked_maps(maps, model, "from_features()", pictures)


def _encoding(
    model: object, method: str, pictures: Sequence[Picture]
) -> AbstractContextManager[None]:
    images = ", ".join(p.image_id for p in pictures)
    return _calling(model, method, f"image{'s' * (len(pictures) > 1)} {images}")


def _checked_maps(
    maps: object, model: Any, method: str, pictures: Sequence[Picture]
) -> list[FeatureMap]:
    place, fix = f"model {model.name}", "Return one FeatureMap per picture, in order"
    if not isinstance(maps, Sequence):
        what = f"{with_article(type(maps).__name__)}, not a list of feature maps"
        raise KapbenchError(f"{method} returned {what}", place=place, fix=fix)
    answers = list(islice(maps, len(pictures) + 1))  # a sequence may be of any length, or none
    if not len(answers) == len(maps) == len(pictures):
        n_maps = max(len(answers), len(maps))
        what = f"{counted(n_maps, 'feature map')} for {counted(len(pictures), 'picture')}"
        raise KapbenchError(f"{method} returned {what}", place=place, fix=fix)
    places = [f"image {p.image_id}, {place}" for p in pictures]
    checked = [_feature_map(a, where, method) for a, where in zip(answers, places, strict=True)]
    _refuse_shared_memory(checked, place, method)
    return checked


def refuse_zero(values: np.ndarray, similarity: str, place: str) -> None:
    """Raises KapbenchError where all features of an image are 0 and have no direction to compare.

    Some cells may be 0, as those outside a mask are. By Euclidean distance (`neg_l2`), 0 is a value
    like any other.
    """
    if similarity == "dot" and not values.any():  # NaN is not 0
        raise KapbenchError(
            "All features of the image are 0, so that they are similar to nothing",
            place=place,
            fix="Look for an empty mask, or for weights that were not loaded",
        )


def is_flat(values: np.ndarray) -> bool:
    """Whether a map [c h w] of several cells has the same features in each."""
    first = values[:, :1, :1]
    return (
        values[0].size > 1
        and bool((values[:, -1, -1] == first[:, 0, 0]).all())
        and bool((values == first).all())
    )


def prepare_picture(model: Prepares, picture: Picture) -> Picture:
    """The picture with what the model makes of it beforehand. KapbenchError where that fails."""
    with _calling(model, "prepare()", f"image {picture.image_id}", alone=False):
        return replace(picture, prepared=model.prepare(picture))


def check_plan(
    model: ChecksPlan, image_ids: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> None:
    """KapbenchError where a model of saved outputs lacks the output of an image or a pair."""
    with _calling(model, "check_plan()", counted(len(pairs), "pair")):
        model.check_plan(image_ids, pairs)


def foreground_mask(model: HasForeground, picture: Picture) -> Bool[np.ndarray, "h w"]:
    """Where a model says that the object is. KapbenchError where foreground() fails."""
    place = f"image {picture.image_id}, model {getattr(model, 'name', type(model).__name__)}"
    with _calling(model, "foreground()", f"image {picture.image_id}"):
        (answer,) = model.foreground([picture])
        mask: Any = np.asarray(answer)
    if mask.dtype != np.bool_ or mask.shape != picture.size[::-1]:
        raise KapbenchError(
            f"foreground() returned {mask.dtype} of the shape {list(mask.shape)}",
            place=place,
            fix="Return one array of bool a picture, of the picture's height and width",
        )
    return np.asarray(mask)


def similarity_map(
    model: PairModel, pair: Pair, source: Picture, target: Picture, queries: np.ndarray
) -> SimilarityMap:
    """One finite float32 map per query, on a sound grid. KapbenchError where match() fails."""
    place = f"pair {pair.pair_id}, model {model.name}"
    with _calling(model, "match()", f"pair {pair.pair_id}"):
        shown = read_only(queries)
        answer: Any = model.match(source, target, shown, *map(read_only, _twins(model, pair)))
        return answered_map(answer, queries, place)


def answered_map(answer: Any, queries: np.ndarray, place: str) -> SimilarityMap:
    """What match() returned, as `similarity_map` gives it. KapbenchError where it is something else."""
    _check_attributes(
        answer, "match()", "Return SimilarityMap(values [q, h, w], grid, queries)", place
    )
    grid = sound_grid(answer.grid, place)
    values = numbers(answer.values, "similarity", place)
    expected = (len(queries), grid.height, grid.width)
    if values.shape != expected:
        raise KapbenchError(
            f"The similarity has the shape {list(values.shape)}, not {list(expected)}",
            place=place,
            fix="Return one map per query, in the order of the queries",
        )
    return SimilarityMap(finite_float32(values, "similarity", place), grid, queries)


def _twins(model: PairModel, pair: Pair) -> tuple[np.ndarray, ...]:
    """Mirror twins of the shown keypoints in the source, for a model that looks at them."""
    if "twins" not in model.conditions_on:
        return ()
    keypoints = pair.source.keypoints
    return (np.asarray(keypoints.xy[pair.twins[np.flatnonzero(keypoints.visible)]]),)


def _feature_map(answer: Any, place: str, method: str) -> FeatureMap:
    _check_attributes(answer, method, _MAP, place)
    values = numbers(answer.values, "features", place)
    if values.ndim != 3 or not values.size:
        raise KapbenchError(
            f"The feature map has the shape {list(values.shape)}", place=place, fix=_MAP
        )
    if values.dtype.kind != "f":
        values = values.astype(np.float32)
    return FeatureMap(values, sound_grid(answer.grid, place))


def _check_attributes(answer: Any, method: str, fix: str, place: str) -> None:
    if not hasattr(answer, "values") or not hasattr(answer, "grid"):
        raise KapbenchError(
            f"{method} returned {with_article(type(answer).__name__)} without values and grid",
            place=place,
            fix=fix,
        )


def _refuse_shared_memory(maps: Sequence[FeatureMap], place: str, method: str) -> None:
    """Raises KapbenchError where two maps of one call lie in the same memory: both hold the second."""
    for number, one in enumerate(maps):
        for other in maps[:number]:
            if np.shares_memory(one.values, other.values):
                raise KapbenchError(
                    f"{method} returned two feature maps in the same memory",
                    place=place,
                    fix="Return an array of its own for each picture, e.g. a copy",
                )


@contextmanager
def _calling(model: Any, method: str, where: str, *, alone: bool = True) -> Iterator[None]:
    """Names model and place in whatever the adapter raises."""
    place = f"{where}, model {model.name}"
    try:
        with plugin_call("The model", place, method, alone=alone):
            yield
    except KapbenchError as error:
        if isinstance(error.place, CodeLine):
            place = f"{place}; {error.place}"
        elif error.place is not None:
            raise
        raise KapbenchError(error.thing, place=place, fix=error.fix) from error
    except Exception as error:
        raise KapbenchError(
            f"The model failed: {described(error)}",
            place=place,
            fix=advice(error)
            or "Correct the adapter; `kapbench --debug run ...` shows the traceback",
        ) from error


def advice(error: BaseException) -> str | None:
    """What to do about an exception of a model that kapbench can explain; None for any other."""
    words = str(error) if isinstance(error, ValueError) else ""
    if "is read-only" in words:  # NumPy's
        return (
            "The arrays that a model receives are read-only: change a copy of them, for example "
            "pixels = picture.pixels.copy()"
        )
    return None
