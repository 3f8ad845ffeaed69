"""Steps per second of the sphere's training, beside a loop that runs the frozen backbone in every step.

    python benchmarks/training.py [--images 24] [--steps 20]

Both loops draw the same batches, take the same losses and the same optimiser's steps; the naive one
encodes each batch's crops first, as code without a cache must.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import kapbench
from kapbench.running.pictures import picture
from kapbench_baselines.sphere.settings import named
from kapbench_baselines.sphere.task import SphereTask
from kapbench_baselines.sphere.views import prepare


def take_step(task: Any, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> None:
    values = task.losses(generator, bf16=False)
    optimiser.zero_grad()
    task.weighted(values).backward()
    optimiser.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="lite0")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--naive-steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    settings = named("lite0").with_crops(1)
    encoder = kapbench.load_model(asked.backbone, device=asked.device, dataset="synthetic")
    data = kapbench.load_dataset("synthetic", split="trn")
    views = list(data.views())[: asked.images]
    names = tuple(sorted({v.category for v in views}))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        tokens = prepare(data, views, names, encoder, settings.augmentation, Path(folder))
        preparing = time.perf_counter() - started
    task = SphereTask(tokens, settings, len(names), 0, asked.device)
    task.prepare()
    parameters = [p for module in task.modules.values() for p in module.parameters()]
    optimiser, generator = torch.optim.AdamW(parameters), torch.Generator().manual_seed(0)
    pictures = [picture(data, view, encoder.conditions_on) for view in views]
    take_step(task, optimiser, generator)
    ours, naive = [], []
    for _ in range(asked.steps):
        started = time.perf_counter()
        take_step(task, optimiser, generator)
        ours.append(time.perf_counter() - started)
    for _ in range(asked.naive_steps):
        started = time.perf_counter()
        for i in range(0, settings.batch, 4):
            encoder.encode([pictures[j % len(pictures)] for j in range(i, i + 4)])
        take_step(task, optimiser, generator)
        naive.append(time.perf_counter() - started)
    mine, theirs = statistics.median(ours), statistics.median(naive)
    found = {
        "backbone": asked.backbone, "batch": settings.batch, "device": asked.device,
        "steps_per_second": 1 / mine, "naive_steps_per_second": 1 / theirs,
        "ratio": theirs / mine, "preparing_seconds_a_view": preparing / tokens.tokens[..., 0, 0].numel(),
        "repeats": asked.steps,
    }  # fmt: skip
    print(f"sphere over {asked.backbone} on {asked.device}, batches of {settings.batch}")
    print(f"backbone in every step  {1 / theirs:8.3f} steps/s (median of {len(naive)})")
    print(f"kapbench                {1 / mine:8.3f} steps/s (median of {len(ours)})")
    print(f"ratio                   {theirs / mine:8.1f}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
