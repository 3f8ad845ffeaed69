"""Weights of a mapper as one safetensors file that says what they are of."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench.files import file_hash, write_atomically
from kapbench_baselines.sphere.mapper import SphereMapper

FORMAT = "kapbench-sphere-1"
MAKE_ONE = "make one with `kapbench train sphere`"


@dataclass(frozen=True, slots=True)
class Card:
    """What a weights file says of itself."""

    backbone: str  # registry name of the encoder
    backbone_revision: str
    channels: int
    width: int
    heads: int
    depth: int
    token_grid: int  # cells a side of the map that the mapper reads
    sphere_weight: float  # share of the sphere's cosine in the fused similarity
    categories: tuple[str, ...]
    dataset: str
    dataset_revision: str
    split: str
    seed: int
    steps: int
    masks: Mapping[str, int] = field(default_factory=dict)  # images by "mask" or "box"
    settings: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)  # on the val split
    backbone_spec: str | None = None  # what --backbone was, a file without its folder
    precision: str | None = None  # of matrix products in training: fp32 or bf16
    device: str | None = None  # that trained, last
    torch: str | None = None  # version that trained, last

    @property
    def supervision(self) -> str:
        """What the mapper was shown beside the pixels."""
        return "viewpoint and masks" if self.masks.get("mask") else "viewpoint and boxes"

    def build(self) -> SphereMapper:
        """A mapper of this shape, without its weights."""
        return SphereMapper(self.channels, self.width, self.heads, self.depth)


def save(path: Path, tensors: Mapping[str, Tensor], card: Card) -> None:
    """Writes weights and card, whole or not at all."""
    # One key alone: safetensors writes several in random order, and equal weights would differ.
    card_json = json.dumps({"format": FORMAT, **asdict(card)}, sort_keys=True)
    write_tensors(path, tensors, {"card": card_json})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file under a temporary name, moved into place."""
    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    write_atomically(path, to_bytes(plain, metadata))


def load(path: Path) -> tuple[SphereMapper, Card, str]:
    """The mapper in evaluation mode, its card, and the file's SHA-256.

    Raises:
        KapbenchError: no such file; not a safetensors file (a pickle, say); one without a card of
            ours; tensors that are not those of the card.
    """
    tensors, metadata = read_tensors(path)
    card = _card(path, metadata)
    mapper = card.build()
    try:
        mapper.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    except RuntimeError as error:
        raise KapbenchError(
            f"weights do not fit their own card: {error}", place=path, fix=MAKE_ONE
        ) from error
    return mapper.eval(), card, file_hash(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        KapbenchError: no such file, or not a safetensors file.
    """
    if not path.is_file():
        raise KapbenchError("weights file not found", place=path, fix=MAKE_ONE)
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in sorted(file.keys())}, file.metadata() or {}
    except SafetensorError as error:
        raise KapbenchError(
            f"{_kind(path)} where a safetensors file belongs", place=path, fix=MAKE_ONE
        ) from error


def check_backbone(card: Card, name: str, revision: str, place: object) -> None:
    """Raises KapbenchError for weights of another backbone, or of another revision of it."""
    if card.backbone != name:
        raise KapbenchError(
            f"weights of backbone '{card.backbone}', not of '{name}'",
            place=place,
            fix=f"use backbone {card.backbone}, or `kapbench train sphere --backbone {name}`",
        )
    if card.backbone_revision != revision:
        raise KapbenchError(
            f"weights of {name}@{card.backbone_revision}, but this {name} is @{revision}",
            place=place,
            fix=f"train again: kapbench train sphere --backbone {name}",
        )


def _card(path: Path, metadata: Mapping[str, str]) -> Card:
    try:
        fields = json.loads(metadata.get("card", "{}"))
        found = fields.pop("format", "no format")
        if found != FORMAT:
            raise KapbenchError(
                f"weights file without a card of ours ({found}, not {FORMAT})",
                place=path,
                fix=MAKE_ONE,
            )
        fields["categories"] = tuple(fields["categories"])
        return Card(**fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KapbenchError(
            f"the weights' card cannot be read: {error}", place=path, fix=MAKE_ONE
        ) from error


def _kind(path: Path) -> str:
    head = path.read_bytes()[:4]
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return "a pickle"
    return "an empty or damaged file" if len(head) < 4 else "something else"
