"""Steps per second of the sphere's training, compared with a loop that runs the backbone in every step.

    python benchmarks/speed/training.py
    python benchmarks/speed/training.py --preset paper --backbone dinov2.vitb14 --random --device cuda

Both loops draw the same batches and compute the same losses and optimiser steps. The baseline loop
first encodes as many pictures, as code without a cache must, and stays in fp32.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from random_weights import random_dinov2

import kapbench
from kapbench.models.inputs import make_picture
from kapbench_baselines.sphere.settings import PRESETS, Settings, named
from kapbench_baselines.sphere.task import SphereTask
from kapbench_baselines.sphere.views import prepare


def parse_arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=sorted(PRESETS), default="lite0")
    parser.add_argument("--backbone", default="lite0")
    parser.add_argument(
        "--backbone-weights", help="default: those that the backbone uses by default"
    )
    parser.add_argument("--random", action="store_true", help="dinov2.*: use random weights")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--batch", type=int, help="default: the preset's; as many images are used")
    parser.add_argument("--crops", type=int, default=1, help="crops of each image that are encoded")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--naive-steps", type=int, default=5)
    parser.add_argument(
        "--encoded-at-once",
        type=int,
        help="images that the baseline encodes at once; default: 4, on a GPU the whole batch",
    )
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), default="fp32", help="of kapbench's loop"
    )
    parser.add_argument(
        "--parts", type=int, default=1, help="number of parts in which a batch is mapped"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


def load_backbone(arguments: argparse.Namespace, settings: Settings, folder: Path) -> Any:
    model_options: dict[str, Any] = {}
    if arguments.random:
        model_options["weights"] = str(random_dinov2(arguments.backbone.partition(".")[2], folder))
    elif arguments.backbone_weights:
        model_options["weights"] = arguments.backbone_weights
    if settings.backbone_px is not None:
        model_options["image_px"] = settings.backbone_px
    return kapbench.load_model(
        arguments.backbone, device=arguments.device, dataset=arguments.dataset, **model_options
    )


def median_seconds(repeats: int, device: str, function: Callable[[], None]) -> float:
    """Median duration of a call."""

    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    durations = []
    for _ in range(repeats):
        wait()
        started = time.perf_counter()
        function()
        wait()
        durations.append(time.perf_counter() - started)
    return statistics.median(durations)


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    settings = (
        named(arguments.preset).with_crops(arguments.crops).with_options({"batch": arguments.batch})
    )
    encoder = load_backbone(arguments, settings, folder)
    data = kapbench.load_dataset(arguments.dataset, split="trn")
    views = list(data.views())[: settings.batch]
    settings = replace(settings, batch=len(views))
    names = tuple(sorted({v.category for v in views}))
    started = time.perf_counter()
    tokens = prepare(data, views, names, encoder, settings.augmentation, folder / "views")
    prepare_seconds = time.perf_counter() - started
    task = SphereTask(tokens, settings, len(names), 0, arguments.device)
    task.prepare()
    parameters = [p for module in task.modules.values() for p in module.parameters()]
    optimiser, generator = torch.optim.AdamW(parameters), torch.Generator().manual_seed(0)
    pictures = [make_picture(data, view, encoder.conditions_on) for view in views]
    at_once = arguments.encoded_at_once or (4 if arguments.device == "cpu" else len(pictures))

    def step(*, bf16: bool = False) -> None:
        optimiser.zero_grad()
        task.weighted(task.losses(generator, bf16=bf16, parts=arguments.parts)).backward()
        optimiser.step()

    def baseline_step() -> None:
        for i in range(0, len(pictures), at_once):
            encoder.encode(pictures[i : i + at_once])
        step()

    kapbench_step = partial(step, bf16=arguments.precision == "bf16")
    kapbench_step()  # the first step includes one-time work
    kapbench_seconds = median_seconds(arguments.steps, arguments.device, kapbench_step)
    baseline_seconds = median_seconds(arguments.naive_steps, arguments.device, baseline_step)
    return {
        "preset": arguments.preset,
        "backbone": arguments.backbone,
        "random": arguments.random,
        "batch": len(views),
        "tokens": settings.tokens,
        "device": arguments.device,
        "precision": arguments.precision,
        "steps_per_second": 1 / kapbench_seconds,
        "naive_steps_per_second": 1 / baseline_seconds,
        "ratio": baseline_seconds / kapbench_seconds,
        "preparing_seconds_a_view": prepare_seconds / tokens.tokens[..., 0, 0].numel(),
        "repeats": arguments.steps,
        "naive_repeats": arguments.naive_steps,
    }


def main(words: list[str] | None = None) -> None:
    arguments = parse_arguments(words)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments, Path(folder))
    print(
        f"sphere over {arguments.backbone} on {arguments.device}, preset {arguments.preset}, "
        f"batches of {result['batch']}"
    )
    print(
        f"backbone in every step  {result['naive_steps_per_second']:8.3f} steps/s "
        f"(median of {arguments.naive_steps}, fp32)"
    )
    print(
        f"kapbench                {result['steps_per_second']:8.3f} steps/s "
        f"(median of {arguments.steps}, {arguments.precision})"
    )
    print(f"ratio                   {result['ratio']:8.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
