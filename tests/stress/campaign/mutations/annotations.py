"""The formats of data sets' annotations and lists."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tiny_datasets as tiny
from scipy.io import savemat

from campaign.mutations.blocks import any_bytes
from campaign.mutations.containers import mat, png
from campaign.mutations.format import Format, wrong_dataset
from campaign.mutations.mutation import Mutator
from campaign.mutations.trees import json_tree, table

JSON, TABLE, MAT = (json_tree, json_tree, any_bytes), (table, table, any_bytes), (mat, any_bytes)


def _dataset(
    name: str,
    files: tuple[str, ...],
    mutators: tuple[Mutator, ...],
    masks: bool = False,
    **options: Any,
) -> Format:
    """A data set of tests/support below its root."""

    def read(root: Path) -> str | None:
        from kapbench import load_dataset

        own = {} if ":" in name else {"root": root}
        full = f"{name}{root / options['file']}" if ":" in name else name
        more = {k: v for k, v in options.items() if k != "file"}
        dataset = load_dataset(full, **own, **more)
        for view in dataset.views() if masks else ():
            dataset.mask(view)
        return wrong_dataset(dataset)

    build: Callable[[Path], object] = tiny.BUILDERS.get(name, tiny.spair)
    return Format(options.pop("build", build), files, read, mutators, strict=True)


def _manifest_table(root: Path) -> None:
    content = tiny.manifest_content(root)
    names = content["categories"]["cat"]["keypoints"]
    lines = ["path,category,x1,y1,x2,y2," + ",".join(f"{n}_x,{n}_y" for n in names)]
    for image in content["images"]:
        points = [image["keypoints"][n] or ("", "") for n in names]
        cells = [image["path"], "cat", 1, 2, 50, 38, *(c for p in points for c in p)]
        lines.append(",".join(map(str, cells)))
    (root / "mine.csv").write_text("\n".join(lines) + "\n")
    pairs = ["source,target", "photos/0,photos/1", "photos/1,photos/2"]
    (root / "mine.pairs.csv").write_text("\n".join(pairs) + "\n")


def _pf_pascal_annotations(root: Path) -> None:
    tiny.pf_pascal(root)
    folder = root / "PF-dataset-PASCAL"
    name = "PF-dataset-PASCAL/JPEGImages/2007_00000"
    lines = [f"{name}{i}.jpg,{name}{i + 1}.jpg,8,{i}" for i in range(2)]
    header = "source_image,target_image,class,flip"
    (folder / "val_pairs_pf_pascal.csv").write_text("\n".join([header, *lines]) + "\n")
    for i in range(3):
        path = folder / f"Annotations/cat/2007_00000{i}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        points = {"kps": tiny.points(5, (600, 400), i), "bbox": [1, 1, 500, 300]}
        savemat(path, points, do_compression=i == 1)


def _symmetry(root: Path) -> None:
    own = {"groups": [[0, 1], [2, 3]], "mirror": [[0, 1], [2, 3]]}
    (root / "own.json").write_text(json.dumps({"categories": {"cat": own, "dog": own}}))


def _read_symmetry(root: Path) -> str | None:
    from kapbench.datasets.symmetry import read_symmetry

    groups, twins = read_symmetry(root / "own.json", "cat", 6)
    fits = len(groups) == len(twins) == 6 and (twins[twins] == np.arange(6)).all()
    return None if fits else "twins that are not each other's"


def _read_manifest_problems(root: Path) -> str | None:
    """What `kapbench convert` and `list` say of a manifest: sentences, never an exception."""
    from kapbench.datasets.manifest.check import list_problems

    list_problems(root / "mine.json")
    return None


_CUB = tuple(f"CUB_200_2011/{n}.txt" for n in ("images", "image_class_labels", "bounding_boxes"))
_PF, _TSS, _CARS = "PF-dataset-PASCAL", "TSS_CVPR2016", "freiburg_static_cars_52_v1.1"
FORMATS = {
    "manifest JSON": _dataset("manifest:", ("mine.json",), JSON, file="mine.json"),
    "manifest problems": Format(tiny.manifest, ("mine.json",), _read_manifest_problems, JSON),
    "manifest CSV": _dataset(
        "manifest:", ("mine.csv", "mine.pairs.csv"), TABLE, file="mine.csv", build=_manifest_table
    ),
    "COCO JSON": _dataset("coco:", ("cats.json",), JSON, file="cats.json"),
    "SPair image": _dataset("spair", ("SPair-71k/ImageAnnotation/cat/2012_00000[01].json",), JSON),
    "SPair pairs": _dataset("spair", ("SPair-71k/Layout/large/test.txt",), TABLE),
    "SPair mask": _dataset(
        "spair", ("SPair-71k/Segmentation/cat/2012_000000.png",), (png, any_bytes), masks=True
    ),
    "SPair-U": _dataset("spair-u", ("SPair-U/Extra*Annotation/**/*.json",), JSON),
    "SOCO": _dataset("soco.intra", ("SOCOv1/PairAnnotations/intra/car/*.json",), JSON, split="all"),
    "CUB": _dataset(
        "cub",
        (*_CUB, "CUB_200_2011/train_test_split.txt", "CUB_200_2011/parts/part_locs.txt"),
        TABLE,
    ),
    "PF-PASCAL list": _dataset("pf-pascal", (f"{_PF}/test_pairs_pf_pascal.csv",), TABLE),
    "PF-PASCAL .mat": _dataset(
        "pf-pascal", (f"{_PF}/Annotations/*/*.mat",), MAT, split="val", build=_pf_pascal_annotations
    ),
    "PF-WILLOW list": _dataset("pf-willow", ("PF-dataset/test_pairs.csv",), TABLE),
    "WILLOW .mat": _dataset(
        "willow", ("WILLOW-ObjectClass/Winebottle/wine_00[01].mat",), MAT, pairs=20
    ),
    "AwA-Pose": _dataset("awa-pose", ("AwA-Pose/Annotations_json/moose.json",), JSON),
    "TSS list": _dataset("tss", (f"{_TSS}/test_pairs_tss.csv",), TABLE),
    "TSS flow": _dataset("tss", (f"{_TSS}/JODS/pair_1/flow1.flo",), (any_bytes,)),
    "TSS mask": _dataset("tss", (f"{_TSS}/JODS/pair_1/mask1.png",), (png, any_bytes), masks=True),
    "Freiburg cars": _dataset(
        "freiburg-cars", (f"{_CARS}/annotations/001_annot.txt",), TABLE, split="trn"
    ),
    "AP-10K": _dataset("ap-10k.intra", ("ap-10k/annotations/ap10k-test-split1.json",), JSON),
    "Animal-Pose": _dataset("animal-pose", ("animalpose_keypoint_new/keypoints.json",), JSON),
    "symmetry file": Format(_symmetry, ("own.json",), _read_symmetry, JSON, strict=True),
}
