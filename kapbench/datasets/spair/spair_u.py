"""SPair-U (Mariotti et al. 2025): further keypoints on SPair-71k's test images."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.pair_list import PairList
from kapbench.datasets.spair.dataset import make_pairs, refuse_incomplete
from kapbench.datasets.spair.image_annotation import Slot, list_missing, parse_view, place_keypoints
from kapbench.datasets.spair.pair_list_file import (
    Line,
    list_stems,
    parse_line,
    refuse_repeats,
    restore_colon,
)
from kapbench.datasets.symmetry import pick_symmetry, stand_alone
from kapbench.errors import KapbenchError
from kapbench.paths import list_files
from kapbench.types import View
from kapbench.untrusted.strict_text import parse_json, read_bytes

NAME, SPLITS = "spair-u", ("test",)
SOURCE, SPAIR = SOURCES[NAME], SOURCES["spair"]
FIX, SPAIR_FIX = reading.fetch_hint(NAME, SOURCE.folder), reading.fetch_hint("spair", SPAIR.folder)


class _Extra(BaseModel):
    """The keys that are read of an ExtraImageAnnotation file."""

    model_config = ConfigDict(strict=True)

    kps: Annotated[
        dict[Slot, Annotated[list[reading.Coordinate], Field(min_length=2, max_length=2)] | None],
        Field(min_length=1),
    ]


def spair_u(
    split: str = "test", root: str | Path | None = None, symmetry_file: str | None = None
) -> PairList:
    """SPair-U: pairs of ExtraPairAnnotation, keypoints of ExtraImageAnnotation.

    Photographs, sizes, boxes, viewpoints and masks are those of SPair-71k, which must be below the
    same data root. The categories are those whose files are all present. kapbench knows no table
    of SPair-U's symmetries: without a `symmetry_file`, no keypoint has a group or a counterpart.

    Args:
        split: test.
        root: The data root that holds the folders SPair-U and SPair-71k.
        symmetry_file: A table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: another split, no complete category, data that cannot be understood.
    """
    reading.check_choice("split", split, SPLITS, NAME)
    folder = reading.find_folder(root, SOURCE.folder)
    spair = folder.parent / SPAIR.folder
    lines = _list_pairs(folder / "ExtraPairAnnotation" / split)
    stems = list_stems(lines)
    missing = {c: _list_missing(folder, spair, c, stems[c]) for c in stems}
    complete = [category for category in stems if not missing[category]]
    if not complete:
        first = next(iter(missing.values()))[0]
        refuse_incomplete(SOURCE.title, missing, FIX if first.is_relative_to(folder) else SPAIR_FIX)
    contents: list[bytes | str] = []
    if symmetry_file is not None:
        symmetry_path = Path(symmetry_file).expanduser()
        contents.append(read_bytes(symmetry_path, "Give the path of an existing file"))
    views: dict[str, View] = {}
    for category, stem in [(c, stem) for c in complete for stem in stems[c]]:
        content, view = _read_view(folder, spair, category, stem)
        contents.append(content)
        views[view.image_id] = view
    n_of = dict.fromkeys(complete, 0)
    for view in views.values():
        n_of[view.category] = max(n_of[view.category], len(view.keypoints.visible))
    tables = {c: pick_symmetry(stand_alone(n), c, symmetry_file) for c, n in n_of.items()}
    padded = {name: _pad(view, n_of[view.category]) for name, view in views.items()}
    kept = [line for line in lines if line.category in tables]
    return PairList(
        NAME,
        split,
        reading.hash_revision([*contents, *(line.pair_id for line in kept)]),
        *SOURCE.terms,
        make_pairs(kept, padded, tables),
        {image_id: spair / "JPEGImages" / f"{image_id}.jpg" for image_id in views},
        expected=tuple(stems),
        n_expected=len(lines),
        missing=missing,
    )


def _list_pairs(folder: Path) -> list[Line]:
    """The pairs that the names of the folder's files are."""
    paths = list_files(folder, "*.json")
    lines = [parse_line(restore_colon(path.stem), str(path)) for path in paths]
    if not lines:
        raise KapbenchError("The folder contains no pairs", place=folder, fix=FIX)
    refuse_repeats(lines)
    return lines


def _list_missing(folder: Path, spair: Path, category: str, stems: Sequence[str]) -> list[Path]:
    kinds = {f"ImageAnnotation/{category}": ".json", f"JPEGImages/{category}": ".jpg"}
    own = list_missing(folder, {f"ExtraImageAnnotation/{category}": ".json"}, stems)
    return own + list_missing(spair, kinds, stems)


def _read_view(folder: Path, spair: Path, category: str, stem: str) -> tuple[bytes, View]:
    """Content of both annotations of an image, and the image with the keypoints of SPair-U."""
    base_path = spair / "ImageAnnotation" / category / f"{stem}.json"
    base_content = read_bytes(base_path, SPAIR_FIX)
    mask = spair / "Segmentation" / category / f"{stem}.png"
    view = parse_view(base_content, base_path, category, mask if mask.is_file() else None)
    path = folder / "ExtraImageAnnotation" / category / f"{stem}.json"
    content = read_bytes(path, FIX)
    points = reading.validate(_Extra, parse_json(content, path), path).kps
    xy = place_keypoints(points, 1 + max(map(int, points)), view.size, path)
    keypoints = reading.make_keypoints(xy, ~np.isnan(xy[:, 0]))
    return base_content + content, replace(view, keypoints=keypoints)


def _pad(view: View, n: int) -> View:
    """With as many keypoints as any image of the category has; further ones are not visible."""
    xy = np.full((n, 2), np.nan)
    xy[: len(view.keypoints.xy)] = view.keypoints.xy
    return replace(view, keypoints=reading.make_keypoints(xy, ~np.isnan(xy[:, 0])))
