"""What half precision moves: scores and speed of one encoder under fp32, bf16 and fp16.

    python benchmarks/studies/precision.py [--model lite0] [--dataset synthetic] [--device cuda]

More than 0.1 points of KAP or PCK is said to be too much, with exit status 1.
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
MOST = 0.1  # points


def measured(asked: argparse.Namespace, precision: str) -> dict[str, float]:
    data = kapbench.load_dataset(asked.dataset)
    model = kapbench.load_model(
        asked.model, device=asked.device, dataset=data.name, precision=precision
    )
    categories = asked.category or None
    n_images = len(data.views(categories))
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        result = kapbench.evaluate(
            model, data, rule=RULES, categories=categories, device=asked.device, cache=cache
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
    asked = parser.parse_args()
    found = {precision: measured(asked, precision) for precision in PRECISIONS}
    plain, worst = found["fp32"], {}
    print(f"{asked.model} on {asked.dataset}, {asked.device}, {plain['images']} images")
    for precision, row in found.items():
        moved = {rule: row[rule] - plain[rule] for rule in RULES}
        worst[precision] = max(map(abs, moved.values()))
        said = "  ".join(f"{rule} {row[rule]:6.2f} ({moved[rule]:+.3f})" for rule in RULES)
        print(f"{precision}  {said}  {row['seconds']:6.1f} s, scoring and all")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    too_much = [p for p, points in worst.items() if points > MOST]
    if too_much:
        sys.exit(f"more than {MOST} points: {', '.join(too_much)}")


if __name__ == "__main__":
    main()
