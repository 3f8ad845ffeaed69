"""The two sets of features on which the released evaluators were run, and what they printed."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kapbench.datasets.symmetry import symmetry
from kapbench.loading import load_dataset
from kapbench.types import Coverage, Keypoints, Pair, View

SYNTHETIC = Path(__file__).parents[1] / "golden" / "synthetic"


@dataclass(frozen=True)
class GoldenSet:
    """Saved features, the data set that they belong to, and the printed numbers beside them."""

    features: Path
    printed: Path
    dataset: Any

    def numbers(self, evaluator: str, category: str) -> dict[str, Any]:
        path = self.printed / f"{evaluator}_{category}.json"
        numbers: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return numbers

    def samples(self, category: str) -> dict[str, np.ndarray]:
        """Labels and scores of every sample of average precision, by `label_α` and `score_α`."""
        with np.load(self.printed / f"samples_kap-cvpr24_{category}.npz") as arrays:
            return dict(arrays)


def synthetic() -> GoldenSet:
    """Rendered images: part of every clone."""
    categories = sorted(path.stem for path in (SYNTHETIC / "annotations").glob("*.json"))
    dataset = RenderedPairs(SYNTHETIC / "annotations", tuple(categories))
    return GoldenSet(SYNTHETIC / "features", SYNTHETIC / "expected", dataset)


def photographs() -> GoldenSet:
    """Photographs of SPair-71k, where KAPBENCH_DATA and KAPBENCH_GOLDEN name their folders."""
    data, golden = (os.environ.get(name, "") for name in ("KAPBENCH_DATA", "KAPBENCH_GOLDEN"))
    if not (data and golden and Path(data).is_dir() and Path(golden).is_dir()):
        pytest.skip("KAPBENCH_DATA and KAPBENCH_GOLDEN do not both name a folder")
    return GoldenSet(Path(golden, "features"), Path(golden), load_dataset("spair", root=data))


@dataclass(frozen=True)
class RenderedPairs:
    """The annotated pairs of golden/synthetic, with the symmetry tables of SPair-71k.

    Saved features are scored, so that no pixel counts: every image is black.
    """

    folder: Path
    categories: tuple[str, ...]
    name: str = "golden-synthetic"
    split: str = "test"
    revision: str = "1"
    licence: str = "Apache-2.0"
    citation: str = "tests/golden/synthetic/README.md"
    size_from: str = "box"
    has_absent: bool = True

    @property
    def coverage(self) -> Coverage:
        n_pairs = len(self.pairs())
        return Coverage(self.categories, self.categories, n_pairs, n_pairs)

    def pairs(self, categories: Sequence[str] | None = None) -> list[Pair]:
        return [pair for c in categories or self.categories for pair in self._pairs(c)]

    def views(self, categories: Sequence[str] | None = None) -> list[View]:
        return [v for c in categories or self.categories for v in self._views(c).values()]

    def pixels(self, view: View) -> np.ndarray:
        width, height = view.size
        return np.zeros((height, width, 3), np.uint8)

    def mask(self, view: View) -> None:
        return None

    def _annotations(self, category: str) -> dict[str, Any]:
        text = (self.folder / f"{category}.json").read_text(encoding="utf-8")
        annotations: dict[str, Any] = json.loads(text)
        return annotations

    def _pairs(self, category: str) -> list[Pair]:
        """A pair is listed as `number-source-target:category`."""
        views = self._views(category)
        pairs = []
        for pair_id in self._annotations(category)["pairs"]:
            _, source, target = pair_id.partition(":")[0].split("-")
            x1, y1, x2, y2 = views[target].bbox
            size = max(x2 - x1, y2 - y1)
            pairs.append(Pair(pair_id, views[source], views[target], size, *symmetry(category)))
        return pairs

    def _views(self, category: str) -> dict[str, View]:
        images = self._annotations(category)["images"]
        return {name: _view(category, name, image) for name, image in images.items()}


def _view(category: str, name: str, image: dict[str, Any]) -> View:
    n_keypoints = len(symmetry(category)[0])
    xy = np.full((n_keypoints, 2), np.nan)
    for keypoint, point in image["keypoints"].items():
        xy[int(keypoint)] = point
    return View(
        f"{category}/{name}",
        category,
        tuple(image["size"]),
        tuple(map(float, image["box"])),
        Keypoints(xy, np.isfinite(xy).all(axis=1)),
        image["azimuth"],
    )
