"""An adapter that reads the target's keypoints from the functions that call it."""

import sys

import numpy as np

from kapbench.types import Grid, SimilarityMap


class Peeking:
    name, revision, conditions_on = "peeking", "1", ()

    def match(self, source, target, queries):
        grid = Grid.stretched(target.size, 16, 16)
        values = np.zeros((len(queries), 16, 16), np.float32)
        if (pair := self._pair()) is not None:
            shown = np.flatnonzero(pair.source.keypoints.visible)
            for row, k in zip(values, shown, strict=True):
                if pair.target.keypoints.visible[k]:
                    row.flat[grid.cell_of(pair.target.keypoints.xy[[k]])] = 1
        return SimilarityMap(values, grid, queries)

    def _pair(self):
        frame = sys._getframe()
        while frame is not None and type(frame.f_locals.get("pair")).__name__ != "Pair":
            frame = frame.f_back
        return None if frame is None else frame.f_locals["pair"]
