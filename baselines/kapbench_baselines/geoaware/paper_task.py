"""geoaware.supervised with the published objective (`--preset paper`), for the shared training loop."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kapbench.errors import KapbenchError
from kapbench_baselines.aggregation_head.network import AggregationNetwork
from kapbench_baselines.geoaware.pairs import Side, TrainingPairs
from kapbench_baselines.geoaware.published_losses import Match, Places, dense, sparse, unit
from kapbench_baselines.geoaware.settings import PaperSettings
from kapbench_baselines.geoaware.task import thinned
from kapbench_baselines.training.data_parallel import map_in_parallel

TERMS = ("sparse", "dense", "both_mirrored", "self_mirrored")
Maps = Float[Tensor, "4 c s s"]  # source, target, and both mirrored


class PairOrder(nn.Module):
    """Pairs in one random order, again and again; the position is saved with the training."""

    order: Tensor
    position: Tensor

    def __init__(self, pairs: Sequence[int], seed: int) -> None:
        super().__init__()
        shuffled = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))
        self.register_buffer("order", torch.tensor(pairs)[shuffled])
        self.register_buffer("position", torch.tensor(0))

    def take(self, n_pairs: int) -> list[int]:
        at = (self.position + torch.arange(n_pairs)) % len(self.order)
        self.position += n_pairs
        taken: list[int] = self.order[at].tolist()
        return taken


class PaperTask:
    """Each step compares a pair as it is, both images mirrored, and the source with its own mirror."""

    main = "network"
    names = TERMS

    def __init__(
        self,
        data: TrainingPairs,
        settings: PaperSettings,
        seed: int,
        device: str,
        parts: Sequence[int] | None = None,
    ) -> None:
        """
        Args:
            parts: Channels of each part of the backbone's map, which gets its own stage; None:
                they are one.

        Raises:
            KapbenchError: no pair has a keypoint that is visible in both images.
        """
        torch.manual_seed(seed)
        self._data, self._settings, self._device = data, settings, torch.device(device)
        self._widths = list(parts or [int(data.features.shape[2])])
        self._n_cells = int(data.features.shape[-1])
        self.network = AggregationNetwork(**self.shape()).to(device)
        self._places = Places(self._n_cells).to(device)
        self._order = PairOrder(usable(data), seed)
        self.modules: dict[str, nn.Module] = {
            "network": self.network,
            "places": self._places,
            "order": self._order,
        }

    def shape(self) -> dict[str, Any]:
        """What builds the network again."""
        return {"widths": self._widths, "width_out": self._settings.width}

    def prepare(self) -> None:
        """Nothing is fitted before the first step."""

    def losses(self, generator: torch.Generator, *, bf16: bool, parts: int) -> Float[Tensor, "n"]:
        """Of each term, divided by the sum of the weights of those that the pair has."""
        numbers = self._order.take(self._settings.batch)
        maps = torch.cat([self._maps(number) for number in numbers])
        inputs = maps.to(self._device, torch.float32)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            out = map_in_parallel(
                self.network, thinned(inputs, self._settings.dropout, generator), parts=parts
            )
        each = unit(out.float()).reshape(-1, 4, *out.shape[1:])
        values = [self.terms(m, n, generator) for m, n in zip(each, numbers, strict=True)]
        return torch.stack(values).mean(0)

    def weighted(self, values: Float[Tensor, "n"]) -> Float[Tensor, ""]:
        weights = self._settings.weights
        return (values * values.new_tensor([weights[name] for name in self.names])).sum()

    def terms(self, maps: Maps, number: int, generator: torch.Generator) -> Float[Tensor, "4"]:
        """Terms of one pair from unit features, as `losses` returns them."""
        matches = self._matches(maps, number)
        values = {"sparse": sparse(matches["dense"], self.network.logit_scale.exp())}
        values |= {k: dense(m, self._places, generator) for k, m in matches.items()}
        weights: Mapping[str, float] = self._settings.weights
        total = 1 + sum(weights[name] for name in TERMS[2:] if name in matches)
        return torch.stack([values.get(name, maps.new_zeros(())) for name in TERMS]) / total

    def _maps(self, number: int) -> Tensor:
        data = self._data
        image, other = data.pairs[number].tolist()
        return torch.stack([data.features[i, side] for side in (0, 1) for i in (image, other)])

    def _matches(self, maps: Maps, number: int) -> dict[str, Match]:
        """What a pair is trained on, without what has no common keypoint."""
        data = self._data
        images = data.pairs[number].tolist()
        source, target = (data.sides[i][0] for i in images)
        source_size, target_size = (data.sizes[i] for i in images)
        twins = data.twins[number]
        flipped, target_flipped = (self._mirrored(s, twins) for s in (source, target))
        plain, other, plain_flipped, other_flipped = maps
        compared = {
            "dense": (plain, other, source, target, target_size),
            "both_mirrored": (plain_flipped, other_flipped, flipped, target_flipped, target_size),
            "self_mirrored": (plain_flipped, plain, flipped, source, source_size),
        }
        return {
            name: Match(one, two, a.xy[both].to(maps.device), b.xy[both].to(maps.device), size)
            for name, (one, two, a, b, size) in compared.items()
            if (both := a.visible & b.visible).any()
        }

    def _mirrored(self, side: Side, twins: Tensor) -> Side:
        """In the mirror image of the padded square, left and right relabelled."""
        xy = torch.stack([self._n_cells - side.xy[:, 0], side.xy[:, 1]], dim=1)
        return Side(xy[twins], side.visible[twins])


def usable(data: TrainingPairs) -> list[int]:
    """Numbers of the pairs with a common visible keypoint. KapbenchError if there are none."""
    visible = [plain.visible for plain, _ in data.sides]
    numbers = [n for n, (i, j) in enumerate(data.pairs.tolist()) if (visible[i] & visible[j]).any()]
    if not numbers:
        raise KapbenchError(
            "No training pair has a keypoint that is visible in both images",
            place="kapbench train geoaware.supervised",
            fix="Choose another split or more categories",
        )
    return numbers
