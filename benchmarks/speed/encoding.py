"""Encoding into the cache beside the bare model on prepared pictures that lie in memory.

    python benchmarks/speed/encoding.py [--model lite0] [--dataset synthetic] [--images 48]
    python benchmarks/speed/encoding.py --model dinov2.vitb14 --random --images 512 --device cuda

Ours reads, checks and prepares every image, encodes, rounds, hashes and writes; bare only encodes. Both
take the same pictures in the same batches, in turns, in one process. On a GPU: the share of the time in
which it computes, from the first of its kernels to the last.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from random_weights import random_dinov2

import kapbench
from kapbench.features.batching import Batches
from kapbench.features.cache import FeatureCache
from kapbench.features.encode import encode_images
from kapbench.models.inputs import picture
from kapbench.models.mixed_precision import PRECISIONS
from kapbench.models.outputs import prepared
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Prepares
from kapbench.types import View


@dataclass
class Many:
    """As many images as asked for: a data set's again and again, each with a mark of its own."""

    data: Dataset
    n: int

    def views(self) -> list[View]:
        own = self.data.views()
        return [
            replace(own[i % len(own)], image_id=f"{own[i % len(own)].image_id}:{i}")
            for i in range(self.n)
        ]

    def pixels(self, view: View) -> np.ndarray:
        name, _, number = view.image_id.rpartition(":")
        found = self.data.pixels(replace(view, image_id=name)).copy()
        found[0, 0] = int(number) % 256, int(number) // 256, 0
        return found

    def mask(self, view: View) -> np.ndarray | None:
        return self.data.mask(replace(view, image_id=view.image_id.rpartition(":")[0]))


def busy(job: Callable[[], None]) -> float:
    """Share of the time between the first and the last kernel in which some kernel runs."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as found:
        job()
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in found.events()
        if event.device_type == DeviceType.CUDA and not event.name.startswith("Mem")
    )
    total, until = 0.0, spans[0][0]
    for start, end in spans:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total / (until - spans[0][0])


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--random", action="store_true", help="dinov2.*: random weights")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--batch-size", type=int, help="default: what a run takes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measure(asked: argparse.Namespace, weights: Path) -> dict[str, Any]:
    own = {"weights": str(random_dinov2(asked.model[7:], weights))} if asked.random else {}
    model: Any = kapbench.load_model(
        asked.model, device=asked.device, dataset=asked.dataset, precision=asked.precision, **own
    )
    data = Many(kapbench.load_dataset(asked.dataset), asked.images)
    size = Batches.of(asked.batch_size, asked.device, Progress()).size
    pictures = [picture(data, view, model.conditions_on) for view in data.views()]
    if isinstance(model, Prepares):
        pictures = [prepared(model, shown) for shown in pictures]

    def bare() -> None:
        for i in range(0, len(pictures), size):
            model.encode(pictures[i : i + size])

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            encode_images(
                model, data, data.views(), FeatureCache.of(model, Path(folder)),
                batch_size=size, progress=Progress(), device=asked.device,
            )  # fmt: skip

    def seconds(job: Callable[[], None]) -> float:
        started = time.perf_counter()
        job()
        return time.perf_counter() - started

    model.encode(pictures[:size])  # the weights are read now
    taken = [(seconds(bare), seconds(ours)) for _ in range(asked.repeats)]
    plain, whole = map(statistics.median, zip(*taken, strict=True))
    return {
        "model": asked.model, "precision": asked.precision, "images": len(pictures),
        "batch_size": size, "device": asked.device,
        "bare_images_per_second": len(pictures) / plain,
        "images_per_second": len(pictures) / whole,
        "share_of_bare": statistics.median(b / o for b, o in taken),
        "gpu_busy": None if asked.device == "cpu" else busy(ours), "repeats": asked.repeats,
    }  # fmt: skip


def main() -> None:
    asked = options()
    with tempfile.TemporaryDirectory() as weights:
        found = measure(asked, Path(weights))
    print(
        f"{asked.model}, {asked.precision}, {asked.device}, {found['images']} images of "
        f"{asked.dataset} by {found['batch_size']}"
    )
    print(f"bare model  {found['bare_images_per_second']:8.2f} images/s")
    print(f"kapbench    {found['images_per_second']:8.2f} images/s")
    print(f"share       {found['share_of_bare']:8.1%}")
    if found["gpu_busy"] is not None:
        print(f"GPU busy    {found['gpu_busy']:8.1%}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
