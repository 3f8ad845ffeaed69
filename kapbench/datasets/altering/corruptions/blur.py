"""Blur: by a Gaussian, by a lens out of focus, by motion, and by a zoom towards the centre."""

import numpy as np
from jaxtyping import Float64
from PIL import Image as PillowImage
from scipy.ndimage import convolve1d, gaussian_filter
from scipy.signal import fftconvolve

from kapbench.datasets.altering.corruptions.noise import Image

Channels = Float64[np.ndarray, "h w c"]
GAUSSIAN_SIGMA = (1, 2, 3, 4, 6)
LENS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))  # radius, sigma of its soft edge
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))  # radius, sigma
ZOOM = (
    (1.11, 0.01),
    (1.16, 0.01),
    (1.21, 0.02),
    (1.26, 0.02),
    (1.31, 0.03),
)  # below this, by steps


def gaussian_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:  # noqa: ARG001
    sigma = GAUSSIAN_SIGMA[severity - 1]
    return np.asarray(gaussian_filter(image, (sigma, sigma, 0), mode="nearest"))


def defocus_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:  # noqa: ARG001
    """A disk with a soft edge; beyond the border, the image is mirrored."""
    kernel = lens(*LENS[severity - 1])
    margin = len(kernel) // 2
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    return np.asarray(fftconvolve(padded, kernel[:, :, None], mode="valid", axes=(0, 1)))


def lens(radius: int, sigma: float) -> Float64[np.ndarray, "n n"]:
    """The disk on at least 17×17 px, softened by a Gaussian of 3 px, or 5 px for a radius above 8."""
    reach, taps = (8, 1) if radius <= 8 else (radius, 2)
    offsets = np.arange(-reach, reach + 1)
    disk = (offsets[:, None] ** 2 + offsets[None] ** 2 <= radius**2).astype(np.float64)
    weights = np.exp(-(np.arange(-taps, taps + 1) ** 2) / (2 * sigma**2))
    for axis in (0, 1):
        disk = convolve1d(disk, weights / weights.sum(), axis=axis, mode="mirror")
    return np.asarray(disk / disk.sum())


def motion_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    return trail(image, *MOTION[severity - 1], rng.uniform(-45, 45))


def trail(image: Channels, radius: int, sigma: float, angle: float) -> Channels:
    """The mean of shifted images: half a Gaussian along one direction, as ImageMagick's motion blur.

    The border's colour goes on beyond it.

    Args:
        radius: There are 2 · radius + 1 shifts, of 0, 1, ... px.
        sigma: Of the Gaussian, px.
        angle: Degrees, from the right downwards.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    dx = np.rint(steps * np.cos(np.deg2rad(angle))).astype(int)
    dy = np.rint(steps * np.sin(np.deg2rad(angle))).astype(int)
    height, width = image.shape[:2]
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    mixed = np.zeros_like(image)
    for weight, x, y in zip(weights / weights.sum(), dx, dy, strict=True):
        mixed += weight * image[(rows + y).clip(0, height - 1), (columns + x).clip(0, width - 1)]
    return mixed


def zoom_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:  # noqa: ARG001
    """The mean of the image and of its enlargements about the centre."""
    end, step = ZOOM[severity - 1]
    factors = np.arange(1, end, step)
    enlarged = [enlarge(image, factor) for factor in factors]
    return np.asarray((image + sum(enlarged)) / (len(factors) + 1))


def enlarge(image: Channels, factor: float) -> Channels:
    """The middle of an image, linearly enlarged to its size."""
    height, width = image.shape[:2]
    x, y = (width - width / factor) / 2, (height - height / factor) / 2
    channels = [
        PillowImage.fromarray(channel.astype(np.float32)).resize(
            (width, height), PillowImage.Resampling.BILINEAR, box=(x, y, width - x, height - y)
        )
        for channel in np.moveaxis(image, 2, 0)
    ]
    return np.stack([np.asarray(channel, np.float64) for channel in channels], axis=2)
