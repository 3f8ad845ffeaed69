"""Where SPair-71k keeps what belongs to an image, and what of it is here."""

from collections.abc import Sequence
from pathlib import Path

from kapbench.errors import KapbenchError


def annotation(image_id: str) -> str:
    return f"ImageAnnotation/{image_id}.json"


def picture(image_id: str) -> str:
    return f"JPEGImages/{image_id}.jpg"


def category_of(image_id: str) -> str:
    """Category of an image."""
    return image_id.partition("/")[0]


def absent(folder: Path, paths: Sequence[str]) -> Sequence[str]:
    """Those of the paths, all in one folder, that are not there."""
    present = names_in((folder / paths[0]).parent)
    return [path for path in paths if path.rpartition("/")[2] not in present]


def names_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(entry.name for entry in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise KapbenchError(
            f"folder cannot be read: {error.strerror}", place=folder, fix="make it readable"
        ) from error


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KapbenchError(
            f"annotation cannot be read: {error.strerror}",
            place=path,
            fix="make it readable, or fetch the data set again",
        ) from error
