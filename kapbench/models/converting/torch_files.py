"""Tensors of a .pt or .pth file: `torch.load(weights_only=True)`, which runs no code of the file."""

import pickle
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Real

from kapbench.errors import KapbenchError

MOST_BYTES_WHOLE = 4 << 30  # of a file in torch's old format, which cannot be read in parts


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that is read from the disk when its values are asked for."""

    tensor: Any
    shape: tuple[int, ...]
    n_bytes: int

    def read(self) -> Real[np.ndarray, "..."]:
        """bfloat16 and eight-bit floats as float32, which NumPy has."""
        values = self.tensor.detach()
        short = values.is_floating_point() and str(values.dtype) not in _NUMPY_FLOATS
        return np.asarray((values.float() if short else values).resolve_neg().contiguous())


_NUMPY_FLOATS = ("torch.float16", "torch.float32", "torch.float64")


def open_torch(path: Path) -> dict[str, StoredTensor]:
    """Tensors by name: "" of a single one, "a/b" of one in a dictionary in a dictionary.

    Other values of a dictionary (texts, numbers) are left out.

    Raises:
        KapbenchError: the file is damaged, holds objects that are neither tensors nor plain values,
            or tensors that are sparse, quantised, complex or of truth values.
    """
    import torch

    content = _load(path)
    tensors = {}
    for name, tensor in _walk(content, torch.Tensor):
        if (
            tensor.layout is not torch.strided
            or tensor.is_quantized
            or tensor.is_complex()
            or tensor.dtype is torch.bool
        ):
            raise KapbenchError(
                f"The tensor '{name}' of the type {tensor.dtype} holds no plain numbers",
                place=path,
                fix="Save a dense tensor of floats",
            )
        shape = tuple(tensor.shape)
        tensors[name] = StoredTensor(tensor, shape, tensor.numel() * tensor.element_size())
    return tensors


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # A file that torch did not write is refused, or read: its warning says no more.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return _load_mapped(path)
    except pickle.UnpicklingError as error:
        raise KapbenchError(
            "The file holds objects that are no tensors, or is damaged",
            place=path,
            fix="Save tensors alone: torch.save(tensor.cpu(), FILE); objects can run code, and are "
            "not opened",
        ) from error
    except KapbenchError:
        raise
    except Exception as error:  # torch's reader raises anything where bytes are wrong
        text = str(error).partition("\n")[0]
        raise KapbenchError(
            f"The file is not a whole {path.suffix} file: {text}", place=path, fix="Save it again"
        ) from error


def _load_mapped(path: Path) -> Any:
    """Without reading the values, where the file's format allows it."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
        _check_whole(path)
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_whole(path: Path) -> None:
    if (size := path.stat().st_size) > MOST_BYTES_WHOLE:
        raise KapbenchError(
            f"The file is in torch's old format, which is read whole, and takes {size / 2**30:,.1f} GiB",
            place=path,
            fix="Save one file for each image, or load it and save it again with torch.save",
        )


def _walk(value: Any, kind: type, name: str = "") -> Iterator[tuple[str, Any]]:
    """Tensors in dictionaries, lists and tuples, by the names of their places."""
    if isinstance(value, kind):
        yield name, value
        return
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    for key, item in items:
        yield from _walk(item, kind, f"{name}/{key}" if name else str(key))
