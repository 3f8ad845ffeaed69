"""SPair-71k in its official layout; each image's annotation is read once."""

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int, UInt8

from kapbench.datasets.images import read_mask, read_rgb
from kapbench.errors import KapbenchError
from kapbench.registry import unknown
from kapbench.types import Coverage, Keypoints, Pair, View

FOLDER = "SPair-71k"
SPLITS = ("trn", "val", "test")


def spair(split: str = "test", root: str | Path | None = None, layout: str = "large") -> "SPair":
    """SPair-71k below a data root; the root is KAPBENCH_DATA or the user data folder by default."""
    return SPair.open(split, root, layout)


def small(split: str = "test", root: str | Path | None = None) -> "SPair":
    """The official small layout."""
    return SPair.open(split, root, "small")


def data_root(root: str | Path | None) -> Path:
    """The folder that holds the data sets."""
    from platformdirs import user_data_path

    return Path(root or os.environ.get("KAPBENCH_DATA") or user_data_path("kapbench"))


@dataclass(frozen=True)
class SPair:
    """One split. Only categories whose images and annotations are all there are evaluated."""

    name: str
    split: str
    layout: str
    folder: Path
    licence: str = "none stated; cite the paper (photographs: Flickr users via PASCAL VOC)"
    citation: str = "Min, Lee, Ponce, Cho: SPair-71k, arXiv:1908.10543"
    size_from: Literal["box", "image"] = "box"
    has_absent: bool = True

    @classmethod
    def open(cls, split: str, root: str | Path | None, layout: str) -> "SPair":
        """
        Raises:
            KapbenchError: unknown split or layout, no data there, or no category whole.
        """
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, place="spair")
        if layout not in ("large", "small"):
            raise unknown("layout", layout, ("large", "small"), place="spair")
        base = data_root(root)
        folder = base if base.name == FOLDER else base / FOLDER
        found = cls("spair" if layout == "large" else "spair.small", split, layout, folder)
        if not found._list.is_file():
            raise KapbenchError(
                "SPair-71k not found", place=found._list,
                fix="kapbench fetch spair, or point --data-root (KAPBENCH_DATA) to the folder that "
                f"holds {FOLDER}",
            )  # fmt: skip
        if not found.categories:
            raise KapbenchError(
                f"no category of SPair-71k's {split} split is complete", place=folder,
                fix="kapbench fetch spair",
            )  # fmt: skip
        return found

    @property
    def categories(self) -> tuple[str, ...]:
        return self.coverage.categories

    @functools.cached_property
    def coverage(self) -> Coverage:
        lines = self._lines
        expected = tuple(sorted({category for _, _, _, category in lines}))
        whole = tuple(c for c in expected if self._whole(c))
        n = sum(category in whole for _, _, _, category in lines)
        return Coverage(whole, expected, n, len(lines))

    @functools.cached_property
    def revision(self) -> str:
        """Hash of the pair list and of every annotation that is read."""
        digest = hashlib.sha256(self._list.read_bytes())
        for category in self.categories:
            for stem in sorted(self._stems(category)):
                digest.update(self._annotation(category, stem).read_bytes())
        return digest.hexdigest()[:16]

    def pairs(self, categories: Sequence[str] | None = None) -> list[Pair]:
        """Pairs in the order of the layout file."""
        wanted = self._wanted(categories)
        return [self._pair(*line) for line in self._lines if line[3] in wanted]

    def views(self, categories: Sequence[str] | None = None) -> list[View]:
        return [
            self._view(category, stem)
            for category in sorted(self._wanted(categories))
            for stem in sorted(self._stems(category))
        ]

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        path = self.folder / "JPEGImages" / f"{view.image_id}.jpg"
        pixels = read_rgb(path)
        if pixels.shape[:2] != view.size[::-1]:
            raise KapbenchError(
                f"image of {pixels.shape[1]}×{pixels.shape[0]} px, annotated as "
                f"{view.size[0]}×{view.size[1]}",
                place=path, fix="fetch the data set again",
            )  # fmt: skip
        return pixels

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        return None if view.mask is None else read_mask(view.mask, view.size)

    @property
    def _list(self) -> Path:
        return self.folder / "Layout" / self.layout / f"{self.split}.txt"

    @functools.cached_property
    def _lines(self) -> list[tuple[str, str, str, str]]:
        """(pair id, source, target, category) of each line `number-source-target:category`."""
        return list(_parse_layout(self._list))

    def _wanted(self, categories: Sequence[str] | None) -> set[str]:
        for category in categories or ():
            if category not in self.categories:
                raise unknown(
                    "category", category, self.categories, place=f"{self.name} as present"
                )
        return set(categories or self.categories)

    @functools.cache  # noqa: B019  one data set lives as long as a run
    def _stems(self, category: str) -> frozenset[str]:
        named = [(s, t) for _, s, t, c in self._lines if c == category]
        return frozenset(stem for both in named for stem in both)

    def _whole(self, category: str) -> bool:
        annotated = _stems_in(self.folder / "ImageAnnotation" / category)
        pictured = _stems_in(self.folder / "JPEGImages" / category)
        return self._stems(category) <= annotated & pictured

    def _annotation(self, category: str, stem: str) -> Path:
        return self.folder / "ImageAnnotation" / category / f"{stem}.json"

    @functools.cache  # noqa: B019
    def _view(self, category: str, stem: str) -> View:
        mask = self.folder / "Segmentation" / category / f"{stem}.png"
        return parse_view(
            self._annotation(category, stem), category, mask if mask.exists() else None
        )

    def _pair(self, pair_id: str, source: str, target: str, category: str) -> Pair:
        views = self._view(category, source), self._view(category, target)
        x1, y1, x2, y2 = views[1].bbox
        return Pair(pair_id, *views, float(max(x2 - x1, y2 - y1)), *symmetry(category))


@functools.cache
def symmetry(category: str) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"]]:
    """Repeated-part group and mirror twin of each keypoint id."""
    facts = _facts()[category]
    groups = np.full(facts["n_keypoints"], -1)
    twins = np.arange(facts["n_keypoints"])
    for number, members in enumerate(facts["groups"]):
        groups[members] = number
    for left, right in facts["mirror"]:
        twins[left], twins[right] = right, left
    return groups, twins


@functools.cache
def _facts() -> dict[str, Any]:
    text = files("kapbench.datasets").joinpath("spair_symmetry.json").read_text(encoding="utf-8")
    categories: dict[str, Any] = json.loads(text)["categories"]
    return categories


def parse_view(path: Path, category: str, mask: Path | None) -> View:
    """One ImageAnnotation file.

    Raises:
        KapbenchError: not JSON, a key missing, a box without area, a keypoint outside the image.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        size = int(content["image_width"]), int(content["image_height"])
        x1, y1, x2, y2 = (float(v) for v in content["bndbox"])
        xy = _keypoints(content["kps"], category, path)
        azimuth = content.get("azimuth_id")
        flags = (content["truncated"], content["occluded"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise KapbenchError(
            f"annotation cannot be read: {what}", place=path, fix="fetch the data set again"
        ) from error
    if not (x2 > x1 and y2 > y1):
        raise KapbenchError("box without area", place=f"{path}, key bndbox", fix="mend the box")
    visible = ~np.isnan(xy[:, 0])
    beyond = visible & ~((xy >= 0) & (xy <= size)).all(axis=1)
    if beyond.any():
        k = int(np.flatnonzero(beyond)[0])
        raise KapbenchError(
            f"keypoint {k} at {xy[k].tolist()} lies outside the image of {size[0]}×{size[1]} px",
            place=f"{path}, key kps.{k}", fix="mend the annotation",
        )  # fmt: skip
    return View(
        f"{category}/{path.stem}", category, size, (x1, y1, x2, y2), Keypoints(xy, visible),
        None if azimuth is None else int(azimuth), mask, *(bool(flag) for flag in flags),
    )  # fmt: skip


def _keypoints(slots: dict[str, Any], category: str, path: Path) -> np.ndarray:
    n = _facts()[category]["n_keypoints"]
    xy = np.full((n, 2), np.nan)
    for key, point in slots.items():
        if point is None:
            continue
        if int(key) >= n:
            raise KapbenchError(
                f"keypoint {key} in {category}, which has {n}", place=f"{path}, key kps.{key}",
                fix="fetch the data set again",
            )  # fmt: skip
        xy[int(key)] = point
    return xy


def _parse_layout(path: Path) -> Iterator[tuple[str, str, str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split(), 1):
        names, _, category = line.partition(":")
        parts = names.split("-")
        if len(parts) != 3 or category not in _facts():  # noqa: PLR2004
            raise KapbenchError(
                f"not a pair: '{line}'", place=f"{path}, line {number}",
                fix="expected number-source-target:category",
            )  # fmt: skip
        yield line, parts[1], parts[2], category


def _stems_in(folder: Path) -> set[str]:
    return {entry.stem for entry in folder.iterdir()} if folder.is_dir() else set()
