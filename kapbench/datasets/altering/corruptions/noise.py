"""Noise of the sensor and of the transmission, drawn for each pixel and channel alone."""

import numpy as np
from jaxtyping import Float64

Image = Float64[np.ndarray, "h w 3"]
GAUSSIAN_STD = (0.08, 0.12, 0.18, 0.26, 0.38)
PHOTONS = (60, 25, 12, 5, 3)  # that a white pixel catches
IMPULSE_SHARE = (0.03, 0.06, 0.09, 0.17, 0.27)
SPECKLE_STD = (0.15, 0.2, 0.35, 0.45, 0.6)


def gaussian_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    return image + rng.normal(scale=GAUSSIAN_STD[severity - 1], size=image.shape)


def shot_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    photons = PHOTONS[severity - 1]
    return np.asarray(rng.poisson(image * photons) / photons)


def impulse_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A share of all values becomes 0 or 1, either with the same chance."""
    draws, ends = rng.random(image.shape), rng.integers(0, 2, image.shape)
    return np.where(draws < IMPULSE_SHARE[severity - 1], ends, image)


def speckle_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """In proportion to the brightness."""
    return image + image * rng.normal(scale=SPECKLE_STD[severity - 1], size=image.shape)
