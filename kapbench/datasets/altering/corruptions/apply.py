"""One corrupted image: by name, severity and the image's id, whatever came before."""

import hashlib
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from kapbench.datasets.altering.corruptions import blur, digital, noise, weather

Corruption = Callable[[noise.Image, int, np.random.Generator], noise.Image]
CORRUPTIONS: dict[str, Corruption] = {
    function.__name__: function
    for function in (
        noise.gaussian_noise,
        noise.shot_noise,
        noise.impulse_noise,
        noise.speckle_noise,
        blur.gaussian_blur,
        blur.defocus_blur,
        blur.motion_blur,
        blur.zoom_blur,
        weather.snow,
        weather.fog,
        weather.brightness,
        digital.contrast,
        digital.jpeg_compression,
        digital.pixelate,
        digital.saturate,
    )
}


def corrupt_pixels(
    pixels: UInt8[np.ndarray, "h w 3"], name: str, severity: int, image_id: str
) -> UInt8[np.ndarray, "h w 3"]:
    """The image with a corruption, in its own size; values are rounded.

    Random numbers follow from the corruption's name and the image's id: all severities of an image
    have the same, so that they differ in strength alone.

    Args:
        name: Of CORRUPTIONS.
        severity: 1 to 5.
    """
    digest = hashlib.sha256(f"{name}:{image_id}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    corrupted = CORRUPTIONS[name](pixels / 255, severity, rng)
    rounded: np.ndarray = np.rint(corrupted.clip(0, 1) * 255).astype(np.uint8)
    return rounded
