"""CUB-200-2011 (Wah et al. 2011): 200 species of birds, 15 parts."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kapbench.datasets import reading
from kapbench.datasets.cub.image_list import read_image_list
from kapbench.datasets.cub.tables import PART_NAMES, Tables
from kapbench.datasets.demystifying import DEMYSTIFYING, Drawn, ScoredLines, in_category
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import PairList, pair_present
from kapbench.datasets.pairing import PairRule, group_by_category
from kapbench.datasets.symmetry import Symmetry, pick_symmetry, symmetry
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View
from kapbench.untrusted.regular_files import is_file
from kapbench.untrusted.strict_text import integer, read_bytes

NAME = "cub"
SOURCE = SOURCES[NAME]
SPLITS = ("test", "trn", "all")
PAIRS = 20
FIX = reading.fetch_hint(NAME, SOURCE.folder)


def cub(
    split: str = "test",
    root: str | Path | None = None,
    pairs: Drawn | None = None,
    seed: int = 0,
    photographs: bool = True,
    symmetry_file: str | None = None,
    image_list: str | None = None,
) -> PairList:
    """CUB-200-2011 by our own pairs, of a species that share a part, or by those of Demystifying.

    T is the longer side of the target's box.

    Args:
        split: test or trn by train_test_split.txt, or all.
        root: The data root that holds the folder CUB_200_2011, or that folder.
        pairs: Per species, drawn with `seed`; by default 20, and all where a list of images is
            given. Or demystifying, its published list, whose pairs join any two species.
        photographs: Whether pairs without photographs are left out. False keeps all pairs; an
            image then has the smallest size that holds its box and parts, and a number as id.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.
        image_list: A file of images that replaces the split: ASIC's .mat, or text with one number
            or path per line.

    Raises:
        KapbenchError: another split, a file that is missing or cannot be understood.
    """
    reading.check_choice("split", split, SPLITS, NAME)
    folder = reading.find_folder(root, SOURCE.folder)
    table = pick_symmetry(symmetry("bird", NAME), "bird", symmetry_file)
    if isinstance(pairs, str):
        _check_listed(split, image_list)
        return _listed(folder, table, photographs=photographs)
    rule = PairRule(n=PAIRS if pairs is None and image_list is None else pairs, seed=seed)
    tables = Tables(folder, FIX)
    names = tables.names() if photographs else {}
    if photographs and not names:
        raise _describe_no_photograph(folder)
    annotated = {n: (view, out) for n, view, out in _annotate(tables, names, split, image_list)}
    by_species = group_by_category(view for view, _ in annotated.values())
    drawn = [pair for species in sorted(by_species) for pair in rule.draw(by_species[species])]
    paths = {annotated[n][0].image_id: folder / "images" / names[n] for n in annotated if names}
    present, n_outside = _fit_photographs(annotated.values(), paths)
    pairs_present = pair_present(drawn, present, table)
    if not pairs_present:
        raise _describe_no_photograph(folder)
    contents: list[bytes | str] = [*tables.contents.values(), repr(rule), split, str(photographs)]
    contents += [part.tobytes() for part in table]
    return PairList(
        NAME,
        split,
        reading.hash_revision([*contents, *reading.list_sizes(present.values())]),
        *SOURCE.terms,
        pairs_present,
        {image_id: path for image_id, path in paths.items() if image_id in present},
        expected=tuple(sorted(by_species)),
        n_expected=len(drawn),
        missing=_list_missing(pairs_present, by_species, paths),
        more_views=list(present.values()),
        remarks=reading.remark_on_outside(n_outside),
        names=dict.fromkeys(by_species, PART_NAMES),
    )


demystifying = functools.partial(cub, pairs=DEMYSTIFYING)


def _check_listed(split: str, image_list: str | None) -> None:
    """KapbenchError for another split, or where another option chooses images as well."""
    reading.check_choice("split", split, ("test",), f"{NAME}.{DEMYSTIFYING}")
    if image_list is not None:
        raise KapbenchError(
            f"The pairs of {DEMYSTIFYING} name their images, and so does image_list",
            place=f"data set {NAME}",
            fix="Leave one of the two options out",
        )


def _listed(folder: Path, table: Symmetry, *, photographs: bool) -> PairList:
    """The list of Demystifying, which names images by their number in images.txt."""
    scored = ScoredLines.read(NAME, folder)
    tables = Tables(folder, FIX)
    names = tables.names() if photographs else {}
    if photographs and not names:
        raise _describe_no_photograph(folder)
    labels = tables.labels()
    numbers = {n for name in scored.names if (n := integer(name)) is not None and n in labels}
    annotated = {n: (view, out) for n, view, out in tables.views(numbers, names, labels)}
    id_of = {str(n): view.image_id for n, (view, _) in annotated.items()}
    paths = {id_of[str(n)]: folder / "images" / names[n] for n in annotated if names}
    present, n_outside = _fit_photographs(annotated.values(), paths)
    views = in_category(present, "bird")
    pairs = scored.pairs(views, {*id_of.values()}, lambda number: id_of.get(number, ""), table)
    if not pairs:
        raise _describe_no_photograph(folder)
    contents: list[bytes | str] = [scored.content, *tables.contents.values(), str(photographs)]
    contents += [part.tobytes() for part in table]
    return PairList(
        scored.name,
        "test",
        reading.hash_revision([*contents, *reading.list_sizes(views.values())]),
        *SOURCE.terms,
        pairs,
        {image_id: path for image_id, path in paths.items() if image_id in views},
        n_expected=len(scored.lines),
        remarks=(*reading.remark_on_outside(n_outside), *scored.remarks),
        names={"bird": PART_NAMES},
    )


def _annotate(
    tables: Tables, names: Mapping[int, str], split: str, image_list: str | None
) -> Iterator[tuple[int, View, int]]:
    """Number, view and count of parts outside, for each image of the split or of the list."""
    labels = tables.labels()
    if image_list is not None:
        path = Path(image_list).expanduser()
        tables.contents["list"] = read_bytes(path, "Give the path of a file of images")
        wanted = read_image_list(tables.contents["list"], path, names or tables.names())
    else:
        wanted = set(labels if split == "all" else tables.of_split(split))
    return tables.views(wanted, names, labels)


def _fit_photographs(
    annotated: Iterable[tuple[View, int]], paths: Mapping[str, Path]
) -> tuple[dict[str, View], int]:
    """Views by id with the size of their photograph, and how many parts lie outside of it.

    A view without a photograph, or without a part inside it, is left out. Without paths, all views
    are kept as they are.
    """
    if not paths:
        views = list(annotated)
        return {view.image_id: view for view, _ in views}, sum(n for _, n in views)
    present, n_outside = {}, 0
    for view, n_before in annotated:
        path = paths[view.image_id]
        if is_file(path):
            size = image_size(path)
            points, n_beyond = reading.drop_outside(view.keypoints, size)
            n_outside += n_before + n_beyond
            if points.visible.any() or not n_beyond:
                present[view.image_id] = replace(view, size=size, keypoints=points)
    return present, n_outside


def _list_missing(
    pairs: Iterable[Pair], by_species: Mapping[str, Sequence[View]], paths: Mapping[str, Path]
) -> dict[str, list[Path]]:
    """The missing photographs of each species that has no pair."""
    present = {pair.source.category for pair in pairs}
    photographs = {
        species: [paths[view.image_id] for view in views]
        for species, views in by_species.items()
        if paths and species not in present
    }
    missing = {s: [p for p in files if not is_file(p)] for s, files in photographs.items()}
    return {species: files for species, files in missing.items() if files}


def _describe_no_photograph(folder: Path) -> KapbenchError:
    return KapbenchError(
        "There is no photograph of CUB-200-2011",
        place=folder / "images",
        fix=f"{FIX}; for the annotations only, add --dataset-option photographs=false",
    )
