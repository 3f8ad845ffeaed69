"""The file of a run's resamples: safetensors, read from strangers too."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kapbench.errors import KapbenchError, counted
from kapbench.scoring.bootstrap import Replicates
from kapbench.scoring.keypoint_effects import KeypointEffects
from kapbench.storage import write_atomically
from kapbench.untrusted.regular_files import refuse_irregular
from kapbench.untrusted.strict_text import json_value
from kapbench_leaderboard.comparison.resamples import Resamples

# 2: the absence AUROC in place of the KAP of the twin split; effects of keypoints
FORMAT = "kapbench-resamples-2"
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)
_OF_RESAMPLES = ("products", "sums")  # parts with a row for each resample
_OF_KEYPOINTS = ("keypoint_category", "keypoint", "keypoint_score", "keypoint_effect")
_WHOLE = ("n_images", "weights", "keypoint_category", "keypoint", "keypoint_effect")  # never NaN
PARTS = ("value", "n_images", "weights", *_OF_RESAMPLES, *_OF_KEYPOINTS)
_LARGEST = 1e12  # scores are at most 1, and their sums count samples


def parts(resamples: Resamples, column: str) -> dict[str, np.ndarray]:
    """The arrays of a column, by `PARTS`."""
    of_images, of_keypoints = resamples.columns[column], resamples.keypoints[column]
    return {
        "value": of_images.value,
        "n_images": of_images.n_images.astype(np.int64),
        "weights": resamples.weights[column],
        "products": of_images.products,
        "sums": of_images.sums,
        "keypoint_category": of_keypoints.category,
        "keypoint": of_keypoints.keypoint,
        "keypoint_score": of_keypoints.score,
        "keypoint_effect": of_keypoints.effect,
    }


def to_bytes(resamples: Resamples) -> bytes:
    from safetensors.numpy import save as packed

    arrays = {
        f"{name}/{part}": np.ascontiguousarray(values)
        for name in resamples.columns
        for part, values in parts(resamples, name).items()
    }
    about: dict[str, Any] = {
        "format": FORMAT,
        "key": resamples.key,
        "categories": list(resamples.categories),
        "columns": list(resamples.columns),
    }
    if any(column.is_shared for column in resamples.columns.values()):
        about["is_shared"] = True  # categories share images: of pair groups alone
    # One key alone: safetensors writes several in random order, and equal files would differ.
    return packed(arrays, {"about": json.dumps(about)})


def save(path: Path, resamples: Resamples) -> None:
    write_atomically(path, to_bytes(resamples))


def load(path: Path) -> Resamples:
    """Raises KapbenchError: missing, damaged, of another format, or with values that cannot be."""
    from safetensors import SafetensorError, safe_open

    try:
        refuse_irregular(path)  # it would wait for a named pipe
        with safe_open(path, "np") as file:
            about = json_value((file.metadata() or {}).get("about", "{}"))
            if about.get("format") != FORMAT:
                written = about.get("format")
                raise ValueError(f"they have the format {written}, and this version reads {FORMAT}")
            names, categories = about["columns"], tuple(about["categories"])
            if sorted(file.keys()) != sorted(f"{n}/{part}" for n in names for part in PARTS):
                raise ValueError("other arrays than those of its columns")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        for name, values in arrays.items():
            _refuse_unsound(name, values, len(categories))
        is_shared = "is_shared" in about
        columns = {n: _of_images(arrays, n, is_shared=is_shared) for n in names}
        weights = {n: arrays[f"{n}/weights"] for n in names}
        keypoints = {
            n: KeypointEffects(*(arrays[f"{n}/{part}"] for part in _OF_KEYPOINTS)) for n in names
        }
        return Resamples(about["key"], categories, columns, weights, keypoints)
    except (*_UNREADABLE, SafetensorError) as error:
        raise KapbenchError(
            f"The resamples cannot be read: {error}",
            place=path,
            fix="Write them with `kapbench submit prepare`",
        ) from error


def _of_images(arrays: Mapping[str, np.ndarray], column: str, *, is_shared: bool) -> Replicates:
    value, products, sums, n_images = (
        arrays[f"{column}/{part}"] for part in ("value", "products", "sums", "n_images")
    )
    return Replicates(value, products, sums, n_images, is_shared)


def _refuse_unsound(name: str, values: np.ndarray, n_categories: int) -> None:
    """ValueError: an array of another shape, infinite, or with NaN where every run has a number."""
    part = name.rpartition("/")[2]
    n_dims = 2 if part in _OF_RESAMPLES else 1
    if values.ndim != n_dims or (part not in _OF_KEYPOINTS and values.shape[-1] != n_categories):
        raise ValueError(
            f"{name} has the shape {values.shape}, not of {counted(n_categories, 'category')}"
        )
    if (np.abs(values) > _LARGEST).any() or (part in _WHOLE and np.isnan(values).any()):
        raise ValueError(f"{name} is not finite, or larger than any run's")
    if part == "keypoint_category" and not np.isin(values, np.arange(n_categories)).all():
        raise ValueError(f"{name} names a category beyond the {n_categories} of the run")
