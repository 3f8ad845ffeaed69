"""The user's own data as a data set: `manifest:FILE`, and any data set written as one."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kapbench.datasets import annotations as read
from kapbench.datasets.images import image_size, read_rgb, read_upright
from kapbench.datasets.listed import Listed
from kapbench.datasets.manifest_check import open_manifest
from kapbench.datasets.manifest_schema import Category, Image, Manifest, image_id
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.symmetry import Symmetry, mirror_by_name, of_table
from kapbench.errors import KapbenchError
from kapbench.files import write_atomically
from kapbench.protocols import Dataset
from kapbench.types import Pair, View

FILE = "manifest.json"


def manifest(path: str, split: str | None = None) -> Listed:
    """Images and keypoints of your own: one JSON or CSV file, see docs/datasets/manifest.md.

    Args:
        path: The file; photographs are named from its folder.
        split: What the file says it is, test by default.

    Raises:
        KapbenchError: a file that is not there or has a problem.
    """
    file = Path(path).expanduser()
    found, content = open_manifest(file)
    read.choose("split", split or found.split, (found.split,), f"manifest:{file.name}")
    views = {image_id(image): _view(image, found, file.parent) for image in found.images}
    symmetry = {name: _symmetry(category) for name, category in found.categories.items()}
    pairs = [
        Pair(f"{s.image_id}>{t.image_id}", s, t, _size(t, found), *symmetry[s.category])
        for s, t in _pairs(found, views)
    ]
    if not pairs:
        raise KapbenchError(
            f"no two images share {found.rule.min_shared} keypoints", place=file,
            fix="lower rule.min_shared, or list pairs",
        )  # fmt: skip
    return Listed(
        found.name, found.split, read.revision([content]), found.licence, found.citation, pairs,
        {image_id(image): file.parent / image.path for image in found.images},
        size_from=found.size_from, has_absent=found.has_absent, more_views=tuple(views.values()),
        read=read_upright if found.exif else read_rgb,
    )  # fmt: skip


def write_manifest(dataset: Dataset, folder: Path) -> Path:
    """A data set's pairs and photographs (as PNG) below a folder; returns the manifest's path.

    Keypoints are named by their ids. A photograph with several objects is written for each.

    Raises:
        KapbenchError: a photograph that cannot be read.
    """
    from PIL import Image as Picture

    pairs = dataset.pairs()
    views = {view.image_id: view for pair in pairs for view in (pair.source, pair.target)}
    tables = {pair.source.category: (pair.groups, pair.twins) for pair in pairs}
    images = []
    for name, view in sorted(views.items()):
        place = f"images/{name.replace('#', '_')}.png"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(dataset.pixels(view)).save(folder / place)
        images.append(_described(view, place, folder))
    # Categories whose pairs have keypoints of their own (PF-PASCAL) get as many as any image has.
    found = Manifest(
        name=dataset.name, split=dataset.split, size_from=dataset.size_from,
        has_absent=dataset.has_absent, licence=dataset.licence, citation=dataset.citation,
        categories={c: _category(c, tables[c], views) for c in sorted(tables)}, images=images,
        pairs=[(p.source.image_id, p.target.image_id) for p in pairs],
    )  # fmt: skip
    path = folder / FILE
    write_atomically(path, found.model_dump_json(indent=1, exclude_none=True).encode())
    return path


def _view(image: Image, found: Manifest, folder: Path) -> View:
    names = found.categories[image.category].keypoints
    xy = np.array([image.keypoints.get(name) or (np.nan, np.nan) for name in names], np.float64)
    points = read.keypoints(xy, np.isfinite(xy[:, 0]))
    size = (
        (image.width, image.height)
        if image.width is not None and image.height is not None
        else image_size(folder / image.path)
    )
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    around = read.box_around(points) if points.visible.sum() > 1 else whole
    return View(
        image_id(image), image.category, size, image.box or around, points, image.azimuth_bin,
        None if image.mask is None else folder / image.mask, image.truncated, image.occluded,
    )  # fmt: skip


def _symmetry(category: Category) -> Symmetry:
    ids = {name: k for k, name in enumerate(category.keypoints)}
    mirror = (
        [(ids[a], ids[b]) for a, b in category.mirror] if category.mirror is not None
        else mirror_by_name(category.keypoints)
    )  # fmt: skip
    groups = [[ids[name] for name in members] for members in category.groups]
    return of_table(len(ids), groups, mirror)


def _pairs(found: Manifest, views: Mapping[str, View]) -> list[tuple[View, View]]:
    if found.pairs is not None:
        return [(views[source], views[target]) for source, target in found.pairs]
    rule = PairRule(found.rule.n, found.rule.seed, found.rule.min_shared)
    by_category: dict[str, list[View]] = {}
    for view in views.values():
        by_category.setdefault(view.category, []).append(view)
    return [pair for name in sorted(by_category) for pair in rule.draw(by_category[name])]


def _size(target: View, found: Manifest) -> float:
    return read.longer_side(target.bbox) if found.size_from == "box" else float(max(target.size))


def _described(view: View, place: str, folder: Path) -> Image:
    points = {
        str(k): (float(x), float(y)) if shown else None
        for k, ((x, y), shown) in enumerate(
            zip(view.keypoints.xy, view.keypoints.visible, strict=True)
        )
    }
    mask = None if view.mask is None else Path(os.path.relpath(view.mask, folder)).as_posix()
    return Image(
        path=place, category=view.category, keypoints=points, id=view.image_id, width=view.size[0],
        height=view.size[1], box=view.bbox, azimuth_bin=view.azimuth_bin, mask=mask,
        truncated=view.truncated, occluded=view.occluded,
    )  # fmt: skip


def _category(name: str, table: Symmetry, views: Mapping[str, View]) -> Category:
    n = max(len(v.keypoints.visible) for v in views.values() if v.category == name)
    groups, twins = table
    numbers = sorted(set(groups[groups >= 0].tolist()))
    return Category(
        keypoints=[str(k) for k in range(n)],
        groups=[[str(k) for k in np.flatnonzero(groups == g)] for g in numbers],
        mirror=[(str(k), str(t)) for k, t in enumerate(twins.tolist()) if k < t],
    )


def schema() -> dict[str, Any]:
    """JSON schema of a manifest."""
    return Manifest.model_json_schema()


def schema_text() -> str:
    """What manifest.schema.json holds."""
    return json.dumps(schema(), indent=1) + "\n"
