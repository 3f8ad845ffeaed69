"""Deterministic pictures, no photograph."""

import numpy as np

from kapbench.types import Picture


def picture(width: int, height: int, seed: int = 0) -> Picture:
    """Smooth colours with a little noise."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17 + seed), np.cos(y / 23), np.sin((x + y) / 31)]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    pixels = (127 + 100 * np.stack(waves, axis=-1) + noise).clip(0, 255).astype(np.uint8)
    return Picture(pixels, f"thing/{width}x{height}-{seed}")
