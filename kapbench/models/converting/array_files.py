"""Opens files of arrays without running code that they may contain, and without reading them whole."""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Real

from kapbench.errors import KapbenchError
from kapbench.models.converting.torch_files import open_torch
from kapbench.untrusted.regular_files import NotRegularError, open_regular

MOST_BYTES = 2 << 30  # of one image's features: 3,968 channels on 120×120 cells are a ninth of it
# What readers raise of damaged, encrypted or otherwise unreadable files.
DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    OverflowError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    NotRegularError,
)
_NO_PICKLE = (
    "Save it again as an array of numbers: objects are stored as pickles, which can run code"
)


@dataclass(frozen=True, slots=True)
class Arrays:
    """What an open file holds.

    Args:
        shapes: By name, "" where a file holds a single array without a name.
        read: The array of a name, as numbers that NumPy has.
    """

    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], Real[np.ndarray, "..."]]


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """The arrays of a file, by its ending; they are read one by one, while it is open.

    Raises:
        KapbenchError: another ending; a file that is damaged, or holds objects in place of numbers,
            or an array of more than 2 GiB.
    """
    opener = OPENERS[path.suffix.lower()]
    try:
        open_regular(path).close()  # neither a pipe nor a device, which would never end
        with opener(path) as arrays:
            yield arrays
    except DAMAGE as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: BaseException) -> KapbenchError:
    text = str(error).partition("\n")[0]
    why = "" if not text or "mmap" in text else f": {text}"
    return KapbenchError(
        f"The file is not a whole {path.suffix} file{why}", place=path, fix="Save it again"
    )


def check_array(path: Path, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """KapbenchError where an array holds no real numbers, or more of them than an image has."""
    array = f"array '{name}'" if name else "array"
    if dtype.kind not in "fiu":
        what = "Python objects" if dtype.hasobject else f"values of the type {dtype}"
        raise KapbenchError(f"The {array} holds {what}, no numbers", place=path, fix=_NO_PICKLE)
    check_bytes(path, name, math.prod(shape) * dtype.itemsize)


def check_bytes(path: Path, name: str, n_bytes: int) -> None:
    """KapbenchError where one array is larger than the features of an image can be."""
    if n_bytes > MOST_BYTES:
        array = f"array '{name}'" if name else "array"
        raise KapbenchError(
            f"The {array} takes {n_bytes / 2**30:,.1f} GiB, more than the {MOST_BYTES >> 30} GiB that "
            "are read as one image's features",
            place=path,
            fix="Save one array for each image",
        )


@contextmanager
def _open_npy(path: Path) -> Iterator[Arrays]:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    check_array(path, "", values.dtype, values.shape)
    yield Arrays({"": values.shape}, lambda _: np.asarray(values))


@contextmanager
def _open_npz(path: Path) -> Iterator[Arrays]:
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        shapes = {}
        for member in members:
            shape, dtype = _read_header(archive, member)
            check_array(path, member.removesuffix(".npy"), dtype, shape)
            shapes[member.removesuffix(".npy")] = shape

        def read(name: str) -> np.ndarray:
            with archive.open(f"{name}.npy") as file:
                return np.asarray(np.lib.format.read_array(file, allow_pickle=False))

        yield Arrays(shapes, read)


def _read_header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype


@contextmanager
def _open_h5(path: Path) -> Iterator[Arrays]:
    try:
        import h5py
    except ImportError as error:
        raise KapbenchError(
            "Files of HDF5 need h5py", place=path, fix="Install it: pip install 'kapbench[h5]'"
        ) from error
    with h5py.File(path, "r") as file:
        shapes: dict[str, tuple[int, ...]] = {}

        def visit(name: str, item: Any) -> None:  # links to other files are not followed
            if isinstance(item, h5py.Dataset):
                check_array(path, name, item.dtype, item.shape)
                shapes[name] = item.shape

        file.visititems(visit)
        yield Arrays(shapes, lambda name: np.asarray(file[name]))


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Arrays]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118

            def read(name: str) -> np.ndarray:
                values = file.get_tensor(name)
                return np.asarray(values.float() if values.itemsize < 4 else values)

            yield Arrays(shapes, read)
    except SafetensorError as error:
        raise damaged(path, error) from error


@contextmanager
def _open_torch(path: Path) -> Iterator[Arrays]:
    tensors = open_torch(path)
    for name, tensor in tensors.items():
        check_bytes(path, name, tensor.n_bytes)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    yield Arrays(shapes, lambda name: tensors[name].read())


OPENERS: dict[str, Callable[[Path], AbstractContextManager[Arrays]]] = {
    ".npy": _open_npy,
    ".npz": _open_npz,
    ".pt": _open_torch,
    ".pth": _open_torch,
    ".h5": _open_h5,
    ".hdf5": _open_h5,
    ".safetensors": _open_safetensors,
}
