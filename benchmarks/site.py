"""Size and seconds of a large site: 100 models, 18 categories, 3 data sets, drawn from a seed.

python benchmarks/site.py
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from boards import drawn

from kapbench_leaderboard.site.build import build

CATEGORIES = tuple(f"category{i:02d}" for i in range(18))
DATASETS = ("spair", "ap-10k", "synthetic")


def main() -> None:
    rng = np.random.default_rng(0)
    models = {f"model.{i:03d}": float(v) for i, v in enumerate(rng.uniform(0.2, 0.8, 100))}
    with tempfile.TemporaryDirectory() as scratch:
        results, out = Path(scratch) / "results", Path(scratch) / "site"
        for dataset in DATASETS:
            drawn(results, models, dataset=dataset, categories=CATEGORIES, n_resamples=1000)
        started = time.perf_counter()
        n_pages = build(results, out)
        seconds = time.perf_counter() - started
        index = (out / "index.html").stat().st_size
        whole = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    print(f"{len(models)} models, {len(CATEGORIES)} categories, {len(DATASETS)} data sets")
    print(f"{seconds:.1f} s for {n_pages} pages, {whole / 2**20:.1f} MiB")
    print(f"index.html: {index / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
