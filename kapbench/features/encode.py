"""Every image through the encoder once, read ahead of it and written behind it.

An image whose features are in the cache undamaged is not encoded again, unless asked for.
"""

import contextlib
import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from kapbench.errors import KapbenchError
from kapbench.features.batching import Batches
from kapbench.features.cache import CachedMap, FeatureCache, to_cells
from kapbench.features.threads import Behind, ahead
from kapbench.models.inputs import make_picture, picture_hash
from kapbench.models.outputs import is_flat, prepare_picture, refuse_zero
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Encoder, Prepares, model_info
from kapbench.types import FeatureMap, Picture, View

_REPORTED_BYTES = 10**9  # smaller sizes are not worth a message
_MOST_THREADS = 8
_NAMED = 3  # images that a message names
_MOST_BEHIND = 32  # maps that wait to be written: 11 MB each at 60×60×768


@dataclass
class Encoded:
    """image_id → hash in the cache, and what had to be done."""

    hashes: dict[str, str] = field(default_factory=dict)
    n_encoded: int = 0
    damaged: list[str] = field(default_factory=list)  # cache files that were recomputed


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
    """Fills the cache with the views' features.

    Args:
        batch_size: None: see `Batches`.
        again: Encode every image and write its features anew.

    Raises:
        KapbenchError: the encoder returned something other than a feature map; names the image.
    """
    with contextlib.suppress(KapbenchError):  # a cache that may be read only
        cache.sign(model)
    batches = Batches.of(batch_size, device, progress)
    known = None if again else cache
    with (
        contextlib.closing(_looks(model, dataset, views, known, 2 * batches.size)) as looks,
        progress.stage("images", len(views)) as advance,
        Behind(min(batches.size, _MOST_BEHIND), _threads()) as behind,
    ):
        work = _Work(model, cache, batches, behind, progress)
        for number, (view, looked) in enumerate(zip(views, looks, strict=True), 1):
            advance(work.take(view, looked, len(views) - number))
        advance(work.flush(0))
    if work.flat:
        progress.say(_about_flat(work.flat))
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


_Looked = tuple[Picture, str, bool | None]


def _looks(
    model: Encoder, dataset: Dataset, views: Sequence[View], cache: FeatureCache | None, depth: int
) -> Generator[_Looked, None, None]:
    """Of each view, ahead: its picture, the hash of that, and whether the cache has it.

    Args:
        cache: None: as if it were empty.
    """
    preparing = model if isinstance(model, Prepares) else None
    by_name = model_info(model).reads_image_id

    def see(view: View) -> Picture:
        return make_picture(dataset, view, model.conditions_on)

    def look(picture: Picture) -> _Looked:
        key = picture_hash(picture, by_name=by_name)
        state = None if cache is None else cache.verify(key)
        if not state and preparing is not None:
            picture = prepare_picture(preparing, picture)
        return picture, key, state

    return ahead(look, ahead(see, views, depth), depth, _threads())


def _need_room(cache: FeatureCache, key: str, n_left: int, progress: Progress) -> None:
    """Reports the size of the features to come, if it is large. KapbenchError if the disk is full."""
    n_bytes = cache.path(key).stat().st_size
    free = shutil.disk_usage(cache.root).free
    total = n_left * n_bytes
    size = f"up to {n_left:,} × {n_bytes / 1e6:.1f} MB = {total / 1e9:.1f} GB of features"
    if total > free:
        raise KapbenchError(
            f"The cache needs {size}, but only {free / 1e9:.1f} GB are free",
            place=cache.root,
            fix="Run `kapbench cache evict --limit SIZE`, or choose another folder with --cache",
        )
    if total > _REPORTED_BYTES:
        progress.say(f"{cache.root} will hold {size}; {free / 1e9:.1f} GB are free")


@dataclass
class _Work:
    """Pictures that wait for a batch to be full, and what came of those before them."""

    model: Encoder
    cache: FeatureCache
    batches: Batches
    behind: Behind
    progress: Progress
    done: Encoded = field(default_factory=Encoded)
    waiting: list[tuple[str, Picture]] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)  # images that wait or are encoded
    channels: dict[int, str] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)  # images whose cells all have the same features

    def take(self, view: View, looked: _Looked, n_left: int) -> int:
        """Takes a view; returns how many images are finished by that."""
        picture, key, state = looked
        self.done.hashes[view.image_id] = key
        if state is False:
            path = self.cache.path(key)
            self.done.damaged.append(str(path))
            self.progress.say(f"the cache file is damaged, the image is encoded again: {path}")
        if state or key in self.begun:
            return 1
        self.begun.add(key)
        self.waiting.append((key, picture))
        return self.flush(n_left) if len(self.waiting) >= self.batches.size else 0

    def flush(self, n_left: int) -> int:
        """Encodes what waits; after the first batch it is known what `n_left` more will take."""
        n, first = len(self.waiting), not self.done.n_encoded
        maps = self.batches.encode(self.model, [picture for _, picture in self.waiting])
        pictures = [picture for _, picture in self.waiting]
        # The maps' arrays are the encoder's own: nothing reads them once it is called again.
        converted = self.behind.each(self._to_cells, pictures, maps)
        for (key, picture), feature_map, cells in zip(self.waiting, maps, converted, strict=True):
            _check_channels(self.model, picture, feature_map, self.channels)
            place = f"image {picture.image_id}, model {self.model.name}"
            refuse_zero(feature_map.values, self.model.similarity, place)
            if is_flat(feature_map.values):
                self.flat.append(picture.image_id)
            self.behind.hand(self.cache.write_cells, key, cells)
        self.done.n_encoded += n
        if n and first:
            self.behind.finish()
            _need_room(self.cache, self.waiting[0][0], n_left, self.progress)
        self.waiting.clear()
        return n

    def _to_cells(self, picture: Picture, feature_map: FeatureMap) -> CachedMap:
        try:
            return to_cells(feature_map)
        except KapbenchError as error:
            place = f"image {picture.image_id}, model {self.model.name}"
            raise KapbenchError(error.thing, place=place, fix=error.fix) from error


def _check_channels(
    model: Encoder, picture: Picture, feature_map: FeatureMap, channels: dict[int, str]
) -> None:
    channels.setdefault(len(feature_map.values), picture.image_id)
    if len(channels) > 1:
        seen = ", ".join(f"{n} at {image}" for n, image in channels.items())
        raise KapbenchError(
            f"Feature maps differ in their number of channels: {seen}",
            place=f"model {model.name}",
            fix="Return the same number of channels for every image",
        )
