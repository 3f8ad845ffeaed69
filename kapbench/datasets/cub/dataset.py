"""CUB-200-2011 (Wah et al. 2011): 200 species of birds, 15 parts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from kapbench.datasets import reading as read
from kapbench.datasets.cub.image_list import numbers_of
from kapbench.datasets.cub.tables import N_PARTS, Tables
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import Listed, pairs_here
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.symmetry import read_override, symmetry
from kapbench.errors import KapbenchError
from kapbench.types import View

NAME = "cub"
SOURCE = SOURCES[NAME]
SPLITS = ("test", "trn", "all")
PAIRS = 20
FIX = read.get_it(NAME, SOURCE.folder)


def cub(
    split: str = "test",
    root: str | Path | None = None,
    pairs: int | None = None,
    seed: int = 0,
    photographs: bool = True,
    symmetry_file: str | None = None,
    image_list: str | None = None,
) -> Listed:
    """CUB-200-2011 by our own pairs: `pairs` a species, drawn with `seed`, one shared part at least.

    T is the longer side of the target's box.

    Args:
        split: test or trn by train_test_split.txt, or all.
        root: The data root that holds the folder CUB_200_2011, or that folder.
        pairs: Of each species; by default 20, and all where a list of images is given.
        photographs: Whether pairs without photographs are left out; without, all are there, and
            an image is the smallest that holds its box and parts. Ids are numbers then.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.
        image_list: A file of the split's images, in the split's place: ASIC's .mat, or text with
            one number or path a line.

    Raises:
        KapbenchError: another split, a file that is missing or cannot be understood.
    """
    read.choose("split", split, SPLITS, NAME)
    folder = read.folder_of(root, SOURCE.folder)
    rule = PairRule(n=PAIRS if pairs is None and image_list is None else pairs, seed=seed)
    groups, twins = (
        symmetry("bird", NAME) if symmetry_file is None
        else read_override(symmetry_file, "bird", N_PARTS)
    )  # fmt: skip
    tables = Tables(folder, FIX)
    names = tables.names() if photographs else {}
    if photographs and not names:
        raise _no_photograph(folder)
    annotated = {n: (view, out) for n, view, out in _annotated(tables, names, split, image_list)}
    drawn = list(_drawn(rule, [view for view, _ in annotated.values()]))
    paths = {annotated[n][0].image_id: folder / "images" / names[n] for n in annotated if names}
    here, n_outside = _photographed(annotated.values(), paths)
    found = pairs_here(drawn, here, (groups, twins))
    if not found:
        raise _no_photograph(folder)
    said = (repr(rule), split, str(photographs), groups.tobytes(), twins.tobytes())
    return Listed(
        NAME, split, read.revision([*tables.contents.values(), *said, *read.seen(here.values())]),
        SOURCE.licence, SOURCE.citation, found,
        {image_id: path for image_id, path in paths.items() if image_id in here},
        expected=tuple(sorted({view.category for view, _ in annotated.values()})),
        n_expected=len(drawn), more_views=list(here.values()), remarks=read.outside(n_outside),
    )  # fmt: skip


def _annotated(
    tables: Tables, names: Mapping[int, str], split: str, image_list: str | None
) -> Iterator[tuple[int, View, int]]:
    """Number, view and parts outside the image, of each image of the split or of the list."""
    labels = tables.labels()
    if image_list is not None:
        path = Path(image_list).expanduser()
        tables.contents["list"] = read.read_bytes(path, "give a file of images")
        wanted = numbers_of(tables.contents["list"], path, names or tables.names())
    else:
        wanted = set(labels if split == "all" else tables.of_split(split))
    return tables.views(wanted, names, labels)


def _drawn(rule: PairRule, views: Iterable[View]) -> Iterator[tuple[View, View]]:
    species: dict[str, list[View]] = {}
    for view in views:
        species.setdefault(view.category, []).append(view)
    for category in sorted(species):
        yield from rule.draw(species[category])


def _photographed(
    annotated: Iterable[tuple[View, int]], paths: Mapping[str, Path]
) -> tuple[dict[str, View], int]:
    """Views by id within their photographs, and how many parts those do not hold.

    A view without a photograph is left out, as is one that shows nothing within it; all are there
    where there are no paths.
    """
    if not paths:
        views = list(annotated)
        return {view.image_id: view for view, _ in views}, sum(n for _, n in views)
    found, n_outside = {}, 0
    for view, n_before in annotated:
        path = paths[view.image_id]
        if path.is_file():
            size = image_size(path)
            points, n_beyond = read.inside(view.keypoints, size)
            n_outside += n_before + n_beyond
            if points.visible.any() or not n_beyond:
                found[view.image_id] = replace(view, size=size, keypoints=points)
    return found, n_outside


def _no_photograph(folder: Path) -> KapbenchError:
    return KapbenchError("no photograph of CUB-200-2011 is here", place=folder, fix=FIX)
