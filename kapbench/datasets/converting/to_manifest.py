"""Makes a manifest of located objects: names, mirror counterparts, paths, and what to say."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from kapbench.datasets.converting.convert_objects import (
    DEFAULT_CATEGORY,
    Choices,
    ConvertedObject,
    LocatedObject,
    convert_object,
)
from kapbench.datasets.converting.mirror import mirror_by_words
from kapbench.datasets.converting.rare_names import check_rare_names
from kapbench.datasets.converting.report import Report
from kapbench.datasets.manifest.schema import Category, Image, Manifest, Rule, mirror_of
from kapbench.errors import KapbenchError, agreeing, counted, name_first, unknown

_MANY_PAIRS = 10_000  # above which a run takes long


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
    converted = [c for item in objects if (c := convert_object(item, choices, report)) is not None]
    _note_default_category(converted, choices, report)
    _check_pairs(converted, report)
    check_rare_names(converted, choices, report)
    names = _list_names(converted, report)
    mirrors = _find_mirrors(names, choices)
    manifest = Manifest(
        name=name,
        categories={
            category: Category(keypoints=keypoints, mirror=mirrors[category])
            for category, keypoints in names.items()
        },
        images=_list_images(converted, names, path.parent.resolve()),
        rule=rule,
        exif=exif,
        has_absent=_has_absent(converted, names, choices, report),
    )
    _describe(manifest, report)
    return manifest


def _check_renamed(objects: Sequence[LocatedObject], choices: Choices) -> None:
    """KapbenchError where a category to be renamed does not occur."""
    stated = {item.annotated.category or DEFAULT_CATEGORY for item in objects}
    for old in choices.renamed:
        if old not in stated:
            raise unknown("category", old, sorted(stated), place="--category OLD=NEW")


def _note_default_category(
    converted: Sequence[ConvertedObject], choices: Choices, report: Report
) -> None:
    """Names the objects without a category, where others have one."""
    places = [
        item.located.annotated.place
        for item in converted
        if item.located.annotated.category is None
    ]
    is_chosen = choices.category is not None or DEFAULT_CATEGORY in choices.renamed
    if places and len(places) < len(converted) and not is_chosen:
        report.notes.append(
            f"Objects without a category: {len(places):,} ({name_first(places)}). The export has no "
            f"box or skeleton that names it, so that {DEFAULT_CATEGORY} is taken. Draw the boxes, or "
            "add --category NAME to give all objects one category."
        )


def _check_pairs(converted: Sequence[ConvertedObject], report: Report) -> None:
    """KapbenchError where no two images have objects of one category."""
    images: dict[str, set[Path]] = {}
    for item in converted:
        images.setdefault(item.category, set()).add(item.located.file)
    unpaired = [category for category, files in images.items() if len(files) < 2]
    if len(unpaired) == len(images):
        categories = [f"Categories: {name_first(unpaired)}."] if unpaired else []
        lines = [*report.lines(), *categories]
        raise KapbenchError(
            "No two images have objects of one category, as a pair needs"
            if converted
            else "No object of the export can be converted",
            place="\n       ".join([str(report.export), *lines]),
            fix="Annotate more images, or give objects one category with --category"
            if converted
            else "Correct the export as one of the lines above says",
        )
    if unpaired:
        report.notes.append(
            f"Categories in one image only, without a pair: {len(unpaired):,} "
            f"({name_first(unpaired)}). Add --category NAME to give all objects one category."
        )


def _list_names(converted: Sequence[ConvertedObject], report: Report) -> dict[str, list[str]]:
    """Keypoints of each category that are visible somewhere, in the order of the tool."""
    visibility: dict[str, dict[str, bool]] = {}  # whether each keypoint is visible somewhere
    for item in converted:
        keypoints = visibility.setdefault(item.category, {})
        for name in (*item.located.annotated.order, *item.points):
            keypoints[name] = keypoints.get(name, False) or item.points.get(name) is not None
    unused = [
        f"{name} of {category}"
        for category, keypoints in visibility.items()
        for name, is_visible in keypoints.items()
        if not is_visible
    ]
    if unused:
        report.notes.append(
            f"{counted(len(unused), 'keypoint')} {agreeing('is', len(unused))} visible in no image, "
            f"and left out of the manifest: {name_first(unused)}."
        )
    return {
        category: [name for name, is_visible in keypoints.items() if is_visible]
        for category, keypoints in visibility.items()
    }


def _find_mirrors(
    names: Mapping[str, list[str]], choices: Choices
) -> dict[str, list[tuple[str, str]] | None]:
    """Mirror counterparts of each category; None: the manifest's default, by left and right."""
    if choices.mirror_words is None:
        return dict.fromkeys(names)
    left, right = choices.mirror_words
    mirrors: dict[str, list[tuple[str, str]] | None] = {
        category: mirror_by_words(keypoints, left, right) for category, keypoints in names.items()
    }
    if not any(mirrors.values()):
        raise KapbenchError(
            f"No two keypoints of a category differ in '{left}' and '{right}'",
            place=f"--mirror-names {left},{right}",
            fix=f"Give words of the keypoints' names: {name_first([*chain(*names.values())])}",
        )
    return mirrors


def _list_images(
    converted: Sequence[ConvertedObject], names: Mapping[str, list[str]], folder: Path
) -> list[Image]:
    n_objects = Counter(item.located.image_id for item in converted)
    numbers: Counter[str] = Counter()
    images = []
    for item in converted:
        located = item.located
        numbers[located.image_id] += 1
        several = n_objects[located.image_id] > 1
        keypoints = names[item.category]
        images.append(
            Image(
                path=_relative(located.file, folder),
                category=item.category,
                keypoints={name: xy for name, xy in item.points.items() if name in keypoints},
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
    converted: Sequence[ConvertedObject],
    names: Mapping[str, list[str]],
    choices: Choices,
    report: Report,
) -> bool:
    """Whether the data set has keypoints that are known to be absent."""
    lacking = [
        (item.located.annotated.place, missing)
        for item in converted
        if (missing := [name for name in names[item.category] if name not in item.points])
    ]
    report.counts["not labelled"] = sum(len(missing) for _, missing in lacking)
    absent = [p for item in converted for n, p in item.points.items() if p is None]
    report.counts["not visible"] = len(absent)
    if not lacking:
        return True
    objects = [f"{place}: {', '.join(missing)}" for place, missing in lacking]
    sentence = f"Objects that lack a keypoint: {len(objects):,} ({name_first(objects)})."
    if choices.unlabelled == "absent":
        report.notes.append(f"{sentence} These keypoints count as absent.")
        return True
    report.notes.append(
        f"{sentence} The export does not state whether they are visible: has_absent is false in the "
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
    of_category = Counter(image.category for image in images)
    n_pairs = sum(n * (n - 1) for n in of_category.values())
    if manifest.rule.n is None and n_pairs > _MANY_PAIRS:
        report.notes.append(
            f"Pairs: up to {n_pairs:,}. Add --pairs N to draw N of each category at random."
        )
    without_box = [str(image.id) for image in images if image.box is None]
    if without_box:
        report.notes.append(
            f"Objects without a box: {len(without_box):,} ({name_first(without_box)}). The box "
            "around the keypoints takes its place, and gives the size T of PCK."
        )
    pairs = [f"{a}–{b}" for c in manifest.categories.values() for a, b in mirror_of(c)]
    if pairs:
        report.notes.append(f"Mirror pairs: {len(pairs):,} ({name_first(pairs)}).")
