"""A training in progress: everything that the next step depends on, to disk and back."""

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kapbench.errors import KapbenchError
from kapbench_baselines.sphere.checkpoint import read_tensors, write_tensors
from kapbench_baselines.sphere.mapper import PrototypeDecoder, SphereMapper
from kapbench_baselines.sphere.objective import NAMES
from kapbench_baselines.sphere.settings import Settings

FORMAT = "kapbench-sphere-training-1"


@dataclass
class State:
    mapper: SphereMapper
    decoder: PrototypeDecoder
    averaged: SphereMapper  # moving average of the mapper's weights: what is evaluated and saved
    optimiser: torch.optim.AdamW
    generator: torch.Generator
    precision: str = "fp32"  # of matrix products; bf16 would go on to other weights
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    losses: Tensor = field(default_factory=lambda: torch.zeros(len(NAMES) + 1))  # sums and steps

    @classmethod
    def fresh(
        cls, channels: int, n_categories: int, settings: Settings, seed: int, device: str
    ) -> "State":
        torch.manual_seed(seed)  # initial weights and dropout
        mapper = SphereMapper(
            channels, settings.width, settings.heads, settings.depth, settings.dropout
        ).to(device)
        decoder = PrototypeDecoder(channels, n_categories).to(device)
        optimiser = torch.optim.AdamW(
            [*mapper.parameters(), *decoder.parameters()],
            lr=settings.rate, betas=(0.9, 0.999), weight_decay=settings.weight_decay,
        )  # fmt: skip
        generator = torch.Generator().manual_seed(seed)
        return cls(mapper, decoder, copy.deepcopy(mapper).eval(), optimiser, generator)

    def average(self, decay: float) -> None:
        """Moves the average towards the weights; faster at first, when they still travel."""
        decay = min(decay, (self.step + 1) / (self.step + 10)) if decay else 0.0
        with torch.no_grad():
            pairs = zip(self.averaged.parameters(), self.mapper.parameters(), strict=True)
            for mean, now in pairs:
                mean.lerp_(now, 1 - decay)

    def note(self, losses: Float[Tensor, "4"]) -> None:
        self.losses += torch.cat([losses.cpu(), torch.ones(1)])

    def mean_losses(self) -> Float[Tensor, "4"]:
        """Mean losses since this was last asked."""
        *sums, n_steps = self.losses
        self.losses = torch.zeros_like(self.losses)
        means: Tensor = torch.stack(sums) / n_steps
        return means

    def save(self, path: Path, identity: str) -> None:
        """`identity` names what is being trained: a state of anything else is refused."""
        tensors = dict(self._tensors())
        metadata = {"format": FORMAT, "identity": identity, "step": str(self.step)}
        metadata |= {"history": json.dumps(self.history), "precision": self.precision}
        write_tensors(path, tensors, metadata)

    def load(self, path: Path, identity: str) -> None:
        """
        Raises:
            KapbenchError: not a training state, that of another training, or in another precision.
        """
        tensors, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT or metadata.get("identity") != identity:
            raise KapbenchError(
                "the training found here is of other settings, data or seed",
                place=path,
                fix="repeat its options to resume it, or choose another --out",
            )
        before = metadata.get("precision", self.precision)
        if before != self.precision:
            raise KapbenchError(
                f"the training found here is in {before}, this one would go on in {self.precision}",
                place=path,
                fix=f"add --precision {before}, or choose another --out",
            )
        self.step, self.history = int(metadata["step"]), json.loads(metadata["history"])
        for name, module in self._modules():
            prefix = f"{name}."
            own = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            module.load_state_dict(own)
        self._load_optimiser(tensors)
        self.losses = tensors["losses"]
        self.generator.set_state(tensors["random.draws"])
        torch.set_rng_state(tensors["random.global"])

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        yield from (("mapper", self.mapper), ("decoder", self.decoder), ("averaged", self.averaged))

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, module in self._modules():
            yield from ((f"{name}.{key}", value) for key, value in module.state_dict().items())
        for number, moments in self.optimiser.state_dict()["state"].items():
            yield from ((f"optimiser.{number}.{key}", value) for key, value in moments.items())
        yield "losses", self.losses
        yield "random.draws", self.generator.get_state()
        yield "random.global", torch.get_rng_state()

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimiser."):
                _, number, moment = key.split(".")
                state.setdefault(int(number), {})[moment] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})


def rate(settings: Settings, step: int) -> float:
    """Learning rate of a step (from 1): linear warm-up, then constant or half a cosine."""
    done = step / settings.steps
    if done < settings.warm_up:
        return settings.rate * done / settings.warm_up
    if settings.schedule == "constant":
        return settings.rate
    left = (done - settings.warm_up) / (1 - settings.warm_up)
    return settings.rate * (1 + math.cos(math.pi * left)) / 2
