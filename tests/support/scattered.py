"""Pairs of scattered keypoints, some absent, repeated parts among them; blank pictures."""

import numpy as np

from kapbench.types import Coverage, Keypoints, Pair, View

N_KEYPOINTS, N_IMAGES = 8, 7


class Scattered:
    name, split, revision, licence, citation = "scattered", "test", "1", "none needed", ""
    size_from, has_absent = "box", True
    categories = ("all",)

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self._views = [self._view(i, rng) for i in range(N_IMAGES)]

    @property
    def coverage(self):
        n = len(self.pairs())
        return Coverage(self.categories, self.categories, n, n)

    def pairs(self, categories=None):
        groups, twins = np.array([0, 0, 1, 1, -1, -1, -1, -1]), np.array([1, 0, 3, 2, 4, 5, 6, 7])
        return [
            Pair(f"{s.image_id}>{t.image_id}", s, t, 180.0, groups, twins)
            for s in self._views
            for t in self._views
            if s is not t
        ]

    def views(self, categories=None):
        return list(self._views)

    def _view(self, number, rng):
        xy = rng.uniform((40, 30), (260, 190), (N_KEYPOINTS, 2)).round()
        visible = rng.random(N_KEYPOINTS) < 0.75
        visible[:2] = True
        xy[~visible] = np.nan
        box = (40.0, 30.0, 220.0, 190.0)
        return View(f"all/{number}", "all", (300, 220), box, Keypoints(xy, visible), number % 8)

    def pixels(self, view):
        return np.full((220, 300, 3), 10 * view.azimuth_bin, np.uint8)

    def mask(self, view):
        return None
