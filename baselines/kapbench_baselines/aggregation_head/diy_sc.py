"""An encoder with an aggregation network on top: what diy_sc and geoaware.supervised are."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.wrapper import AS_CACHED, OverBackbones
from kapbench.protocols import Encoder, model_info
from kapbench.storage import file_hash, fingerprint
from kapbench.types import FeatureMap, Picture
from kapbench_baselines.aggregation_head.network import AggregationNetwork, released
from kapbench_baselines.vit.weights import read_tensors

CHECKPOINTS = {  # folder in the release, first digits of the file's SHA-256
    768: ("0300_dino_spair", "42e9c8a4"),
    384: ("0369_dino_spair_fdim_384", "66f35169"),
    128: ("0368_dino_spair_fdim_128", "24479ac3"),
}
FILE = "best.pth"  # in each folder
WINDOW = 7  # of the soft-argmax in the published evaluation


class AggregatedEncoder(OverBackbones):
    """The network's output on unit features, averaged to `cells` a side, brought back to their grid.

    Args:
        cells: None: the network sees the backbone's own grid.
    """

    def __init__(
        self,
        name: str,
        backbone: Encoder,
        network: AggregationNetwork,
        weights_revision: str,
        cells: int | None = None,
        unit: bool = False,
        device: str = "cpu",
        supervision: str = "none",
        trained_on: str | None = None,
        window: int | None = None,
    ) -> None:
        declared = replace(
            model_info(backbone),
            name=name,
            revision=fingerprint(AS_CACHED, backbone.revision, weights_revision, cells, unit),
            similarity="dot",
            supervision=supervision,
            trained_on=trained_on,
            licence=None,  # that of the backbone is not the weights'
            options={},
            window=window,
        )
        super().__init__([backbone], declared)
        self.network, self.cells, self.unit, self.device = network, cells, unit, device

    def from_features(
        self,
        pictures: Sequence[Picture],  # noqa: ARG002
        features: Sequence[tuple[FeatureMap, ...]],
    ) -> list[FeatureMap]:
        """Raises KapbenchError: features of another number of channels than the network's."""
        return [self._one(feature_map) for (feature_map,) in features]

    @torch.inference_mode()
    def _one(self, feature_map: FeatureMap) -> FeatureMap:
        expected = sum(self.network.widths)
        if len(feature_map.values) != expected:
            raise KapbenchError(
                f"{self.backbone.name} has {len(feature_map.values)} channels, but these weights take "
                f"{expected}",
                place=f"model {self.name}",
                fix="Choose the backbone that the weights were trained on",
            )
        values = torch.from_numpy(np.asarray(feature_map.values, np.float32))[None].to(self.device)
        size = (feature_map.grid.height, feature_map.grid.width)
        if self.unit:
            values = functional.normalize(values, dim=1)
        if self.cells is not None:
            fewer = min(self.cells, size[0]), min(self.cells, size[1])
            values = functional.adaptive_avg_pool2d(values, fewer)
        out = self.network(values)
        if out.shape[2:] != size:
            out = functional.interpolate(out, size, mode="bilinear")
        return FeatureMap(np.asarray(out[0].cpu().numpy(), np.float32), feature_map.grid)


def diy_sc(
    width: int,
    weights: str | None = None,
    backbone_weights: str | None = None,
    image_px: int = 840,
    device: str = "cpu",
) -> AggregatedEncoder:
    """DIY-SC (Dünkel et al. 2025): a released head of `width` channels on DINOv2-B tokens.

    Args:
        weights: The released best.pth, its folder, or the folder of the whole release; or the same
            tensors as .safetensors.
        backbone_weights: DINOv2-B's, as of dinov2.vitb14; none: the hub.

    Raises:
        KapbenchError: no weights; a damaged file; a head of another width or for other features.
    """
    name, (folder, digits) = f"diy_sc.{width}", CHECKPOINTS[width]
    if weights is None:
        raise KapbenchError(
            f"{name} needs the released weights of its head (CC0)",
            place=f"model {name}",
            fix=f"Download ckpts/{folder}/{FILE} (sha256 {digits}…) of "
            f"github.com/odunkel/DIY-SC-torchhub; then -o weights={FILE}",
        )
    path = _file(Path(weights), folder)
    network = released(read_tensors(path), path)
    digest, n_channels = file_hash(path), network.width_out
    if n_channels != width:
        raise KapbenchError(
            f"The head has {n_channels} channels, not {width}",
            place=path,
            fix=f"Choose diy_sc.{n_channels}",
        )
    # The same tensors in a .safetensors have another hash, which no release says.
    if path.suffix.lower() == ".pth" and not digest.startswith(digits):
        raise KapbenchError(
            f"This is not the released file: its sha256 begins with {digest[:8]}, not {digits}",
            place=path,
            fix=f"Download ckpts/{folder}/{FILE} again; for a head of your own use "
            "geoaware.supervised -o backbone=dinov2.vitb14",
        )
    options = {"weights": backbone_weights} if backbone_weights else {}
    encoder = load_model("dinov2.vitb14", device=device, image_px=image_px, **options)
    if not isinstance(encoder, Encoder):
        raise TypeError("dinov2.vitb14 is not an encoder")
    return AggregatedEncoder(
        name,
        encoder,
        network.to(device),
        digest,
        device=device,
        supervision="viewpoint",
        trained_on="SPair-71k trn, pseudo-labels from azimuth bins and boxes, over LVD-142M",
        window=WINDOW,
    )


def _file(path: Path, folder: str) -> Path:
    """The head's file, where a folder of the release is named."""
    inside = path / "ckpts" / folder / FILE
    if path.is_dir():
        return inside if inside.is_file() else path / FILE
    return path


diy_sc_768 = partial(diy_sc, 768)
"""DIY-SC (Dünkel et al. 2025): the released head of 768 channels on DINOv2-B."""

diy_sc_384 = partial(diy_sc, 384)
"""DIY-SC (Dünkel et al. 2025): the released head of 384 channels on DINOv2-B."""

diy_sc_128 = partial(diy_sc, 128)
"""DIY-SC (Dünkel et al. 2025): the released head of 128 channels on DINOv2-B."""
