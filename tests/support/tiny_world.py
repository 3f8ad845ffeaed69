"""A data set of eight noisy pictures and models that are right about them now and then.

As a program: `tiny_world.py ROOT MOMENT` evaluates, and dies at once at the moment that is named.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kapbench.errors import KapbenchError
from kapbench.running import plan as plan_module
from kapbench.running.request import RunRequest
from kapbench.running.result_set import ResultSet
from kapbench.running.run import run
from kapbench.scoring.rules import load_rule
from kapbench.types import Coverage, FeatureMap, Grid, Keypoints, Pair, SimilarityMap, View

RULES = [
    load_rule(name).model_copy(update={"alphas": (0.10,)})
    for name in ("kap-cvpr24", "pck-sd-dino", "pck-geoaware-soft")
]
CHUNK_PAIRS = 4
CATEGORIES = ("cat", "dog")


@dataclass
class TinyDataset:
    name: str = "tiny"
    split: str = "test"
    revision: str = "1"
    licence: str = "none needed"
    citation: str = ""
    size_from: str = "box"
    has_absent: bool = True
    masks: bool = True
    azimuths: bool = True
    n_images: int = 4  # of each category
    blind: tuple[str, ...] = ()  # images that show no keypoint
    categories: tuple[str, ...] = CATEGORIES
    reads: list[str] = field(default_factory=list)
    _pairs: list[Pair] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def coverage(self) -> Coverage:
        n = len(self.pairs())
        return Coverage(self.categories, self.categories, n, n)

    def pairs(self, categories=None) -> list[Pair]:
        # asked for in every check of a type that is a protocol, as `coverage` is a property
        if self._pairs is None:
            self._pairs = self._make_pairs(None)
        return self._pairs if categories is None else self._make_pairs(categories)

    def _make_pairs(self, categories) -> list[Pair]:
        wanted = self.categories if categories is None else categories
        for category in wanted:
            if category not in self.categories:
                raise KapbenchError(f"Unknown category '{category}'")
        groups, twins = np.array([0, 0, -1, -1]), np.array([1, 0, 2, 3])
        views = self.views(wanted)
        return [
            Pair(f"{s.image_id}-{t.image_id}", s, t, 20.0, groups, twins)
            for s in views
            for t in views
            if s.category == t.category and s.image_id != t.image_id
        ]

    def views(self, categories=None) -> list[View]:
        wanted = self.categories if categories is None else categories
        return [self._view(c, i) for c in sorted(wanted) for i in range(self.n_images)]

    def _view(self, category: str, i: int) -> View:
        image_id = f"{category}/{i}"
        rng = np.random.default_rng(
            [CATEGORIES.index(category) if category in CATEGORIES else 9, i]
        )
        visible = rng.random(4) < 0.8
        visible[i % 4] = True
        if image_id in self.blind:
            visible[:] = False
        xy = rng.uniform(0, 20, (4, 2))
        xy[~visible] = np.nan
        azimuth = int(rng.integers(8)) if self.azimuths else None
        return View(image_id, category, (24, 20), (0, 0, 24, 20), Keypoints(xy, visible), azimuth)

    def pixels(self, view: View) -> np.ndarray:
        self.reads.append(view.image_id)
        rng = np.random.default_rng([ord(view.category[0]), int(view.image_id[-1])])
        return rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)

    def mask(self, view: View) -> np.ndarray | None:
        return np.ones((20, 24), bool) if self.masks else None


@dataclass
class TinyEncoder:
    """Mean colours of 4 × 4 cells, and what the tests ask it to do wrong."""

    name: str = "tiny-encoder"
    revision: str = "1"
    conditions_on: tuple[str, ...] = ()
    similarity: str = "dot"
    wrong: str = ""
    seen: list[str] = field(default_factory=list)

    def encode(self, pictures):
        self.seen += [p.image_id for p in pictures]
        maps = [self._map(p) for p in pictures]
        return maps[:-1] if self.wrong == "too few" else maps

    def _map(self, picture) -> FeatureMap:
        grid = Grid.letterbox(picture.size, 4, 840)
        cells = picture.pixels.reshape(4, 5, 4, 6, 3).mean(axis=(1, 3)) / 64 - 2
        values = np.moveaxis(cells, -1, 0).astype(np.float32)
        if picture.image_id == "cat/2":
            if self.wrong == "nan":
                values[0, 0, 0] = np.nan
            if self.wrong == "overflow":
                values[0, 0, 0] = 1e6
            if self.wrong == "shape":
                values = values[:, :3]
            if self.wrong == "flat":
                values = values[0]
            if self.wrong == "channels":
                values = np.concatenate([values, values])
        return FeatureMap(values, grid)


@dataclass
class TinyPairModel:
    name: str = "tiny-pairs"
    revision: str = "1"
    conditions_on: tuple[str, ...] = ()
    wrong: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def match(self, source, target, queries) -> SimilarityMap:
        self.asked.append((source.image_id, target.image_id))
        rng = np.random.default_rng(
            [len(queries), int(source.image_id[-1]), int(target.image_id[-1])]
        )
        n = len(queries) + (self.wrong == "count")
        values = rng.random((n, 4, 4)).astype(np.float32)
        if self.wrong == "nan":
            values[0, 0, 0] = np.nan
        if self.wrong == "shape":
            values = values[:, 0]
        return SimilarityMap(values, Grid.letterbox(target.size, 4, 840), queries)


def evaluate(
    root: Path, model=None, dataset=None, rules=None, progress=None, **options
) -> ResultSet:
    defaults = {"runs_root": root / "runs", "cache_root": root / "cache", "intervals": False}
    request = RunRequest(
        TinyEncoder() if model is None else model,
        TinyDataset() if dataset is None else dataset,
        tuple(RULES if rules is None else rules),
        **({"device": "cpu"} | defaults | options),
    )
    return run(request, progress)


def _die_at(moment: str) -> None:
    from kapbench.running import run
    from kapbench.running.chunk_files import ChunkFiles

    def die(*_, **__):
        os._exit(9)

    if moment == "encoded":
        run.score_chunks = die
    elif moment == "card half-written":
        save = run.save_run

        def save_and_die(folder, card):
            Path.replace = die
            save(folder, card)

        run.save_run = save_and_die
    else:  # "N chunks"
        left, write = [int(moment.split(maxsplit=1)[0])], ChunkFiles.write

        def write_or_die(self, chunk, rows):
            if not left[0]:
                Path.replace = die
            left[0] -= 1
            write(self, chunk, rows)

        ChunkFiles.write = write_or_die


if __name__ == "__main__":
    plan_module.CHUNK_PAIRS = CHUNK_PAIRS
    _die_at(sys.argv[2])
    evaluate(Path(sys.argv[1]))
