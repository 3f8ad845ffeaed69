"""Reading annotation files at the door: what is wrong is named with file, line and key."""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ValidationError

from kapbench.errors import KapbenchError
from kapbench.paths import data_root
from kapbench.registry import unknown
from kapbench.types import Keypoints, View

MEND = "mend the file, or fetch the data set again"  # where what is wrong is in it
Box = tuple[float, float, float, float]
_Model = TypeVar("_Model", bound=BaseModel)


def folder_of(root: str | Path | None, name: str) -> Path:
    """The data set's folder: below the data root, or the root itself where that is it."""
    base = data_root(root)
    return base if base.name == name else base / name


def get_it(name: str, folder: str) -> str:
    """What to do where a data set is not here."""
    return (
        f"`kapbench fetch {name}`, or point --data-root (KAPBENCH_DATA) at the folder that holds "
        f"{folder}"
    )


def read_bytes(path: Path, fix: str) -> bytes:
    """
    Raises:
        KapbenchError: no such file, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KapbenchError("file not found", place=path, fix=fix) from error
    except OSError as error:
        said = f"file cannot be read: {error.strerror or error}"
        raise KapbenchError(said, place=path, fix=fix) from error


def read_text(path: Path, fix: str) -> str:
    """UTF-8, with or without a mark at its start. KapbenchError as `read_bytes`."""
    return decoded(read_bytes(path, fix), path, fix)


def decoded(content: bytes, path: Path, fix: str) -> str:
    """As `read_text`, of what the file at `path` holds."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KapbenchError("no text in UTF-8", place=path, fix=fix) from error


def read_table(content: bytes, path: Path, fix: str) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line of a CSV file. KapbenchError where there are none."""
    lines = csv.reader(decoded(content, path, fix).splitlines())
    try:
        for words in lines:
            yield lines.line_num, words
    except csv.Error as error:
        raise KapbenchError(
            f"no line of a table: {error}", place=f"{path}, line {lines.line_num}",
            fix="mend the line",
        ) from error  # fmt: skip


def read_json(content: bytes, path: Path) -> Any:
    """KapbenchError where it is not JSON; NaN and Infinity are not."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    try:
        return json.loads(content, parse_constant=refuse)
    except ValueError as error:
        raise KapbenchError(f"not JSON: {error}", place=path, fix="mend the file") from error


def parsed(kind: type[_Model], content: Any, place: object) -> _Model:
    """A value as its schema has it. KapbenchError names the first key that is wrong."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise KapbenchError(
            first["msg"].lower(), place=f"{place}, key {key}" if key else place,
            fix="mend the file",
        ) from error  # fmt: skip


def choose(thing: str, value: str, known: Sequence[str], dataset: str) -> None:
    """KapbenchError where an option's value is none of the known ones."""
    if value not in known:
        raise unknown(thing, value, known, place=f"data set {dataset}")


def numbers(texts: Iterable[str], place: object, what: str = "number") -> Float[np.ndarray, "n"]:
    """Finite numbers written as texts. KapbenchError names the first that is none."""
    found = []
    for text in texts:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise KapbenchError(f"'{text}' is no {what}", place=place, fix="mend the line")
        found.append(value)
    return np.array(found)


def keypoints(xy: Float[np.ndarray, "K 2"], visible: Bool[np.ndarray, "K"]) -> Keypoints:
    """Positions by id, NaN where not visible; read-only."""
    placed = np.where(visible[:, None], np.asarray(xy, np.float64), np.nan)
    seen = np.asarray(visible, bool).copy()
    placed.flags.writeable = seen.flags.writeable = False
    return Keypoints(placed, seen)


def inside(points: Keypoints, size: tuple[int, int] | None = None) -> tuple[Keypoints, int]:
    """Those within an image of `size` (None: right of and below its corner), and how many are not.

    A keypoint outside its image is taken as not shown.
    """
    far = np.full(2, np.inf) if size is None else np.array(size, np.float64)
    with np.errstate(invalid="ignore"):
        within = np.asarray(((points.xy >= 0) & (points.xy <= far)).all(axis=1))
    n_outside = int((points.visible & ~within).sum())
    return (keypoints(points.xy, within), n_outside) if n_outside else (points, 0)


def outside(n: int) -> tuple[str, ...]:
    """The remark on keypoints that `inside` has taken out."""
    said = f"{n:,} keypoints lie outside their image: taken as not shown"
    return (said,) if n else ()


def box_around(points: Keypoints) -> Box:
    """x1, y1, x2, y2 of the visible keypoints."""
    xy = points.xy[points.visible]
    (x1, y1), (x2, y2) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
    return x1, y1, x2, y2


def longer_side(box: Box) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))


def holding(box: Box, points: Keypoints) -> tuple[int, int]:
    """The smallest width and height that hold box and keypoints: of a photograph not here."""
    xy = points.xy[points.visible]
    far = np.concatenate([np.array([[box[2], box[3]]]), xy]).max(axis=0)
    return max(1, int(np.ceil(far[0]))), max(1, int(np.ceil(far[1])))


def seen(views: Iterable[View]) -> Iterator[str]:
    """For a revision: which views there are, and of which size their photographs."""
    sizes = {view.image_id: view.size for view in views}
    yield from (f"{name} {w}x{h}" for name, (w, h) in sorted(sizes.items()))


def revision(parts: Iterable[bytes | str]) -> str:
    """Hash of what was read and of how it was paired."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()[:16]


def counting_from_one(views: Iterable[View]) -> list[str]:
    """The remark that keypoints seem to count from 1, where they do."""
    shown = [(v.keypoints.xy[v.keypoints.visible], v.size) for v in views]
    whole = all(((xy >= 1) & (xy == xy.round())).all() for xy, _ in shown)
    if not whole or not any((xy == np.array(size)).any() for xy, size in shown):
        return []
    said = "keypoints are whole numbers from 1 to the image's size: do they count from 1?"
    return [f"{said} Here they count from 0"]


def boxes_beyond(views: Iterable[View]) -> list[str]:
    """The remark that every box reaches beyond its image by more than a pixel, where each does."""
    far = [v.bbox[2] > v.size[0] + 1 or v.bbox[3] > v.size[1] + 1 for v in views]
    if not far or not all(far):
        return []
    return ["every box reaches beyond its image: x1, y1, x2, y2 are read; are these x, y, w, h?"]
