"""Every benchmark that has a baseline, in one table.

    KAPBENCH_DATA=... KAPBENCH_GOLDEN=... python benchmarks/speed/table.py [--keep]
    python benchmarks/speed/table.py --device cuda [--only layout encoding]

Each line is measured in its own process, and each ratio refers to a baseline that was measured in the
same run. With --device cuda, only benchmarks that use the GPU run, on networks that fill it. --keep
appends the results to benchmarks/history.jsonl.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HISTORY = HERE.parent / "history.jsonl"


def run_benchmark(name: str, *arguments: str) -> dict[str, Any]:
    """The results that a benchmark writes as JSON; its printed output goes to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        command = [sys.executable, str(HERE / f"{name}.py"), *arguments, "--json", str(path)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        return dict(json.loads(path.read_text()))


def start_up(repeats: int = 7) -> dict[str, Any]:
    """Time of `kapbench --help`, of an interpreter that does nothing, and of importing torch."""

    def seconds(*arguments: str) -> float:
        durations = []
        for _ in range(repeats):
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            durations.append(time.perf_counter() - started)
        return statistics.median(durations)

    return {
        "help_seconds": seconds("-m", "kapbench", "--help"),
        "interpreter_seconds": seconds("-c", "pass"),
        "torch_seconds": seconds("-c", "import torch"),
        "repeats": repeats,
    }


def machine() -> dict[str, Any]:
    import torch

    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.partition(": ")[2] for x in lines if x.startswith("model name")), model)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


Row = tuple[str, str, str, str]


def _scoring(result: dict[str, Any]) -> list[Row]:
    return [
        (
            "scoring, cats of SPair-71k",
            f"{result['kapbench_ms_a_pair']:.2f} ms per pair",
            f"plain implementation {result['plain_ms_a_pair']:.0f} ms",
            f"×{result['ratio']:.0f}",
        )
    ]


def _layout(result: dict[str, Any]) -> list[Row]:
    return [
        (
            f"scoring, 12,234 pairs, {result['workers']} process",
            f"{result['seconds']:.1f} s",
            f"limit of the machine {result['limit_seconds']:.1f} s",
            f"{result['share_of_limit']:.0%}",
        ),
        ("peak memory of these runs", f"{result['peak_mb']:,.0f} MB", "", ""),
    ]


def _encoding(result: dict[str, Any]) -> list[Row]:
    busy = "" if result["gpu_busy"] is None else f", GPU busy {result['gpu_busy']:.0%}"
    return [
        (
            f"encoding, {result['model']}, {result['precision']}",
            f"{result['images_per_second']:.1f} images/s{busy}",
            f"bare network {result['bare_images_per_second']:.1f}",
            f"{result['share_of_bare']:.0%}",
        )
    ]


def _training(result: dict[str, Any]) -> list[Row]:
    return [
        (
            f"training the sphere over {result['backbone']}, {result['precision']}",
            f"{result['steps_per_second']:.2f} steps/s",
            f"with the backbone in each step {result['naive_steps_per_second']:.3f}",
            f"×{result['ratio']:.0f}",
        )
    ]


def _bootstrap(result: dict[str, Any]) -> list[Row]:
    return [
        (
            "1,000 resamples of one KAP",
            f"{result['one_seconds']:.2f} s",
            f"scikit-learn {result['naive_seconds']:.0f} s",
            f"×{result['ratio']:.0f}",
        ),
        (
            f"all {result['intervals']:,} intervals of {result['rows']:,} rows",
            f"{result['seconds']:.1f} s",
            "",
            "",
        ),
    ]


def _first_pair(result: dict[str, Any]) -> list[Row]:
    return [("first pair of 12,234", f"{result['first_pair']:.2f} s", "", "")]


def _start_up(result: dict[str, Any]) -> list[Row]:
    return [
        (
            "kapbench --help",
            f"{result['help_seconds']:.2f} s",
            f"import torch {result['torch_seconds']:.2f} s",
            f"×{result['torch_seconds'] / result['help_seconds']:.0f}",
        )
    ]


ROWS = {
    "published": _scoring,
    "layout": _layout,
    "encoding": _encoding,
    "training": _training,
    "bootstrap": _bootstrap,
    "first_pair": _first_pair,
    "start_up": _start_up,
}


def benchmarks_on(device: str) -> dict[str, tuple[str, ...]]:
    """Arguments of each benchmark, by its name; a GPU gets networks that fill it."""
    device_option = ("--device", device)
    if device == "cpu":
        return {
            "published": (),
            "layout": ("--repeats", "5"),
            "encoding": (),
            "training": (),
            "bootstrap": (),
            "first_pair": (),
        }
    large = ("--model", "dinov2.vitb14", "--random", "--images", "256", *device_option)
    paper = ("--preset", "paper", "--backbone", "dinov2.vitb14", "--random", *device_option)
    return {
        "layout": ("--repeats", "5", *device_option),
        "encoding fp32": large,
        "encoding bf16": (*large, "--precision", "bf16"),
        "training lite0": device_option,
        "training dinov2": (*paper, "--precision", "bf16"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), metavar="NAME")
    parser.add_argument("--keep", action="store_true", help=f"append the results to {HISTORY.name}")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"machine": machine()}
    for name, options in benchmarks_on(arguments.device).items():
        if not arguments.only or name.split()[0] in arguments.only:
            results[name] = run_benchmark(name.split()[0], *options)
    if not arguments.only or "start_up" in arguments.only:
        results["start_up"] = start_up()
    machine_info = results["machine"]
    processor = machine_info["gpu"] or machine_info["cpu"]
    print(f"{processor}, {machine_info['cores']} cores, torch {machine_info['torch']}")
    print("| what | kapbench | baseline in the same run | ratio |\n|---|---|---|---|")
    for name, result in results.items():
        for row in ROWS[name.split()[0]](result) if name != "machine" else ():
            print("| " + " | ".join(row) + " |")
    if arguments.keep:
        with HISTORY.open("a", encoding="utf-8") as file:
            file.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
