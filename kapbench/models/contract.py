"""The contract of every model, tried on small pictures drawn from a seed."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kapbench.errors import KapbenchError, counted
from kapbench.models.arrays_in import similarity_values, sound_grid
from kapbench.protocols import (
    Encoder,
    HasForeground,
    PairModel,
    Prepares,
    model_info,
    wrong_attributes,
)
from kapbench.types import FeatureMap, Picture, SimilarityMap

SIZES = ((64, 48), (48, 64), (50, 50), (97, 31))
QUERIES = np.array([[1.0, 2.0], [30.5, 20.25], [30.6, 20.25], [47.9, 0.0], [8.0, 9.5]])
CLOSE = 2e-5  # float32, added up in another order


def broken(model: object) -> list[str]:
    """One sentence for each way in which a model breaks the contract; empty: none.

    A model that raises an exception breaks it too: the exception is among the sentences.
    """
    problems = list(_tried("attributes", lambda: _declares(model)))
    if problems:
        return problems
    if isinstance(model, HasForeground):
        problems += _tried("foreground", lambda: _marks_object(model))
    if isinstance(model, Encoder):
        return [*problems, *_tried("encode", lambda: _encodes(model))]
    if isinstance(model, PairModel):
        return [*problems, *_tried("match", lambda: _matches(model))]
    return problems


def draw_pictures(conditions: Sequence[str]) -> list[Picture]:
    """Pictures of several shapes with just the declared conditions filled in."""
    rng = np.random.default_rng(0)
    drawn = []
    for i, (width, height) in enumerate(SIZES):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        mask = np.zeros((height, width), bool)
        mask[height // 4 : -height // 4, width // 4 : -width // 4] = True
        fields: dict[str, tuple[str, Any]] = {
            "category": ("category", "thing"),
            "mask": ("mask", mask),
            "azimuth": ("azimuth_bin", i),
        }
        declared = dict(fields[c] for c in conditions if c in fields)  # twins belong to queries
        drawn.append(Picture(pixels, f"thing/{i}", **declared))
    return drawn


def _tried(what: str, rule: Callable[[], Iterator[str]]) -> Iterator[str]:
    try:
        yield from rule()
    except Exception as error:  # noqa: BLE001 - whatever an adapter raises is the finding
        yield f"{what} raised {type(error).__name__}: {error}"


def _declares(model: object) -> Iterator[str]:
    errors = list(wrong_attributes(model))
    yield from (f"{error.thing}: {error.fix}" for error in errors)
    if not errors:
        json.dumps(dict(model_info(model).options))


def _marks_object(model: HasForeground) -> Iterator[str]:
    pictures = draw_pictures(model_info(model).conditions_on)
    masks = model.foreground(pictures)
    if len(masks) != len(pictures):
        yield f"{counted(len(masks), 'foreground')} for {counted(len(pictures), 'picture')}"
        return
    for picture, mask in zip(pictures, map(np.asarray, masks), strict=True):
        if mask.dtype != np.bool_ or mask.shape != picture.size[::-1]:
            yield (
                f"{picture.image_id}: its foreground is {mask.dtype} of the shape {list(mask.shape)}, "
                f"not bool of the picture's {list(picture.size[::-1])}"
            )


def _encodes(model: Encoder) -> Iterator[str]:
    pictures = draw_pictures(model.conditions_on)
    together = model.encode(pictures)
    if len(together) != len(pictures):
        yield f"{counted(len(together), 'feature map')} for {counted(len(pictures), 'picture')}"
        return
    if any(np.ndim(m.values) != 3 or 0 in np.shape(m.values) for m in together):
        shapes = ", ".join(str(list(np.shape(m.values))) for m in together)
        yield f"feature maps have the shapes {shapes}, not [channels, rows, columns], all above 0"
        return
    if len({np.shape(m.values)[0] for m in together}) > 1:
        yield "pictures have different numbers of channels"
    before = np.array(together[0].values)
    model.encode(pictures[::-1])
    if not np.array_equal(together[0].values, before):
        yield "the next call of encode() changes maps that it returned before"
    for picture, feature_map in zip(pictures, together, strict=True):
        yield from _map(picture, feature_map)
        (alone,) = model.encode([picture])
        same_grid = alone.grid == feature_map.grid
        if not same_grid or not np.allclose(alone.values, feature_map.values, atol=CLOSE):
            yield f"{picture.image_id}: its features alone differ from those in a batch"
        if isinstance(model, Prepares):
            (ready,) = model.encode([replace(picture, prepared=model.prepare(picture))])
            if not np.array_equal(ready.values, alone.values):
                yield f"{picture.image_id}: its features differ when it was prepared"
    turned = np.ascontiguousarray(pictures[0].pixels[::-1])
    other = Picture(
        turned, "thing/turned", pictures[0].category, pictures[0].mask, pictures[0].azimuth_bin
    )
    reads_pixels = not model_info(model).reads_image_id
    if reads_pixels and np.allclose(together[0].values, model.encode([other])[0].values):
        yield "two different pictures of one size have the same features"


def _map(picture: Picture, feature_map: FeatureMap) -> Iterator[str]:
    grid = feature_map.grid
    if np.shape(feature_map.values)[1:] != (grid.height, grid.width):
        yield f"{picture.image_id}: values {np.shape(feature_map.values)} do not fit its grid"
    if not np.isfinite(feature_map.values).all():
        yield f"{picture.image_id}: some values are not finite"
    elif not np.any(np.asarray(feature_map.values)):
        yield f"{picture.image_id}: its features are all 0"
    yield from _grid(picture, grid)


def _grid(picture: Picture, grid: Any) -> Iterator[str]:
    try:
        misfit = sound_grid(grid, picture.image_id).misfit(picture.size)
    except KapbenchError as error:
        misfit = error.thing
    if misfit is not None:
        yield f"{picture.image_id}: {misfit}"


def _matches(model: PairModel) -> Iterator[str]:
    source, *targets = draw_pictures(model.conditions_on)
    all_constant = True

    def match(target: Picture, queries: np.ndarray) -> SimilarityMap:
        """Each query's twin is the next one; that of the last is not visible."""
        twins = np.concatenate([queries[1:], np.full((min(1, len(queries)), 2), np.nan)])
        more = (twins,) if "twins" in model.conditions_on else ()
        untyped: Any = model.match  # twins are a fourth argument
        maps: SimilarityMap = untyped(source, target, queries, *more)
        return maps

    for target in targets:
        whole = match(target, QUERIES)
        cells = whole.grid.height, whole.grid.width
        if np.shape(whole.values) != (len(QUERIES), *cells):
            yield f"{target.image_id}: values {np.shape(whole.values)} for {len(QUERIES)} queries"
            return
        yield from _grid(target, whole.grid)
        yield from _scale(target, whole)
        all_constant &= bool(np.ptp(whole.values, axis=(1, 2)).max(initial=0) == 0)
        if "twins" not in model.conditions_on:
            yield from _orders(match(target, QUERIES[::-1].copy()), whole)
        none = match(target, QUERIES[:0])
        if np.shape(none.values) != (0, *cells):
            yield f"{target.image_id}: values {np.shape(none.values)} for no queries"
    if all_constant:
        yield "its similarity maps are constant: every cell of a map has the same value"


def _scale(target: Picture, maps: SimilarityMap) -> Iterator[str]:
    try:
        similarity_values(maps.values, target.image_id)
    except KapbenchError as error:
        yield f"{target.image_id}: {error.thing}"


def _orders(back: SimilarityMap, whole: SimilarityMap) -> Iterator[str]:
    if not np.allclose(back.values[::-1], whole.values, atol=CLOSE):
        yield "the maps change with the order of the queries"
