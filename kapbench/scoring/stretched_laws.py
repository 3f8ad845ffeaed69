"""Laws of distances in a stretched image, whose size and box no record holds."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int

from kapbench.scoring.prediction_laws import Law, predicted_points
from kapbench.scoring.record_index import RecordIndex
from kapbench.scoring.rules import Decode
from kapbench.scoring.schema import ERROR_PX

_FAR_PX = 5.0  # shorter distances are mostly rounding of the annotations
_NEAR_SHARE = 0.01  # of a squared distance
_LEAST = 1e-12


def stretched_laws(rows: RecordIndex, decode: Decode) -> Iterator[Law]:
    """Distances of one target image are stretched alike: error² = a·dx² + b·dy².

    a and b are fitted to the rows of the image; from three rows on, a row that contradicts the others
    is noticed.
    """
    if decode.frame != "stretched":
        return
    apart = np.square(predicted_points(rows, decode) - rows.target_xy)
    squared, error = apart.sum(axis=1), rows.floats(ERROR_PX.of(decode))
    used = rows.visible & np.isfinite(error) & (squared > _FAR_PX**2)
    share = np.divide(apart[:, 0], squared, out=np.zeros_like(squared), where=used)
    ratio = np.divide(np.square(error), squared, out=np.zeros_like(squared), where=used)
    expected = _line(share, ratio, used, rows.in_target.outer)
    high = np.maximum(ratio, expected)
    yield (
        f"{ERROR_PX.of(decode)} is not stretched as the other distances of the target image",
        used & (np.abs(ratio - expected) > _NEAR_SHARE * high),
    )


def _line(
    x: Float64[np.ndarray, "n"],
    y: Float64[np.ndarray, "n"],
    used: Bool[np.ndarray, "n"],
    group: Int[np.ndarray, "n"],
) -> Float64[np.ndarray, "n"]:
    """y of the line that is fitted to each group's points; their mean where x does not vary."""

    def mean(values: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
        n = np.bincount(group, used)
        return np.asarray((np.bincount(group, used * values) / np.maximum(n, 1))[group])

    mean_x, mean_y = mean(x), mean(y)
    spread = mean(np.square(x - mean_x))
    slope = mean((x - mean_x) * (y - mean_y)) / np.maximum(spread, _LEAST)
    return np.asarray(mean_y + slope * (x - mean_x))
