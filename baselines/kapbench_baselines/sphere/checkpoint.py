"""Weights of a mapper as one safetensors file that says what they are of."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from kapbench.datasets.symmetry import categories as spair_categories
from kapbench.errors import KapbenchError
from kapbench.storage import file_hash
from kapbench_baselines.sphere import released
from kapbench_baselines.sphere.mapper import SphereMapper
from kapbench_baselines.training.backbones import ANY_REVISION
from kapbench_baselines.training.tensor_files import read_tensors, write_tensors

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
    kept_step: int | None = None  # of training, whose weights these are

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


def load(path: Path) -> tuple[SphereMapper, Card, str]:
    """The mapper in evaluation mode, its card, and the file's SHA-256.

    Args:
        path: A safetensors file of ours; or the released checkpoint, safetensors or .pth.

    Raises:
        KapbenchError: no such file; one that holds more than tensors; one without a card of ours
            that is not the released one; tensors that are not those of the card.
    """
    if path.suffix.lower() in (".pth", ".pt"):
        tensors, metadata = released.read(path), dict[str, str]()
    else:
        tensors, metadata = read_tensors(path, MAKE_ONE)
    if "card" not in metadata and released.is_released(tensors):
        mapper = released.mapper(tensors, path)
        return mapper, _released_card(mapper), file_hash(path)
    card = _card(path, metadata)
    mapper = card.build()
    try:
        mapper.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    except RuntimeError as error:
        raise KapbenchError(
            f"weights do not fit their own card: {error}", place=path, fix=MAKE_ONE
        ) from error
    return mapper.eval(), card, file_hash(path)


def _released_card(mapper: SphereMapper) -> Card:
    """What is known of the released checkpoint (paper, Sec. 4, and its repository)."""
    width, channels = mapper.state_dict()["sphere_mapper.0.weight"].shape
    return Card(
        backbone=released.BACKBONE, backbone_revision=ANY_REVISION, channels=int(channels),
        width=int(width), heads=0, depth=1, token_grid=released.TOKEN_GRID, sphere_weight=0.2,
        categories=spair_categories(), dataset="spair", dataset_revision="unknown", split="trn",
        seed=0, steps=0, masks={"mask": 1},
    )  # fmt: skip


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
