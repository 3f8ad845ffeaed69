"""AP-10K (Yu et al. 2021): 54 species of 23 families, 17 keypoints.

The published pairs follow the order of a folder walk and cannot be made from the annotations; these
are drawn by our own rule. Images of several animals are left out, as GeoAware-SC does.
"""

import functools
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from kapbench.datasets import reading as read
from kapbench.datasets.coco.dataset import Views
from kapbench.datasets.coco.file import CocoFile, open_coco
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.pair_list import Listed
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.symmetry import read_override, symmetry
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View

NAME, N_KEYPOINTS = "ap-10k", 17
SOURCE = SOURCES[NAME]
SPLITS = {"trn": "train", "val": "val", "test": "test"}
PAIRS = {"intra": 50, "cross-species": 50, "cross-family": 2000}  # of each category
FIX = read.get_it(NAME, SOURCE.folder)


def ap_10k(
    kind: str = "intra",
    split: str = "test",
    root: str | Path | None = None,
    pairs: int | None = None,
    seed: int = 0,
    min_shared: int = 3,
    symmetry_file: str | None = None,
) -> Listed:
    """AP-10K by our own pairs; T is the longer side of the target's box.

    Args:
        kind: intra: within a species, which is the category. cross-species: two species of a
            family, which is the category. cross-family: two families; there is one category, animal.
        split: trn, val or test of the first of its three splits.
        root: The data root that holds the folder ap-10k, or that folder: annotations and data.
        pairs: Of each category; by default 50, across families 2,000.
        min_shared: Keypoints that both images of a pair must show.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: another kind or split, data that are not here or cannot be understood.
    """
    name = f"{NAME}.{kind}"
    read.choose("kind", kind, tuple(PAIRS), NAME)
    read.choose("split", split, tuple(SPLITS), name)
    folder = read.folder_of(root, SOURCE.folder)
    path = folder / "annotations" / f"ap10k-{SPLITS[split]}-split1.json"
    file = open_coco(path, FIX)
    rule = PairRule(n=PAIRS[kind] if pairs is None else pairs, seed=seed, min_shared=min_shared)
    groups, twins = (
        symmetry("animal", NAME) if symmetry_file is None
        else read_override(symmetry_file, "animal", N_KEYPOINTS)
    )  # fmt: skip
    views, paths, remarks = _views(file, path, folder)
    found, everyone = [], list[View]()
    for category, members in sorted(_cast(views, file, kind).items()):
        kinds = {view.image_id: label for view, label in members}
        cast = [_of(view, category) for view, _ in members]
        everyone += cast
        for s, t in rule.draw(cast, None if kind == "intra" else kinds):
            pair_id = f"{category}:{s.image_id}>{t.image_id}"
            found.append(Pair(pair_id, s, t, read.longer_side(t.bbox), groups, twins))
    if not found:
        raise KapbenchError(f"no pairs of {min_shared} shared keypoints", place=path, fix=FIX)
    tables = (groups.tobytes(), twins.tobytes())
    said = (kind, repr(rule), *sorted(crowds()), *read.seen(everyone))
    return Listed(
        name, split, read.revision([file.content, *tables, *said]), SOURCE.licence,
        SOURCE.citation, found, paths, remarks=remarks, more_views=everyone,
    )  # fmt: skip


intra = functools.partial(ap_10k, "intra")
cross_species = functools.partial(ap_10k, "cross-species")
cross_family = functools.partial(ap_10k, "cross-family")


@functools.cache
def crowds() -> frozenset[str]:
    """Names of images that show several animals."""
    text = files("kapbench.datasets").joinpath("ap-10k_crowd.txt").read_text("utf-8")
    return frozenset(text.split())


def _views(
    file: CocoFile, path: Path, folder: Path
) -> tuple[list[tuple[View, int]], dict[str, Path], tuple[str, ...]]:
    """One animal an image, with its species' number."""
    wanted = [
        a for a in file.annotations
        if Path(file.images[a.image_id].file_name).stem not in crowds()
    ]  # fmt: skip
    times = Counter(a.image_id for a in wanted)
    alone = [a for a in wanted if times[a.image_id] == 1]
    found = Views.of(file, path, str(folder / "data"), True, alone)
    views = [(view, number) for number, of in found.by_category.items() for view in of]
    return views, found.paths, found.remarks(file)


def _cast(
    views: list[tuple[View, int]], file: CocoFile, kind: str
) -> dict[str, list[tuple[View, str]]]:
    """Views by the category that they are evaluated in, each with what pairs must differ in."""
    found: dict[str, list[tuple[View, str]]] = {}
    for view, number in views:
        species = file.categories[number]
        family = species.supercategory or species.name
        category, label = {
            "intra": (species.name, species.name),
            "cross-species": (family, species.name),
            "cross-family": ("animal", family),
        }[kind]
        found.setdefault(category, []).append((view, label))
    return found


def _of(view: View, category: str) -> View:
    return replace(view, category=category)
