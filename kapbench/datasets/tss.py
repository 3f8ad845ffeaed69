"""TSS (Taniai et al. 2016): dense flow on the object, 400 image pairs in both directions.

In test_pairs_tss.csv (CNNGeometric's list of 800 lines), direction N means that the target is
imageN: maskN.png is the target's mask, and flowN.flo leads from the target back to the source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from kapbench.datasets import reading
from kapbench.datasets.fetching.sources import SOURCES
from kapbench.datasets.images import image_size, read_mask
from kapbench.datasets.pair_list import PairList
from kapbench.datasets.symmetry import stand_alone
from kapbench.errors import KapbenchError
from kapbench.types import Pair, View
from kapbench.untrusted.regular_files import is_file
from kapbench.untrusted.strict_text import integer, parse_csv, read_bytes

NAME, LIST = "tss", "test_pairs_tss.csv"
SOURCE = SOURCES[NAME]
SETS = ("FG3DCar", "JODS", "PASCAL")
FIX = reading.fetch_hint(NAME, SOURCE.folder)
FLO = 202021.25  # Middlebury's first number, a check
UNKNOWN = 1e9  # larger displacements mark unknown flow
READING = "2: flow and mask belong to the target"  # part of the revision
N_LINES = 800  # of the published list
COLUMNS = "source, target, flow direction, flip and set"


def tss(split: str = "test", root: str | Path | None = None, step: int = 8) -> PairList:
    """TSS: the flow at every `step`-th pixel of the target's mask, as keypoints.

    T is the longer side of the target image. Points whose flow is unknown or leads out of the
    source are left out.

    Args:
        split: test, the only one.
        root: The data root that holds the folder TSS_CVPR2016, or that folder, with
            test_pairs_tss.csv in it.
        step: Distance between neighbouring points, in pixels.

    Raises:
        KapbenchError: another split, a missing list, or a file that cannot be understood.
    """
    reading.check_choice("split", split, ("test",), NAME)
    if step < 1:
        raise KapbenchError(
            f"The option step is {step}", place="data set tss", fix="Give 1 pixel or more"
        )
    folder = reading.find_folder(root, SOURCE.folder)
    path = folder / LIST
    content = read_bytes(path, FIX)
    contents: list[bytes | str] = [READING, content, str(step)]
    pairs, paths, mirrored = [], dict[str, Path](), set()
    for line in _parse_lines(content, path):
        pair, flow_hash = _make_pair(line, step)
        pairs.append(pair)
        contents.append(flow_hash)
        paths |= {pair.source.image_id: line.source, pair.target.image_id: line.target}
        if line.flip:
            mirrored.add(pair.source.image_id)
    if not pairs:
        raise KapbenchError("The list contains no pairs", place=path, fix=FIX)
    sizes = reading.list_sizes(view for pair in pairs for view in (pair.source, pair.target))
    return PairList(
        NAME,
        split,
        reading.hash_revision([*contents, *sizes]),
        *SOURCE.terms,
        pairs,
        paths,
        size_from="image",
        has_absent=False,
        expected=SETS,
        mirrored=frozenset(mirrored),
        remarks=_remark_on_length(len(pairs), path),
    )


def _remark_on_length(n_pairs: int, path: Path) -> tuple[str, ...]:
    message = f"{path.name} has {n_pairs} pairs, the published list {N_LINES}"
    return (message,) if n_pairs != N_LINES else ()


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the list; the target's flow and mask lie beside its photograph."""

    number: int
    source: Path
    target: Path
    flip: bool  # the source is shown left for right
    category: str
    direction: int  # 1: the target is image1, 2: image2

    @property
    def flow(self) -> Path:
        return self.target.with_name(f"flow{self.direction}.flo")

    @property
    def mask(self) -> Path:
        return self.target.with_name(f"mask{self.direction}.png")


def _parse_lines(content: bytes, path: Path) -> Iterator[_Line]:
    base = None  # the number of the first set
    for number, words in parse_csv(content, path, FIX, reading.AS_PUBLISHED):
        if number == 1:
            continue
        place = f"{path}, line {number}"
        if len(words) < 5:
            raise KapbenchError(
                f"The line has {len(words)} columns", place=place, fix=f"Give {COLUMNS}"
            )
        direction, flip, kind = map(integer, words[2:5])
        if direction not in (1, 2) or flip not in (0, 1) or kind is None:
            raise KapbenchError(
                f"A value is not allowed: direction {words[2]}, flip {words[3]}, set {words[4]}",
                place=place,
                fix="Use direction 1 or 2, and flip 0 or 1",
            )
        _check_direction(words[1], direction, place)
        category = _find_set(words[1], place)
        base = kind - SETS.index(category) if base is None else base
        _check_set(kind, category, base, place)
        source, target = (_find_photograph(path.parent, name, place) for name in words[:2])
        yield _Line(number, source, target, bool(flip), category, direction)


def _check_direction(target: str, direction: int, place: str) -> None:
    if Path(target).stem != f"image{direction}":
        raise KapbenchError(
            f"The flow direction is {direction}, but the target is {Path(target).name}: "
            f"flow{direction}.flo and mask{direction}.png are those of image{direction}",
            place=place,
            fix=f"Exchange source and target, or use the published list. {FIX}",
        )


def _find_set(name: str, place: str) -> str:
    """The set that a photograph's path names."""
    names = [kind for kind in SETS if kind in Path(name).parts]
    if len(names) != 1:
        raise KapbenchError(
            f"The path {name} does not name one of the sets {', '.join(SETS)}",
            place=place,
            fix="Write paths as SET/PAIR/image1.png",
        )
    return names[0]


def _check_set(kind: int, category: str, base: int, place: str) -> None:
    """The published list counts the sets from 1; one that counts from 0 is read as well."""
    if base not in (0, 1) or kind != base + SETS.index(category):
        counted = ", ".join(f"{i} {name}" for i, name in enumerate(SETS, start=1))
        raise KapbenchError(
            f"The set is {kind}, but the photographs are in the folder {category}",
            place=place,
            fix=f"Number the sets as the published list does: {counted}",
        )


def _find_photograph(folder: Path, name: str, place: str) -> Path:
    """Lists name photographs relative to the folder or to its parent."""
    for path in (folder / name, folder.parent / name):
        if is_file(path):
            return path
    raise KapbenchError(f"There is no photograph {name}", place=place, fix=FIX)


def _make_pair(line: _Line, step: int) -> tuple[Pair, str]:
    """A line's pair, and the hash of its flow and mask."""
    flow = read_flow(line.flow)
    source_size, target_size = image_size(line.source), image_size(line.target)
    if flow.shape[:2] != (target_size[1], target_size[0]):
        raise reading.wrong_file(
            f"The flow has {flow.shape[1]}×{flow.shape[0]} px, the image {line.target.name} beside "
            f"it {target_size[0]}×{target_size[1]} px",
            line.flow,
        )
    mask = read_mask(line.mask, target_size)
    target_xy, source_xy = _sample_flow(flow, mask, source_size, step)
    if not len(source_xy):
        raise reading.wrong_file(
            f"The flow is unknown everywhere in {line.mask.name}, or leads out of the source "
            f"{line.source.name}",
            line.flow,
        )
    name = f"{line.category}/{line.source.parent.name}"
    n, views = len(source_xy), []
    for path, size, xy in (
        (line.source, source_size, source_xy),
        (line.target, target_size, target_xy),
    ):
        points = reading.make_keypoints(xy, np.ones(n, bool))
        image_id = f"{name}/{path.stem}#{line.number - 2}"
        views.append(View(image_id, line.category, size, reading.box_around(points), points))
    pair_id, size_px = f"{line.number - 2:03d}", float(max(target_size))
    pair = Pair(pair_id, views[0], views[1], size_px, *stand_alone(n))
    return pair, reading.hash_revision([flow.tobytes(), mask.tobytes()])


def _sample_flow(
    flow: Float[np.ndarray, "h w 2"],
    mask: Bool[np.ndarray, "h w"],
    other_size: tuple[int, int],
    step: int,
) -> tuple[Float[np.ndarray, "K 2"], Float[np.ndarray, "K 2"]]:
    """Centres of pixels of the mask, and where the flow leads them, if within the other image.

    Args:
        other_size: Width and height of the image that the flow leads to.
    """
    row, column = np.nonzero(mask)
    on_grid = (row % step == 0) & (column % step == 0)
    row, column = row[on_grid], column[on_grid]
    start = np.stack([column, row], axis=1) + 0.5
    displacement = flow[row, column].astype(np.float64)
    with np.errstate(invalid="ignore"):
        known = (np.abs(displacement) < UNKNOWN).all(axis=1)
        end = start + displacement
        inside = known & (end >= 0).all(axis=1) & (end <= np.array(other_size)).all(axis=1)
    return start[inside], end[inside]


def read_flow(path: Path) -> Float[np.ndarray, "h w 2"]:
    """x and y of a Middlebury .flo file. KapbenchError where it is not one."""
    content = read_bytes(path, FIX)
    if len(content) < 12 or np.frombuffer(content[:4], "<f4")[0] != np.float32(FLO):
        raise reading.wrong_file("The file is not a Middlebury flow", path)
    width, height = np.frombuffer(content[4:12], "<i4").tolist()
    if width < 1 or height < 1 or len(content) != 12 + 8 * width * height:
        raise reading.wrong_file(
            f"The file says {width}×{height} px, but has {len(content):,} bytes", path
        )
    return np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2).astype(np.float64)
