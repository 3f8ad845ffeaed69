"""One fp16 safetensors file per (encoder, image), verified by hash, written atomically."""

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Int
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kapbench.errors import KapbenchError
from kapbench.protocols import Model, ModelInfo
from kapbench.regular_files import refuse_irregular
from kapbench.storage import fingerprint, write_atomically
from kapbench.types import FeatureMap, Grid

SCHEMA = "2"
SUFFIX = ".safetensors"
SIGNATURE = "encoder.json"  # beside the features: whose they are, for people


@dataclass(frozen=True, slots=True)
class CachedMap:
    """Features of one image by cell, as scoring reads them."""

    cells: Float16[np.ndarray, "n c"]  # n = grid.n_cells, row by row
    grid: Grid


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """The maps of one encoder below `root`.

    `encoder` is the fingerprint of everything that shapes its output.
    """

    root: Path
    encoder: str
    owner: Model | ModelInfo | None = None  # the encoder, as it is known by its revision

    @classmethod
    def of(cls, model: Model | ModelInfo, root: Path) -> "FeatureCache":
        """The cache of a model's maps below a cache folder."""
        shown = sorted(model.conditions_on)
        return cls(root / "features", fingerprint(model.name, model.revision, shown), model)

    def path(self, image_hash: str) -> Path:
        return self.root / self.encoder / image_hash[:2] / f"{image_hash}{SUFFIX}"

    def sign(self, model: Model | ModelInfo) -> None:
        """Says beside the features whose they are."""
        path = self.root / self.encoder / SIGNATURE
        if not path.exists():
            owner = self.owner or model
            signed = {"model": owner.name, "revision": owner.revision}
            write_atomically(
                path, json.dumps(signed | {"sees": sorted(model.conditions_on)}).encode()
            )

    def write(self, image_hash: str, feature_map: FeatureMap) -> None:
        """Stores a map in fp16. KapbenchError where it is misshapen or not finite in fp16."""
        cells = to_cells(feature_map)
        grid = feature_map.grid
        metadata = {"schema": SCHEMA, "grid": json.dumps([grid.height, grid.width, *grid.box])}
        metadata["sha256"] = _digest(cells, metadata)
        write_atomically(self.path(image_hash), save({"features": cells}, metadata))

    def verify(self, image_hash: str, *, touch: bool = True) -> bool | None:
        """True: undamaged; False: damaged; None: missing.

        Args:
            touch: Mark what is whole as used now, so that it is evicted last.
        """
        path = self.path(image_hash)
        if not path.exists():
            return None
        try:
            refuse_irregular(path)  # it would wait for a named pipe
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("schema") != SCHEMA:
                    return False
                whole = bool(metadata["sha256"] == _digest(file.get_tensor("features"), metadata))
        except (SafetensorError, OSError, KeyError, ValueError):
            return False
        if whole and touch:
            with contextlib.suppress(OSError):  # somebody else's cache, only to be read
                os.utime(path)
        return whole

    def read(self, image_hash: str) -> CachedMap:
        with safe_open(self.path(image_hash), framework="numpy") as file:
            return CachedMap(file.get_tensor("features"), _grid(file.metadata()))

    def rows(self, image_hash: str, cells: Int[np.ndarray, "q"]) -> Float16[np.ndarray, "q c"]:
        """Features of a few cells; the rest of the file is not read."""
        with safe_open(self.path(image_hash), framework="numpy") as file:
            view = file.get_slice("features")
            return np.concatenate([view[:0], *(view[int(c) : int(c) + 1] for c in cells)])

    def grid(self, image_hash: str) -> Grid:
        with safe_open(self.path(image_hash), framework="numpy") as file:
            return _grid(file.metadata())


def to_cells(feature_map: FeatureMap) -> Float16[np.ndarray, "n c"]:
    """[c h w] to fp16 rows by cell. KapbenchError where values are misshapen or not finite."""
    values, grid = np.asarray(feature_map.values), feature_map.grid
    if values.ndim != 3 or values.shape[1:] != (grid.height, grid.width):
        raise KapbenchError(
            f"The feature map has the shape {list(values.shape)}, its grid {grid.height}×{grid.width}",
            fix="Return values [channels, height, width], height and width as in the grid",
        )
    with np.errstate(over="ignore"):
        half = values.reshape(len(values), -1).T.astype(np.float16)
    if not np.isfinite(half).all():
        raise KapbenchError(
            f"{(~np.isfinite(half)).sum():,} of {half.size:,} features are not finite in fp16",
            fix="Look for NaN in the model, or scale its features to below 65504",
        )
    return np.ascontiguousarray(half)


def _digest(cells: np.ndarray, metadata: dict[str, str]) -> str:
    """Hash of the features and of all that says what they are."""
    layout = json.dumps([metadata["schema"], metadata["grid"], cells.dtype.str, cells.shape])
    digest = hashlib.sha256(layout.encode())
    digest.update(np.ascontiguousarray(cells).data)
    return digest.hexdigest()


def _grid(metadata: dict[str, str]) -> Grid:
    height, width, *box = json.loads(metadata["grid"])
    x0, y0, x1, y1 = box
    return Grid(int(height), int(width), (x0, y0, x1, y1))
