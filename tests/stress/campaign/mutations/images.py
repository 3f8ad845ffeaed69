"""The formats of photographs and masks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from campaign.mutations.blocks import any_bytes
from campaign.mutations.containers import jpeg, png
from campaign.mutations.format import Format


def _photograph(suffix: str, **options: object) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"photo{suffix}", exif=exif, **options)

    return build


def _read(suffix: str) -> Callable[[Path], str | None]:
    def read(root: Path) -> str | None:
        from kapbench.datasets import images

        path = root / f"photo{suffix}"
        header = images.read_header(path)
        pixels = images.read_upright(path)
        size = pixels.shape[1], pixels.shape[0]
        stored = images.read_rgb(path)
        if pixels.dtype != np.uint8 or stored.shape[2:] != (3,):
            return "pixels that are not RGB"
        return None if header.upright == size else "a header of another size than the pixels"

    return read


def _mask(root: Path) -> None:
    values = np.zeros((40, 60), np.uint8)
    values[8:30, 10:50] = 255
    Image.fromarray(values).save(root / "mask.png")


def _read_mask(root: Path) -> str | None:
    from kapbench.datasets.images import read_mask

    mask = read_mask(root / "mask.png", (60, 40))
    return None if mask.shape == (40, 60) and mask.dtype == bool else "a mask of another size"


FORMATS = {
    "JPEG with EXIF": Format(
        _photograph(".jpg"), ("photo.jpg",), _read(".jpg"), (jpeg, jpeg, any_bytes)
    ),
    "PNG with EXIF": Format(
        _photograph(".png"), ("photo.png",), _read(".png"), (png, png, any_bytes)
    ),
    "WebP": Format(_photograph(".webp"), ("photo.webp",), _read(".webp"), (any_bytes,)),
    "TIFF": Format(_photograph(".tif"), ("photo.tif",), _read(".tif"), (any_bytes,)),
    "mask": Format(_mask, ("mask.png",), _read_mask, (png, any_bytes)),
}
