"""The model `sphere`: any encoder's features with the sphere's three coordinates stacked on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.models.wrapper import AS_CACHED, OverBackbones
from kapbench.protocols import Encoder, model_info
from kapbench.registry import resolve
from kapbench.storage import fingerprint
from kapbench.types import FeatureMap, Picture
from kapbench_baselines.sphere import checkpoint
from kapbench_baselines.sphere.mapper import SphereMapper
from kapbench_baselines.sphere.settings import MAPPED
from kapbench_baselines.sphere.views import on_cells
from kapbench_baselines.training.backbones import backbone_of, trained_over
from kapbench_baselines.training.card import MAX_CELLS

SPHERE_WEIGHT = 0.2
SHIPPED = files("kapbench_baselines.sphere") / "weights"


class SphereEncoder(OverBackbones):
    """Unit features scaled by √(1 − w) and unit sphere points by √w.

    The dot product of two such vectors is (1 − w) of the features' cosine and w of the sphere's.

    Args:
        token_grid: Cells a side that the backbone's map is averaged to before it is mapped.
        options: Those that differ from the weights' own.
    """

    def __init__(
        self,
        backbone: Encoder,
        mapper: SphereMapper,
        token_grid: int,
        weights_revision: str,
        sphere_weight: float = SPHERE_WEIGHT,
        device: str = "cpu",
        supervision: str = "viewpoint",
        trained_on: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        declared = replace(
            model_info(backbone),
            name=f"sphere.{backbone.name}",
            revision=fingerprint(
                AS_CACHED, backbone.revision, weights_revision, token_grid, sphere_weight
            ),
            similarity="dot",
            supervision=supervision,
            trained_on=trained_on,
            licence=None,  # that of the backbone is not the weights'
            options=options or {},
        )
        super().__init__([backbone], declared, keeps_maps=False)
        self.mapper, self.token_grid, self.device = mapper, token_grid, device
        self.sphere_weight = sphere_weight

    def from_features(
        self,
        pictures: Sequence[Picture],  # noqa: ARG002
        features: Sequence[tuple[FeatureMap, ...]],
    ) -> list[FeatureMap]:
        return [self._stack(feature_map) for (feature_map,) in features]

    def maps(self, pictures: Sequence[Picture]) -> dict[str, list[FeatureMap]]:
        """What the model has to show beyond its features: sphere points, x y z in −1 … 1."""
        maps = self.backbone.encode(pictures)
        return {"sphere": [FeatureMap(self.sphere(m), m.grid) for m in maps]}

    def sphere(self, feature_map: FeatureMap) -> Float32[np.ndarray, "3 h w"]:
        """Unit sphere point of every cell of the backbone's own grid."""
        points = self._points(feature_map)
        return np.asarray(points.cpu().numpy(), np.float32)

    @torch.inference_mode()
    def _points(self, feature_map: FeatureMap) -> Float[Tensor, "3 h w"]:
        points = on_cells(self.mapper, feature_map, self.token_grid, self.device)
        return functional.normalize(points, dim=0)

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
    normed: bool | None = None,
    image_px: int | None = None,
    padding: str | None = None,
) -> SphereEncoder:
    """
    Args:
        weights: A file of `kapbench train sphere`, or a released checkpoint; none: those shipped
            for this data set.
        backbone: Must be the weights' own, which is the default.
        sphere_weight: Share of the sphere's cosine in the similarity; none: as validated.
        dataset: Name of the data set to be met; chooses among the shipped weights.
        backbone_weights: Of the backbone itself; none: as it finds them.
        normed: The backbone's option of this name; none: as the weights were made for.
        image_px: Likewise, as is padding.

    Raises:
        KapbenchError: no weights for this data set; a file that is not ours; another backbone's.
    """
    if backbone in MAPPED:
        raise KapbenchError(
            f"'{backbone}' is a model of pairs, and has its own adapter with the sphere",
            place="model sphere",
            fix=f"Choose --model sphere.{backbone} -o weights=FILE",
        )
    if weights is None:
        with as_file(shipped(dataset, backbone)) as path:
            mapper, card, digest = checkpoint.load(path)
            place: object = path.name
    else:
        mapper, card, digest = checkpoint.load(Path(weights))
        place = weights
    squaring_options = {"normed": normed, "image_px": image_px, "padding": padding}
    chosen = {key: value for key, value in squaring_options.items() if value is not None}
    beneath = dict(card.settings.get("backbone_options", {})) | chosen
    encoder = backbone_of(card, place, backbone, backbone_weights, device, dataset, options=beneath)
    share, options = checkpoint.chosen_weight(card, sphere_weight)
    return SphereEncoder(
        encoder,
        mapper.to(device),
        card.shape_number("token_grid", MAX_CELLS),
        digest,
        share,
        device,
        card.supervision,
        trained_over(card.learnt_from, encoder),
        options=options | chosen,
    )


def over(
    backbone: str,
    weights: str | None = None,
    sphere_weight: float | None = None,
    device: str = "cpu",
    dataset: str | None = None,
    backbone_weights: str | None = None,
    normed: bool | None = None,
    image_px: int | None = None,
    padding: str | None = None,
) -> SphereEncoder:
    """The sphere over a named encoder.

    Args:
        weights: As of `sphere`, as are the others; none: those shipped for this encoder.

    Raises:
        KapbenchError: as `sphere`; no such encoder.
    """
    resolve("models", backbone)  # a misspelt name is that, before it has no weights
    return sphere(
        weights,
        backbone,
        sphere_weight,
        device,
        dataset,
        backbone_weights,
        normed=normed,
        image_px=image_px,
        padding=padding,
    )


def shipped(dataset: str | None, backbone: str | None = None) -> Traversable:
    """The packaged weights for a data set or a variant of it (`spair.small`).

    Args:
        backbone: That they must be over; None: any.
    """
    files_ = [p for p in SHIPPED.iterdir() if p.name.endswith(".safetensors")]
    paths = {p.name.removesuffix(".safetensors").partition("-")[::2]: p for p in files_}
    family = (dataset or "").split(".")[0]
    for (of, beneath), path in sorted(paths.items()):
        if of == family and backbone in (None, beneath):
            return path
    raise KapbenchError(
        "No trained weights are shipped"
        + (f" for data set '{dataset}'" if dataset else "")
        + (f" over {backbone}" if backbone else ""),
        place="model sphere",
        fix=f"Give -o weights=FILE, made by `kapbench train sphere --backbone {backbone or 'lite0'} "
        f"--dataset {dataset or 'NAME'}` (shipped: "
        f"{', '.join(f'{of} over {beneath}' for of, beneath in sorted(paths)) or 'none'})",
    )
