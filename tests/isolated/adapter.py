"""Models for isolation: honest ones, and one for each way to fail."""

import os
import sys
import time
from contextlib import suppress

import numpy as np

from kapbench.types import FeatureMap, Grid, SimilarityMap


class Encoder:
    """Reads everything that a picture holds, so that a difference in any part shows."""

    name, revision, similarity = "everything", "1", "dot"
    conditions_on = ("category", "mask", "azimuth")

    def __init__(self, factor: int = 1, weights: str = "") -> None:
        assert isinstance(factor, int)
        self.factor, self.weight = factor, 1.0
        self.options = {"factor": factor}
        if weights:
            with open(weights) as file:  # noqa: PTH123
                self.weight = float(file.read())

    def encode(self, pictures):
        return [self._map(p) for p in pictures]

    def _map(self, picture):
        grid = Grid.letterbox(picture.size, 4, 840)
        cells = picture.pixels.reshape(4, 5, 4, 6, 3).mean(axis=(1, 3)) / 64 - 2
        cells[..., 0] *= len(picture.category) + picture.azimuth_bin + picture.mask.sum()
        values = np.moveaxis(cells * self.factor * self.weight, -1, 0)
        return FeatureMap(values.astype(np.float32), grid)


class Pairs:
    name, revision, conditions_on = "twins", "1", ("twins",)

    def match(self, source, target, queries, twins):
        grid = Grid.stretched(target.size, 5, 6)
        x, y = grid.centres()
        points = np.nan_to_num((queries + twins) / 2, nan=float(source.pixels.mean()))
        squared = (points[:, :1, None] - x) ** 2 + (points[:, 1:, None] - y[:, None]) ** 2
        return SimilarityMap(-np.sqrt(squared) - target.pixels.mean(), grid, queries)


class Names:
    """Fails by telling what it knows of its place in the world."""

    name, revision, conditions_on = "names", "1", ()

    def match(self, source, target, queries):
        known = {k for k in os.environ if k.startswith("KAPBENCH")}
        modules = sorted(m for m in sys.modules if "evaluation" in m or m == "kapbench.running.run")
        raise RuntimeError(f"{source.image_id} {known} {modules} {source.category}")


def _raise():
    raise ValueError("no such layer")


def _garble():
    """Writes to every open descriptor that is a pipe."""
    for descriptor in range(3, 20):
        with suppress(OSError):
            os.write(descriptor, b"\xff" * 8)


ACTS = {
    "exit": lambda: os._exit(0),
    "sys.exit": lambda: sys.exit(0),
    "hang": lambda: time.sleep(1000),
    "raise": _raise,
    "garbage": _garble,
}


class Failing:
    name, revision, conditions_on = "failing", "1", ()

    def __init__(self, how: str = "") -> None:
        self.how = how

    def match(self, source, target, queries):
        print("the last words \x1b[31m", file=sys.stderr, flush=True)
        print("printed")
        grid = Grid.stretched(target.size, 5, 6)
        values = np.zeros((len(queries), 5, 6))
        if self.how in ACTS:
            ACTS[self.how]()
        if self.how == "write":
            source.pixels[:] = 0
        if self.how == "none":
            return None
        if self.how == "nan":
            values[:] = np.nan
        if self.how == "shape":
            values = values[:, :4]
        return SimilarityMap(values, grid, queries)


class Memory:
    name, revision, conditions_on, similarity = "memory", "1", (), "dot"

    def encode(self, pictures):
        import torch

        if len(pictures) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        grid = Grid.letterbox(pictures[0].size, 4, 840)
        return [FeatureMap(np.full((3, 4, 4), pictures[0].pixels.mean(), np.float32), grid)]


class SavedMaps(Encoder):
    name, reads_image_id = "saved", True


class WritesPixels(Encoder):
    name = "writes"

    def encode(self, pictures):
        pictures[0].pixels[:] = 0
        return super().encode(pictures)
