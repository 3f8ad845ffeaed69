"""The user's own data as a data set: `manifest:FILE`."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kapbench.datasets import reading as read
from kapbench.datasets.images import read_rgb, read_upright
from kapbench.datasets.manifest.check import open_manifest, size_as_read
from kapbench.datasets.manifest.export import write_manifest
from kapbench.datasets.manifest.schema import (
    Image,
    Manifest,
    groups_of,
    image_id,
    mirror_of,
    names_of,
)
from kapbench.datasets.pair_list import Listed
from kapbench.datasets.pairing import PairRule, no_pairs
from kapbench.datasets.reading import counting_from_one
from kapbench.datasets.symmetry import Symmetry, of_table, read_override
from kapbench.types import Pair, View

__all__ = ["manifest", "schema", "schema_text", "write_manifest"]


def manifest(path: str, split: str | None = None, symmetry_file: str | None = None) -> Listed:
    """Images and keypoints of your own: one JSON or CSV file, see docs/datasets/manifest.md.

    Args:
        path: The file; photographs are named from its folder.
        split: What the file says it is, test by default.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: a file that is not there or has a problem.
    """
    file = Path(path).expanduser()
    found, contents = open_manifest(file)
    read.choose("split", split or found.split, (found.split,), f"manifest:{file.name}")
    views = {image_id(image): _view(image, found, file.parent) for image in found.images}
    tables = {image_id(image): _symmetry(image, found, symmetry_file) for image in found.images}
    pairs = [
        Pair(f"{s.image_id}>{t.image_id}", s, t, _size(t, found), *tables[s.image_id])
        for s, t in _pairs(found, views)
    ]
    if not pairs:
        by_category = _by_category(views.values()).values()
        raise no_pairs(by_category, found.rule.min_shared, file, "rule.min_shared, or list pairs")
    symmetry = [part.tobytes() for name in sorted(tables) for part in tables[name]]
    return Listed(
        found.name, found.split, read.revision([*contents, *symmetry]), found.licence,
        found.citation, pairs, {image_id(image): file.parent / image.path for image in found.images},
        size_from=found.size_from, has_absent=found.has_absent, more_views=tuple(views.values()),
        read=read_upright if found.exif else read_rgb,
        remarks=tuple(counting_from_one(views.values())),
    )  # fmt: skip


def _view(image: Image, found: Manifest, folder: Path) -> View:
    names = names_of(image, found)
    xy = np.array([image.keypoints.get(name) or (np.nan, np.nan) for name in names], np.float64)
    points = read.keypoints(xy, np.isfinite(xy[:, 0]))
    size = (
        (image.width, image.height)
        if image.width is not None and image.height is not None
        else size_as_read(folder / image.path, found)
    )
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    around = read.box_around(points) if points.visible.sum() > 1 else whole
    return View(
        image_id(image), image.category, size, image.box or around, points, image.azimuth_bin,
        None if image.mask is None else folder / image.mask, image.truncated, image.occluded,
    )  # fmt: skip


def _symmetry(image: Image, found: Manifest, symmetry_file: str | None) -> Symmetry:
    """Of an image's keypoints: what its category says of those that it has."""
    names, category = names_of(image, found), found.categories[image.category]
    if symmetry_file is not None:
        return read_override(symmetry_file, image.category, len(names))
    ids = {name: k for k, name in enumerate(names)}
    mirror = [(ids[a], ids[b]) for a, b in mirror_of(category) if a in ids and b in ids]
    groups = [[ids[n] for n in members if n in ids] for members in groups_of(category)]
    return of_table(len(ids), groups, mirror)


def _pairs(found: Manifest, views: Mapping[str, View]) -> list[tuple[View, View]]:
    if found.pairs is not None:
        return [(views[source], views[target]) for source, target in found.pairs]
    rule = PairRule(found.rule.n, found.rule.seed, found.rule.min_shared)
    return [
        pair for _, of in sorted(_by_category(views.values()).items()) for pair in rule.draw(of)
    ]


def _by_category(views: Iterable[View]) -> dict[str, list[View]]:
    found: dict[str, list[View]] = {}
    for view in views:
        found.setdefault(view.category, []).append(view)
    return found


def _size(target: View, found: Manifest) -> float:
    return read.longer_side(target.bbox) if found.size_from == "box" else float(max(target.size))


def schema() -> dict[str, Any]:
    """JSON schema of a manifest."""
    return Manifest.model_json_schema()


def schema_text() -> str:
    """What manifest.schema.json holds."""
    return json.dumps(schema(), indent=1) + "\n"
