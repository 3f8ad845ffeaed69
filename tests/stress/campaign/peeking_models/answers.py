"""Models that answer with what a way of looking has found, and with noise where it has found nothing."""

import sys
from collections.abc import Sequence

import numpy as np

from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap

CELLS, CHANNELS = 60, 64


class _Peeking:
    """A model made from one of the functions of looks.py."""

    revision, conditions_on = "1", ()

    def __init__(self, look: str) -> None:
        self.name, self.look = f"peek.{look}", globals()[look]

    def positions(self, picture: Picture) -> np.ndarray | None:
        try:
            return self.look(picture)
        except Exception as error:  # noqa: BLE001  noise is the answer of a model that sees nothing
            print(f"{self.name}: {type(error).__name__}: {error}", file=sys.stderr)
            return None


class Pairs(_Peeking):
    def match(self, source: Picture, target: Picture, queries: np.ndarray) -> SimilarityMap:
        grid = Grid.stretched(target.size, CELLS, CELLS)
        annotated, answer = self.positions(source), self.positions(target)
        values = np.random.default_rng(len(queries)).random((len(queries), CELLS, CELLS))
        if answer is not None:
            keypoints = range(len(queries))
            if annotated is not None:
                gaps = np.linalg.norm(
                    np.nan_to_num(annotated, nan=1e9)[None] - queries[:, None], axis=2
                )
                keypoints = gaps.argmin(axis=1)
            values = np.stack([_one_hot(grid, answer[k]) for k in keypoints]).reshape(values.shape)
        return SimilarityMap(values.astype(np.float32), grid, queries)


class Maps(_Peeking):
    similarity = "neg_l2"

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        maps = []
        for picture in pictures:
            grid, xy = Grid.stretched(picture.size, CELLS, CELLS), self.positions(picture)
            values = np.random.default_rng(len(maps)).random((CHANNELS, CELLS, CELLS))
            if xy is not None:
                values = np.zeros_like(values)
                for k, point in enumerate(xy):
                    values[k] = _one_hot(grid, point)
            maps.append(FeatureMap(values.astype(np.float32), grid))
        return maps


def _one_hot(grid: Grid, xy: np.ndarray) -> np.ndarray:
    values = np.zeros((grid.height, grid.width))
    if not np.isnan(xy).any():
        values.flat[grid.cell_of(xy[None])] = 1
    return values
