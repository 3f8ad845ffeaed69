"""Whether keypoints refer to photographs as stored or as EXIF says they are shown."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets.images import Header
from kapbench.errors import KapbenchError, counted

_Annotated = tuple[Path, Header, Float[np.ndarray, "_ 2"]]


def follows_exif(
    keypoints: Iterable[_Annotated], boxes: Iterable[_Annotated], option: str
) -> tuple[bool, tuple[str, ...]]:
    """Whether photographs are to be rotated as EXIF says, and the remark that says why.

    The keypoints decide, or the boxes where all keypoints fit both: one reading must hold all of
    them and the other not. The sizes that a file states decide nothing, because annotation tools
    write those of either reading.

    Args:
        keypoints, boxes: Photograph, its header, and labelled keypoints or corners of boxes in
            pixels, for each object.
        option: Name of the user's option that decides.

    Raises:
        KapbenchError: some photographs have an EXIF orientation, and the points do not decide.
    """
    turned = [annotated for annotated in keypoints if annotated[1].is_turned]
    if not turned:
        return False, ()
    n = len({path for path, _, _ in turned})
    have = f"{counted(n, 'photograph')} {'has' if n == 1 else 'have'} an EXIF orientation"
    turned_boxes = [annotated for annotated in boxes if annotated[1].is_turned]
    for what, points, margin in (("keypoint", turned, 0.0), ("corner", turned_boxes, 1.0)):
        as_stored = sum(_count_outside(xy, h.stored, margin) for _, h, xy in points)
        rotated = sum(_count_outside(xy, h.upright, margin) for _, h, xy in points)
        if as_stored and rotated:
            break
        if as_stored:
            evidence = f"{counted(as_stored, what)} would lie outside the photographs as stored"
            return True, (f"{have}. It is followed, because {evidence}",)
        if rotated:
            evidence = f"{counted(rotated, what)} would lie outside the rotated photographs"
            return False, (f"{have}. It is not followed, because {evidence}",)
    raise KapbenchError(
        f"{have}, and the keypoints do not show whether it is to be followed",
        place=turned[0][0],
        fix=f"Set {option}=true if keypoints refer to the photographs as viewers show them, "
        f"{option}=false if they refer to the pixels as stored",
    )


def check_stated_size(stated: tuple[int, int], header: Header, path: Path, place: object) -> None:
    """KapbenchError where the size that a file states is that of neither reading."""
    if stated in (header.stored, header.upright):
        return
    exchanged = ": width and height are exchanged" if stated == header.stored[::-1] else ""
    (w, h), (width, height) = stated, header.stored
    raise KapbenchError(
        f"The file says {w}×{h} px, the photograph {path.name} has {width}×{height} px{exchanged}",
        place=place,
        fix="Give the photographs that were annotated, or correct width and height in the file",
    )


def remark_on_sizes(n_other: int) -> tuple[str, ...]:
    """The remark on stated sizes of the reading that is not followed."""
    are = (
        "size that the file states is that"
        if n_other == 1
        else "sizes that the file states are those"
    )
    message = f"{n_other:,} {are} of the other orientation; the photograph's own is used"
    return (message,) if n_other else ()


def _count_outside(xy: Float[np.ndarray, "n 2"], size: Sequence[int], margin: float) -> int:
    outside = (xy < -margin) | (xy > np.array(size) + margin)
    return int(outside.any(axis=1).sum())
