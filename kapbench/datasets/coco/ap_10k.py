"""AP-10K (Yu et al. 2021): 54 species of 23 families, 17 keypoints.

The published pairs depend on the order of a folder listing and cannot be reproduced from the
annotations; these pairs are drawn by our own rule. Images of several animals are left out, as in
GeoAware-SC.
"""

import functools
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Literal

from kapbench.datasets import reading
from kapbench.datasets.coco.file import CocoFile, open_coco
from kapbench.datasets.coco.prepared_ap_10k import GEOAWARE, prepared_ap_10k
from kapbench.datasets.coco.views import Views
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.pair_list import PairList, pair_by_box
from kapbench.datasets.pairing import PairRule, describe_no_pairs, group_by_category
from kapbench.datasets.symmetry import pick_symmetry, symmetry
from kapbench.types import View

NAME = "ap-10k"
SOURCE = SOURCES[NAME]
SPLITS = {"trn": "train", "val": "val", "test": "test"}
PAIRS = {"intra": 50, "cross-species": 50, "cross-family": 2000}  # per category
FIX = reading.fetch_hint(NAME, SOURCE.folder)


def ap_10k(
    kind: str = "intra",
    split: str = "test",
    root: str | Path | None = None,
    pairs: int | Literal["geoaware"] | None = None,
    seed: int = 0,
    min_shared: int = 3,
    symmetry_file: str | None = None,
) -> PairList:
    """AP-10K by our own pairs, or by GeoAware-SC's; T is the longer side of the target's box.

    Args:
        kind: intra: within a species, which is the category. cross-species: two species of a
            family, which is the category. cross-family: two families; there is one category, animal.
        split: trn, val or test of the first of its three partitions.
        root: The data root that holds the folder ap-10k, or that folder: annotations and data.
        pairs: Per category; by default 50, across families 2,000. geoaware: those of the folder
            PairAnnotation, which GeoAware-SC's notebook writes beside ImageAnnotation and JPEGImages;
            `seed` and `min_shared` are then not read.
        min_shared: Keypoints that must be visible in both images of a pair.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.

    Raises:
        KapbenchError: another kind or split, data that are missing or cannot be understood.
    """
    name = f"{NAME}.{kind}"
    reading.check_choice("kind", kind, tuple(PAIRS), NAME)
    reading.check_choice("split", split, tuple(SPLITS), name)
    folder = reading.find_folder(root, SOURCE.folder)
    table = pick_symmetry(symmetry("animal", NAME), "animal", symmetry_file)
    if isinstance(pairs, str):
        return prepared_ap_10k(folder, kind, split, table)
    path = folder / "annotations" / f"ap10k-{SPLITS[split]}-split1.json"
    file = open_coco(path, FIX, strict=True)
    rule = PairRule(n=PAIRS[kind] if pairs is None else pairs, seed=seed, min_shared=min_shared)
    views, paths, remarks = _read_views(file, path, folder)
    all_pairs, all_views = [], list[View]()
    by_category = _assign_categories(views, file, kind)
    for category, members in sorted(by_category.items()):
        kinds = {view.image_id: label for view, label in members}
        category_views = [replace(view, category=category) for view, _ in members]
        all_views += category_views
        for s, t in rule.draw(category_views, None if kind == "intra" else kinds):
            all_pairs.append(pair_by_box(f"{category}:{s.image_id}>{t.image_id}", s, t, table))
    if not all_pairs:
        groups = group_by_category(all_views).values()
        raise describe_no_pairs(groups, min_shared, path, "min_shared")
    settings = (kind, repr(rule), *sorted(list_crowds()), *reading.list_sizes(all_views))
    return PairList(
        name,
        split,
        reading.hash_revision([file.content, *(part.tobytes() for part in table), *settings]),
        *SOURCE.terms,
        all_pairs,
        paths,
        remarks=remarks,
        more_views=all_views,
        names=dict.fromkeys(by_category, next(iter(file.categories.values())).keypoints),
    )


intra = functools.partial(ap_10k, "intra")
cross_species = functools.partial(ap_10k, "cross-species")
cross_family = functools.partial(ap_10k, "cross-family")
intra_geoaware = functools.partial(ap_10k, "intra", pairs=GEOAWARE)
cross_species_geoaware = functools.partial(ap_10k, "cross-species", pairs=GEOAWARE)
cross_family_geoaware = functools.partial(ap_10k, "cross-family", pairs=GEOAWARE)


@functools.cache
def list_crowds() -> frozenset[str]:
    """Names of images that show several animals."""
    text = files("kapbench.datasets").joinpath("coco/ap-10k_crowd.txt").read_text("utf-8")
    return frozenset(text.split())


def _read_views(
    file: CocoFile, path: Path, folder: Path
) -> tuple[list[tuple[View, int]], dict[str, Path], tuple[str, ...]]:
    """Images of one animal, each with its species' number; their photographs; remarks."""
    candidates = [
        a
        for a in file.annotations
        if Path(file.images[a.image_id].file_name).stem not in list_crowds()
    ]
    n_animals = Counter(a.image_id for a in candidates)
    alone = [a for a in candidates if n_animals[a.image_id] == 1]
    views = Views.read(file, path, str(folder / "data"), occluded=True, exif=False, wanted=alone)
    numbered = [(view, number) for number, members in views.by_category.items() for view in members]
    return numbered, views.paths, views.remarks


def _assign_categories(
    views: list[tuple[View, int]], file: CocoFile, kind: str
) -> dict[str, list[tuple[View, str]]]:
    """Views by the category that they are evaluated in, each with the kind that pairs differ in."""
    members: dict[str, list[tuple[View, str]]] = {}
    for view, number in views:
        species = file.categories[number]
        family = species.supercategory or species.name
        category, label = {
            "intra": (species.name, species.name),
            "cross-species": (family, species.name),
            "cross-family": ("animal", family),
        }[kind]
        members.setdefault(category, []).append((view, label))
    return members
