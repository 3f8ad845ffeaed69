"""synthetic: rendered 3D objects, the built-in default data set, without download."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8

from kapbench.datasets.images import read_mask, read_rgb
from kapbench.datasets.synthetic.rendered_split import ANNOTATIONS, open_split
from kapbench.datasets.synthetic.scene_plan import Settings, symmetry
from kapbench.errors import KapbenchError
from kapbench.registry import unknown
from kapbench.storage import file_hash
from kapbench.types import Coverage, Keypoints, Pair, View

MARKING = 0.25
OPPOSITE = 0.3  # share of the source's keypoints absent while their twin is visible
INSTANCES = {"trn": 20, "val": 6, "test": 10}
SMALL_INSTANCES = {"trn": 4, "val": 3, "test": 3}


def synthetic(
    split: str = "test",
    root: str | Path | None = None,  # noqa: ARG001  other data sets have one
    marking: float = MARKING,
    seed: int = 0,
    instances: int | None = None,
    views: int = 3,
    pairs: int = 250,
    build: bool = True,
) -> "Synthetic":
    """Rendered objects of four categories; splits by instance, pairs of different instances.

    Args:
        build: Render a missing split; False raises KapbenchError instead.
    """
    n = INSTANCES.get(split, 2) if instances is None else int(instances)
    settings = Settings(split, float(marking), int(seed), n, int(views), int(pairs))
    return Synthetic("synthetic", settings, open_split(settings, build=build))


def small(
    split: str = "test",
    root: str | Path | None = None,  # noqa: ARG001
    marking: float = MARKING,
    seed: int = 0,
    build: bool = True,
) -> "Synthetic":
    """A few rendered images, for tests and first tries; takes seconds."""
    settings = Settings(split, float(marking), int(seed), SMALL_INSTANCES.get(split, 2), 2, 12)
    return Synthetic("synthetic.small", settings, open_split(settings, build=build))


def large(
    split: str = "test",
    root: str | Path | None = None,  # noqa: ARG001
    marking: float = MARKING,
    seed: int = 0,
    instances: int = 100,
    views: int = 4,
    pairs: int = 10_000,
    build: bool = True,
) -> "Synthetic":
    """Rendered objects in any number: instances × views images and `pairs` pairs per category.

    Raises:
        KapbenchError: more pairs than exist between different instances.
    """
    settings = Settings(split, float(marking), int(seed), int(instances), int(views), int(pairs))
    n = settings.instances * settings.views
    most = n * (n - settings.views)
    if settings.pairs > most:
        raise KapbenchError(
            f"{settings.pairs:,} pairs per category are too many: {settings.instances} instances of "
            f"{settings.views} views make {most:,}",
            place="synthetic.large",
            fix="Request more instances, or fewer pairs",
        )
    return Synthetic("synthetic.large", settings, open_split(settings, build=build))


def _draw_cheapest(
    allowed: Bool[np.ndarray, "n n"],
    cost: Float[np.ndarray, "n n"],
    n: int,
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """`n` random pairs from the cheaper half of those allowed, or all; ties are broken at random."""
    source, target = np.nonzero(allowed)
    order = rng.permutation(len(source))
    order = order[np.argsort(cost[source, target][order], kind="stable")]
    pool = rng.permutation(order[: max(n, (len(order) + 1) // 2)])[:n]
    return [(int(source[i]), int(target[i])) for i in pool]


@dataclass(frozen=True)
class Synthetic:
    """One rendered split."""

    name: str
    settings: Settings
    folder: Path
    licence: str = "Apache-2.0"
    citation: str = "kapbench"
    size_from: Literal["box", "image"] = "box"
    has_absent: bool = True

    @property
    def split(self) -> str:
        return self.settings.split

    @functools.cached_property
    def revision(self) -> str:
        """Hash of the settings and of all annotations, which hold the images' hashes."""
        return f"{self.settings.hash[:8]}{file_hash(self.folder / ANNOTATIONS)[:8]}"

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(self._content["keypoints"])

    @functools.cached_property
    def coverage(self) -> Coverage:
        n = len(self._pairs)
        return Coverage(self.categories, self.categories, n, n)

    def pairs(self, categories: Sequence[str] | None = None) -> list[Pair]:
        wanted = self._wanted(categories)
        return [pair for pair in self._pairs if pair.source.category in wanted]

    def views(self, categories: Sequence[str] | None = None) -> list[View]:
        wanted = self._wanted(categories)
        return [v for name, v in sorted(self._views.items()) if v.category in wanted]

    def pixels(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        return read_rgb(self.folder / "images" / f"{view.image_id}.png")

    def mask(self, view: View) -> Bool[np.ndarray, "h w"] | None:
        return None if view.mask is None else read_mask(view.mask, view.size)

    def keypoint_names(self, category: str) -> list[str]:
        """Names by keypoint id; L and R are the object's own left and right."""
        names: list[str] = self._content["keypoints"][category]
        return names

    @functools.cached_property
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(
            (self.folder / ANNOTATIONS).read_text(encoding="utf-8")
        )
        return content

    @functools.cached_property
    def _views(self) -> dict[str, View]:
        return {entry["image_id"]: self._view(entry) for entry in self._content["images"]}

    def _view(self, entry: dict[str, Any]) -> View:
        missing = [np.nan, np.nan]
        xy = np.array([p or missing for p in entry["keypoints"]], dtype=np.float64)
        w, h = entry["size"]
        x1, y1, x2, y2 = (float(v) for v in entry["bbox"])
        mask = self.folder / "masks" / f"{entry['image_id']}.png"
        return View(
            entry["image_id"],
            entry["category"],
            (w, h),
            (x1, y1, x2, y2),
            Keypoints(xy, ~np.isnan(xy[:, 0])),
            entry["azimuth_bin"],
            mask,
            False,
            False,
        )

    @functools.cached_property
    def _pairs(self) -> tuple[Pair, ...]:
        return tuple(pair for c in self.categories for pair in self._draw_pairs(c))

    def _draw_pairs(self, category: str) -> list[Pair]:
        """Ordered pairs of different instances that share a keypoint, drawn without replacement.

        Half of them show opposite sides: the twin is visible instead of the keypoint. In either
        half, pairs are preferred whose target shows few keypoints together with their twins, as
        PCK already penalises a mix-up there.
        """
        entries = [e for e in self._content["images"] if e["category"] == category]
        views = [self._views[e["image_id"]] for e in entries]
        groups, twins = symmetry(self.keypoint_names(category))
        visible = np.stack([v.keypoints.visible for v in views]).astype(int)
        twin_visible = visible[:, twins] * (twins != np.arange(len(twins)))
        n_visible = visible.sum(axis=1, keepdims=True)
        beside = visible @ (visible * twin_visible).T / n_visible
        instead = visible @ ((1 - visible) * twin_visible).T / n_visible
        instance = np.array([e["instance"] for e in entries])
        allowed = (visible @ visible.T > 0) & (instance[:, None] != instance[None])
        if not allowed.any():
            raise KapbenchError(
                f"There are no two instances of {category} that share a keypoint",
                place=self.name,
                fix="Request more instances or views",
            )
        rng = np.random.default_rng([self.settings.seed, len(category), 7])
        opposite = allowed & (instead >= OPPOSITE)
        half = _draw_cheapest(opposite, beside, self.settings.pairs // 2, rng)
        rest = _draw_cheapest(allowed & ~opposite, beside, self.settings.pairs - len(half), rng)
        chosen = sorted(half + rest)
        return [self._pair(views[s], views[t], groups, twins) for s, t in chosen]

    @staticmethod
    def _pair(source: View, target: View, groups: np.ndarray, twins: np.ndarray) -> Pair:
        x1, y1, x2, y2 = target.bbox
        name = f"{source.image_id}>{target.image_id.rpartition('/')[2]}"
        return Pair(name, source, target, max(x2 - x1, y2 - y1), groups, twins)

    def _wanted(self, categories: Sequence[str] | None) -> set[str]:
        for category in categories or ():
            if category not in self.categories:
                raise unknown("category", category, self.categories, place=self.name)
        return set(self.categories if categories is None else categories)
