"""k-CyPCK of encoders: points matched around rings of images, from cached features.

    python benchmarks/studies/cycles.py --dataset synthetic --model lite0
    python benchmarks/studies/cycles.py --dataset synthetic --category car --model asic -o weights=FILE

Rings of k different images of a category are drawn with a seed. As in ASIC's released evaluation, the
points are the keypoints that are visible in all of them. Prints a Markdown table at alpha 0.10, in
percent.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from cycle_consistency import Transfer, around, k_cypck
from torch.nn import functional

import kapbench
from kapbench.features.cached_encoder import CachedEncoder
from kapbench.models.inputs import make_picture
from kapbench.paths import cache_root
from kapbench.protocols import Dataset, Encoder
from kapbench.scoring.grid_geometry import source_cells
from kapbench.types import Grid, View


class CellMatcher:
    """Finds the best cell in one image for a cell in another."""

    def __init__(self, dataset: Dataset, encoder: Encoder) -> None:
        self._dataset, self._encoder = dataset, encoder
        self._features: dict[str, tuple[torch.Tensor, Grid]] = {}

    def features_of(self, view: View) -> tuple[torch.Tensor, Grid]:
        """Features by cell, of unit length if they are compared by cosine."""
        if view.image_id not in self._features:
            picture = make_picture(self._dataset, view, self._encoder.conditions_on)
            [feature_map] = self._encoder.encode([picture])
            cells = torch.from_numpy(np.asarray(feature_map.values, np.float32)).flatten(1).T
            unit = functional.normalize(cells, dim=1) if self._dot else cells
            self._features[view.image_id] = (unit.contiguous(), feature_map.grid)
        return self._features[view.image_id]

    def transfer(self, source: View, target: View) -> Transfer:
        source_features, target_features = (self.features_of(v)[0] for v in (source, target))

        def best_cells(cells: np.ndarray) -> np.ndarray:
            queries = source_features[torch.from_numpy(np.asarray(cells, np.int64))]
            similarity = (
                queries @ target_features.T if self._dot else -torch.cdist(queries, target_features)
            )
            return np.asarray(similarity.argmax(1).numpy())

        return best_cells

    @property
    def _dot(self) -> bool:
        return self._encoder.similarity == "dot"


def rings(views: list[View], k: int, n: int, seed: int) -> Iterator[list[View]]:
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield [views[i] for i in rng.choice(len(views), k, replace=False)]


def score_category(
    matcher: CellMatcher, dataset: Dataset, views: list[View], k: int, n: int
) -> float:
    starts, ends, sizes = [], [], []
    for ring in rings(views, k, n, seed=0):
        first, grid = ring[0], matcher.features_of(ring[0])[1]
        visible_in_all = np.logical_and.reduce([view.keypoints.visible for view in ring])
        keypoints_xy = first.keypoints.xy[visible_in_all]
        start = np.asarray(source_cells(grid, first.size, keypoints_xy), np.int64)
        transfers = [matcher.transfer(a, b) for a, b in zip(ring, [*ring[1:], first], strict=True)]
        end = around(start, transfers)
        x, y = grid.centres()
        centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        x0, y0, x1, y1 = first.bbox
        size_from_image = dataset.size_from == "image"
        side = max(first.size) if size_from_image else max(x1 - x0, y1 - y0)
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
    parser.add_argument("--rings", type=int, default=200, help="rings per category and k")
    parser.add_argument("-k", type=int, nargs="+", default=[2, 3, 4])
    arguments = parser.parse_args()
    dataset = kapbench.load_dataset(arguments.dataset)
    options = dict(option.split("=", 1) for option in arguments.option)
    model = kapbench.load_model(arguments.model, device="cpu", dataset=arguments.dataset, **options)
    if not isinstance(model, Encoder):
        parser.error(
            f"{arguments.model} needs pairs of images; this script needs features of single images."
        )
    matcher = CellMatcher(dataset, CachedEncoder.below(Path(cache_root()), model))
    views: dict[str, list[View]] = {}
    for view in dataset.views(arguments.category):
        views.setdefault(view.category, []).append(view)
    print(f"| {model.name} | " + " | ".join(f"k = {k}" for k in arguments.k) + " |")
    print("|---" * (len(arguments.k) + 1) + "|")
    scores = {
        category: [
            score_category(matcher, dataset, members, k, arguments.rings) for k in arguments.k
        ]
        for category, members in sorted(views.items())
    }
    for category, values in [*scores.items(), ("mean", np.mean(list(scores.values()), axis=0))]:
        print(f"| {category} | " + " | ".join(f"{100 * v:.1f}" for v in values) + " |")


if __name__ == "__main__":
    main()
