"""Pictures on their way through an encoder: in batches, checked, and written behind."""

import shutil
from dataclasses import dataclass, field

from kapbench.errors import KapbenchError
from kapbench.features.batching import Batches, MakeMaps
from kapbench.features.cache import FeatureCache
from kapbench.features.threads import Behind
from kapbench.models.cached_map import CachedMap, to_cells
from kapbench.models.outputs import is_flat, refuse_zero
from kapbench.progress import Progress
from kapbench.protocols import Encoder
from kapbench.scoring.grid_geometry import refuse_misfit
from kapbench.types import FeatureMap, Picture, View

_REPORTED_BYTES = 10**9  # smaller sizes are not worth a message

Looked = tuple[Picture, str, bool | None]  # a picture, its hash, and whether the cache has it


@dataclass
class Encoded:
    """image_id → hash in the cache, and what had to be done."""

    hashes: dict[str, str] = field(default_factory=dict)
    n_encoded: int = 0  # images of which nothing was in the cache
    damaged: list[str] = field(default_factory=list)  # cache files that were recomputed

    def report_damage(self, cache: FeatureCache, key: str, progress: Progress) -> None:
        path = cache.path(key)
        self.damaged.append(str(path))
        progress.say(f"the cache file is damaged, the image is encoded again: {path}")


@dataclass
class Work:
    """Pictures that wait for a batch to be full, and what came of those before them."""

    model: Encoder
    make: MakeMaps
    cache: FeatureCache
    batches: Batches
    behind: Behind
    progress: Progress
    done: Encoded = field(default_factory=Encoded)
    waiting: list[tuple[str, Picture]] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)  # images that wait or are encoded
    channels: dict[int, str] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)  # images whose cells all have the same features

    def take(self, view: View, looked: Looked, n_left: int) -> int:
        """Takes a view; returns how many images are finished by that."""
        picture, key, state = looked
        self.done.hashes[view.image_id] = key
        if state is False:
            self.done.report_damage(self.cache, key, self.progress)
        if state or key in self.begun:
            return 1
        self.begun.add(key)
        self.waiting.append((key, picture))
        return self.flush(n_left) if len(self.waiting) >= self.batches.size else 0

    def flush(self, n_left: int) -> int:
        """Encodes what waits; after the first batch it is known what `n_left` more will take."""
        n, first = len(self.waiting), not self.done.n_encoded
        pictures = [picture for _, picture in self.waiting]
        maps = self.batches.encode(self.make, pictures)
        # The maps' arrays are the encoder's own: nothing reads them once it is called again.
        converted = self.behind.each(self._to_cells, pictures, maps)
        for (key, picture), feature_map, cells in zip(self.waiting, maps, converted, strict=True):
            _check_channels(self.model, picture, feature_map, self.channels)
            place = f"image {picture.image_id}, model {self.model.name}"
            refuse_zero(feature_map.values, self.model.similarity, place)
            refuse_misfit(feature_map.grid, picture.size, place)
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
