"""Every benchmark with a baseline, in one table; what it found is kept as JSON and in a history.

    KAPBENCH_DATA=... KAPBENCH_GOLDEN=... python benchmarks/speed/table.py [--keep]
    python benchmarks/speed/table.py --device cuda [--only layout encoding]

On a GPU: what runs there, over networks that fill it. Each line is a process of its own. Ratios are
to a baseline that was measured in the same run.
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


Row = tuple[str, str, str, str]


def _scoring(found: dict[str, Any]) -> list[Row]:
    return [(
        "scoring, cat", f"{found['kapbench_ms_a_pair']:.2f} ms a pair",
        f"plain protocol {found['plain_ms_a_pair']:.0f} ms", f"×{found['ratio']:.0f}",
    )]  # fmt: skip


def _layout(found: dict[str, Any]) -> list[Row]:
    return [
        (f"scoring, 12,234 pairs, {found['workers']} process", f"{found['seconds']:.1f} s",
         f"machine's limit {found['limit_seconds']:.1f} s", f"{found['share_of_limit']:.0%}"),
        ("its peak memory", f"{found['peak_mb']:,.0f} MB", "", ""),
    ]  # fmt: skip


def _encoding(found: dict[str, Any]) -> list[Row]:
    busy = "" if found["gpu_busy"] is None else f", GPU busy {found['gpu_busy']:.0%}"
    return [(
        f"encoding, {found['model']}, {found['precision']}",
        f"{found['images_per_second']:.1f} images/s{busy}",
        f"bare model {found['bare_images_per_second']:.1f}", f"{found['share_of_bare']:.0%}",
    )]  # fmt: skip


def _training(found: dict[str, Any]) -> list[Row]:
    return [(
        f"sphere over {found['backbone']}, {found['precision']}",
        f"{found['steps_per_second']:.2f} steps/s",
        f"backbone in each step {found['naive_steps_per_second']:.3f}", f"×{found['ratio']:.0f}",
    )]  # fmt: skip


def _bootstrap(found: dict[str, Any]) -> list[Row]:
    return [
        ("1,000 resamples of one KAP", f"{found['one_seconds']:.2f} s",
         f"scikit-learn {found['naive_seconds']:.0f} s", f"×{found['ratio']:.0f}"),
        (f"all {found['intervals']:,} intervals of {found['rows']:,} rows",
         f"{found['seconds']:.1f} s", "", ""),
    ]  # fmt: skip


def _first_pair(found: dict[str, Any]) -> list[Row]:
    return [("first pair of 12,234", f"{found['first_pair']:.2f} s", "", "")]


def _start_up(found: dict[str, Any]) -> list[Row]:
    return [(
        "kapbench --help", f"{found['help_seconds']:.2f} s",
        f"import torch {found['torch_seconds']:.2f} s",
        f"×{found['torch_seconds'] / found['help_seconds']:.0f}",
    )]  # fmt: skip


ROWS = {
    "published": _scoring, "layout": _layout, "encoding": _encoding, "training": _training,
    "bootstrap": _bootstrap, "first_pair": _first_pair, "start_up": _start_up,
}  # fmt: skip


def asked_for(device: str) -> dict[str, tuple[str, ...]]:
    """Name of a benchmark, then its words; a GPU gets networks that fill it."""
    on = ("--device", device)
    if device == "cpu":
        return {
            "published": (), "layout": ("--repeats", "5"), "encoding": (), "training": (),
            "bootstrap": (), "first_pair": (),
        }  # fmt: skip
    large = ("--model", "dinov2.vitb14", "--random", "--images", "256", *on)
    paper = ("--preset", "paper", "--backbone", "dinov2.vitb14", "--random", *on)
    return {
        "layout": ("--repeats", "5", *on),
        "encoding fp32": large,
        "encoding bf16": (*large, "--precision", "bf16"),
        "training lite0": on,
        "training dinov2": (*paper, "--precision", "bf16"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), metavar="NAME")
    parser.add_argument("--keep", action="store_true", help=f"Add a line to {HISTORY.name}.")
    asked = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    for name, words in asked_for(asked.device).items():
        if not asked.only or name.split()[0] in asked.only:
            found[name] = asked_of(name.split()[0], *words)
    if not asked.only or "start_up" in asked.only:
        found["start_up"] = start_up()
    about = found["machine"]
    print(f"{about['gpu'] or about['cpu']}, {about['cores']} cores, torch {about['torch']}")
    print("| what | kapbench | baseline in the same run | ratio |\n|---|---|---|---|")
    for name, one in found.items():
        for row in ROWS[name.split()[0]](one) if name != "machine" else ():
            print("| " + " | ".join(row) + " |")
    if asked.keep:
        with HISTORY.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
