"""The user's own data as a data set: `manifest:FILE`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from kapbench.datasets import reading
from kapbench.datasets.images import find_file, read_own, read_upright
from kapbench.datasets.manifest.check import open_manifest
from kapbench.datasets.manifest.export import write_manifest
from kapbench.datasets.manifest.schema import (
    Image,
    Manifest,
    groups_of,
    image_id,
    mirror_of,
    names_of,
    photograph_of,
)
from kapbench.datasets.pair_list import PairList
from kapbench.datasets.pairing import (
    PairRule,
    describe_no_pairs,
    group_by_category,
    remark_on_one_photograph,
)
from kapbench.datasets.symmetry import Symmetry, of_table, read_symmetry
from kapbench.errors import agreeing, counted
from kapbench.types import Pair, View

__all__ = ["manifest", "write_manifest"]

_NO_ABSENT = (
    "The manifest states that has_absent is false, so that KAP is not computed: state true, or add "
    "--unlabelled absent to kapbench convert, if exactly the keypoints that cannot be seen are "
    "missing in the file"
)


def manifest(
    path: str,
    split: str | None = None,
    symmetry_file: str | None = None,
    exif: bool | None = None,
    same_photograph: bool | None = None,
) -> PairList:
    """Your own images and keypoints in one JSON or CSV file.

    Args:
        path: The file; photographs are named from its folder.
        split: The split that the file states, by default test.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.
        exif: Whether photographs are rotated as EXIF says; by default as the file says, else as
            keypoints and boxes fit.
        same_photograph: Whether two objects of one photograph may be drawn as a pair; by default
            as the file says.

    Raises:
        KapbenchError: a file that is missing or has a problem.
    """
    file = Path(path).expanduser().absolute()  # a model may change the current folder
    content = (opened := open_manifest(file, exif)).content
    reading.check_choice("split", split or content.split, (content.split,), f"manifest:{file.name}")
    images = {image_id(image): image for image in content.images}
    views = {name: _make_view(image, content, file.parent) for name, image in images.items()}
    tables = {name: _find_symmetry(image, content, symmetry_file) for name, image in images.items()}
    view_pairs, n_within = _list_pairs(content, views, same_photograph)
    pairs = [
        Pair(f"{s.image_id}>{t.image_id}", s, t, _find_t(t, content), *tables[s.image_id])
        for s, t in view_pairs
    ]
    if not pairs:
        min_shared, option = content.rule.min_shared, "rule.min_shared, or list pairs"
        groups = group_by_category(views.values()).values()
        raise describe_no_pairs(groups, min_shared, file, option, n_within)
    contents: list[bytes | str] = [*opened.files]
    contents += [part.tobytes() for name in sorted(tables) for part in tables[name]]
    contents += ["exif"] if opened.decided_exif else []
    contents += ["without pairs within a photograph"] if n_within else []
    return PairList(
        content.name,
        content.split,
        reading.hash_revision(contents),
        content.licence,
        content.citation,
        pairs,
        {name: find_file(file.parent, image.path) for name, image in images.items()},
        size_from=content.size_from,
        has_absent=content.has_absent,
        more_views=tuple(views.values()),
        read=read_upright if content.exif else read_own,
        names=_names_by_category(content),
        remarks=(
            *reading.remark_on_counting_from_one(views.values()),
            *opened.remarks,
            *remark_on_one_photograph(n_within),
            *_remark_on_content(content),
        ),
    )


def _names_by_category(content: Manifest) -> dict[str, list[str]]:
    """Of categories whose images have no keypoints of their own."""
    own = {image.category for image in content.images if image.names is not None}
    return {
        name: category.keypoints for name, category in content.categories.items() if name not in own
    }


def _make_view(image: Image, content: Manifest, folder: Path) -> View:
    names = names_of(image, content)
    xy = np.array([image.keypoints.get(name) or (np.nan, np.nan) for name in names], np.float64)
    points = reading.make_keypoints(xy, np.isfinite(xy[:, 0]))
    size = (image.width or 0, image.height or 0)  # never 0: open_manifest takes the photograph's
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    return View(
        image_id(image),
        image.category,
        size,
        image.box or reading.box_of_points(points) or whole,
        points,
        image.azimuth_bin,
        None if image.mask is None else find_file(folder, image.mask),
        image.truncated,
        image.occluded,
    )


def _find_symmetry(image: Image, content: Manifest, symmetry_file: str | None) -> Symmetry:
    """Groups and counterparts of an image's keypoints, as its category says."""
    names, category = names_of(image, content), content.categories[image.category]
    if symmetry_file is not None:
        return read_symmetry(symmetry_file, image.category, len(names))
    ids = {name: k for k, name in enumerate(names)}
    mirror = [(ids[a], ids[b]) for a, b in mirror_of(category) if a in ids and b in ids]
    groups = [[ids[n] for n in members if n in ids] for members in groups_of(category)]
    return of_table(len(ids), groups, mirror)


def _list_pairs(
    content: Manifest, views: Mapping[str, View], same_photograph: bool | None
) -> tuple[list[tuple[View, View]], int]:
    """Source and target of each pair, and how many within one photograph are left out."""
    if content.pairs is not None:
        return [(views[source], views[target]) for source, target in content.pairs], 0
    stated = content.rule
    same = stated.same_photograph if same_photograph is None else same_photograph
    rule = PairRule(stated.n, stated.seed, stated.min_shared, same)
    photographs = {image_id(image): photograph_of(image) for image in content.images}
    groups = group_by_category(views.values())
    drawn = [rule.draw(groups[name], photographs=photographs) for name in sorted(groups)]
    return [pair for pairs in drawn for pair in pairs], sum(pairs.n_within for pairs in drawn)


def _remark_on_content(content: Manifest) -> Iterator[str]:
    """On listed pairs of two objects in one photograph, which are kept, and on has_absent."""
    photographs = {image_id(image): photograph_of(image) for image in content.images}
    n = sum(photographs[s] == photographs[t] for s, t in content.pairs or ())
    if n:
        yield (
            f"{counted(n, 'listed pair')} {agreeing('is', n)} of two objects in one photograph: "
            "a model that compares a photograph with itself always lands on the source point"
        )
    if not content.has_absent:
        yield _NO_ABSENT


def _find_t(target: View, content: Manifest) -> float:
    return (
        reading.longer_side(target.bbox) if content.size_from == "box" else float(max(target.size))
    )
