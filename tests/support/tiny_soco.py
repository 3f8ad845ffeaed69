"""A small data set in SOCO's own layout: drawn vehicles, with the keys of its docs.

Each of bus, car and cat has three images. A keypoint is a disc of its own colour, and is hidden in
image i where (i + its number) % 4 == 3. A cat has no keypoint of a vehicle.
"""

import itertools
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FOLDER = "SOCOv1"
SIZES = ((96, 72), (72, 96), (80, 80))
# By name: concept and its number. A car has all of a vehicle's, and its own.
VEHICLE = {
    "vehicle_wheel_front_left_center": ("wheel_center", 1),
    "vehicle_wheel_front_right_center": ("wheel_center", 1),
    "vehicle_wheel_rear_left_center": ("wheel_center", 1),
    "vehicle_mirror_left": ("mirror", 2),
    "vehicle_mirror_right": ("mirror", 2),
    "vehicle_numberplate_front": ("numberplate", 3),
}
KEYPOINTS = {
    "bus": VEHICLE,
    "car": {**VEHICLE, "car_antenna": ("antenna", 4)},
    "cat": {"cat_ear_left": ("ear", 5), "cat_ear_right": ("ear", 5), "cat_nose": ("nose", 6)},
}
N_IMAGES = 3
SPLITS = {"trainsplits/train": ((0, 1),), "trainsplits/test": ((1, 2), (2, 1))}


def make(root: Path, lists=("intra", "cross", "trainsplits/train", "trainsplits/test")) -> Path:
    """Writes images, and the pairs of some lists below PairAnnotations; returns the folder SOCOv1."""
    folder = root / FOLDER
    for category, i in itertools.product(KEYPOINTS, range(N_IMAGES)):
        draw(folder / "Images" / category / f"{category}_{i}.JPEG", view(category, i))
    for name in lists:
        for source, target in pairs_of(name):
            write_pair(folder / "PairAnnotations" / name, source, target)
    return folder


def pairs_of(name):
    """Category and number of source and target; the group of a pair is the target's category."""
    if name == "cross":
        ends = [("bus", "car"), ("car", "bus")]
        return [((s, i), (t, j)) for s, t in ends for i, j in ((0, 1), (1, 2), (2, 0))]
    numbers = SPLITS.get(name, tuple(itertools.permutations(range(N_IMAGES), 2)))
    return [((c, i), (c, j)) for c in KEYPOINTS for i, j in numbers]


def view(category, i):
    """An image as a pair file has it: src_ and trg_ are put before its keys."""
    width, height = SIZES[i % len(SIZES)]
    box = [6, 4, width - 8, height - 6]
    names = list(KEYPOINTS[category])
    keypoints = []
    for k, name in enumerate(names):
        if (i + k) % 4 == 3:
            continue
        angle = 2 * np.pi * k / len(names)
        x = (box[0] + box[2]) / 2 + 0.4 * (box[2] - box[0]) * np.cos(angle)
        y = (box[1] + box[3]) / 2 + 0.4 * (box[3] - box[1]) * np.sin(angle)
        concept, number = KEYPOINTS[category][name]
        keypoints.append(
            {
                "id": k,
                "name": name,
                "pos": [round(float(x), 2), round(float(y), 2)],
                "concept_id": number,
                "concept_name": concept,
                "kind": "structural",
            }
        )
    return {
        "category": category,
        "image": f"{category}_{i}.JPEG",
        "imsize": [width, height],
        "bndbox": box,
        "keypoints": keypoints,
    }


def content(source, target, pair_id=1):
    """A pair file's content, of two views."""
    names, others = ([k["name"] for k in v["keypoints"]] for v in (source, target))
    concepts = {}
    for side, image in (("src", source), ("trg", target)):
        for k in image["keypoints"]:
            matched = concepts.setdefault(k["concept_name"], {"src": [], "trg": []})
            matched[side].append(k["name"])
    return {
        "pair_id": pair_id,
        "pair_group": target["category"],
        **{f"src_{key}": value for key, value in source.items()},
        **{f"trg_{key}": value for key, value in target.items()},
        "semantic_overlap": [name for name in names if name in others],
        "concept_matches": [
            {"concept_name": name, "src_keypoints": m["src"], "trg_keypoints": m["trg"]}
            for name, m in concepts.items()
            if m["src"] and m["trg"]
        ],
    }


def write_pair(folder, source, target):
    group = folder / target[0]
    group.mkdir(parents=True, exist_ok=True)
    number = 1 + len(list(group.iterdir()))
    path = group / f"{number:05d}-{source[0]}_{source[1]}-{target[0]}_{target[1]}.json"
    path.write_text(json.dumps(content(view(*source), view(*target), number)))


def edit(path, **changes):
    """Rewrites keys of a pair file; a key that is given as `...` is taken out."""
    merged = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in merged.items() if v is not ...}))


def draw(path, image):
    picture = Image.new("RGB", tuple(image["imsize"]), (110, 130, 150))
    pen = ImageDraw.Draw(picture)
    pen.rectangle(image["bndbox"], fill=(190, 170, 120))
    for keypoint in image["keypoints"]:
        (x, y), seed = keypoint["pos"], sum(map(ord, keypoint["name"]))
        colour = tuple(int(v) for v in np.random.default_rng(seed).integers(0, 256, 3))
        pen.ellipse([x - 5, y - 5, x + 5, y + 5], fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=95)
