"""Steps per second of the sphere's training, beside a loop that runs the frozen backbone in every step.

    python benchmarks/speed/training.py
    python benchmarks/speed/training.py --preset paper --backbone dinov2.vitb14 --random --device cuda

Both loops draw the same batches, take the same losses and the same optimiser's steps; the naive one
encodes as many pictures first, as code without a cache must, and stays in fp32.
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
from kapbench.models.inputs import picture
from kapbench_baselines.sphere.settings import PRESETS, Settings, named
from kapbench_baselines.sphere.task import SphereTask
from kapbench_baselines.sphere.views import prepare


def options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=sorted(PRESETS), default="lite0")
    parser.add_argument("--backbone", default="lite0")
    parser.add_argument("--backbone-weights", help="default: as the backbone finds them")
    parser.add_argument("--random", action="store_true", help="dinov2.*: random weights")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--batch", type=int, help="default: the preset's; as many images are read")
    parser.add_argument("--crops", type=int, default=1, help="encoded, of each image")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--naive-steps", type=int, default=5)
    parser.add_argument(
        "--encoded-at-once", type=int, help="by the naive loop; default: 4, on a GPU the batch"
    )
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of our loop")
    parser.add_argument("--parts", type=int, default=1, help="that a batch is mapped in")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


def backbone_of(asked: argparse.Namespace, settings: Settings, folder: Path) -> Any:
    own: dict[str, Any] = {}
    if asked.random:
        own["weights"] = str(random_dinov2(asked.backbone.partition(".")[2], folder))
    elif asked.backbone_weights:
        own["weights"] = asked.backbone_weights
    if settings.backbone_px is not None:
        own["image_px"] = settings.backbone_px
    return kapbench.load_model(asked.backbone, device=asked.device, dataset=asked.dataset, **own)


def seconds(repeats: int, device: str, act: Callable[[], None]) -> float:
    """Median."""

    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    found = []
    for _ in range(repeats):
        wait()
        started = time.perf_counter()
        act()
        wait()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    settings = named(asked.preset).with_crops(asked.crops).with_options({"batch": asked.batch})
    encoder = backbone_of(asked, settings, folder)
    data = kapbench.load_dataset(asked.dataset, split="trn")
    views = list(data.views())[: settings.batch]
    settings = replace(settings, batch=len(views))
    names = tuple(sorted({v.category for v in views}))
    started = time.perf_counter()
    tokens = prepare(data, views, names, encoder, settings.augmentation, folder / "views")
    preparing = time.perf_counter() - started
    task = SphereTask(tokens, settings, len(names), 0, asked.device)
    task.prepare()
    parameters = [p for module in task.modules.values() for p in module.parameters()]
    optimiser, generator = torch.optim.AdamW(parameters), torch.Generator().manual_seed(0)
    pictures = [picture(data, view, encoder.conditions_on) for view in views]
    at_once = asked.encoded_at_once or (4 if asked.device == "cpu" else len(pictures))

    def step(*, bf16: bool = False) -> None:
        optimiser.zero_grad()
        task.weighted(task.losses(generator, bf16=bf16, parts=asked.parts)).backward()
        optimiser.step()

    def naive() -> None:
        for i in range(0, len(pictures), at_once):
            encoder.encode(pictures[i : i + at_once])
        step()

    ours = partial(step, bf16=asked.precision == "bf16")
    ours()  # what is slow once alone
    mine = seconds(asked.steps, asked.device, ours)
    theirs = seconds(asked.naive_steps, asked.device, naive)
    return {
        "preset": asked.preset, "backbone": asked.backbone, "random": asked.random,
        "batch": len(views), "tokens": settings.tokens, "device": asked.device,
        "precision": asked.precision, "steps_per_second": 1 / mine,
        "naive_steps_per_second": 1 / theirs, "ratio": theirs / mine,
        "preparing_seconds_a_view": preparing / tokens.tokens[..., 0, 0].numel(),
        "repeats": asked.steps, "naive_repeats": asked.naive_steps,
    }  # fmt: skip


def main(words: list[str] | None = None) -> None:
    asked = options(words)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked, Path(folder))
    print(
        f"sphere over {asked.backbone} on {asked.device}, preset {asked.preset}, "
        f"batches of {found['batch']}"
    )
    print(
        f"backbone in every step  {found['naive_steps_per_second']:8.3f} steps/s "
        f"(median of {asked.naive_steps}, fp32)"
    )
    print(
        f"kapbench                {found['steps_per_second']:8.3f} steps/s "
        f"(median of {asked.steps}, {asked.precision})"
    )
    print(f"ratio                   {found['ratio']:8.1f}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
