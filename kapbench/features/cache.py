"""One fp16 safetensors file per (encoder, image), verified by hash, written atomically."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Int
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kapbench.errors import KapbenchError
from kapbench.models.cached_map import CachedMap, to_cells
from kapbench.protocols import Model, ModelInfo
from kapbench.storage import fingerprint, write_atomically
from kapbench.types import FeatureMap, Grid
from kapbench.untrusted.regular_files import refuse_irregular

SCHEMA = "2"
SUFFIX = ".safetensors"
ISOLATED = "-isolated"  # the end of names of run folders and of revisions in the cache
SIGNATURE = "encoder.json"  # beside the features: whose they are, for people


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """The maps of one encoder below `root`.

    `encoder` is the fingerprint of everything that shapes its output.
    """

    root: Path
    encoder: str
    owner: Model | ModelInfo | None = None  # the encoder, as it is known by its revision
    backbones_root: Path | None = None  # cache folder of its backbones' maps

    @classmethod
    def of(
        cls, model: Model | ModelInfo, root: Path, backbones_root: Path | None = None
    ) -> "FeatureCache":
        """The cache of a model's maps below a cache folder.

        Args:
            backbones_root: Cache folder of the backbones' maps, where it is another one.
        """
        encoder = fingerprint(model.name, model.revision, sorted(model.conditions_on))
        return cls(root / "features", encoder, model, backbones_root or root)

    def path(self, image_hash: str) -> Path:
        return self.root / self.encoder / image_hash[:2] / f"{image_hash}{SUFFIX}"

    def exists(self) -> bool:
        """Whether it may hold anything."""
        return (self.root / self.encoder).is_dir()

    def sign(
        self, model: Model | ModelInfo, backbones: Sequence[str] = (), serves: str | None = None
    ) -> None:
        """Says beside the features whose they are.

        Args:
            backbones: Fingerprints of the encoders that this one stands on.
            serves: A model that stands on this one.
        """
        path = self.root / self.encoder / SIGNATURE
        signed = _read_signature(path)
        before = signed.get("serves")
        served = {*(before if isinstance(before, list) else ()), *([serves] if serves else [])}
        if signed and len(served) == len(before or ()):
            return
        owner = self.owner or model
        signed = {"model": owner.name, "revision": owner.revision}
        signed |= {"sees": sorted(model.conditions_on)}
        signed |= {"backbones": list(backbones)} if backbones else {}
        signed |= {"serves": sorted(served)} if served else {}
        write_atomically(path, json.dumps(signed).encode())

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


def _read_signature(path: Path) -> dict[str, Any]:
    """Empty where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        signed = json.loads(path.read_bytes())
        if isinstance(signed, dict):
            return signed
    return {}


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
