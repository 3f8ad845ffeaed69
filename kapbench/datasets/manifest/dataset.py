"""The user's own data as a data set: `manifest:FILE`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kapbench.datasets import reading
from kapbench.datasets.images import read_rgb, read_upright
from kapbench.datasets.manifest.check import find_size, open_manifest
from kapbench.datasets.manifest.export import write_manifest
from kapbench.datasets.manifest.schema import (
    Image,
    Manifest,
    groups_of,
    image_id,
    mirror_of,
    names_of,
)
from kapbench.datasets.pair_list import PairList
from kapbench.datasets.pairing import PairRule, describe_no_pairs, group_by_category
from kapbench.datasets.symmetry import Symmetry, of_table, read_symmetry
from kapbench.types import Pair, View

__all__ = ["manifest", "write_manifest"]


def manifest(path: str, split: str | None = None, symmetry_file: str | None = None) -> PairList:
    """Your own images and keypoints in one JSON or CSV file.

    Args:
        path: The file; photographs are named from its folder.
        split: The split that the file states, by default test.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: a file that is missing or has a problem.
    """
    file = Path(path).expanduser()
    content, files = open_manifest(file)
    reading.check_choice("split", split or content.split, (content.split,), f"manifest:{file.name}")
    views = {image_id(image): _make_view(image, content, file.parent) for image in content.images}
    tables = {
        image_id(image): _find_symmetry(image, content, symmetry_file) for image in content.images
    }
    pairs = [
        Pair(f"{s.image_id}>{t.image_id}", s, t, _find_t(t, content), *tables[s.image_id])
        for s, t in _list_pairs(content, views)
    ]
    if not pairs:
        min_shared, option = content.rule.min_shared, "rule.min_shared, or list pairs"
        groups = group_by_category(views.values()).values()
        raise describe_no_pairs(groups, min_shared, file, option)
    symmetry = [part.tobytes() for name in sorted(tables) for part in tables[name]]
    return PairList(
        content.name,
        content.split,
        reading.hash_revision([*files, *symmetry]),
        content.licence,
        content.citation,
        pairs,
        {image_id(image): file.parent / image.path for image in content.images},
        size_from=content.size_from,
        has_absent=content.has_absent,
        more_views=tuple(views.values()),
        read=read_upright if content.exif else read_rgb,
        remarks=tuple(reading.remark_on_counting_from_one(views.values())),
    )


def _make_view(image: Image, content: Manifest, folder: Path) -> View:
    names = names_of(image, content)
    xy = np.array([image.keypoints.get(name) or (np.nan, np.nan) for name in names], np.float64)
    points = reading.make_keypoints(xy, np.isfinite(xy[:, 0]))
    size = (
        (image.width, image.height)
        if image.width is not None and image.height is not None
        else find_size(folder / image.path, content)
    )
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    around = reading.box_around(points) if points.visible.sum() > 1 else whole
    return View(
        image_id(image),
        image.category,
        size,
        image.box or around,
        points,
        image.azimuth_bin,
        None if image.mask is None else folder / image.mask,
        image.truncated,
        image.occluded,
    )


def _find_symmetry(image: Image, content: Manifest, symmetry_file: str | None) -> Symmetry:
    """Groups and counterparts of an image's keypoints, as its category says."""
    names, category = names_of(image, content), content.categories[image.category]
    if symmetry_file is not None:
        return read_symmetry(symmetry_file, image.category, len(names))
    ids = {name: k for k, name in enumerate(names)}
    mirror = [(ids[a], ids[b]) for a, b in mirror_of(category) if a in ids and b in ids]
    groups = [[ids[n] for n in members if n in ids] for members in groups_of(category)]
    return of_table(len(ids), groups, mirror)


def _list_pairs(content: Manifest, views: Mapping[str, View]) -> list[tuple[View, View]]:
    if content.pairs is not None:
        return [(views[source], views[target]) for source, target in content.pairs]
    rule = PairRule(content.rule.n, content.rule.seed, content.rule.min_shared)
    return [
        pair
        for _, of in sorted(group_by_category(views.values()).items())
        for pair in rule.draw(of)
    ]


def _find_t(target: View, content: Manifest) -> float:
    return (
        reading.longer_side(target.bbox) if content.size_from == "box" else float(max(target.size))
    )
