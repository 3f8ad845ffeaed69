"""Any lab's features or similarity maps from disk: `features:DIR` and `similarity:DIR`.

    DIR/<image_id>.safetensors                          tensor `features` [c h w]
    DIR/<source image_id>/<target image_id>.safetensors `similarity` [q h w], `queries` [q 2]
    DIR/kapbench.json                                   optional: {"grid": ..., "similarity": ...}

`grid` is "letterbox" (the default: cells over the square around the whole image) or "stretched"
(cells over exactly the image); `similarity` is "dot" (the default, by cosine) or "neg_l2".
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from kapbench.errors import KapbenchError
from kapbench.files import write_atomically
from kapbench.protocols import Condition
from kapbench.types import FeatureMap, Grid, Picture, SimilarityMap

FRAME_PX = 840
QUERY_TOLERANCE_PX = 0.5
GRIDS, SIMILARITIES = ("letterbox", "stretched"), ("dot", "neg_l2")


def save_features(directory: str | Path, image_id: str, values: Float[np.ndarray, "c h w"]) -> Path:
    """Writes one image's features where `features:DIR` finds them."""
    path = Path(directory) / f"{image_id}.safetensors"
    write_atomically(path, save({"features": np.ascontiguousarray(values)}))
    return path


def save_similarity(
    directory: str | Path,
    source_id: str,
    target_id: str,
    values: Float[np.ndarray, "q h w"],
    queries: Float[np.ndarray, "q 2"],
) -> Path:
    """Writes one pair's maps where `similarity:DIR` finds them; queries in original source px."""
    path = Path(directory) / source_id / f"{target_id}.safetensors"
    tensors = {"similarity": values, "queries": queries}
    write_atomically(path, save({k: np.ascontiguousarray(v) for k, v in tensors.items()}))
    return path


class SavedFeatures:
    """Feature maps that were computed elsewhere.

    The revision follows from names, sizes and times of the files, so that a changed file is seen
    without reading all of them.
    """

    conditions_on: tuple[Condition, ...] = ()
    reads_image_id: Literal[True] = True

    def __init__(self, directory: str, supervision: str = "none") -> None:
        self.directory = Path(directory)
        settings = _settings(self.directory)
        self.name = f"features:{self.directory.name}"
        self.supervision = supervision
        self.similarity: Literal["dot", "neg_l2"] = settings["similarity"]
        self._stretched = settings["grid"] == "stretched"
        self.revision = _revision(self.directory)

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """
        Raises:
            KapbenchError: a file is missing, damaged, misshapen, or holds values that are not
                finite.
        """
        return [self._map(picture) for picture in pictures]

    def _map(self, picture: Picture) -> FeatureMap:
        path = self.directory / f"{picture.image_id}.safetensors"
        flat = self.directory / path.name
        values = _tensor(
            _load(flat if not path.exists() and flat.exists() else path), "features", path
        )
        if values.ndim != 3 or 0 in values.shape:
            raise KapbenchError(
                f"features of shape {list(values.shape)}", place=path,
                fix="save them as [channels, height, width]",
            )  # fmt: skip
        if not np.isfinite(values).all():
            raise KapbenchError("features with NaN or infinite values", place=path,
                                fix="look for NaN in the model that made them")  # fmt: skip
        return FeatureMap(values, _grid(self._stretched, picture, values.shape[1:], path))


class SavedSimilarity:
    """Similarity maps that were computed elsewhere, one file per ordered pair of images."""

    conditions_on: tuple[Condition, ...] = ()

    def __init__(self, directory: str, supervision: str = "none") -> None:
        self.directory = Path(directory)
        self._stretched = _settings(self.directory)["grid"] == "stretched"
        self.name = f"similarity:{self.directory.name}"
        self.supervision = supervision
        self.revision = _revision(self.directory)

    def match(
        self, source: Picture, target: Picture, queries: Float[np.ndarray, "q 2"]
    ) -> SimilarityMap:
        """
        Raises:
            KapbenchError: no file for the pair, or no map for one of the queries.
        """
        path = self.directory / source.image_id / f"{target.image_id}.safetensors"
        tensors = _load(path)
        values, known = _tensor(tensors, "similarity", path), _tensor(tensors, "queries", path)
        if values.ndim != 3 or known.shape != (len(values), 2):
            raise KapbenchError(
                f"similarity {list(values.shape)} with queries {list(known.shape)}", place=path,
                fix="save similarity [q, h, w] and queries [q, 2]",
            )  # fmt: skip
        grid = _grid(self._stretched, target, values.shape[1:], path)
        return SimilarityMap(values[_rows(known, queries, path)], grid, queries)


def _rows(known: np.ndarray, queries: np.ndarray, path: Path) -> np.ndarray:
    if not len(queries):
        return np.empty(0, np.int64)
    distance = np.linalg.norm(queries[:, None] - known[None], axis=2)
    nearest = distance.min(axis=1, initial=np.inf)
    if (nearest > QUERY_TOLERANCE_PX).any():
        missing = queries[nearest > QUERY_TOLERANCE_PX]
        raise KapbenchError(
            f"no map for {len(missing)} of {len(queries)} queries, the first at "
            f"{missing[0].tolist()}",
            place=path, fix="save one map per visible source keypoint, in original source pixels",
        )  # fmt: skip
    return np.asarray(distance.argmin(axis=1))


def _grid(stretched: bool, picture: Picture, shape: tuple[int, ...], path: Path) -> Grid:
    height, width = shape
    if stretched:
        return Grid.stretched(picture.size, height, width)
    if height != width:
        raise KapbenchError(
            f"maps of {height}×{width} cells are no square letterbox", place=path,
            fix='say {"grid": "stretched"} in kapbench.json beside the maps',
        )  # fmt: skip
    return Grid.letterbox(picture.size, height, FRAME_PX)


def _load(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        raise _missing(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise KapbenchError(
            f"not a safetensors file: {error}", place=path,
            fix="save tensors with safetensors, see kapbench_baselines.saved.save_features",
        ) from error  # fmt: skip


def _missing(path: Path) -> KapbenchError:
    others = sorted(path.parent.glob(f"{path.stem}.*")) if path.parent.is_dir() else []
    if others:
        return KapbenchError(
            f"found {others[0].name} where a safetensors file belongs", place=path,
            fix="convert it: other formats can run code when they are opened",
        )  # fmt: skip
    return KapbenchError("no saved maps", place=path, fix="save them there, or choose categories")


def _tensor(tensors: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    if name not in tensors:
        raise KapbenchError(
            f"no tensor '{name}', found {sorted(tensors)}", place=path, fix=f"name it '{name}'"
        )
    return tensors[name]


def _settings(directory: Path) -> dict[str, Any]:
    if not directory.is_dir():
        raise KapbenchError("no such folder", place=directory, fix="give a folder of saved maps")
    path = directory / "kapbench.json"
    found: dict[str, Any] = {"grid": GRIDS[0], "similarity": SIMILARITIES[0]}
    try:
        found |= json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (ValueError, TypeError) as error:
        raise KapbenchError(f"not JSON: {error}", place=path, fix="mend it") from error
    for key, allowed in (("grid", GRIDS), ("similarity", SIMILARITIES)):
        if found[key] not in allowed:
            raise KapbenchError(
                f"{key} is '{found[key]}'", place=path, fix=f"choose {' or '.join(allowed)}"
            )
    return found


def _revision(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.suffix in (".safetensors", ".json"):
            status = path.stat()
            name = path.relative_to(directory).as_posix()
            digest.update(f"{name}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
