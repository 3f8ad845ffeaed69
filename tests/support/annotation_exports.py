"""Images for exports of annotation tools, and the conversion of an export to a loaded data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from kapbench.datasets.converting.convert import convert
from kapbench.datasets.converting.report import Report
from kapbench.datasets.manifest.check import list_problems
from kapbench.datasets.manifest.dataset import manifest
from kapbench.datasets.pair_list import PairList
from kapbench.types import View


def save_image(path: Path, size: tuple[int, int] = (200, 100), orientation: int = 1) -> Path:
    """
    Args:
        size: Width and height as stored.
        orientation: Of EXIF; 6 is a quarter turn.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(path.name.encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(path, **({"exif": exif} if orientation != 1 else {}))
    return path


def convert_and_load(
    tool: str, export: Path, out: Path, **options: Any
) -> tuple[PairList, Mapping[str, View], Report]:
    """The data set, its images by their ids, and the report; the manifest has no problem."""
    report = convert(tool, export, out, **options)
    assert list_problems(out) == []
    dataset = manifest(str(out))
    return dataset, {view.image_id: view for view in dataset.views()}, report


def names_of(out: Path, category: str) -> list[str]:
    """The keypoints of a category, in the order of their ids."""
    import json

    names: list[str] = json.loads(out.read_text("utf-8"))["categories"][category]["keypoints"]
    return names


def points_of(view: View, out: Path) -> dict[str, tuple[float, float]]:
    """Visible keypoints by name, rounded to a thousandth of a pixel."""
    names = names_of(out, view.category)
    xy = view.keypoints.xy.round(3).tolist()
    return {
        name: (x, y)
        for name, (x, y), visible in zip(names, xy, view.keypoints.visible, strict=True)
        if visible
    }
