"""Every image through the encoder once, read ahead of it and written behind it.

An image whose features are in the cache undamaged is not encoded again, unless asked for. A model
that stands on backbones is given their features as the cache keeps them, whether they were there or
are made now: its own maps never depend on what the cache holds.
"""

import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from kapbench.errors import KapbenchError
from kapbench.features.batching import Batches, MakeMaps
from kapbench.features.cache import FeatureCache
from kapbench.features.cached_encoder import CachedEncoder
from kapbench.features.encoding_work import Encoded, Looked, Work
from kapbench.features.open_cache import open_cache
from kapbench.features.threads import Behind, ahead
from kapbench.identity.model_identity import identify, remember_after_run
from kapbench.models.inputs import make_picture, picture_hash
from kapbench.models.outputs import feature_maps, maps_from_features, prepare_picture
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Encoder, HasBackbones, Prepares, model_info
from kapbench.types import FeatureMap, Picture, View

_MOST_THREADS = 8
_NAMED = 3  # images that a message names
_MOST_BEHIND = 32  # maps that wait to be written: 11 MB each at 60×60×768


@dataclass(frozen=True)
class _Manner:
    """How images are encoded: the arguments of `encode_images`."""

    batch_size: int | None
    progress: Progress
    device: str
    again: bool
    what: str = ""  # before the name of the stage: which backbone


def encode_images(
    model: Encoder,
    dataset: Dataset,
    views: Sequence[View],
    cache: FeatureCache,
    *,
    batch_size: int | None,
    progress: Progress,
    device: str = "cpu",
    again: bool = False,
) -> Encoded:
    """Fills the cache with the views' features, and the caches of the model's backbones.

    Args:
        batch_size: None: see `Batches`.
        again: Encode every image and write its features anew.

    Raises:
        KapbenchError: the encoder returned something other than a feature map; names the image.
    """
    return _encode(model, dataset, views, cache, _Manner(batch_size, progress, device, again))


def _encode(
    model: Encoder, dataset: Dataset, views: Sequence[View], cache: FeatureCache, manner: _Manner
) -> Encoded:
    if isinstance(model, HasBackbones):
        return _encode_over_backbones(model, dataset, views, cache, manner)
    _sign(cache, model)
    return _fill(model, partial(feature_maps, model), dataset, views, cache, manner)


def _encode_over_backbones(
    model: Encoder, dataset: Dataset, views: Sequence[View], cache: FeatureCache, manner: _Manner
) -> Encoded:
    assert isinstance(model, HasBackbones)
    done, missing = Encoded(), list(views)
    if not manner.again and cache.exists():
        done, missing = _look_up(model, dataset, views, cache, manner.progress)
    if not missing:
        return done
    with ExitStack() as stack:
        opened = [stack.enter_context(_opened(b, cache)) for b in model.backbones]
        beneath = [
            (below, _encode(b, dataset, missing, below, replace(manner, what=f"{b.name}: ")))
            for b, below in opened
        ]
        _sign(cache, model, [below.encoder for below, _ in beneath])
        for (encoder, _), (below, _) in zip(opened, beneath, strict=True):
            _sign(below, encoder, serves=model.name)
        make = partial(_from_caches, model, beneath)
        made = _fill(model, make, dataset, missing, cache, replace(manner, again=True))
    encoded = [made, *(of_backbone for _, of_backbone in beneath)]
    return Encoded(
        done.hashes | made.hashes,
        min(one.n_encoded for one in encoded),
        [path for one in (done, *encoded) for path in one.damaged],
    )


@contextmanager
def _opened(backbone: Encoder, cache: FeatureCache) -> Iterator[tuple[Encoder, FeatureCache]]:
    """A backbone and the cache of its maps, which is shared with all models over it."""
    if isinstance(backbone, CachedEncoder):
        yield backbone.backbone, backbone.cache
        return
    identity = identify(backbone)
    root, is_known = cache.backbones_root, identity.unknown is None
    with open_cache(backbone, identity.info, root, is_known=is_known) as below:
        yield backbone, below
    remember_after_run(backbone, identity)


def _from_caches(
    model: HasBackbones,
    beneath: Sequence[tuple[FeatureCache, Encoded]],
    pictures: Sequence[Picture],
) -> list[FeatureMap]:
    """The maps of a model over backbones, from those of its backbones in their caches."""
    features = [
        tuple(cache.read(encoded.hashes[p.image_id]).feature_map() for cache, encoded in beneath)
        for p in pictures
    ]
    return maps_from_features(model, pictures, features)


def _look_up(
    model: Encoder, dataset: Dataset, views: Sequence[View], cache: FeatureCache, progress: Progress
) -> tuple[Encoded, list[View]]:
    """The views whose maps are in the cache, and a list of the others."""
    done, missing = Encoded(), []
    with contextlib.closing(_looks(model, dataset, views, cache, _MOST_THREADS)) as looks:
        for view, (_, key, state) in zip(views, looks, strict=True):
            if state:
                done.hashes[view.image_id] = key
                continue
            missing.append(view)
            if state is False:
                done.report_damage(cache, key, progress)
    return done, missing


def _sign(
    cache: FeatureCache, model: Encoder, backbones: Sequence[str] = (), serves: str | None = None
) -> None:
    with contextlib.suppress(KapbenchError):  # a cache that may be read only
        cache.sign(model, backbones, serves)


def _fill(
    model: Encoder,
    make: MakeMaps,
    dataset: Dataset,
    views: Sequence[View],
    cache: FeatureCache,
    manner: _Manner,
) -> Encoded:
    """Makes the maps that the cache lacks, or all of them."""
    batches = Batches.of(manner.batch_size, manner.device, manner.progress)
    known = None if manner.again else cache
    stage = f"{manner.what}{'features' if isinstance(model, HasBackbones) else 'images'}"
    with (
        contextlib.closing(_looks(model, dataset, views, known, 2 * batches.size)) as looks,
        manner.progress.stage(stage, len(views)) as advance,
        Behind(min(batches.size, _MOST_BEHIND), _threads()) as behind,
    ):
        work = Work(model, make, cache, batches, behind, manner.progress)
        for number, (view, looked) in enumerate(zip(views, looks, strict=True), 1):
            advance(work.take(view, looked, len(views) - number))
        advance(work.flush(0))
    if work.flat:
        manner.progress.say(_about_flat(work.flat))
    return work.done


def _about_flat(image_ids: Sequence[str]) -> str:
    which = f"image {image_ids[0]}"
    if len(image_ids) > 1:
        more = ", …" if len(image_ids) > _NAMED else ""
        which = f"{len(image_ids):,} images ({', '.join(image_ids[:_NAMED])}{more})"
    return (
        f"All cells of {which} have the same features: all matches in such an image are ties, and "
        "the first cell is taken."
    )


def _threads() -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1)


def _looks(
    model: Encoder, dataset: Dataset, views: Sequence[View], cache: FeatureCache | None, depth: int
) -> Generator[Looked, None, None]:
    """Of each view, ahead: its picture, the hash of that, and whether the cache has it.

    Args:
        cache: None: as if it were empty.
    """
    # A backbone prepares its pictures itself.
    preparing = model if isinstance(model, Prepares) else None
    if isinstance(model, HasBackbones):
        preparing = None
    by_name = model_info(model).reads_image_id

    def see(view: View) -> Picture:
        return make_picture(dataset, view, model.conditions_on)

    def look(picture: Picture) -> Looked:
        key = picture_hash(picture, by_name=by_name)
        state = None if cache is None else cache.verify(key)
        if not state and preparing is not None:
            picture = prepare_picture(preparing, picture)
        return picture, key, state

    return ahead(look, ahead(see, views, depth), depth, _threads())
