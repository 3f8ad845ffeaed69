"""How long SOCO's pair files take to read: 20,000 within categories and 20,000 across them.

    python benchmarks/speed/soco.py [--pairs 20000] [--keep FOLDER]

The files are made up, in the layout and with the keys of the real ones: 100 categories of 40 images,
of which each shows 12 of its category's 18 keypoints. Photographs are empty files, because no pixel is
read. The first time counts files that the system may not have in memory.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import kapbench

N_CATEGORIES, N_IMAGES, N_NAMES, N_VISIBLE = 100, 40, 18, 12
FAMILY = 10  # categories whose keypoints have one name, and which cross pairs join
SIZE = (640, 480)


def write_layout(root: Path, n_pairs: int, seed: int = 0) -> None:
    """Writes the folder SOCOv1 with `n_pairs` pairs of each kind."""
    rng = np.random.default_rng(seed)
    images = {(c, i): _image(c, i, rng) for c in range(N_CATEGORIES) for i in range(N_IMAGES)}
    for image in images.values():
        path = root / "SOCOv1/Images" / image["category"] / image["image"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for kind in ("intra", "cross"):
        for number in range(n_pairs):
            target = number % N_CATEGORIES
            first = target - target % FAMILY
            other = (target - first + int(rng.integers(1, FAMILY))) % FAMILY
            source = target if kind == "intra" else first + other
            i, j = rng.choice(N_IMAGES, 2, replace=False).tolist()
            _write(root, kind, 1 + number // N_CATEGORIES, images[source, i], images[target, j])


def _image(category: int, number: int, rng: np.random.Generator) -> dict[str, Any]:
    visible = sorted(rng.choice(N_NAMES, N_VISIBLE, replace=False).tolist())
    return {
        "category": f"category_{category}",
        "image": f"category_{category}_{number}.JPEG",
        "imsize": list(SIZE),
        "bndbox": [20, 20, SIZE[0] - 20, SIZE[1] - 20],
        "keypoints": [
            {
                "id": k,
                "name": f"family_{category // FAMILY}_part_{k // 2}_{('left', 'right')[k % 2]}",
                "pos": rng.uniform(30, 440, 2).round(2).tolist(),
                "concept_id": k // 2,
                "concept_name": f"part_{k // 2}",
                "kind": "structural",
                "shared": True,
            }
            for k in visible
        ],
    }


def _write(
    root: Path, kind: str, number: int, source: dict[str, Any], target: dict[str, Any]
) -> None:
    group = target["category"]
    stems = [Path(image["image"]).stem for image in (source, target)]
    path = root / "SOCOv1/PairAnnotations" / kind / group / f"{number:05d}-{'-'.join(stems)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "pair_id": number,
        "pair_group": group,
        **{f"src_{key}": value for key, value in source.items()},
        **{f"trg_{key}": value for key, value in target.items()},
        "semantic_overlap": _in_both(source["keypoints"], target["keypoints"]),
        "concept_matches": _matches(source["keypoints"], target["keypoints"]),
    }
    path.write_text(json.dumps(content))


def _in_both(source: Sequence[dict[str, Any]], target: Sequence[dict[str, Any]]) -> list[str]:
    names = {keypoint["name"] for keypoint in target}
    return [keypoint["name"] for keypoint in source if keypoint["name"] in names]


def _matches(
    source: Sequence[dict[str, Any]], target: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    concepts = {k["concept_name"] for k in source} & {k["concept_name"] for k in target}
    return [
        {
            "concept_name": concept,
            "src_keypoints": [k["name"] for k in source if k["concept_name"] == concept],
            "trg_keypoints": [k["name"] for k in target if k["concept_name"] == concept],
        }
        for concept in sorted(concepts)
    ]


def measure(root: Path) -> None:
    """Prints wall and CPU seconds of two readings of each kind."""
    for name in ("soco.intra", "soco.cross"):
        for which in ("first", "again"):
            start, start_cpu = time.perf_counter(), time.process_time()
            dataset = kapbench.load_dataset(name, split="all", root=root)
            n_views = len(dataset.views())
            seconds = time.perf_counter() - start
            of_cpu = time.process_time() - start_cpu
            counts = f"{len(dataset.pairs()):,} pairs, {n_views:,} images"
            print(f"{name} {which}: {seconds:.1f} s ({of_cpu:.1f} s of CPU), {counts}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20_000, help="of each kind")
    parser.add_argument("--keep", type=Path, help="write the files there, or use those that exist")
    arguments = parser.parse_args()
    if arguments.keep is not None:
        if not arguments.keep.exists():
            write_layout(arguments.keep, arguments.pairs)
        measure(arguments.keep)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_layout(Path(folder), arguments.pairs)
        measure(Path(folder))


if __name__ == "__main__":
    main()
