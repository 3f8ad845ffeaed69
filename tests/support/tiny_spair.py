"""A small data set in SPair-71k's own layout: drawn animals, true annotations, three splits.

Image i of a category looks the same in every split; keypoint k is hidden in image i where
(i + k) % 4 == 3, so that every pair has shared and absent keypoints. Layouts hold every ordered
pair of a split's images; the small layout holds every other one.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from kapbench.datasets.symmetry import n_keypoints

FOLDER = "SPair-71k"
SPLITS = ("trn", "val", "test")
SIZES = ((120, 90), (90, 120), (100, 100), (128, 64))
SLOTS = 30  # keypoint slots of every annotation, whatever the category


def make(root: Path, categories: Iterable[str] = ("cat", "dog"), n_images: int = 3) -> Path:
    """Writes `n_images` images of each category for each split; returns the folder SPair-71k."""
    folder = root / FOLDER
    categories = sorted(categories)
    for split in SPLITS:
        for category, number in itertools.product(categories, range(n_images)):
            _write_image(folder, category, stem(split, number), number)
        lines = list(_lines(split, categories, n_images))
        _write_layout(folder, "large", split, lines)
        _write_layout(folder, "small", split, lines[::2])
    return folder


def stem(split: str, number: int) -> str:
    """Name of an image, as PASCAL VOC names them: year and number."""
    return f"20{10 + SPLITS.index(split)}_{number:06d}"


def annotation(folder: Path, image_id: str) -> Path:
    return folder / "ImageAnnotation" / f"{image_id}.json"


def edit(path: Path, **changes: object) -> None:
    """Rewrites keys of an annotation; a key that is given as `...` is taken out."""
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def _lines(split: str, categories: Sequence[str], n_images: int) -> Iterator[str]:
    number = 0
    for category in categories:
        for source, target in itertools.permutations(range(n_images), 2):
            number += 1
            yield f"{number:06d}-{stem(split, source)}-{stem(split, target)}:{category}"


def _write_layout(folder: Path, layout: str, split: str, lines: Sequence[str]) -> None:
    path = folder / "Layout" / layout / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_image(folder: Path, category: str, name: str, number: int) -> None:
    width, height = size = SIZES[number % len(SIZES)]
    box = [width // 8, height // 8, width - width // 10, height - height // 6]
    points = _points(box, n_keypoints(category))
    shown = {k: p for k, p in enumerate(points) if (number + k) % 4 != 3}
    picture, mask = Image.new("RGB", size, (90, 140, 90)), Image.new("L", size)
    ImageDraw.Draw(picture).ellipse(box, fill=(160 + 20 * (number % 4), 120, 80))
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    for k, (x, y) in shown.items():
        colour = tuple(int(v) for v in np.random.default_rng(k).integers(0, 256, 3))
        ImageDraw.Draw(picture).ellipse([x - 3, y - 3, x + 3, y + 3], fill=colour)
    for kind, ending, image in (("JPEGImages", "jpg", picture), ("Segmentation", "png", mask)):
        path = folder / kind / category / f"{name}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    content = {
        "filename": f"{name}.jpg",
        "image_width": width,
        "image_height": height,
        "image_depth": 3,
        "category": category,
        "pose": "Left",
        "truncated": number % 2,
        "occluded": 0,
        "difficult": 0,
        "bndbox": box,
        "kps": {str(k): shown.get(k) for k in range(SLOTS)},
        "azimuth_id": number % 8,
    }
    path = annotation(folder, f"{category}/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _points(box: Sequence[int], n: int) -> list[list[int]]:
    """`n` points on an ellipse inside the box, in pixels."""
    x1, y1, x2, y2 = box
    angles = 2 * np.pi * np.arange(n) / n
    x = (x1 + x2) / 2 + (x2 - x1) / 2 * 0.8 * np.cos(angles)
    y = (y1 + y2) / 2 + (y2 - y1) / 2 * 0.8 * np.sin(angles)
    return np.stack([x, y], axis=1).round().astype(int).tolist()
