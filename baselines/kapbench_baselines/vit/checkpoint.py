"""What is published of one model: where its weights are, under which licence, what they must be."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from kapbench.errors import KapbenchError
from kapbench_baselines.vit.hub_cache import is_offline

# A configuration's keys in words, for errors.
WORDS = {
    "hidden_size": "{} channels",
    "patch_size": "a patch of {} px",
    "use_gated_mlp": "use_gated_mlp={}",
}


NO_DIGITS = "its sha256 is not known here"
CHANNELS_PER_HEAD = 64  # of every DINO and DINOv2
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def hub_advice() -> str:
    """What to do about a hub that gave nothing: no connection helps a user who chose --offline."""
    if is_offline():
        return "Run without --offline (HF_HUB_OFFLINE), which blocks the download"
    return "Check the connection to the hub"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One published model.

    Args:
        family: As people write it, e.g. "DINOv2".
        name: kapbench's, e.g. "dino.vits8".
        kind: transformers' class.
        hub: Repository on the hub, in transformers' format; empty where none has the weights.
        hub_file: File of the repository that is read as upstream's, where it is in no other format.
        file: Upstream's own file.
        page: Where upstream's file can be downloaded.
        licence: Of the weights.
        trained_on: The training data, in words.
        patch: Side of a patch, px.
        expected: What the configuration must contain beside the patch, e.g. hidden_size.
        needed: Tensors, in the hub's names without "embeddings.", by which a file is recognised.
        qkv: The hub's names for query, key and value, which upstream joins in one tensor.
        renamed: Patterns of upstream's names and the hub's names. from_pretrained maps those on to
            the names of its version.
        dropped: Pattern of upstream's names that the hub's model does not have.
        settings: Configuration of a file, from its renamed tensors.
        model_type: transformers' word for the model, from a file's renamed tensors.
        overlap: Strides in a patch, where the user names no stride.
        upstream_positions: Whether position embeddings are interpolated by upstream's rule, which
            differs from transformers'; see `overlapping_patches.upstream_positions`.
        digits: First digits of the file's SHA-256, where its name contains them.
        gated: The hub and upstream hand the weights out to those who accepted the licence.
        forced: Configuration that upstream has and the hub's copy may not.
        arguments: Of the class.
        inside: Key of a .pth file under which the tensors lie.
        own_part: Pattern of upstream's names whose first group is kept, and is the name within the
            backbone: of files that hold more than it. Files without such names are read whole.
        completed: Adds what the hub's model has and upstream's does without.
        mean: Of pixel levels from 0 to 1, per channel.
        std: Likewise.
        supervision: As of `ModelInfo`.
    """

    family: str
    name: str
    kind: str
    hub: str
    file: str
    page: str
    licence: str
    trained_on: str
    patch: int
    expected: Mapping[str, object]
    needed: tuple[str, ...]
    qkv: tuple[str, str, str]
    renamed: tuple[tuple[str, str], ...]
    settings: Callable[[dict[str, Tensor]], dict[str, Any]]
    model_type: Callable[[dict[str, Tensor]], str]
    dropped: re.Pattern[str] | None = None
    overlap: int = 1
    upstream_positions: bool = False
    digits: str | None = None
    gated: bool = False
    forced: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    hub_file: str | None = None
    inside: str | None = None
    own_part: re.Pattern[str] | None = None
    completed: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    supervision: str = "none"

    def hub_names(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of a file under the hub's names; tensors that have those already keep them."""
        hub_state = {}
        for name, value in split_qkv(self.backbone_of(state), self.qkv).items():
            if self.dropped is not None and self.dropped.search(name):
                continue
            for pattern, replacement in self.renamed:
                name = re.sub(pattern, replacement, name)  # noqa: PLW2901
            hub_state[name] = value
        return self.completed(hub_state)

    def backbone_of(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The backbone's own tensors, of a file that may hold more."""
        if self.own_part is None:
            return state
        matches = {name: self.own_part.match(name) for name in state}
        own = {match[1]: state[name] for name, match in matches.items() if match}
        return own or state

    def whereabouts(self) -> str:
        """What to do if the hub does not give the weights."""
        gate = (
            f"accept the licence at https://huggingface.co/{self.hub} and log in (`hf auth login`); "
            if self.gated
            else ""
        )
        if not self.hub:
            return (
                f"Download {self.file} from {self.page} ({self.licence}), and add -o weights=FILE"
            )
        if self.hub_file is not None:
            page = f"https://huggingface.co/{self.hub}"
            return (
                f"{gate}{hub_advice()}; or download {self.hub_file} of {page} elsewhere "
                f"({self.licence}; its page shows its sha256), and add -o weights=FILE"
            )
        digits = NO_DIGITS if self.digits is None else f"sha256 {self.digits}…, by its name"
        return (
            f"{gate}{hub_advice()}; or download "
            "config.json and model.safetensors of the repository elsewhere, or "
            f"{self.file} from {self.page} ({self.licence}; {digits}), and give the folder or file "
            "by -o weights=PATH"
        )

    def check(self, config: Any, place: object) -> None:
        """Raises KapbenchError: the configuration is another model's."""
        configuration = config.to_dict()
        for key, expected in {"patch_size": self.patch, **self.expected}.items():
            if (value := configuration.get(key)) != expected:
                raise KapbenchError(
                    f"The weights have {WORDS[key].format(value)}; {self.name} has {expected}",
                    place=place,
                    fix="Choose the model name that fits the weights",
                )

    def check_type(self, model_type: str, place: Path) -> None:
        import transformers

        expected = getattr(transformers, self.kind).config_class.model_type
        if model_type != expected:
            raise KapbenchError(
                f"These are weights of a {model_type} model, not of {expected}",
                place=place,
                fix="Choose the model name that fits the weights",
            )

    def check_file(self, state: Mapping[str, Tensor], place: Path) -> None:
        names = {k.removeprefix("embeddings.") for k in state}
        if missing := [name for name in self.needed if name not in names]:
            raise KapbenchError(
                f"These are not weights of {self.family}: tensor {missing[0]} is missing",
                place=place,
                fix=f"Give the file of a whole backbone, e.g. {self.file}",
            )


def split_qkv(state: Mapping[str, Tensor], parts: tuple[str, str, str]) -> dict[str, Tensor]:
    """Each joined `attn.qkv` as three tensors, `attn.` and the name of the part."""
    split: dict[str, Tensor] = {}
    for name, value in state.items():
        if ".attn.qkv." in name:
            for part, third in zip(parts, value.chunk(3), strict=True):
                split[name.replace("qkv", part)] = third.contiguous()
        else:
            split[name] = value
    return split


def table_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Configuration of a ViT with a table of position embeddings, from its tensors' shapes."""
    embeddings = {k.removeprefix("embeddings."): v for k, v in state.items()}
    projection = embeddings["patch_embeddings.projection.weight"]
    channels, patch = projection.shape[0], projection.shape[-1]
    return {
        "hidden_size": channels,
        "num_attention_heads": max(1, channels // CHANNELS_PER_HEAD),
        "num_hidden_layers": n_blocks(state),
        "patch_size": patch,
        "image_size": math.isqrt(embeddings["position_embeddings"].shape[1] - 1) * patch,
    }


def n_blocks(state: Mapping[str, Tensor]) -> int:
    """Blocks that the hub's names or those of transformers 5 speak of."""
    numbers = (re.search(r"\blayers?\.(\d+)\.", name) for name in state)
    return len({match[1] for match in numbers if match})
