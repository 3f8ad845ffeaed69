"""SPair-U (Mariotti et al. 2025): further keypoints on SPair-71k's test images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat

from kapbench.datasets import annotations as read
from kapbench.datasets.listed import Listed
from kapbench.datasets.sources import SOURCES
from kapbench.datasets.spair_annotation import parse_view
from kapbench.datasets.symmetry import of_table, read_override
from kapbench.errors import KapbenchError
from kapbench.types import Keypoints, Pair, View

NAME, SPLITS = "spair-u", ("test",)
SOURCE, SPAIR = SOURCES[NAME], SOURCES["spair"]
FIX = read.get_it(NAME, SOURCE.folder)


class _Extra(BaseModel):
    """The keys that are read of an ExtraImageAnnotation file."""

    model_config = ConfigDict(strict=True)

    kps: dict[str, list[FiniteFloat] | None]


def spair_u(
    split: str = "test", root: str | Path | None = None, symmetry_file: str | None = None
) -> Listed:
    """SPair-U: pairs of ExtraPairAnnotation, keypoints of ExtraImageAnnotation.

    Photographs, sizes, boxes, viewpoints and masks are SPair-71k's, which must be there too. No
    table of its symmetries is known here: every keypoint stands alone.

    Args:
        split: test.
        root: The data root that holds the folders SPair-U and SPair-71k.
        symmetry_file: A table of groups and mirror twins, see docs/datasets/manifest.md.

    Raises:
        KapbenchError: another split, data that are not here or cannot be understood.
    """
    read.choose("split", split, SPLITS, NAME)
    folder = read.folder_of(root, SOURCE.folder)
    spair = folder.parent / SPAIR.folder
    files = sorted((folder / "ExtraPairAnnotation" / split).glob("*.json"))
    if not files:
        raise KapbenchError("no pairs", place=folder / "ExtraPairAnnotation" / split, fix=FIX)
    contents: list[bytes | str] = (
        [] if symmetry_file is None else [Path(symmetry_file).read_bytes()]
    )
    views: dict[str, View] = {}
    named = []
    for path in files:
        category, stems = _named(path)
        for stem in stems:
            if f"{category}/{stem}" not in views:
                content, view = _view(folder, spair, category, stem)
                contents.append(content)
                views[view.image_id] = view
        contents.append(path.name)
        named.append((path.stem, f"{category}/{stems[0]}", f"{category}/{stems[1]}"))
    n_of = {v.category: 0 for v in views.values()}
    for view in views.values():
        n_of[view.category] = max(n_of[view.category], len(view.keypoints.visible))
    pairs = [_pair(name, views[s], views[t], n_of, symmetry_file) for name, s, t in named]
    paths = {v: spair / "JPEGImages" / f"{v}.jpg" for v in views}
    return Listed(
        NAME, split, read.revision(contents), SOURCE.licence, SOURCE.citation, pairs, paths
    )


def _named(path: Path) -> tuple[str, tuple[str, str]]:
    """Category and the two images' names, from NUMBER-SOURCE-TARGET:CATEGORY."""
    images, _, category = path.stem.partition(":")
    words = images.split("-")
    if len(words) != 3 or not category:
        raise KapbenchError(
            f"'{path.stem}' is no NUMBER-SOURCE-TARGET:CATEGORY", place=path, fix=FIX
        )
    return category, (words[1], words[2])


def _view(folder: Path, spair: Path, category: str, stem: str) -> tuple[bytes, View]:
    own = spair / "ImageAnnotation" / category / f"{stem}.json"
    whole = read.read_bytes(own, read.get_it("spair", SPAIR.folder))
    base = parse_view(whole, own, category, None)
    path = folder / "ExtraImageAnnotation" / category / f"{stem}.json"
    content = read.read_bytes(path, FIX)
    given: Any = read.read_json(content, path)
    extra = read.parsed(_Extra, given, path).kps
    ids = sorted(extra, key=lambda k: int(k) if k.isdecimal() else -1)
    if not ids or not all(k.isdecimal() for k in ids):
        raise KapbenchError("kps is not by number", place=f"{path}, key kps", fix=FIX)
    xy = np.full((int(ids[-1]) + 1, 2), np.nan)
    for k in ids:
        point = extra[k]
        if point is not None:
            if len(point) != 2 or not (
                0 <= point[0] <= base.size[0] and 0 <= point[1] <= base.size[1]
            ):
                raise KapbenchError(
                    f"{point} is no point of its image", place=f"{path}, key kps.{k}", fix=FIX
                )
            xy[int(k)] = point
    points = read.keypoints(xy, ~np.isnan(xy).any(axis=1))
    mask = spair / "Segmentation" / category / f"{stem}.png"
    return whole + content, View(
        f"{category}/{stem}", category, base.size, base.bbox, points, base.azimuth_bin,
        mask if mask.is_file() else None, base.truncated, base.occluded,
    )  # fmt: skip


def _pair(
    name: str, source: View, target: View, n_of: dict[str, int], symmetry_file: str | None
) -> Pair:
    """Both images with as many ids as any of the category has."""
    n = n_of[source.category]
    groups, twins = (
        of_table(n, [], []) if symmetry_file is None
        else read_override(symmetry_file, source.category, n)
    )  # fmt: skip
    size = read.longer_side(target.bbox)
    return Pair(name, _with(source, n), _with(target, n), size, groups, twins)


def _with(view: View, n: int) -> View:
    missing = n - len(view.keypoints.visible)
    xy = np.concatenate([view.keypoints.xy, np.full((missing, 2), np.nan)])
    points: Keypoints = read.keypoints(xy, ~np.isnan(xy).any(axis=1))
    return replace(view, keypoints=points)
