"""Tensors as safetensors files: written whole or not at all; other formats are refused."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.storage import write_atomically


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file under a temporary name, moved into place."""
    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    write_atomically(path, to_bytes(plain, metadata))


def read_tensors(path: Path, fix: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Args:
        fix: What to do if there is no such file.

    Raises:
        KapbenchError: no such file, or not a safetensors file.
    """
    if not path.is_file():
        raise KapbenchError("The weights file does not exist", place=path, fix=fix)
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in sorted(file.keys())}, file.metadata() or {}
    except SafetensorError as error:
        raise KapbenchError(
            f"This is not a safetensors file but {_kind(path)}", place=path, fix=fix
        ) from error


def _kind(path: Path) -> str:
    head = path.read_bytes()[:4]
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return "a pickle"
    return "an empty or damaged file" if len(head) < 4 else "something else"
