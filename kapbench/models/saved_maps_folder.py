"""A folder of saved maps: its settings and its files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from kapbench.errors import KapbenchError
from kapbench.file_hashes import folder_hashes
from kapbench.paths import list_files
from kapbench.protocols import Condition
from kapbench.storage import fingerprint
from kapbench.types import Grid, Picture
from kapbench.untrusted.refused_values import describe_key
from kapbench.untrusted.strict_text import CORRECT_OWN, parse_json, read_bytes

SETTINGS = "kapbench.json"
_Tensor = TypeVar("_Tensor")  # a tensor, or its shape


class Settings(BaseModel):
    """kapbench.json: how maps lie on the image, how they compare, what made them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grid: Literal["letterbox", "stretched"] = "letterbox"
    side: PositiveInt = 840  # of the letterbox, px: its rounding depends on it
    axes: Literal["chw"] | None = None  # "chw": stated by the user where shapes leave it open
    similarity: Literal["dot", "neg_l2"] = "dot"
    conditions_on: tuple[Condition, ...] = ()
    supervision: str = "none"
    trained_on: str | None = None
    corrupt: str | None = None  # of the images that the maps were made of: fog:3
    unfinished: bool = False  # `kapbench convert features` has not written all maps yet

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
        if not path.exists():
            return Settings()
        content = read_bytes(path, "Make it readable")
        parse_json(content, path, fix=CORRECT_OWN)  # refuses what pydantic's own reader takes
        settings = Settings.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        key, known = next(iter(first["loc"]), "the content"), ", ".join(Settings.model_fields)
        if first["type"] == "extra_forbidden":
            raise KapbenchError(
                f"Key '{key}' is unknown", place=path, fix=f"Use only the keys {known}"
            ) from error
        raise KapbenchError(
            describe_key(first), place=path, fix=f"Correct the file; its keys are {known}"
        ) from error
    if settings.unfinished:
        raise KapbenchError(
            "The conversion to this folder was interrupted",
            place=path,
            fix="Run the same kapbench convert features again: it goes on where it stopped",
        )
    return settings


def revision(directory: Path, *, rehash: bool = False) -> str:
    """Follows from names and contents of the files, wherever the folder lies.

    Contents are remembered by size, times and inode: see `kapbench.file_hashes`.

    Args:
        rehash: Read every file, whatever is remembered.

    Raises:
        KapbenchError: a file cannot be read.
    """
    names = [
        path.relative_to(directory).as_posix()
        for path in list_files(directory, "**/*")
        if (path.suffix == ".safetensors" or path == directory / SETTINGS) and path.is_file()
    ]
    try:
        hashes = folder_hashes(directory, names, again=rehash)
    except OSError as error:
        raise KapbenchError(
            f"A saved map cannot be read: {error.strerror or error}",
            place=error.filename or directory,
            fix="Make it readable, or leave the folder as it is while it is read",
        ) from error
    return fingerprint(sorted(hashes.items()))


def load(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file, bfloat16 as float32. KapbenchError where it is not safetensors."""
    from safetensors.torch import load_file

    with _describe_damage(path):
        tensors: dict[str, Any] = load_file(path)
    return {
        name: np.asarray(t.float() if t.is_floating_point() and t.itemsize < 4 else t)
        for name, t in tensors.items()
    }


@contextmanager
def _describe_damage(path: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, OSError, ValueError) as error:
        raise KapbenchError(
            f"The file is not a complete safetensors file: {error}",
            place=path,
            fix="Save it again, e.g. with kapbench.save_features",
        ) from error


def read_metadata(path: Path) -> dict[str, str]:
    """Texts in a file's header. KapbenchError where it is not safetensors."""
    from safetensors import safe_open

    with _describe_damage(path), safe_open(path, "np") as file:
        return dict(file.metadata() or {})


def read_shapes(path: Path, *names: str) -> list[tuple[int, ...]]:
    """Shapes of tensors, without reading them. KapbenchError as `load` and `tensor`."""
    from safetensors import safe_open

    with _describe_damage(path), safe_open(path, "np") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    return [tensor(shapes, name, path) for name in names]


def tensor(tensors: Mapping[str, _Tensor], name: str, path: Path) -> _Tensor:
    """KapbenchError where the file has no tensor of this name."""
    if name not in tensors:
        raise KapbenchError(
            f"The file has no tensor '{name}', only: {', '.join(sorted(tensors)) or 'none'}",
            place=path,
            fix=f"Save it under the name '{name}'",
        )
    return tensors[name]
