"""Similarity maps with their best cells, found once for all the rules that read them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from kapbench.scoring.decodes import Decode, Geometry
from kapbench.types import Grid, SimilarityMap

Maps = SimilarityMap | Callable[[Decode | Geometry], SimilarityMap]


@dataclass(frozen=True, slots=True)
class ReadMaps:
    """Maps with what every decode and geometry needs of them."""

    values: Float32[np.ndarray, "q h w"]
    grid: Grid
    best: Int[np.ndarray, "q"]  # number of the best cell, the first among equals

    @classmethod
    def of(cls, maps: SimilarityMap) -> "ReadMaps":
        values = np.asarray(maps.values, np.float32)
        flat = values.reshape(len(values), maps.grid.n_cells)
        return cls(values, maps.grid, flat.argmax(axis=1))


def each_once(
    read: Callable[[SimilarityMap], ReadMaps], maps: Maps
) -> Callable[[Decode | Geometry], ReadMaps]:
    """The maps of each decode and geometry; those that several of them share are read once."""
    if isinstance(maps, SimilarityMap):
        of_all = read(maps)
        return lambda _: of_all
    already: dict[
        int, tuple[SimilarityMap, ReadMaps]
    ] = {}  # with the maps, so that ids stay theirs

    def of(rule: Decode | Geometry) -> ReadMaps:
        of_rule = maps(rule)
        if id(of_rule) not in already:
            already[id(of_rule)] = of_rule, read(of_rule)
        return already[id(of_rule)][1]

    return of
