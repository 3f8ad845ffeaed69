"""The controls that ignore the answer: random, constant, pixels."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image

from kapbench.models.letterbox import letterboxed
from kapbench.protocols import Condition
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap

CELLS, FRAME_PX = 60, 840


class _PairControl:
    """A pair model on the 60×60 letterbox grid whose maps do not depend on the target's pixels."""

    name: str
    revision = "1"
    conditions_on: tuple[Condition, ...] = ()
    supervision = "none"

    def match(
        self, source: Picture, target: Picture, queries: Float[np.ndarray, "q 2"]
    ) -> SimilarityMap:
        grid = Grid.letterbox(target.size, CELLS, FRAME_PX)
        cells = Grid.letterbox(source.size, CELLS, FRAME_PX).cell_of(queries)
        pair = f"{source.image_id}>{target.image_id}"
        maps = {int(cell): self._map(pair, int(cell)) for cell in np.unique(cells)}
        values = np.stack([maps[int(cell)] for cell in cells]) if len(cells) else _none()
        return SimilarityMap(values, grid, queries)

    def _map(self, _pair: str, _cell: int) -> Float32[np.ndarray, "h w"]:
        raise NotImplementedError


def _none() -> Float32[np.ndarray, "0 h w"]:
    return np.empty((0, CELLS, CELLS), np.float32)


class Random(_PairControl):
    """Independent uniform scores, seeded by the names of the images and the source cell."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.revision = f"1-seed{seed}"

    def _map(self, _pair: str, _cell: int) -> Float32[np.ndarray, "h w"]:
        digest = hashlib.sha256(f"{self.seed}|{_pair}|{_cell}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        return rng.random((CELLS, CELLS), dtype=np.float32)


class Constant(_PairControl):
    """Always predicts the centre cell with the same confidence."""

    name = "constant"

    def _map(self, _pair: str, _cell: int) -> Float32[np.ndarray, "h w"]:
        values = np.zeros((CELLS, CELLS), np.float32)
        values[CELLS // 2, CELLS // 2] = 1.0
        return values


class Pixels:
    """Mean colour of each cell, compared by Euclidean distance."""

    name = "pixels"
    revision = "1"
    conditions_on: tuple[Condition, ...] = ()
    similarity: Literal["dot", "neg_l2"] = "neg_l2"
    supervision = "none"

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """[3 60 60] float32 in 0 … 1 per picture."""
        maps = []
        for picture in pictures:
            square = Image.fromarray(letterboxed(picture, FRAME_PX))
            small = np.asarray(square.resize((CELLS, CELLS), Image.Resampling.BOX), np.float32)
            grid = Grid.letterbox(picture.size, CELLS, FRAME_PX)
            maps.append(FeatureMap(small.transpose(2, 0, 1) / 255, grid))
        return maps
