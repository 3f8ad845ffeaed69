"""Small pairs and maps: written out, or drawn from a seed with few distinct scores, so ties abound.

Written-out cases use an image of 840 × 840 px, so that the 840 px frame is the image itself, and
4 × 4 cells: stride 210, top-left corners at 0, 210, 420, 630, centres at 105, 315, 525, 735.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kapbench.scoring.build_records import pair_columns, table
from kapbench.scoring.estimators import ByCategory
from kapbench.scoring.rules import Rule, load_rule, rule_names
from kapbench.scoring.schema import Needs
from kapbench.scoring.score_table import estimator
from kapbench.types import Grid, Keypoints, Pair, SimilarityMap, View

SIDE = 840
GRID = Grid.letterbox((SIDE, SIDE), 4, SIDE)
# Without rules that need features or one certain grid, and those that share a frame with another.
_LEFT_OUT = ("pck-dift", "pck-sd-dino-dinov1", "pck-omniprobe-soco", "pck-probe3d")
MAP_RULES = tuple(load_rule(n) for n in rule_names() if n not in _LEFT_OUT)
Points = Sequence[tuple[float, float] | None]
Case = tuple[Pair, np.ndarray]


def keypoints(points: Points) -> Keypoints:
    xy = np.array([(np.nan, np.nan) if p is None else p for p in points], float).reshape(-1, 2)
    return Keypoints(xy, ~np.isnan(xy[:, 0]))


def view(
    image_id: str,
    points: Points,
    *,
    category: str = "cat",
    azimuth: int | None = None,
    size: tuple[int, int] = (SIDE, SIDE),
) -> View:
    box = (0.0, 0.0, float(size[0]), float(size[1]))
    return View(image_id, category, size, box, keypoints(points), azimuth)


def pair(
    source: Points,
    target: Points,
    *,
    size_px: float = 1000.0,
    groups: Sequence[int] | None = None,
    twins: Sequence[int] | None = None,
    name: str = "pair",
    images: tuple[str, str] = ("s", "t"),
    category: str = "cat",
    azimuths: tuple[int | None, int | None] = (None, None),
) -> Pair:
    n = len(source)
    return Pair(
        name,
        view(images[0], source, category=category, azimuth=azimuths[0]),
        view(images[1], target, category=category, azimuth=azimuths[1]),
        size_px,
        np.full(n, -1) if groups is None else np.array(groups),
        np.arange(n) if twins is None else np.array(twins),
    )


def peaks(*cells: dict[int, float], n_cells: int = 16) -> np.ndarray:
    """Maps [q 4 4] that are 0 but for the given cells."""
    side = int(n_cells**0.5)
    out = np.zeros((len(cells), n_cells), np.float32)
    for row, at in zip(out, cells, strict=True):
        for cell, score in at.items():
            row[cell] = score
    return out.reshape(len(cells), side, side)


def similarity(given: Pair, values: np.ndarray, grid: Grid | None = None) -> SimilarityMap:
    if grid is None:
        grid = Grid.letterbox(given.target.size, values.shape[1], SIDE)
    shown = given.source.keypoints.xy[given.source.keypoints.visible]
    return SimilarityMap(np.asarray(values, np.float32), grid, shown)


def records(
    cases: Sequence[Case],
    rules: Sequence[Rule] = MAP_RULES,
    masks: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """
    Args:
        masks: By image id; None: there are none.
    """
    needs, masks = Needs.of(rules), masks or {}
    return table(
        [
            pair_columns(p, similarity(p, m), needs, mask=masks.get(p.target.image_id))
            for p, m in cases
        ]
    )


def estimate(*given: Any, **named: Any) -> ByCategory:
    """An estimator's scores with every pair counted once."""
    return estimator(*given, **named).by_category()


def drawn(
    seed: int,
    n_pairs: int,
    *,
    categories: Sequence[str] = ("cat", "dog"),
    n_keypoints: int = 4,
    groups: Sequence[int] = (0, 0, -1, -1),
    twins: Sequence[int] = (1, 0, 2, 3),
    cells: int = 4,
    n_scores: int = 4,
    n_images: int = 4,
) -> list[Case]:
    """Pairs over a few images; scores are whole numbers 0 … n_scores − 1."""
    rng = np.random.default_rng(seed)
    group, twin = np.array(groups)[:n_keypoints], np.array(twins)[:n_keypoints]
    views = {
        c: [_drawn_view(rng, f"{c}/{i}", c, n_keypoints) for i in range(n_images)]
        for c in categories
    }
    out = []
    for i in range(n_pairs):
        category = categories[i % len(categories)]
        s, t = rng.choice(n_images, 2, replace=False)
        source, target = views[category][s], views[category][t]
        size_px = float(rng.integers(target.size[0] // 2, 4 * max(target.size)))
        made = Pair(f"{i:03d}:{category}", source, target, size_px, group, twin)
        q = int(source.keypoints.visible.sum())
        out.append((made, rng.integers(0, n_scores, (q, cells, cells)).astype(np.float32)))
    return out


def with_extents(cases: Sequence[Case], seed: int) -> tuple[list[Case], dict[str, np.ndarray]]:
    """The cases with boxes, of the whole image or smaller, and with masks of some images."""
    rng = np.random.default_rng(seed)
    views, masks = {}, {}
    for view in (v for p, _ in cases for v in (p.source, p.target)):
        if view.image_id not in views:
            width, height = view.size
            x, y = (np.sort(rng.uniform(0, side, 2)).tolist() for side in view.size)
            kind = rng.integers(3)
            box = view.bbox if kind == 0 else (x[0], y[0], x[1], y[1])
            views[view.image_id] = replace(view, bbox=box)
            if kind == 2:
                masks[view.image_id] = rng.random((height, width)) < 0.5
    return [
        (replace(p, source=views[p.source.image_id], target=views[p.target.image_id]), maps)
        for p, maps in cases
    ], masks


def _drawn_view(rng: np.random.Generator, image_id: str, category: str, n: int) -> View:
    longer = int(rng.integers(40, 900))
    size = tuple(rng.permutation([longer, int(rng.integers(longer * 2 // 3, longer + 1))]).tolist())
    xy = np.stack([rng.integers(0, size[0], n), rng.integers(0, size[1], n)], axis=1).astype(float)
    visible = rng.random(n) < 0.7
    visible[rng.integers(n)] = True
    xy[~visible] = np.nan
    box = (0.0, 0.0, float(size[0]), float(size[1]))
    return View(image_id, category, size, box, Keypoints(xy, visible), int(rng.integers(8)))
