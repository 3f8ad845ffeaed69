"""Time and memory of a whole run over the number of pairs: both should grow no faster than they do.

    python benchmarks/speed/growth.py [--pairs 10000 30000 100000 300000] [--plot growth.png]

Each number of pairs is a process of its own, on small maps (12×12×32), so that pairs, rows and
files are what is measured; intervals are left out, as benchmarks/speed/bootstrap.py has them.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CHANNELS, CELLS, N_CATEGORIES = 32, 12, 4
RULES = ("kap-v1", "pck-v1")


def measure(n_pairs: int) -> dict[str, float]:
    from layout import Layout, Noise, simulated

    from kapbench.running.request import RunRequest
    from kapbench.running.run import run
    from kapbench.scoring.rules import load_rule

    n_images = 2 + math.ceil(math.sqrt(n_pairs / N_CATEGORIES))
    data = Layout(simulated(n_pairs, N_CATEGORIES, np.random.default_rng(0), n_images))
    described = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rules = tuple(load_rule(name) for name in RULES)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        started = time.perf_counter()
        request = RunRequest(
            Noise(CHANNELS, CELLS),
            data,
            rules,
            runs_root=root,
            cache_root=root,
            device="cpu",
            intervals=False,
        )
        run(request)
        seconds = time.perf_counter() - started
        stored = sum(p.stat().st_size for p in root.rglob("records.parquet")) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "pairs": n_pairs, "images": n_images * N_CATEGORIES, "seconds": seconds, "peak_mb": peak,
        "pairs_in_memory_mb": described, "records_mb": stored,
    }  # fmt: skip


def slope(xs: list[float], ys: list[float]) -> float:
    """Exponent of growth: 1 where twice the pairs take twice as much."""
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


def plot(found: list[dict[str, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.8), layout="constrained")
    pairs = [row["pairs"] for row in found]
    for axes, key, label in zip(
        figure.subplots(1, 2), ("seconds", "peak_mb"), ("seconds", "peak memory, MB"), strict=True
    ):
        axes.loglog(pairs, [row[key] for row in found], "o-")
        axes.set(xlabel="pairs", ylabel=label)
        axes.grid(visible=True, which="both", alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one)))
        return
    found = []
    for n_pairs in asked.pairs:
        command = [sys.executable, __file__, "--one", str(n_pairs)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print("  ".join(f"{key} {value:,.1f}" for key, value in found[-1].items()), flush=True)
    pairs = [row["pairs"] for row in found]
    if len(found) > 1:
        print(f"seconds grow as pairs^{slope(pairs, [row['seconds'] for row in found]):.2f}")
        rest = [row["peak_mb"] for row in found]
        print(f"peak memory grows as pairs^{slope(pairs, rest):.2f}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    if asked.plot:
        plot(found, asked.plot)


if __name__ == "__main__":
    main()
