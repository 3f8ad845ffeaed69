"""Time and memory of a whole run over the number of pairs.

    python benchmarks/speed/growth.py [--pairs 10000 30000 100000 300000] [--plot growth.png]

Both should grow no faster than the number of pairs. Each number is measured in its own process, on
small maps (12×12×32), so that pairs, rows and files dominate. Confidence intervals are left out;
benchmarks/speed/bootstrap.py measures them.
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

    import kapbench

    n_images = 2 + math.ceil(math.sqrt(n_pairs / N_CATEGORIES))
    data = Layout(simulated(n_pairs, N_CATEGORIES, np.random.default_rng(0), n_images))
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        started = time.perf_counter()
        kapbench.evaluate(
            Noise(CHANNELS, CELLS), data, rule=RULES, runs=root, cache=root, intervals=False
        )
        seconds = time.perf_counter() - started
        records_mb = sum(p.stat().st_size for p in root.rglob("records.parquet")) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "pairs": n_pairs,
        "images": n_images * N_CATEGORIES,
        "seconds": seconds,
        "peak_mb": peak,
        "pairs_in_memory_mb": before_mb,
        "records_mb": records_mb,
    }


def growth_exponent(xs: list[float], ys: list[float]) -> float:
    """Exponent of growth: 1 if twice the pairs take twice as much."""
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


def plot(results: list[dict[str, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.8), layout="constrained")
    pairs = [row["pairs"] for row in results]
    for axes, key, label in zip(
        figure.subplots(1, 2), ("seconds", "peak_mb"), ("seconds", "peak memory, MB"), strict=True
    ):
        axes.loglog(pairs, [row[key] for row in results], "o-")
        axes.set(xlabel="pairs", ylabel=label)
        axes.grid(visible=True, which="both", alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    results = []
    for n_pairs in arguments.pairs:
        command = [sys.executable, __file__, "--one", str(n_pairs)]
        finished = subprocess.run(command, check=True, capture_output=True, text=True)
        results.append(json.loads(finished.stdout.splitlines()[-1]))
        print("  ".join(f"{key} {value:,.1f}" for key, value in results[-1].items()), flush=True)
    pairs = [row["pairs"] for row in results]
    if len(results) > 1:
        print(
            f"seconds grow as pairs^{growth_exponent(pairs, [row['seconds'] for row in results]):.2f}"
        )
        peaks = [row["peak_mb"] for row in results]
        print(f"peak memory grows as pairs^{growth_exponent(pairs, peaks):.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
