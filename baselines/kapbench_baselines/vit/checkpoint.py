"""What is published of one model: where its weights are, under which licence, what they must be."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from kapbench.errors import KapbenchError

# How a mismatch is told: a configuration's word to ours.
WORDS = {
    "hidden_size": "{} channels",
    "patch_size": "a patch of {} px",
    "use_gated_mlp": "use_gated_mlp={}",
}


NO_DIGITS = "no sha256 of it is known here"


def hub_advice() -> str:
    """What to do about a hub that gave nothing: asked to stay offline, no connection is a remedy."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "leave --offline (HF_HUB_OFFLINE) out, which keeps from the hub"
    return "check the connection to the hub"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One published model.

    Args:
        name: kapbench's, e.g. "dino.vits8".
        kind: transformers' class.
        hub: Repository on the hub, in transformers' format.
        file: Upstream's own file, whose tensors `rename` turns into the hub's names.
        page: Where upstream's file is to be had.
        licence: Of the weights.
        digits: First ones of the file's SHA-256, where its name says them.
        gated: The hub and upstream hand the weights out to those who accepted the licence.
        expected: What the configuration must say, e.g. hidden_size.
        needed: Tensors, in the hub's names without "embeddings.", that tell what a file holds.
        settings: Configuration of a file, from its renamed tensors.
        forced: Configuration that upstream has and the hub's copy may not.
        arguments: Of the class.
    """

    name: str
    kind: str
    hub: str
    file: str
    page: str
    licence: str
    expected: Mapping[str, object]
    needed: tuple[str, ...]
    rename: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    settings: Callable[[dict[str, Tensor]], dict[str, Any]]
    model_type: Callable[[dict[str, Tensor]], str]
    digits: str | None = None
    gated: bool = False
    forced: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return {"dino": "DINO", "dinov2": "DINOv2", "dinov3": "DINOv3"}[self.name.partition(".")[0]]

    def whereabouts(self) -> str:
        """What to do where the weights cannot be had from the hub."""
        gate = (
            f"accept the licence at https://huggingface.co/{self.hub} and log in (`hf auth login`); "
            if self.gated
            else ""
        )
        digits = NO_DIGITS if self.digits is None else f"sha256 {self.digits}…, by its name"
        return (
            f"{gate}{hub_advice()}; or download "
            "config.json and model.safetensors of the repository elsewhere, or "
            f"{self.file} from {self.page} ({self.licence}; {digits}), and give the folder or file "
            "by -o weights=PATH"
        )

    def check(self, config: Any, place: object) -> None:
        """
        Raises:
            KapbenchError: the configuration is another model's.
        """
        for key, expected in self.expected.items():
            if (found := getattr(config, key, None)) != expected:
                words = WORDS[key]
                raise KapbenchError(
                    f"weights with {words.format(found)} where {self.name} has {expected}",
                    place=place, fix="choose the model name that fits the weights",
                )  # fmt: skip

    def check_type(self, found: str, place: Path) -> None:
        import transformers

        expected = getattr(transformers, self.kind).config_class.model_type
        if found != expected:
            raise KapbenchError(
                f"weights of a {found} model where {expected} belongs", place=place,
                fix="choose the model name that fits the weights",
            )  # fmt: skip

    def check_file(self, state: Mapping[str, Tensor], place: Path) -> None:
        names = {k.removeprefix("embeddings.") for k in state}
        if missing := [name for name in self.needed if name not in names]:
            raise KapbenchError(
                f"no {self.family}: tensor {missing[0]} is missing", place=place,
                fix=f"give the file of a whole backbone, e.g. {self.file}",
            )  # fmt: skip


def split_qkv(state: Mapping[str, Tensor], parts: tuple[str, str, str]) -> dict[str, Tensor]:
    """Each joined `attn.qkv` as three tensors, `attn.` and the name of the part."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if ".attn.qkv." in name:
            for part, third in zip(parts, value.chunk(3), strict=True):
                found[name.replace("qkv", part)] = third.contiguous()
        else:
            found[name] = value
    return found


def n_blocks(state: Mapping[str, Tensor]) -> int:
    """Blocks that the hub's names or those of transformers 5 speak of."""
    numbers = (re.search(r"\blayers?\.(\d+)\.", name) for name in state)
    return len({match[1] for match in numbers if match})
