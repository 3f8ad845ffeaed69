"""TSS (Taniai et al. 2016): 400 pairs with dense flow on the object; FG3DCar, JODS, PASCAL."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from kapbench.datasets import reading as read
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size, read_mask
from kapbench.datasets.pair_list import Listed
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View

NAME, LIST = "tss", "test_pairs_tss.csv"
SOURCE = SOURCES[NAME]
SETS = ("FG3DCar", "JODS", "PASCAL")
FIX = read.get_it(NAME, SOURCE.folder)
FLO = 202021.25  # Middlebury's first number
UNKNOWN = 1e9  # flow beyond this is none


def tss(split: str = "test", root: str | Path | None = None, step: int = 8) -> Listed:
    """TSS: the flow at every `step`-th pixel of the source's mask, as points; T is the longer side
    of the target image.

    Points that the flow leads out of the target, or where it is unknown, are left out.

    Args:
        split: test, which is all there is.
        root: The data root that holds the folder TSS_CVPR2016, or that folder, with
            test_pairs_tss.csv in it.
        step: Pixels from point to point.

    Raises:
        KapbenchError: another split, no list, or a file that cannot be understood.
    """
    read.choose("split", split, ("test",), NAME)
    if step < 1:
        raise KapbenchError(f"step={step}", place="data set tss", fix="give 1 or more pixels")
    folder = read.folder_of(root, SOURCE.folder)
    path = folder / LIST
    content = read.read_bytes(path, FIX)
    contents: list[bytes | str] = [content, str(step)]
    pairs, paths, mirrored = [], dict[str, Path](), set()
    for line in _lines(content, path):
        pair, files = _pair(line, step)
        pairs.append(pair)
        contents.append(files)
        paths |= {pair.source.image_id: line.source, pair.target.image_id: line.target}
        if line.flip:
            mirrored.add(pair.source.image_id)
    if not pairs:
        raise KapbenchError("a list without pairs", place=path, fix=FIX)
    seen = read.seen(view for pair in pairs for view in (pair.source, pair.target))
    return Listed(
        NAME, split, read.revision([*contents, *seen]), SOURCE.licence, SOURCE.citation, pairs, paths,
        size_from="image", has_absent=False, expected=SETS, mirrored=frozenset(mirrored),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the list; the flow lies beside the source and is that of its image."""

    number: int
    source: Path
    target: Path
    flip: bool  # the source is shown left for right
    category: str
    direction: int  # 1: image1 to image2; 2: back

    @property
    def flow(self) -> Path:
        return self.source.with_name(f"flow{self.direction}.flo")

    @property
    def mask(self) -> Path:
        return self.source.with_name(f"mask{self.direction}.png")


def _lines(content: bytes, path: Path) -> Iterator[_Line]:
    for number, words in read.read_table(content, path, FIX):
        if number == 1:
            continue
        place = f"{path}, line {number}"
        if len(words) < 5:
            raise KapbenchError(
                f"{len(words)} columns", place=place,
                fix="source, target, flow direction, flip and set are meant",
            )  # fmt: skip
        direction, flip, kind = read.numbers(words[2:5], place).astype(int).tolist()
        if direction not in (1, 2) or flip not in (0, 1) or kind not in range(len(SETS)):
            raise KapbenchError(
                f"direction {direction}, flip {flip}, set {kind}", place=place,
                fix="direction is 1 or 2, flip 0 or 1, set 0 to 2",
            )  # fmt: skip
        source, target = (_place(path.parent, name, place) for name in words[:2])
        yield _Line(number, source, target, bool(flip), SETS[kind], direction)


def _place(folder: Path, name: str, place: str) -> Path:
    """Lists name images from the folder or from the one above."""
    for path in (folder / name, folder.parent / name):
        if path.is_file():
            return path
    raise KapbenchError(f"no photograph {name}", place=place, fix=FIX)


def _pair(line: _Line, step: int) -> tuple[Pair, str]:
    """A line's pair, and the hash of its flow and mask, which are large."""
    flow = read_flow(line.flow)
    source_size, target_size = image_size(line.source), image_size(line.target)
    if flow.shape[:2] != (source_size[1], source_size[0]):
        raise KapbenchError(
            f"flow of {flow.shape[1]}×{flow.shape[0]} px for an image of {source_size[0]}×"
            f"{source_size[1]} px", place=line.flow, fix=read.MEND,
        )  # fmt: skip
    mask = read_mask(line.mask, source_size)
    source_xy, target_xy = _points(flow, mask, target_size, step)
    if not len(source_xy):
        raise KapbenchError("no flow within the mask", place=line.flow, fix=read.MEND)
    name = f"{line.category}/{line.source.parent.name}"
    views = [
        View(f"{name}/{path.stem}#{line.number - 2}", line.category, size, read.box_around(points),
             points)
        for path, size, points in (
            (line.source, source_size, read.keypoints(source_xy, np.ones(len(source_xy), bool))),
            (line.target, target_size, read.keypoints(target_xy, np.ones(len(target_xy), bool))),
        )
    ]  # fmt: skip
    n = len(source_xy)
    size = float(max(target_size))
    pair_id, files = f"{line.number - 2:03d}", read.revision([flow.tobytes(), mask.tobytes()])
    return Pair(pair_id, views[0], views[1], size, np.full(n, -1), np.arange(n)), files


def _points(
    flow: Float[np.ndarray, "h w 2"],
    mask: Bool[np.ndarray, "h w"],
    size: tuple[int, int],
    step: int,
) -> tuple[Float[np.ndarray, "K 2"], Float[np.ndarray, "K 2"]]:
    """Centres of pixels of the mask and where the flow leads them."""
    row, column = np.nonzero(mask)
    kept = (row % step == 0) & (column % step == 0)
    row, column = row[kept], column[kept]
    start = np.stack([column, row], axis=1) + 0.5
    moved = flow[row, column].astype(np.float64)
    with np.errstate(invalid="ignore"):
        known = (np.abs(moved) < UNKNOWN).all(axis=1)
        end = start + moved
        inside = known & (end >= 0).all(axis=1) & (end <= np.array(size)).all(axis=1)
    return start[inside], end[inside]


def read_flow(path: Path) -> Float[np.ndarray, "h w 2"]:
    """x and y of a Middlebury .flo file. KapbenchError where it is none."""
    content = read.read_bytes(path, FIX)
    if len(content) < 12 or np.frombuffer(content[:4], "<f4")[0] != np.float32(FLO):
        raise KapbenchError("no Middlebury flow", place=path, fix=read.MEND)
    width, height = np.frombuffer(content[4:12], "<i4").tolist()
    if width < 1 or height < 1 or len(content) != 12 + 8 * width * height:
        raise KapbenchError(
            f"flow of {width}×{height} px in {len(content):,} bytes", place=path, fix=read.MEND
        )
    return np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2).astype(np.float64)
