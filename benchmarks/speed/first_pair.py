"""Time until the first pair of all of SPair-71k is read from a warm disk, on a simulated copy.

    python benchmarks/speed/first_pair.py [--repeats 5]

The copy has the official layout: 18 categories of 100 images, annotations with as many keypoint
slots as the real ones, and 12,234 test pairs, as many per category as the real list. Photographs are
empty files, because opening a data set reads none. Each repeat is a separate process. Timed are
opening, reading the first of all pairs, and the revision, which a run needs before it starts.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from kapbench.datasets.symmetry import categories, n_keypoints

N_IMAGES, SLOTS, SIZE = 100, 30, (500, 375)
PAIRS = (690, 650, 702, 702, 870, 644, 564, 600, 646, 640, 600, 600, 702, 650, 862, 664, 756, 692)
TIMED = """
import sys, time
from kapbench.datasets.spair.dataset import spair
start = time.perf_counter()
data = spair(root=sys.argv[1])
opened = time.perf_counter()
pairs = data.pairs()
first, n = pairs[0], len(pairs)
paired = time.perf_counter()
data.revision
print(n, opened - start, paired - start, time.perf_counter() - start)
"""


def write(root: Path) -> None:
    """Writes a folder SPair-71k with random annotations."""
    folder, rng, lines = root / "SPair-71k", np.random.default_rng(0), []
    for category, n_pairs in zip(categories(), PAIRS, strict=True):
        stems = [f"2010_{number:06d}" for number in range(N_IMAGES)]
        for kind in ("ImageAnnotation", "JPEGImages"):
            (folder / kind / category).mkdir(parents=True)
        for stem in stems:
            path = folder / "ImageAnnotation" / category / f"{stem}.json"
            path.write_text(json.dumps(annotation(category, stem, rng)))
            (folder / "JPEGImages" / category / f"{stem}.jpg").touch()
        for source, target in itertools.islice(itertools.permutations(stems[:30], 2), n_pairs):
            lines.append(f"{len(lines):06d}-{source}-{target}:{category}")
    layout = folder / "Layout/large/test.txt"
    layout.parent.mkdir(parents=True)
    layout.write_text("\n".join(lines) + "\n")


def annotation(category: str, stem: str, rng: np.random.Generator) -> dict[str, object]:
    points = rng.integers(0, SIZE, (SLOTS, 2)).tolist()
    visible = (rng.random(SLOTS) < 0.7) & (np.arange(SLOTS) < n_keypoints(category))
    return {
        "filename": f"{stem}.jpg",
        "src_database": "The VOC2010 Database",
        "src_annotation": "PASCAL VOC2010",
        "src_image": "flickr",
        "image_width": SIZE[0],
        "image_height": SIZE[1],
        "image_depth": 3,
        "category": category,
        "pose": "Left",
        "truncated": 0,
        "occluded": 0,
        "difficult": 0,
        "bndbox": [10, 10, 480, 360],
        "kps": {str(k): points[k] if visible[k] else None for k in range(SLOTS)},
        "azimuth_id": int(rng.integers(8)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        write(Path(root))
        runs = []
        for _ in range(arguments.repeats + 1):  # the first run warms the disk
            finished = subprocess.run(
                [sys.executable, "-c", TIMED, root], check=True, capture_output=True, text=True
            )
            runs.append([float(word) for word in finished.stdout.split()])
    n_pairs, *seconds = [statistics.median(column) for column in zip(*runs[1:], strict=True)]
    result = dict(zip(("opened", "first_pair", "revision"), seconds, strict=True))
    print(
        f"{n_pairs:,.0f} pairs; "
        + ", ".join(f"{step} after {s:.2f} s" for step, s in result.items())
    )
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps(result | {"n_pairs": n_pairs, "repeats": arguments.repeats})
        )


if __name__ == "__main__":
    main()
