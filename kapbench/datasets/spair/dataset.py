"""SPair-71k in its official layout: pairs of Layout, keypoints of ImageAnnotation."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.pair_list import PairList, pair_by_box
from kapbench.datasets.spair.image_annotation import list_missing, parse_view
from kapbench.datasets.spair.pair_list_file import CORRECT_PAIR, Line, list_stems, read_layout
from kapbench.datasets.symmetry import Symmetry, pick_symmetry, symmetry
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View
from kapbench.untrusted.strict_text import read_bytes

SOURCE = SOURCES["spair"]
SPLITS = ("trn", "val", "test")
LAYOUTS = ("large", "small")
FIX = reading.fetch_hint("spair", SOURCE.folder)


def spair(
    split: str = "test",
    root: str | Path | None = None,
    layout: str = "large",
    symmetry_file: str | None = None,
) -> PairList:
    """SPair-71k, large layout (12,234 test pairs).

    The categories are those whose files are all present.

    Args:
        split: trn, val or test.
        root: The data root that holds the folder SPair-71k, or that folder. By default
            KAPBENCH_DATA, else the user data folder.
        layout: large or small.
        symmetry_file: Another table of groups and mirror twins, of every category that is present;
            see docs/datasets/README.md. It changes the revision.

    Raises:
        KapbenchError: an unknown split or layout, no data, or no complete category.
    """
    reading.check_choice("split", split, SPLITS, "spair")
    reading.check_choice("layout", layout, LAYOUTS, "spair")
    folder = reading.find_folder(root, SOURCE.folder)
    layout_file = folder / "Layout" / layout / f"{split}.txt"
    lines = read_layout(layout_file, FIX)
    stems = list_stems(lines)
    missing = {category: _list_missing(folder, category, stems[category]) for category in stems}
    _check_images(lines, stems, missing)
    complete = [category for category in stems if not missing[category]]
    if not complete:
        refuse_incomplete(f"SPair-71k's {split} split", missing, FIX)
    tables = {c: pick_symmetry(symmetry(c), c, symmetry_file) for c in complete}
    contents, views = _read_views(folder, {category: stems[category] for category in complete})
    changed = () if symmetry_file is None else tables.values()
    return PairList(
        "spair" if layout == "large" else f"spair.{layout}",
        split,
        _hash(
            layout_file.read_bytes(),
            *contents,
            *(part.tobytes() for table in changed for part in table),
        ),
        *SOURCE.terms,
        make_pairs(lines, views, tables),
        {image_id: folder / "JPEGImages" / f"{image_id}.jpg" for image_id in views},
        expected=tuple(stems),
        n_expected=len(lines),
        missing=missing,
        remarks=reading.remark_on_boxes(
            views.values(), "x1, y1, x2, y2, and are those of these images"
        ),
    )


def small(
    split: str = "test", root: str | Path | None = None, symmetry_file: str | None = None
) -> PairList:
    """SPair-71k, small layout (2,438 test pairs)."""
    return spair(split, root, "small", symmetry_file)


def make_pairs(
    lines: Sequence[Line], views: Mapping[str, View], tables: Mapping[str, Symmetry]
) -> list[Pair]:
    """The pairs of the complete categories, which are those that have a symmetry table."""
    return [
        pair_by_box(
            line.pair_id,
            views[f"{line.category}/{line.source}"],
            views[f"{line.category}/{line.target}"],
            tables[line.category],
        )
        for line in lines
        if line.category in tables
    ]


def refuse_incomplete(title: str, missing: Mapping[str, Sequence[Path]], fix: str) -> None:
    """Raises the KapbenchError for a data set without a complete category."""
    category, paths = next(iter(missing.items()))
    raise KapbenchError(
        f"No category of {title} is complete: {category} lacks {len(paths)} files, the first is "
        "named below",
        place=paths[0],
        fix=fix,
    )


def _read_views(
    folder: Path, stems: Mapping[str, Sequence[str]]
) -> tuple[list[bytes], dict[str, View]]:
    """Contents of the annotations, and the images by id."""
    contents, views = [], {}
    for category in stems:
        masks = reading.list_names(folder / "Segmentation" / category)
        for stem in stems[category]:
            path = folder / "ImageAnnotation" / category / f"{stem}.json"
            mask = folder / "Segmentation" / category / f"{stem}.png"
            contents.append(read_bytes(path, FIX))
            view = parse_view(contents[-1], path, category, mask if mask.name in masks else None)
            views[view.image_id] = view
    return contents, views


def _list_missing(folder: Path, category: str, stems: Sequence[str]) -> list[Path]:
    kinds = {f"ImageAnnotation/{category}": ".json", f"JPEGImages/{category}": ".jpg"}
    return list_missing(folder, kinds, stems)


def _check_images(
    lines: Sequence[Line], stems: Mapping[str, Sequence[str]], missing: Mapping[str, Sequence[Path]]
) -> None:
    """Refuses a pair of an image that lacks all of its files in an otherwise complete category."""
    for category, paths in missing.items():
        names = [path.stem for path in paths]
        absent = {name for name in names if names.count(name) == 2}  # annotation and photograph
        if absent and absent == set(names) != set(stems[category]):
            line, name = next(
                (line, name)
                for line in lines
                for name in (line.source, line.target)
                # as of the paths: a name may be empty, or hold a slash
                if line.category == category and Path(f"{name}.jpg").stem in absent
            )
            raise KapbenchError(
                f"The pair names an image that does not exist: {category}/{name}",
                place=line.place,
                fix=CORRECT_PAIR,
            )


def _hash(*contents: bytes) -> str:
    """The revision as it has always been for SPair-71k: without the lengths of the parts.

    The shipped symmetry tables do not count: a test pins them.
    """
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]
