"""Whether keypoints refer to photographs as stored or as EXIF says they are shown."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kapbench.datasets.images import Header
from kapbench.errors import KapbenchError, agreeing, counted

MARGIN = 1.0  # px beyond an edge that a point may lie, because annotators click there
_MIN_SHARE = 0.1  # of the photographs that EXIF turns on their side
_Annotated = tuple[Path, Header, Float[np.ndarray, "_ 2"]]


def follows_exif(
    keypoints: Iterable[_Annotated],
    boxes: Iterable[_Annotated],
    option: str,
    sizes: Iterable[tuple[tuple[int, int], Header]] = (),
) -> tuple[bool, tuple[str, ...]]:
    """Whether photographs are to be rotated as EXIF says, and the remark that says why.

    The keypoints decide, or the boxes where keypoints are not enough. A point is evidence against
    a reading where it lies outside the photograph in that reading by more than 1 px. A reading is
    taken where no point is evidence against it, and where points in at least a tenth of the
    photographs that EXIF turns on their side, and in at least two of them unless there is only one,
    are evidence against the other. The sizes that a file states decide nothing, because annotation
    tools write those of either reading.

    Args:
        keypoints, boxes: Photograph, its header, and labelled keypoints or corners of boxes in
            pixels, for each object.
        option: Name of the user's option that decides.
        sizes: Those that a file states, of which the error says which reading they fit.

    Raises:
        KapbenchError: some photographs have an EXIF orientation, and the points do not decide.
    """
    turned = [annotated for annotated in keypoints if annotated[1].is_turned]
    if not turned:
        return False, ()
    n = len({path for path, _, _ in turned})
    subject = f"{counted(n, 'photograph')} {agreeing('has', n)} an EXIF orientation"
    n_sideways = len({path for path, header, _ in turned if header.stored != header.upright})
    turned_boxes = [annotated for annotated in boxes if annotated[1].is_turned]
    against_stored, against_rotated = False, False
    for what, annotated in (("keypoint", turned), ("corner", turned_boxes)):
        outside_stored = _list_outside((path, xy, h.stored) for path, h, xy in annotated)
        outside_rotated = _list_outside((path, xy, h.upright) for path, h, xy in annotated)
        against_stored |= bool(outside_stored)
        against_rotated |= bool(outside_rotated)
        if against_stored and against_rotated:
            break
        if _suffices(outside_stored, n_sideways):
            evidence = f"{counted(len(outside_stored), what)} would lie outside the photographs"
            return True, (f"{subject}. It is followed, because {evidence} as stored",)
        if _suffices(outside_rotated, n_sideways):
            evidence = f"{counted(len(outside_rotated), what)} would lie outside the rotated"
            return False, (f"{subject}. It is not followed, because {evidence} photographs",)
    raise KapbenchError(
        f"{subject}, and the keypoints do not show whether it is to be followed",
        place=turned[0][0],
        fix=f"Write {option}=true if keypoints refer to the photographs as viewers show them, "
        f"{option}=false if they refer to the pixels as stored{_describe_sizes(sizes)}",
    )


def _describe_sizes(sizes: Iterable[tuple[tuple[int, int], Header]]) -> str:
    """Which reading alone the stated sizes fit, as the end of a sentence; empty where none."""
    telling = [(stated, h) for stated, h in sizes if h.stored != h.upright]
    fitting = [
        what
        for what, fits in (
            ("rotated photographs", all(stated == h.upright for stated, h in telling)),
            ("photographs as stored", all(stated == h.stored for stated, h in telling)),
        )
        if telling and fits
    ]
    return f". The sizes in the file are those of the {fitting[0]}" if fitting else ""


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


def _list_outside(
    annotated: Iterable[tuple[Path, Float[np.ndarray, "_ 2"], Sequence[int]]],
) -> list[Path]:
    """The photograph of each point that lies outside, given its width and height."""
    outside = list[Path]()
    for path, xy, size in annotated:
        beyond = (xy < -MARGIN) | (xy > np.array(size) + MARGIN)
        outside += [path] * int(beyond.any(axis=1).sum())
    return outside


def _suffices(outside: Sequence[Path], n_photographs: int) -> bool:
    """Whether points outside are evidence enough, given the photograph of each."""
    least = max(1, min(2, n_photographs), _MIN_SHARE * n_photographs)
    return len(set(outside)) >= least
