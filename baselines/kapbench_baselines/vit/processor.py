"""How a model of the hub wants its pixels, from its preprocessor_config.json; no torchvision."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench_baselines.vit.weights import explained, read_json

FILE = "preprocessor_config.json"


@dataclass(frozen=True, slots=True)
class Normalisation:
    """(levels · factor - mean) / std, per channel."""

    factor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int | None  # what the model's own images are resized or cropped to, px

    @property
    def digest(self) -> str:
        text = json.dumps([self.factor, self.mean, self.std])
        return hashlib.sha256(text.encode()).hexdigest()[:6]


def normalisation(source: str | Path, fix: str) -> Normalisation:
    """
    Args:
        source: Folder, or name of a repository on the hub.
        fix: What to do if the hub cannot be reached.

    Raises:
        KapbenchError: the file is missing, or holds neither mean nor deviation.
    """
    path = source / FILE if isinstance(source, Path) else from_hub(source, FILE, fix)
    if not path.is_file():
        raise KapbenchError(
            f"{FILE} is missing, which defines how pixels are normalised",
            place=path.parent,
            fix="Download it beside config.json",
        )
    settings = read_json(path)
    settings = settings.get(
        "image_processor", settings
    )  # where it is that of a processor of two kinds
    return Normalisation(
        factor=float(settings.get("rescale_factor", 1 / 255))
        if settings.get("do_rescale", True)
        else 1.0,
        mean=_levels(settings, "image_mean", 0.0, path),
        std=_levels(settings, "image_std", 1.0, path),
        side=_side(settings.get("crop_size")) or _side(settings.get("size")),
    )


def _levels(settings: dict[str, Any], key: str, neutral: float, path: Path) -> tuple[float, ...]:
    if settings.get("do_normalize", True) is False:
        return (neutral,) * 3
    levels = settings.get(key)
    levels = [levels] * 3 if isinstance(levels, int | float) else levels
    if not isinstance(levels, list) or len(levels) != 3:
        raise KapbenchError(
            f"{key} does not have three channels",
            place=path,
            fix="Add what the model was trained with",
        )
    return tuple(float(v) for v in levels)


def _side(size: Any) -> int | None:
    """Of {"height": 224, "width": 224}, {"shortest_edge": 224} or 224."""
    if isinstance(size, dict):
        size = size.get("height", size.get("shortest_edge"))
    return size if isinstance(size, int) else None


def from_hub(name: str, file: str, fix: str) -> Path:
    """One file of a repository, downloaded unless it is in the cache.

    Raises:
        KapbenchError: the download fails.
    """
    from huggingface_hub import hf_hub_download

    with explained(f"{file} cannot be read", name, fix):
        return Path(hf_hub_download(name, file))
