"""Every benchmark with a baseline, in one table; what it found is kept as JSON and in a history.

    KAPBENCH_DATA=... KAPBENCH_GOLDEN=... python benchmarks/table.py [--device cuda]

Each line is a process of its own. Ratios are to a baseline that was measured in the same run.
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
HISTORY = HERE / "history.jsonl"


def asked_of(name: str, *words: str) -> dict[str, Any]:
    """What a benchmark writes; what it says goes to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        command = [sys.executable, str(HERE / f"{name}.py"), *words, "--json", str(path)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        return dict(json.loads(path.read_text()))


def start_up(repeats: int = 7) -> dict[str, Any]:
    """`kapbench --help` beside an interpreter that does nothing, and beside importing torch."""

    def seconds(*words: str) -> float:
        found = []
        for _ in range(repeats):
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            found.append(time.perf_counter() - started)
        return statistics.median(found)

    return {
        "help_seconds": seconds("-m", "kapbench", "--help"),
        "interpreter_seconds": seconds("-c", "pass"),
        "torch_seconds": seconds("-c", "import torch"), "repeats": repeats,
    }  # fmt: skip


def machine() -> dict[str, Any]:
    import torch

    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.partition(": ")[2] for x in lines if x.startswith("model name")), model)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": model, "cores": os.cpu_count(), "gpu": gpu, "python": platform.python_version(),
        "torch": str(torch.__version__), "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def rows(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    plain, layout = found["published"], found["layout"]
    encoding, training, start = found["encoding"], found["training"], found["start_up"]
    return [
        ("scoring, cat", f"{plain['kapbench_ms_a_pair']:.2f} ms a pair",
         f"plain protocol {plain['plain_ms_a_pair']:.0f} ms", f"×{plain['ratio']:.0f}"),
        ("scoring, 12,234 pairs", f"{layout['seconds']:.1f} s",
         f"machine's limit {layout['limit_seconds']:.1f} s", f"{layout['share_of_limit']:.0%}"),
        ("its peak memory", f"{layout['peak_mb']:,.0f} MB", "", ""),
        (f"encoding, {encoding['model']}", f"{encoding['images_per_second']:.1f} images/s",
         f"bare model {encoding['bare_images_per_second']:.1f}", f"{encoding['share_of_bare']:.0%}"),
        ("training the sphere", f"{training['steps_per_second']:.2f} steps/s",
         f"backbone in each step {training['naive_steps_per_second']:.3f}",
         f"×{training['ratio']:.0f}"),
        ("kapbench --help", f"{start['help_seconds']:.2f} s",
         f"import torch {start['torch_seconds']:.2f} s",
         f"×{start['torch_seconds'] / start['help_seconds']:.0f}"),
        ("first pair of 12,234", f"{found['first_pair']['first_pair']:.2f} s", "", ""),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--keep", action="store_true", help=f"Add a line to {HISTORY.name}.")
    asked = parser.parse_args()
    on = ("--device", asked.device)
    found = {
        "machine": machine(),
        "published": asked_of("published"),
        "layout": asked_of("layout", "--repeats", "5", *on),
        "encoding": asked_of("encoding", *on),
        "training": asked_of("training", *on),
        "start_up": start_up(),
        "first_pair": asked_of("first_pair"),
    }
    about = found["machine"]
    print(f"{about['gpu'] or about['cpu']}, {about['cores']} cores, torch {about['torch']}")
    print("| what | kapbench | baseline in the same run | ratio |\n|---|---|---|---|")
    for row in rows(found):
        print("| " + " | ".join(row) + " |")
    if asked.keep:
        with HISTORY.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
