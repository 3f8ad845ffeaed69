"""k-CyPCK of encoders: points passed around rings of images, from cached features.

    python benchmarks/studies/cycles.py --dataset synthetic --model lite0
    python benchmarks/studies/cycles.py --dataset synthetic --category car --model asic -o weights=FILE

Rings of k different images of a category are drawn with a seed; the keypoints that all of them show
start, as in ASIC's released evaluation. Prints a Markdown table at alpha 0.10, in percent.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from cycle_consistency import Transfer, around, k_cypck
from torch.nn import functional

import kapbench
from kapbench.models.inputs import picture
from kapbench.paths import cache_root
from kapbench.protocols import Dataset, Encoder
from kapbench.scoring.grid_geometry import source_cells
from kapbench.types import Grid, View
from kapbench_baselines.training.validation import CachedEncoder


class Passing:
    """Best cells from image to image."""

    def __init__(self, dataset: Dataset, encoder: Encoder) -> None:
        self._dataset, self._encoder = dataset, encoder
        self._known: dict[str, tuple[torch.Tensor, Grid]] = {}

    def seen(self, view: View) -> tuple[torch.Tensor, Grid]:
        """Features by cell, of unit length where cosines compare them."""
        if view.image_id not in self._known:
            shown = picture(self._dataset, view, self._encoder.conditions_on)
            [found] = self._encoder.encode([shown])
            cells = torch.from_numpy(np.asarray(found.values, np.float32)).flatten(1).T
            unit = functional.normalize(cells, dim=1) if self._dot else cells
            self._known[view.image_id] = (unit.contiguous(), found.grid)
        return self._known[view.image_id]

    def transfer(self, source: View, target: View) -> Transfer:
        here, there = (self.seen(v)[0] for v in (source, target))

        def best(cells: np.ndarray) -> np.ndarray:
            asked = here[torch.from_numpy(np.asarray(cells, np.int64))]
            near = asked @ there.T if self._dot else -torch.cdist(asked, there)
            return np.asarray(near.argmax(1).numpy())

        return best

    @property
    def _dot(self) -> bool:
        return self._encoder.similarity == "dot"


def rings(views: list[View], k: int, n: int, seed: int) -> Iterator[list[View]]:
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield [views[i] for i in rng.choice(len(views), k, replace=False)]


def of_category(passing: Passing, dataset: Dataset, views: list[View], k: int, n: int) -> float:
    starts, ends, sizes = [], [], []
    for ring in rings(views, k, n, seed=0):
        first, grid = ring[0], passing.seen(ring[0])[1]
        by_all = np.logical_and.reduce([view.keypoints.visible for view in ring])
        shown = first.keypoints.xy[by_all]
        start = np.asarray(source_cells(grid, first.size, shown), np.int64)
        ways = [passing.transfer(a, b) for a, b in zip(ring, [*ring[1:], first], strict=True)]
        end = around(start, ways)
        x, y = grid.centres()
        centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        x0, y0, x1, y1 = first.bbox
        whole = dataset.size_from == "image"
        side = max(first.size) if whole else max(x1 - x0, y1 - y0)
        starts.append(centres[start])
        ends.append(centres[end])
        sizes.append(np.full(len(start), float(side)))
    return k_cypck(*(np.concatenate(part) for part in (starts, ends, sizes)), alpha=0.10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--category", action="append")
    parser.add_argument("--model", required=True)
    parser.add_argument("-o", "--option", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--rings", type=int, default=200, help="Of each category and k.")
    parser.add_argument("-k", type=int, nargs="+", default=[2, 3, 4])
    asked = parser.parse_args()
    dataset = kapbench.load_dataset(asked.dataset)
    options = dict(option.split("=", 1) for option in asked.option)
    model = kapbench.load_model(asked.model, device="cpu", dataset=asked.dataset, **options)
    if not isinstance(model, Encoder):
        parser.error(f"{asked.model} sees pairs; a ring is passed by the features of single images")
    passing = Passing(dataset, CachedEncoder.below(Path(cache_root()), model))
    views: dict[str, list[View]] = {}
    for view in dataset.views(asked.category):
        views.setdefault(view.category, []).append(view)
    print(f"| {model.name} | " + " | ".join(f"k = {k}" for k in asked.k) + " |")
    print("|---" * (len(asked.k) + 1) + "|")
    found = {
        category: [of_category(passing, dataset, members, k, asked.rings) for k in asked.k]
        for category, members in sorted(views.items())
    }
    for category, values in [*found.items(), ("mean", np.mean(list(found.values()), axis=0))]:
        print(f"| {category} | " + " | ".join(f"{100 * v:.1f}" for v in values) + " |")


if __name__ == "__main__":
    main()
