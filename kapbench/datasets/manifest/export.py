"""Writes any data set as a manifest, for other tools and for inspection."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kapbench.datasets.manifest.schema import Category, Image, Manifest
from kapbench.datasets.symmetry import Symmetry
from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset
from kapbench.storage import write_atomically
from kapbench.types import Pair, View

FILE = "manifest.json"


def write_manifest(dataset: Dataset, folder: Path) -> Path:
    """Writes pairs, photographs and masks (as PNG) below a folder; returns the manifest's path.

    Keypoints are named by their ids, files by their number. A photograph with several objects is
    written once per object.

    Raises:
        KapbenchError: a photograph that cannot be read; no pairs; a pair of two categories;
            symmetries that differ between pairs of one category.
    """
    pairs = dataset.pairs()
    if not pairs:
        raise KapbenchError(
            "The data set has no pairs to write", place=f"{dataset.name}, split {dataset.split}"
        )
    _refuse_two_categories(pairs)
    views = {view.image_id: view for pair in pairs for view in (pair.source, pair.target)}
    categories = sorted({pair.category for pair in pairs})
    tables = {category: _find_table(category, pairs) for category in categories}
    images = [
        _write_image(dataset, views[name], i, len(tables[views[name].category][0]), folder)
        for i, name in enumerate(sorted(views))
    ]
    manifest = Manifest(
        name=dataset.name,
        split=dataset.split,
        size_from=dataset.size_from,
        has_absent=dataset.has_absent,
        licence=dataset.licence,
        citation=dataset.citation,
        categories={name: _make_category(table) for name, table in tables.items()},
        images=images,
        pairs=[(p.source.image_id, p.target.image_id) for p in pairs],
    )
    path = folder / FILE
    write_atomically(path, manifest.model_dump_json(indent=1, exclude_none=True).encode())
    return path


def _refuse_two_categories(pairs: Sequence[Pair]) -> None:
    for pair in pairs:
        if not pair.category == pair.source.category == pair.target.category:
            raise KapbenchError(
                f"A pair of {pair.source.category} and {pair.target.category}, of the pair group "
                f"'{pair.category}', cannot be written: a manifest has pairs within a category",
                place=pair.pair_id,
                fix="Export a data set whose pairs are within categories",
            )


def _find_table(category: str, all_pairs: Sequence[Pair]) -> Symmetry:
    """Groups and twins of the longest pair: in PF-PASCAL, pairs differ in number of keypoints."""
    pairs = [pair for pair in all_pairs if pair.category == category]
    longest = max(pairs, key=lambda pair: len(pair.groups))
    groups, twins = longest.groups, longest.twins
    for pair in pairs:
        n = len(pair.groups)
        if (pair.groups != groups[:n]).any() or (pair.twins != twins[:n]).any():
            raise KapbenchError(
                f"The symmetry tables of '{category}' differ between pairs",
                place=pair.pair_id,
                fix="A manifest has one table per category: export a part of the data set",
            )
    return groups, twins


def _write_image(
    dataset: Dataset, view: View, number: int, n_of_category: int, folder: Path
) -> Image:
    from PIL import Image as Picture

    file, mask = f"{number:06d}.png", dataset.mask(view)
    place, mask_place = f"images/{file}", f"masks/{file}"
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(dataset.pixels(view)).save(folder / place)
    if mask is not None:
        (folder / "masks").mkdir(exist_ok=True)
        Picture.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(folder / mask_place)
    names = [str(k) for k in range(len(view.keypoints.visible))]
    keypoints = zip(names, view.keypoints.xy.tolist(), view.keypoints.visible, strict=True)
    points = {name: (x, y) if visible else None for name, (x, y), visible in keypoints}
    return Image(
        path=place,
        category=view.category,
        keypoints=points,
        id=view.image_id,
        width=view.size[0],
        height=view.size[1],
        box=view.bbox,
        azimuth_bin=view.azimuth_bin,
        mask=None if mask is None else mask_place,
        names=names if len(names) < n_of_category else None,
        truncated=view.truncated,
        occluded=view.occluded,
    )


def _make_category(table: Symmetry) -> Category:
    groups, twins = table
    numbers = sorted(set(groups[groups >= 0].tolist()))
    return Category(
        keypoints=[str(k) for k in range(len(groups))],
        groups=[[str(k) for k in np.flatnonzero(groups == g)] for g in numbers],
        mirror=[(str(k), str(t)) for k, t in enumerate(twins.tolist()) if k < t],
    )
