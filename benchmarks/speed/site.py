"""Time and size of a large leaderboard site: random models, 18 categories, 3 data sets.

    python benchmarks/speed/site.py [--models 100]

Each entry has records of SPair-71k's size, so that each model's curves and worst pairs are computed.
It is one random table, linked under every entry's name and read again for each. CPU time is that of
all processes, so that it depends little on what else the machine does. The script exits with status 1
if the index has 2 MB or more.
"""

import argparse
import os
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
MOST_BYTES = 2_000_000


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


def cpu_s() -> float:
    """CPU time so far of this process and of those that it started and that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


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
        started, started_cpu = time.perf_counter(), cpu_s()
        n_pages = build(results, out)
        seconds, cpu = time.perf_counter() - started, cpu_s() - started_cpu
        index = (out / "index.html").stat().st_size
        n_bytes = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    print(
        f"{n_models} models, {len(CATEGORIES)} categories, {len(DATASETS)} data sets, "
        f"{N_PAIRS * N_KEYPOINTS:,} rows of records per entry"
    )
    load, n_cores = os.getloadavg()[0], os.cpu_count()
    print(f"{seconds:.1f} s ({cpu:.1f} s of CPU) for {n_pages} pages, {n_bytes / 1e6:.1f} MB")
    print(f"{n_pages / cpu:.1f} pages a second of CPU; load {load:.1f} on {n_cores} cores")
    print(f"index.html: {index / 1e6:.2f} MB")
    return 0 if index < MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
