"""The model `sphere`: any encoder's features with the sphere's three coordinates stacked on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition, Encoder, Prepares
from kapbench.registry import resolve
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Picture
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.mapper import SphereMapper
from kapbench_baselines.sphere.views import pooled
from kapbench_baselines.training.backbones import check_backbone, open_backbone, own_backbone

SPHERE_WEIGHT = 0.2
SHIPPED = files("kapbench_baselines.sphere") / "weights"


@dataclass
class SphereEncoder:
    """Unit features scaled by √(1 − w) and unit sphere points by √w.

    The dot product of two such vectors is (1 − w) of the features' cosine and w of the sphere's.
    """

    backbone: Encoder
    mapper: SphereMapper
    token_grid: int  # cells a side that the backbone's map is averaged to before it is mapped
    weights_revision: str
    sphere_weight: float = SPHERE_WEIGHT
    device: str = "cpu"
    supervision: str = "viewpoint"
    trained_on: str | None = None
    options: dict[str, Any] = field(default_factory=dict)  # that differ from the weights' own
    similarity: Literal["dot", "neg_l2"] = field(init=False, default="dot")

    def __post_init__(self) -> None:
        self.name = f"sphere.{self.backbone.name}"
        self.conditions_on: tuple[Condition, ...] = self.backbone.conditions_on
        self.reads_image_id = bool(getattr(self.backbone, "reads_image_id", False))
        self.revision = fingerprint(
            self.backbone.revision, self.weights_revision, self.token_grid, self.sphere_weight
        )
        if isinstance(self.backbone, Prepares):
            self.prepare = self.backbone.prepare

    def encode(self, pictures: Sequence[Picture]) -> Sequence[FeatureMap]:
        return [self._stack(feature_map) for feature_map in self.backbone.encode(pictures)]

    def maps(self, pictures: Sequence[Picture]) -> dict[str, list[FeatureMap]]:
        """What the model has to show beyond its features: sphere points, x y z in −1 … 1."""
        found = self.backbone.encode(pictures)
        return {"sphere": [FeatureMap(self.sphere(m), m.grid) for m in found]}

    def sphere(self, feature_map: FeatureMap) -> Float32[np.ndarray, "3 h w"]:
        """Unit sphere point of every cell of the backbone's own grid."""
        points = self._points(feature_map)
        return np.asarray(points.cpu().numpy(), np.float32)

    @torch.inference_mode()
    def _points(self, feature_map: FeatureMap) -> Float[Tensor, "3 h w"]:
        grid = feature_map.grid
        cells = min(self.token_grid, grid.height), min(self.token_grid, grid.width)
        tokens = pooled(feature_map.values, cells)[None].to(self.device)
        coarse = self.mapper(tokens)[0].T.unflatten(1, cells)
        fine = functional.interpolate(coarse[None], (grid.height, grid.width), mode="bilinear")[0]
        return functional.normalize(fine, dim=0)

    def _stack(self, feature_map: FeatureMap) -> FeatureMap:
        values = torch.from_numpy(np.asarray(feature_map.values, np.float32))
        parts = [
            functional.normalize(values, dim=0) * (1 - self.sphere_weight) ** 0.5,
            self._points(feature_map).cpu() * self.sphere_weight**0.5,
        ]
        return FeatureMap(torch.cat(parts).numpy(), feature_map.grid)


def sphere(
    weights: str | None = None,
    backbone: str | None = None,
    sphere_weight: float | None = None,
    device: str = "cpu",
    dataset: str | None = None,
    backbone_weights: str | None = None,
) -> SphereEncoder:
    """
    Args:
        weights: A file of `kapbench train sphere`, or the released checkpoint; none: those shipped
            for this data set.
        backbone: Must be the weights' own, which is the default.
        sphere_weight: Share of the sphere's cosine in the similarity; none: as validated.
        dataset: Name of the data set to be met; chooses among the shipped weights.
        backbone_weights: Of the backbone itself; none: as it finds them.

    Raises:
        KapbenchError: no weights for this data set; a file that is not ours; another backbone's.
    """
    if weights is None:
        with as_file(shipped(dataset, backbone)) as path:
            mapper, card, digest = checkpoint.load(path)
            place: object = path.name
    else:
        mapper, card, digest = checkpoint.load(Path(weights))
        place = weights
    spec = backbone or own_backbone(card, place)
    encoder = _opened(spec, backbone_weights, device, dataset)
    check_backbone(card, encoder.name, encoder.revision, place, "sphere")
    share = card.sphere_weight if sphere_weight is None else sphere_weight
    if not 0 <= share <= 1:
        raise KapbenchError(f"sphere weight {share}", fix="give a number between 0 and 1")
    beneath = getattr(encoder, "trained_on", None)
    learnt = f"{card.dataset} {card.split}" + (f", over {beneath}" if beneath else "")
    return SphereEncoder(
        encoder, mapper.to(device), card.token_grid, digest, share, device, card.supervision, learnt,
        options={} if share == card.sphere_weight else {"sphere_weight": share},
    )  # fmt: skip


def _opened(spec: str, weights: str | None, device: str, dataset: str | None) -> Encoder:
    """The backbone; what it lacks goes by another name here, where `-o weights` is the mapper's."""
    try:
        return open_backbone(spec, weights, device, dataset)
    except KapbenchError as error:
        fix = error.fix and error.fix.replace("-o weights=", "-o backbone_weights=")
        raise KapbenchError(error.thing, place=error.place, fix=fix) from error


def over(
    backbone: str,
    weights: str | None = None,
    sphere_weight: float | None = None,
    device: str = "cpu",
    dataset: str | None = None,
    backbone_weights: str | None = None,
) -> SphereEncoder:
    """The sphere over a named encoder.

    Args:
        weights: As of `sphere`, as are the others; none: those shipped for this encoder.

    Raises:
        KapbenchError: as `sphere`; no such encoder.
    """
    resolve("models", backbone)  # a misspelt name is that, before it has no weights
    return sphere(weights, backbone, sphere_weight, device, dataset, backbone_weights)


def shipped(dataset: str | None, backbone: str | None = None) -> Traversable:
    """The packaged weights for a data set or a variant of it (`spair.small`).

    Args:
        backbone: That they must be over; None: any.
    """
    files_ = [p for p in SHIPPED.iterdir() if p.name.endswith(".safetensors")]
    found = {p.name.removesuffix(".safetensors").partition("-")[::2]: p for p in files_}
    family = (dataset or "").split(".")[0]
    for (of, beneath), path in sorted(found.items()):
        if of == family and backbone in (None, beneath):
            return path
    raise KapbenchError(
        "no trained weights are shipped"
        + (f" for data set '{dataset}'" if dataset else "")
        + (f" over {backbone}" if backbone else ""),
        place="model sphere",
        fix=f"give -o weights=FILE, made by `kapbench train sphere --backbone {backbone or 'lite0'} "
        f"--dataset {dataset or 'NAME'}` (shipped: "
        f"{', '.join(f'{of} over {beneath}' for of, beneath in sorted(found)) or 'none'})",
    )
