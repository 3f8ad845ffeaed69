"""Reads and checks annotation files: every error names the file, and the line or the key."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from kapbench.errors import KapbenchError, agreeing, counted, unknown
from kapbench.paths import data_root, is_system_file
from kapbench.storage import bytes_hash
from kapbench.types import Keypoints, View
from kapbench.untrusted.refused_values import describe_value
from kapbench.untrusted.strict_text import CORRECT, number, parse_json

AS_PUBLISHED = "Save the list with commas, as it is published"
MAX_PX = 1_000_000  # of a coordinate or a side; larger numbers are damage
Coordinate = Annotated[FiniteFloat, Field(ge=-MAX_PX, le=MAX_PX)]
Side = Annotated[int, Field(gt=0, le=MAX_PX)]  # width or height of an image
Box = tuple[float, float, float, float]
_Model = TypeVar("_Model", bound=BaseModel)


def wrong_file(message: str, place: object) -> KapbenchError:
    """The error of a file whose content is wrong."""
    return KapbenchError(message, place=place, fix=CORRECT)


def wrong_line(message: str, place: object) -> KapbenchError:
    """The error of a line of a file."""
    return KapbenchError(message, place=place, fix="Correct the line")


def find_folder(root: str | Path | None, name: str) -> Path:
    """The data set's folder: below the data root, or the root itself where it has that name."""
    base = data_root(root)
    return base if base.name == name else base / name


def fetch_hint(name: str, folder: str) -> str:
    """What to do where a data set is missing."""
    return (
        f"Run `kapbench fetch {name}`, or point --data-root (KAPBENCH_DATA) at the folder that "
        f"holds {folder}"
    )


def list_names(folder: Path) -> frozenset[str]:
    """Names in a folder, but for system files; none where it does not exist.

    Raises:
        KapbenchError: the folder cannot be read.
    """
    try:
        return frozenset(e.name for e in folder.iterdir() if not is_system_file(e.name))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise KapbenchError(
            f"The folder cannot be read: {reason}", place=folder, fix="Make it readable"
        ) from error


def validate(kind: type[_Model], content: Any, place: object) -> _Model:
    """The content as its schema has it. KapbenchError names the first key that is wrong."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise describe_invalid(error, place) from error


def validate_json(kind: type[_Model], content: bytes, place: object) -> _Model:
    """As `validate`, of a JSON file whose schema is strict but reads lists as tuples."""
    parse_json(content, place)  # refuses what pydantic's own reader takes, e.g. two equal keys
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise describe_invalid(error, place) from error


def describe_invalid(error: ValidationError, place: object) -> KapbenchError:
    """The first key that a schema refuses, and why."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    message = describe_value(first)
    if first["type"] == "json_invalid":
        message = f"The file is not JSON: {first['msg']}"
    elif first["type"] == "missing":
        message = f"Key '{key}' is missing"
    elif first["type"] in ("value_error", "assertion_error"):
        message = f"The annotation is not valid: {message[0].lower()}{message[1:]}"
    return wrong_file(message, f"{place}, key {key}" if key else place)


def check_choice(thing: str, value: str, allowed: Sequence[str], dataset: str) -> None:
    """KapbenchError where an option's value is not one of those allowed."""
    if value not in allowed:
        raise unknown(thing, value, allowed, place=f"data set {dataset}")


def check_box(box: Box, place: object) -> None:
    """KapbenchError where a box (x1, y1, x2, y2) has no area."""
    x1, y1, x2, y2 = box
    if not (x2 > x1 and y2 > y1):
        raise wrong_file(f"The box {[x1, y1, x2, y2]} (x1, y1, x2, y2) has no area", place)


def parse_numbers(texts: Iterable[str], place: object) -> Float[np.ndarray, "n"]:
    """Numbers up to MAX_PX. KapbenchError names the first text that is none."""
    values = []
    for text in texts:
        if (value := number(text)) is None:
            raise wrong_line(f"'{text[:40]}' is not a number", place)
        if abs(value) > MAX_PX:
            raise wrong_line(f"The number {text[:40]} is larger than {MAX_PX:,}", place)
        values.append(value)
    return np.array(values)


def make_keypoints(xy: Float[np.ndarray, "K 2"], visible: Bool[np.ndarray, "K"]) -> Keypoints:
    """Positions by id, NaN where not visible; read-only."""
    positions = np.where(visible[:, None], np.asarray(xy, np.float64), np.nan)
    flags = np.asarray(visible, bool).copy()
    positions.flags.writeable = flags.flags.writeable = False
    return Keypoints(positions, flags)


def drop_outside(points: Keypoints, size: tuple[int, int] | None = None) -> tuple[Keypoints, int]:
    """Makes keypoints outside the image invisible, and counts them.

    Args:
        size: Width and height; None: only those left of the image or above it are outside.
    """
    far = np.full(2, np.inf) if size is None else np.array(size, np.float64)
    with np.errstate(invalid="ignore"):
        inside = np.asarray(((points.xy >= 0) & (points.xy <= far)).all(axis=1))
    n_outside = int((points.visible & ~inside).sum())
    return (make_keypoints(points.xy, inside), n_outside) if n_outside else (points, 0)


def box_around(points: Keypoints) -> Box:
    """x1, y1, x2, y2 of the visible keypoints."""
    xy = points.xy[points.visible]
    (x1, y1), (x2, y2) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
    return x1, y1, x2, y2


def box_of_points(points: Keypoints) -> Box | None:
    """As `box_around`; None where fewer than two keypoints are visible at different places."""
    if not points.visible.any():
        return None
    box = box_around(points)
    return box if longer_side(box) > 0 else None


def longer_side(box: Box) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))


def smallest_size(box: Box, points: Keypoints) -> tuple[int, int]:
    """The smallest width and height that hold box and keypoints, for a missing photograph."""
    xy = points.xy[points.visible]
    far = np.concatenate([np.array([[box[2], box[3]]]), xy]).max(axis=0)
    return max(1, int(np.ceil(far[0]))), max(1, int(np.ceil(far[1])))


def list_sizes(views: Iterable[View]) -> Iterator[str]:
    """Id and size of each image, for the revision."""
    sizes = {view.image_id: view.size for view in views}
    yield from (f"{name} {w}x{h}" for name, (w, h) in sorted(sizes.items()))


def hash_revision(parts: Iterable[bytes | str]) -> str:
    """The revision: hash of all that was read and of how it was paired."""
    return bytes_hash(part.encode() if isinstance(part, str) else part for part in parts)[:16]


def remark_on_outside(n_keypoints: int) -> tuple[str, ...]:
    """The remark on keypoints that `drop_outside` made invisible."""
    n = n_keypoints
    message = (
        f"{counted(n, 'keypoint')} {agreeing('lies', n)} outside the image and "
        f"{agreeing('counts', n)} as not visible"
    )
    return (message,) if n else ()


def remark_on_no_box(n_objects: int) -> tuple[str, ...]:
    """The remark on objects without a box, and without two keypoints to take one from."""
    n = n_objects
    message = (
        f"{counted(n, 'object')} without a box {agreeing('is', n)} left out, because fewer than "
        "two keypoints are visible at different places, and a box cannot be taken from them"
    )
    return (message,) if n else ()


def remark_on_counting_from_one(views: Iterable[View]) -> tuple[str, ...]:
    """The remark that keypoints seem to count from 1, where they do."""
    visible = [(v.keypoints.xy[v.keypoints.visible], v.size) for v in views]
    whole = all(((xy >= 1) & (xy == xy.round())).all() for xy, _ in visible)
    if not whole or not any((xy == np.array(size)).any() for xy, size in visible):
        return ()
    message = (
        "All keypoints are whole numbers from 1 to the image's size. kapbench counts pixels from "
        "0: subtract 1 if these count from 1"
    )
    return (message,)


def remark_on_boxes(views: Iterable[View], box_format: str) -> tuple[str, ...]:
    """The remark that every box reaches beyond its image by more than a pixel, where each does.

    Args:
        box_format: What the file's four numbers are taken for.
    """
    beyond = [v.bbox[2] > v.size[0] + 1 or v.bbox[3] > v.size[1] + 1 for v in views]
    if not beyond or not all(beyond):
        return ()
    return (f"Every box reaches beyond its image: check that boxes are {box_format}",)
