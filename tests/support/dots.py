"""A data set of dots on noise and two models, as a user's own adapter file would hold them."""

from pathlib import Path

import numpy as np

from kapbench.errors import unknown
from kapbench.types import Coverage, FeatureMap, Grid, Keypoints, Pair, View

SIDE = 64
COLOURS = np.array([[250, 30, 30], [30, 250, 30], [30, 30, 250], [250, 250, 30]], np.uint8)


class Dots:
    """Four dots an image, the last one in every other image only; dots 0 and 1 are twins."""

    name, revision, licence, citation = "dots", "1", "none", ""
    size_from, has_absent = "box", True
    categories = ("dot", "spot")

    def __init__(self, split: str = "test", n_images: int = 4) -> None:
        self.split, self.n_images = split, n_images

    @property
    def coverage(self):
        return Coverage(self.categories, ("dot", "ring", "spot"), len(self.pairs()), 40)

    def pairs(self, categories=None):
        for category in categories or ():
            if category not in self.categories:
                raise unknown("category", category, self.categories, place="data set dots")
        return [
            Pair(
                f"{c}:{i}-{j}",
                self._view(c, i),
                self._view(c, j),
                56.0,
                np.full(4, -1),
                np.array([1, 0, 2, 3]),
            )
            for c in (self.categories if categories is None else categories)
            for i in range(self.n_images)
            for j in range(self.n_images)
            if i != j
        ]

    def views(self, categories=None):
        return [
            self._view(c, i)
            for c in (self.categories if categories is None else categories)
            for i in range(self.n_images)
        ]

    def _view(self, category, number):
        drawn = np.random.default_rng([len(category), number])
        xy, visible = drawn.uniform(8, 56, (4, 2)), np.array([True, True, True, number % 2 == 0])
        xy[~visible] = np.nan
        box = (4.0, 4.0, 60.0, 60.0)
        return View(
            f"{category}/{number}", category, (SIDE, SIDE), box, Keypoints(xy, visible), number
        )

    def pixels(self, view):
        drawn = np.random.default_rng([7, view.azimuth_bin])
        image = drawn.integers(0, 90, (SIDE, SIDE, 3)).astype(np.uint8)
        for k in np.flatnonzero(view.keypoints.visible):
            x, y = view.keypoints.xy[k].astype(int)
            image[y - 2 : y + 3, x - 2 : x + 3] = COLOURS[k]
        return image

    def mask(self, view):
        return None


class MustNotOpen(Dots):
    """Stands for one whose opening renders for minutes."""

    def __init__(self, split: str = "test") -> None:
        raise AssertionError("opened")


class Colours:
    """The colour of every fourth pixel."""

    name, revision, conditions_on, similarity = "colours", "1", (), "dot"

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def encode(self, pictures):
        return [
            FeatureMap(
                (self.scale / 255 * p.pixels[2::4, 2::4].transpose(2, 0, 1)).astype(np.float32),
                Grid.stretched(p.size, 16, 16),
            )
            for p in pictures
        ]


class Greys(Colours):
    """Brightness alone: hardly tells the dots apart."""

    name = "greys"

    def encode(self, pictures):
        return [
            FeatureMap(
                np.stack([m.values.mean(axis=0), np.ones(m.values.shape[1:], np.float32)]), m.grid
            )
            for m in super().encode(pictures)
        ]


class StopsOnce(Colours):
    """As if the user pressed Ctrl-C at the second batch, the first time in a folder."""

    name = "stops"
    n_batches = 0

    def encode(self, pictures):
        self.n_batches += 1
        if self.n_batches == 2 and not Path("stopped").exists():
            Path("stopped").touch()
            raise KeyboardInterrupt
        return super().encode(pictures)


class Counts(Colours):
    """Writes down how many images it was shown."""

    name = "counts"

    def encode(self, pictures):
        with Path("shown").open("a") as file:
            file.write("." * len(pictures))
        return super().encode(pictures)


class NotAModel:
    """Has nothing that a model has."""


class BreaksNaN(Colours):
    """Features that are no numbers."""

    name = "nan"

    def encode(self, pictures):
        return [
            FeatureMap(np.full_like(m.values, np.nan), m.grid) for m in super().encode(pictures)
        ]


class NeedsLayers(Colours):
    """Has no default for what it must be given."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.name = f"layers-{layers}"


A_MODEL = Colours()  # where a class belongs
