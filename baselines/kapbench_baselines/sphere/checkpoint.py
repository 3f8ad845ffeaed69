"""The sphere's weights: files of `kapbench train sphere`, and the released checkpoint."""

from pathlib import Path
from typing import Any

from kapbench.datasets.symmetry import categories as spair_categories
from kapbench.errors import KapbenchError
from kapbench.storage import file_hash
from kapbench_baselines.sphere import released
from kapbench_baselines.sphere.mapper import SphereMapper
from kapbench_baselines.training.backbones import ANY_REVISION
from kapbench_baselines.training.card import MAX_CELLS, MAX_WIDTH, Card
from kapbench_baselines.training.tensor_files import read_tensors
from kapbench_baselines.training.trained_weights import build as build_filled
from kapbench_baselines.training.trained_weights import how_to_make, read_card

METHOD = "sphere"
FIRST_FORMAT = "kapbench-sphere-1"  # of the shipped weights: written before methods shared one card
_MAPPER = {"channels": MAX_WIDTH, "width": MAX_WIDTH, "heads": 1024, "depth": 64}
SHAPE = (*_MAPPER, "token_grid")  # of a card: the mapper's, and cells a side of the map it reads


def build(card: Card) -> SphereMapper:
    """A mapper of the card's shape, without its weights."""
    shape = {key: card.shape_number(key, most) for key, most in _MAPPER.items()}
    if shape["width"] % shape["heads"]:
        raise ValueError(f"a width of {shape['width']} has no {shape['heads']} equal parts")
    return SphereMapper(**shape, normed=card.shape_flag("normed", False))


def chosen_weight(card: Card, sphere_weight: float | None) -> tuple[float, dict[str, float]]:
    """The sphere's weight in the similarity, and the option that repeats a choice of it.

    Args:
        sphere_weight: None: as validated.

    Raises:
        KapbenchError: the weight is not from 0 to 1.
    """
    validated = card.settings.get("sphere_weight")
    if not isinstance(validated, int | float):
        raise KapbenchError(
            f"The weights' card gives {validated!r} for sphere_weight, not a number",
            place=f"weights of {METHOD}",
            fix=how_to_make(METHOD),
        )
    share = validated if sphere_weight is None else sphere_weight
    if not 0 <= share <= 1:
        raise KapbenchError(f"The sphere weight is {share}", fix="Give a number from 0 to 1")
    return share, {} if share == validated else {"sphere_weight": share}


def load(path: Path) -> tuple[SphereMapper, Card, str]:
    """The mapper in evaluation mode, its card, and the file's SHA-256.

    Args:
        path: A safetensors file of ours; or the released checkpoint, safetensors or .pth.

    Raises:
        KapbenchError: the file does not exist or holds more than tensors; it has no card of this
            method and is not the released checkpoint; the tensors do not fit the card.
    """
    if path.suffix.lower() in (".pth", ".pt"):
        tensors, metadata = released.read(path), dict[str, str]()
    else:
        tensors, metadata = read_tensors(path, how_to_make(METHOD))
    if "card" not in metadata and released.is_released(tensors):
        mapper = released.mapper(tensors, path)
        return mapper, _released_card(mapper, path), file_hash(path)
    card = read_card(path, metadata, METHOD, {FIRST_FORMAT: _from_first_format})
    card.shape_number("token_grid", MAX_CELLS)
    mapper = build_filled(lambda: build(card), tensors, path, METHOD)
    return mapper, card, file_hash(path)


def _from_first_format(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a card, from those of the first format."""
    shape = {key: fields.pop(key) for key in SHAPE}
    masks = fields.pop("masks", {})  # images by what showed the object: "mask" or "box"
    return fields | {
        "method": METHOD,
        "shape": shape,
        "n_images": sum(masks.values()),
        "supervision": supervision(masks),
        "settings": fields.get("settings", {}) | {"sphere_weight": fields.pop("sphere_weight")},
        "backbone_spec": fields.get("backbone_spec"),
    }


def supervision(masks: dict[str, int]) -> str:
    """What a mapper was shown beside the pixels.

    Args:
        masks: Training images by what showed the object: "mask" or "box".
    """
    return "viewpoint and masks" if masks.get("mask") else "viewpoint and boxes"


def _released_card(mapper: SphereMapper, path: Path) -> Card:
    """What is known of a released checkpoint (paper, Sec. 4, and its repository)."""
    width, channels = mapper.state_dict()["sphere_mapper.0.weight"].shape
    return Card(
        method=METHOD,
        backbone=released.BACKBONE,
        backbone_revision=ANY_REVISION,
        backbone_spec=None,
        categories=spair_categories(),
        dataset="spair",
        dataset_revision="unknown",
        split="trn",
        n_images=1,
        supervision=supervision({"mask": 1}),
        seed=0,
        steps=0,
        shape={
            "channels": int(channels),
            "width": int(width),
            "heads": 0,
            "depth": 1,
            "token_grid": released.TOKEN_GRID,
        },
        settings={"sphere_weight": 0.2, "backbone_options": released.backbone_options(path)},
    )
