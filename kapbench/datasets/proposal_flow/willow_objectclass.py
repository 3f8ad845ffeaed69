"""WILLOW-ObjectClass (Cho et al. 2013): five classes, ten points an image, all of them visible."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.mat_file import read_numbers
from kapbench.datasets.pair_list import PairList, name_pair, pair_by_box
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.symmetry import pick_symmetry, stand_alone
from kapbench.errors import KapbenchError
from kapbench.paths import list_files
from kapbench.types import View
from kapbench.untrusted.strict_text import read_bytes

NAME, N_POINTS = "willow", 10
SOURCE = SOURCES[NAME]
CLASSES = {"Car": 40, "Duck": 50, "Face": 109, "Motorbike": 40, "Winebottle": 66}  # images
PAIRS = 500
FIX = reading.fetch_hint(NAME, SOURCE.folder)


def willow(
    split: str = "test",
    root: str | Path | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
    symmetry_file: str | None = None,
) -> PairList:
    """WILLOW-ObjectClass by our own pairs: `pairs` per class, drawn with `seed`.

    T is the longer side of the box around the target's points. A class counts when all of its
    images are present.

    Args:
        split: test, the only one.
        root: The data root that holds the folder WILLOW-ObjectClass, or that folder.
        symmetry_file: A table of groups and mirror twins, see docs/datasets/README.md; without it, no
            keypoint has a group or a counterpart.

    Raises:
        KapbenchError: another split, no complete class, or a file that cannot be understood.
    """
    reading.check_choice("split", split, ("test",), NAME)
    folder = reading.find_folder(root, SOURCE.folder)
    rule = PairRule(n=pairs, seed=seed)
    all_pairs, paths, contents = [], dict[str, Path](), [repr(rule)]
    for category, n_images in CLASSES.items():
        photographs = list_files(folder / category, "*.png")
        if len(photographs) < n_images:
            continue
        views = []
        for path in photographs:
            mat = path.with_suffix(".mat")
            content = read_bytes(mat, FIX)
            contents.append(f"{category}/{path.stem} {reading.hash_revision([content])}")
            views.append(_make_view(category, path, _parse_points(content, mat)))
            paths[views[-1].image_id] = path
        table = pick_symmetry(stand_alone(N_POINTS), category, symmetry_file)
        if symmetry_file is not None:
            contents.append(f"{category} {reading.hash_revision(part.tobytes() for part in table)}")
        all_pairs += [pair_by_box(name_pair(s, t), s, t, table) for s, t in rule.draw(views)]
    if not all_pairs:
        raise KapbenchError(
            "There is no class of WILLOW-ObjectClass with all its images", place=folder, fix=FIX
        )
    return PairList(
        NAME,
        split,
        reading.hash_revision(contents),
        *SOURCE.terms,
        all_pairs,
        paths,
        has_absent=False,
        expected=tuple(CLASSES),
        n_expected=pairs * len(CLASSES),
    )


def _parse_points(content: bytes, path: Path) -> Float[np.ndarray, "10 2"]:
    """x and y of a .mat file, pts_coord [2 10]."""
    pts_coord = read_numbers(content, "pts_coord", path, FIX)
    if pts_coord.shape != (2, N_POINTS) or not (np.abs(pts_coord) <= reading.MAX_PX).all():
        raise KapbenchError(
            f"The variable pts_coord has shape {pts_coord.shape}, not 2 × {N_POINTS}, or a value "
            "that is not finite",
            place=path,
            fix=FIX,
        )
    return np.asarray(pts_coord.T, np.float64)


def _make_view(category: str, path: Path, xy: Float[np.ndarray, "10 2"]) -> View:
    size = image_size(path)
    points = reading.make_keypoints(xy, np.ones(len(xy), bool))
    if reading.drop_outside(points, size)[1]:
        raise KapbenchError(
            f"A keypoint lies outside the image of {size[0]}×{size[1]} px",
            place=path.with_suffix(".mat"),
            fix=FIX,
        )
    return View(f"{category}/{path.stem}", category, size, reading.box_around(points), points)
