"""Fog, snow and brightness. Frost is a mixture with photographs of others, and is left out."""

import numpy as np
from jaxtyping import Float64
from skimage.color import hsv2rgb, rgb2hsv

from kapbench.datasets.altering.corruptions.blur import enlarge, trail
from kapbench.datasets.altering.corruptions.noise import Image

FOG = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))  # thickness, decay of the roughness
# Mean and standard deviation of the noise, its enlargement, the least value that is a flake, radius
# and sigma of the trail, and the share of the image as it was.
SNOW = (
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to the value of HSV
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def fog(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A rough height map is added, and all is scaled so that the brightest stays as bright."""
    thickness, decay = FOG[severity - 1]
    height, width = image.shape[:2]
    mist = height_map(max(height, width), decay, rng)[:height, :width, None]
    brightest = image.max()
    return np.asarray((image + thickness * mist) * brightest / (brightest + thickness))


def height_map(side: int, decay: float, rng: np.random.Generator) -> Float64[np.ndarray, "n n"]:
    """Diamond-square on a torus, from 0 to 1, whose side is the next power of two.

    Each round doubles the side: first the middles of squares, then those of edges get the mean of
    four neighbours and a random displacement, whose range is divided by decay² from round to round.
    """
    heights, roughness = np.zeros((1, 1)), 100.0

    def displaced(total: np.ndarray) -> np.ndarray:
        draws = rng.uniform(-roughness, roughness, total.shape)
        return np.asarray(total / 4 + roughness * draws)

    while len(heights) < max(side, 2):
        right, below = np.roll(heights, -1, axis=1), np.roll(heights, -1, axis=0)
        middle = displaced(heights + right + below + np.roll(below, -1, axis=1))
        finer = np.empty((2 * len(heights),) * 2)
        finer[::2, ::2], finer[1::2, 1::2] = heights, middle
        finer[::2, 1::2] = displaced(heights + right + middle + np.roll(middle, 1, axis=0))
        finer[1::2, ::2] = displaced(heights + below + middle + np.roll(middle, 1, axis=1))
        heights, roughness = finer, roughness / decay
    lowest = heights.min()
    return np.asarray((heights - lowest) / (heights.max() - lowest))


def snow(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Flakes of enlarged noise with trails, from two opposite directions, over a whitened image."""
    mean, std, factor, least, radius, sigma, share = SNOW[severity - 1]
    noise = rng.normal(mean, std, (*image.shape[:2], 1))
    flakes = enlarge(noise, factor)
    flakes = np.where(flakes < least, 0, flakes).clip(0, 1)
    flakes = trail(flakes, int(radius), sigma, rng.uniform(-135, -45))
    grey = (image @ np.array(_LUMA))[:, :, None]
    whitened = share * image + (1 - share) * np.maximum(image, 1.5 * grey + 0.5)
    return np.asarray(whitened + flakes + np.rot90(flakes, 2))


def brightness(image: Image, severity: int, rng: np.random.Generator) -> Image:  # noqa: ARG001
    hsv = rgb2hsv(image)
    hsv[:, :, 2] = (hsv[:, :, 2] + BRIGHTNESS[severity - 1]).clip(0, 1)
    return np.asarray(hsv2rgb(hsv))
