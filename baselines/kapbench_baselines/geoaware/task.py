"""geoaware.supervised as the shared training loop sees it.

Zhang et al. 2024, Sec. 4.2: a sparse contrastive and a dense objective on annotated keypoints, pairs
augmented by mirror images with relabelled keypoints, dropout, noise on the labels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kapbench_baselines.aggregation_head.network import AggregationNetwork
from kapbench_baselines.geoaware.pairs import TrainingPairs
from kapbench_baselines.geoaware.settings import Settings
from kapbench_baselines.training.data_parallel import map_in_parallel

_TRIES = 20  # pairs drawn to find one with two common keypoints


class GeoawareTask:
    main = "network"
    names = ("sparse", "dense")

    def __init__(
        self,
        data: TrainingPairs,
        settings: Settings,
        seed: int,
        device: str,
        parts: Sequence[int] | None = None,
    ) -> None:
        """
        Args:
            parts: Channels of each part of the backbone's map, which gets its own stage; None:
                they are one.
        """
        torch.manual_seed(seed)
        self._data, self._settings, self._device = data, settings, torch.device(device)
        self._widths = list(parts or [int(data.features.shape[2])])
        self.network = AggregationNetwork(**self.shape()).to(device)
        self.modules: dict[str, nn.Module] = {"network": self.network}

    def shape(self) -> dict[str, Any]:
        """What builds the network again."""
        return {"widths": self._widths, "width_out": self._settings.width}

    def prepare(self) -> None:
        """Nothing is fitted before the first step."""

    def losses(self, generator: torch.Generator, *, bf16: bool, parts: int) -> Float[Tensor, "n"]:
        drawn = [self._pair(generator) for _ in range(self._settings.batch)]
        maps = torch.stack([m for one, two, *_ in drawn for m in (one, two)])
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            out = map_in_parallel(
                self.network,
                thinned(maps.to(self._device, torch.float32), self._settings.dropout, generator),
                parts=parts,
            )
        unit = functional.normalize(out.float(), dim=1)
        losses = [
            self._of_pair(unit[2 * i], unit[2 * i + 1], source, target, generator)
            for i, (_, _, source, target) in enumerate(drawn)
        ]
        return torch.stack(losses).mean(0)

    def weighted(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""]:
        weights = self._settings.weights
        return (values * values.new_tensor([weights[name] for name in self.names])).sum()

    def _pair(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two maps and the places, in cells, of the keypoints that both show."""
        data = self._data
        for _ in range(_TRIES):
            number = int(torch.randint(len(data.pairs), (), generator=generator))
            flips = torch.rand(3, generator=generator) < torch.tensor(
                [self._settings.mirror, 0.5, 0.5]
            )
            first, second = (bool(flips[0] and f) for f in flips[1:])
            image, other = data.pairs[number].tolist()
            source = data.side(image, number, mirror=first)
            target = data.side(other, number, mirror=second)
            both = source.visible & target.visible
            if both.sum() >= 2:  # one alone tells nothing apart
                break
        one, two = data.features[image, int(first)], data.features[other, int(second)]
        return one, two, source.xy[both], target.xy[both]

    def _of_pair(
        self,
        source: Tensor,
        target: Tensor,
        source_xy: Tensor,
        target_xy: Tensor,
        generator: torch.Generator,
    ) -> Float[Tensor, "2"]:
        source_xy, target_xy = source_xy.to(self._device), target_xy.to(self._device)
        noise = torch.randn(target_xy.shape, generator=generator).to(self._device)
        aim = target_xy + self._settings.label_noise * noise
        one, two = sampled(source, source_xy), sampled(target, target_xy)
        dense = soft_places(one, target, self._settings.sharpness)
        far = (dense - aim).norm(dim=1).mean() / target.shape[-1]
        return torch.stack([contrast(one, two, self.network.logit_scale.exp().clamp_max(100)), far])


def thinned(
    maps: Float[Tensor, "b c h w"], share: float, generator: torch.Generator
) -> Float[Tensor, "b c h w"]:
    """Without a share of the entries; drawn for the whole batch, whoever maps it."""
    keep = torch.rand(maps.shape, generator=generator) >= share
    return maps * keep.to(maps.device) / (1 - share)


def sampled(unit: Float[Tensor, "c s s"], xy: Float[Tensor, "k 2"]) -> Float[Tensor, "k c"]:
    """Unit features at places in cells, bilinearly."""
    at = (xy / unit.shape[-1] * 2 - 1)[None, None]
    sampled = functional.grid_sample(unit[None], at, align_corners=False, padding_mode="border")
    return functional.normalize(sampled[0, :, 0].T, dim=1)


def contrast(
    one: Float[Tensor, "k c"], two: Float[Tensor, "k c"], scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Symmetric cross-entropy: each keypoint must know its own among the pair's."""
    logits = scale * one @ two.T
    own = torch.arange(len(one), device=one.device)
    forward, back = functional.cross_entropy(logits, own), functional.cross_entropy(logits.T, own)
    return (forward + back) / 2


def soft_places(
    queries: Float[Tensor, "k c"], unit: Float[Tensor, "c s s"], sharpness: float
) -> Float[Tensor, "k 2"]:
    """Mean place under a softmax over the target's cells."""
    n = unit.shape[-1]
    share = torch.softmax(sharpness * queries @ unit.flatten(1), dim=1).reshape(-1, n, n)
    centres = torch.arange(n, device=unit.device) + 0.5
    return torch.stack([(share.sum(1) * centres).sum(1), (share.sum(2) * centres).sum(1)], dim=1)
