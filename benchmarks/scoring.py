"""Scoring speed and memory on cached 60×60×768 features, beside a naive evaluator in the same run.

    python benchmarks/scoring.py [--targets 12] [--pairs-per-target 24]

The naive baseline works as the published scripts do: per keypoint an 840×840 distance map, reduced
to the cells, and separate passes for PCK and KAP. Ratios of medians are what to quote.
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from kapbench.features.cache import FeatureCache
from kapbench.running.plan import DEFAULT_RULES
from kapbench.running.shard import EncoderScorer
from kapbench.scoring.records import Needs
from kapbench.scoring.rules import load_rule
from kapbench.types import FeatureMap, Grid, Keypoints, Pair, View

CHANNELS, CELLS, FRAME, KEYPOINTS = 768, 60, 840, 10


def make_views(n: int, rng: np.random.Generator) -> list[View]:
    """Images of 500×375 with about ten keypoints, three in ten of them hidden."""
    size = (500, 375)
    return [
        View(
            f"image-{i}",
            "all",
            size,
            (50.0, 50.0, 450.0, 325.0),
            Keypoints(rng.uniform((50, 50), (450, 325), (14, 2)), rng.random(14) < 0.7),
        )
        for i in range(n)
    ]


def make_pair(number: int, source: View, target: View) -> Pair:
    n = len(source.keypoints.visible)
    return Pair(str(number), source, target, 400.0, np.arange(n) // 2, np.arange(n) ^ 1)


def naive(pair: Pair, source: torch.Tensor, target: torch.Tensor) -> None:
    """One pair by 840×840 distance maps, twice: once for PCK, once for KAP."""
    y, x = torch.meshgrid(torch.arange(FRAME), torch.arange(FRAME), indexing="ij")
    for _ in range(2):
        a = torch.nn.functional.normalize(source.float(), dim=1)
        b = torch.nn.functional.normalize(target.float(), dim=1)
        similarity = a @ b.T
        for k in np.flatnonzero(pair.source.keypoints.visible):
            px, py = pair.target.keypoints.xy[k]
            distance = (x - px) ** 2 + (y - py) ** 2
            cells = torch.nn.functional.interpolate(distance[None, None], (CELLS, CELLS))[0, 0]
            for alpha in (0.10, 0.05, 0.01):
                inside = cells < (alpha * pair.size) ** 2
                row = similarity[k % len(similarity)].reshape(CELLS, CELLS)
                (row * inside).max(), (row * ~inside).max()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=12)
    parser.add_argument("--pairs-per-target", type=int, default=24)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    views = make_views(arguments.targets + arguments.pairs_per_target, rng)
    needs = Needs.of([load_rule(name) for name in DEFAULT_RULES])
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder), "benchmark")
        for view in views:
            values = rng.standard_normal((CHANNELS, CELLS, CELLS), dtype=np.float32)
            cache.write(view.image_id, FeatureMap(values, Grid.letterbox(view.size, CELLS, FRAME)))
        scorer = EncoderScorer(cache, {v.image_id: v.image_id for v in views}, "dot", needs)
        ours, slow = [], []
        for t in range(arguments.targets):
            sources = views[arguments.targets :]
            pairs = [make_pair(i, source, views[t]) for i, source in enumerate(sources)]
            start = time.perf_counter()
            rows = list(scorer(pairs))
            ours.append((time.perf_counter() - start) / len(pairs) * 1e3)
            assert len(rows) == len(pairs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for t in range(min(arguments.targets, 4)):
            target = torch.from_numpy(cache.read(views[t].image_id).cells)
            source = torch.from_numpy(cache.read(views[-1].image_id).cells[:KEYPOINTS])
            start = time.perf_counter()
            naive(make_pair(0, views[-1], views[t]), source, target)
            slow.append((time.perf_counter() - start) * 1e3)
    mine, theirs = statistics.median(ours), statistics.median(slow)
    print(
        f"{len(DEFAULT_RULES)} rules, {CELLS}×{CELLS}×{CHANNELS} fp16, {torch.get_num_threads()} threads"
    )
    print(f"kapbench        {mine:8.2f} ms a pair (median over {len(ours)} target images)")
    print(f"distance maps   {theirs:8.2f} ms a pair (median over {len(slow)} pairs)")
    print(f"ratio           {theirs / mine:8.1f}")
    print(f"peak memory     {peak:8.0f} MB")


if __name__ == "__main__":
    main()
