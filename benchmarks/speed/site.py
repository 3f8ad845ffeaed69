"""Time and size of a large leaderboard site: random models, 18 categories, 3 data sets.

    python benchmarks/speed/site.py [--models 100]

Each entry has records of SPair-71k's size, so that each model's curves and worst pairs are computed.
It is one random table, linked under every entry's name and read again for each. The script exits
with status 1 if up to 100 models take 30 s of a core or more, or the index has 2 MB or more.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/support"))
from boards import drawn

from kapbench_leaderboard.entries.schema import find_entries, records_path
from kapbench_leaderboard.site.build import build

CATEGORIES = tuple(f"category{i:02d}" for i in range(18))
DATASETS = ("spair", "ap-10k", "synthetic")
N_PAIRS, N_KEYPOINTS = 12_234, 7
MOST_SECONDS, MOST_BYTES = 30, 2_000_000


def records(rng: np.random.Generator) -> pd.DataFrame:
    """The columns from which curves and worst pairs are computed."""
    pair = np.repeat(np.arange(N_PAIRS), N_KEYPOINTS)
    inside, outside, best = rng.uniform(0, 1, (3, len(pair))).astype(np.float32)
    visible = rng.random(len(pair)) < 0.7
    return pd.DataFrame(
        {
            "pair_id": [f"{p:06d}-2008_{p % 481:06d}-2009_{p % 479:06d}" for p in pair],
            "category": np.array(CATEGORIES)[pair * len(CATEGORIES) // N_PAIRS],
            "target_visible": visible,
            "size_px": 200.0,
            "error_px@sd-dino": np.where(visible, rng.exponential(40, len(pair)), np.nan),
            "best@cvpr24": best,
            "map_min@cvpr24": np.float32(0),
            "map_max@cvpr24": np.float32(1),
            "inside@cvpr24@0.10": np.where(visible, inside, np.float32(np.nan)),
            "outside@cvpr24@0.10": np.where(visible, outside, np.float32(np.nan)),
        }
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=100)
    n_models = parser.parse_args().models
    rng = np.random.default_rng(0)
    models = {f"model.{i:03d}": float(v) for i, v in enumerate(rng.uniform(0.2, 0.8, n_models))}
    with tempfile.TemporaryDirectory() as scratch:
        results, out = Path(scratch) / "results", Path(scratch) / "site"
        for dataset in DATASETS:
            drawn(results, models, dataset=dataset, categories=CATEGORIES, n_resamples=1000)
        table_file = Path(scratch) / "records"
        records(rng).to_parquet(table_file, index=False, compression="zstd")
        for entry in find_entries(results):
            records_path(entry).hardlink_to(table_file)
        started, started_cpu = time.perf_counter(), time.process_time()
        n_pages = build(results, out)
        seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
        index = (out / "index.html").stat().st_size
        n_bytes = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    print(
        f"{n_models} models, {len(CATEGORIES)} categories, {len(DATASETS)} data sets, "
        f"{N_PAIRS * N_KEYPOINTS:,} rows of records per entry"
    )
    print(f"{seconds:.1f} s ({cpu:.1f} s of one core) for {n_pages} pages, {n_bytes / 1e6:.1f} MB")
    print(f"index.html: {index / 1e6:.2f} MB")
    return 0 if n_models > 100 or (cpu < MOST_SECONDS and index < MOST_BYTES) else 1


if __name__ == "__main__":
    sys.exit(main())
