"""Encoding images into the cache, compared with the bare network on prepared pictures in memory.

    python benchmarks/speed/encoding.py [--model lite0] [--dataset synthetic] [--images 48]
    python benchmarks/speed/encoding.py --model dinov2.vitb14 --random --images 512 --device cuda

kapbench reads, checks and prepares every image, encodes, rounds, hashes and writes; the bare network
only encodes. Both process the same pictures in the same batches, alternately, in one process. On a
GPU, the share of the time in which it computes is measured too, from its first kernel to its last.
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
from kapbench.models.inputs import make_picture
from kapbench.models.mixed_precision import PRECISIONS
from kapbench.models.outputs import prepare_picture
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Prepares
from kapbench.types import View


@dataclass
class RepeatedImages:
    """n images: those of a data set, repeated, each with one pixel that differs."""

    data: Dataset
    n: int

    def views(self) -> list[View]:
        originals = self.data.views()
        return [
            replace(
                originals[i % len(originals)],
                image_id=f"{originals[i % len(originals)].image_id}:{i}",
            )
            for i in range(self.n)
        ]

    def pixels(self, view: View) -> np.ndarray:
        name, _, number = view.image_id.rpartition(":")
        pixels = self.data.pixels(replace(view, image_id=name)).copy()
        pixels[0, 0] = int(number) % 256, int(number) // 256, 0
        return pixels

    def mask(self, view: View) -> np.ndarray | None:
        return self.data.mask(replace(view, image_id=view.image_id.rpartition(":")[0]))


def busy_share(function: Callable[[], None]) -> float:
    """Share of the time between the first and the last kernel in which some kernel runs."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        function()
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in trace.events()
        if event.device_type == DeviceType.CUDA and not event.name.startswith("Mem")
    )
    total, last_end = 0.0, spans[0][0]
    for start, end in spans:
        total += max(0.0, end - max(start, last_end))
        last_end = max(last_end, end)
    return total / (last_end - spans[0][0])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--random", action="store_true", help="dinov2.*: use random weights")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--batch-size", type=int, help="default: as in a run")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measure(arguments: argparse.Namespace, weights: Path) -> dict[str, Any]:
    model_options = (
        {"weights": str(random_dinov2(arguments.model[7:], weights))} if arguments.random else {}
    )
    model: Any = kapbench.load_model(
        arguments.model,
        device=arguments.device,
        dataset=arguments.dataset,
        precision=arguments.precision,
        **model_options,
    )
    data = RepeatedImages(kapbench.load_dataset(arguments.dataset), arguments.images)
    batch_size = Batches.of(arguments.batch_size, arguments.device, Progress()).size
    pictures = [make_picture(data, view, model.conditions_on) for view in data.views()]
    if isinstance(model, Prepares):
        pictures = [prepare_picture(model, picture) for picture in pictures]

    def encode_bare() -> None:
        for i in range(0, len(pictures), batch_size):
            model.encode(pictures[i : i + batch_size])

    def encode_with_kapbench() -> None:
        with tempfile.TemporaryDirectory() as folder:
            encode_images(
                model,
                data,
                data.views(),
                FeatureCache.of(model, Path(folder)),
                batch_size=batch_size,
                progress=Progress(),
                device=arguments.device,
            )

    def seconds(function: Callable[[], None]) -> float:
        started = time.perf_counter()
        function()
        return time.perf_counter() - started

    model.encode(pictures[:batch_size])  # loads the weights before timing
    durations = [
        (seconds(encode_bare), seconds(encode_with_kapbench)) for _ in range(arguments.repeats)
    ]
    bare_seconds, kapbench_seconds = map(statistics.median, zip(*durations, strict=True))
    return {
        "model": arguments.model,
        "precision": arguments.precision,
        "images": len(pictures),
        "batch_size": batch_size,
        "device": arguments.device,
        "bare_images_per_second": len(pictures) / bare_seconds,
        "images_per_second": len(pictures) / kapbench_seconds,
        "share_of_bare": statistics.median(b / o for b, o in durations),
        "gpu_busy": None if arguments.device == "cpu" else busy_share(encode_with_kapbench),
        "repeats": arguments.repeats,
    }


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as weights:
        result = measure(arguments, Path(weights))
    print(
        f"{arguments.model}, {arguments.precision}, {arguments.device}, {result['images']} images of "
        f"{arguments.dataset} by {result['batch_size']}"
    )
    print(f"bare model  {result['bare_images_per_second']:8.2f} images/s")
    print(f"kapbench    {result['images_per_second']:8.2f} images/s")
    print(f"share       {result['share_of_bare']:8.1%}")
    if result["gpu_busy"] is not None:
        print(f"GPU busy    {result['gpu_busy']:8.1%}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
