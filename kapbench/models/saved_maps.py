"""Any lab's features or similarity maps from disk: `features:DIR` and `similarity:DIR`.

    DIR/<image_id>.safetensors                          tensor `features` [c h w]
    DIR/<source image_id>/<target image_id>.safetensors `similarity` [q h w], `queries` [q 2]
    DIR/kapbench.json                                   optional, see saved_maps_folder.Settings

A folder of one category may drop the category: `features:DIR/cat` finds `DIR/cat/<name>` for the
image `cat/<name>`.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float
from safetensors.numpy import save

from kapbench.errors import KapbenchError
from kapbench.models.saved_maps_axes import (
    check_cells,
    check_feature_axes,
    check_rank,
    check_similarity_axes,
)
from kapbench.models.saved_maps_folder import load, read_settings, read_shapes, revision, tensor
from kapbench.models.saved_maps_missing import describe_missing
from kapbench.paths import list_files
from kapbench.storage import bytes_hash, write_atomically
from kapbench.types import FeatureMap, Picture, SimilarityMap

QUERY_TOLERANCE_PX = 0.5


def save_features(directory: str | Path, image_id: str, values: Float[np.ndarray, "c h w"]) -> Path:
    """Writes one image's features, un-normalised, where `features:DIR` finds them.

    Raises:
        KapbenchError: values of another shape or not finite; the disk is full.
    """
    path = Path(directory) / f"{image_id}.safetensors"
    _check(values, "features", path)
    write_atomically(path, save({"features": np.ascontiguousarray(values)}))
    return path


def save_similarity(
    directory: str | Path,
    source_id: str,
    target_id: str,
    values: Float[np.ndarray, "q h w"],
    queries: Float[np.ndarray, "q 2"],
) -> Path:
    """Writes one pair's maps where `similarity:DIR` finds them; queries in original source px.

    Raises:
        KapbenchError: values of another shape or not finite; the disk is full.
    """
    path = Path(directory) / source_id / f"{target_id}.safetensors"
    _check(values, "similarity", path)
    _check_queries(values, queries, path)
    tensors = {"similarity": values, "queries": queries}
    write_atomically(path, save({k: np.ascontiguousarray(v) for k, v in tensors.items()}))
    return path


class _Saved:
    """What both kinds say of themselves."""

    def __init__(self, kind: str, directory: str, supervision: str | None, rehash: bool) -> None:
        if not directory:
            raise KapbenchError(f"'{kind}:' does not name a folder", fix=f"Write {kind}:DIR")
        self.directory = Path(directory).expanduser().absolute()
        self.settings = read_settings(self.directory)
        self.name = f"{kind}:{self.directory.resolve().name}"
        self.revision = revision(self.directory, rehash=rehash)
        self.conditions_on = self.settings.conditions_on
        self.supervision = supervision or self.settings.supervision
        self.trained_on = self.settings.trained_on


class SavedFeatures(_Saved):
    """Your own feature maps, read from a folder.

    Args:
        directory: See the top of this file.
        supervision: "keypoints" where they come from a model that was trained on keypoints.
        rehash: Read every file for the revision, also those whose size, times and inode are as they
            were when they were hashed.
    """

    reads_image_id: Literal[True] = True

    def __init__(
        self, directory: str, supervision: str | None = None, *, rehash: bool = False
    ) -> None:
        super().__init__("features", directory, supervision, rehash)
        self.similarity: Literal["dot", "neg_l2"] = self.settings.similarity
        self._shown_as: dict[Path, str] = {}

    def check_plan(self, image_ids: Sequence[str], pairs: Sequence[tuple[str, str]]) -> None:  # noqa: ARG002
        own = [self.directory / f"{name}.safetensors" for name in image_ids]
        flat = [self.directory / path.name for path in own]
        paths = [a if a.is_file() else b for a, b in zip(own, flat, strict=True)]
        absent = [a for a, path in zip(own, paths, strict=True) if not path.is_file()]
        if absent:
            how_many = f"{len(absent):,} of {len(paths):,} images"
            raise describe_missing(absent, self.directory, how_many)
        if self.settings.axes is None and paths:
            self._channels_are_first = _channels_are_first(paths)

    def encode(self, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """
        Raises:
            KapbenchError: a file is missing, damaged, misshapen, or holds values that are not
                finite.
        """
        paths = [self._path(picture) for picture in pictures]
        if absent := [p for p in paths if not p.is_file()]:
            how_many = f"{len(absent)} of {len(paths)} images asked for"
            raise describe_missing(absent, self.directory, how_many)
        return [self._map(p, path) for p, path in zip(pictures, paths, strict=True)]

    def _map(self, picture: Picture, path: Path) -> FeatureMap:
        values = tensor(load(path), "features", path)
        _check(values, "features", path)
        # As many cells across as down are a letterbox, which the folder's settings say it is.
        is_letterbox = self.settings.grid == "letterbox" and values.shape[1] == values.shape[2]
        if self.settings.axes is None and (values.shape[0] == values.shape[1] or not is_letterbox):
            check_cells(
                values.shape, picture.size, path, channels_are_first=self._channels_are_first
            )
        return FeatureMap(values, self.settings.grid_of(picture, values.shape[1:], path))

    @functools.cached_property
    def _channels_are_first(self) -> bool:
        """Whether the shapes of the planned images show it; without a plan, of the whole folder."""
        return _channels_are_first(list_files(self.directory, "**/*.safetensors"))

    def _path(self, picture: Picture) -> Path:
        path = self.directory / f"{picture.image_id}.safetensors"
        flat = self.directory / path.name
        if path.is_file() or path == flat or not flat.is_file():
            return path
        # Two images of one name in two categories must not share a file, unless they are one.
        pixels = bytes_hash([picture.pixels.tobytes()])
        if self._shown_as.setdefault(flat, pixels) != pixels:
            raise KapbenchError(
                f"{flat.name} stands for two different images, one of which is {picture.image_id}",
                place=flat,
                fix=f"Save each image under its image_id: {path}",
            )
        return flat


class SavedSimilarity(_Saved):
    """Your own similarity maps, read from a folder: one file per ordered pair of images.

    Args:
        directory: See the top of this file.
        supervision: "keypoints" where they come from a model that was trained on keypoints.
        rehash: Read every file for the revision, also those whose size, times and inode are as they
            were when they were hashed.
    """

    def __init__(
        self, directory: str, supervision: str | None = None, *, rehash: bool = False
    ) -> None:
        super().__init__("similarity", directory, supervision, rehash)

    def check_plan(self, image_ids: Sequence[str], pairs: Sequence[tuple[str, str]]) -> None:  # noqa: ARG002
        paths = [self._path(source, target) for source, target in pairs]
        if absent := [path for path in paths if not path.is_file()]:
            how_many = f"{len(absent):,} of {len(paths):,} pairs"
            raise describe_missing(absent, self.directory, how_many)
        if self.settings.axes is None and paths:
            shapes = {path: read_shapes(path, "similarity", "queries") for path in paths}
            check_similarity_axes({path: (maps, q[0]) for path, (maps, q) in shapes.items()})

    def _path(self, source_id: str, target_id: str) -> Path:
        return self.directory / source_id / f"{target_id}.safetensors"

    def match(
        self, source: Picture, target: Picture, queries: Float[np.ndarray, "q 2"]
    ) -> SimilarityMap:
        """KapbenchError where there is no file for the pair, or no map for a query."""
        path = self._path(source.image_id, target.image_id)
        if not path.is_file():
            raise describe_missing([path], self.directory, "1 pair")
        tensors = load(path)
        values, known = tensor(tensors, "similarity", path), tensor(tensors, "queries", path)
        _check(values, "similarity", path)
        _check_queries(values, known, path)
        grid = self.settings.grid_of(target, values.shape[1:], path)
        return SimilarityMap(values[_rows(known, queries, path)], grid, queries)


def _channels_are_first(paths: Sequence[Path]) -> bool:
    return check_feature_axes({path: read_shapes(path, "features")[0] for path in paths})


def _rows(known: np.ndarray, queries: np.ndarray, path: Path) -> np.ndarray:
    """Which saved map belongs to each query: that of the nearest saved query."""
    if not len(queries):
        return np.empty(0, np.int64)
    distance = np.linalg.norm(queries[:, None] - known[None], axis=2)
    nearest = distance.min(axis=1, initial=np.inf)
    if (nearest > QUERY_TOLERANCE_PX).any():
        unanswered = queries[nearest > QUERY_TOLERANCE_PX]
        raise KapbenchError(
            f"The file has no map for {len(unanswered)} of {len(queries)} queries, the first at "
            f"{unanswered[0].tolist()}",
            place=path,
            fix="Save one map per visible source keypoint, in original source pixels",
        )
    return np.asarray(distance.argmin(axis=1))


def _check(values: np.ndarray, what: Literal["features", "similarity"], path: Path) -> None:
    check_rank(what, values.shape, path)
    if not np.isfinite(values).all():
        raise KapbenchError(
            f"The tensor '{what}' contains NaN or infinite values",
            place=path,
            fix="Look for NaN in the model that made them",
        )


def _check_queries(values: np.ndarray, queries: np.ndarray, path: Path) -> None:
    if queries.shape != (len(values), 2):
        if queries.shape == (values.shape[2], 2):
            check_similarity_axes({path: (values.shape, len(queries))})
        raise KapbenchError(
            f"Similarity has the shape {list(values.shape)} and queries {list(queries.shape)}",
            place=path,
            fix="Save similarity [q, h, w] and queries [q, 2]",
        )
