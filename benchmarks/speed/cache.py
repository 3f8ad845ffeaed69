"""The feature cache with very many images: seconds to write, list, verify and evict.

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
    asked = parser.parse_args()
    seconds: dict[str, float] = {}

    def timed(name: str, job: Callable[[], object]) -> None:
        started = time.perf_counter()
        job()
        seconds[name] = time.perf_counter() - started

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cache = FeatureCache(root / "features", "0" * 16)
        timed("write", lambda: fill(cache, asked.images))
        timed("ls", lambda: cache_admin.groups(root))
        found = list(cache_admin.items(root))
        timed("verify", lambda: list(cache_admin.damaged(found, lambda _: None)))
        half = sum(item.n_bytes for item in found) // 2
        timed(
            "evict", lambda: [cache_admin.remove(i.path) for i in cache_admin.to_evict(found, half)]
        )
        left = sum(1 for _ in cache_admin.items(root))
    print(f"{asked.images:,} images of {CELLS}×{CELLS}×{CHANNELS}; {left:,} after evicting half")
    for name, taken in seconds.items():
        print(f"{name:8} {taken:8.1f} s  {taken / asked.images * 1e6:8.1f} µs an image")
    if asked.json:
        asked.json.write_text(json.dumps({"images": asked.images, **seconds}, indent=1))


if __name__ == "__main__":
    main()
