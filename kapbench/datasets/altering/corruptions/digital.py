"""Contrast, JPEG, pixelation and saturation. The elastic transform would move keypoints: left out."""

from io import BytesIO

import numpy as np
from PIL import Image as PillowImage
from skimage.color import hsv2rgb, rgb2hsv

from kapbench.datasets.altering.corruptions.noise import Image

CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)  # of the distance to each channel's mean
JPEG_QUALITY = (25, 18, 15, 10, 7)
PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)  # pixels left of a side
SATURATE = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))  # factor, summand


def contrast(image: Image, severity: int, rng: np.random.Generator) -> Image:  # noqa: ARG001
    mean = image.mean(axis=(0, 1))
    return np.asarray((image - mean) * CONTRAST[severity - 1] + mean)


def jpeg_compression(image: Image, severity: int, rng: np.random.Generator) -> Image:  # noqa: ARG001
    content = BytesIO()
    to_pillow(image).save(content, "JPEG", quality=JPEG_QUALITY[severity - 1])
    return from_pillow(PillowImage.open(content))


def pixelate(image: Image, severity: int, rng: np.random.Generator) -> Image:  # noqa: ARG001
    """Made smaller and larger again, each by the mean over boxes."""
    height, width = image.shape[:2]
    share, box = PIXELATE[severity - 1], PillowImage.Resampling.BOX
    small = max(1, int(width * share)), max(1, int(height * share))
    return from_pillow(to_pillow(image).resize(small, box).resize((width, height), box))


def saturate(image: Image, severity: int, rng: np.random.Generator) -> Image:  # noqa: ARG001
    """Severities 1 and 2 take colour away, 3 to 5 add it."""
    factor, summand = SATURATE[severity - 1]
    hsv = rgb2hsv(image)
    hsv[:, :, 1] = (hsv[:, :, 1] * factor + summand).clip(0, 1)
    return np.asarray(hsv2rgb(hsv))


def to_pillow(image: Image) -> PillowImage.Image:
    """In eight bits, rounded."""
    return PillowImage.fromarray(np.rint(image * 255).astype(np.uint8))


def from_pillow(image: PillowImage.Image) -> Image:
    return np.asarray(image, np.float64) / 255
