"""How much bf16 and fp16 change the scores and the speed of an encoder, compared with fp32.

    python benchmarks/studies/precision.py [--model lite0] [--dataset synthetic] [--device cuda]

The script exits with status 1 if KAP or PCK changes by more than 0.1 points.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import kapbench
from kapbench.models.mixed_precision import PRECISIONS

RULES = ("kap-cvpr24", "pck-sd-dino")
LARGEST_CHANGE = 0.1  # points


def measure(arguments: argparse.Namespace, precision: str) -> dict[str, float]:
    data = kapbench.load_dataset(arguments.dataset)
    model = kapbench.load_model(
        arguments.model, device=arguments.device, dataset=data.name, precision=precision
    )
    categories = arguments.category or None
    n_images = len(data.views(categories))
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        result = kapbench.evaluate(
            model, data, rule=RULES, categories=categories, device=arguments.device, cache=cache
        )
        seconds = time.perf_counter() - started
    scores = {rule: 100 * result.headline(rule) for rule in RULES}
    return {**scores, "images": n_images, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--category", action="append")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {precision: measure(arguments, precision) for precision in PRECISIONS}
    fp32, largest_changes = results["fp32"], {}
    print(f"{arguments.model} on {arguments.dataset}, {arguments.device}, {fp32['images']} images")
    for precision, row in results.items():
        changes = {rule: row[rule] - fp32[rule] for rule in RULES}
        largest_changes[precision] = max(map(abs, changes.values()))
        scores = "  ".join(f"{rule} {row[rule]:6.2f} ({changes[rule]:+.3f})" for rule in RULES)
        print(f"{precision}  {scores}  {row['seconds']:6.1f} s with scoring")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    too_much = [p for p, points in largest_changes.items() if points > LARGEST_CHANGE]
    if too_much:
        sys.exit(f"Scores change by more than {LARGEST_CHANGE} points under {', '.join(too_much)}.")


if __name__ == "__main__":
    main()
