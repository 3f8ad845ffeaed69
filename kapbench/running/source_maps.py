"""Which maps a decode reads: of the keypoint's cell, or of features interpolated at the keypoint."""

import numpy as np
from jaxtyping import Float32

from kapbench.scoring.decodes import Decode, Geometry
from kapbench.scoring.map_reading import Maps
from kapbench.types import SimilarityMap

Place = tuple[object, ...]  # all that decides where a decode takes a source keypoint to lie
InterpolatedMaps = dict[Place, Float32[np.ndarray, "q h w"]]


def place_of(decode: Decode) -> Place:
    return decode.frame, decode.frame_px, decode.whole_cells, decode.keypoints


def of_each_source(maps: SimilarityMap, interpolated: InterpolatedMaps, rows: slice) -> Maps:
    """
    Args:
        maps: Of the keypoints' cells.
        interpolated: Of more keypoints than those of `maps`, which are `rows` of them.
    """
    if not interpolated:
        return maps
    of_rows = {
        place: SimilarityMap(values[rows], maps.grid, maps.queries)
        for place, values in interpolated.items()
    }

    def of(rule: Decode | Geometry) -> SimilarityMap:
        if isinstance(rule, Decode) and rule.source == "interpolated":
            return of_rows[place_of(rule)]
        return maps

    return of
