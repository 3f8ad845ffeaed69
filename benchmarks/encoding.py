"""Encoding into the cache beside the bare model on pictures that lie in memory.

    python benchmarks/encoding.py [--model lite0] [--dataset synthetic] [--images 48]

Ours reads and checks every image, encodes, rounds, hashes and writes; bare only encodes. Both take the
same pictures in the same batches, in turns, in one process.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import kapbench
from kapbench.features.cache import FeatureCache
from kapbench.running.encode import encode_images
from kapbench.running.pictures import picture
from kapbench.running.progress import Progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    model = kapbench.load_model(asked.model, device=asked.device, dataset=asked.dataset)
    data = kapbench.load_dataset(asked.dataset)
    views, size = list(data.views())[: asked.images], asked.batch_size
    pictures = [picture(data, view, model.conditions_on) for view in views]
    model.encode(pictures[:size])  # the weights are read now
    bare, ours = [], []
    for _ in range(asked.repeats):
        started = time.perf_counter()
        for i in range(0, len(pictures), size):
            model.encode(pictures[i : i + size])
        bare.append(time.perf_counter() - started)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            encode_images(
                model, data, views, FeatureCache.of(model, Path(folder)),
                batch_size=size, progress=Progress(),
            )  # fmt: skip
            ours.append(time.perf_counter() - started)
    found = {
        "model": asked.model, "images": len(views), "device": asked.device,
        "bare_images_per_second": len(views) / statistics.median(bare),
        "images_per_second": len(views) / statistics.median(ours),
        "share_of_bare": statistics.median(b / o for b, o in zip(bare, ours, strict=True)),
        "repeats": asked.repeats,
    }  # fmt: skip
    print(f"{asked.model} on {asked.device}, {len(views)} images of {asked.dataset}")
    print(f"bare model  {found['bare_images_per_second']:8.2f} images/s")
    print(f"kapbench    {found['images_per_second']:8.2f} images/s")
    print(f"share       {found['share_of_bare']:8.1%}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
