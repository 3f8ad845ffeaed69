"""synthetic: rendered 3D objects, the built-in default data set, without download."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from kapbench.datasets.pair_list import PairList, name_pair, pair_by_box
from kapbench.datasets.synthetic.rendered_split import ANNOTATIONS, open_split
from kapbench.datasets.synthetic.scene_plan import Settings, symmetry
from kapbench.errors import KapbenchError
from kapbench.storage import file_hash
from kapbench.types import Keypoints, Pair, View
from kapbench.untrusted.strict_text import json_value

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
    return _open("synthetic", settings, build)


def small(
    split: str = "test",
    root: str | Path | None = None,  # noqa: ARG001
    marking: float = MARKING,
    seed: int = 0,
    build: bool = True,
) -> "Synthetic":
    """A few rendered images, for tests and first tries; takes seconds."""
    settings = Settings(split, float(marking), int(seed), SMALL_INSTANCES.get(split, 2), 2, 12)
    return _open("synthetic.small", settings, build)


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
    return _open("synthetic.large", settings, build)


@dataclass(frozen=True, eq=False)
class Synthetic(PairList):
    """One rendered split. In names of keypoints, L and R are the object's own left and right."""


def _open(name: str, settings: Settings, build: bool) -> Synthetic:
    """The split, rendered first where that is needed.

    The revision is a hash of the settings and of all annotations, which hold the images' hashes.
    """
    folder = open_split(settings, build=build)
    content = json_value((folder / ANNOTATIONS).read_bytes())
    entries = [(_make_view(entry, folder), entry["instance"]) for entry in content["images"]]
    pairs = []
    for category, names in content["keypoints"].items():
        own = [(view, instance) for view, instance in entries if view.category == category]
        pairs += _draw_pairs(own, names, settings, name)
    return Synthetic(
        name,
        settings.split,
        f"{settings.hash[:8]}{file_hash(folder / ANNOTATIONS)[:8]}",
        "Apache-2.0",
        "kapbench",
        pairs,
        {view.image_id: folder / "images" / f"{view.image_id}.png" for view, _ in entries},
        more_views=[view for view, _ in entries],
        names=content["keypoints"],
    )


def _make_view(entry: Mapping[str, Any], folder: Path) -> View:
    missing = [np.nan, np.nan]
    xy = np.array([p or missing for p in entry["keypoints"]], dtype=np.float64)
    w, h = entry["size"]
    x1, y1, x2, y2 = (float(v) for v in entry["bbox"])
    return View(
        entry["image_id"],
        entry["category"],
        (w, h),
        (x1, y1, x2, y2),
        Keypoints(xy, ~np.isnan(xy[:, 0])),
        entry["azimuth_bin"],
        folder / "masks" / f"{entry['image_id']}.png",
        False,
        False,
    )


def _draw_pairs(
    images: Sequence[tuple[View, int]], names: list[str], settings: Settings, dataset: str
) -> list[Pair]:
    """Ordered pairs of different instances that share a keypoint, drawn without replacement.

    Half of them show opposite sides: the twin is visible instead of the keypoint. In either
    half, pairs are preferred whose target shows few keypoints together with their twins, as
    PCK already penalises a mix-up there.

    Args:
        images: The images of one category, with the numbers of their instances.
    """
    views, instance = [view for view, _ in images], np.array([number for _, number in images])
    category, table = views[0].category, symmetry(names)
    twins = table[1]
    visible = np.stack([v.keypoints.visible for v in views]).astype(int)
    twin_visible = visible[:, twins] * (twins != np.arange(len(twins)))
    n_visible = visible.sum(axis=1, keepdims=True)
    beside = visible @ (visible * twin_visible).T / n_visible
    instead = visible @ ((1 - visible) * twin_visible).T / n_visible
    allowed = (visible @ visible.T > 0) & (instance[:, None] != instance[None])
    if not allowed.any():
        raise KapbenchError(
            f"There are no two instances of {category} that share a keypoint",
            place=dataset,
            fix="Request more instances or views",
        )
    rng = np.random.default_rng([settings.seed, len(category), 7])
    opposite = allowed & (instead >= OPPOSITE)
    half = _draw_cheapest(opposite, beside, settings.pairs // 2, rng)
    rest = _draw_cheapest(allowed & ~opposite, beside, settings.pairs - len(half), rng)
    drawn = [(views[s], views[t]) for s, t in sorted(half + rest)]
    return [pair_by_box(name_pair(s, t), s, t, table) for s, t in drawn]


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
