"""Weights of a trained method as one safetensors file that says what they are of."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kapbench.errors import KapbenchError
from kapbench.files import file_hash, write_atomically
from kapbench.hashing import fingerprint
from kapbench_baselines.training import loop, ranks
from kapbench_baselines.training.files import read_tensors, write_tensors
from kapbench_baselines.training.options import Ground
from kapbench_baselines.training.state import State
from kapbench_baselines.training.task import Task

FORMAT = "kapbench-trained-1"
CARD = "card.md"


@dataclass(frozen=True, slots=True)
class Card:
    """What a weights file says of itself. `shape` builds the module that the tensors fit."""

    method: str
    backbone: str
    backbone_revision: str
    backbone_spec: str | None
    categories: tuple[str, ...]
    dataset: str
    dataset_revision: str
    split: str
    n_images: int
    supervision: str
    seed: int
    steps: int
    shape: Mapping[str, Any]
    settings: Mapping[str, Any]
    scores: Mapping[str, float] = field(default_factory=dict)  # on the val split
    precision: str | None = None
    device: str | None = None
    torch: str | None = None

    @classmethod
    def of(
        cls, ground: Ground, method: str, supervision: str, shape: Mapping[str, Any],
        settings: Mapping[str, Any],
    ) -> "Card":  # fmt: skip
        """`settings` must hold the number of `steps`."""
        return cls(
            method=method, backbone=ground.encoder.name, shape=dict(shape),
            backbone_revision=ground.encoder.revision, backbone_spec=ground.backbone_spec,
            categories=ground.categories, dataset=ground.dataset.name, seed=ground.asked.seed,
            dataset_revision=ground.dataset.revision, split=ground.dataset.split,
            n_images=len(ground.views), supervision=supervision, steps=int(settings["steps"]),
            settings=dict(settings),
        )  # fmt: skip

    @property
    def identity(self) -> str:
        """What a training is of: method, settings, data, backbone, seed."""
        return fingerprint(asdict(self))

    @property
    def learnt_from(self) -> str:
        return f"{self.dataset} {self.split}"


def train_and_save(
    ground: Ground, task: Task, settings: Any, card: Card, build: Callable[[Any, Any, str], Any]
) -> Path:
    """Trains on the ground as asked and writes weights and card; returns the weights' path.

    Args:
        build: See `Ground.validator`.
    """
    asked, out = ground.asked, ground.out(card.method)
    plan = loop.Plan(
        out, card.identity, asked.seed, bf16=ground.bf16, parts=asked.parts, resume=asked.resume
    )
    state = loop.train(
        task, settings, plan,
        validate=ground.validator(build), progress=ground.progress,
        schedule=loop.Schedule(asked.validate_every or settings.steps),
    )  # fmt: skip
    if ranks.is_first():
        finish(state, card, out, ground.device)
    return out / loop.WEIGHTS


def finish(state: State, card: Card, out: Path, device: str) -> Path:
    """Writes weights and the card that people read; returns the weights' path."""
    said = replace(
        card, scores=loop.scores(state), precision=state.precision, device=device,
        torch=str(torch.__version__),
    )  # fmt: skip
    path = out / loop.WEIGHTS
    save(path, state.averaged, said)
    write_atomically(out / CARD, readable(said, file_hash(path), state.history).encode())
    return path


def save(path: Path, module: nn.Module, card: Card) -> None:
    # One key alone: safetensors writes several in random order, and equal weights would differ.
    text = json.dumps({"format": FORMAT, **asdict(card)}, sort_keys=True)
    write_tensors(path, module.state_dict(), {"card": text})


def load(path: Path, method: str) -> tuple[dict[str, Tensor], Card, str]:
    """Tensors, card and SHA-256 of a file.

    Raises:
        KapbenchError: no such file; no safetensors file; no card of ours, or another method's.
    """
    fix = f"make one with `kapbench train {method}`"
    tensors, metadata = read_tensors(path, fix)
    if "card" not in metadata:
        raise KapbenchError(
            "tensors without a card: no file of `kapbench train`", place=path, fix=fix
        )
    try:
        found = json.loads(metadata["card"])
        written = found.pop("format", "no format")
        found["categories"] = tuple(found["categories"])
        card = Card(**found) if written == FORMAT else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KapbenchError(
            f"a card that cannot be read ({type(error).__name__}: {error})", place=path, fix=fix
        ) from error
    if card is None or card.method != method:
        whose = f"of format {written}" if card is None else f"of {card.method}"
        raise KapbenchError(f"weights {whose}, not of {method}", place=path, fix=fix)
    return tensors, card, file_hash(path)


def fill(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, method: str) -> nn.Module:
    """The module with these weights, for evaluation. KapbenchError where they do not fit it."""
    try:
        module.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    except RuntimeError as error:
        raise KapbenchError(
            f"weights do not fit their own card: {error}",
            place=path,
            fix=f"make one with `kapbench train {method}`",
        ) from error
    return module.eval()


def readable(card: Card, sha256: str, history: list[dict[str, float]]) -> str:
    """The card in Markdown."""
    scores = ", ".join(f"{k.upper()}@0.10 {100 * v:.1f}" for k, v in card.scores.items())
    best = max((line.get("pck", 0.0), int(line["step"])) for line in history)[1]
    settings = "\n".join(f"| {key} | {value} |" for key, value in card.settings.items())
    return f"""# {card.method} over {card.backbone}

* **Weights**: `{loop.WEIGHTS}`, sha256 {sha256}.
* **Trained on** {card.learnt_from} ({card.dataset_revision}): {card.n_images} images of
  {", ".join(card.categories)}; supervision: {card.supervision}.
* **Backbone**: {card.backbone}, revision {card.backbone_revision}; another is refused.
* **Seed** {card.seed}, {card.steps} steps, {card.precision} on {card.device}, torch {card.torch}.
* **Val**, ×100: {scores or "not measured"}; highest PCK at step {best}
  of {card.steps} (`{loop.CURVE}`, `{loop.HISTORY}`).

| setting | value |
|---|---|
{settings}
"""
