"""One fp16 safetensors file per (encoder, image), verified by hash, written atomically.

fp16 holds numbers from 6e-8 to 65504, and those below 6e-5 with fewer digits. A map whose largest
magnitude lies outside 2^-10 … 65520 is multiplied by a power of two before it is stored; the file says
by which. All other maps are stored as they are.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float16, Float32, Int
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kapbench.errors import KapbenchError
from kapbench.protocols import Model, ModelInfo
from kapbench.storage import fingerprint, write_atomically
from kapbench.types import FeatureMap, Grid
from kapbench.untrusted.regular_files import refuse_irregular

SCHEMA = "2"
SUFFIX = ".safetensors"
ISOLATED = "-isolated"  # the end of names of run folders and of revisions in the cache
SIGNATURE = "encoder.json"  # beside the features: whose they are, for people
_SMALLEST = 2.0**-10  # of a largest magnitude: fp16's smallest step, 2^-24, is then 2^-14 of it
_SMALLEST_NORMAL = 2.0**-14  # what is smaller has fewer digits
_LARGEST = 65520.0  # what is smaller rounds to 65504
_STORED_EXPONENT = 15  # of a scaled map: its largest magnitude is then 2^14 or more, and below 2^15
_LARGEST_EXPONENT = 120  # of a map: distances and sums of squares of larger ones exceed float32


@dataclass(frozen=True, slots=True)
class CachedMap:
    """Features of one image by cell, as scoring reads them: cells · 2^exponent."""

    cells: Float16[np.ndarray, "n c"]  # n = grid.n_cells, row by row
    grid: Grid
    exponent: int = 0

    def values(self) -> Float32[np.ndarray, "c h w"]:
        """The map in the encoder's own scale."""
        values = self.cells.T.reshape(-1, self.grid.height, self.grid.width)
        return np.asarray(np.ldexp(values.astype(np.float32), self.exponent))


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
        """Stores a map in fp16. KapbenchError as `to_cells`."""
        self.write_cells(image_hash, to_cells(feature_map))

    def write_cells(self, image_hash: str, cached: CachedMap) -> None:
        """Stores what `to_cells` made of a map."""
        grid = cached.grid
        metadata = {"schema": SCHEMA, "grid": json.dumps([grid.height, grid.width, *grid.box])}
        if cached.exponent:
            metadata["exponent"] = str(cached.exponent)
        metadata["sha256"] = _digest(cached.cells, metadata)
        path, folder = self.path(image_hash), self.root / self.encoder
        # `verify` compares the hash: nothing is lost where a file is not whole after a loss of power.
        content = save({"features": cached.cells}, metadata)
        write_atomically(path, content, durable=False, beside=folder)

    def verify(self, image_hash: str, *, touch: bool = True) -> bool | None:
        """True: undamaged; False: damaged, or no file; None: missing.

        Args:
            touch: Mark what is whole as used now, so that it is evicted last.
        """
        path = self.path(image_hash)
        try:
            refuse_irregular(path)  # it would wait for a named pipe
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("schema") != SCHEMA:
                    return False
                whole = bool(metadata["sha256"] == _digest(file.get_tensor("features"), metadata))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (SafetensorError, OSError, KeyError, ValueError, TypeError):  # e.g. bfloat16
            return False
        if whole and touch:
            with contextlib.suppress(OSError):  # somebody else's cache, only to be read
                os.utime(path)
        return whole

    def read(self, image_hash: str) -> CachedMap:
        """KapbenchError where the file was removed or damaged since it was verified."""
        with self._open(image_hash) as file:
            metadata = file.metadata()
            return CachedMap(file.get_tensor("features"), _grid(metadata), _exponent(metadata))

    def rows(self, image_hash: str, cells: Int[np.ndarray, "q"]) -> Float16[np.ndarray, "q c"]:
        """Features of a few cells as stored; the rest of the file is not read."""
        with self._open(image_hash) as file:
            view = file.get_slice("features")
            return np.concatenate([view[:0], *(view[int(c) : int(c) + 1] for c in cells)])

    def grid(self, image_hash: str) -> Grid:
        return self.grid_and_exponent(image_hash)[0]

    def grid_and_exponent(self, image_hash: str) -> tuple[Grid, int]:
        with self._open(image_hash) as file:
            metadata = file.metadata()
            return _grid(metadata), _exponent(metadata)

    @contextmanager
    def _open(self, image_hash: str) -> Iterator[Any]:
        path = self.path(image_hash)
        try:
            with safe_open(path, framework="numpy") as file:
                yield file
        except (SafetensorError, OSError) as error:
            raise KapbenchError(
                f"Features were removed from the cache, or changed, while they were needed: {error}",
                place=path,
                fix="Run the same command again, and leave the cache as it is",
            ) from error


def to_cells(feature_map: FeatureMap) -> CachedMap:
    """[c h w] to fp16 rows by cell, scaled where fp16 does not hold the values.

    Raises:
        KapbenchError: values are misshapen, not finite, beyond 1.3e36, or span more than fp16 holds.
    """
    values, grid = np.asarray(feature_map.values), feature_map.grid
    if values.ndim != 3 or values.shape[1:] != (grid.height, grid.width):
        raise KapbenchError(
            f"The feature map has the shape {list(values.shape)}, its grid {grid.height}×{grid.width}",
            fix="Return values [channels, height, width], height and width as in the grid",
        )
    exponent = _exponent_for(values)
    by_cell = values.reshape(len(values), -1).T
    with np.errstate(under="ignore"):
        if exponent:
            by_cell = np.ldexp(by_cell, -exponent)
        half = np.ascontiguousarray(by_cell.astype(np.float16))
    if exponent > 0:
        _refuse_lost_cells(by_cell, exponent)
    return CachedMap(half, grid, exponent)


def _refuse_lost_cells(scaled: Float[np.ndarray, "n c"], exponent: int) -> None:
    """KapbenchError where a cell has features that are too small for fp16 beside the largest ones."""
    largest = np.abs(scaled).max(axis=1)
    lost = (largest > 0) & (largest < _SMALLEST_NORMAL)
    if lost.any():
        raise KapbenchError(
            f"Features reach {np.ldexp(np.abs(scaled).max(), exponent):.0e}, and {lost.sum():,} of "
            f"{len(lost):,} cells have none that fp16 can hold beside them",
            fix="Look for an outlier in the model's output, or scale its features to below 65504",
        )


def _exponent_for(values: np.ndarray) -> int:
    """The exponent by which the stored map is to be read; 0 where values are stored as they are."""
    largest = float(np.maximum(values.max(initial=0), -values.min(initial=0)))  # NaN if any is
    if not np.isfinite(largest) or largest >= 2.0**_LARGEST_EXPONENT:
        wrong = ~(np.abs(values) < 2.0**_LARGEST_EXPONENT)
        channel, row, column = np.argwhere(wrong)[0]
        raise KapbenchError(
            f"{wrong.sum():,} of {values.size:,} features are not finite, or are beyond 1.3e36. The "
            f"first is {values[channel, row, column]:.3g} in channel {channel} of the cell in row "
            f"{row}, column {column}, counted from 0",
            fix="Look for NaN in the model, or for a division by a number that is nearly 0",
        )
    if largest == 0 or _SMALLEST <= largest < _LARGEST:
        return 0
    return int(np.frexp(largest)[1]) - _STORED_EXPONENT


def _digest(cells: np.ndarray, metadata: dict[str, str]) -> str:
    """Hash of the features and of all that says what they are."""
    scale = [metadata["exponent"]] if "exponent" in metadata else []
    parts = [metadata["schema"], metadata["grid"], cells.dtype.str, cells.shape, *scale]
    layout = json.dumps(parts)
    digest = hashlib.sha256(layout.encode())
    digest.update(np.ascontiguousarray(cells).data)
    return digest.hexdigest()


def _exponent(metadata: dict[str, str]) -> int:
    return int(metadata.get("exponent", 0))


def _grid(metadata: dict[str, str]) -> Grid:
    height, width, *box = json.loads(metadata["grid"])
    x0, y0, x1, y1 = box
    return Grid(int(height), int(width), (x0, y0, x1, y1))
