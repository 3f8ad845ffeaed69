"""A colour for the place of each point among others, which colour-blind readers can tell apart as well.

Across, colours go from blue over pink to yellow; downwards, from dark to light. Who does not see red
and green apart still sees blue go over grey to yellow.
"""

import warnings

import numpy as np
from jaxtyping import Float64

# In CIELAB: lightness at the top and the bottom; b (blue to yellow) left and right; a (green to red)
# left, in the middle and right, where sRGB has blue, pink and yellow.
_LIGHTNESS = (32.0, 88.0)
_BLUE_YELLOW = (-62.0, 66.0)
_GREEN_RED = (22.0, 50.0, -4.0)


def position_colours(xy: Float64[np.ndarray, "q 2"]) -> Float64[np.ndarray, "q 3"]:
    """RGB from 0 to 1 of points (x, y), by where they lie between the outermost of them."""
    from skimage.color import lab2rgb

    if not len(xy):
        return np.empty((0, 3))
    low, extent = xy.min(axis=0), np.ptp(xy, axis=0)
    across, down = np.where(extent > 0, (xy - low) / np.where(extent > 0, extent, 1), 0.5).T
    lightness = np.interp(down, [0, 1], _LIGHTNESS)
    green_red = np.interp(across, [0, 0.5, 1], _GREEN_RED)
    blue_yellow = np.interp(across, [0, 1], _BLUE_YELLOW)
    with warnings.catch_warnings():  # of colours that sRGB does not have: the nearest is taken
        warnings.filterwarnings("ignore", message=".*negative Z values.*")
        rgb = lab2rgb(np.stack([lightness, green_red, blue_yellow], axis=1)[None])[0]
    return np.asarray(rgb, np.float64).clip(0, 1)
