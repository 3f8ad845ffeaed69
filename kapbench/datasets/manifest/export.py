"""Any data set written as a manifest: for other tools, and to look at."""

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
    """A data set's pairs, photographs and masks (as PNG) below a folder; returns the manifest's path.

    Keypoints are named by their ids, files by their number. A photograph with several objects is
    written for each.

    Raises:
        KapbenchError: a photograph that cannot be read; no pairs; symmetries that differ between
            pairs of one category.
    """
    pairs = dataset.pairs()
    if not pairs:
        raise KapbenchError("no pairs to write", place=f"{dataset.name}, split {dataset.split}")
    views = {view.image_id: view for pair in pairs for view in (pair.source, pair.target)}
    tables = {
        c: _table(c, [p for p in pairs if p.source.category == c]) for c in _categories(pairs)
    }
    images = [
        _image(dataset, views[name], i, len(tables[views[name].category][0]), folder)
        for i, name in enumerate(sorted(views))
    ]
    found = Manifest(
        name=dataset.name, split=dataset.split, size_from=dataset.size_from,
        has_absent=dataset.has_absent, licence=dataset.licence, citation=dataset.citation,
        categories={name: _category(table) for name, table in tables.items()}, images=images,
        pairs=[(p.source.image_id, p.target.image_id) for p in pairs],
    )  # fmt: skip
    path = folder / FILE
    write_atomically(path, found.model_dump_json(indent=1, exclude_none=True).encode())
    return path


def _categories(pairs: Sequence[Pair]) -> list[str]:
    return sorted({pair.source.category for pair in pairs})


def _table(category: str, pairs: Sequence[Pair]) -> Symmetry:
    """Groups and twins of as many keypoints as any pair has (PF-PASCAL's have their own number)."""
    longest = max(pairs, key=lambda pair: len(pair.groups))
    groups, twins = longest.groups, longest.twins
    for pair in pairs:
        n = len(pair.groups)
        if (pair.groups != groups[:n]).any() or (pair.twins != twins[:n]).any():
            raise KapbenchError(
                f"symmetries of '{category}' differ between pairs", place=pair.pair_id,
                fix="a manifest has one table of each category",
            )  # fmt: skip
    return groups, twins


def _image(dataset: Dataset, view: View, number: int, n_of_category: int, folder: Path) -> Image:
    from PIL import Image as Picture

    place, mask = f"images/{number:06d}.png", dataset.mask(view)
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(dataset.pixels(view)).save(folder / place)
    if mask is not None:
        (folder / "masks").mkdir(exist_ok=True)
        Picture.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(
            folder / f"masks/{number:06d}.png"
        )
    names = [str(k) for k in range(len(view.keypoints.visible))]
    points = {
        name: (float(x), float(y)) if shown else None
        for name, (x, y), shown in zip(
            names, view.keypoints.xy, view.keypoints.visible, strict=True
        )
    }
    return Image(
        path=place, category=view.category, keypoints=points, id=view.image_id, width=view.size[0],
        height=view.size[1], box=view.bbox, azimuth_bin=view.azimuth_bin,
        mask=None if mask is None else f"masks/{number:06d}.png",
        names=names if len(names) < n_of_category else None,
        truncated=view.truncated, occluded=view.occluded,
    )  # fmt: skip


def _category(table: Symmetry) -> Category:
    groups, twins = table
    numbers = sorted(set(groups[groups >= 0].tolist()))
    return Category(
        keypoints=[str(k) for k in range(len(groups))],
        groups=[[str(k) for k in np.flatnonzero(groups == g)] for g in numbers],
        mirror=[(str(k), str(t)) for k, t in enumerate(twins.tolist()) if k < t],
    )
