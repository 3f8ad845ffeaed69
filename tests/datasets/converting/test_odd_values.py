"""An odd value anywhere in one annotation leaves the other images as they are."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from annotation_exports import save_image

from kapbench.datasets.converting.convert import convert

ODD = [None, True, "x", [None], {}, 10**400]
SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0}
REGIONS = [
    {
        **SIZE,
        "id": "r",
        "type": "rectanglelabels",
        "value": {
            "x": 1,
            "y": 2,
            "width": 50,
            "height": 60,
            "rotation": 5,
            "rectanglelabels": ["cat"],
        },
    },
    {
        **SIZE,
        "id": "k",
        "type": "keypointlabels",
        "parentID": "r",
        "value": {"x": 10, "y": 50, "width": 0.3, "keypointlabels": ["nose"]},
    },
    {
        **SIZE,
        "id": "l",
        "type": "keypointlabels",
        "value": {"x": 20, "y": 50, "width": 0.3, "keypointlabels": ["tail"]},
    },
    {"from_id": "l", "to_id": "r", "type": "relation", "direction": "right"},
]


def label_studio(image: str) -> dict[str, Any]:
    annotation = {"id": 1, "was_cancelled": False, "updated_at": "2026", "result": REGIONS}
    return {"id": image, "data": {"image": image}, "annotations": [annotation]}


def label_me(image: str) -> dict[str, Any]:
    shapes = [
        {"label": "cat", "points": [[0, 0], [90, 90]], "group_id": 0, "shape_type": "rectangle"},
        {"label": "nose", "points": [[20, 50]], "group_id": 0, "shape_type": "point"},
        {"label": "tail", "points": [[40, 50]], "group_id": 0, "shape_type": "point"},
    ]
    return {"shapes": shapes, "imagePath": image, "imageHeight": 100, "imageWidth": 200}


def changed(content: Any) -> Iterator[Any]:
    """Copies of the content with one part replaced by an odd value, or taken out."""
    for path in parts(content):
        for value in ODD:
            copied, holder = copy.deepcopy(content), None
            holder = copied
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = value
            yield copied
        if isinstance(holder, dict):
            del holder[path[-1]]
            yield copied


def parts(content: Any) -> Iterator[tuple[Any, ...]]:
    keys = content if isinstance(content, dict) else range(len(content))
    for key in keys:
        yield (key,)
        if isinstance(content[key], dict | list):
            yield from ((key, *rest) for rest in parts(content[key]))


@pytest.mark.parametrize("tool", ["label-studio", "labelme"])
def test_the_other_images_stay(tmp_path, tool):
    make = label_studio if tool == "label-studio" else label_me
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        save_image(tmp_path / name)
    out, n_changed = tmp_path / "out" / "mine.json", 0
    for first in changed(make("a.png")):
        contents = [first, make("b.png"), make("c.png")]
        if tool == "label-studio":
            export = tmp_path / "export.json"
            export.write_text(json.dumps(contents))
        else:
            export = tmp_path
            for name, content in zip(names, contents, strict=True):
                (tmp_path / name).with_suffix(".json").write_text(json.dumps(content))
        convert(tool, export, out)
        images = {image["id"]: image for image in json.loads(out.read_text())["images"]}
        for image in ("b", "c"):
            assert images[image]["keypoints"] == {"nose": [20, 50], "tail": [40, 50]}
        n_changed += 1
    assert n_changed > 100
