"""A folder of saved maps: its settings and its files."""

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition
from kapbench.types import Grid, Picture

SETTINGS = "kapbench.json"


class Settings(BaseModel):
    """kapbench.json: how maps lie on the image, how they compare, what made them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grid: Literal["letterbox", "stretched"] = "letterbox"
    side: PositiveInt = 840  # of the letterbox, px: its rounding depends on it
    similarity: Literal["dot", "neg_l2"] = "dot"
    conditions_on: tuple[Condition, ...] = ()
    supervision: str = "none"
    trained_on: str | None = None

    def grid_of(self, picture: Picture, shape: tuple[int, ...], path: Path) -> Grid:
        """KapbenchError where the settings say letterbox, but the cells are not a square."""
        height, width = shape
        if self.grid == "stretched":
            return Grid.stretched(picture.size, height, width)
        if height != width:
            raise KapbenchError(
                f"Maps of {height}×{width} cells are not a square letterbox",
                place=path,
                fix=f'Write {{"grid": "stretched"}} into {SETTINGS} at the top of the folder',
            )
        return Grid.letterbox(picture.size, height, self.side)


def check_saved_maps_folder(spec: str) -> None:
    """KapbenchError where `features:DIR` or `similarity:DIR` has no such folder, or its settings
    are wrong; nothing for other models.
    """
    kind, _, directory = spec.partition(":")
    if kind in ("features", "similarity") and directory:
        read_settings(Path(directory).expanduser())


def read_settings(directory: Path) -> Settings:
    """KapbenchError where the folder does not exist, or its settings are not as `Settings`."""
    if not directory.is_dir():
        raise KapbenchError(
            "The folder does not exist", place=directory, fix="Give a folder of saved maps"
        )
    path = directory / SETTINGS
    try:
        return Settings.model_validate_json(path.read_bytes()) if path.exists() else Settings()
    except OSError as error:
        raise KapbenchError(
            f"The file cannot be read: {error.strerror or error}",
            place=path,
            fix="Make it readable",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key, known = next(iter(first["loc"]), "the content"), ", ".join(Settings.model_fields)
        if first["type"] == "extra_forbidden":
            raise KapbenchError(
                f"Key '{key}' is unknown", place=path, fix=f"Use only the keys {known}"
            ) from error
        raise KapbenchError(
            f"{key} is {first['input']!r:.80}", place=path, fix=f"{first['msg']}; keys: {known}"
        ) from error


def revision(directory: Path) -> str:
    """Follows from names, sizes and times of the files.

    A changed file is seen without reading gigabytes; a copied folder is a new revision.
    """
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.suffix == ".safetensors" or path == directory / SETTINGS:
            status = path.stat()
            name = path.relative_to(directory).as_posix()
            digest.update(f"{name}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def load(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file, bfloat16 as float32. KapbenchError where it is not safetensors."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise missing([path], path.parent)
    try:
        tensors: dict[str, Any] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise KapbenchError(
            f"The file is not a complete safetensors file: {error}",
            place=path,
            fix="Save it again, e.g. with kapbench.save_features",
        ) from error
    return {
        name: np.asarray(t.float() if t.is_floating_point() and t.itemsize < 4 else t)
        for name, t in tensors.items()
    }


def missing(paths: list[Path], directory: Path) -> KapbenchError:
    """The error for missing files, which names a file of another format in their place."""
    first = paths[0]
    others = sorted(first.parent.glob(f"{first.stem}.*")) if first.parent.is_dir() else []
    if others:
        return KapbenchError(
            f"A safetensors file is expected, but the folder holds {others[0].name}",
            place=first,
            fix="Convert it to safetensors: other formats can run code when they are opened",
        )
    return KapbenchError(
        "Saved maps are missing",
        place=first,
        fix=f"Save them in {directory}, or choose other categories",
    )


def tensor(tensors: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """KapbenchError where the file has no tensor of this name."""
    if name not in tensors:
        raise KapbenchError(
            f"The file has no tensor '{name}', only: {', '.join(sorted(tensors)) or 'none'}",
            place=path,
            fix=f"Save it under the name '{name}'",
        )
    return tensors[name]
