"""A whole run over SPair-71k's test layout: 12,234 pairs, cached features of 60×60×768.

    python benchmarks/speed/layout.py [--data-root FOLDER] [--channels 768] [--cells 60] [--device cpu]

Pairs of categories that are available are real. All others are simulated with the same sizes, and all
of them without SPair-71k. Features are noise. The script also measures what the machine could do at
best, and prints the share of it that was reached.
"""

import argparse
import json
import platform
import resource
import statistics
import tempfile
import time
import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kapbench
from kapbench.errors import KapbenchError
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.progress import Progress
from kapbench.running.plan import DEFAULT_RULES
from kapbench.scoring.grid_geometry import source_cells
from kapbench.types import Coverage, FeatureMap, Grid, Keypoints, Pair, View

SIZE, FRAME = (500, 375), 840
N_PAIRS, N_CATEGORIES, IMAGES_EACH = 12_234, 18, 28


@dataclass
class Layout:
    """A data set of pairs only: all pictures are black and differ by name."""

    all_pairs: list[Pair]
    name: str = "layout"
    split: str = "test"
    revision: str = "1"
    licence: str = "none needed"
    citation: str = ""
    size_from: str = "box"
    has_absent: bool = True

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(sorted({p.category for p in self.all_pairs}))

    @property
    def coverage(self) -> Coverage:
        n = len(self.all_pairs)
        return Coverage(self.categories, self.categories, n, n)

    def pairs(self, _categories: Any = None) -> list[Pair]:
        return self.all_pairs

    def views(self, _categories: Any = None) -> list[View]:
        views_by_id = {v.image_id: v for p in self.all_pairs for v in (p.source, p.target)}
        return [views_by_id[name] for name in sorted(views_by_id)]

    def pixels(self, view: View) -> np.ndarray:
        return np.zeros((view.size[1], view.size[0], 3), np.uint8)

    def mask(self, _view: View) -> None:
        return None


@dataclass
class Noise:
    """Random features that depend on the image's name only."""

    channels: int
    cells: int
    name: str = "noise"
    revision: str = "1"
    conditions_on: tuple[str, ...] = ()
    similarity: str = "dot"
    reads_image_id: bool = True

    def encode(self, pictures: Any) -> list[FeatureMap]:
        maps = []
        for picture in pictures:
            rng = np.random.default_rng(zlib.crc32(picture.image_id.encode()))
            values = rng.standard_normal((self.channels, self.cells, self.cells), np.float32)
            height, width = picture.pixels.shape[:2]
            maps.append(FeatureMap(values, Grid.letterbox((width, height), self.cells, FRAME)))
        return maps


def simulated(
    n_pairs: int, n_categories: int, rng: np.random.Generator, n_images: int = IMAGES_EACH
) -> list[Pair]:
    """Random pairs of 500×375 images, ten of fourteen keypoints visible on average."""
    pairs: list[Pair] = []
    groups, twins = np.arange(14) // 2, np.arange(14) ^ 1
    for c in range(n_categories):
        views = [
            View(
                f"simulated-{c}/{i}",
                f"simulated-{c}",
                SIZE,
                (50.0, 50.0, 450.0, 325.0),
                Keypoints(rng.uniform((50, 50), (450, 325), (14, 2)), rng.random(14) < 0.7),
            )
            for i in range(n_images)
        ]
        views = [replace(v, keypoints=_hide(v.keypoints)) for v in views]
        n_of_category = n_pairs * (c + 1) // n_categories - n_pairs * c // n_categories
        all_pairs = [(s, t) for t in range(n_images) for s in range(n_images) if s != t]
        for s, t in (
            all_pairs[i] for i in sorted(rng.choice(len(all_pairs), n_of_category, replace=False))
        ):
            name = f"{c}:{s}-{t}"
            pairs.append(Pair(name, views[s], views[t], 400.0, groups, twins))
    return pairs


def _hide(keypoints: Keypoints) -> Keypoints:
    xy = np.where(keypoints.visible[:, None], keypoints.xy, np.nan)
    return Keypoints(xy, keypoints.visible)


def spair_layout(data_root: Path | None) -> tuple[list[Pair], int]:
    """12,234 pairs, and the number of real pairs among them."""
    rng = np.random.default_rng(0)
    try:
        data = kapbench.load_dataset("spair", data_root=data_root)
        real = list(data.pairs())
        n_left = N_CATEGORIES - len(data.categories)
    except KapbenchError:
        real, n_left = [], N_CATEGORIES
    return real + simulated(N_PAIRS - len(real), n_left, rng) if n_left else real, len(real)


@dataclass(frozen=True)
class Limit:
    """The least work of a run, and the speed of this machine when it does only that."""

    n_products: float  # multiplications and additions
    n_bytes: float
    products_per_second: float
    bytes_per_second: float

    @property
    def seconds(self) -> float:
        return self.n_products / self.products_per_second + self.n_bytes / self.bytes_per_second


def limit(
    pairs: list[Pair], cache_files: list[Path], channels: int, cells: int, device: str
) -> Limit:
    """Reads every feature file once; multiplies each target by its pairs' distinct source cells."""
    sources: dict[str, set[tuple[str, int]]] = {}
    for pair in pairs:
        visible_xy = pair.source.keypoints.xy[pair.source.keypoints.visible]
        cells_of_pair = source_cells(
            Grid.letterbox(pair.source.size, cells, FRAME), pair.source.size, visible_xy
        )
        sources.setdefault(pair.target.image_id, set()).update(
            (pair.source.image_id, int(cell)) for cell in cells_of_pair
        )
    rows = sum(map(len, sources.values()))
    left = torch.randn(rows // len(sources), channels, device=device)
    right = torch.randn(channels, cells**2, device=device)

    def product() -> None:
        _ = left @ right
        if device != "cpu":
            torch.cuda.synchronize()

    product_seconds = statistics.median(_timed(product) for _ in range(7))
    sample = cache_files[:32]
    read_seconds = statistics.median(
        _timed(lambda: [p.read_bytes() for p in sample]) for _ in range(5)
    )
    operations_per_row = 2.0 * channels * cells**2  # of a row
    return Limit(
        operations_per_row * rows,
        float(sum(p.stat().st_size for p in cache_files)),
        operations_per_row * len(left) / product_seconds,
        sum(p.stat().st_size for p in sample) / read_seconds,
    )


def _timed(function: Any) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--channels", type=int, default=768)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pairs, n_real = spair_layout(arguments.data_root)
    data, model = Layout(pairs), Noise(arguments.channels, arguments.cells)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cache = FeatureCache.of(model, root)
        started = time.perf_counter()
        encode_images(model, data, data.views(), cache, batch_size=4, progress=Progress(show=True))
        encoding = time.perf_counter() - started

        def score(number: int) -> None:
            kapbench.evaluate(
                model,
                data,
                rule=DEFAULT_RULES,
                runs=root / f"runs{number}",
                cache=root,
                device=arguments.device,
                workers=arguments.workers,
                intervals=False,
            )

        seconds = [_timed(partial(score, i)) for i in range(arguments.repeats)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        lower_limit = limit(
            pairs,
            list(root.rglob("*.safetensors")),
            arguments.channels,
            arguments.cells,
            arguments.device,
        )
    median_seconds = statistics.median(seconds)
    result = {
        "pairs": len(pairs),
        "real_pairs": n_real,
        "images": len(data.views()),
        "rules": len(DEFAULT_RULES),
        "grid": [arguments.cells, arguments.cells, arguments.channels],
        "seconds": median_seconds,
        "repeats": len(seconds),
        "ms_per_pair": median_seconds / len(pairs) * 1e3,
        "encoding_noise_seconds": encoding,
        "peak_mb": peak,
        "gflop": lower_limit.n_products / 1e9,
        "gigabytes_read": lower_limit.n_bytes / 1e9,
        "machine_gflops": lower_limit.products_per_second / 1e9,
        "machine_gigabytes_per_second": lower_limit.bytes_per_second / 1e9,
        "limit_seconds": lower_limit.seconds,
        "share_of_limit": lower_limit.seconds / median_seconds,
        "device": arguments.device,
        "threads": torch.get_num_threads(),
        "workers": arguments.workers,
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    for key, value in result.items():
        print(f"{key:28} {value:,.2f}" if isinstance(value, float) else f"{key:28} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
