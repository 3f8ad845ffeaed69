"""The formats of annotation tools' exports, which `kapbench convert` reads."""

import importlib.util
import json
from pathlib import Path

from annotation_exports import save_image

from campaign.mutations.annotations import JSON, TABLE
from campaign.mutations.blocks import any_bytes
from campaign.mutations.format import Format, wrong_dataset
from campaign.mutations.mutation import Mutator
from campaign.mutations.trees import xml

IMAGES = ("a.jpg", "b.jpg", "c.jpg")


def _convert(
    tool: str, export: str, files: tuple[str, ...], mutators: tuple[Mutator, ...]
) -> Format:
    def read(root: Path) -> str | None:
        from kapbench.datasets.converting.convert import convert
        from kapbench.datasets.manifest.dataset import manifest

        out = root / "out" / "mine.json"
        convert(tool, root / export, out, images=root / "photos")
        return wrong_dataset(manifest(str(out)))

    return Format(
        _BUILDERS[tool],
        files,
        read,
        mutators,
        writes=("out", "out/*", "out/*/*"),
        strict=tool == "label-studio",
    )


def _photographs(root: Path, folder: str = "photos") -> None:
    for name in IMAGES:
        save_image(root / folder / name)
    (root / "out").mkdir(exist_ok=True)


def _cvat(root: Path) -> None:
    _photographs(root)
    images = ""
    for i, name in enumerate(IMAGES):
        points = "".join(
            f'<points label="{label}" source="manual" outside="0" occluded="{i % 2}" '
            f'points="{20 + 9 * i}.50,{30 + i}.25"></points>'
            for label in ("nose", "tail")
        )
        images += (
            f'<image id="{i}" name="{name}" width="200" height="100"><skeleton label="cat" '
            f'source="manual" z_order="0" group_id="1">{points}</skeleton><box label="cat" '
            f'xtl="5.00" ytl="6.00" xbr="90.00" ybr="80.00" z_order="0" group_id="1"></box></image>'
        )
    head = '<?xml version="1.0" encoding="utf-8"?>'
    text = f"{head}<annotations><version>1.1</version>{images}</annotations>"
    (root / "annotations.xml").write_text(text)


def _deeplabcut(root: Path) -> None:
    folder = root / "labeled-data" / "video1"
    (root / "photos").mkdir()
    _photographs(root, "labeled-data/video1")
    lines = [
        "scorer,me,me,me,me,me,me",
        "bodyparts,snout,snout,leftear,leftear,rightear,rightear",
        "coords,x,y,x,y,x,y",
        *(f"labeled-data/video1/{name},{10 + i}.5,20.25,30,40,," for i, name in enumerate(IMAGES)),
    ]
    (folder / "CollectedData_me.csv").write_text("\n".join(lines) + "\n")


def _label_studio(root: Path) -> None:
    _photographs(root)
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    more = {"from_name": "kp", "to_name": "image", "origin": "manual"}
    tasks = []
    for i, name in enumerate(IMAGES):
        box = {"x": 10, "y": 20, "width": 50, "height": 60, "rotation": 0}
        regions = [
            {**size, **more, "id": "r1", "type": "rectanglelabels"}
            | {"value": box | {"rectanglelabels": ["cat"]}},
            *(
                {**size, **more, "id": label, "type": "keypointlabels", "parentID": "r1"}
                | {"value": {"x": 25, "y": 30 + i, "width": 0.4, "keypointlabels": [label]}}
                for label in ("nose", "tail")
            ),
        ]
        annotation = {"id": i, "result": regions, "was_cancelled": False, "ground_truth": False}
        image = f"/data/upload/7/0a1b2c3d-{name}"
        tasks.append({"id": i, "annotations": [annotation], "data": {"image": image}})
    (root / "export.json").write_text(json.dumps(tasks))


def _label_me(root: Path) -> None:
    _photographs(root)
    (root / "labels").mkdir()
    for i, name in enumerate(IMAGES):
        shapes = [
            {"label": label, "points": points, "group_id": 0, "shape_type": kind, "flags": {}}
            for label, points, kind in (
                ("cat", [[60, 50], [10, 5]], "rectangle"),
                ("nose", [[20.5, 30.25 + i]], "point"),
                ("tail", [[50, 40]], "point"),
            )
        ]
        content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imageData": None}
        content |= {"imagePath": f"../photos/{name}", "imageHeight": 100, "imageWidth": 200}
        (root / "labels" / name).with_suffix(".json").write_text(json.dumps(content))


def _sleap(root: Path) -> None:
    import numpy as np
    import sleap_io as sio

    _photographs(root)
    files = [str(root / "photos" / name) for name in IMAGES]
    skeleton, video = sio.Skeleton(["head", "tail"], name="fly"), sio.Video(filename=files)
    frames = [
        sio.LabeledFrame(
            video=video,
            frame_idx=i,
            instances=[sio.Instance.from_numpy(np.array([[9.0, 8 + i], [50, 60]]), skeleton)],
        )
        for i in range(3)
    ]
    sio.save_slp(sio.Labels(frames, videos=[video], skeletons=[skeleton]), str(root / "labels.slp"))


_BUILDERS = {
    "cvat": _cvat,
    "deeplabcut": _deeplabcut,
    "label-studio": _label_studio,
    "labelme": _label_me,
    "x-anylabeling": _label_me,
    "sleap": _sleap,
}
_LABELS = ("labels/*.json",)
_CSV = "labeled-data/video1/CollectedData_me.csv"
FORMATS = {
    "CVAT": _convert("cvat", "annotations.xml", ("annotations.xml",), (xml, xml, any_bytes)),
    "DeepLabCut": _convert("deeplabcut", _CSV, (_CSV,), TABLE),
    "Label Studio": _convert("label-studio", "export.json", ("export.json",), JSON),
    "LabelMe": _convert("labelme", "labels", _LABELS, JSON),
    "X-AnyLabeling": _convert("x-anylabeling", "labels", _LABELS, JSON),
}
if importlib.util.find_spec("sleap_io"):  # the extra `convert`
    FORMATS["SLEAP"] = _convert("sleap", "labels.slp", ("labels.slp",), (any_bytes,))
