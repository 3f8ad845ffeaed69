"""Time to write, list, verify and evict a feature cache with very many images.

python benchmarks/speed/cache.py [--images 100000]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kapbench.features import cache_admin
from kapbench.features.cache import FeatureCache
from kapbench.storage import bytes_hash
from kapbench.types import FeatureMap, Grid

CHANNELS, CELLS = 8, 6


def fill(cache: FeatureCache, n_images: int) -> None:
    grid = Grid.stretched((60, 60), CELLS, CELLS)
    values = np.random.default_rng(0).standard_normal((CHANNELS, CELLS, CELLS), np.float32)
    for number in range(n_images):
        cache.write(bytes_hash([str(number).encode()]), FeatureMap(values, grid))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seconds: dict[str, float] = {}

    def timed(name: str, job: Callable[[], object]) -> None:
        started = time.perf_counter()
        job()
        seconds[name] = time.perf_counter() - started

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cache = FeatureCache(root / "features", "0" * 16)
        timed("write", lambda: fill(cache, arguments.images))
        timed("ls", lambda: cache_admin.groups(root))
        cached_files = list(cache_admin.items(root))
        timed("verify", lambda: list(cache_admin.damaged(cached_files, lambda _: None)))
        half = sum(item.n_bytes for item in cached_files) // 2
        timed(
            "evict",
            lambda: [cache_admin.remove(i.path) for i in cache_admin.to_evict(cached_files, half)],
        )
        n_left = sum(1 for _ in cache_admin.items(root))
    print(
        f"{arguments.images:,} images of {CELLS}×{CELLS}×{CHANNELS}; {n_left:,} after evicting half"
    )
    for name, duration in seconds.items():
        print(f"{name:8} {duration:8.1f} s  {duration / arguments.images * 1e6:8.1f} µs per image")
    if arguments.json:
        arguments.json.write_text(json.dumps({"images": arguments.images, **seconds}, indent=1))


if __name__ == "__main__":
    main()
