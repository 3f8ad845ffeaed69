"""Makes a manifest of annotated photographs: names, visibility, boxes, paths, and what to say."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

from kapbench.datasets.converting.annotations import AnnotatedObject
from kapbench.datasets.converting.mirror import mirror_by_words
from kapbench.datasets.converting.report import Reason, Report, name_first
from kapbench.datasets.manifest.schema import Category, Image, Manifest, Point, Rule, mirror_of
from kapbench.datasets.reading import Box
from kapbench.errors import KapbenchError
from kapbench.registry import unknown

DEFAULT_CATEGORY = "object"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user decides where a tool leaves it open.

    Args:
        category: Of every object; None: as the tool states it, else "object".
        renamed: New names of categories by those that the tool states.
        unlabelled: What a keypoint is that an object lacks: unknown, or absent.
        occluded: What a keypoint is that the annotator marked as hidden.
        mirror_words: Words of the left and the right side in keypoints' names.
    """

    category: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    unlabelled: Literal["unknown", "absent"] = "unknown"
    occluded: Literal["visible", "absent"] = "visible"
    mirror_words: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class LocatedObject:
    """
    Args:
        file: The image on this machine.
        image_id: Of the photograph; objects of one photograph share it.
        size: Width and height of the pixels that the keypoints refer to.
    """

    file: Path
    image_id: str
    size: tuple[int, int]
    annotated: AnnotatedObject


@dataclass(frozen=True, slots=True)
class _Converted:
    located: LocatedObject
    category: str
    points: dict[str, Point | None]
    box: Box | None


def make_manifest(
    objects: Sequence[LocatedObject],
    path: Path,
    choices: Choices,
    report: Report,
    *,
    name: str,
    exif: bool,
    rule: Rule,
) -> Manifest:
    """
    Args:
        path: Where the manifest will lie; the paths of photographs begin in its folder.

    Raises:
        KapbenchError: no category is left in two images.
    """
    _check_renamed(objects, choices)
    converted = [c for item in objects if (c := _convert(item, choices, report)) is not None]
    _check_pairs(converted, report)
    names = _list_names(converted, report)
    mirrors = _find_mirrors(names, choices)
    manifest = Manifest(
        name=name,
        categories={
            category: Category(keypoints=own, mirror=mirrors[category])
            for category, own in names.items()
        },
        images=_list_images(converted, names, path.parent.resolve()),
        rule=rule,
        exif=exif,
        has_absent=_has_absent(converted, names, choices, report),
    )
    _describe(manifest, report)
    return manifest


def _convert(item: LocatedObject, choices: Choices, report: Report) -> _Converted | None:
    """None where too little of the object is left."""
    place, points = item.annotated.place, dict[str, Point | None]()
    for name, keypoint in item.annotated.keypoints.items():
        if not name:
            report.leave_out(Reason.NO_LABEL, place)
            continue
        hidden = keypoint.occluded and choices.occluded == "absent"
        points[name] = None if hidden else keypoint.xy
        if keypoint.xy is not None and not _is_inside(keypoint.xy, item.size):
            report.leave_out(Reason.OUTSIDE, f"{place}, {name}")
            points[name] = None
    visible = [xy for xy in points.values() if xy is not None]
    box = _clip(item, report)
    if not visible:
        report.leave_out(Reason.NO_KEYPOINT, place)
        return None
    if box is None and len(set(visible)) < 2:
        report.leave_out(Reason.NO_SIZE, place)
        return None
    category = item.annotated.category or DEFAULT_CATEGORY
    category = choices.category or choices.renamed.get(category, category)
    return _Converted(item, category, points, box)


def _is_inside(xy: Point, size: tuple[int, int]) -> bool:
    return 0 <= xy[0] <= size[0] and 0 <= xy[1] <= size[1]


def _clip(item: LocatedObject, report: Report) -> Box | None:
    """The part of the box that is in the image; None without one."""
    if item.annotated.box is None:
        return None
    x1, y1, x2, y2 = item.annotated.box
    box = max(x1, 0.0), max(y1, 0.0), min(x2, float(item.size[0])), min(y2, float(item.size[1]))
    if box[2] > box[0] and box[3] > box[1]:
        return box
    report.leave_out(Reason.BOX_WITHOUT_AREA, item.annotated.place)
    return None


def _check_renamed(objects: Sequence[LocatedObject], choices: Choices) -> None:
    """KapbenchError where a category to be renamed does not occur."""
    stated = {item.annotated.category or DEFAULT_CATEGORY for item in objects}
    for old in choices.renamed:
        if old not in stated:
            raise unknown("category", old, sorted(stated), place="--category OLD=NEW")


def _check_pairs(converted: Sequence[_Converted], report: Report) -> None:
    """KapbenchError where no two images have objects of one category."""
    images: dict[str, set[Path]] = {}
    for item in converted:
        images.setdefault(item.category, set()).add(item.located.file)
    alone = [category for category, of in images.items() if len(of) < 2]
    if len(alone) == len(images):
        lines = [*report.lines(), *([f"Categories: {name_first(alone)}."] if alone else [])]
        raise KapbenchError(
            "No two images have objects of one category, as a pair needs"
            if converted
            else "No object of the export can be converted",
            place="\n       ".join([str(report.export), *lines]),
            fix="Annotate more images, or give objects one category with --category"
            if converted
            else "Do for one of the reasons above what its line says",
        )
    if alone:
        report.notes.append(
            f"Categories in one image only, without a pair: {len(alone):,} ({name_first(alone)})."
        )


def _list_names(converted: Sequence[_Converted], report: Report) -> dict[str, list[str]]:
    """Keypoints of each category that are visible somewhere, in the order of the tool."""
    names: dict[str, dict[str, bool]] = {}
    for item in converted:
        own = names.setdefault(item.category, {})
        for name in (*item.located.annotated.order, *item.points):
            own[name] = own.get(name, False) or item.points.get(name) is not None
    unused = [f"{c}, {n}" for c, own in names.items() for n, visible in own.items() if not visible]
    if unused:
        report.notes.append(
            f"Keypoints that are visible in no image and not in the manifest: {len(unused):,} "
            f"({name_first(unused)})."
        )
    return {c: [n for n, visible in own.items() if visible] for c, own in names.items()}


def _find_mirrors(
    names: Mapping[str, list[str]], choices: Choices
) -> dict[str, list[tuple[str, str]] | None]:
    """Mirror counterparts of each category; None: the manifest's default, by left and right."""
    if choices.mirror_words is None:
        return dict.fromkeys(names)
    left, right = choices.mirror_words
    mirrors: dict[str, list[tuple[str, str]] | None] = {
        category: mirror_by_words(own, left, right) for category, own in names.items()
    }
    if not any(mirrors.values()):
        raise KapbenchError(
            f"No two keypoints of a category differ in '{left}' and '{right}'",
            place=f"--mirror-names {left},{right}",
            fix=f"Give words of the keypoints' names: {name_first([*chain(*names.values())])}",
        )
    return mirrors


def _list_images(
    converted: Sequence[_Converted], names: Mapping[str, list[str]], folder: Path
) -> list[Image]:
    n_objects = Counter(item.located.image_id for item in converted)
    numbers: Counter[str] = Counter()
    images = []
    for item in converted:
        located = item.located
        numbers[located.image_id] += 1
        several = n_objects[located.image_id] > 1
        own = names[item.category]
        images.append(
            Image(
                path=_relative(located.file, folder),
                category=item.category,
                keypoints={name: xy for name, xy in item.points.items() if name in own},
                id=located.image_id + (f"#{numbers[located.image_id]}" if several else ""),
                width=located.size[0],
                height=located.size[1],
                box=item.box,
            )
        )
    return images


def _relative(file: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError as error:  # two drives of Windows
        raise KapbenchError(
            "The manifest and the images are on different drives",
            place=file,
            fix="Write the manifest to the drive of the images",
        ) from error


def _has_absent(
    converted: Sequence[_Converted],
    names: Mapping[str, list[str]],
    choices: Choices,
    report: Report,
) -> bool:
    """Whether the data set has keypoints that are known to be absent."""
    unlabelled = [
        f"{item.located.annotated.place}, {name}"
        for item in converted
        for name in names[item.category]
        if name not in item.points
    ]
    report.counts["not labelled"] = len(unlabelled)
    absent = [p for item in converted for n, p in item.points.items() if p is None]
    report.counts["not visible"] = len(absent)
    if not unlabelled:
        return True
    these = f"Keypoints without a label: {len(unlabelled):,} ({name_first(unlabelled)})."
    if choices.unlabelled == "absent":
        report.notes.append(f"{these} They count as absent.")
        return True
    report.notes.append(
        f"{these} The export does not state whether they are visible: has_absent is false in the "
        "manifest, so that KAP is not computed. Add --unlabelled absent if the annotators left out "
        "exactly the keypoints that cannot be seen."
    )
    return False


def _describe(manifest: Manifest, report: Report) -> None:
    """Counts what the manifest holds, and says where boxes and counterparts come from."""
    images = manifest.images
    report.counts["images"] = len({image.path for image in images})
    report.counts["objects"] = len(images)
    report.counts["keypoints"] = sum(p is not None for i in images for p in i.keypoints.values())
    without_box = [str(image.id) for image in images if image.box is None]
    if without_box:
        report.notes.append(
            f"Objects without a box: {len(without_box):,} ({name_first(without_box)}). The box "
            "around the keypoints takes its place, and gives the size T of PCK."
        )
    pairs = [f"{a}–{b}" for c in manifest.categories.values() for a, b in mirror_of(c)]
    if pairs:
        report.notes.append(f"Mirror pairs: {len(pairs):,} ({name_first(pairs)}).")
