"""WILLOW-ObjectClass (Cho et al. 2013): five classes, ten points an image, all of them visible."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets import reading as read
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size
from kapbench.datasets.pair_list import Listed
from kapbench.datasets.pairing import PairRule
from kapbench.datasets.symmetry import Symmetry, of_table, read_override
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View

NAME, N_POINTS = "willow", 10
SOURCE = SOURCES[NAME]
CLASSES = {"Car": 40, "Duck": 50, "Face": 109, "Motorbike": 40, "Winebottle": 66}  # images
PAIRS = 500
FIX = read.get_it(NAME, SOURCE.folder)


def willow(
    split: str = "test",
    root: str | Path | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
    symmetry_file: str | None = None,
) -> Listed:
    """WILLOW-ObjectClass by our own pairs: `pairs` a class, drawn with `seed`.

    T is the longer side of the box around the target's points. A class is there when all of its
    images are.

    Args:
        split: test, which is all there is.
        root: The data root that holds the folder WILLOW-ObjectClass, or that folder.
        symmetry_file: A table of groups and mirror twins, see docs/datasets/README.md; without, each
            point stands alone.

    Raises:
        KapbenchError: another split, no class whole, or a file that cannot be understood.
    """
    read.choose("split", split, ("test",), NAME)
    folder = read.folder_of(root, SOURCE.folder)
    rule = PairRule(n=pairs, seed=seed)
    found, paths, contents = [], dict[str, Path](), [repr(rule)]
    for category, n in CLASSES.items():
        photographs = sorted((folder / category).glob("*.png"))
        if len(photographs) < n:
            continue
        views = []
        for path in photographs:
            points = path.with_suffix(".mat")
            contents.append(
                f"{category}/{path.stem} {read.revision([read.read_bytes(points, FIX)])}"
            )
            views.append(_view(category, path, _points(points)))
            paths[views[-1].image_id] = path
        table = of_table(N_POINTS, [], [])
        if symmetry_file is not None:
            table = read_override(symmetry_file, category, N_POINTS)
            contents.append(f"{category} {read.revision(part.tobytes() for part in table)}")
        found += [_pair(s, t, table) for s, t in rule.draw(views)]
    if not found:
        raise KapbenchError("no class of WILLOW-ObjectClass is whole", place=folder, fix=FIX)
    return Listed(
        NAME, split, read.revision(contents), SOURCE.licence, SOURCE.citation, found, paths,
        has_absent=False, expected=tuple(CLASSES), n_expected=pairs * len(CLASSES),
    )  # fmt: skip


def _points(path: Path) -> Float[np.ndarray, "10 2"]:
    """x and y of a .mat file, pts_coord [2 10]."""
    from scipy.io import loadmat

    try:
        xy = np.asarray(loadmat(path, variable_names=["pts_coord"])["pts_coord"], np.float64)
    except Exception as error:  # scipy raises whatever a damaged file makes it meet
        raise KapbenchError(
            f"no pts_coord can be read: {type(error).__name__}", place=path, fix=FIX
        ) from error
    if xy.shape != (2, N_POINTS) or not np.isfinite(xy).all():
        raise KapbenchError(f"pts_coord of shape {xy.shape}, or not finite", place=path, fix=FIX)
    return np.asarray(xy.T)


def _view(category: str, path: Path, xy: Float[np.ndarray, "10 2"]) -> View:
    size = image_size(path)
    points = read.keypoints(xy, np.ones(len(xy), bool))
    if (xy < 0).any() or (xy > np.array(size)).any():
        raise KapbenchError(
            f"a point outside its {size[0]}×{size[1]} px", place=path.with_suffix(".mat"), fix=FIX
        )
    return View(f"{category}/{path.stem}", category, size, read.box_around(points), points)


def _pair(source: View, target: View, table: Symmetry) -> Pair:
    pair_id = f"{source.image_id}>{Path(target.image_id).name}"
    return Pair(pair_id, source, target, read.longer_side(target.bbox), *table)
