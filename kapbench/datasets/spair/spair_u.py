"""SPair-U (Mariotti et al. 2025): further keypoints on SPair-71k's test images."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat

from kapbench.datasets import reading as read
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.pair_list import Listed
from kapbench.datasets.spair.files import absent
from kapbench.datasets.spair.image_annotation import parse_view
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

    Photographs, sizes, boxes, viewpoints and masks are SPair-71k's, which must be there too: a
    category is there when all of its files are. No table of its symmetries is known here: every
    keypoint stands alone.

    Args:
        split: test.
        root: The data root that holds the folders SPair-U and SPair-71k.
        symmetry_file: A table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: another split, no category whole, data that cannot be understood.
    """
    read.choose("split", split, SPLITS, NAME)
    folder = read.folder_of(root, SOURCE.folder)
    spair = folder.parent / SPAIR.folder
    files = sorted((folder / "ExtraPairAnnotation" / split).glob("*.json"))
    if not files:
        raise KapbenchError("no pairs", place=folder / "ExtraPairAnnotation" / split, fix=FIX)
    lines = [_named(path) for path in files]
    stems = _stems(lines)
    whole = _whole(stems, folder, spair)
    contents: list[bytes | str] = (
        [] if symmetry_file is None
        else [read.read_bytes(Path(symmetry_file).expanduser(), "give a file that is there")]
    )  # fmt: skip
    views: dict[str, View] = {}
    for category in whole:
        for stem in stems[category]:
            content, view = _view(folder, spair, category, stem)
            contents.append(content)
            views[view.image_id] = view
    n_of = dict.fromkeys(whole, 0)
    for view in views.values():
        n_of[view.category] = max(n_of[view.category], len(view.keypoints.visible))
    kept = [line for line in lines if line.category in whole]
    contents += [line.name for line in kept]
    pairs = [_pair(line, views, n_of[line.category], symmetry_file) for line in kept]
    paths = {v: spair / "JPEGImages" / f"{v}.jpg" for v in views}
    return Listed(
        NAME, split, read.revision(contents), SOURCE.licence, SOURCE.citation, pairs, paths,
        expected=tuple(stems), n_expected=len(lines),
    )  # fmt: skip


class _Line(NamedTuple):
    """A pair, by the name of its file."""

    name: str
    source: str
    target: str
    category: str


def _stems(lines: list[_Line]) -> dict[str, list[str]]:
    """Names of the images that each category's pairs name; both by alphabet."""
    found: dict[str, set[str]] = {}
    for line in lines:
        found.setdefault(line.category, set()).update((line.source, line.target))
    return {category: sorted(found[category]) for category in sorted(found)}


def _whole(stems: Mapping[str, list[str]], folder: Path, spair: Path) -> list[str]:
    """Categories whose files are all here. KapbenchError where none is."""
    missing = {
        category: [
            base / path
            for base, kind, ending in (
                (folder, "ExtraImageAnnotation", "json"), (spair, "ImageAnnotation", "json"),
                (spair, "JPEGImages", "jpg"),
            )
            for path in absent(base, [f"{kind}/{category}/{stem}.{ending}" for stem in names])
        ]
        for category, names in stems.items()
    }  # fmt: skip
    whole = [category for category, paths in missing.items() if not paths]
    if not whole:
        category, paths = next(iter(missing.items()))
        own = paths[0].is_relative_to(folder)
        raise KapbenchError(
            f"no category of SPair-U is complete: {category} lacks {len(paths)} files",
            place=paths[0], fix=FIX if own else read.get_it("spair", SPAIR.folder),
        )  # fmt: skip
    return whole


def _named(path: Path) -> _Line:
    """From NUMBER-SOURCE-TARGET:CATEGORY."""
    images, _, category = path.stem.partition(":")
    words = images.split("-")
    if len(words) != 3 or not category:
        raise KapbenchError(
            f"'{path.stem}' is no NUMBER-SOURCE-TARGET:CATEGORY", place=path, fix=read.MEND
        )
    return _Line(path.stem, words[1], words[2], category)


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
        raise KapbenchError("kps is not by number", place=f"{path}, key kps", fix=read.MEND)
    xy = np.full((int(ids[-1]) + 1, 2), np.nan)
    for k in ids:
        point = extra[k]
        if point is not None:
            if len(point) != 2 or not (
                0 <= point[0] <= base.size[0] and 0 <= point[1] <= base.size[1]
            ):
                raise KapbenchError(
                    f"{point} is no point of its image", place=f"{path}, key kps.{k}", fix=read.MEND
                )
            xy[int(k)] = point
    points = read.keypoints(xy, ~np.isnan(xy).any(axis=1))
    mask = spair / "Segmentation" / category / f"{stem}.png"
    return whole + content, View(
        f"{category}/{stem}", category, base.size, base.bbox, points, base.azimuth_bin,
        mask if mask.is_file() else None, base.truncated, base.occluded,
    )  # fmt: skip


def _pair(line: _Line, views: Mapping[str, View], n: int, symmetry_file: str | None) -> Pair:
    """Both images with as many ids as any of the category has."""
    source, target = (views[f"{line.category}/{stem}"] for stem in (line.source, line.target))
    groups, twins = (
        of_table(n, [], []) if symmetry_file is None
        else read_override(symmetry_file, source.category, n)
    )  # fmt: skip
    size = read.longer_side(target.bbox)
    return Pair(line.name, _with(source, n), _with(target, n), size, groups, twins)


def _with(view: View, n: int) -> View:
    missing = n - len(view.keypoints.visible)
    xy = np.concatenate([view.keypoints.xy, np.full((missing, 2), np.nan)])
    points: Keypoints = read.keypoints(xy, ~np.isnan(xy).any(axis=1))
    return replace(view, keypoints=points)
