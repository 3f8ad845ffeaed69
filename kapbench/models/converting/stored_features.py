"""The features of each image as they are stored: plain files, or the two parts of sd-dino."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float

from kapbench.errors import KapbenchError
from kapbench.models.converting.array_files import Arrays, open_arrays
from kapbench.models.converting.axes import Axes, Shape, drop_batch
from kapbench.models.converting.entries import Entry, choose_array
from kapbench.models.converting.sd_dino import Part, read, shapes_of


@dataclass(frozen=True, slots=True)
class Stored:
    """One image's features, not read yet.

    Args:
        shape: As stored, with axes of length 1 before the others.
        load: The values, without these axes.
    """

    entry: Entry
    shape: Shape
    load: Callable[[], np.ndarray]


def stored_features(
    entries: Mapping[str, Entry], part: Part | None
) -> Iterator[tuple[str, Stored]]:
    """Each image's features, while its file is open; a file of many arrays is opened once.

    Raises:
        KapbenchError: a file that is damaged, or that holds no array or several.
    """
    for path, group in groupby(entries.items(), key=lambda item: item[1].path):
        if part is not None:
            for image_id, entry in group:
                yield image_id, _of_parts(entry, part)
            continue
        with open_arrays(path) as arrays:
            for image_id, entry in group:
                yield image_id, _of_array(entry, arrays)


def _of_parts(entry: Entry, part: Part) -> Stored:
    return Stored(entry, shapes_of(entry.paths, part), lambda: read(entry.paths, part))


def _of_array(entry: Entry, arrays: Arrays) -> Stored:
    name = choose_array(list(arrays.shapes), entry.key, entry.path)
    shape = arrays.shapes[name]
    return Stored(entry, shape, lambda: arrays.read(name).reshape(drop_batch(shape)))


def channels_first(stored: Stored, axes: Axes) -> Float[np.ndarray, "c h w"]:
    """The values in the order that kapbench reads, whole numbers as float32.

    Raises:
        KapbenchError: NaN or infinite values; the file is damaged.
    """
    with _naming(stored):
        values = stored.load()
    if values.dtype.kind != "f":
        values = values.astype(np.float32)
    if not np.isfinite(values).all():
        n_bad = int(np.count_nonzero(~np.isfinite(values)))
        raise KapbenchError(
            f"{n_bad:,} of {values.size:,} values are NaN or infinite",
            place=place_of(stored.entry),
            fix="Look for NaN in the model that made them",
        )
    return values if axes == "chw" else values.transpose(2, 0, 1)


@contextmanager
def _naming(stored: Stored) -> Iterator[None]:
    """torch reports a file that is cut off when its values are read, as RuntimeError."""
    try:
        yield
    except (RuntimeError, KeyError) as error:
        raise KapbenchError(
            f"The values cannot be read: {str(error).partition(chr(10))[0]}",
            place=place_of(stored.entry),
            fix="Save the file again",
        ) from error


def place_of(entry: Entry) -> str:
    """The file, and in a file of many the array."""
    return str(entry.path) if entry.key is None else f"{entry.path}: {entry.key}"
